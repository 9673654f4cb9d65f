"""What the commands know about a table: its file, the roles of its columns and its windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from drnn_forecast.data import ForecastData, Splits, default_context, default_seasons, read_table


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table on disk, as flags describe it: a command that takes `**table` has all of them.

    Attributes:
        path: CSV or Parquet file, one row per series and time.
        time: Column of time stamps.
        target: Column to forecast.
        horizon: Time steps to forecast.
        series: Column that names the series; without it, the table is one series.
        known: Covariates known ahead: a column, or [several,columns].
        observed: Covariates known up to now only.
        static: Covariates constant within a series.
        freq: pandas frequency alias; inferred where it is not given.
        calendar: Whether to make features of the time stamps.
        fill_gaps: Whether to fill missing time steps.
        drop_short: Whether to leave out series that are too short.
        context_length: Time steps to look back; by default the longest season, or twice the
            horizon where that is longer.
        season_length: Time steps, one or [several]; by default those of the frequency.
        validation_windows: Windows at the end of each series that stop the training.
    """

    path: Path
    time: str
    target: str
    horizon: int
    series: str | None = None
    known: str | list[str] | None = None
    observed: str | list[str] | None = None
    static: str | list[str] | None = None
    freq: str | None = None
    calendar: bool = True
    fill_gaps: bool = False
    drop_short: bool = False
    context_length: int | None = None
    season_length: int | list[int] | None = None
    validation_windows: int | None = None

    @cached_property
    def data(self) -> ForecastData:
        """The rows with their roles, read and checked on first use."""
        return ForecastData.from_frame(
            read_table(self.path),
            time=self.time,
            target=self.target,
            series=self.series,
            known=self.known or (),
            observed=self.observed or (),
            static=self.static or (),
            freq=self.freq,
            calendar=self.calendar,
            fill_gaps=self.fill_gaps,
        )

    @property
    def split_options(self) -> dict[str, Any]:
        """The windows that were asked for, as `ForecastData.split` and the model call them."""
        options = {
            "context_length": self.context_length,
            "season_length": self.season_length,
            "validation_windows": self.validation_windows,
            "drop_short": self.drop_short,
        }
        return {name: value for name, value in options.items() if value is not None}

    @property
    def context(self) -> int:
        """How far to look back, in time steps."""
        if self.context_length is not None:
            return self.context_length
        return default_context(self.data.freq, self.horizon)

    @property
    def seasons(self) -> int | list[int] | None:
        """The seasons, in time steps; by default those of the frequency that fit the context."""
        if self.season_length is not None:
            return self.season_length
        return [s for s in default_seasons(self.data.freq) if s <= self.context] or None

    def split(self) -> Splits:
        """Return the datasets for training and validation."""
        return self.data.split(
            horizon=self.horizon,
            context_length=self.context,
            validation_windows=self.validation_windows,
            drop_short=self.drop_short,
        )
