"""What the commands know about a table: its file, the roles of its columns and its windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import drnn_forecast as drnn
from drnn_forecast import data as tables

if TYPE_CHECKING:
    import pandas as pd

WINDOWS = (
    *("context_length", "min_context_length", "season_length"),
    *("validation_windows", "stride", "drop_short"),
)
"""The flags of a table that say what a model reads."""

ROLES = ("series", "target", "known", "observed", "static")
"""The flags that name columns, but for that of the time."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table on disk, as flags describe it: a command that takes `**table` has all of them.

    Attributes:
        path: CSV or Parquet file, one row per series and time; a CSV file may be compressed.
        time: Column of time stamps.
        target: Column to forecast, or [several,columns], which have columns of their own in the
            forecast.
        horizon: Time steps to forecast.
        series: Column that names the series, or [several,columns] that do so together; without it,
            the table is one series.
        known: Covariates known ahead: a column, or [several,columns].
        observed: Covariates known up to now only.
        static: Covariates constant within a series.
        freq: pandas frequency alias; inferred where it is not given.
        calendar: Whether to make features of the time stamps.
        zone: Time zone, such as Europe/Berlin, that time stamps are brought into; those without
            UTC offsets are its local time. By default that of the column.
        holidays: Country whose public holidays are features, such as DE or DE-BY, or a column of
            such codes; needs the extra `holidays`.
        missing: What is done about missing values and time steps: mask, error, zero, previous or
            linear.
        wide: columns or rows, where each series has a column or a row of its own; the values are
            then called as `target` says, and what names them as `series` or `time` do.
        drop_short: Whether to leave out series that are too short.
        context_length: Time steps to look back; by default the longest season of at most 2,000, or
            twice the horizon where that is longer.
        min_context_length: The fewest time steps to look back, for series that are shorter than
            the context; by default the context.
        season_length: Time steps, one or [several]; by default those of the frequency.
        validation_windows: Windows at the end of each series that stop the training.
        stride: Time steps between the starts of these; by default the horizon.
        csv: How a CSV file is written, where that is not found or found wrong: options of
            pandas.read_csv, such as '{sep: ;, decimal: ",", encoding: cp1252, dayfirst: true}'.
    """

    path: Path
    time: str
    target: str | list[str]
    horizon: int
    series: str | list[str] | None = None
    known: str | list[str] | None = None
    observed: str | list[str] | None = None
    static: str | list[str] | None = None
    freq: str | None = None
    calendar: bool = True
    zone: str | None = None
    holidays: str | None = None
    wide: str | None = None
    missing: str = "mask"
    drop_short: bool = False
    context_length: int | None = None
    min_context_length: int | None = None
    season_length: int | list[int] | None = None
    validation_windows: int | None = None
    stride: int | None = None
    csv: dict[str, Any] | None = None

    @cached_property
    def data(self) -> drnn.ForecastData:
        """The rows with their roles, read and checked on first use."""
        return drnn.ForecastData.from_frame(
            read_with_roles(self.path, self, self.csv),
            **self.roles,
        )

    @property
    def roles(self) -> dict[str, Any]:
        """What the columns are, as `Roles` has it."""
        return {
            "time": self.time,
            "target": self.target,
            "series": self.series,
            "known": self.known or (),
            "observed": self.observed or (),
            "static": self.static or (),
            "freq": self.freq,
            "calendar": self.calendar,
            "zone": self.zone,
            "holidays": self.holidays,
            "wide": self.wide,
            "missing": self.missing,
        }

    @property
    def recipe(self) -> drnn.Recipe:
        """The settings for these data, with the windows that were asked for."""
        recipe = drnn.Recipe.of(self.data.facts(self.horizon))
        return recipe | self.given(("context_length", "validation_windows"))

    def given(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those of some flags that were set, by name."""
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


def read_with_roles(path: Path, roles: Any, csv: dict[str, Any] | None) -> pd.DataFrame:
    """Return the rows of a file whose columns have roles, names of series as they are written."""
    columns = {role: tables.column_tuple(role, getattr(roles, role)) for role in ROLES}
    is_wide = roles.wide is not None
    return tables.read_table(
        path,
        text=columns["series"],
        time=roles.time,
        needed=None if is_wide else [name for names in columns.values() for name in names],
        csv=csv,
    )


def read_for(model: drnn.Forecaster, path: Path, csv: dict[str, Any] | None) -> pd.DataFrame:
    """Return the rows of a file that a model is asked about."""
    stored = model.hparams["roles"]
    if stored is None:
        return tables.read_table(path, csv=csv)
    return read_with_roles(path, tables.Roles.from_dict(stored), csv)
