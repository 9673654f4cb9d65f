"""Center and scale of the targets: of every series as fitted before, or of a batch of windows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    GroupNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from torch import Tensor

from drnn_forecast.data.batching.errors import DatasetError
from drnn_forecast.host import groups_of, quantile_fractions, scales_by_series

FEWEST = 2
"""Values of which there is a deviation."""


def series_scales(dataset: Any, groups: Tensor) -> list[Tensor | None]:
    """Return a table of center and scale per series for each target, `(series, 2)`.

    An `EncoderNormalizer` has None: its scale belongs to the window.

    Args:
        dataset: A `TimeSeriesDataSet`.
        groups: The codes by which it tells its series apart, `(series, group ids)`.
    """
    return [
        None if isinstance(part, EncoderNormalizer) else _table(part, groups, dataset)
        for part in dataset.target_normalizers
    ]


def write_series_scales(x: dict[str, Any], dataset: Any, groups: Tensor) -> None:
    """Give one window of pytorch-forecasting the scales of its series, where they are by groups.

    It looks up the number of a series where the normaliser has the code of a label. `groups` are
    those of the window, `(1, group ids)`.
    """
    parts = dataset.target_normalizers
    if not any(groups_of(part) for part in parts):
        return
    scales = list(x["target_scale"]) if dataset.multi_target else [x["target_scale"]]
    for number, part in enumerate(parts):
        if type(part) is GroupNormalizer:
            scales[number] = _of_groups(part, groups, dataset)[0]
        elif groups_of(part):
            scales[number] = _table(part, groups, dataset)[0].numpy()
    x["target_scale"] = scales if dataset.multi_target else scales[0]


def _of_groups(normalizer: Any, groups: Tensor, dataset: Any) -> NDArray[np.float64]:
    """Return center and scale of every series from the table of a normaliser, `(series, 2)`."""
    return scales_by_series(normalizer, _codes(normalizer, groups, dataset), len(groups))


def _codes(normalizer: Any, groups: Tensor, dataset: Any) -> dict[str, NDArray[np.int64]]:
    """Return the codes of every series in the columns by which a normaliser has its scales."""
    return {name: _fitted_codes(dataset, name, groups) for name in groups_of(normalizer)}


def _table(normalizer: Any, groups: Tensor, dataset: Any) -> Tensor:
    if type(normalizer) is GroupNormalizer:
        return torch.from_numpy(_of_groups(normalizer, groups, dataset).astype(np.float32))
    count, codes = len(groups), _codes(normalizer, groups, dataset)
    is_one = type(normalizer) in (TorchNormalizer, NaNLabelEncoder)
    rows = np.stack(list(codes.values()), axis=1) if codes else groups.numpy()
    names = list(codes) or dataset.group_ids
    parameters = [
        normalizer.get_parameters(torch.tensor(row), names)
        for row in (rows[:1] if is_one else rows)
    ]
    # As the collate function of pytorch-forecasting stacks them.
    if isinstance(parameters[0], Tensor):
        return torch.stack(parameters).expand(count, -1)
    return torch.from_numpy(np.array(parameters, dtype=np.float32)).expand(count, -1)


def _fitted_codes(dataset: Any, name: str, groups: Tensor) -> NDArray[np.int64]:
    """Return the code of every series as a normaliser was fitted on it.

    A dataset numbers its series by another encoder, which has no label for the unknown.
    """
    own = groups[:, dataset.group_ids.index(name)].numpy()
    labels = dataset.transform_values(name, own, inverse=True, group_id=True)
    known = dataset.get_transformer(name).classes_
    return np.array([known.get(label, 0) for label in labels.tolist()], dtype=np.int64)


@dataclass(frozen=True)
class WindowScale:
    """An `EncoderNormalizer` fitted on the encoder of every window; center and scale `(batch,)`."""

    normalizer: EncoderNormalizer
    center: Tensor
    scale: Tensor

    def transform(self, values: Tensor) -> Tensor:
        """Return values normalised, `(batch, time)`; padding is arbitrary."""
        raw: Tensor = self.normalizer.preprocess(values)
        return ((raw - self.center[:, None]) / self.scale[:, None]).to(raw.dtype)


def is_elementwise(normalizer: Any) -> bool:
    """Return whether `fit_windows` can fit a normaliser: it treats every time step alike.

    A subclass, a transformation of the user's own or a length below one may read the window as a
    whole, so that only its own code knows what comes out.
    """
    return (
        type(normalizer) is EncoderNormalizer
        and (normalizer.transformation is None or isinstance(normalizer.transformation, str))
        and all(length is None or length > 0 for length in _fitted_lengths(normalizer))
    )


def fit_windows(
    normalizer: EncoderNormalizer, encoder: Tensor, lengths: Tensor, missing: Tensor | None = None
) -> WindowScale:
    """Return the normaliser fitted on each row of a batch.

    Sums are in double precision, so that center and scale are those of pytorch-forecasting, which
    sums float32 in an order of its own, but for that order's rounding.

    `encoder` is `(batch, time)`, padded on the right, `lengths` `(batch,)` in time steps. What is
    `missing`, `(batch, time)`, is not read, but in rows in which next to nothing else is there.
    """
    values = normalizer.preprocess(encoder)
    if not values.is_floating_point():
        raise DatasetError(
            f"An EncoderNormalizer needs real values, got integers of type {encoder.dtype}. "
            "Convert the column with `.astype(float)`, or use another normaliser."
        )
    if normalizer.method == "identity":
        zeros = values.new_zeros(values.shape[0])
        return WindowScale(normalizer, zeros, zeros + 1)
    center_of, scale_of = (
        _known(_is_read(values, lengths, limit), missing) for limit in _fitted_lengths(normalizer)
    )
    if normalizer.method == "standard":
        center, scale = _mean(values.double(), center_of), _deviation(values.double(), scale_of)
    else:
        center, scale = _quantiles(normalizer, values, center_of, scale_of)
    scale = scale.to(values.dtype) + torch.finfo(values.dtype).eps
    # A deviation plus epsilon is always above the limit; only swapped quantiles fall below it.
    if normalizer.method == "robust" and bool((scale < 1e-7).any()):
        warnings.warn(
            "scale is below 1e-7 - consider not centering the data or using data with higher "
            "variance for numerical stability",
            UserWarning,
            stacklevel=2,
        )
    if not normalizer.center:
        center = torch.zeros_like(center)
    return WindowScale(normalizer, center.to(values.dtype), scale)


def _fitted_lengths(normalizer: EncoderNormalizer) -> tuple[int | None, int | None]:
    """Return how many last time steps center and scale are fitted on; None is all."""
    length = normalizer.max_length
    return (length, length) if length is None or isinstance(length, int) else tuple(length)


def _is_read(values: Tensor, lengths: Tensor, limit: int | None) -> Tensor:
    """Return which steps are among the last `limit` of their row, `(batch, time)`."""
    step, end = torch.arange(values.size(1), device=values.device), lengths[:, None]
    return step < end if limit is None else (step < end) & (step >= end - limit)


def _known(is_read: Tensor, missing: Tensor | None) -> Tensor:
    """Return which steps are read and not missing; all that are read where fewer than two are."""
    if missing is None:
        return is_read
    known = is_read & ~missing
    return known | (is_read & (known.sum(1, keepdim=True) < FEWEST))


def _mean(values: Tensor, is_read: Tensor) -> Tensor:
    """Return the mean of each row over the steps that are read, `(batch,)`."""
    return values.masked_fill(~is_read, 0.0).sum(dim=1) / is_read.sum(dim=1)


def _deviation(values: Tensor, is_read: Tensor) -> Tensor:
    """Return the unbiased standard deviation of each row over them, `(batch,)`."""
    distance = values - _mean(values, is_read)[:, None]
    squares = distance.square().masked_fill(~is_read, 0.0).sum(dim=1)
    return (squares / (is_read.sum(dim=1) - 1).clamp(min=0)).sqrt()


def _quantiles(
    normalizer: EncoderNormalizer, values: Tensor, center_of: Tensor, scale_of: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the middle of each row and half the distance of its outer quantiles, `(batch,)`.

    In the precision of the values: their ranks are rounded as pytorch-forecasting's are.
    """
    if not bool(center_of.any(dim=1).all()):
        raise DatasetError(
            "An EncoderNormalizer with method='robust' needs an encoder of at least 1 time step, "
            "got a window with 0. Raise `min_encoder_length`."
        )
    fractions = quantile_fractions(normalizer)
    parts = {"upper": scale_of, "lower": scale_of, "center": center_of}
    upper, lower, center = (
        _quantile(values, is_read, fractions[name]) for name, is_read in parts.items()
    )
    return center, (upper - lower) / 2.0


def _quantile(values: Tensor, is_read: Tensor, fraction: float) -> Tensor:
    """Return a quantile of each row over the steps that are read, `(batch,)`.

    Rows of as many steps go through `torch.quantile` together, as pytorch-forecasting's windows go
    through it one by one: how its ranks are rounded differs between versions of torch.
    """
    result = values.new_empty(len(values))
    counts = is_read.sum(dim=1)
    for count in set(counts.tolist()):
        rows = counts == count
        read = values[rows][is_read[rows]].view(-1, count)
        result[rows] = read.quantile(fraction, dim=-1)
    return result
