"""A tidy frame with its roles.

Neither torch nor pytorch-forecasting is loaded before a dataset is asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data.frames.facts import Facts
from drnn_forecast.data.frames.holidays import mention_holidays
from drnn_forecast.data.frames.horizon import as_trained
from drnn_forecast.data.frames.intake import has_no_rows, named_alike, read_ahead, take_in
from drnn_forecast.data.frames.kinds import as_numbers, stamps_of
from drnn_forecast.data.frames.natives import time_of_index, without_rows
from drnn_forecast.data.frames.origins import check_end, from_origin
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.roles import MISSING, Roles, column_tuple
from drnn_forecast.data.frames.rows import Rows
from drnn_forecast.data.frames.windows import plan_windows
from drnn_forecast.layers import checked_integer

if TYPE_CHECKING:
    from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
    from drnn_forecast.data.datasets.splits import Splits


@dataclass(frozen=True, eq=False)
class ForecastData:
    """A frame whose columns have roles, checked; made by `from_frame` or `from_roles`.

    Attributes:
        history: The rows from each series' first target on, with the columns and dtypes of the
            user's frame, sorted by series and time, one for every time step. What is missing is
            empty, whatever `roles.missing` says is done about it.
        future: The rows after it: series, time and known covariates, every other column empty.
            May have no rows.
        roles: What the columns are; `freq` and `zone` are given.
        form: An empty frame of the library that the user's frame was of, in which forecasts come
            back; None: pandas.
    """

    history: pd.DataFrame
    future: pd.DataFrame
    roles: Roles
    form: Any = None

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        target: str | Sequence[str],
        time: str | None = None,
        series: str | Sequence[str] | None = None,
        known: Sequence[str] = (),
        observed: Sequence[str] = (),
        static: Sequence[str] = (),
        freq: str | int | None = None,
        calendar: bool = True,
        zone: str | None = None,
        holidays: str | None = None,
        wide: str | None = None,
        missing: str = MISSING[0],
        future: Any = None,
    ) -> ForecastData:
        """Return the data of a frame, as `from_roles` does; the roles are those of `Roles`.

        Without `time`, the index holds the times; their column is called as it is, or "index".

        Example:
            >>> days = pd.date_range("2024-01-01", periods=4, freq="D")
            >>> sales = pd.DataFrame({"day": days, "sold": [3.0, 1.0, 4.0, 1.0]})
            >>> ForecastData.from_frame(sales, time="day", target="sold").freq
            'D'
        """
        roles = Roles(
            time=time_of_index(frame) if time is None else time,
            target=cast(Any, target),
            series=cast(Any, series),
            known=column_tuple("known", known),
            observed=column_tuple("observed", observed),
            static=column_tuple("static", static),
            freq=cast(Any, freq),
            calendar=calendar,
            zone=zone,
            holidays=holidays,
            wide=wide,
            missing=missing,
        )
        data = cls.from_roles(frame, roles, future=future)
        mention_holidays(data.roles, data.history.columns)
        return data

    @classmethod
    def from_roles(
        cls,
        frame: Any,
        roles: Roles,
        *,
        missing: str | None = None,
        future: Any = None,
    ) -> ForecastData:
        """Return the data of a frame, after every check; the frame itself is left as it is.

        Rows that are not in order of time are sorted, which the logger `drnn_forecast.data` says
        once. Rows after a series' last target are future rows where they have a known covariate;
        otherwise their target is missing.

        Args:
            frame: One row per series and time, of pandas, polars, Arrow or another library that
                narwhals knows; keys may be its index. Times are stamps, periods, whole numbers that
                count steps, or text of dates.
            roles: What its columns are.
            missing: What is done about missing values; None: what `roles.missing` says.
            future: More future rows: series, time and known covariates. Or the time from which on
                the rows of `frame` are future rows; all before it are then history.

        Raises:
            TypeError: An argument or a column has the wrong type.
            ValueError: A column is missing or has an infinite value, or an empty one where these
                are refused, a series has no target at all, a stamp is repeated or off the grid, the
                frequency cannot be inferred or differs between series, a static covariate varies, a
                known covariate is not known ahead, or there is no calendar of a country.
            ImportError: `holidays` are asked for and the package of that name is not installed.
        """
        if missing is not None:
            roles = dataclasses.replace(roles, missing=missing)
        return cls._of(*take_in(frame, roles, future=future), without_rows(frame))

    @property
    def series_names(self) -> tuple[Hashable, ...]:
        """The name of each series, in the order of the history; ("series",) where it is one.

        Where several columns name a series together, their labels are joined, such as "a/1".
        """
        return self.panel.names

    def series_of(self, rows: pd.DataFrame) -> pd.Series:
        """Return the name of each row's series, as `series_names` has it."""
        columns = self.roles.series_columns
        if len(columns) == 1:
            return rows[columns[0]]
        names = pd.Series(self.series_names, dtype=object).array
        return pd.Series(names[self.panel.code_of(rows)], index=rows.index)

    @property
    def observed_target(self) -> NDArray[np.float64]:
        """The target of every row of the history, not a number where it is missing."""
        return as_numbers(self.history[self.roles.target])

    @property
    def freq(self) -> str:
        """The pandas frequency alias of the time column."""
        return self.panel.grid.freq

    def facts(self, horizon: int) -> Facts:
        """Return what settings for a horizon (time steps) follow from."""
        values = as_numbers(self.history[self.roles.target])
        return Facts.of(values, self.panel.sizes, horizon)

    def before(self, steps: int) -> ForecastData:
        """Return the data as it stood `steps` time steps before the end of each series.

        The last `steps` rows become future rows, which keep series, time and known covariates.

        Raises:
            TypeError: `steps` is no whole number.
            ValueError: `steps` is negative, or a series has no more rows than that.
        """
        steps = checked_integer("steps", steps, minimum=0)
        panel = self.panel
        if (panel.sizes <= steps).any():
            raise ValueError(
                f"`steps` must leave rows in every series, got {steps} with "
                f"{panel.describe_sizes(panel.sizes <= steps)}."
            )
        return self._cut(panel.steps_to_end < steps)

    def until(self, origin: pd.Timestamp | str) -> ForecastData:
        """Return the data as it stood right before a time, the first to be forecast.

        Rows from `origin` on become future rows, which keep series, time and known covariates.

        Args:
            origin: A time stamp of the history or the one right after it; without a zone it is
                local time where the time column has a zone.

        Raises:
            ValueError: It is no time stamp, or a series has no row before it or ends earlier.
        """
        past = self._cut(from_origin(self.panel, origin))
        check_end(past.panel, origin)
        return past

    def with_future(self, future: Any) -> ForecastData:
        """Return the data with more future rows: series, time and known covariates."""
        if future is None or has_no_rows(future):
            return self
        given = named_alike(read_ahead(future, self.panel), self.panel)
        taken = take_in(self.history, self.roles, future=given, cut=self.future)
        return self._of(*taken, self.form)

    def in_zone(self, zone: str | None) -> ForecastData:
        """Return the data with the same instants in another time zone (`Roles.zone`); None: as is.

        Raises:
            ValueError: There is no such zone, or it is `"naive"` for stamps that have one; or the
                stamps lie on no grid of the frequency there, as days of another zone do.
        """
        roles = dataclasses.replace(self.roles, zone=zone or self.roles.zone)
        if roles == self.roles:
            return self
        return self._of(*take_in(self.history, roles, future=None, cut=self.future), self.form)

    @classmethod
    def _of(cls, panel: Panel, later: pd.DataFrame | None, form: Any) -> ForecastData:
        """Return the data of a history and future rows that have passed every check."""
        history = panel.rows.frame.reset_index(drop=True)
        return cls(history, history.iloc[:0] if later is None else later, panel.roles, form)

    def only(self, kept: NDArray[np.bool_]) -> ForecastData:
        """Return the data with the marked rows of the history, the last ones of each series."""
        return dataclasses.replace(self, history=self.history[kept].reset_index(drop=True))

    def _cut(self, cut: NDArray[np.bool_]) -> ForecastData:
        """Return the data whose marked rows of the history are future rows."""
        kept = [*self.roles.keys, *self.roles.known]
        later = [part[kept] for part in (self.history[cut], self.future) if len(part)]
        if not later:
            return self
        future = pd.concat(later).sort_values(list(self.roles.keys), ignore_index=True)
        return dataclasses.replace(
            self,
            history=self.history[~cut].reset_index(drop=True),
            future=future.reindex(columns=self.history.columns),
        )

    def split(
        self,
        *,
        horizon: int | None = None,
        context_length: int | None = None,
        validation_windows: int,
        test_windows: int = 0,
        stride: int | None = None,
        min_context_length: int | None = None,
        drop_short: bool = False,
        keep_short: bool = False,
        identity: bool = True,
        target_normalizer: Any = None,
        like: Any = None,
        **dataset_options: Any,
    ) -> Splits:
        """Return datasets for training, validation and test, told apart by time in each series.

        The test windows end with the last known target of a series, the validation windows lie
        directly before them, and training has only targets before the first validation target.
        Encoders, scalers and the normaliser are fitted on the training rows, or are those of the
        model `like`. Each dataset has the frame's roles as its attribute `roles`.

        Args:
            horizon: Targets of a window (time steps); None: that of `like`.
            context_length: The most time steps that a window looks back; None: as `like` does.
            validation_windows: Validation windows of each series.
            test_windows: Test windows of each series.
            stride: Time steps between the starts of neighbouring windows; None: the horizon.
            min_context_length: The fewest time steps that a window looks back; None: as `like`
                does, without it `context_length`.
            drop_short: Whether to leave out series that are too short, with a log message.
            keep_short: Whether such series take part with the windows that they have. Where none
                has all windows, fewer are held out.
            identity: Whether the name of the series is a covariate, where there are several.
            target_normalizer: How pytorch-forecasting scales the target; None: `EncoderNormalizer`,
                which standardises each window by its own context, and so serves new series too.
            like: A model trained on datasets of `split`, whose codes and scales these datasets
                have, to evaluate it or train it on; new series get the label of the unknown.
            **dataset_options: Further arguments of `BatchedTimeSeriesDataSet`.

        Raises:
            TypeError: A number is no whole number, a dataset option is derived here, or `like` is
                no model or stands beside an option that it decides.
            ValueError: A number is out of range, a series is too short, or a variable of `like`
                is lacking.
        """
        from drnn_forecast.data.datasets.gaps import allowing
        from drnn_forecast.data.datasets.likeness import lengths_like, parameters_like, zone_like
        from drnn_forecast.data.datasets.splits import make_splits, new_parameters

        if drop_short and keep_short:
            raise ValueError("`drop_short` and `keep_short` must not both be True; choose one.")
        lengths: dict[str, Any] = {
            "horizon": horizon,
            "context_length": context_length,
            "min_context_length": min_context_length,
        }
        panel = self.panel if like is None else self.in_zone(zone_like(like)).panel
        if like is None:
            parameters = new_parameters(
                panel, target_normalizer, dataset_options, identity=identity
            )
        else:
            options = {"target_normalizer": target_normalizer, **dataset_options}
            parameters = parameters_like(like, options)
            if panel.lacks_values:
                parameters = allowing(panel, parameters)
            panel = as_trained(panel, parameters)
            lengths = lengths_like(parameters, **lengths)
        windows = plan_windows(
            **lengths,
            validation_windows=validation_windows,
            test_windows=test_windows,
            stride=stride,
            lags=parameters.get("lags"),
        )
        # What is held out has to be known.
        panel = panel.up_to_last_targets()
        short = "drop" if drop_short else "keep" if keep_short else "refuse"
        return make_splits(panel, windows, short=short, parameters=parameters)

    def forecast_dataset(
        self,
        parameters: dict[str, Any],
        *,
        like: BatchedTimeSeriesDataSet | None = None,
    ) -> BatchedTimeSeriesDataSet:
        """Return one window per series whose targets are the steps after its last observation.

        The horizon, the contexts, encoders and scalers are those of training. New series and
        categories get the label of the unknown. Known covariates come from `future`. Targets and
        observed covariates hold the last observed value, for want of another. A series shorter than
        the shortest context is as if it had stood at its first value before.

        Args:
            parameters: `get_parameters()` of the training dataset.
            like: What `batching.renewable` returned for an earlier dataset of the same parameters;
                the same windows are then made in a tenth of the time.

        Raises:
            ValueError: A variable of training is lacking, or known covariates do not reach to the
                end of the horizon.
        """
        from drnn_forecast.data.datasets.horizon import make_forecast_dataset

        return make_forecast_dataset(self.panel, self.future, parameters, like)

    def target_rows(self, dataset: BatchedTimeSeriesDataSet) -> pd.DataFrame:
        """Return series and time of every target of a dataset, window by window.

        Args:
            dataset: A dataset that `split` or `forecast_dataset` of this object made, or a filter
                of it. With a horizon of h, row i * h + j is step j of window i, both from 0.
        """
        from drnn_forecast.data.datasets.targets import target_rows

        return target_rows(self.panel, dataset)

    @cached_property
    def panel(self) -> Panel:
        """The history, numbered by series and time step."""
        ahead = stamps_of(self.future[self.roles.time]) if len(self.future) else None
        return Panel(Rows.of(self.history, self.roles), self.roles, ahead=ahead)
