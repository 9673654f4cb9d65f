"""A page on what a model is and what it has seen."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import pandas as pd
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.data import is_counted
from drnn_forecast.model.magnitudes import count_series
from drnn_forecast.model.saving.seal import PACKAGES

SETTINGS: Final = (
    *("cell_type", "hidden_size", "dilations", "head_size", "season_length", "linear_length"),
    *("context_length", "segment_length", "dropout", "learning_rate", "relative_loss"),
    *("lower", "upper"),
)

RECORDED: Final = {
    "seed": "seed",
    "max_steps": "steps",
    "best_step": "best after the step",
    "validation_loss": "validation loss",
    "validation_loss_of_anchors": "validation loss of the anchors alone",
    "calibration_windows": "windows that calibrated the intervals",
}
"""What the record of a training is called on the page."""

ENDING: Final = "This page was written with the model and is replaced with it."
"""By which the page of a folder is known; one that a user wrote is left alone."""


def first_record(dataset: TimeSeriesDataSet) -> dict[str, Any]:
    """Return what is known of a model before its training, plain data: its data and versions."""
    rows = len(dataset.data["time"])
    counted = {"series": count_series(dataset), "rows": rows}
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    return {"data": getattr(dataset, "seen", None) or counted, "versions": versions}


def card(model: Any) -> str:
    """Return a page of Markdown on a network: data, settings, training, coverage and versions."""
    parts, dataset = model.hparams, model.dataset_parameters or {}
    record = dict(parts.get("record") or {})
    count = sum(parameter.numel() for parameter in model.parameters())
    data = dict(record.get("data") or {})
    names = data.pop("names", [])
    if len(names) < data.get("series", 0):
        names = [*names, "..."] if names else []
    sections = {
        "Data": _rows(
            {
                **(parts.roles or {"target": parts.target}),
                "number of series": data.get("series"),
                "names of series": names,
                "rows": data.get("rows"),
                "first time": said_time(data.get("start"), parts.roles),
                "last time": said_time(data.get("end"), parts.roles),
                "horizon (time steps)": parts.max_prediction_length,
                "longest window (time steps)": dataset.get("max_encoder_length"),
            }
        ),
        "Model": _rows(
            {
                **{name: parts.get(name) for name in SETTINGS},
                "loss": repr(model.loss),
                "parameters": f"{count:,}",
            }
        ),
        "Training": _rows({RECORDED[key]: record[key] for key in RECORDED if key in record}),
        "Coverage": _coverage(record.get("coverage") or []),
        "Updates": [_update_in_words(each, parts.roles) for each in record.get("updates", [])],
        "Recipe": [f"- {reason}" for reason in record.get("recipe", [])],
        "Versions": _rows(record.get("versions") or {name: version(name) for name in PACKAGES}),
    }
    lines = [f"# {type(model).__name__}"]
    for title, part in sections.items():
        if part:
            lines += ["", f"## {title}", "", *part]
    return "\n".join([*lines, "", ENDING]) + "\n"


def card_of_several(members: Sequence[Any], average: str) -> str:
    """Return a page of Markdown on networks whose forecasts are averaged, the first in full."""
    lines = [
        "# Ensemble",
        "",
        f"The {average} of the forecasts of {len(members)} models, of which the first is below.",
        "",
        *("| model | cell_type | hidden_size | validation loss |", "|---|---|---|---|"),
    ]
    for number, member in enumerate(members, start=1):
        parts = member.hparams
        loss = (parts.get("record") or {}).get("validation_loss")
        cells = [str(number), _shown(parts.cell_type), _shown(parts.hidden_size), _shown(loss)]
        lines.append(f"| {' | '.join(cells)} |")
    first = card(members[0]).replace("\n## ", "\n### ")
    return "\n".join(lines) + f"\n\n#{first}"


def said_time(stamp: str | None, roles: Mapping[str, Any] | None) -> str | None:
    """Return a stamp of a record as a user says it; steps that are counted are kept as seconds."""
    freq = (roles or {}).get("freq")
    if stamp is None or freq is None or not is_counted(freq):
        return stamp
    return str(int(pd.Timestamp(stamp).timestamp()))


def _rows(values: Mapping[str, Any]) -> list[str]:
    """Return a table of names and values, without those that are None or hold no entries."""
    shown = {name: _shown(value) for name, value in values.items()}
    filled = [f"| {_shown(name)} | {value} |" for name, value in shown.items() if value]
    return ["| | |", "|---|---|", *filled] if filled else []


def _coverage(targets: Sequence[Mapping[str, float]]) -> list[str]:
    """Return a table of how often the intervals of each target held on held-out windows."""
    if not targets:
        return []
    lines = ["| promised | held on the windows that calibrated them |", "|---|---|"]
    for shares in targets:
        lines += [f"| {float(promised):.0%} | {held:.1%} |" for promised, held in shares.items()]
    return lines


def _update_in_words(update: Mapping[str, Any], roles: Mapping[str, Any] | None) -> str:
    """Return one update as an entry of a list."""
    old = update["old_before"], update["old_after"]
    of_old = "" if None in old else f", on older ones from {old[0]:.4g} to {old[1]:.4g}"
    return (
        f"- up to {said_time(update['end'], roles)}, {update['steps']} steps: the loss on the "
        f"newest windows went from {update['before']:.4g} to {update['after']:.4g}{of_old}."
    )


def _shown(value: Any) -> str:
    """Return a value as text in a table: a list without brackets, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").split())
