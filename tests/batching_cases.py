"""Frames, arguments and comparisons for the tests of batches."""

import copy
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import TimeSeriesDataSet

from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet


def make_frame(lengths=(30, 22, 41), *, gaps=False, seed=0, offset=3.0) -> pd.DataFrame:
    """Series of given lengths that begin at different times; probe values that all differ."""
    generator = np.random.default_rng(seed)
    parts = []
    for number, length in enumerate(lengths):
        time = np.arange(length) + 2 * number
        if gaps:
            time = time[(generator.random(length) > 0.25) | (time % length == 2 * number)]
        rows = len(time)
        parts.append(
            pd.DataFrame(
                {
                    "time": time,
                    "series": f"s{number}",
                    "region": f"r{number % 2}",
                    "weekday": (time % 7).astype(str),
                    "event": generator.choice(["none", "sale", "strike"], rows),
                    "y": generator.normal(offset, 1.0, rows),
                    "z": generator.gamma(2.0, 1.0, rows),
                    "label": generator.choice(["low", "high"], rows),
                    "price": generator.normal(10.0, 2.0, rows),
                    "load": generator.normal(-1.0, 0.5, rows),
                    "size": float(number),
                    "weight": generator.random(rows) + 0.5,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


BASE: dict[str, Any] = {
    "time_idx": "time",
    "target": "y",
    "group_ids": ["series"],
    "max_encoder_length": 9,
    "max_prediction_length": 4,
    "time_varying_known_categoricals": ["weekday"],
    "time_varying_known_reals": ["price"],
    "time_varying_unknown_reals": ["y"],
    "static_categoricals": ["series"],
}
VARIABLE = {"min_encoder_length": 3, "min_prediction_length": 2}


ROUNDING = 5e-6
"""How far an `EncoderNormalizer`'s values may be from upstream's, relative to the largest one.

Upstream sums the float32 values of a window in an order of its own, so that its center is off by a
few units in the last place (1.2e-7) of the values. They are up to ten times as large as their
spread here, and up to four such sums meet.
"""


def build_both(frame, **changes):
    """Return the batched dataset and upstream's, from equal but separate arguments."""
    arguments = {**BASE, **changes}
    return tuple(
        cls(frame.copy(), **copy.deepcopy(arguments))
        for cls in (BatchedTimeSeriesDataSet, TimeSeriesDataSet)
    )


def epoch(dataset, *, seed=0, **loader):
    torch.manual_seed(seed)
    return list(dataset.to_dataloader(**{"train": False, "batch_size": 8, **loader}))


def tensors_of(value, name=""):
    """Yield every tensor of a batch with a name that tells where it is."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from tensors_of(part, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        yield f"{name}.length", len(value)
        for key, part in enumerate(value):
            yield from tensors_of(part, f"{name}[{key}]")
    else:
        yield name, value


def assert_equal_batches(ours, theirs, *, tolerance=0.0):
    """Same keys, shapes, dtypes and values; `tolerance` is relative to the largest value.

    The largest of encoder and decoder: what divides by a small scale is inexact in both, but large
    in the decoder only.
    """
    assert len(ours) == len(theirs)
    for our_batch, their_batch in zip(ours, theirs, strict=True):
        our_parts, their_parts = dict(tensors_of(our_batch)), dict(tensors_of(their_batch))
        assert our_parts.keys() == their_parts.keys()
        is_compared = ~is_flat(their_batch[0]["target_scale"])
        for name, expected in their_parts.items():
            found = our_parts[name]
            if not isinstance(expected, torch.Tensor):
                assert found == expected, name
                continue
            assert found.dtype == expected.dtype, name
            assert found.shape == expected.shape, name
            if tolerance == 0.0 or not expected.is_floating_point():
                assert torch.equal(found, expected), name
                continue
            twin = their_parts[name.replace("encoder", "decoder")][is_compared]
            found, expected = found[is_compared], expected[is_compared]
            sizes = [float(part.abs().max()) for part in (expected, twin) if part.numel()]
            allowed = tolerance * max(1.0, *sizes, 1.0)
            torch.testing.assert_close(
                found, expected, rtol=0.0, atol=allowed, equal_nan=True, msg=name
            )


def is_flat(scales):
    """Which windows have no spread but rounding's, as where a gap repeats a value, `(batch,)`."""
    scales = torch.stack(scales) if isinstance(scales, list) else scales[None]
    return (scales[..., 1].abs() < 1e-2).any(dim=0)


def assert_equal_epochs(frame, *, tolerance=0.0, prepare=None, **changes):
    ours, theirs = build_both(frame, **changes)
    for dataset in (ours, theirs):
        if prepare is not None:
            prepare(dataset)
    assert_equal_batches(epoch(ours), epoch(theirs), tolerance=tolerance)
    assert_equal_index(ours, theirs)
    assert ours.num_fallback_batches == 0


def assert_equal_index(ours, theirs):
    expected = theirs.index.loc[:, ~theirs.index.columns.duplicated()]
    pd.testing.assert_frame_equal(ours.index, expected)
