"""How far targets move: what the scale of a window is at least, and what a loss is measured in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, TimeSeriesDataSet
from pytorch_forecasting.data.encoders import TorchNormalizer
from pytorch_forecasting.utils import to_list
from torch import Tensor, nn

from drnn_forecast.host import added_to_scales
from drnn_forecast.model.gaps import known_targets

FLOOR_SHARE: Final = 0.5
"""The least scale of a window, as a share of the mean scale of its series' windows."""

FLAT: Final = 2 * float(np.finfo(np.float32).eps)
"""A scale below this share of the level is the rounding of a window that does not move."""


class Magnitudes(nn.Module):
    """How far the targets of the training move: of every series in a window, and of all of them.

    A window that hardly moves would be forecast in units of nothing: its intervals had no width,
    and divided by its scale its loss would outweigh all others. So the scale of a window is at
    least `FLOOR_SHARE` of the mean standard deviation of the windows of its series in training.
    A window that does not move at all, of a series that is new or never moved, takes the least
    floor there is. What pytorch-forecasting adds to every scale, which hides targets that are
    smaller, is taken off again.

    Args:
        num_series: Series of the training; 0: nothing is known, and scales stay as they are.
        num_targets: Targets.
    """

    keys: Tensor
    floors: Tensor
    sizes: Tensor
    added: Tensor

    def __init__(self, num_series: int, num_targets: int) -> None:
        super().__init__()
        is_kept = num_series > 0
        self.register_buffer("keys", torch.zeros(num_series, dtype=torch.long), is_kept)
        # As bits, which no change of the model's precision rounds.
        for name, rows, value in (
            ("floors", num_series, 0.0),
            ("sizes", 1, 1.0),
            ("added", 1, 0.0),
        ):
            bits = _as_bits(torch.full((rows, num_targets), value, dtype=torch.float32))
            self.register_buffer(name, bits, is_kept)

    def learn(self, dataset: TimeSeriesDataSet) -> None:
        """Take the magnitudes of the targets of a training dataset."""
        starts = series_starts(dataset.data["groups"])
        groups = dataset.data["groups"][torch.from_numpy(starts)]
        keys, order = np.unique(_keys(groups).numpy(), return_index=True)
        floors = np.zeros((len(keys), len(dataset.target_names)))
        added = np.zeros((1, len(dataset.target_names)))
        pairs = zip(dataset.target_normalizers, known_targets(dataset), strict=True)
        for number, (normalizer, values) in enumerate(pairs):
            if _has_scale(normalizer):
                moves = _moves(normalizer.preprocess(values), starts, _width(normalizer, dataset))
                floors[:, number] = FLOOR_SHARE * moves[order]
                added[:, number] = added_to_scales(normalizer)
        self.keys.copy_(torch.from_numpy(keys))
        sizes = [usual_moves(dataset)]
        for own, table in ((self.floors, floors), (self.added, added), (self.sizes, sizes)):
            own.copy_(_as_bits(torch.from_numpy(np.asarray(table, np.float32))))

    def learn_new(self, dataset: TimeSeriesDataSet) -> int:
        """Take the floors of series that are not known yet, and return how many series there are.

        Those of the others, and the size of losses, stay as the training has them.
        """
        if not len(self.keys):
            return 0
        given = Magnitudes(count_series(dataset), self.floors.shape[1])
        given.learn(dataset)
        is_new = ~torch.isin(given.keys, self.keys.cpu())
        keys = torch.cat([self.keys, given.keys[is_new].to(self.keys.device)])
        floors = torch.cat([self.floors, given.floors[is_new].to(self.floors.device)])
        order = keys.argsort()
        self.keys, self.floors = keys[order], floors[order]
        return len(keys)

    @property
    def typical(self) -> list[float]:
        """What `usual_moves` returned for the training."""
        sizes: list[float] = _as_numbers(self.sizes)[0].tolist()
        return sizes

    def scales(self, x: Mapping[str, Any]) -> list[Tensor]:
        """Return center and scale of each target of a batch, `(batch, 2)`, float32 or better."""
        given = [scale.to(_precise(scale.dtype)) for scale in to_list(x["target_scale"])]
        if not self.has_floors(x):
            return given
        (floors, added), own = self.known, self.own_floors(x)
        return [
            _raised(scale, own[:, number], floors[:, number], added[number])
            for number, scale in enumerate(given)
        ]

    @property
    def known(self) -> tuple[Tensor, Tensor]:
        """The floors of all series, `(series, targets)`, and what is taken off, `(targets,)`."""
        return _as_numbers(self.floors), _as_numbers(self.added)[0]

    def has_floors(self, x: Mapping[str, Any]) -> bool:
        """Whether the series of a batch are known; without groups, its scales are raised already.

        See `adapters.onnx`.
        """
        return "groups" in x and len(self.keys) > 0

    def own_floors(self, x: Mapping[str, Any]) -> Tensor:
        """Return the floors of the series of a batch, `(batch, targets)`; 0 for new ones."""
        keys = _keys(x["groups"])
        place = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        return torch.where((self.keys[place] == keys)[:, None], self.known[0][place], 0.0)

    def scaled(self, x: Mapping[str, Any], columns: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return a batch whose targets are in units of `scales`, which stand in for its own.

        Args:
            x: A batch of a `TimeSeriesDataSet`.
            columns: Of every target, the positions of its values among the reals.
        """
        given, scales = to_list(x["target_scale"]), self.scales(x)
        result = {name: part for name, part in x.items() if name != "groups"}
        result["target_scale"] = (
            scales if isinstance(x["target_scale"], list | tuple) else scales[0]
        )
        if not self.has_floors(x):
            return result
        past = x["encoder_cont"]
        factor = past.new_ones(past.shape[0], past.shape[-1])
        for positions, before, after in zip(columns, given, scales, strict=True):
            ratio = before[:, 1].to(after.dtype) / after[:, 1]
            for position in positions:
                factor[:, position] = ratio
        result |= {name: x[name] * factor[:, None] for name in ("encoder_cont", "decoder_cont")}
        return result


def count_series(dataset: TimeSeriesDataSet) -> int:
    """Return how many series a dataset has."""
    groups = dataset.data["groups"]
    return len(np.unique(_keys(groups[torch.from_numpy(series_starts(groups))]).numpy()))


def series_starts(groups: Tensor) -> NDArray[np.int64]:
    """Return the first row of every series."""
    return np.flatnonzero(np.append(True, (groups[1:] != groups[:-1]).any(1).numpy()))


def usual_moves(dataset: TimeSeriesDataSet) -> list[float]:
    """Return how far each target moves in a window, the median over series, in target units.

    1 for a target that never moves.
    """
    starts, sizes = series_starts(dataset.data["groups"]), []
    pairs = zip(dataset.target_normalizers, known_targets(dataset), strict=True)
    for normalizer, values in pairs:
        moves = _moves(values, starts, _width(normalizer, dataset))
        sizes.append(float(np.median(moves[moves > 0])) if (moves > 0).any() else 1.0)
    return sizes


def columns_of_targets(targets: Sequence[str], reals: Sequence[str]) -> list[list[int]]:
    """Return the positions of each target and of its lags among the reals.

    Example:
        >>> columns_of_targets(["y"], ["x", "y", "y_lagged_by_7"])
        [[1, 2]]
    """
    patterns = [re.compile(rf"{re.escape(name)}(_lagged_by_\d+)?") for name in targets]
    return [[p for p, real in enumerate(reals) if own.fullmatch(real)] for own in patterns]


def _raised(scale: Tensor, own: Tensor, floors: Tensor, added: Tensor) -> Tensor:
    """Return center and scale with a scale that its series justifies."""
    center, spread = scale.unbind(-1)
    moved = torch.maximum(spread - added, own.to(spread.dtype))
    least = torch.where(floors > 0, floors, torch.inf).min().to(spread.dtype)
    is_still = (moved <= FLAT * center.abs()) & (own == 0) & torch.isfinite(least) & (added > 0)
    moved = torch.where(is_still, torch.maximum(moved, least), moved)
    # A scale below zero is the mean of a target that is not centred: it has no floor.
    return torch.stack([center, torch.where((spread > 0) & (moved > 0), moved, spread)], dim=-1)


def _moves(values: Tensor, starts: NDArray[np.int64], width: int) -> NDArray[np.float64]:
    """Return the mean standard deviation of the windows of each series, `(series,)`."""
    y = values.double().numpy()
    counts = np.diff(np.append(starts, len(y)))
    is_known = ~np.isnan(y)
    known = np.maximum(np.add.reduceat(is_known.astype(float), starts), 1.0)
    y = np.where(is_known, y, 0.0)

    def by_row(numbers: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(numbers, counts)

    centred = np.where(is_known, y - by_row(np.add.reduceat(y, starts) / known), 0.0)
    deviation = np.sqrt(np.add.reduceat(centred**2, starts) / known)
    # In units of each series, so that running sums over all of them keep the small ones.
    unit = centred / by_row(np.where(deviation > 0, deviation, 1.0))
    sums, squares, numbers = (
        np.append(0.0, np.cumsum(part)) for part in (unit, unit**2, is_known.astype(float))
    )
    widths = by_row(np.minimum(counts, width))
    row = np.arange(len(y))
    is_window = row - by_row(starts) + 1 >= widths
    first = np.where(is_window, row + 1 - widths, row)
    total, square = sums[row + 1] - sums[first], squares[row + 1] - squares[first]
    found = numbers[row + 1] - numbers[first]
    is_window &= found >= np.minimum(widths, 2)
    variance = (square - total**2 / np.maximum(found, 1)) / np.maximum(found - 1, 1)
    spreads = np.where(is_window, np.sqrt(variance.clip(0.0)), 0.0)
    windows = np.maximum(np.add.reduceat(is_window.astype(float), starts), 1.0)
    means = np.add.reduceat(spreads, starts) / windows
    # The mean of equal numbers differs from them by rounding.
    is_still = deviation <= 1e-12 * np.maximum.reduceat(np.abs(y), starts)
    return np.where(is_still, 0.0, means * deviation)


def precision_of(weights: Mapping[str, Tensor]) -> torch.dtype:
    """Return the precision of a model's weights; what losses remember has its own."""
    return next(part.dtype for name, part in weights.items() if name.startswith("head."))


def _width(normalizer: Any, dataset: TimeSeriesDataSet) -> int:
    """Return the time steps of a window that a scale is fitted on."""
    length, longest = getattr(normalizer, "max_length", None), dataset.max_encoder_length
    length = length if length is None or isinstance(length, int) else length[-1]
    return max(int(longest if length is None else min(length, longest)), 1)


def _has_scale(normalizer: Any) -> bool:
    """Return whether a normaliser's scale is one of those that pytorch-forecasting fits."""
    return (
        type(normalizer) in (EncoderNormalizer, GroupNormalizer, TorchNormalizer)
        and normalizer.method != "identity"
    )


def _keys(groups: Tensor) -> Tensor:
    """Return one number for the codes of each series, `(series,)`."""
    key = groups[:, 0].long()
    for column in groups.unbind(1)[1:]:
        key = key * 1_000_003 + column
    return key


def _precise(dtype: torch.dtype) -> torch.dtype:
    """Return a precision in which a level and what moves about it fit together."""
    return torch.promote_types(dtype, torch.float32)


def _as_bits(numbers: Tensor) -> Tensor:
    return numbers.view(torch.int32)


def _as_numbers(bits: Tensor) -> Tensor:
    return bits.view(torch.float32)
