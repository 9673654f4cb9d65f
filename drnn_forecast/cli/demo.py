"""The demonstration: our forecaster beside the usual ones on the sample, from data to pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import drnn_forecast as drnn
from drnn_forecast import data as tables, evaluation, model, plotting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from drnn_forecast.evaluation import Model

HORIZON = 48
SEASONS = (24, 168)
HISTORY_SHOWN = 5 * 24
"""In hours, the time steps of the sample."""

WINDOWS: dict[str, Any] = {
    "horizon": HORIZON,
    "context_length": 168,
    "validation_windows": 14,
    "test_windows": 28,
}
"""What every model reads and forecasts: four weeks validate, the last eight weeks are scored."""

LEARNING_RATES = {"LSTM": 1e-3, "DeepAR": 1e-2}
"""Chosen on validation windows (`benchmarks/learning_rates.py`)."""


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration gives.

    Attributes:
        comparison: Every model on the test windows.
        table: Its table with pinball loss, steps and what stopped the training.
        forecast: The forecaster's quantiles of the last 48 hours, tidy.
        folder: Where the files are.
    """

    comparison: drnn.Comparison
    table: pd.DataFrame
    forecast: pd.DataFrame
    folder: Path


def demonstrate(
    folder: Path,
    *,
    max_seconds: float = 70,
    num_series: int = 8,
    validation_windows: int = WINDOWS["validation_windows"],
    test_windows: int = WINDOWS["test_windows"],
    seed: int = 0,
    progress: bool = True,
    announce: Callable[[str], None] | None = None,
) -> Demonstration:
    """Return the demonstration's results, and write them into `folder`, which it makes.

    Args:
        folder: Must not exist, so that nothing is lost.
        max_seconds: Training time of each neural model.
        num_series: Countries, the first ones of the sample.
        validation_windows: Per country, of 48 hours.
        test_windows: Per country, of 48 hours, at the end.
        seed: Of all training.
        progress: Whether to show progress bars.
        announce: Called with the name of each model before its turn; None: nobody is told.

    Raises:
        FileExistsError: `folder` exists.
        ImportError: matplotlib is not installed.
        ValueError: A number is out of range.
    """
    if find_spec("matplotlib") is None:
        raise ImportError(
            "The demonstration draws pictures, for which it needs matplotlib: "
            "pip install 'drnn-forecast[report]'"
        )
    data = sample_data(num_series)
    if folder.exists():
        raise FileExistsError(f"`folder` {str(folder)!r} exists; name a new one.")
    fitted: dict[str, Any] = {}
    comparison = drnn.compare(
        data,
        models=models(),
        **WINDOWS | {"validation_windows": validation_windows, "test_windows": test_windows},
        scale_season=SEASONS[0],
        seeds=[seed],
        max_seconds=max_seconds,
        progress=progress,
        announce=announce,
        on_fit=lambda name, _, result: fitted.setdefault(name, result.model),
    )
    past = data.before(HORIZON)
    forecaster = next(iter(fitted.values()))
    final = model.forecast(forecaster, past.history, future=past.future)
    table = _extended(comparison)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tables.filled(folder) as partial:
        tables.write_table(final, partial / "forecast.csv")
        tables.write_table(table.reset_index(), partial / "scores.csv")
        for name, figure in _figures(data, comparison, final).items():
            figure.savefig(partial / f"{name}.png", dpi=110)
    return Demonstration(comparison, table, final, folder)


def sample_data(num_series: int = 8) -> drnn.ForecastData:
    """Return the sample with its roles: temperature is known ahead, which makes it an oracle."""
    sample = drnn.load_sample()
    names = sample["series"].unique()
    if not 1 <= num_series <= len(names):
        raise ValueError(f"`num_series` must be between 1 and {len(names)}, got {num_series}.")
    chosen = names[:num_series]
    return drnn.ForecastData.from_frame(
        sample[sample["series"].isin(chosen)],
        series="series",
        time="time",
        target="load",
        known=["temperature"],
    )


def models() -> list[Model]:
    """Return what the demonstration compares."""
    return [
        evaluation.dilated_rnn(),
        evaluation.lstm(learning_rate=LEARNING_RATES["LSTM"]),
        evaluation.deepar(learning_rate=LEARNING_RATES["DeepAR"]),
        *(drnn.SeasonalNaive(season) for season in SEASONS),
    ]


def score_text(table: pd.DataFrame) -> str:
    """Return the table of a demonstration as text, with what its marks mean."""
    shown = pd.DataFrame(index=table.index.rename(None))
    for column in ("MAE", "pinball"):
        shown[f"{column} (MW)"] = table[column].map("{:.0f}".format)
    shown.insert(1, "sMAPE (%)", table["sMAPE"].map("{:.2f}".format))
    shown.insert(2, "MASE", table["MASE"].map("{:.3f}".format))
    residual = table["quantiles from"] == "residuals"
    shown["coverage 80 %"] = table["coverage 80 %"].map("{:.1%}".format)
    shown.loc[residual, ["pinball (MW)", "coverage 80 %"]] += " *"
    shown["training (s)"] = table["training s"].map("{:.0f}".format)
    shown["steps"] = table["steps"]
    shown["parameters"] = table["parameters"].map("{:,}".format)
    rates = table["learning rate"]
    shown["learning rate"] = ["" if pd.isna(rate) else f"{rate:g}" for rate in rates]
    return (
        f"{shown.to_string()}\n"
        "* quantiles from the residuals of validation windows, at each step of the horizon; "
        "the others are the model's own.\n"
        "Temperature is known ahead to every neural model: it was measured, so an oracle."
    )


def _extended(comparison: drnn.Comparison) -> pd.DataFrame:
    """Return the table with pinball loss (target units), steps and what stopped the training."""
    runs = comparison.runs.set_index("model")
    pinball = {
        name: evaluation.scores(
            rows, model.QUANTILE_LEVELS, history=comparison.history, scale_season=SEASONS[0]
        )["pinball"]
        for name, rows in comparison.forecasts.groupby("model")
    }
    return comparison.table.assign(
        pinball=pd.Series(pinball),
        steps=runs["steps"],
        **{"stopped by": runs["stopped_by"]},
    )


def _figures(
    data: drnn.ForecastData, comparison: drnn.Comparison, final: pd.DataFrame
) -> dict[str, Figure]:
    """Return the two pictures by file name."""
    history = data.history.rename(columns={"load": "actual"})
    start = final["time"].min()
    before = history["time"].between(start - pd.Timedelta(hours=HISTORY_SHOWN), start)
    by_model = dict(list(comparison.forecasts.groupby("model", sort=False)))
    test = next(iter(by_model.values()))
    windows = test["window"].nunique() // test["series"].nunique()
    return {
        "forecast": plotting.fan_charts(
            final,
            history[before],
            history[history["time"] >= start],
            unit="MW",
            title=f"Electricity load, 48 hours ahead from {start:%d %B %Y, %H:%M} UTC",
        ),
        "error_by_horizon": plotting.error_by_horizon(
            {name: evaluation.error_by_step(rows) for name, rows in by_model.items()},
            unit="MW",
            step="hours ahead",
            title=f"Error on {windows} held-out windows of each of "
            f"{test['series'].nunique()} countries",
        ),
    }
