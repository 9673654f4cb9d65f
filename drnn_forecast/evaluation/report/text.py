"""Numbers as a report shows them."""

from __future__ import annotations

import math

import pandas as pd


def metric_text(metric: str, mean: float, spread: float | None = None) -> str:
    """Return a metric to three significant digits, and its spread to the same decimal place.

    Coverage, a share, is shown in per cent.

    Example:
        >>> metric_text("MASE", 1.0, 0.0463)
        '1.00 ± 0.05'
        >>> metric_text("coverage 80 %", 0.758)
        '75.8 %'
    """
    if pd.isna(mean):
        return "undefined"
    is_coverage = metric.startswith("coverage")
    unit = " %" if is_coverage or metric.startswith("width") else ""
    factor = 100 if is_coverage else 1
    decimals = 1 if unit else _decimals(mean)
    text = f"{factor * mean:,.{decimals}f}{unit}"
    if spread is None or pd.isna(spread):
        return text
    return f"{text} ± {factor * spread:,.{decimals}f}"


def number_text(value: float) -> str:
    """Return a number with at least three significant digits, thousands apart.

    Example:
        >>> [number_text(value) for value in (1234567.0, 12.345, 0.00123456, 3.0, 508.2)]
        ['1,234,567', '12.3', '0.00123', '3', '508']
    """
    if not math.isfinite(value):
        return str(value)
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _decimals(value: float) -> int:
    """Return how many decimals show three significant digits."""
    return 2 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
