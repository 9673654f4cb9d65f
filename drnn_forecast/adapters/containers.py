"""Containers of sktime: their labels, columns and times, and quantiles for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm


def as_tuple(key: Any) -> tuple[Any, ...]:
    """Return the labels of a series on each level."""
    return key if isinstance(key, tuple) else (key,)


def check_width(name: str, frame: Any, columns: Sequence[str]) -> None:
    """Raise where a container has other columns than the model was trained on."""
    count = 0 if frame is None else frame.shape[1]
    if count != len(columns):
        raise ValueError(
            f"`{name}` must have {len(columns)} columns as in training, {list(columns)}, got "
            f"{count}."
        )


def frequency_of_index(index: pd.Index) -> str | None:
    """Return the frequency of a container's times; None: they do not say it.

    sktime counts whole numbers one by one.
    """
    first = index if index.nlevels == 1 else index[index.droplevel(-1) == index.droplevel(-1)[0]]
    times = first.get_level_values(-1)
    if not isinstance(times, pd.DatetimeIndex | pd.PeriodIndex):
        return "1"
    freq: str | None = times.freqstr
    return pd.infer_freq(times) if freq is None and len(times) > 2 else freq


def stamped_frequency(index: pd.Index) -> str | None:
    """Return the frequency that an index of stamps has; None: it is to be found."""
    return index.freqstr if isinstance(index, pd.DatetimeIndex) else None


def check_same_frequency(found: str | None, trained: str | None) -> None:
    """Raise where a series is known to have another frequency than the model was trained on."""
    if found is not None and trained is not None and found != trained:
        raise ValueError(
            f"`y` must have the frequency {trained!r}, as in `pretrain`, got {found!r}; resample "
            "it, or pretrain on such series."
        )


def quantiles_at(rows: pd.DataFrame, prefix: str, levels: Sequence[float]) -> pd.DataFrame:
    """Return a forecast's quantiles at some levels, a column for each.

    Args:
        rows: A forecast; its quantiles are in columns `<prefix>q<level>`.
        prefix: Of the target's columns.
        levels: Not beyond the outermost of the forecast's quantiles.
    """
    own = [name for name in rows if name.startswith(f"{prefix}q")]
    if not own:
        points = rows[f"{prefix}prediction"]
        if list(levels) != [0.5]:
            raise ValueError(
                "Quantiles need a quantile or distribution loss, but the model has neither; leave "
                "`loss` out of `overrides`."
            )
        return points.to_frame()
    known = np.array([float(name.removeprefix(f"{prefix}q")) for name in own])
    if min(levels) < known[0] or max(levels) > known[-1]:
        raise ValueError(
            f"Quantiles must lie between {known[0]:g} and {known[-1]:g}, the outermost of the "
            f"model, got {list(levels)}; for others, fit with a `loss` of theirs in `overrides`."
        )
    places = np.interp(norm.ppf(levels), norm.ppf(known), np.arange(len(known)))
    low = np.minimum(places.astype(int), len(known) - 2)
    values = rows[own].to_numpy(np.float64)
    found = values[:, low] + (places - low) * (values[:, low + 1] - values[:, low])
    return pd.DataFrame(found, index=rows.index)
