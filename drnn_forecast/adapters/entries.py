"""Entries of GluonTS as rows of a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data import Roles

SERIES: Final = "item_id"
TIME: Final = "time"
TARGET: Final = "target"
KNOWN: Final = ("feat_dynamic_real", "feat_dynamic_cat")
OBSERVED: Final = ("past_feat_dynamic_real", "past_feat_dynamic_cat")
STATIC: Final = ("feat_static_real", "feat_static_cat")
"""The fields of an entry that are read, by their part."""


def entry_rows(
    entries: Sequence[Any], names: Sequence[str], roles: Roles, horizon: int = 0
) -> pd.DataFrame:
    """Return a row for each time step of some entries, or of those after the end of their targets.

    Args:
        entries: Of a dataset.
        names: Of their series.
        roles: The columns to read.
        horizon: Time steps after the end; 0: those of the targets.
    """
    sizes = [entry_target(entry).shape[0] for entry in entries]
    spans = [(size, size + horizon) if horizon else (0, size) for size in sizes]
    lengths = np.array([stop - start for start, stop in spans])
    columns: dict[str, Any] = {
        SERIES: np.repeat(np.array(names, dtype=object), lengths),
        TIME: entry_times(entries, spans),
    }
    if not horizon:
        columns[TARGET] = np.concatenate([entry_target(entry) for entry in entries])
    for name in roles.known if horizon else roles.covariates:
        field, place = name.rsplit("_", 1)
        parts = [feature_of(entry, field, int(place)) for entry in entries]
        if field in STATIC:
            values = np.repeat(np.array(parts), lengths)
        else:
            cut = [part[slice(*span)] for part, span in zip(parts, spans, strict=True)]
            check_feature_reach(field, cut, lengths, names)
            values = np.concatenate(cut)
        columns[name] = values.astype(int).astype(str) if field.endswith("cat") else values
    return pd.DataFrame(columns)


def entry_times(entries: Sequence[Any], spans: Sequence[tuple[int, int]]) -> pd.PeriodIndex:
    """Return the period of each time step, counted from the start of its entry.

    Periods of several steps of a clock or calendar may begin at any of them; here they begin with
    those of the first entry, so that all lie on one grid.
    """
    start = entries[0]["start"]
    many = start.freq.n
    ordinals = []
    for entry, span in zip(entries, spans, strict=True):
        shift = (entry["start"].ordinal - start.ordinal) % many
        ordinals.append(entry["start"].ordinal - shift + many * np.arange(*span))
    return pd.PeriodIndex.from_ordinals(np.concatenate(ordinals), freq=start.freq)


def frequency_of_entries(entries: Sequence[Any]) -> str:
    """Return the frequency of the starts of entries, which must all have the same."""
    for entry in entries:
        if not isinstance(entry["start"], pd.Period):
            raise ValueError(
                "`start` must be a period of pandas, as datasets of GluonTS have it, got "
                f"{entry['start']!r}; give `pd.Period(start, freq=...)`."
            )
    freq: str = entries[0]["start"].freqstr
    check_starts(entries, freq)
    return freq


def check_starts(entries: Sequence[Any], freq: str) -> None:
    """Raise where the start of an entry has another frequency."""
    found = sorted({str(getattr(entry["start"], "freqstr", None)) for entry in entries} - {freq})
    if found:
        raise ValueError(
            f"`start` must have the frequency {freq!r} in all entries, as in training, got "
            f"{found}; resample the series, or train another predictor."
        )


def entry_target(entry: Any) -> NDArray[np.float64]:
    """Return the target of an entry, which must be one series."""
    target = np.asarray(entry["target"], dtype=np.float64)
    if target.ndim != 1:
        raise ValueError(
            f"`target` must have one dimension, got {target.ndim}; make an entry of each of them."
        )
    if not len(target):
        raise ValueError("`target` must have a value at least, got none; leave the entry out.")
    return target


def feature_columns(field: str, entries: Sequence[Any]) -> list[str]:
    """Return a column for each feature in a field of entries, which must all have as many."""
    counts = {0 if entry.get(field) is None else len(entry[field]) for entry in entries}
    if len(counts) > 1:
        raise ValueError(
            f"`{field}` must have as many features in all entries, got {sorted(counts)}; leave it "
            "out, or fill it in."
        )
    return [f"{field}_{place}" for place in range(counts.pop())]


def feature_of(entry: Any, field: str, place: int) -> Any:
    """Return a feature of an entry: a number, or one for each time step."""
    given = entry.get(field)
    if given is None or len(given) <= place:
        raise ValueError(
            f"`{field}` must have {place + 1} features or more, as in training, got "
            f"{0 if given is None else len(given)}; add them."
        )
    return np.asarray(given)[place]


def check_feature_reach(
    field: str, parts: Sequence[Any], lengths: NDArray[np.int64], names: Sequence[str]
) -> None:
    """Raise where a feature has fewer time steps than are read."""
    for part, length, name in zip(parts, lengths, names, strict=True):
        if len(part) < length:
            raise ValueError(
                f"`{field}` must reach as far as `target`, and to forecast `prediction_length` "
                f"time steps further, but {length - len(part)} steps are missing for {name!r}; add "
                "them."
            )


def told_apart(entries: Sequence[Any], is_named: bool) -> list[list[int]]:
    """Return the places of entries in groups, in each of which a name stands once."""
    groups: list[list[int]] = []
    seen: Counter[str] = Counter()
    for place, name in enumerate(entry_names(entries, is_named)):
        if seen[name] == len(groups):
            groups.append([])
        groups[seen[name]].append(place)
        seen[name] += 1
    return groups


def entry_names(entries: Sequence[Any], is_named: bool) -> list[str]:
    """Return the names of entries: their `item_id`, or else their places."""
    return [
        str(entry[SERIES]) if is_named and entry.get(SERIES) is not None else f"entry {place}"
        for place, entry in enumerate(entries)
    ]
