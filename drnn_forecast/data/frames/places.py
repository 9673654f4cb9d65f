"""How messages say where in a frame something was found."""

import difflib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drnn_forecast.data.frames.roles import Roles
from drnn_forecast.data.frames.rows import Rows


def place(rows: Rows, roles: Roles, row: int) -> str:
    """Return where a row is, as "series 'AT' at 2018-01-01 05:00:00"."""
    return series_place(series_at(rows, roles, row), rows[roles.time].iloc[row])


def series_at(rows: Rows, roles: Roles, row: int) -> Hashable | None:
    """Return the name of a row's series, None where the frame is one series."""
    return None if roles.series is None else rows.names[rows.codes[row]]


def first_place(rows: Rows, roles: Roles, mask: NDArray[np.bool_]) -> str:
    """Return where the first row that `mask` marks is."""
    return place(rows, roles, int(np.asarray(mask).argmax()))


def series_place(name: Hashable | None, stamp: Any) -> str:
    """Return where a stamp is; `name` is None where the frame is one series."""
    return f"at {stamp}" if name is None else f"series {shown(name)} at {stamp}"


def in_series(name: Hashable | None) -> str:
    """Return " in series 'AT'", or nothing where the frame is one series."""
    return "" if name is None else f" in series {shown(name)}"


def shown(value: Any) -> str:
    """Return a value as Python writes it, whatever numpy type it has."""
    return repr(value.item() if isinstance(value, np.generic) else value)


def counted(count: int, noun: str) -> str:
    """Return "1 row" or "3 rows", and "1 series" or "3 series"."""
    return f"{count} {noun}" if count == 1 or noun.endswith("s") else f"{count} {noun}s"


def some(values: Iterable[Any], limit: int = 5) -> str:
    """Return the first values, and how many more there are."""
    listed = list(values)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(shown(value) for value in listed[:limit]) + more


def closest(name: str, names: Sequence[Any]) -> str:
    """Return " (did you mean 'load'?)", or nothing where no name is close."""
    lowered = {str(known).lower(): str(known) for known in names}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" (did you mean {lowered[found[0]]!r}?)" if found else ""
