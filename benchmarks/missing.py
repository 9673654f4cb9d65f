"""Measure what missing targets cost: masked, filled by lines, and the complete data.

    python benchmarks/missing.py [--steps 400] [--seeds 0 1 2 3 4]

Of the sample's load 10, 30 and 50 % are taken away, at random and in holes of two days, up to the
end. One model is trained on what is left with `missing="mask"`, one with `missing="linear"`, and
one on the complete data, with equal seeds and steps; each forecasts from what is left. All are
scored on the complete actual values of the last windows of every series. Writes
`benchmarks/results/missing.csv` and `.md`; a run that was interrupted goes on.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from drnn_forecast import ForecastData, load_sample, train
from machine import RESULTS, markdown, setting

HORIZON, SEASON, HOLE = 48, 168, 48
ROLES = {"series": "series", "time": "time", "target": "load", "known": ["temperature"]}
SHARES = (0.1, 0.3, 0.5)
CELLS = [("complete", 0.0, "mask")] + [
    (pattern, share, method)
    for pattern, share, method in product(("random", "holes"), SHARES, ("mask", "linear"))
]
KEY = ["pattern", "share", "method", "seed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--windows", type=int, default=14)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--name", default="missing", help="of the files of results")
    args = parser.parse_args()
    place = RESULTS / f"{args.name}.csv"
    rows = pd.read_csv(place).to_dict("records") if place.exists() else []
    done = {tuple(row[name] for name in KEY) for row in rows}
    sample = load_sample()
    for seed, (pattern, share, method) in product(args.seeds, CELLS):
        if (pattern, share, method, seed) in done:
            continue
        frame = sample.assign(load=sample["load"].mask(gone(sample, pattern, share, seed)))
        score = error(sample, frame, method, seed, args.steps, args.windows)
        rows.append(dict(zip([*KEY, "MASE"], (pattern, share, method, seed, score), strict=True)))
        print(*rows[-1].values(), flush=True)
        pd.DataFrame(rows).to_csv(place, index=False)
    table = pd.DataFrame(rows)
    write(place.with_suffix(".md"), table[table["seed"].isin(args.seeds)], args)


def gone(frame: pd.DataFrame, pattern: str, share: float, seed: int) -> np.ndarray:
    """Return which rows are taken away: of every series a share, one by one or in holes."""
    rng, parts = np.random.default_rng(seed), []
    for size in frame.groupby("series", sort=False).size():
        is_gone = rng.random(size) < share if pattern == "random" else np.zeros(size, dtype=bool)
        while pattern == "holes" and is_gone.mean() < share:
            start = rng.integers(size - HOLE)
            is_gone[start : start + HOLE] = True
        parts.append(is_gone)
    return np.concatenate(parts)


def error(
    sample: pd.DataFrame, frame: pd.DataFrame, method: str, seed: int, steps: int, windows: int
) -> float:
    """Return the MASE of a model that learns from a frame, on the last windows of the sample."""
    data = ForecastData.from_frame(frame, **ROLES, missing=method)
    past = data.before(windows * HORIZON)
    model = train(past, HORIZON, max_steps=steps, seed=seed, progress=False)
    forecasts = [model.forecast(data.before(own * HORIZON)) for own in range(windows, 0, -1)]
    made = pd.concat(forecasts).merge(sample, on=["series", "time"])
    errors = (made["load"] - made["q0.5"]).abs().groupby(made["series"]).mean()
    known = sample.groupby("series")["load"]
    known = known.apply(lambda own: own.iloc[: -windows * HORIZON].diff(SEASON).abs().mean())
    return float((errors / known).mean())


def write(place: Path, table: pd.DataFrame, args: argparse.Namespace) -> None:
    """Write the means, and how the paired differences spread."""
    wide = table.pivot_table(index=["pattern", "share", "seed"], columns="method", values="MASE")
    whole = wide.loc["complete"].droplevel("share")["mask"]
    lines = []
    for (pattern, share), own in wide.drop("complete").groupby(["pattern", "share"]):
        pairs = own.droplevel(["pattern", "share"]).dropna()
        beats, costs = pairs["mask"] - pairs["linear"], pairs["mask"] / whole[pairs.index] - 1
        lines.append(
            {
                "missing": f"{share:.0%} {pattern}",
                "seeds": len(pairs),
                "masked": f"{pairs['mask'].mean():.4f}",
                "lines": f"{pairs['linear'].mean():.4f}",
                "masked - lines": f"{beats.mean():+.4f}",
                "standard error": f"{beats.sem():.4f}",
                "masked over complete": f"{costs.mean():+.1%}",
            }
        )
    text = [
        "# What missing targets cost",
        "",
        f"`python benchmarks/missing.py --steps {args.steps} --windows {args.windows} --seeds "
        f"{' '.join(map(str, args.seeds))}`. MASE with a season of {SEASON} over the last "
        f"{args.windows} windows of {HORIZON} hours of the sample; complete data: "
        f"{whole.mean():.4f} ({len(whole)} seeds). {setting('pytorch-forecasting', 'lightning')}",
        "",
        *markdown(pd.DataFrame(lines)),
    ]
    place.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
