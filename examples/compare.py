"""Is a dilated RNN better for these data? Several models, several seeds, the same windows.

    python examples/compare.py

Writes the table, the forecasts and a report with pictures into `comparison/`, which must be new.
Interrupt it and run it again: what is finished in `comparison-cells/` is not run twice.
"""

from pathlib import Path

from drnn_forecast import ForecastData, backtest, compare, load_sample
from drnn_forecast.evaluation import write_report

MODELS = ["dilated_lstm", "lstm", "deepar", "seasonal_naive"]
WINDOWS = {"horizon": 48, "context_length": 168, "validation_windows": 14}  # hours, windows


def main(folder: Path = Path("."), seconds: float = 60, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    data = ForecastData.from_frame(
        load_sample(), series="series", time="time", target="load", known=["temperature"]
    )
    # 1. The last four weeks, forecast by every model under every seed. Learning rates are found
    #    on the validation windows first, for every model in the same way.
    comparison = compare(
        data,
        models=MODELS,
        test_windows=14,
        seeds=seeds,
        calibrated=True,
        folder=folder / "comparison-cells",
        announce=print,
        **WINDOWS,
        max_seconds=seconds,
    )
    print(comparison.table[["MASE", "MASE ±", "coverage 80 %", "coverage 80 % before"]].round(3))
    print(comparison.significance[["model", "baseline", "metric", "p_value", "note"]])
    page = write_report(comparison, folder / "comparison", title="Load, 48 hours ahead", unit="MW")
    print(f"written: {page}")

    # 2. Six origins a week apart, trained anew at every third, on the past year only.
    result = backtest(
        data,
        models=["lstm", "seasonal_naive"],
        learning_rates=[3e-3],
        seeds=seeds[:1],
        folds=6,
        step=168,
        refit_every=3,
        window_length=365 * 24,
        **WINDOWS,
        max_seconds=seconds,
    )
    print(result.forecasts.groupby(["model", "fold"])["time"].agg(["min", "max"]))


if __name__ == "__main__":
    main()
