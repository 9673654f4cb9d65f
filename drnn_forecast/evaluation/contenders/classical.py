"""The classical models of statsforecast, on the unscaled values of each series.

Each is the library's own model on all values before the first window to be forecast, with the
library's own intervals. Of several windows the parameters are those of the first; before every
other one the model's state is brought up to date with all values before it by the library's
`forward`, as `cross_validation(refit=False)` does it. What costs too much is capped here
(`LONGEST_READ`) and said in the table of a comparison.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet

from drnn_forecast.data import ForecastData
from drnn_forecast.host import isolated_randomness
from drnn_forecast.model import QUANTILE_LEVELS

LONGEST_READ = 2000
"""Time steps that a model reads before the first window, where eight seasons are no more.

AutoETS takes 1.5 s for 2,000 hourly values and 14 s for 17,500, AutoTheta 0.8 s and 87 s.
"""

FEWEST_VALUES = 8
"""With fewer the library finds no model of exponential smoothing."""

SEASONS_READ = 8
"""How many of the longest season a model may read in any case."""


@dataclass(frozen=True)
class ClassicalModel:
    """A model of statsforecast.

    `estimate` returns the library's model fitted to values, `(time,)`. `seasons`, shortest first,
    `history_length`, the most that is read before the first window, and `shortest_history`, the
    least that the model can read, are time steps. `note` is what is to be known in a table.
    """

    name: str
    estimate: Callable[[NDArray[np.float64]], Any]
    seasons: tuple[int, ...]
    history_length: int
    shortest_history: int
    note: str = ""

    def check(self, data: ForecastData, dataset: TimeSeriesDataSet) -> None:
        """Refuse series that are too short before their first window.

        `dataset` has the windows to forecast, made from `data`, here and below.

        Raises:
            ImportError: statsforecast is not installed.
            ValueError: A series is too short.
        """
        statsforecast_models()
        for series, past in _pasts(data, dataset).items():
            if len(past) < self.shortest_history:
                raise ValueError(
                    f"{self.name} needs {self.shortest_history} time steps before the first "
                    f"window, got {len(past)} in series {series!r}. Ask for fewer windows, or "
                    "choose a shorter season."
                )

    def fit(self, data: ForecastData, dataset: TimeSeriesDataSet) -> FittedClassical:
        """Return the model fitted to every series, on values before its first window."""
        self.check(data, dataset)
        by_series, starts = {}, {}
        for series, past in _pasts(data, dataset).items():
            read = _without_gaps(past, data)[-self.history_length :]
            with _library_alone():
                by_series[series] = self.estimate(read.to_numpy())
            starts[series] = read.index[0]
        return FittedClassical(self.name, by_series, starts)


@dataclass(frozen=True)
class FittedClassical:
    """A model of statsforecast fitted to every series, with the time of each first value read."""

    name: str
    by_series: Mapping[Hashable, Any]
    starts: Mapping[Hashable, pd.Timestamp]

    def forecast(
        self,
        data: ForecastData,
        dataset: TimeSeriesDataSet,
        quantiles: Sequence[float] = QUANTILE_LEVELS,
    ) -> NDArray[np.float32]:
        """Return quantiles of every window, `(windows, steps, quantiles)`, in target units.

        A window's forecast rests on the values before its first target, and on no others.

        Raises:
            ValueError: A series was not fitted, or a forecast is not finite.
        """
        values = _values_by_series(data)
        parts = []
        for series, origin in _origins(data, dataset):
            if series not in self.by_series:
                raise ValueError(f"{self.name} was not fitted to series {series!r}; fit it first.")
            past = _before(values[series], origin)
            read = _without_gaps(past, data)[self.starts[series] :].to_numpy()
            parts.append(
                _quantiles(
                    self.by_series[series], read, dataset.max_prediction_length, tuple(quantiles)
                )
            )
            if not np.isfinite(parts[-1]).all():
                raise ValueError(
                    f"{self.name} gave a forecast that is not finite for series {series!r} at "
                    f"{origin}. Leave out this model, or this series."
                )
        return np.stack(parts).astype(np.float32)


def seasonal_naive(season_length: int, name: str | None = None) -> ClassicalModel:
    """Return the values one season ago, with normal intervals that widen with every season."""
    return _model("Seasonal naive", name, _seasonal_naive, (season_length,), season_length + 1)


def auto_ets(season_length: int, name: str | None = None) -> ClassicalModel:
    """Return exponential smoothing whose kind is chosen by AICc, with a season or without."""
    return _model("AutoETS", name, _auto_ets, (season_length,), FEWEST_VALUES)


def mstl(season_lengths: Sequence[int], name: str | None = None) -> ClassicalModel:
    """Return the decomposition into several seasons, whose trend is smoothed exponentially.

    Every forecast decomposes the history anew.

    Raises:
        ValueError: There is no season, or one of a single step.
    """
    if min(season_lengths, default=1) < 2:
        raise ValueError(
            f"`season_lengths` of MSTL must be at least 2 time steps, got {list(season_lengths)}. "
            "Leave MSTL out where the data have no season."
        )
    needed = max(2 * max(season_lengths), FEWEST_VALUES)
    return _model("MSTL", name, _mstl, tuple(sorted(season_lengths)), needed)


def auto_theta(season_length: int, name: str | None = None) -> ClassicalModel:
    """Return the theta method whose kind is chosen by its errors, after taking out the season."""
    return _model("AutoTheta", name, _auto_theta, (season_length,), FEWEST_VALUES)


def statsforecast_models() -> ModuleType:
    """Return the module with statsforecast's models, or name the command that installs it."""
    try:
        from statsforecast import models
    except ImportError as error:
        raise ImportError(
            "Classical models need statsforecast: pip install 'drnn-forecast[classical]'"
        ) from error
    module: ModuleType = models
    return module


