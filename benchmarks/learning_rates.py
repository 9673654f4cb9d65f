"""Choose the learning rate of every neural model of the demonstration, on validation windows.

    python benchmarks/learning_rates.py [--seconds 70] [--rates 0.001 0.003 0.01]

Each model is trained at each rate with the budget, windows and covariates of the demonstration,
and judged by the lowest value of its own loss on the validation windows; the test windows are not
touched. Where the best rate of LSTM or DeepAR is at an edge, further ones are tried, as `compare`
does. Writes `benchmarks/results/learning_rates.csv` and `.md`.
"""

import argparse
from functools import partial

import pandas as pd

from drnn_forecast import fit
from drnn_forecast.cli.demo import WINDOWS, models, sample_data
from drnn_forecast.evaluation.comparison.search import next_rates
from drnn_forecast.evaluation.contenders.neural import NeuralModel
from machine import RESULTS, markdown, setting

NAMES = ("DilatedRNN", "LSTM", "DeepAR")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--rates", type=float, nargs=3, default=[1e-3, 3e-3, 1e-2])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    splits = sample_data().split(**WINDOWS)
    rows = []
    for model in models():
        waiting, losses = list(args.rates), {}
        while isinstance(model, NeuralModel) and waiting:
            rate = waiting.pop(0)
            result = fit(
                partial(model.with_options(learning_rate=rate).build, splits.training),
                splits.training,
                splits.validation,
                seed=args.seed,
                max_seconds=args.seconds,
                progress=False,
            )
            rows.append((model.name, rate, result.validation_loss, result.steps, result.stopped_by))
            print(*rows[-1], flush=True)
            losses[str(rate)] = result.validation_loss
            if not waiting and model.name != "DilatedRNN":
                waiting = next_rates(losses, {})
    columns = ["model", "learning rate", "validation loss", "steps", "stopped by"]
    table = pd.DataFrame(rows, columns=columns).sort_values(columns[:2], ignore_index=True)
    table.to_csv(RESULTS / "learning_rates.csv", index=False)
    best = table.loc[table.groupby("model")["validation loss"].idxmin()].set_index("model")
    lines = [
        "# Learning rates of the demonstration",
        "",
        f"`python benchmarks/learning_rates.py --seconds {args.seconds:g} --seed {args.seed}`. "
        "Each model's own loss (quantile loss, absolute error, negative log-likelihood), so losses "
        f"compare within a model only. {setting('pytorch-forecasting', 'lightning')}",
        "",
        *markdown(table),
        "",
        "Chosen: " + ", ".join(f"{name} {best['learning rate'][name]:g}" for name in NAMES) + ".",
    ]
    (RESULTS / "learning_rates.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
