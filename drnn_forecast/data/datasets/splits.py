"""Training, validation and test datasets of one history."""

import logging
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pytorch_forecasting import EncoderNormalizer

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from drnn_forecast.data.batching.window_index import WindowIndex
from drnn_forecast.data.datasets.gaps import allowing, teaches
from drnn_forecast.data.datasets.labels import with_known_labels
from drnn_forecast.data.datasets.precision import check_precision
from drnn_forecast.data.datasets.targets import target_rows
from drnn_forecast.data.datasets.transformers import encoders, scalers
from drnn_forecast.data.datasets.weights import weights_of
from drnn_forecast.data.frames.columns import model_frame, variables
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.places import counted
from drnn_forecast.data.frames.roles import TIME_INDEX
from drnn_forecast.data.frames.seen import seen_rows
from drnn_forecast.data.frames.windows import WindowPlan

logger = logging.getLogger("drnn_forecast.data")

OWN_OPTIONS = {
    "data": "the frame of `ForecastData`",
    "time_idx": "`time`",
    "target": "`target`",
    "group_ids": "`series`",
    "max_encoder_length": "`context_length`",
    "min_encoder_length": "`min_context_length`",
    "max_prediction_length": "`horizon`",
    "min_prediction_length": "`horizon`",
    "min_prediction_idx": "`validation_windows` and `test_windows`",
    "static_categoricals": "`static`",
    "static_reals": "`static`",
    "time_varying_known_categoricals": "`known`",
    "time_varying_known_reals": "`known`",
    "time_varying_unknown_categoricals": "`observed`",
    "time_varying_unknown_reals": "`observed`",
    "predict_mode": "`forecast_dataset`",
    "allow_missing_targets": "`missing` of `ForecastData`",
}


@dataclass(frozen=True, eq=False)
class Splits:
    """The datasets of one history, and where the windows of the held-out ones lie.

    Attributes:
        training: Every window whose targets lie before the first held-out target of its series,
            with the longest history that there is.
        test: The test windows, or None where none were asked for.
        origins: One row per held-out window, in the order of the datasets: series (where the frame
            has that column) and time of the first target, under the index `part`: "validation"
            or "test".
    """

    training: BatchedTimeSeriesDataSet
    test: BatchedTimeSeriesDataSet | None
    origins: pd.DataFrame
    _validation: BatchedTimeSeriesDataSet | None
    _complete: Callable[[], BatchedTimeSeriesDataSet]

    @property
    def has_validation(self) -> bool:
        """Whether a series has a validation window beside those of the training."""
        return self._validation is not None

    @property
    def validation(self) -> BatchedTimeSeriesDataSet:
        """The validation windows.

        Raises:
            ValueError: There are none, which only `split(keep_short=True)` allows.
        """
        if self._validation is None:
            raise ValueError(
                "No series is long enough for a validation window beside one to train on; lower "
                "`horizon`, or give longer series."
            )
        return self._validation

    @cached_property
    def complete(self) -> BatchedTimeSeriesDataSet:
        """All windows of the history, held-out ones included, as `training` scales and encodes."""
        return self._complete()

    def narrowed(self, choose: Callable[[BatchedTimeSeriesDataSet], NDArray[np.bool_]]) -> "Splits":
        """Return the same with some of the windows to learn from, as `choose` marks them."""

        def some(dataset: BatchedTimeSeriesDataSet) -> BatchedTimeSeriesDataSet:
            is_chosen = choose(dataset)
            return dataset.filter(lambda _: is_chosen)

        return replace(self, training=some(self.training), _complete=lambda: some(self.complete))


def make_splits(
    panel: Panel,
    windows: WindowPlan,
    *,
    short: str,
    parameters: dict[str, Any],
    is_own: bool = False,
) -> Splits:
    """Return the datasets; whatever is not fitted yet is fitted on the training rows only.

    `short` says what becomes of series that are too short for every window: "refuse", "drop", or
    "keep" the windows that they have. `parameters` are the arguments of a dataset, all but frame
    and lengths, and `is_own` says that what is fitted among them was fitted to these data.
    """
    weights = weights_of(parameters, panel)
    check_normalizer(parameters["target_normalizer"], windows)
    check_precision(panel)
    if short == "keep":
        kept, windows = holding_one(panel, windows)
    else:
        kept = long_enough(panel, windows, drop_short=short == "drop")
    frame = model_frame(panel.rows.frame, panel.positions, panel).assign(**weights)
    if not is_own:
        parameters = with_known_labels(parameters, frame[kept])
    rows = frame[kept & is_of_training(panel, windows)]
    training = learning_windows(parameters, rows, panel, windows, is_needed=short != "keep")
    hold = partial(hold_out, training, frame[kept], panel, windows)
    validation = test = None
    if windows.validation:
        validation = hold(count=windows.validation, steps_after=windows.steps_after_validation)
    if windows.test:
        test = hold(count=windows.test, steps_after=0)
    origins = origins_of(panel, validation=validation, test=test)
    whole = partial(everything, training, frame[kept], panel, windows)
    return Splits(training, test, origins, validation, whole)


