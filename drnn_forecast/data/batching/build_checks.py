"""What is refused while a dataset is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)

from drnn_forecast.data.batching.errors import DatasetError, MissingNameError, decode_series, quoted

_ENDS = ("max", "min")
_COLUMN_ARGUMENTS = (
    "time_idx",
    "target",
    "group_ids",
    "weight",
    "static_categoricals",
    "static_reals",
    "time_varying_known_categoricals",
    "time_varying_known_reals",
    "time_varying_unknown_categoricals",
    "time_varying_unknown_reals",
)


def check_frame(data: Any) -> None:
    """Refuse what is not a frame with rows.

    Raises:
        TypeError: `data` is no DataFrame.
        DatasetError: It is empty.
    """
    if not isinstance(data, pd.DataFrame):
        raise TypeError(f"`data` must be a pandas DataFrame, got {type(data).__name__}.")
    if data.empty:
        raise DatasetError("`data` must have rows and columns, got an empty frame.")


def check_arguments(data: pd.DataFrame, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that do not fit the columns of the frame.

    Args:
        data: The frame.
        arguments: The arguments of `TimeSeriesDataSet`, by name.

    Raises:
        DatasetError: `add_encoder_length` is neither a bool nor "auto", a named column is not in
            the frame, or the frame has a column that the dataset makes itself.
    """
    adds_length = arguments.get("add_encoder_length", "auto")
    if not isinstance(adds_length, bool) and adds_length != "auto":
        raise DatasetError(
            f"`add_encoder_length` must be True, False or 'auto', got {adds_length!r}. "
            "'auto' adds it when encoder lengths may vary."
        )
    made_by = _columns_made(arguments)
    for name, argument in made_by.items():
        if name in data.columns:
            raise DatasetError(
                f"`data` must not have the column {name!r}, which `{argument}` makes. "
                "Rename or drop it."
            )
    targets = _names(arguments.get("target"))
    made = {*made_by, *(f"{name}_{part}" for name in targets for part in ("center", "scale"))}
    groups = arguments.get("variable_groups") or {}
    for argument in _COLUMN_ARGUMENTS:
        for name in _names(arguments.get(argument)):
            for column in groups.get(name, [name]):
                if column not in data.columns and column not in made:
                    raise MissingNameError(
                        f"`{argument}` names the column {column!r}, which the frame does not "
                        f"have; it has {quoted(data.columns)}."
                    )


def check_parameters(dataset: Any) -> None:
    """Refuse lengths, lags and targets that contradict each other.

    Raises:
        DatasetError: A length is not an int, a minimum is above its maximum,
            `min_prediction_length` or a lag is below 1, a target is known in the future, or a
            variable group is lagged.
    """
    for part in ("encoder", "prediction"):
        lengths = {
            f"{end}_{part}_length": getattr(dataset, f"{end}_{part}_length") for end in _ENDS
        }
        for name, value in lengths.items():
            if not isinstance(value, int):
                raise DatasetError(
                    f"`{name}` must be an int, got {value!r} ({type(value).__name__}). "
                    "Pass a number of time steps, converted with int()."
                )
        high, low = lengths.values()
        if low > high:
            raise DatasetError(
                f"`min_{part}_length` must be at most `max_{part}_length`, got {low} and {high}. "
                "Lower the one or raise the other."
            )
    if dataset.min_prediction_length < 1:
        raise DatasetError(
            f"`min_prediction_length` must be at least 1, got {dataset.min_prediction_length}. "
            "A window needs a time step to predict."
        )
    for target in dataset.target_names:
        if target in dataset._time_varying_known_reals:
            raise DatasetError(
                f"`time_varying_known_reals` must not have the target, got {target!r}. "
                "Move it to `time_varying_unknown_reals`."
            )
    _check_lags(dataset)


def _check_lags(dataset: Any) -> None:
    known = dataset._time_varying_known_reals + dataset._time_varying_known_categoricals
    unknown = dataset._time_varying_unknown_reals + dataset._time_varying_unknown_categoricals
    for name, steps in dataset._lags.items():
        if name not in known + unknown:
            raise MissingNameError(
                f"`lags` names {name!r}, which is no time-varying variable of the dataset; they "
                f"are {quoted(known + unknown)}. Add it to one of the `time_varying` arguments."
            )
        if len(steps) == 0 or min(steps) < 1:
            raise DatasetError(
                f"`lags` must be at least 1 time step each, got {list(steps)} for {name!r}. "
                "Remove the variable from `lags`, or its lags below 1."
            )
        if name in dataset._variable_groups:
            raise DatasetError(
                f"`lags` cannot lag {name!r}, which `variable_groups` combines from several "
                "columns. Lag its columns in the frame instead."
            )


