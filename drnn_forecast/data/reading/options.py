"""What can be said about how a CSV file is written, by the names that pandas has for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drnn_forecast.data.frames.places import closest

OF_PANDAS = (
    *("sep", "decimal", "thousands", "na_values", "skiprows", "skipfooter", "comment", "header"),
    *("names", "usecols", "quotechar", "escapechar", "skipinitialspace", "nrows"),
)
"""Passed on to `pandas.read_csv`."""

OF_LINES = ("skiprows", "skipfooter", "comment", "header", "names", "quotechar", "escapechar")
"""Those after which the first line is not the header, or fields are not what they seem."""

OPTIONS = (*OF_PANDAS, "encoding", "date_format", "dayfirst")


def checked_options(csv: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return options that there are.

    Raises:
        TypeError: They are no mapping.
        ValueError: There is none of that name.
    """
    if csv is None:
        return {}
    if not isinstance(csv, Mapping):
        raise TypeError(
            f"`csv` must map options of pandas.read_csv to values, such as {{'sep': ';'}}, got "
            f"{csv!r}."
        )
    options = {("sep" if name == "delimiter" else name): value for name, value in csv.items()}
    for name in options:
        if name not in OPTIONS:
            raise ValueError(
                f"`csv` has no option {name!r}{closest(str(name), OPTIONS)}; there are "
                f"{', '.join(OPTIONS)}."
            )
    return options


def for_pandas(options: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """Return the arguments of `pandas.read_csv`."""
    given = {name: value for name, value in options.items() if name in OF_PANDAS}
    engine = "python" if len(separator) > 1 or "skipfooter" in given else "c"
    # Told part by part, the types of a column might differ.
    fast = {} if engine == "python" else {"low_memory": False}
    words = given.pop("na_values", ())
    return {
        **given,
        "sep": separator,
        "engine": engine,
        "keep_default_na": False,
        "na_values": with_empty(words),
        **fast,
    }


def with_empty(words: Any) -> Any:
    """Return words for nothing, of all columns or of each, with the empty one."""
    if isinstance(words, Mapping):
        return {name: with_empty(own) for name, own in words.items()}
    return ["", *([words] if isinstance(words, str | int | float) else words)]
