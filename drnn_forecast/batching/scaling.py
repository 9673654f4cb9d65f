"""Target scales of a whole batch: looked up by series, or fitted on every encoder at once."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
    TorchNormalizer,
)
from torch import Tensor

from drnn_forecast.batching.refusals import DatasetError


class WindowScale(Protocol):
    """An `EncoderNormalizer` fitted on the encoder of every window of a batch."""

    @property
    def parameters(self) -> Tensor:
        """Center and scale of every window, `(batch, 2)`."""

    def transform(
        self, encoder: Tensor, decoder: Tensor, encoder_lengths: Tensor, decoder_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both parts normalised, each `(batch, time)`; padding is arbitrary."""


def series_scales(normalizer: Any, groups: Tensor, group_ids: list[str]) -> list[Tensor | None]:
    """Return a table of center and scale per series for each target, `(series, 2)`.

    An `EncoderNormalizer` has None: its scale belongs to the window.

    Args:
        normalizer: The dataset's target normaliser.
        groups: Encoded group ids of every series, `(series, group ids)`.
        group_ids: The columns that they come from.
    """
    parts = normalizer.normalizers if isinstance(normalizer, MultiNormalizer) else [normalizer]
    return [
        None if isinstance(part, EncoderNormalizer) else _series_scale(part, groups, group_ids)
        for part in parts
    ]


def fit_windows(
    normalizer: EncoderNormalizer, encoder: Tensor, lengths: Tensor, *, is_padded: bool
) -> WindowScale:
    """Return the normaliser fitted on each row of a batch; `normalizer` stays as it is.

    Args:
        normalizer: What to fit.
        encoder: Encoder values, `(batch, time)`, padded on the right.
        lengths: Encoder lengths in time steps, `(batch,)`.
        is_padded: Whether a length is below `time`.

    Raises:
        DatasetError: The values are integers, or an encoder is empty and needs quantiles.
    """
    if not _is_elementwise(normalizer):
        fitted = [
            copy(normalizer).fit(row[:length])
            for row, length in zip(encoder.cpu(), lengths.tolist(), strict=True)
        ]
        return _FittedOneByOne(fitted, encoder.device)
    values = normalizer.preprocess(encoder)
    if not values.is_floating_point():
        raise DatasetError(
            f"An EncoderNormalizer needs real values, got integers of type {encoder.dtype}. "
            "Convert the column with `.astype(float)`, or use another normaliser."
        )
    center_length, scale_length = _fitted_lengths(normalizer)
    center_of = _last_steps(values, lengths, center_length, is_padded)
    scale_of = _last_steps(values, lengths, scale_length, is_padded)
    center, scale = _center_and_scale(normalizer, center_of, scale_of)
    return _FittedTogether(normalizer, center, scale)