def check_normalizer(dataset: Any, normalizer: Any) -> None:
    """Refuse a target normaliser that cannot scale the dataset's targets.

    Raises:
        DatasetError: It is of a foreign class, its class does not suit the number of targets, or
            an `EncoderNormalizer` meets encoders of fewer than 2 time steps.
    """
    if normalizer is None or isinstance(normalizer, str | tuple | list):
        return
    if not isinstance(normalizer, TorchNormalizer | NaNLabelEncoder):
        raise DatasetError(
            "`target_normalizer` must be 'auto', None or a normaliser of pytorch-forecasting, got "
            f"{normalizer!r}. Use GroupNormalizer, EncoderNormalizer or TorchNormalizer."
        )
    if dataset.multi_target and not isinstance(normalizer, MultiNormalizer):
        raise DatasetError(
            f"`target_normalizer` must be a MultiNormalizer for the {len(dataset.target_names)} "
            f"targets of a list, got {normalizer!r}. Pass a list with a normaliser per target."
        )
    if isinstance(normalizer, EncoderNormalizer):
        shortest = dataset.min_encoder_length
        if shortest < normalizer.min_length:
            raise DatasetError(
                f"`min_encoder_length` must be at least {normalizer.min_length} time steps for an "
                f"EncoderNormalizer, got {shortest}. Raise it, or use a GroupNormalizer."
            )


def check_columns_fit(data: pd.DataFrame, time_idx: str, categoricals: Sequence[str]) -> None:
    """Refuse a time index that is not whole, numeric categories, and unfit names and labels.

    Raises:
        DatasetError: `time_idx` is no signed integer, a categorical is numeric, a column name has
            a dot, or two rows share a label.
    """
    if data[time_idx].dtype.kind != "i":
        raise DatasetError(
            f"`time_idx` must be a signed integer column that counts time steps, got {time_idx!r} "
            f"of type {data[time_idx].dtype}. Count the steps, for example from the dates."
        )
    for name in categoricals:
        if name in data.columns and not _holds_strings(data[name]):
            raise DatasetError(
                f"The categorical {name!r} must hold strings, got values of type "
                f"{data[name].dtype}. Convert it with `.astype(str)`."
            )
    dotted = [name for name in data.columns if "." in str(name)]
    if dotted:
        raise DatasetError(
            f"Column names must not contain '.', got {quoted(dotted)}. Rename these columns."
        )
    if not data.index.is_unique:
        label = data.index[data.index.duplicated()].tolist()[0]
        raise DatasetError(
            f"The row labels of `data` must be unique, got {label!r} more than once. "
            "Call `.reset_index(drop=True)`."
        )


def check_scaled_columns(dataset: Any, data: pd.DataFrame) -> None:
    """Refuse a scaler of the target, and columns named like the scales to add.

    Raises:
        DatasetError: `scalers` names a target, or the frame has a center or scale already.
    """
    for name in dataset.target_names:
        if name in dataset._scalers:
            raise DatasetError(
                f"`scalers` must not name the target, got {name!r}. Its normaliser is the "
                "argument `target_normalizer`."
            )
    if not dataset.add_target_scales:
        return
    for name, part in product(dataset.target_names, ("center", "scale")):
        normalizer = dataset.target_normalizers[dataset.target_names.index(name)]
        if f"{name}_{part}" in data.columns and not isinstance(normalizer, NaNLabelEncoder):
            raise DatasetError(
                f"`data` must not have the column '{name}_{part}', which `add_target_scales` "
                "makes. Rename or drop it."
            )


def check_gaps(dataset: Any, data: pd.DataFrame, steps: npt.NDArray[np.integer]) -> None:
    """Refuse series that lack or repeat time steps, unless the dataset allows it.

    Args:
        dataset: The dataset.
        data: Its preprocessed frame.
        steps: Time steps from each row to the next of its series, `(rows - 1,)`.

    Raises:
        DatasetError: A step is not 1.
    """
    if dataset.allow_missing_timesteps or (steps == 1).all():
        return
    row = int(np.flatnonzero(steps != 1)[0])
    before, after = data["__time_idx__"].iloc[[row, row + 1]]
    raise DatasetError(
        f"`{dataset.time_idx}` must grow by 1 from row to row of a series, got {after} after "
        f"{before} in {decode_series(dataset, data.iloc[[row]])[0]} ({int((steps != 1).sum())} "
        "such places in all). Fill the gaps, or pass allow_missing_timesteps=True; drop repeated "
        "time steps."
    )


def _columns_made(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that a dataset makes, with the argument that asks for each."""
    made = {"__time_idx__": "time_idx"}
    made |= {f"__target__{name}": "target" for name in _names(arguments.get("target"))}
    for name, steps in (arguments.get("lags") or {}).items():
        made |= {f"{name}_lagged_by_{lag}": "lags" for lag in steps}
    if arguments.get("add_relative_time_idx"):
        made["relative_time_idx"] = "add_relative_time_idx"
    adds_length = arguments.get("add_encoder_length", "auto")
    longest = arguments.get("max_encoder_length", 30)
    shortest = arguments.get("min_encoder_length")
    is_varying = shortest is not None and shortest != longest
    if adds_length is True or (adds_length == "auto" and is_varying):
        made["encoder_length"] = "add_encoder_length"
    return made


def _names(columns: Any) -> list[str]:
    if columns is None:
        return []
    return [columns] if isinstance(columns, str) else list(columns)


def _holds_strings(column: pd.Series) -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.categories.dtype.kind not in "bifc"
    return pd.api.types.is_object_dtype(column.dtype) or isinstance(column.dtype, pd.StringDtype)
