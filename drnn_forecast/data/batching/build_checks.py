"""What is refused while a dataset is built; every refusal is a `DatasetError`."""

from __future__ import annotations

from collections.abc import Mapping
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

from drnn_forecast.data.batching.errors import (
    MissingNameError,
    decode_series,
    listed,
    quoted,
    require,
)
from drnn_forecast.data.batching.marks import names_of
from drnn_forecast.data.frames.checks import check_is_frame
from drnn_forecast.data.frames.roles import KINDS
from drnn_forecast.host import TIME_COLUMN, HostDataset, groups_of

COLUMN_ARGUMENTS = ("time_idx", "target", "group_ids", "weight", *KINDS)


def check_dataset_frame(data: Any) -> None:
    """Refuse what is not a frame with rows; a `TypeError` where it is no frame."""
    check_is_frame(data, "data")
    require(not data.empty, "`data` must have rows and columns, got an empty frame.")


def check_dataset_columns(data: pd.DataFrame, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that name columns the frame lacks, or make columns it has."""
    adds_length = arguments.get("add_encoder_length", "auto")
    require(
        isinstance(adds_length, bool) or adds_length == "auto",
        f"`add_encoder_length` must be True, False or 'auto', got {adds_length!r}. "
        "'auto' adds it when encoder lengths may vary.",
    )
    made_by = columns_made(arguments)
    for name, argument in made_by.items():
        require(
            name not in data.columns,
            f"`data` must not have the column {name!r}, which `{argument}` makes. "
            "Rename or drop it.",
        )
    targets = names_of(arguments.get("target"))
    made = {*made_by, *(f"{name}_{part}" for name in targets for part in ("center", "scale"))}
    groups = arguments.get("variable_groups") or {}
    for argument in COLUMN_ARGUMENTS:
        named = [c for name in names_of(arguments.get(argument)) for c in groups.get(name, [name])]
        for column in named:
            require(
                column in data.columns or column in made,
                f"`{argument}` names the column {column!r}, which the frame does not have; it has "
                f"{quoted(data.columns)}.",
                MissingNameError,
            )


def columns_made(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that a dataset makes, with the argument that asks for each."""
    made = {TIME_COLUMN: "time_idx"}
    made |= {f"__target__{name}": "target" for name in names_of(arguments.get("target"))}
    for name, steps in (arguments.get("lags") or {}).items():
        made |= {f"{name}_lagged_by_{lag}": "lags" for lag in steps}
    if arguments.get("add_relative_time_idx"):
        made["relative_time_idx"] = "add_relative_time_idx"
    adds_length = arguments.get("add_encoder_length", "auto")
    longest = arguments.get("max_encoder_length", 30)
    is_varying = arguments.get("min_encoder_length") not in (None, longest)
    if adds_length is True or (adds_length == "auto" and is_varying):
        made["encoder_length"] = "add_encoder_length"
    return made


def check_arguments(dataset: HostDataset) -> None:
    """Refuse lengths, lags, targets and normalisers that contradict each other."""
    for part in ("encoder", "prediction"):
        low, high = (getattr(dataset, f"{end}_{part}_length") for end in ("min", "max"))
        for end, value in (("max", high), ("min", low)):
            require(
                isinstance(value, int),
                f"`{end}_{part}_length` must be an int, got {value!r} ({type(value).__name__}). "
                "Pass a number of time steps, converted with int().",
            )
        require(
            low <= high,
            f"`min_{part}_length` must be at most `max_{part}_length`, got {low} and {high}. "
            "Lower the one or raise the other.",
        )
    require(
        dataset.min_prediction_length >= 1,
        f"`min_prediction_length` must be at least 1, got {dataset.min_prediction_length}. "
        "A window needs a time step to predict.",
    )
    for target in dataset.target_names:
        require(
            target not in names_of(dataset.time_varying_known_reals),
            f"`time_varying_known_reals` must not have the target, got {target!r}. "
            "Move it to `time_varying_unknown_reals`.",
        )
        require(
            target not in dataset.fitted_scalers,
            f"`scalers` must not name the target, got {target!r}. Its normaliser is the argument "
            "`target_normalizer`.",
        )
    check_lags(dataset)
    check_dataset_normalizer(dataset, dataset.target_normalizer)


def check_lags(dataset: HostDataset) -> None:
    """Refuse lags of what does not vary or is no single column, and lags below one step."""
    varying = dataset.known_variables + dataset.observed_variables
    for name, steps in (dataset.lags or {}).items():
        require(
            name in varying,
            f"`lags` names {name!r}, which is no time-varying variable of the dataset; they are "
            f"{quoted(varying)}. Add it to one of the `time_varying` arguments.",
            MissingNameError,
        )
        require(
            len(steps) > 0 and min(steps) >= 1,
            f"`lags` must be at least 1 time step each, got {list(steps)} for {name!r}. "
            "Remove the variable from `lags`, or its lags below 1.",
        )
        require(
            name not in (dataset.variable_groups or {}),
            f"`lags` cannot lag {name!r}, which `variable_groups` combines from several columns. "
            "Lag its columns in the frame instead.",
        )


def check_dataset_normalizer(dataset: HostDataset, normalizer: Any) -> None:
    """Refuse a target normaliser that cannot scale the dataset's targets."""
    is_list = isinstance(normalizer, tuple | list)
    for part in normalizer if is_list else getattr(normalizer, "normalizers", [normalizer]):
        strange = [name for name in groups_of(part) if name not in dataset.group_ids]
        require(
            not strange,
            f"The groups of a target normaliser must be among the columns that tell series apart, "
            f"{quoted(dataset.group_ids)}, got {quoted(strange)}. Give "
            f"`GroupNormalizer(groups={list(dataset.group_ids)!r})`.",
        )
    if normalizer is None or isinstance(normalizer, str | tuple | list):
        return
    require(
        isinstance(normalizer, TorchNormalizer | NaNLabelEncoder),
        "`target_normalizer` must be 'auto', None or a normaliser of pytorch-forecasting, got "
        f"{normalizer!r}. Use GroupNormalizer, EncoderNormalizer or TorchNormalizer.",
    )
    require(
        not dataset.multi_target or isinstance(normalizer, MultiNormalizer),
        f"`target_normalizer` must be a MultiNormalizer for the {len(dataset.target_names)} "
        f"targets of a list, got {normalizer!r}. Pass a list with a normaliser per target.",
    )
    if isinstance(normalizer, EncoderNormalizer):
        require(
            dataset.min_encoder_length >= normalizer.min_length,
            f"`min_encoder_length` must be at least {normalizer.min_length} time steps for an "
            f"EncoderNormalizer, got {dataset.min_encoder_length}. Raise it, or use a "
            "GroupNormalizer.",
        )


def check_rows(dataset: HostDataset, data: pd.DataFrame) -> None:
    """Refuse columns that are not what they are given as, unfit names and labels, too few rows."""
    time = dataset.time_idx
    require(
        data[time].dtype.kind == "i",
        f"`time_idx` must be a signed integer column that counts time steps, got {time!r} of type "
        f"{data[time].dtype}. Count the steps, for example from the dates.",
    )
    for name in dataset.flat_categoricals:
        require(
            name not in data.columns or holds_text(data[name]),
            f"The categorical {name!r} must hold strings, got values of type "
            f"{data[name].dtype if name in data.columns else None}. Convert it with "
            "`.astype(str)`.",
        )
    dotted = [name for name in data.columns if "." in str(name)]
    require(
        not dotted,
        f"Column names must not contain '.', got {quoted(dotted)}. Rename these columns.",
    )
    repeated = data.index[data.index.duplicated()].tolist()
    require(
        not repeated,
        f"The row labels of `data` must be unique, got {next(iter(repeated), None)!r} more than "
        "once. Call `.reset_index(drop=True)`.",
    )
    if dataset.add_target_scales:
        pairs = zip(dataset.target_names, dataset.target_normalizers, strict=True)
        real = [name for name, own in pairs if not isinstance(own, NaNLabelEncoder)]
        for name in (f"{name}_{part}" for name in real for part in ("center", "scale")):
            require(
                name not in data.columns,
                f"`data` must not have the column {name!r}, which `add_target_scales` makes. "
                "Rename or drop it.",
            )
    check_rows_left(dataset, data)


def holds_text(column: pd.Series) -> bool:
    """Return whether a column is one of text, or of categories that are no numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.categories.dtype.kind not in "bifc"
    return pd.api.types.is_object_dtype(column.dtype) or isinstance(column.dtype, pd.StringDtype)


def check_rows_left(dataset: HostDataset, data: pd.DataFrame) -> None:
    """Refuse a frame that ends before the first window may begin, or within the lags."""
    earliest = dataset.min_prediction_idx - dataset.max_encoder_length - dataset.max_lag
    late = data[data[dataset.time_idx] >= earliest]
    if late.empty:
        ends = data.groupby(dataset.group_ids, observed=True)[dataset.time_idx].max()
        removed = [f"{name} (ends at {end})" for name, end in ends.items()]
        require(
            False,
            f"No window is left: `min_prediction_idx` ({dataset.min_prediction_idx}) with "
            f"`max_encoder_length` ({dataset.max_encoder_length}) and lags of up to "
            f"{dataset.max_lag} time steps needs rows from time {earliest} on, and the last is at "
            f"{ends.max()}. Removed: {listed(removed)}. "
            "Lower `min_prediction_idx`, or pass later rows.",
        )
    if not dataset.max_lag:
        return
    lengths = late.groupby(dataset.group_ids, observed=True).size()
    require(
        lengths.max() > dataset.max_lag,
        f"No window is left: `lags` of up to {dataset.max_lag} time steps take as many rows from "
        f"the beginning of each series, and the longest has {lengths.max()}. "
        f"Removed: {listed([f'{name} ({length} rows)' for name, length in lengths.items()])}. "
        "Use shorter lags, or pass more history.",
    )


def check_gaps(dataset: HostDataset, data: pd.DataFrame, steps: npt.NDArray[np.integer]) -> None:
    """Refuse series that lack or repeat time steps, unless the dataset allows it."""
    if dataset.allow_missing_timesteps or (steps == 1).all():
        return
    row = int(np.flatnonzero(steps != 1)[0])
    before, after = data[TIME_COLUMN].iloc[[row, row + 1]]
    require(
        False,
        f"`{dataset.time_idx}` must grow by 1 from row to row of a series, got {after} after "
        f"{before} in {decode_series(dataset, data.iloc[[row]])[0]} ({int((steps != 1).sum())} "
        "such places in all). Fill the gaps, or pass allow_missing_timesteps=True; drop repeated "
        "time steps.",
    )
