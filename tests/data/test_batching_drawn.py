"""Epochs of drawn dataset configurations against pytorch-forecasting's own."""

import copy
import warnings
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings, strategies as st
from pytorch_forecasting import EncoderNormalizer, TimeSeriesDataSet

from batching_cases import ROUNDING, assert_equal_batches, assert_equal_index, epoch
from drawn_datasets import configurations
from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet
from laws.drawing import DRAWS

# Explaining a failure takes minutes; the drawn arguments say enough.
PHASES = [phase for phase in Phase if phase is not Phase.explain]


def build_and_load(cls, frame, arguments, batch_size):
    dataset = cls(frame.copy(), **copy.deepcopy(arguments))
    return dataset, epoch(dataset, batch_size=batch_size)


def tolerance_of(arguments):
    """What a window scales, and the time index across a gap, is computed; all else is copied."""
    own = arguments["target_normalizer"]
    parts = [*getattr(own, "normalizers", [own]), *arguments["scalers"].values()]
    if any(isinstance(part, EncoderNormalizer) for part in parts):
        return ROUNDING
    runs_across = "time" in arguments["time_varying_known_reals"]
    return 1e-6 if runs_across and arguments["allow_missing_timesteps"] else 0.0


def test_epochs_of_any_configuration_are_those_of_pytorch_forecasting():
    seen = Counter()

    @settings(
        max_examples=4 * DRAWS,
        deadline=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )
    @given(configurations(), st.integers(1, 40))
    def compare(configuration, batch_size):
        frame, arguments = configuration
        seen["configurations"] += 1
        try:
            theirs, expected = build_and_load(TimeSeriesDataSet, frame, arguments, batch_size)
        except Exception as error:  # a refusal, or one of upstream's own crashes
            seen["refused"] += 1
            event(f"upstream raises {type(error).__name__}")
            with pytest.raises(type(error)):
                build_and_load(BatchedTimeSeriesDataSet, frame, arguments, batch_size)
            return
        ours, batches = build_and_load(BatchedTimeSeriesDataSet, frame, arguments, batch_size)
        assert_equal_batches(batches, expected, tolerance=tolerance_of(arguments))
        assert_equal_index(ours, theirs)
        seen["batches"] += len(batches)
        seen["fallbacks"] += ours.num_fallback_batches
        event(f"fell back: {ours.num_fallback_batches > 0}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        compare()
    print(dict(seen))
    assert seen["fallbacks"] == 0
    assert seen["refused"] < seen["configurations"] / 10
