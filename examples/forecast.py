"""Forecast the next two days of electricity load in eight countries, and score the forecaster.

    python examples/forecast.py

Trains for a minute on the sample in the package and writes `forecast.csv` and `forecast.png`.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from drnn_forecast import (
    DilatedRNNForecaster,
    ForecastData,
    SeasonalNaive,
    compare,
    dilated_rnn,
    fit,
    load_sample,
)
from drnn_forecast.model.losses.quantiles import quantile_loss
from drnn_forecast.plotting.forecasts import fan_charts

HORIZON, CONTEXT, SEASONS = 48, 168, (24, 168)  # hours
OPTIONS = {
    "cell_type": "LSTM",
    "hidden_size": 40,
    "num_layers": 4,
    "dilation_base": 4,  # dilations 1, 4, 16, 64
    "head_size": 128,
    "season_length": SEASONS,
    "learning_rate": 3e-3,
    "loss": quantile_loss(),
}


def main(folder: Path = Path("."), seconds: float = 60) -> pd.DataFrame:
    """Return the forecast; write it and its picture into `folder`."""
    # 1. A tidy frame and its roles. Temperature was measured; in earnest it would be forecast.
    data = ForecastData.from_frame(
        load_sample(), series="series", time="time", target="load", known=["temperature"]
    )
    past = data.before(HORIZON)  # the last two days become the future

    # 2. Datasets of pytorch-forecasting, and a model made for them.
    splits = past.split(horizon=HORIZON, context_length=CONTEXT, validation_windows=14)
    roles = data.roles.to_dict()
    build = partial(DilatedRNNForecaster.from_dataset, splits.training, roles=roles, **OPTIONS)

    # 3. Train: seeded, stopped early, the best weights kept.
    budget = {"max_seconds": seconds, "steps_per_epoch": 200, "batch_size": 64}
    result = fit(build, splits.training, splits.validation, **budget)
    print(f"validation loss {result.validation_loss:.1f} after {result.steps} steps")

    # 4. Forecast past the end of every series, tidy and with quantiles.
    forecast = result.model.forecast(past.history, future=past.future)
    forecast.to_csv(folder / "forecast.csv", index=False)
    names = {"load": "actual"}
    figure = fan_charts(
        forecast,
        past.history.groupby("series").tail(120).rename(columns=names),
        data.history.groupby("series").tail(HORIZON).rename(columns=names),
        unit="MW",
        title="Electricity load, 48 hours ahead",
    )
    figure.savefig(folder / "forecast.png", dpi=110)

    # 5. Is it any good? The same windows for every model, four weeks of them, held out.
    models = [dilated_rnn(**OPTIONS), *map(SeasonalNaive, SEASONS)]
    windows = {"horizon": HORIZON, "context_length": CONTEXT, "scale_season": 24}
    windows |= {"validation_windows": 14, "test_windows": 14}
    comparison = compare(data, models=models, seeds=[0], **windows, **budget)
    print(comparison.table[["MAE", "sMAPE", "MASE", "WQL", "coverage 80 %"]].round(3))
    return forecast


if __name__ == "__main__":
    main()
