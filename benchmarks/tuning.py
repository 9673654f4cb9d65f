"""What tuning gains, and how two workers share a study.

    python benchmarks/tuning.py search    # 20 trials of the forecaster and of LSTM, then the test
    python benchmarks/tuning.py workers   # 12 equal trials, one worker and two; needs quiet

`search` tunes on validation windows of the sample with a budget of steps, not seconds, so that a
busy machine changes nothing, and scores each kind's default and best on test windows once. Both
write their part of `benchmarks/results/tuning.md`. A search that was interrupted goes on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import optuna
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet

from drnn_forecast import SearchSpace, fit, tune
from drnn_forecast.cli.demo import SEASONS, WINDOWS, sample_data
from drnn_forecast.data.datasets.splits import Splits
from drnn_forecast.evaluation.contenders.neural import NeuralModel, dilated_rnn, lstm
from drnn_forecast.evaluation.contenders.residuals import residual_quantiles
from drnn_forecast.evaluation.scores import mean_pinball_loss
from drnn_forecast.model.losses.quantiles import QUANTILE_LEVELS, quantile_loss
from drnn_forecast.model.prediction import predict_points, predict_quantiles
from drnn_forecast.training.tuning.space import Range
from machine import RESULTS, markdown, setting

BUDGET = {"max_epochs": 5, "steps_per_epoch": 40, "patience": 5}
"""Of every trial and of every final model: at most 200 steps."""

SHARED = {"season_length": SEASONS, "head_size": 64}
WIDTHS, RATES = (16, 64), (5e-4, 1e-2)
SPACE = SearchSpace(
    dilations=((1, 4, 24), (1, 6, 24, 72)),
    hidden_size=Range(*WIDTHS, log=True),
    learning_rate=Range(*RATES, log=True),
    batch_size=64,
    context_length=(84, 168),
)
COLUMNS = [f"q{level:g}" for level in QUANTILE_LEVELS]
SCORES = ["pinball", "MAE", "coverage 80 %", "validation loss", "steps", "parameters"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["search", "workers", "worker"])
    parser.add_argument("--folder", type=Path, default=Path("tuning-benchmark"))
    parser.add_argument("--series", type=int, default=4)
    parser.add_argument("--n_trials", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    {"search": search, "workers": workers, "worker": work}[args.part](args)


def search(args: argparse.Namespace) -> None:
    n_trials = args.n_trials or 20
    data = sample_data(args.series)
    splits = data.split(**WINDOWS)
    ours = tune(
        (splits.training, splits.validation),
        n_trials=n_trials,
        search_space=SPACE,
        fixed={**SHARED, "loss": quantile_loss()},
        folder=args.folder,
        **BUDGET,
    )
    theirs = tune_lstm(splits, n_trials, args.folder)
    best = {name: value for name, value in ours.best_params.items() if name != "batch_size"}
    models = [
        dilated_rnn("DilatedRNN, default", loss=quantile_loss()),
        dilated_rnn("DilatedRNN, default, same head", loss=quantile_loss(), **SHARED),
        dilated_rnn("DilatedRNN, tuned", loss=quantile_loss(), **SHARED, **best),
        lstm("LSTM, default"),
        lstm("LSTM, tuned", **theirs),
    ]
    rows = []
    for seed, model in product((0, 1, 2), models):
        rows.append({"model": model.name, "seed": seed, **test_scores(model, splits, seed)})
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "tuning.csv", index=False)
    replace_part("search", search_lines(args, n_trials, ours, theirs, table))


def test_scores(model: NeuralModel, splits: Splits, seed: int) -> dict[str, float]:
    """Return the scores of a model on the test windows, trained in the budget of a trial.

    Pinball loss (mean over all levels) and MAE are means over windows, in MW.
    """
    build = partial(model.build, splits.training)
    result = fit(
        build,
        splits.training,
        splits.validation,
        seed=seed,
        batch_size=64,
        progress=False,
        **BUDGET,
    )
    actuals, series = targets(splits.test)
    if model.is_point:
        past, past_series = targets(splits.validation)
        values = residual_quantiles(
            predict_points(result.model, splits.test),
            series,
            past_points=predict_points(result.model, splits.validation),
            past_actuals=past,
            past_series=past_series,
        )
    else:
        values = predict_quantiles(result.model, splits.test, QUANTILE_LEVELS)
    rows = pd.DataFrame(values.reshape(-1, len(QUANTILE_LEVELS)), columns=COLUMNS)
    rows["actual"] = actuals.reshape(-1)
    low, middle, high = (values[..., QUANTILE_LEVELS.index(level)] for level in (0.1, 0.5, 0.9))
    return {
        "pinball": mean_pinball_loss(rows, QUANTILE_LEVELS),
        "MAE": float(np.abs(actuals - middle).mean()),
        "coverage 80 %": float(((low <= actuals) & (actuals <= high)).mean()),
        "validation loss": result.validation_loss,
        "steps": result.steps,
        "training s": result.seconds,
        "parameters": sum(parameter.numel() for parameter in result.model.parameters()),
    }


def targets(dataset: TimeSeriesDataSet) -> tuple[np.ndarray, np.ndarray]:
    """Return what came, `(windows, steps)`, and the series of every window."""
    batches = [x for x, _ in dataset.to_dataloader(train=False, batch_size=512, num_workers=0)]
    actuals = torch.cat([x["decoder_target"] for x in batches]).numpy()
    return actuals, torch.cat([x["groups"] for x in batches])[:, 0].numpy()


def tune_lstm(splits, n_trials: int, folder: Path) -> dict[str, float]:
    """Return the best width, depth and learning rate of LSTM, with the forecaster's budget."""

    def objective(trial: optuna.Trial) -> float:
        options = {
            "hidden_size": trial.suggest_int("hidden_size", *WIDTHS, log=True),
            "rnn_layers": trial.suggest_int("rnn_layers", 1, 4),
            "learning_rate": trial.suggest_float("learning_rate", *RATES, log=True),
            "dropout": 0.1,
        }
        build = partial(lstm(**options).build, splits.training)
        return fit(
            build, splits.training, splits.validation, batch_size=64, progress=False, **BUDGET
        ).validation_loss

    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.db'}",
        study_name="lstm",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=0),
    )
    done = len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))
    study.optimize(objective, n_trials=max(n_trials - done, 0))
    return {**study.best_params, "dropout": 0.1}


