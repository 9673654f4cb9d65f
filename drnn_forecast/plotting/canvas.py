"""The canvas that every drawing begins with, and the colours that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"history": "#333333", "actual": "#d95f02", "forecast": "#1b6ca8"}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches, that belongs to nobody: pyplot would keep it open."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib; install it with `pip install 'drnn-forecast[plot]'`."
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def literal(text: object) -> str:
    r"""Return a name as matplotlib shows it as it is: a dollar sign would begin a formula.

    Example:
        >>> print(literal("US$ and A$"))
        US\$ and A\$
    """
    return str(text).replace("$", r"\$")
