"""What a model's quantiles missed on windows of a dataset, and intervals that know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.utils import to_list
from torch import Tensor

from drnn_forecast.host import before_transformation
from drnn_forecast.model.collection import evaluated
from drnn_forecast.model.coverage import coverage, interval_factors, moved_quantiles
from drnn_forecast.model.dependence import step_dependence
from drnn_forecast.model.heads import Intervals
from drnn_forecast.model.losses import normalizers_of
from drnn_forecast.model.prediction import BATCH_SIZE

MOST_WINDOWS = 2000
"""That are read, evenly spread: a share of so many errs by less than one in a hundred."""

TOGETHER = 0.1
"""The correlation of errors of different series at one time of which nothing is known."""

BLOCKS = 5
"""Parts of the windows of which each is judged by factors from the others."""


@dataclass(frozen=True, eq=False)
class Residuals:
    """Quantiles of one target on some windows, and what came.

    Attributes:
        quantiles: Normalised, without the factors of any `Intervals`, in ascending order of their
            levels, `(windows, horizon, levels)`; not a number past the end of a window.
        actual: Normalised in the same way, `(windows, horizon)`; not a number where it is unknown
            or has no weight, and the logarithm of zero is infinite.
        share: Of its targets that each window has for itself, `(windows,)`; less than 1 where
            windows of its series have targets in common.
        weight: For how many independent windows each counts, `(windows,)`: for fewer than its share
            where there are windows of other series at its time.
        time: The number of the horizon that each window begins in, `(windows,)`.
        levels: Ascending.
    """

    quantiles: NDArray[np.float64]
    actual: NDArray[np.float64]
    share: NDArray[np.float64]
    weight: NDArray[np.float64]
    time: NDArray[np.int64]
    levels: tuple[float, ...]


@dataclass(frozen=True)
class IntervalReport:
    """How often the intervals of one target held on the windows that they were calibrated on.

    Attributes:
        windows: How many there were, at most `MOST_WINDOWS`.
        is_calibrated: Whether their known values were enough to calibrate anything.
        before: By the share that an interval promises, the share of known values inside it.
        after: The same after the calibration. Each of `BLOCKS` parts of the windows was judged by
            factors from the other parts, so that it says what new windows can expect.
    """

    windows: int
    is_calibrated: bool
    before: Mapping[float, float]
    after: Mapping[float, float]


def residual_parts(model: Any, dataset: TimeSeriesDataSet) -> list[Residuals | None]:
    """Return the residuals of every target; None for one without intervals.

    Args:
        model: A `DilatedRNNForecaster`, which is left as it is.
        dataset: Windows that neither trained it nor chose its weights.
    """
    network = evaluated(model)
    outputs: list[Tensor] = []
    for head in network.target_heads:
        if head.intervals is not None:
            head.intervals.reset()
        head.register_forward_hook(lambda _, __, output: outputs.append(output))
    loader = dataset.to_dataloader(
        train=False, batch_size=BATCH_SIZE, num_workers=0, generator=torch.Generator()
    )
    parts: list[list[Residuals | None]] = []
    cells: list[NDArray[np.int64]] = []
    with torch.inference_mode():
        for x, y in loader:
            outputs.clear()
            inputs = move_data_to_device(x, network.device)
            network(inputs)
            scales = to_list(network.scaled_batch(inputs)["target_scale"])
            parts.append(_of_batch(network, outputs, scales, x, y))
            cells.append(_cells(x))
    places = np.concatenate(cells)
    shares = own_shares(places)
    times = _times(places)
    weights = shares, clustered(shares, times), times
    return [_joined(column, *weights) for column in zip(*parts, strict=True)]


def set_intervals(
    model: Any, parts: Sequence[Sequence[Residuals | None]]
) -> list[IntervalReport | None]:
    """Give a model intervals that hold as often as they promise, in place, and report how often.

    Args:
        model: A `DilatedRNNForecaster`, trained with the same losses.
        parts: What `residual_parts` returned, of one model or several: all are pooled. Of several,
            windows should differ: each counts for itself.

    Returns:
        A report for every target; None for one without intervals.
    """
    reports: list[IntervalReport | None] = []
    for head, columns in zip(model.target_heads, zip(*parts, strict=True), strict=True):
        known = [part for part in columns if part is not None]
        if head.intervals is None or not known:
            reports.append(None)
        else:
            reports.append(_set(head.intervals, known))
    return reports


def clustered(shares: NDArray[np.float64], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for how many independent windows each counts, of the shares of their targets.

    Windows of many series at one time miss what happened to all of them, and count for fewer: n of
    them for n / (1 + (n - 1) `TOGETHER`), the effective size of a cluster (Kish, 1965, sec. 5.4).

    Args:
        shares: Of `own_shares`.
        times: Equal numbers are of one time.
    """
    groups = np.unique(times, return_inverse=True)[1]
    count = np.bincount(groups, weights=shares)[groups]
    counted: NDArray[np.float64] = shares / (1 + np.maximum(count - 1, 0) * TOGETHER)
    return counted


