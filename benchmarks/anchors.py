"""What smoothed anchors forecast before any training, on the last horizon of training parts.

    python benchmarks/anchors.py

The last horizon of every *training* series of M3, M1 and the hospital counts is held out, so that
no test part is looked at. One mean over series of MASE for: equal weights, the anchors' own errors
in the window, these and their errors over all series (what a model starts from), and
statsforecast's AutoTheta on the same values. About a minute on one core; prints a table.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from drnn_forecast.model.heads.earning import EarnedAnchors

DATA = Path(os.environ.get("DRNN_DATA", Path(__file__).parents[2] / "shared" / "data"))
COMPETITIONS = {
    f"{name} {period}": (f"{name.lower()}/{name}-{period}-train.csv.gz", *season_and_horizon)
    for name in ("M3", "M1")
    for period, season_and_horizon in (
        ("Monthly", (12, 18)),
        ("Quarterly", (4, 8)),
        ("Yearly", (1, 6)),
    )
}
WAYS = ("equal weights", "own errors", "own and shared errors", "AutoTheta")


def series_of(task: str) -> tuple[list[np.ndarray], int, int]:
    """Return the training series of a task, its season and its horizon (time steps)."""
    if task == "hospital":
        table = pd.read_csv(DATA / "hospital" / "hospital_monthly_767.csv.gz")
        return [table[name].to_numpy(float)[:-12] for name in table.columns[1:]], 12, 12
    path, season, horizon = COMPETITIONS[task]
    table = pd.read_csv(DATA / path, index_col=0)
    return [row.dropna().to_numpy(float) for _, row in table.iterrows()], season, horizon


def held_out(task: str) -> tuple[list[np.ndarray], np.ndarray, int]:
    """Return what is before the last horizon of each series, the horizon, and the season."""
    series, season, horizon = series_of(task)
    shortest = horizon + max(2 * season, horizon) + 2
    kept = [own for own in series if len(own) >= shortest and naive_error(own[:-horizon], season)]
    return [own[:-horizon] for own in kept], np.stack([own[-horizon:] for own in kept]), season


def naive_error(values: np.ndarray, season: int) -> float:
    """Return the mean absolute error of the seasonal naive method inside a series."""
    return float(np.abs(values[season:] - values[:-season]).mean())


def anchored(past: list[np.ndarray], season: int, horizon: int, way: str) -> np.ndarray:
    """Return the forecasts of the anchors under one way of weighting them."""
    lengths = torch.tensor([len(own) for own in past])
    centre = np.array([own.mean() for own in past])[:, None]
    scale = np.array([max(own.std(ddof=1), 1e-9) for own in past])[:, None]
    history = torch.zeros(len(past), int(lengths.max()), dtype=torch.float64)
    for row, own in enumerate(past):
        history[row, : len(own)] = torch.from_numpy((own - centre[row]) / scale[row])
    anchors = EarnedAnchors((season,), horizon=horizon).double()
    with torch.no_grad():
        if way == "equal weights":
            anchors.power.zero_()
        elif way == "own and shared errors":
            anchors.start(history, lengths)
        logits = torch.zeros(len(past), horizon, anchors.num_weights, dtype=torch.float64)
        mix, _ = anchors(history, lengths, logits)
    return mix.numpy() * scale + centre


def theta(past: list[np.ndarray], season: int, horizon: int) -> np.ndarray:
    """Return the forecasts of statsforecast's AutoTheta."""
    from statsforecast.models import AutoTheta

    model = AutoTheta(season_length=season)
    return np.stack([model.forecast(y=own, h=horizon)["mean"] for own in past])


def main() -> None:
    rows = {}
    for task in (*COMPETITIONS, "hospital"):
        past, actual, season = held_out(task)
        scale = np.array([naive_error(own, season) for own in past])
        horizon = actual.shape[1]
        rows[task] = {}
        for way in WAYS:
            own = way == "AutoTheta"
            mix = theta(past, season, horizon) if own else anchored(past, season, horizon, way)
            rows[task][way] = float((np.abs(mix - actual).mean(1) / scale).mean())
    table = pd.DataFrame(rows).reindex(WAYS)
    table["geometric mean"] = np.exp(np.log(table).mean(axis=1))
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
