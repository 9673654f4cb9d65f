"""The best and the worst forecasts of a data set, drawn."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from runs import RESULTS
from utilsforecast import losses

SHOWN = 3
"""Windows of either kind."""


def draw(
    name: str,
    forecasts: pd.DataFrame,
    history: pd.DataFrame,
    horizon: int,
    *,
    unit: str,
    relative: bool = True,
) -> None:
    """Write `forecasts-<name>.png`: see `best_and_worst`."""
    figure = best_and_worst(forecasts, history, horizon, unit=unit, relative=relative)
    figure.suptitle(f"{name}: best (left) and worst (right) test windows")
    figure.savefig(RESULTS / f"forecasts-{name.replace(' ', '_')}.png", dpi=100)


def best_and_worst(
    forecasts: pd.DataFrame, history: pd.DataFrame, horizon: int, *, unit: str, relative: bool
) -> Figure:
    """Return a figure of windows with the lowest and the highest mean absolute error.

    Each series is shown once at most on either side.

    Args:
        forecasts: `series`, `window`, `time`, `forecast` and `actual` of every step.
        history: `series`, `time` and `value` before the test part.
        horizon: Time steps; twice as many are shown before each forecast.
        unit: Of the target.
        relative: Whether errors are shares of each window's mean size.
    """
    errors = losses.mae(forecasts, ["forecast"], id_col="window", target_col="actual")
    sizes = forecasts["actual"].abs().groupby(forecasts["window"]).mean() if relative else 1.0
    error_of = (errors.set_index("window")["forecast"] / sizes).sort_values()
    series_of = forecasts.drop_duplicates("window").set_index("window")["series"]
    order = series_of[error_of.index]
    shown = "{:.1%}".format if relative else "{:.2f}".format
    figure = Figure(figsize=(11, 2.4 * SHOWN), layout="constrained")
    axes = figure.subplots(SHOWN, 2)
    observed = pd.concat(
        [history, forecasts.rename(columns={"actual": "value"})[["series", "time", "value"]]]
    ).drop_duplicates(["series", "time"])
    for column, ranked in enumerate((order, order[::-1])):
        chosen = ranked.drop_duplicates().index[:SHOWN]
        for axis, window in zip(axes[:, column], chosen, strict=True):
            part = forecasts[forecasts["window"] == window]
            past = observed[observed["series"] == part["series"].iloc[0]].sort_values("time")
            past = past[past["time"] < part["time"].iloc[0]].tail(2 * horizon)["value"]
            ahead = range(1, len(part) + 1)
            axis.plot(range(1 - len(past), 1), past, color="0.6", linewidth=1)
            axis.plot(ahead, part["actual"], color="black", linewidth=1.2)
            axis.plot(ahead, part["forecast"], color="tab:red", linewidth=1.2)
            axis.set_title(f"{part['series'].iloc[0]}, error {shown(error_of[window])}", fontsize=9)
            axis.tick_params(labelsize=8)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            if axis in axes[-1]:
                axis.set_xlabel("time steps ahead", fontsize=9)
    figure.supylabel(unit, fontsize=9)
    past, actual, forecast = axes[0, 0].get_lines()
    figure.legend(
        [past, actual, forecast],
        ["before", "what came", "forecast, mean of the seeds"],
        loc="outside lower center",
        ncols=3,
    )
    return figure
