"""Requests and forecasts in JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.adapters.serve.question import Question, check_size
from drnn_forecast.adapters.serve.refusals import Refusal
from drnn_forecast.data import Roles, closest

JSON = "application/json"
FIELDS = ("history", "future", "horizon", "origin")
SCALARS = {str, int, float, bool, type(None)}
FORMS = "a list of objects, one for each row, or an object of lists, one for each column"
SURROGATE = re.compile(r"\\u[dD][89abAB]")
"""The first half of a character outside the plane of two bytes, which may lack its other half."""


def read_json(body: bytes, roles: Roles, limits: Limits) -> Question:
    """Return what a body in JSON asks for.

    Raises:
        Refusal: It is no JSON, or not of the form that requests have, or too large.
    """
    given = parsed_json(body)
    if not isinstance(given, dict):
        raise Refusal(
            422, f"The body must be an object with `history`, got {_kind(given)} in its place."
        )
    for name in given:
        if name not in FIELDS:
            hint = closest(name, FIELDS) or f"; there are {', '.join(FIELDS)}"
            raise Refusal(422, f"The body must have no other field, got {name[:80]!r}{hint}.")
    if given.get("history") is None:
        raise Refusal(422, f"The body must have `history`: {FORMS}.")
    tables = {name: columns_of(given[name], name, limits) for name in FIELDS[:2] if given.get(name)}
    tables.setdefault("history", {})
    check_size(tables, roles, limits)
    origin = given.get("origin")
    if isinstance(origin, bool) or not isinstance(origin, str | int | None):
        raise Refusal(
            422, f"`origin` must be a time as text, or a whole number, got {_kind(origin)}."
        )
    return Question(
        history=_frame(tables["history"]),
        future=_frame(tables["future"]) if "future" in tables else None,
        horizon=given.get("horizon"),
        origin=origin,
        is_by_rows=isinstance(given["history"], list),
    )


def parsed_json(body: bytes) -> Any:
    """Return what a text in JSON says.

    Raises:
        Refusal: It is none.
    """
    try:
        text = body.decode("utf-8")
        given = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_twins)
        if SURROGATE.search(text):
            json.dumps(given, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise Refusal(
            400, f"The body must be in UTF-8, but its byte {error.start} is not."
        ) from None
    except UnicodeEncodeError:
        raise Refusal(400, "The text of the body must not have half a surrogate pair.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refusal(400, f"The body must be JSON, but is none at {where}: {error.msg}.") from None
    except RecursionError:
        raise Refusal(400, "The body must not nest lists and objects so deeply.") from None
    except ValueError:  # of whole numbers of thousands of digits
        raise Refusal(400, "The body must hold numbers of at most 4,300 digits.") from None
    return given


def columns_of(given: Any, name: str, limits: Limits) -> dict[str, list[Any]]:
    """Return the columns of a table in one of its two forms."""
    if isinstance(given, list):
        columns = _of_rows(given, name, limits)
    elif isinstance(given, dict):
        columns = given
        if not all(type(values) is list for values in columns.values()):
            raise Refusal(422, f"`{name}` must be {FORMS}, got a column that is no list.")
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            raise Refusal(
                422,
                f"The columns of `{name}` must be of one length, got {min(lengths)} to "
                f"{max(lengths)} values.",
            )
    else:
        raise Refusal(422, f"`{name}` must be {FORMS}, got {_kind(given)}.")
    for column, values in columns.items():
        others = set(map(type, values)) - SCALARS
        if others:
            row = next(row for row, value in enumerate(values) if type(value) in others)
            raise Refusal(
                422,
                f"A value must be a number, text, true, false or null, but {column[:80]!r} of "
                f"`{name}` has {_kind(values[row])} in row {row} (the first row is 0).",
            )
    return columns


def _of_rows(rows: list[Any], name: str, limits: Limits) -> dict[str, list[Any]]:
    """Return the columns of rows that are objects; what an object lacks is empty."""
    if set(map(type, rows)) - {dict}:
        row = next(row for row, value in enumerate(rows) if type(value) is not dict)
        raise Refusal(
            422,
            f"`{name}` must be {FORMS}, got {_kind(rows[row])} in row {row} (the first row is 0).",
        )
    names = dict.fromkeys(rows[0]) if rows else {}
    for row in rows:
        if row.keys() != names.keys():
            names |= dict.fromkeys(row)
            if len(names) * len(rows) > limits.most_values:
                break
    if len(names) * len(rows) > limits.most_values:
        raise Refusal(
            413,
            f"`{name}` must have at most {limits.most_values:,} values, got {len(rows):,} rows "
            f"with {len(names):,} columns or more.",
        )
    return {column: [row.get(column) for row in rows] for column in names}


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Return columns as a frame."""
    try:
        return pd.DataFrame(columns)
    except OverflowError:
        raise Refusal(
            422, "The rows must hold numbers below 1e308, but one of them has more digits."
        ) from None


def as_json(forecast: pd.DataFrame, *, is_by_rows: bool, notes: list[str]) -> bytes:
    """Return a forecast as JSON, by rows or by columns; every number is the one in the frame."""
    columns = {str(name): _values(forecast[name]) for name in forecast.columns}
    told: Any = columns
    if is_by_rows:
        told = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    answer = {"forecast": told, "notes": notes} if notes else {"forecast": told}
    return json.dumps(answer, allow_nan=False).encode()


def _values(column: pd.Series) -> list[Any]:
    """Return the values of a column as JSON has them: times in ISO 8601, null for no number."""
    kind = column.dtype
    values: list[Any]
    if isinstance(kind, np.dtype) and kind.kind == "M":
        stamps = column.to_numpy()
        is_whole = (stamps == stamps.astype("M8[s]")).all()
        values = np.datetime_as_string(stamps, unit="s" if is_whole else "auto").tolist()
        return values
    if isinstance(kind, pd.DatetimeTZDtype):
        return [stamp.isoformat() for stamp in column]
    if isinstance(kind, pd.PeriodDtype):
        column = column.astype(str)
    values = column.tolist()
    if isinstance(kind, np.dtype) and kind.kind == "f" and not np.isfinite(column).all():
        return [value if np.isfinite(value) else None for value in values]
    return values


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, each of whose names is there once."""
    made = dict(pairs)
    if len(made) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise Refusal(400, f"An object must have each name once, got {name[:80]!r} twice.")
    return made


def _refuse_constant(text: str) -> NoReturn:
    raise Refusal(400, f"The body must be JSON, which has no {text}; an empty value is null.")


def _kind(value: Any) -> str:
    """Return what JSON calls a value."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds[type(value)]
