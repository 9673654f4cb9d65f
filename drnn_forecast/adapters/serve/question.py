"""What a request asks of a model, in whichever form it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.adapters.serve.refusals import Refusal
from drnn_forecast.data import Roles


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """The arguments of a model's `forecast`, and whether they came as rows or of Arrow."""

    history: Any
    future: Any
    horizon: Any
    origin: str | int | None
    is_by_rows: bool = False
    is_of_arrow: bool = False


def check_size(
    tables: Mapping[str, Mapping[str, Sequence[Any]]], roles: Roles, limits: Limits
) -> None:
    """Refuse tables, as columns, with too many rows, series or values.

    Raises:
        Refusal: They have.
    """
    rows = {name: len(next(iter(columns.values()), ())) for name, columns in tables.items()}
    if sum(rows.values()) > limits.max_rows:
        told = " and ".join(f"{count:,} of `{name}`" for name, count in rows.items())
        raise Refusal(413, f"A request must have at most {limits.max_rows:,} rows, got {told}.")
    cells = sum(rows[name] * len(columns) for name, columns in tables.items())
    if cells > limits.most_values:
        raise Refusal(
            413, f"A request must have at most {limits.most_values:,} values, got {cells:,}."
        )
    series = _count_series(tables["history"], rows["history"], roles)
    if series > limits.max_series:
        raise Refusal(
            413,
            f"A request must be about at most {limits.max_series:,} series, got {series:,}; ask "
            "about the others in requests of their own.",
        )


def check_horizon(horizon: Any, limits: Limits) -> None:
    """Refuse a horizon above the limit of the server; the model has one of its own.

    Raises:
        Refusal: It is above.
    """
    if limits.max_horizon is None:
        return
    if isinstance(horizon, int | None) and (horizon is None or horizon > limits.max_horizon):
        raise Refusal(
            422,
            f"`horizon` must be at most {limits.max_horizon} time steps, the limit of this server, "
            f"got {'none' if horizon is None else horizon}.",
        )


def _count_series(columns: Mapping[str, Sequence[Any]], rows: int, roles: Roles) -> int:
    """Return how many series a history has."""
    if roles.wide == "columns":
        return len(columns)
    if roles.wide == "rows":
        return rows
    names = [columns[name] for name in roles.series_columns if name in columns]
    return len(set(zip(*names, strict=True))) if names else 1
