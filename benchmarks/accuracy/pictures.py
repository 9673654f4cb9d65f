"""The best and the worst forecasts of a data set, drawn."""

import pandas as pd
from matplotlib.figure import Figure
from utilsforecast import losses

SHOWN = 3
"""Windows of either kind."""


def best_and_worst(forecasts: pd.DataFrame, history: pd.DataFrame, horizon: int) -> Figure:
    """Return a figure of the windows with the lowest and the highest sMAPE.

    Args:
        forecasts: `series`, `window`, `time`, `forecast` and `actual` of every step.
        history: `series`, `time` and `value` before the test part.
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
            past = past[past["time"] < part["time"].iloc[0]].tail(2 * horizon)
            axis.plot(past["time"], past["value"], color="0.6", linewidth=1)
            axis.plot(part["time"], part["actual"], color="black", linewidth=1.2, label="actual")
            axis.plot(part["time"], part["forecast"], color="tab:red", linewidth=1.2, label="mean")
            axis.set_title(
                f"{part['series'].iloc[0]}, sMAPE {200 * error_of[window]:.3g} %", fontsize=9
            )
            axis.tick_params(axis="x", labelrotation=20, labelsize=7)
            axis.tick_params(axis="y", labelsize=8)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    labels = ["what came", "forecast, mean of the seeds"]
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
