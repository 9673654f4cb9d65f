"""Pages of what was measured, made of `benchmarks/results/` and nothing else.

Every page of results is a page of the site; accuracy and speed have one in front of theirs, with
wins and losses taken from the files.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

Row = dict[str, str]

ACCURACY = ("suite/", "accuracy/", "compare_", "anchors", "missing", "tuning", "update", "learning")
"""How the names of results begin that say how good forecasts are.

`paper/` aside, the others are of speed.
"""

METRICS = ("MASE", "WQL")
PRETRAINED = ("Chronos-Bolt", "TiRex")
"""Shown, but no contenders: their figures are published and they learned from other data."""

PEERS = ("neuralforecast layer", "undilated torch")
OURS = ("drnn_forecast, numba", "drnn_forecast, torch cells")


def pages(results: Path) -> dict[str, str]:
    """Return the pages by their place in the site."""
    tasks = tables(results / "suite/suite.md")
    found = [path.relative_to(results).with_suffix("").as_posix() for path in results.rglob("*.md")]
    ours = sorted(name for name in found if not name.startswith("paper/"))
    accurate = [name for name in ours if name.startswith(ACCURACY)]
    return {
        "results/accuracy.md": accuracy(tasks) + toctree(accurate),
        "results/speed.md": speed(results) + toctree(set(ours) - set(accurate)),
        **{f"results/losses-{metric}.txt": losses(tasks, metric) for metric in METRICS},
    }


def accuracy(suite: dict[str, list[Row]]) -> str:
    """Return the page in front of the results of accuracy."""
    shown = ("Ours and the best contender of each task", "MASE of every task")
    parts = [f"## {title}\n\n{table(suite[title])}" for title in (shown[0], *_fev(suite), shown[1])]
    return "\n".join(
        [
            "# Accuracy in numbers\n\nMade from `benchmarks/results` when this site is built; "
            "[Accuracy](../accuracy.md) says what the tasks are and what was tried.\n",
            *parts,
            "## Where it loses\n",
            *(losses(suite, metric) for metric in METRICS),
            "## All results\n",
        ]
    )


def losses(suite: dict[str, list[Row]], metric: str) -> str:
    """Return the tasks of the suite that a contender wins, worst first."""
    found = []
    for task, scores in scores_by_task(suite, metric).items():
        ours = scores.pop("ours")
        best = min(scores, key=scores.__getitem__)
        if ours > scores[best]:
            found.append((ours / scores[best], task, ours, best, scores[best]))
    return table(
        {
            "task": task,
            f"{metric}, ours": f"{ours:.4g}",
            "best contender": f"{best}, {score:.4g}",
            "ours / best": f"{ratio:.3f}",
        }
        for ratio, task, ours, best, score in sorted(found, reverse=True)
    )


def scores_by_task(suite: dict[str, list[Row]], metric: str) -> dict[str, dict[str, float]]:
    """Return the scores of ours and its contenders, as the suite counts them.

    Of a contender's WQL, as forecast and calibrated, the lower one counts; ours is as it forecasts.
    """
    found: dict[str, dict[str, float]] = {}
    for title in (f"{metric} of every task", f"{metric} of every task, as forecast"):
        for row in suite.get(title, []):
            found[row["task"]] = _scores(row)
    for row in suite.get(f"{metric} of every task, calibrated", []):
        own = found[row["task"]]
        for name, score in _scores(row).items():
            if name != "ours":
                own[name] = min(score, own[name])
    return found


def speed(results: Path) -> str:
    """Return the page in front of the results of speed."""
    batches = (
        {
            "what": row["what"],
            "unit": row["unit"],
            "upstream": f"{float(row['upstream']):.4g}",
            "ours": f"{float(row['ours']):.4g}",
            "ratio": f"{float(row['ratio']):.3g}",
        }
        for row in read(results / "batch_speed.csv")
    )
    shown = ("cell", "model", "median_ms", "fastest_ms", "slowest_ms")
    steps = ({name: row[name] for name in shown} for row in read(results / "training_step.csv"))
    return "\n".join(
        [
            "# Speed in numbers\n\nMade from `benchmarks/results` when this site is built.\n",
            *of_layers(read(results / "layer_speed.csv")),
            f"## A step of training\n\n{table(steps)}",
            f"## Batches\n\n{table(batches)}",
            "## All results\n",
        ]
    )


def of_layers(layers: list[Row]) -> list[str]:
    """Return the medians of every pass, and the contests that are lost."""
    parts = [f"## A stack, {kind}\n\n{layer_speed(layers, kind)}" for kind in passes(layers)]
    found = contests(layers)
    lost = [
        {"work": work, "cell": cell, "ours": own, "against": peer, "times as fast": f"{ratio:.2f}"}
        for work, cell, own, peer, ratio in found
        if ratio < 1
    ]
    return [
        *parts,
        "## Where a stack loses\n\n"
        f"Of {len(found)} contests, of every one of ours with every peer in every shape, cell and "
        f"pass, {len(lost)} are lost, all of them here. The compiled kernels compute where they "
        "can, torch's cells until these are compiled and where they cannot.\n\n"
        f"{table(lost)}",
    ]


def passes(layers: Iterable[Row]) -> list[str]:
    """Return the kinds of passes that were timed, in their order."""
    return list(dict.fromkeys(row["pass"] for row in layers))


def layer_speed(layers: Iterable[Row], kind: str) -> str:
    """Return the medians of one kind of pass, in milliseconds, a row for each shape and cell."""
    found: dict[tuple[str, str], Row] = {}
    for row in layers:
        if row["pass"] == kind:
            line = found.setdefault((row["work"], row["cell"]), {})
            line |= {"work, ms": row["work"], "cell": row["cell"]}
            value = float(row["median_ms"])
            line[row["contestant"]] = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return table(found.values())


def contests(layers: Iterable[Row]) -> list[tuple[str, str, str, str, float]]:
    """Return work, cell, one of ours, a peer, and how many times as fast as the peer it is."""
    medians = {
        (row["work"], row["cell"], row["pass"], row["contestant"]): float(row["median_ms"])
        for row in layers
    }
    return [
        (f"{work}, {kind}", cell, own, peer, medians[work, cell, kind, peer] / value)
        for (work, cell, kind, own), value in medians.items()
        for peer in PEERS
        if own in OURS and (work, cell, kind, peer) in medians
    ]


def tables(page: Path) -> dict[str, list[Row]]:
    """Return the table below each heading of a page of results."""
    found: dict[str, list[Row]] = {}
    heading, names = "", None
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            heading, names = line.lstrip("# "), None
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if names is None:
                names = cells
            elif set(line) - set("|-: "):
                found.setdefault(heading, []).append(dict(zip(names, cells, strict=True)))
    return found


def read(path: Path) -> list[Row]:
    """Return the rows of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(rows: Iterable[Row]) -> str:
    """Return rows as a table of Markdown; none as a word."""
    rows = list(rows)
    if not rows:
        return "None.\n"
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names), *([row.get(n, "") for n in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def toctree(names: Iterable[str]) -> str:
    """Return the list of pages below a page of results."""
    return "\n".join(["", "```{toctree}", ":maxdepth: 1", "", *sorted(names), "```", ""])


def _fev(suite: dict[str, list[Row]]) -> list[str]:
    return [title for title in suite if title.startswith("fev")]


def _scores(row: Row) -> dict[str, float]:
    aside = ("task", "half", *PRETRAINED)
    return {n: float(text.strip("*")) for n, text in row.items() if n not in aside and text}
