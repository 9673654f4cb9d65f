"""An `EncoderNormalizer` fitted on the encoders of a whole batch at once."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass
from typing import Protocol

import torch
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
)
from torch import Tensor

from drnn_forecast.data.batching.errors import DatasetError


class WindowScale(Protocol):
    """An `EncoderNormalizer` fitted on the encoder of every window of a batch."""

    @property
    def parameters(self) -> Tensor:
        """Center and scale of every window, `(batch, 2)`."""

    def transform(
        self, encoder: Tensor, decoder: Tensor, encoder_lengths: Tensor, decoder_lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both parts normalised, each `(batch, time)`; padding is arbitrary."""


def fit_windows(
    normalizer: EncoderNormalizer,
    encoder: Tensor,
    lengths: Tensor,
    *,
    is_padded: bool,
    is_strided: Tensor | None = None,
) -> WindowScale:
    """Return the normaliser fitted on each row of a batch; `normalizer` stays as it is.

    Args:
        normalizer: What to fit.
        encoder: Encoder values, `(batch, time)`, padded on the right.
        lengths: Encoder lengths in time steps, `(batch,)`.
        is_padded: Whether a length is below `time`.
        is_strided: Rows that pytorch-forecasting sums as a column of a table, `(batch,)`, and not
            as neighbours in memory; None for none. `encoder` must be such a column then.

    Raises:
        DatasetError: The values are integers, or an encoder is empty and needs quantiles.
    """
    if not _is_elementwise(normalizer):
        return _fit_one_by_one(normalizer, encoder, lengths, is_strided)
    values = normalizer.preprocess(encoder)
    if not values.is_floating_point():
        raise DatasetError(
            f"An EncoderNormalizer needs real values, got integers of type {encoder.dtype}. "
            "Convert the column with `.astype(float)`, or use another normaliser."
        )
    center_length, scale_length = _fitted_lengths(normalizer)
    center_of = scale_of = _last_steps(values, lengths, center_length, is_padded, is_strided)
    if scale_length != center_length:
        scale_of = _last_steps(values, lengths, scale_length, is_padded, is_strided)
    center, scale = _center_and_scale(normalizer, center_of, scale_of)
    return _FittedTogether(normalizer, center, scale)


def _fit_one_by_one(
    normalizer: EncoderNormalizer, encoder: Tensor, lengths: Tensor, is_strided: Tensor | None
) -> WindowScale:
    rows = list(encoder.cpu().contiguous())
    if is_strided is not None:
        for row in is_strided.nonzero().squeeze(1).tolist():
            rows[row] = encoder[row].cpu()
    fitted = [
        copy(normalizer).fit(row[:length])
        for row, length in zip(rows, lengths.tolist(), strict=True)
    ]
    return _FittedOneByOne(fitted, encoder.device)


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
    """The steps that a fit reads: of every row of `series`, `(batch, time)`, those from `begin`.

    `end` is one after the last of them; both are `(batch,)`, or None when every step is read.
    `is_strided` is as in `fit_windows`.
    """

    series: Tensor
    begin: Tensor | None
    end: Tensor | None
    is_strided: Tensor | None

    def count(self) -> Tensor:
        """Return how many steps are read, `(batch,)`."""
        if self.begin is None or self.end is None:
            return torch.full((len(self.series),), self.series.size(1), device=self.series.device)
        return self.end - self.begin

    def masked(self, values: Tensor, fill: float) -> Tensor:
        """Return `values`, `(batch, time)`, with `fill` where a step is not read."""
        if self.begin is None or self.end is None:
            return values
        step = torch.arange(values.size(1), device=values.device)
        is_read = (step >= self.begin[:, None]) & (step < self.end[:, None])
        return values.masked_fill(~is_read, fill)


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


def _last_steps(
    values: Tensor,
    lengths: Tensor,
    limit: int | None,
    is_padded: bool,
    is_strided: Tensor | None,
) -> _Steps:
    if not is_padded:
        return _Steps(values if limit is None else values[:, -limit:], None, None, is_strided)
    begin = torch.zeros_like(lengths) if limit is None else (lengths - limit).clamp(min=0)
    return _Steps(values, begin, lengths, is_strided)


def _center_and_scale(
    normalizer: EncoderNormalizer, center_of: _Steps, scale_of: _Steps
) -> tuple[Tensor, Tensor]:
    """Return center and scale, each `(batch,)`, as `TorchNormalizer` defines them."""
    values = center_of.series
    if normalizer.method == "identity":
        return values.new_zeros(len(values)), values.new_ones(len(values))
    if normalizer.method == "standard":
        center = _mean(center_of)
        scale = _deviation(scale_of, center if scale_of is center_of else _mean(scale_of))
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
    rows are summed one by one on the CPU, full ones together, and neighbours in memory in another
    order than a column of a table. Elsewhere torch sums in an order of its own, and double
    precision is exact enough.
    """
    if steps.begin is not None and steps.series.device.type != "cpu":
        return _padded_mean(steps)
    means = _row_means(steps, steps.series.contiguous())
    if steps.is_strided is not None:
        means = torch.where(steps.is_strided, _row_means(steps, steps.series), means)
    return means


def _row_means(steps: _Steps, series: Tensor) -> Tensor:
    means = series.mean(dim=-1)
    if steps.begin is None or steps.end is None:
        return means
    bounds = zip(steps.begin.tolist(), steps.end.tolist(), strict=True)
    for row, (begin, end) in enumerate(bounds):
        if end - begin < series.size(1):
            means[row] = series[row, begin:end].mean()
    return means


def _padded_mean(steps: _Steps) -> Tensor:
    total = steps.masked(steps.series.double(), 0.0).sum(dim=-1)
    return (total / steps.count()).to(steps.series.dtype)


def _deviation(steps: _Steps, mean: Tensor) -> Tensor:
    """Return the unbiased standard deviation of each row around its mean, `(batch,)`.

    In double precision, as torch does for a single row but not for several.
    """
    distance = steps.series.double() - mean.double()[:, None]
    squares = steps.masked(distance, 0.0).square().sum(dim=-1)
    return (squares / (steps.count() - 1).clamp(min=0)).sqrt().to(steps.series.dtype)


def _quantile(steps: _Steps, fraction: float) -> Tensor:
    """Return the linearly interpolated quantile of each row, `(batch,)`."""
    if bool((steps.count() == 0).any()):
        raise DatasetError(
            "An EncoderNormalizer with method='robust' needs an encoder of at least 1 time step, "
            "got a window with 0. Raise `min_encoder_length`."
        )
    if steps.begin is None:
        return steps.series.quantile(fraction, dim=-1)
    ordered = steps.masked(steps.series, torch.inf).sort(dim=-1)[0]
    rank = (steps.count() - 1) * torch.tensor(fraction, dtype=ordered.dtype, device=ordered.device)
    below = ordered.gather(1, rank.long()[:, None]).squeeze(1)
    above = ordered.gather(1, rank.ceil().long()[:, None]).squeeze(1)
    return below.lerp(above, rank - rank.long())