def is_of_training(panel: Panel, windows: WindowPlan) -> NDArray[np.bool_]:
    """Return which rows may be learned from: those before the held-out targets of their series."""
    past = panel.steps_to_end >= windows.steps_after_training
    marks: NDArray[np.bool_]
    marks = past & (panel.sizes >= windows.shortest_series)[panel.rows.codes]
    return marks


def learning_windows(
    parameters: Mapping[str, Any],
    rows: pd.DataFrame,
    panel: Panel,
    windows: WindowPlan,
    *,
    is_needed: bool = False,
) -> BatchedTimeSeriesDataSet:
    """Return the windows to learn from in some rows of a model frame."""
    lengths = {
        "max_encoder_length": windows.context_length,
        "min_encoder_length": windows.min_context_length,
        "max_prediction_length": windows.horizon,
        "min_prediction_length": windows.horizon,
        "min_prediction_idx": int(rows[TIME_INDEX].min()),
    }
    made = BatchedTimeSeriesDataSet.from_parameters({**parameters, **lengths}, rows)
    return as_windows(made, panel, windows, is_needed=is_needed)


def everything(
    training: BatchedTimeSeriesDataSet, frame: pd.DataFrame, panel: Panel, windows: WindowPlan
) -> BatchedTimeSeriesDataSet:
    """Return the dataset of all windows, with the transformers of `training`."""
    first = int(frame[TIME_INDEX].min())
    whole = BatchedTimeSeriesDataSet.from_parameters(
        training.get_parameters(), frame, min_prediction_idx=first
    )
    return as_windows(whole, panel, windows)


def as_windows(
    dataset: BatchedTimeSeriesDataSet, panel: Panel, windows: WindowPlan, *, is_needed: bool = False
) -> BatchedTimeSeriesDataSet:
    """Return a dataset to learn from, in which each target is once, with its longest history."""
    index = WindowIndex(*dataset.window_rows)
    if windows.min_context_length < windows.context_length:
        # pytorch-forecasting lists windows that differ in nothing but how late they begin.
        index = index.longest
    if panel.lacks_values:
        index = index.marked(teaches(dataset, index, is_needed=is_needed))
    if len(index) < len(dataset):
        dataset = copy(dataset)
        dataset.index = index
    dataset.roles, dataset.seen = panel.roles.to_dict(), seen_rows(panel)
    return dataset


def new_parameters(
    panel: Panel, target_normalizer: Any, options: Mapping[str, Any], *, identity: bool
) -> dict[str, Any]:
    """Return the arguments of datasets whose encoders and scalers are still to be fitted.

    `identity` says whether the name of the series is among the covariates.
    """
    for name in options:
        if name in OWN_OPTIONS:
            raise TypeError(
                f"The dataset option `{name}` is derived from {OWN_OPTIONS[name]}; leave it out."
            )
    normalizer = EncoderNormalizer() if target_normalizer is None else target_normalizer
    listed = variables(panel)
    if not identity and panel.roles.group in listed["static_categoricals"]:
        listed["static_categoricals"].remove(panel.roles.group)
    return {
        "time_idx": TIME_INDEX,
        "target": panel.roles.target,
        "group_ids": [panel.roles.group],
        "target_normalizer": normalizer,
        **with_transformers(listed, options),
        **(allowing(panel, {}, is_new=True) if panel.lacks_values else {}),
    }


def origins_of(panel: Panel, **parts: BatchedTimeSeriesDataSet | None) -> pd.DataFrame:
    """Return series and first target time of the windows of every part, under its name."""
    origins = {
        part: target_rows(panel, dataset, steps=1)
        for part, dataset in parts.items()
        if dataset is not None
    }
    if not origins:
        return pd.DataFrame(columns=list(panel.roles.keys), index=pd.Index([], name="part"))
    return pd.concat(origins, names=["part", None]).droplevel(1)


