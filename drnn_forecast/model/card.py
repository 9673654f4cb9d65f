"""A page on what a model is and what it was trained on."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

SETTINGS = (
    *("cell_type", "hidden_size", "dilations", "head_size", "season_length", "linear_length"),
    *("context_length", "segment_length", "dropout", "learning_rate", "relative_loss"),
)
PACKAGES = ("drnn-forecast", "torch", "pytorch-forecasting", "lightning")


def card(model: Any) -> str:
    """Return a page of Markdown: the data's roles, windows, settings, size and versions."""
    parts, data = model.hparams, model.dataset_parameters or {}
    count = sum(parameter.numel() for parameter in model.parameters())
    sections = {
        "Data": {
            **(parts.roles or {"target": parts.target}),
            "horizon (time steps)": parts.max_prediction_length,
            "longest window (time steps)": data.get("max_encoder_length"),
        },
        "Model": {
            **{name: parts.get(name) for name in SETTINGS},
            "loss": repr(model.loss),
            "parameters": f"{count:,}",
        },
        "Versions": {name: version(name) for name in PACKAGES},
    }
    record = dict(parts.get("record") or {})
    reasons = record.pop("recipe", [])
    if record:
        sections["Training"] = record
    lines = [f"# {type(model).__name__}"]
    for title, rows in sections.items():
        lines += ["", f"## {title}", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {_shown(value)} |" for name, value in rows.items()]
    if reasons:
        lines += ["", "## Recipe", "", *(f"- {reason}" for reason in reasons)]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    """Return a setting as text: a list without brackets, nothing for None and no entries."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
