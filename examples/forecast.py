"""Forecast the next two days of electricity load in eight countries, and score the forecaster.

    python examples/forecast.py

Trains for a minute on the sample in the package and writes `forecast.csv` and `forecast.png`.
"""

from pathlib import Path

import pandas as pd

import drnn_forecast as drnn
from drnn_forecast.evaluation import dilated_rnn

HORIZON = 48  # hours


def main(folder: Path = Path("."), seconds: float = 60) -> pd.DataFrame:
    """Return the forecast; write it and its picture into `folder`."""
    # 1. A tidy frame and its roles. Temperature was measured; in earnest it would be forecast.
    data = drnn.ForecastData.from_frame(
        drnn.load_sample(), series="series", time="time", target="load", known=["temperature"]
    )
    past = data.before(HORIZON)  # the last two days become the future

    # 2. Train: the settings follow from the data, and any can be given by name.
    model = drnn.train(past, HORIZON, max_seconds=seconds, validation_windows=14)

    # 3. Forecast past the end of every series, tidy and with quantiles.
    forecast = model.forecast(past)
    forecast.to_csv(folder / "forecast.csv", index=False)
    model.plot(forecast, data, engine="matplotlib").savefig(folder / "forecast.png", dpi=110)

    # 4. Is it any good? The same windows for every model, two weeks of them, held out.
    comparison = drnn.compare(
        data,
        HORIZON,
        models=[dilated_rnn(), *map(drnn.SeasonalNaive, (24, 168))],
        context_length=168,
        validation_windows=14,
        test_windows=14,
        seeds=[0],
        max_seconds=seconds,
    )
    print(comparison.table[["MAE", "sMAPE", "MASE", "WQL", "coverage 80 %"]].round(3))
    return forecast


if __name__ == "__main__":
    main()