def with_transformers(listed: dict[str, list[str]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables and the user's options, with encoders and scalers for the variables."""
    own = {"categorical_encoders": encoders(listed), "scalers": scalers(listed)}
    merged = {name: made | (options.get(name) or {}) for name, made in own.items()}
    return {**listed, **options, **merged}


def hold_out(
    training: BatchedTimeSeriesDataSet,
    frame: pd.DataFrame,
    panel: Panel,
    windows: WindowPlan,
    *,
    count: int,
    steps_after: int,
) -> BatchedTimeSeriesDataSet:
    """Return the dataset of `count` windows per series, with the transformers of `training`.

    `steps_after` time steps lie between the last target and the end of each series.
    """
    last = pd.Series(panel.positions[panel.last_rows], index=pd.Index(panel.labels, dtype=object))
    last_target = frame[panel.roles.group].map(last) - steps_after
    first_target = last_target - (count - 1) * windows.stride - windows.horizon + 1
    first_row = first_target - windows.context_length - windows.lag
    rows = frame[frame[TIME_INDEX].between(first_row, last_target)]
    sizes = rows.groupby(panel.roles.group)[TIME_INDEX].transform("size")
    rows = rows[sizes >= windows.shortest_window]
    dataset = BatchedTimeSeriesDataSet.from_parameters(
        training.get_parameters(),
        rows,
        stop_randomization=True,
        min_prediction_idx=int(rows[TIME_INDEX].min()),
    )

    def is_wanted(index: pd.DataFrame) -> pd.Series:
        steps = index[panel.roles.group].map(last) - steps_after - index["time_idx_last"]
        # Where shorter contexts are allowed, upstream lists several windows with the same targets.
        same_targets = index.groupby([panel.roles.group, "time_idx_last"])
        is_longest = index["time_idx_first"] == same_targets["time_idx_first"].transform("min")
        return is_longest & (steps % windows.stride == 0) & (steps < count * windows.stride)

    held_out: BatchedTimeSeriesDataSet = dataset.filter(is_wanted)
    held_out.roles = panel.roles.to_dict()
    return held_out


def long_enough(panel: Panel, windows: WindowPlan, *, drop_short: bool) -> NDArray[np.bool_]:
    """Return which rows belong to series that have a training window and every held-out one."""
    is_short = panel.sizes < windows.shortest_series
    if not is_short.any():
        return np.ones(len(panel.rows.codes), dtype=bool)
    short = panel.describe_sizes(is_short)
    if drop_short and not is_short.all():
        logger.warning(
            "Left out %s too short for the split: %s.", counted(is_short.sum(), "series"), short
        )
        return ~is_short[panel.rows.codes]
    remedy = "`drop_short` would leave none" if drop_short else "or give `drop_short=True`"
    raise ValueError(
        f"Every series needs at least {windows.shortest_series} rows: a context of "
        f"{windows.min_context_length} (with lags of {windows.lag}) and a horizon of "
        f"{windows.horizon} to train on, and {windows.steps_after_training} for the "
        f"{windows.validation} validation and {windows.test} test windows. Too short: {short}. "
        "Lower `min_context_length` (by default `context_length`), `horizon` or the number of "
        f"windows; {remedy}."
    )


def holding_one(panel: Panel, windows: WindowPlan) -> tuple[NDArray[np.bool_], WindowPlan]:
    """Return which rows belong to series that have a window, and a plan that some can follow.

    Where no series has a window to train on beside the held-out ones, fewer are held out, and none
    where it has to be.
    """
    holds = panel.sizes >= windows.shortest_window
    if not holds.any():
        longest = panel.sizes == panel.sizes.max()
        raise ValueError(
            f"At least one series needs {windows.shortest_window} rows, for a horizon of "
            f"{windows.horizon} and what is read before it; the longest here are "
            f"{panel.describe_sizes(longest)}. Lower `horizon`, or give longer series."
        )
    count = windows.validation
    while count and not (panel.sizes >= replace(windows, validation=count).shortest_series).any():
        count -= 1
    left_out = panel.describe_sizes(~holds)
    if left_out:
        logger.warning("Left out of the training, too short for a window: %s.", left_out)
    return holds[panel.rows.codes], replace(windows, validation=count)


def check_normalizer(normalizer: Any, windows: WindowPlan) -> None:
    """Raise where contexts are too short to be standardised."""
    if isinstance(normalizer, EncoderNormalizer) and (
        windows.min_context_length < normalizer.min_length
    ):
        raise ValueError(
            f"`min_context_length` (by default `context_length`) must be at least "
            f"{normalizer.min_length} where the target is standardised within each window, got "
            f"{windows.min_context_length}; raise it, or give another `target_normalizer`, such as "
            "`TorchNormalizer()`."
        )