def own_shares(cells: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of its targets that each window has for itself among those of its series."""
    weights = np.ones(len(cells))
    series = np.unique(cells[:, :-2], axis=0, return_inverse=True)[1].ravel()
    for number in np.unique(series):
        rows = np.flatnonzero(series == number)
        first, last = cells[rows, -2], cells[rows, -1]
        start = first.min()
        changes = np.zeros(last.max() - start + 2)
        np.add.at(changes, first - start, 1.0)
        np.add.at(changes, last + 1 - start, -1.0)
        shares = np.append(0.0, np.cumsum(1 / np.maximum(np.cumsum(changes), 1.0)))
        weights[rows] = (shares[last + 1 - start] - shares[first - start]) / (last - first + 1)
    return weights


def _set(intervals: Intervals, parts: Sequence[Residuals]) -> IntervalReport:
    """Set the intervals of one target."""
    size = sum(len(part.actual) for part in parts)
    chosen = np.arange(min(size, MOST_WINDOWS)) * size // min(size, MOST_WINDOWS)
    names = ("quantiles", "actual", "share", "weight", "time")
    quantiles, actual, share, weight, time = (
        np.concatenate([getattr(part, name) for part in parts])[chosen] for name in names
    )
    levels = parts[0].levels
    factors = interval_factors(quantiles, actual, levels, weight, len(np.unique(time)))
    intervals.reset()
    before = coverage(quantiles, actual, levels)
    if (factors == 1).all():
        return IntervalReport(len(actual), False, before, before)
    intervals.factors.copy_(torch.from_numpy(factors))
    moved = moved_quantiles(quantiles, factors, levels)
    dependence = step_dependence(moved, actual, levels, share)
    if dependence is not None:
        intervals.dependence.copy_(torch.from_numpy(dependence))
    blocks = np.arange(len(actual)) * BLOCKS // len(actual)
    judged = moved.copy()
    for block in np.unique(blocks):
        others = blocks != block
        times = len(np.unique(time[others]))
        found = interval_factors(quantiles[others], actual[others], levels, weight[others], times)
        judged[~others] = moved_quantiles(quantiles[~others], found, levels)
    return IntervalReport(len(actual), True, before, coverage(judged, actual, levels))


def _of_batch(
    network: Any,
    outputs: Sequence[Tensor],
    scales: Sequence[Tensor],
    x: Mapping[str, Any],
    y: tuple[Any, Any],
) -> list[Residuals | None]:
    """Return the residuals of a batch, without weights, of every target."""
    is_known = torch.arange(to_list(y[0])[0].shape[1]) < x["decoder_lengths"].unsqueeze(1)
    if y[1] is not None:
        is_known = is_known & (y[1] != 0)
    parts: list[Residuals | None] = []
    normalizers = normalizers_of(network.output_transformer)
    targets = zip(network.target_heads, outputs, to_list(y[0]), scales, normalizers, strict=True)
    for head, output, target, scale, normalizer in targets:
        if head.intervals is None:
            parts.append(None)
            continue
        center, spread = scale.double().cpu().unsqueeze(1).unbind(-1)
        actual = (before_transformation(normalizer, target.double()) - center) / spread
        actual = torch.where(is_known, actual, torch.nan)
        missing = len(head.intervals.factors) - actual.shape[1]
        quantiles = output.double().cpu().sort(dim=-1).values
        parts.append(
            Residuals(
                np.pad(quantiles, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan),
                np.pad(actual, ((0, 0), (0, missing)), constant_values=np.nan),
                np.ones(len(actual)),
                np.ones(len(actual)),
                np.arange(len(actual)),
                head.intervals.levels,
            )
        )
    return parts


def _cells(x: Mapping[str, Any]) -> NDArray[np.int64]:
    """Return series, as codes, and first and last time index of each window, `(windows, ...)`."""
    first, lengths = x["decoder_time_idx"][:, :1], x["decoder_lengths"].unsqueeze(1)
    cells: NDArray[np.int64] = torch.cat([x["groups"], first, first + lengths - 1], dim=1).numpy()
    return cells


def _times(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of the horizon that each window begins in, of what `_cells` returned."""
    first, last = cells[:, -2], cells[:, -1]
    return first // int((last - first + 1).max())


def _joined(
    parts: Sequence[Residuals | None],
    share: NDArray[np.float64],
    weight: NDArray[np.float64],
    time: NDArray[np.int64],
) -> Residuals | None:
    """Return the residuals of all batches of one target."""
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return Residuals(
        np.concatenate([part.quantiles for part in known]),
        np.concatenate([part.actual for part in known]),
        share,
        weight,
        time,
        known[0].levels,
    )
