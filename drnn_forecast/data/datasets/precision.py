"""Whether float32, in which datasets hold targets, keeps what a history says."""

from typing import Final

import numpy as np

from drnn_forecast.data.frames.kinds import as_numbers
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.places import counted, some

MOST_LOST: Final = 0.05
"""The largest share of a series' mean change from step to step that rounding may take."""

STILL: Final = 1e-14
"""A change below this share of the level is the rounding of a series that never changes."""


def check_precision(panel: Panel) -> None:
    """Raise where rounding a target to float32 loses its changes.

    Numbers that float32 holds exactly, such as whole ones up to 16 million, lose nothing.
    """
    codes, target = panel.rows.codes, panel.roles.target
    values = as_numbers(panel.rows[target])
    if panel.is_missing.any():
        codes, values = codes[~panel.is_missing], values[~panel.is_missing]
    sizes = np.bincount(codes, minlength=len(panel.sizes))
    with np.errstate(over="ignore"):
        lost = np.abs(values.astype(np.float32) - values)
    if not lost.any():
        return
    is_within = codes[1:] == codes[:-1]
    moves = np.bincount(codes[1:], np.abs(np.diff(values)) * is_within, len(sizes))
    change = moves / np.maximum(sizes - 1, 1)
    level = np.bincount(codes, np.abs(values), len(sizes)) / sizes
    rounding = np.bincount(codes, lost, len(sizes)) / sizes
    is_lost = (rounding > MOST_LOST * change) & (change > STILL * level)
    if is_lost.any():
        worst = int(np.argmax(np.where(is_lost, rounding / np.maximum(change, 1e-300), 0.0)))
        raise ValueError(
            f"Target column {target!r} must change by more than float32, in which models compute, "
            f"can tell apart at its level, but does not in {counted(int(is_lost.sum()), 'series')}"
            f" ({some(panel.labels[is_lost])}): series {panel.labels[worst]!r} changes by "
            f"{change[worst]:.3g} a step at a level of {level[worst]:.3g}. Subtract a constant "
            "from the target, such as its first value, and add it to the forecast; give one that "
            "is all below 1e-37 in another unit."
        )
