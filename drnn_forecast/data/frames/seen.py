"""What a model has seen of a history, in a few words that can be stored."""

from __future__ import annotations

from typing import Any

from drnn_forecast.data.frames.panel import Panel

NAMED = 10
"""Series that are named, at most."""


def seen_rows(panel: Panel) -> dict[str, Any]:
    """Return how many series and rows there are, and the first and the last stamp; plain data."""
    times = panel.rows.times
    return {
        "series": len(panel.names),
        "names": panel.labels[:NAMED].tolist() if panel.roles.series is not None else [],
        "rows": len(panel.rows.codes),
        "start": str(times.min()),
        "end": str(times.max()),
    }