def _model(
    kind: str,
    name: str | None,
    estimate: Callable[[tuple[int, ...], NDArray[np.float64]], Any],
    seasons: tuple[int, ...],
    shortest: int,
) -> ClassicalModel:
    """Return the model, by default named after its kind and seasons."""
    return ClassicalModel(
        name=name or f"{kind} ({', '.join(map(str, seasons))})",
        estimate=partial(estimate, seasons),
        seasons=seasons,
        history_length=max(SEASONS_READ * seasons[-1], LONGEST_READ),
        shortest_history=shortest,
    )


def _seasonal_naive(seasons: tuple[int, ...], values: NDArray[np.float64]) -> Any:
    return statsforecast_models().SeasonalNaive(seasons[0]).fit(values)


def _auto_ets(seasons: tuple[int, ...], values: NDArray[np.float64]) -> Any:
    return statsforecast_models().AutoETS(season_length=seasons[0]).fit(values)


def _mstl(seasons: tuple[int, ...], values: NDArray[np.float64]) -> Any:
    return statsforecast_models().MSTL(season_length=list(seasons)).fit(values)


def _auto_theta(seasons: tuple[int, ...], values: NDArray[np.float64]) -> Any:
    return statsforecast_models().AutoTheta(season_length=seasons[0]).fit(values)


def _quantiles(
    model: Any, values: NDArray[np.float64], steps: int, quantiles: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return the quantiles after `values`, `(steps, quantiles)`, from central intervals."""
    # A level of statsforecast is the percentage inside an interval.
    levels = [round(100 * abs(1 - 2 * level), 6) for level in quantiles]
    # A seasonal naive forecast has no parameters, so the library has no such method for it.
    forecast = getattr(model, "forward", model.forecast)
    with _library_alone():
        made = forecast(y=values, h=steps, level=sorted({width for width in levels if width}))
    columns = [
        made["mean"] if level == 0.5 else made[f"{'lo' if level < 0.5 else 'hi'}-{width}"]
        for level, width in zip(quantiles, levels, strict=True)
    ]
    return np.stack(columns, axis=-1)


@contextmanager
def _library_alone() -> Iterator[None]:
    """Keep the library's warnings and its seed to itself.

    It divides by the variance of constant series, and draws the intervals of the theta method after
    seeding numpy. Forecasts that are not finite are refused here by name.
    """
    with isolated_randomness(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _values_by_series(data: ForecastData) -> dict[Hashable, pd.Series]:
    """Return the target of every series, indexed by time."""
    roles = data.roles
    target = data.history.set_index(roles.time)[roles.target].astype(np.float64)
    return dict(list(target.groupby(data.series_of(data.history).to_numpy())))


def _before(values: pd.Series, origin: pd.Timestamp) -> pd.Series:
    """Return the values before a time, that time left out."""
    return values[values.index < origin]


def _without_gaps(past: pd.Series, data: ForecastData) -> pd.Series:
    """Return values before a time with something in place of missing ones, as the roles say.

    No model here may lack a value: where the roles mask it, it is on the line between the values
    about it.
    """
    if not past.hasnans:
        return past
    if data.roles.missing == "zero":
        return past.fillna(0.0)
    drawn = past if data.roles.missing == "previous" else past.reset_index(drop=True).interpolate()
    return pd.Series(drawn.to_numpy(), past.index).ffill().bfill()


def _origins(data: ForecastData, dataset: TimeSeriesDataSet) -> list[tuple[Hashable, pd.Timestamp]]:
    """Return the series and the time of the first target of every window."""
    rows = data.target_rows(dataset).iloc[:: dataset.max_prediction_length]
    return list(zip(data.series_of(rows).tolist(), rows[data.roles.time], strict=True))


def _pasts(data: ForecastData, dataset: TimeSeriesDataSet) -> dict[Hashable, pd.Series]:
    """Return the values of every series before its first window."""
    values = _values_by_series(data)
    origins = pd.DataFrame(_origins(data, dataset), columns=["series", "time"])
    first = origins.groupby("series", sort=False)["time"].min()
    return {series: _before(values[series], origin) for series, origin in first.items()}
