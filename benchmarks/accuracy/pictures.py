"""The best and the worst forecasts of a data set, drawn."""

import pandas as pd
from matplotlib.figure import Figure
from utilsforecast import losses

SHOWN = 3
"""Windows of either kind."""


def best_and_worst(
    forecasts: pd.DataFrame, history: pd.DataFrame, horizon: int, *, unit: str
) -> Figure:
    """Return a figure of the windows with the lowest and the highest sMAPE.

    Args:
        forecasts: `series`, `window`, `time`, `forecast` and `actual` of every step.
        history: `series`, `time` and `value` before the test part.
        unit: Of the target.
        horizon: Time steps; twice as many are shown before each forecast.
    """
    errors = losses.smape(forecasts, ["forecast"], id_col="window", target_col="actual")
    order = errors.sort_values("forecast")["window"].tolist()
    figure = Figure(figsize=(11, 2.4 * SHOWN), layout="constrained")
    axes = figure.subplots(SHOWN, 2)
    observed = pd.concat(
        [history, forecasts.rename(columns={"actual": "value"})[["series", "time", "value"]]]
    ).drop_duplicates(["series", "time"])
    error_of = errors.set_index("window")["forecast"]
    for column, chosen in enumerate((order[:SHOWN], order[: -SHOWN - 1 : -1])):
        for axis, window in zip(axes[:, column], chosen, strict=True):
            part = forecasts[forecasts["window"] == window]
            past = observed[observed["series"] == part["series"].iloc[0]].sort_values("time")
            past = past[past["time"] < part["time"].iloc[0]].tail(2 * horizon)["value"]
            ahead = range(1, len(part) + 1)
            axis.plot(range(1 - len(past), 1), past, color="0.6", linewidth=1)
            axis.plot(ahead, part["actual"], color="black", linewidth=1.2)
            axis.plot(ahead, part["forecast"], color="tab:red", linewidth=1.2)
            axis.set_title(
                f"{part['series'].iloc[0]}, sMAPE {200 * error_of[window]:.3g} %", fontsize=9
            )
            axis.tick_params(labelsize=8)
    figure.supxlabel("time steps ahead", fontsize=9)
    figure.supylabel(unit, fontsize=9)
    past, actual, forecast = axes[0, 0].get_lines()
    figure.legend(
        [past, actual, forecast],
        ["before", "what came", "forecast, mean of the seeds"],
        loc="outside lower center",
        ncols=3,
    )
    return figure
