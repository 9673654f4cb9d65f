"""The forecaster as one of sktime's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.adapters.containers import (
    as_tuple,
    check_same_frequency,
    check_width,
    frequency_of_index,
    quantiles_at,
    stamped_frequency,
)
from drnn_forecast.adapters.history import after, refused_as, whole_data
from drnn_forecast.data import ForecastData, Roles, asked_in_parts
from drnn_forecast.model import PRESETS
from drnn_forecast.training import train

try:
    from sktime.datatypes import update_data
    from sktime.forecasting.base import BaseForecaster
except ImportError as error:
    raise ImportError(
        "The forecaster for sktime needs sktime; install it with "
        "`pip install 'drnn-forecast[sktime]'`."
    ) from error

TIME = "time"
UNNAMED = "series"
"""The label of a series without one, which a model of many forecasts."""

PATHS = 1000
"""Sample paths behind a variance."""

FORMS = ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"]
GIVEN = ("series", "time", "target", "known", "freq", "wide", "future")
"""The arguments of `train` that sktime's containers say."""

WORDS = {"frame": "y", "data": "y", "future": "X", "horizon": "fh"}
"""What is called otherwise in refusals."""


class DilatedRNNSktimeForecaster(BaseForecaster):
    """A dilated recurrent network, trained by `train`, as a forecaster of sktime.

    Series of a panel or a hierarchy, and the columns of a multivariate `y`, are learned by one
    model. Columns of `X` are covariates known ahead: `predict` needs their rows for every step from
    the cutoff to the last one of `fh`. A series that ends before the cutoff has missing values up
    to there.

    Quantiles between those of the model lie on lines between them, in scores of the normal
    distribution; beyond the outermost there are none. A variance is that of sample paths.

    `pretrain` trains on a panel; `fit` then only takes in the series that are forecast. `update`
    goes on training with the budget of a fit, or with `update_params=False` only reads on.

    Args:
        horizon: Time steps that the model is trained for, up to which `fh` may then be given to
            `predict`; None: up to the last one of `fh` in `fit`.
        preset: This and the next five are arguments of `train`.
        max_seconds: See there.
        max_steps: See there.
        seed: See there.
        accelerator: See there.
        progress: See there.
        overrides: More arguments of `train`, such as `{"season_length": 24}`.

    Example:
        >>> from sktime.datasets import load_airline
        >>> from drnn_forecast.adapters.sktime import DilatedRNNSktimeForecaster
        >>> forecaster = DilatedRNNSktimeForecaster(
        ...     max_steps=1, overrides={"hidden_size": 4, "season_length": 12}
        ... )
        >>> forecast = forecaster.fit(load_airline(), fh=[1, 2, 3]).predict_interval(coverage=0.9)
        >>> forecast.shape
        (3, 2)
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": ["The drnn_forecast authors"],
        "maintainers": ["The drnn_forecast authors"],
        "y_inner_mtype": FORMS,
        "X_inner_mtype": FORMS,
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:categorical_in_X": True,
        "capability:non_contiguous_X": False,
        "capability:missing_values": True,
        "capability:unequal_length": True,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:update": True,
        "capability:pretrain": True,
        "requires-fh-in-fit": True,
        "X-y-must-have-same-index": True,
    }
    # The past is kept in `_cur_y` and `_cur_X`, as sktime asks of those that read it.
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}
    _y = _X = None

    def __init__(
        self,
        horizon: int | None = None,
        preset: str = "medium",
        max_seconds: float | None = None,
        max_steps: int | None = None,
        seed: int = 0,
        accelerator: str = "auto",
        progress: bool = False,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.horizon = horizon
        self.preset = preset
        self.max_seconds = max_seconds
        self.max_steps = max_steps
        self.seed = seed
        self.accelerator = accelerator
        self.progress = progress
        self.overrides = overrides
        super().__init__()
        if horizon is not None:
            self.set_tags(**{"requires-fh-in-fit": False})

    def _fit(self, y: Any, X: Any, fh: Any) -> Any:
        if self._state != "pretrained":
            self._train(y, X, fh)
        else:
            check_same_frequency(frequency_of_index(y.index), self.freq_)
        self._cur_y, self._cur_X = y, X
        if fh is not None:
            self._steps_of(fh)
        return self

    def _pretrain(self, y: Any, X: Any = None, fh: Any = None) -> Any:
        self._train(y, X, fh)
        return self

    def _pretrain_update(self, y: Any, X: Any = None, fh: Any = None) -> Any:
        self._go_on(y, X)
        return self

    def _update(self, y: Any, X: Any = None, update_params: bool = True) -> Any:
        self._cur_y, self._cur_X = update_data(self._cur_y, y), self._known(X)
        if update_params:
            self._go_on(*self._past(self._cur_X))
        return self

    def _predict(self, fh: Any, X: Any) -> pd.DataFrame:
        return self._quantiles(fh, X, [0.5]).set_axis(self._cur_y.columns, axis=1)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: Sequence[float]) -> pd.DataFrame:
        columns = self._get_columns(method="predict_quantiles", alpha=alpha)
        return self._quantiles(fh, X, alpha).set_axis(columns, axis=1)

    def _predict_var(self, fh: Any, X: Any, cov: bool = False) -> pd.DataFrame:
        if cov:
            raise NotImplementedError("`cov` must be False: there are variances alone.")
        steps = self._steps_of(fh)
        with refused_as(WORDS), asked_in_parts():
            paths = self.model_.paths(
                self._data(X), count=PATHS, seed=self.seed, horizon=int(steps.max())
            )
        keys = [*self.levels_, TIME]
        spread = paths.groupby(keys, sort=False)[self.targets_].var().reset_index()
        columns = self._get_columns(method="predict_var")
        return self._indexed(spread, spread[self.targets_], steps).set_axis(columns, axis=1)

    def _train(self, y: Any, X: Any, fh: Any) -> None:
        """Set `model_`, and what the columns of its frames are called."""
        overrides = dict(self.overrides or {})
        taken = [name for name in GIVEN if name in overrides]
        if taken:
            raise ValueError(f"`overrides` must not have {taken}, which sktime says; leave it out.")
        horizon = self.horizon
        if horizon is None:
            if fh is None:
                raise ValueError("`fh` must be given where the forecaster has no `horizon`.")
            horizon = int(self._relative(fh).max())
        many = y.shape[1] > 1
        self.levels_ = [f"level_{place}" for place in range(y.index.nlevels - 1)]
        self.targets_ = [f"y_{name}" for name in y.columns] if many else ["y"]
        self.covariates_ = [] if X is None else [f"X_{name}".replace(".", "_") for name in X]
        self.freq_ = frequency_of_index(y.index)
        rows = self._rows(y, X)
        with refused_as(WORDS):
            self.model_ = train(
                rows,
                horizon,
                series=self.levels_,
                time=TIME,
                target=self.targets_,
                known=self.covariates_,
                freq="1" if self.freq_ == "1" else stamped_frequency(y.index),
                future=after(rows[TIME]),
                preset=self.preset,
                max_seconds=self.max_seconds,
                **self._options,
                **overrides,
            )

    def _go_on(self, y: Any, X: Any) -> None:
        """Go on training with newer data."""
        with refused_as(WORDS), asked_in_parts():
            seconds = self.max_seconds or PRESETS[self.preset]
            data = whole_data(self._rows(y, X), self._roles)
            self.model_.update(data, max_seconds=seconds, **self._options)

    def _quantiles(self, fh: Any, X: Any, levels: Sequence[float]) -> pd.DataFrame:
        """Return the quantiles of each target, indexed as sktime has it."""
        steps = self._steps_of(fh)
        with refused_as(WORDS), asked_in_parts():
            rows = self.model_.forecast(self._data(X), horizon=int(steps.max()))
        prefixes = [f"{name}_" for name in self.targets_] if len(self.targets_) > 1 else [""]
        values = [quantiles_at(rows, prefix, levels) for prefix in prefixes]
        return self._indexed(rows, pd.concat(values, axis=1), steps)

    def _indexed(
        self, rows: pd.DataFrame, values: pd.DataFrame, steps: NDArray[np.int64]
    ) -> pd.DataFrame:
        """Return the values of some steps after the cutoff, in the order of the series of `y`.

        Args:
            rows: Series and time of each row, every series from the cutoff on.
            values: Of these rows.
            steps: Counted from 1.
        """
        times = self._cur_y.index.get_level_values(-1)
        ahead = pd.Index(rows[TIME].unique()[steps - 1]).astype(times.dtype)
        names = self._cur_y.index.names
        if not self._cur_y.index.nlevels - 1:
            return values.iloc[steps - 1].set_axis(ahead.rename(names[0]))
        series = self._cur_y.index.droplevel(-1).unique()
        keys = [(*key, time) for key in map(as_tuple, series) for time in ahead]
        index = pd.MultiIndex.from_tuples(keys, names=names)
        levels = [rows[name] for name in self.levels_]
        given = pd.MultiIndex.from_arrays([*levels, rows[TIME].astype(times.dtype)])
        return values.set_axis(given).loc[index].set_axis(index)

    def _relative(self, fh: Any) -> NDArray[np.int64]:
        """Return a horizon as steps after the cutoff."""
        steps: NDArray[np.int64] = fh.to_relative(self.cutoff).to_numpy().astype(np.int64)
        return steps

    def _steps_of(self, fh: Any) -> NDArray[np.int64]:
        """Return a horizon as steps after the cutoff, which the model must reach."""
        steps, reach = self._relative(fh), self.model_.hparams["max_prediction_length"]
        if steps.max() > reach:
            raise ValueError(
                f"`fh` must be within the {reach} time steps that the model was trained for, got "
                f"{steps.max()}. Fit again with a longer `fh` or `horizon`."
            )
        return steps

    def _data(self, X: Any) -> ForecastData:
        """Return what is known at the cutoff, and the covariates known ahead."""
        x = self._known(X)
        ahead = None
        if x is not None:
            x_ahead = x[x.index.get_level_values(-1) > self.cutoff[0]]
            ahead = self._rows(None, x_ahead) if len(x_ahead) else None
        return whole_data(self._rows(*self._past(x)), self._roles, ahead)

    def _known(self, X: Any) -> Any:
        """Return all rows of covariates that there are."""
        if X is None or self._cur_X is None:
            return self._cur_X if X is None else X
        return update_data(self._cur_X, X)

    def _past(self, x: Any) -> tuple[Any, Any]:
        """Return the rows up to the cutoff, empty ones where a series ends before it."""
        y, end = self._cur_y, self.cutoff[0]
        y = y[y.index.get_level_values(-1) <= end]
        if y.index.nlevels > 1:
            series = y.index.droplevel(-1).unique()
            ends = [(*as_tuple(key), end) for key in series]
            index = y.index.union(pd.MultiIndex.from_tuples(ends, names=y.index.names))
            y = y.reindex(index)
        return y, x

    def _rows(self, y: Any, X: Any) -> pd.DataFrame:
        """Return the rows of `y` and those of `X` beside them, or of `X` alone, tidy."""
        index = X.index if y is None else y.index
        levels = [index.get_level_values(place) for place in range(index.nlevels)]
        of_series = levels[:-1] or [UNNAMED] * len(self.levels_)
        rows = dict(zip(self.levels_, of_series, strict=True)) | {TIME: levels[-1]}
        if y is not None:
            check_width("y", y, self.targets_)
            rows |= dict(zip(self.targets_, (y[name].array for name in y), strict=True))
        x = None if X is None else X.reindex(index)
        check_width("X", x, self.covariates_)
        if x is not None:
            rows |= dict(zip(self.covariates_, (x[name].array for name in x), strict=True))
        return pd.DataFrame(rows)

    @property
    def _options(self) -> dict[str, Any]:
        """What `train` and `update` are told alike."""
        names = ("max_steps", "seed", "accelerator", "progress")
        return {name: getattr(self, name) for name in names}

    @property
    def _roles(self) -> Roles:
        """The part of each column of the model's frames."""
        return Roles.from_dict(self.model_.hparams["roles"])

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return settings for sktime's tests, which train one step."""
        small = {"max_steps": 1, "overrides": {"hidden_size": 4}}
        more = {"hidden_size": 4, "season_length": 4, "calendar": False}
        return [small, {"preset": "fast", "max_steps": 2, "seed": 1, "overrides": more}]
