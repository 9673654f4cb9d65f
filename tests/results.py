"""Results of a comparison that nobody ran, drawn from a seed: what a report can be tested with."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from drnn_forecast.evaluation import Comparison

QUANTILE_LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
COLUMNS = [f"q{level:g}" for level in QUANTILE_LEVELS]
MODELS = {"DilatedRNN": 1.0, "LSTM": 1.3, "Seasonal naive (24)": 2.0}
"""By name, how far the forecasts are off, in units of the noise."""

START = pd.Timestamp("2024-01-01")


def drawn_results(
    *,
    models=None,
    series=("a", "b", "c", "d"),
    seeds=(0, 1, 2),
    folds=1,
    windows=2,
    horizon=24,
    undefined=(),
    failures=None,
    random_state=0,
):
    """Return results of models with a known quality.

    `undefined` names series whose scaled errors are; `failures` gives reasons by (model, seed).
    """
    models = MODELS if models is None else models
    failures = failures or {}
    generator = np.random.default_rng(random_state)
    length = horizon * (5 + folds * windows)
    history = _history(series, length, generator)
    cells = [
        (model, seed, fold)
        for model in models
        for seed in seeds
        for fold in range(folds)
        if (model, seed) not in failures
    ]
    forecasts = pd.concat(
        [
            _forecasts(history, cell, models[cell[0]], windows, horizon, folds, generator)
            for cell in cells
        ],
        ignore_index=True,
    )
    scores = _scores(forecasts, undefined)
    runs = _runs(models, seeds, folds, failures, generator)
    return Comparison(
        scores=scores,
        forecasts=forecasts,
        validation_forecasts=forecasts.head(0),
        runs=runs,
        history=history,
        significance=_significance(models, len(series)),
        settings={
            "horizon": horizon,
            "seeds": tuple(seeds),
            "max_seconds": 60.0,
            "models": dict.fromkeys(models, "hidden_size=40, loss=QuantileLoss()"),
        },
    )


def _history(series, length, generator):
    time = pd.date_range(START, periods=length, freq="h")
    season = np.sin(np.arange(length) * 2 * np.pi / 24)
    parts = []
    for number, name in enumerate(series):
        values = 50 * (number + 1) * (1 + 0.3 * season + 0.05 * generator.normal(size=length))
        parts.append(pd.DataFrame({"series": name, "time": time, "actual": values}))
    return pd.concat(parts, ignore_index=True)


def _forecasts(history, cell, error, windows, horizon, folds, generator):
    model, seed, fold = cell
    parts = []
    for name, rows in history.groupby("series", sort=False):
        size = rows["actual"].mean() * 0.05
        for window in range(windows):
            start = horizon * (5 + fold * windows + window)
            actual = rows.iloc[start : start + horizon]
            centre = actual["actual"] + error * size * generator.normal(size=horizon)
            parts.append(
                pd.DataFrame(
                    {
                        "model": model,
                        "seed": seed,
                        "fold": fold,
                        "series": name,
                        "window": window,
                        "step": np.arange(1, horizon + 1),
                        "time": actual["time"].to_numpy(),
                        "actual": actual["actual"].to_numpy(),
                        **{
                            column: (centre + size * norm.ppf(level)).to_numpy()
                            for column, level in zip(COLUMNS, QUANTILE_LEVELS, strict=True)
                        },
                    }
                )
            )
    return pd.concat(parts)


def _scores(forecasts, undefined):
    keys = ["model", "seed", "fold", "series"]
    error = (forecasts["actual"] - forecasts["q0.5"]).abs()
    by_key = [forecasts[key] for key in keys]
    size = forecasts["actual"].groupby(by_key, sort=False).mean()
    mae = error.groupby(by_key, sort=False).mean()
    inside = forecasts["actual"].between(forecasts["q0.1"], forecasts["q0.9"])
    width = forecasts["q0.9"] - forecasts["q0.1"]
    is_defined = ~mae.index.get_level_values("series").isin(list(undefined))
    wide = pd.DataFrame(
        {
            "MAE": mae,
            "MASE": (mae / size / 0.06).where(is_defined),
            "coverage 80 %": inside.groupby(by_key, sort=False).mean(),
            "width 80 %": 100 * width.groupby(by_key, sort=False).mean() / size,
        }
    )
    return wide.reset_index().melt(keys, var_name="metric", value_name="value")


def _runs(models, seeds, folds, failures, generator):
    rows = []
    for number, model in enumerate(models):
        for seed in seeds:
            for fold in range(folds):
                failure = failures.get((model, seed))
                is_naive = model.startswith("Seasonal naive")
                rows.append(
                    {
                        "model": model,
                        "seed": seed,
                        "fold": fold,
                        "quantiles_from": "residuals" if is_naive else "model",
                        "learning_rate": None if is_naive else 1e-3,
                        "validation_loss": None if failure else 0.5,
                        "epochs": 10,
                        "steps": 1000,
                        "stopped_by": None if failure else "max_seconds",
                        "training_seconds": 0.0 if is_naive else 60 + generator.random(),
                        "prediction_seconds": 0.01 * (number + 1),
                        "parameters": 0 if is_naive else 43210 * (number + 1),
                        "peak_memory_mb": 812.0,
                        "failure": failure,
                    }
                )
    return pd.DataFrame(rows)


def _significance(models, num_series):
    names = list(models)
    return pd.DataFrame(
        {
            "model": names[:-1],
            "baseline": names[-1],
            "metric": "MASE",
            "statistic": [1.0] * (len(names) - 1),
            "p_value": [0.004, *[0.21] * (len(names) - 2)],
            "series": num_series,
            "note": "",
        }
    )