@dataclass(frozen=True)
class _FittedTogether:
    normalizer: EncoderNormalizer
    center: Tensor  # (batch,)
    scale: Tensor  # (batch,)

    @property
    def parameters(self) -> Tensor:
        return torch.stack([self.center, self.scale], dim=-1)

    def transform(
        self, encoder: Tensor, decoder: Tensor, encoder_lengths: Tensor, decoder_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self._normalize(encoder), self._normalize(decoder)

    def _normalize(self, values: Tensor) -> Tensor:
        raw = self.normalizer.preprocess(values)
        return ((raw - self.center[:, None]) / self.scale[:, None]).to(raw.dtype)


@dataclass(frozen=True)
class _FittedOneByOne:
    normalizers: list[EncoderNormalizer]
    device: torch.device

    @property
    def parameters(self) -> Tensor:
        return torch.stack([part.get_parameters() for part in self.normalizers]).to(self.device)

    def transform(
        self, encoder: Tensor, decoder: Tensor, encoder_lengths: Tensor, decoder_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        new_encoder = torch.zeros(encoder.shape)
        new_decoder = torch.zeros(decoder.shape)
        lengths = zip(encoder_lengths.tolist(), decoder_lengths.tolist(), strict=True)
        windows = zip(self.normalizers, encoder.cpu(), decoder.cpu(), lengths, strict=True)
        for row, (part, past, future, (past_length, future_length)) in enumerate(windows):
            window = part.transform(torch.cat([past[:past_length], future[:future_length]]))
            new_encoder[row, :past_length] = window[:past_length]
            new_decoder[row, :future_length] = window[past_length:]
        return new_encoder.to(self.device), new_decoder.to(self.device)


@dataclass(frozen=True)
class _Steps:
    """The steps that a fit reads: `series`, `(batch, time)`, and which of them count."""

    series: Tensor
    is_read: Tensor | None  # (batch, time); None when every step is read
    count: Tensor | None  # (batch,)


def _is_elementwise(normalizer: EncoderNormalizer) -> bool:
    """Whether a normaliser is known to treat every step alike.

    A subclass, a transformation of the user's own or a length below one may read the window as a
    whole, so that only its own code knows what comes out.
    """
    has_own_code = type(normalizer) is not EncoderNormalizer
    return (
        not has_own_code
        and (normalizer.transformation is None or isinstance(normalizer.transformation, str))
        and min(length for length in (*_fitted_lengths(normalizer), 1) if length is not None) > 0
    )


def _fitted_lengths(normalizer: EncoderNormalizer) -> tuple[int | None, int | None]:
    """Return how many last time steps center and scale are fitted on; None is all."""
    length = normalizer.max_length
    if length is None or isinstance(length, int):
        return length, length
    return length[0], length[1]


def _last_steps(values: Tensor, lengths: Tensor, limit: int | None, is_padded: bool) -> _Steps:
    if not is_padded:
        return _Steps(values if limit is None else values[:, -limit:], None, None)
    step = torch.arange(values.size(1), device=values.device)
    end = lengths[:, None].to(values.device)
    is_read = step < end
    if limit is not None:
        is_read &= step >= end - limit
    return _Steps(values, is_read, is_read.sum(dim=-1))


def _center_and_scale(
    normalizer: EncoderNormalizer, center_of: _Steps, scale_of: _Steps
) -> tuple[Tensor, Tensor]:
    """Return center and scale, each `(batch,)`, as `TorchNormalizer` defines them."""
    values = center_of.series
    if normalizer.method == "identity":
        return values.new_zeros(len(values)), values.new_ones(len(values))
    if normalizer.method == "standard":
        center, scale = _mean(center_of), _deviation(scale_of)
    else:
        fractions = {"lower": 0.25, "center": 0.5, "upper": 0.75, **normalizer._method_kwargs}
        center = _quantile(center_of, fractions["center"])
        upper = _quantile(scale_of, fractions["upper"])
        scale = (upper - _quantile(scale_of, fractions["lower"])) / 2.0
    scale = scale + torch.finfo(scale.dtype).eps
    # A deviation plus epsilon is always above the limit; only swapped quantiles fall below it.
    if normalizer.method == "robust" and bool((scale < 1e-7).any()):
        warnings.warn(
            "scale is below 1e-7 - consider not centering the data or using data with higher "
            "variance for numerical stability",
            UserWarning,
            stacklevel=2,
        )
    return center if normalizer.center else torch.zeros_like(center), scale


def _mean(steps: _Steps) -> Tensor:
    """Return the mean of each row, `(batch,)`, to the bit as torch sums that row alone.

    The last bit counts: of values far from zero, it moves the scaled value by much more. So padded
    rows are summed one by one on the CPU, full ones together. Elsewhere torch sums in an order of
    its own, and double precision is exact enough.
    """
    if steps.is_read is None or steps.count is None:
        return steps.series.mean(dim=-1)
    if steps.series.device.type != "cpu":
        return _padded_mean(steps.series, steps.is_read)
    means = steps.series.mean(dim=-1)
    for row in (steps.count < steps.series.size(1)).nonzero().squeeze(1).tolist():
        means[row] = steps.series[row][steps.is_read[row]].mean()
    return means


def _padded_mean(series: Tensor, is_read: Tensor) -> Tensor:
    total = series.double().masked_fill(~is_read, 0.0).sum(dim=-1)
    return (total / is_read.sum(dim=-1)).to(series.dtype)


def _deviation(steps: _Steps) -> Tensor:
    """Return the unbiased standard deviation of each row, `(batch,)`."""
    if steps.is_read is None or steps.count is None:
        return steps.series.std(dim=-1)
    distance = steps.series.double() - _mean(steps).double()[:, None]
    squares = distance.masked_fill(~steps.is_read, 0.0).square().sum(dim=-1)
    return (squares / (steps.count - 1).clamp(min=0)).sqrt().to(steps.series.dtype)


def _quantile(steps: _Steps, fraction: float) -> Tensor:
    """Return the linearly interpolated quantile of each row, `(batch,)`."""
    if steps.series.size(1) == 0 or (steps.count is not None and bool((steps.count == 0).any())):
        raise DatasetError(
            "An EncoderNormalizer with method='robust' needs an encoder of at least 1 time step, "
            "got a window with 0. Raise `min_encoder_length`."
        )
    if steps.is_read is None or steps.count is None:
        return steps.series.quantile(fraction, dim=-1)
    ordered = steps.series.masked_fill(~steps.is_read, torch.inf).sort(dim=-1)[0]
    rank = (steps.count - 1) * torch.tensor(fraction, dtype=ordered.dtype, device=ordered.device)
    below = ordered.gather(1, rank.long()[:, None]).squeeze(1)
    above = ordered.gather(1, rank.ceil().long()[:, None]).squeeze(1)
    return below.lerp(above, rank - rank.long())


def _series_scale(normalizer: Any, groups: Tensor, group_ids: list[str]) -> Tensor:
    """Return center and scale of one target for every series, `(series, 2)`."""
    if type(normalizer) in (TorchNormalizer, NaNLabelEncoder):
        parameters = [normalizer.get_parameters(groups[0], group_ids)]
    elif type(normalizer) is GroupNormalizer and _is_looked_up_by_series(normalizer, group_ids):
        return torch.from_numpy(_group_scale(normalizer, groups.numpy()).astype(np.float32))
    else:
        parameters = [normalizer.get_parameters(row, group_ids) for row in groups]
    # The collate function of pytorch-forecasting stacks tensors as they are and makes float32 of
    # everything else.
    if isinstance(parameters[0], Tensor):
        table = torch.stack(parameters)
    else:
        table = torch.from_numpy(np.array(parameters, dtype=np.float32))
    return table.expand(len(groups), -1)


def _is_looked_up_by_series(normalizer: GroupNormalizer, group_ids: list[str]) -> bool:
    """Whether the normaliser's table has one key per group id, in the dataset's order."""
    names = normalizer._groups
    return not normalizer.scale_by_group and names in ([], group_ids)


def _group_scale(normalizer: GroupNormalizer, groups: npt.NDArray[np.int64]) -> Any:
    if not normalizer._groups:
        parameters = normalizer.get_parameters(groups[0].tolist(), [])
        return np.broadcast_to(parameters, (len(groups), 2)).copy()
    index = normalizer.norm_.index
    if isinstance(index, pd.MultiIndex):
        found = index.get_indexer(pd.MultiIndex.from_arrays(list(groups.T)))
    else:
        found = index.get_indexer(groups[:, 0])
    scales = normalizer.norm_.to_numpy()[found]
    scales[found < 0] = [normalizer.missing_[name] for name in normalizer.names]
    return scales
