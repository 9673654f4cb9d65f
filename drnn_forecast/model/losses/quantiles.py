"""The levels of quantiles."""

from collections.abc import Sequence


def checked_quantiles(quantiles: Sequence[float]) -> list[float]:
    """Return the levels in ascending order.

    Raises:
        ValueError: A level does not lie between 0 and 1, is given twice, or 0.5 is not among them.
    """
    levels = sorted(quantiles)
    if not all(0 < level < 1 for level in levels) or len(set(levels)) < len(levels):
        raise ValueError(
            f"`quantiles` must be different numbers between 0 and 1, got {list(quantiles)}."
        )
    if 0.5 not in levels:
        raise ValueError(
            f"`quantiles` must include 0.5, which is the point forecast, got {list(quantiles)}."
        )
    return levels