def search_lines(args, n_trials, ours, theirs, table) -> list[str]:
    groups = table.groupby("model", sort=False)[SCORES]
    mean, low, high = groups.mean(), groups.min(), groups.max()
    shown = mean.map("{:.4g}".format) + " (" + low.map("{:.4g}".format)
    shown = shown + " to " + high.map("{:.4g}".format) + ")"
    pinball = mean["pinball"]
    tuned = pinball["DilatedRNN, tuned"]
    rivals = [name for name in pinball.index if name != "DilatedRNN, tuned"]
    states = ours.table["state"].value_counts().to_dict()
    return [
        "## What 20 trials gain",
        "",
        f"`python benchmarks/tuning.py search --series {args.series} --n_trials {n_trials}`: "
        f"{args.series} countries of the sample, {WINDOWS['test_windows']} test windows each, at "
        f"most {BUDGET['max_epochs'] * BUDGET['steps_per_epoch']} steps of 64 windows per trial, "
        "seed 0. The chosen settings are then trained with seeds 0, 1 and 2 in the same budget: "
        "mean (lowest to highest) on the test windows. LSTM is pytorch-forecasting's "
        "`RecurrentNetwork`, its width, depth and learning rate searched by TPE in as many trials "
        "(none pruned) on its own loss, the absolute error; its quantiles come from residuals. "
        "Validation losses compare within a kind only. The head and the seasons of the tuned "
        "forecaster (24 and 168 hours) were given, not searched; `same head` is the default beside "
        "them, and LSTM has no such anchor. Temperature is known ahead. "
        f"{setting('optuna', 'pytorch-forecasting', 'lightning')}",
        "",
        *markdown(shown.reset_index()),
        "",
        f"Chosen: DilatedRNN {json.dumps(ours.best_params)}; LSTM {json.dumps(theirs)}. "
        f"Trials of DilatedRNN: {json.dumps(states)}.",
        "",
        "Pinball loss of the tuned forecaster: "
        + ", ".join(
            f"{tuned / pinball[name]:.3f} times that of {name}"
            + (" (lost)" if tuned > pinball[name] else "")
            for name in rivals
        )
        + f". LSTM's own: tuned {pinball['LSTM, tuned'] / pinball['LSTM, default']:.3f} times "
        "its default's.",
    ]


def workers(args: argparse.Namespace) -> None:
    n_trials = args.n_trials or 12
    seconds, rows = {}, []
    for count in (1, 2, 1, 2):
        with TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "worker", "--folder", folder]
            command += ["--n_trials", str(n_trials), "--series", str(args.series)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            started = time.perf_counter()
            running = [subprocess.Popen(command, env=environment) for _ in range(count)]
            codes = [process.wait() for process in running]
            took = time.perf_counter() - started
            study = optuna.load_study(
                study_name="drnn_forecast", storage=f"sqlite:///{folder}/study.db"
            )
            complete = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
            different = {trial.params["learning_rate"] for trial in complete}
            rows.append((count, took, len(complete), len(different), max(codes)))
            seconds.setdefault(count, []).append(took)
            print(*rows[-1], flush=True)
    columns = ["workers", "seconds", "complete trials", "different ones", "exit status"]
    ratio = min(seconds[2]) / min(seconds[1])
    lines = [
        "## Two workers on one study",
        "",
        f"`python benchmarks/tuning.py workers --series {args.series} --n_trials {n_trials}`: "
        "equal trials (only the learning rate differs, which costs nothing) in one SQLite file, "
        "each worker a process with one thread, start and imports included; taken in turns. "
        f"{setting('optuna')}",
        "",
        *markdown(pd.DataFrame(rows, columns=columns)),
        "",
        f"Two workers take {ratio:.2f} of one worker's time (bar: 0.65; fastest of two each).",
    ]
    replace_part("workers", lines)


def work(args: argparse.Namespace) -> None:
    """Run one worker of `workers`."""
    splits = sample_data(args.series).split(**WINDOWS)
    tune(
        (splits.training, splits.validation),
        n_trials=args.n_trials,
        search_space=SearchSpace(learning_rate=Range(*RATES, log=True)),
        fixed={
            **SHARED, "num_layers": 4, "dilation_base": 4, "start_exponent": 0, "hidden_size": 32,
            "cell_type": "GRU", "dropout": 0.0, "batch_size": 64, "context_length": 168,
        },
        pruner=optuna.pruners.NopPruner(),
        folder=args.folder,
        max_epochs=4,
        steps_per_epoch=50,
        patience=4,
        progress=False,
    )  # fmt: skip


def replace_part(name: str, lines: list[str]) -> None:
    """Write one part of the page of results; the other one stays."""
    path = RESULTS / "tuning.md"
    text = path.read_text() if path.exists() else "# Tuning\n"
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    part = "\n".join([begin, *lines, end])
    if begin in text:
        text = text[: text.index(begin)] + part + text[text.index(end) + len(end) :]
    else:
        text = f"{text.rstrip()}\n\n{part}"
    path.write_text(f"{text.rstrip()}\n")


if __name__ == "__main__":
    main()
