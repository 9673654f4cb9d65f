"""One loop for every experiment: a seed, so many steps, a curve, and going on after a stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.paper.models import parameter_count, with_gates

KEY: Final = ("setting", "panel", "network", "seed")
CHOICES: Final = ("gates", "rate")
CLOCKS: Final = ("seconds", "cpu_seconds")
COLUMNS: Final = (*KEY, *CHOICES, "device", "parameters", "step", "loss", "score", *CLOCKS)


class Task(Protocol):
    """What a network learns. A batch follows from its step, so that a run can be taken up again."""

    def loss(self, network: nn.Module, step: int) -> Tensor:
        """Return the mean loss, in nats, of the batch of that step."""

    def score(self, network: nn.Module) -> float:
        """Return how good the network is on data that it does not learn from."""


@dataclass(frozen=True)
class Setting:
    """How long and how an experiment trains.

    Args:
        name: `"quick"` or `"full"`.
        steps: Of the optimiser.
        batch_size: Sequences.
        rows: Of the curve, evenly spaced.
        learning_rate: Of RMSprop with a decay of 0.9, as in the paper's own demonstration.
        clip: The largest norm of the gradient.
        falls: Whether the learning rate falls to zero along half a cosine.
    """

    name: str
    steps: int
    batch_size: int
    rows: int = 20
    learning_rate: float = 3e-3
    clip: float = 1.0
    falls: bool = False

    @property
    def every(self) -> int:
        """The steps between two rows of the curve."""
        return max(1, self.steps // self.rows)

    def rate(self, first: float, step: int) -> float:
        """Return the learning rate of a step, 1 to `steps`, of a run that starts with `first`."""
        share = (step - 1) / self.steps if self.falls else 0.0
        return first * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Run:
    """One network on one task: `panel` is the part of the figure, `network` the line in it.

    Args:
        panel: The part of the figure.
        network: The line in it.
        seed: Of the initial weights.
        build: Makes the network.
        task: What it learns.
        gates: How they start, of `FIRST_BIASES`.
        learning_rate: In place of the setting's.
    """

    panel: str
    network: str
    seed: int
    build: Callable[[], nn.Module]
    task: Task
    gates: str = "even"
    learning_rate: float | None = None

    def key(self, setting: Setting) -> dict[str, Any]:
        """Return the columns by which its rows are told from others."""
        return dict(zip(KEY, (setting.name, self.panel, self.network, self.seed), strict=True))

    def choices(self, setting: Setting) -> dict[str, Any]:
        """Return the columns that say how it starts, and at which learning rate."""
        rate = self.learning_rate or setting.learning_rate
        return dict(zip(CHOICES, (self.gates, rate), strict=True))


@dataclass
class Progress:
    """What a run has done so far."""

    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)


def conduct(
    runs: Iterable[Run], setting: Setting, table: Path, *, device: str = "cpu", quiet: bool = False
) -> pd.DataFrame:
    """Return the curves of all runs; `table` (CSV) gets those of each run when it ends.

    Runs that the table has with as many steps and the same choices are not run again; one that was
    stopped goes on from its last row, which lies beside the table meanwhile.

    Args:
        runs: In the order of the figure.
        setting: Of all of them.
        table: Its folder is made. Rows of other settings in it stay.
        device: Where to train.
        quiet: Show no progress bars.
    """
    table.parent.mkdir(parents=True, exist_ok=True)
    for run in runs:
        known = read_table(table)
        rows = known[is_of(known, run.key(setting) | run.choices(setting))]
        if len(rows) and rows["step"].max() == setting.steps:
            continue
        curve = train(run, setting, unfinished(table, run, setting), device=device, quiet=quiet)
        known = read_table(table)  # again: others may have written meanwhile
        others = known[~is_of(known, run.key(setting))]
        joined = pd.concat([others, curve], ignore_index=True) if len(others) else curve
        scratch = table.with_suffix(".tmp")
        joined.to_csv(scratch, index=False)
        scratch.replace(table)
        unfinished(table, run, setting).unlink(missing_ok=True)
    known = read_table(table)
    return known[known["setting"] == setting.name].reset_index(drop=True)


def train(
    run: Run, setting: Setting, checkpoint: Path, *, device: str = "cpu", quiet: bool = False
) -> pd.DataFrame:
    """Return the curve of one run: a row for every so many steps.

    `loss` is the mean over the steps since the row before, `score` is the task's, `seconds` and
    `cpu_seconds` are those of training alone, without the scores and the first, compiling pass.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """
    torch.manual_seed(run.seed)
    network = with_gates(run.build(), run.gates).to(device)
    optimiser = torch.optim.RMSprop(network.parameters(), alpha=0.9)
    progress = taken_up(checkpoint, network, optimiser, device)
    run.task.loss(network, 0).backward()
    bar = tqdm(
        total=setting.steps,
        initial=progress.step,
        desc=f"{run.panel}, {run.network}, seed {run.seed}",
        disable=quiet,
    )
    while progress.step < setting.steps:
        last = min(progress.step + setting.every, setting.steps)
        loss = advance(run, network, optimiser, setting, progress, last)
        row = {"step": last, "loss": loss, "score": run.task.score(network)}
        progress.rows.append(row | {name: round(getattr(progress, name), 2) for name in CLOCKS})
        bar.update(last - bar.n)
        bar.set_postfix(loss=f"{loss:.4f}", score=f"{row['score']:.4f}")
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        torch.save([network.state_dict(), optimiser.state_dict(), vars(progress)], checkpoint)
    bar.close()
    first = {
        **run.key(setting),
        **run.choices(setting),
        "device": device_name(device),
        "parameters": parameter_count(network),
    }
    rows = [first | row for row in progress.rows]
    return pd.DataFrame(rows, columns=list(COLUMNS)).round({"loss": 6, "score": 6})


def advance(
    run: Run,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    setting: Setting,
    progress: Progress,
    last: int,
) -> float:
    """Return the mean loss of the steps up to `last`, which are done and timed."""
    network.train()
    first = run.choices(setting)["rate"]
    losses = []
    wall, cpu = time.perf_counter(), time.process_time()
    for step in range(progress.step + 1, last + 1):
        optimiser.param_groups[0]["lr"] = setting.rate(first, step)
        loss = run.task.loss(network, step)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), setting.clip)
        optimiser.step()
        losses.append(loss.detach())
    mean = torch.stack(losses).mean().item()
    progress.seconds += time.perf_counter() - wall
    progress.cpu_seconds += time.process_time() - cpu
    progress.step = last
    if not mean < float("inf"):
        raise FloatingPointError(
            f"The loss of {run.network} ({run.panel}, seed {run.seed}) is {mean} near step {last}. "
            "Lower the setting's `learning_rate`."
        )
    return mean


def taken_up(
    checkpoint: Path, network: nn.Module, optimiser: torch.optim.Optimizer, device: str
) -> Progress:
    """Return the progress of a stopped run, whose weights are loaded; a fresh one if none is."""
    if not checkpoint.exists():
        return Progress()
    weights, moments, progress = torch.load(checkpoint, map_location=device, weights_only=True)
    network.load_state_dict(weights)
    optimiser.load_state_dict(moments)
    return Progress(**progress)


def device_name(device: str) -> str:
    """Return "cpu", or what the maker of a GPU calls it."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def unfinished(table: Path, run: Run, setting: Setting) -> Path:
    """Return where a run keeps what it needs to go on."""
    words = (table.stem, *run.key(setting).values(), *run.choices(setting).values(), setting.steps)
    name = "".join(c if c.isalnum() else "-" for c in "-".join(map(str, words)))
    return table.parent / "unfinished" / f"{name}.pt"


def read_table(table: Path) -> pd.DataFrame:
    """Return the rows of a table of curves; none where there is no file."""
    return pd.read_csv(table) if table.exists() else pd.DataFrame(columns=list(COLUMNS))


def is_of(table: pd.DataFrame, key: dict[str, Any]) -> pd.Series:
    """Return which rows have these values."""
    return (table[list(key)] == pd.Series(key)).all(axis=1)


def drawn(seed: int, step: int) -> torch.Generator:
    """Return the source of the random numbers of one step of one run."""
    return torch.Generator().manual_seed(1_000_003 * (seed + 1) + step)
