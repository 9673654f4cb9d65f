"""The batched dataset against pytorch-forecasting's own, batch by batch."""

import copy
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytorch_forecasting import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    TimeSeriesDataSet,
)
from pytorch_forecasting.data.encoders import NaNLabelEncoder, TorchNormalizer
from sklearn.preprocessing import RobustScaler

from drnn_forecast.batching import BatchedTimeSeriesDataSet

pytestmark = [
    pytest.mark.filterwarnings("ignore:Min encoder length and/or:UserWarning"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning"),
]

TRANSFORMATIONS = [None, "log", "log1p", "logit", "count", "softplus", "relu", "sqrt"]


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

    The largest value of the column, because float32 sums of a window differ in their last bits
    by the size of their terms, not of the sum.
    """
    assert len(ours) == len(theirs)
    for our_batch, their_batch in zip(ours, theirs, strict=True):
        our_parts, their_parts = dict(tensors_of(our_batch)), dict(tensors_of(their_batch))
        assert our_parts.keys() == their_parts.keys()
        for name, expected in their_parts.items():
            found = our_parts[name]
            if not isinstance(expected, torch.Tensor):
                assert found == expected, name
                continue
            assert found.dtype == expected.dtype, name
            assert found.shape == expected.shape, name
            if tolerance == 0.0 or not expected.is_floating_point():
                assert torch.equal(found, expected), name
            else:
                largest = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
                torch.testing.assert_close(
                    found, expected, rtol=0.0, atol=tolerance * largest, equal_nan=True, msg=name
                )


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


CONFIGURATIONS = {
    "plain": {},
    "variable lengths": VARIABLE,
    "empty encoders": {"min_encoder_length": 0},
    "one step": {"max_encoder_length": 1, "max_prediction_length": 1},
    "group ids": {"group_ids": ["region", "series"]},
    "weights": {"weight": "weight", **VARIABLE},
    "relative time": {"add_relative_time_idx": True, **VARIABLE},
    "encoder length": {"add_encoder_length": True, **VARIABLE},
    "static reals": {"static_reals": ["size"]},
    "unknown variables": {
        "time_varying_unknown_categoricals": ["event"],
        "time_varying_unknown_reals": ["y", "load"],
    },
    "time index as input": {"time_varying_known_reals": ["time", "price"]},
    "no reals": {"time_varying_known_reals": [], "time_varying_unknown_reals": []},
    "no categoricals": {"time_varying_known_categoricals": [], "static_categoricals": []},
    "variable groups": {
        "variable_groups": {"days": ["weekday", "event"]},
        "time_varying_known_categoricals": ["days"],
    },
    "lags": {"lags": {"y": [1, 5], "weekday": [7]}, **VARIABLE},
    "later prediction": {"min_prediction_idx": 20, **VARIABLE},
    "robust scaler": {"scalers": {"price": RobustScaler()}},
    "unscaled": {"scalers": {"price": None}},
    "scaled by group": {"scalers": {"price": GroupNormalizer(groups=["series"])}},
    "target scales": {"add_target_scales": True, **VARIABLE},
    "prediction": {"predict_mode": True},
    "prediction of short series": {"predict_mode": True, "max_encoder_length": 30, **VARIABLE},
}


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_batches_are_copies_of_those_of_pytorch_forecasting(name, gaps):
    # The running time index across a gap is computed, all else is copied.
    tolerance = 1e-6 if gaps and name == "time index as input" else 0.0
    assert_equal_epochs(
        make_frame(gaps=gaps),
        tolerance=tolerance,
        target_normalizer=GroupNormalizer(groups=["series"]),
        allow_missing_timesteps=gaps,
        **CONFIGURATIONS[name],
    )


GROUPED = GroupNormalizer
NORMALIZERS = {
    "none": lambda: None,
    "torch standard": lambda: TorchNormalizer(),
    "torch robust": lambda: TorchNormalizer(method="robust"),
    "torch identity": lambda: TorchNormalizer(method="identity"),
    "grouped": lambda: GROUPED(groups=["region", "series"]),
    "grouped in another order": lambda: GROUPED(groups=["series", "region"]),
    "grouped by one of two": lambda: GROUPED(groups=["region"]),
    "scaled by group": lambda: GROUPED(groups=["region", "series"], scale_by_group=True),
    "grouped, robust": lambda: GROUPED(groups=["region", "series"], method="robust"),
    "grouped, not centered": lambda: GROUPED(groups=["region", "series"], center=False),
    "grouped, no groups": lambda: GROUPED(),
    "grouped, softplus": lambda: GROUPED(groups=["region", "series"], transformation="count"),
}


@pytest.mark.parametrize("name", NORMALIZERS)
def test_scales_of_every_fixed_normaliser_are_copies(name):
    assert_equal_epochs(
        make_frame(),
        group_ids=["region", "series"],
        target_normalizer=NORMALIZERS[name](),
        **VARIABLE,
    )


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("method", ["standard", "robust", "identity"])
@pytest.mark.parametrize("lengths", [{}, VARIABLE], ids=["equal lengths", "variable lengths"])
def test_an_encoder_normaliser_fitted_on_a_batch_is_fitted_on_each_window(
    transformation, method, lengths
):
    frame = make_frame().assign(y=lambda data: data["z"] / (1.0 + data["z"]))
    assert_equal_epochs(
        frame,
        target_normalizer=EncoderNormalizer(method=method, transformation=transformation),
        add_target_scales=True,
        **lengths,
    )


def cumulate(values):
    """Return running sums: a transformation that does not treat every step alike."""
    return values.cumsum(dim=-1)


class Doubling(EncoderNormalizer):
    """A user's own normaliser."""

    def get_parameters(self, *args, **kwargs):
        return super().get_parameters(*args, **kwargs) * 2.0


ENCODER_NORMALIZERS = {
    "not centered": lambda: EncoderNormalizer(center=False),
    "last steps": lambda: EncoderNormalizer(max_length=3),
    "last steps, apart": lambda: EncoderNormalizer(max_length=[2, 5]),
    "last steps, apart, center longer": lambda: EncoderNormalizer(max_length=[6, 4]),
    "more steps than there are": lambda: EncoderNormalizer(max_length=100),
    "other quantiles": lambda: EncoderNormalizer(
        method="robust", method_kwargs={"lower": 0.1, "center": 0.4, "upper": 0.8}
    ),
    "zero steps, which is all": lambda: EncoderNormalizer(max_length=0),
    "a transformation of the user": lambda: EncoderNormalizer(
        transformation={"forward": cumulate, "reverse": torch.diff}
    ),
    "a class of the user": lambda: Doubling(),
}


@pytest.mark.parametrize("name", ENCODER_NORMALIZERS)
@pytest.mark.parametrize("lengths", [{}, VARIABLE], ids=["equal lengths", "variable lengths"])
def test_every_option_of_an_encoder_normaliser_is_kept(name, lengths):
    assert_equal_epochs(
        make_frame(),
        target_normalizer=ENCODER_NORMALIZERS[name](),
        **lengths,
    )


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("is_shared", [False, True], ids=["own", "shared"])
def test_covariates_and_lags_are_normalised_by_the_window_too(gaps, is_shared):
    normalizer = EncoderNormalizer()
    others = [normalizer] * 2 if is_shared else [EncoderNormalizer(), EncoderNormalizer()]
    ours, theirs = build_both(
        make_frame((40, 44, 50), gaps=gaps),
        target_normalizer=normalizer,
        scalers={"price": others[0], "load": others[1]},
        time_varying_unknown_reals=["y", "load"],
        lags={"y": [3], "price": [1, 6], "load": [2]},
        allow_missing_timesteps=gaps,
        min_encoder_length=5,
    )
    # Across a gap, upstream lays a window out by row, which torch sums in another order.
    assert_equal_batches(epoch(ours), epoch(theirs), tolerance=1e-6 if gaps else 0.0)
    assert ours.num_fallback_batches == 0


@pytest.mark.parametrize("lengths", [{}, VARIABLE], ids=["equal lengths", "variable lengths"])
def test_several_targets_come_as_lists(lengths):
    assert_equal_epochs(
        make_frame(),
        target=["y", "z", "load"],
        time_varying_unknown_reals=["y", "z", "load"],
        target_normalizer=MultiNormalizer(
            [
                EncoderNormalizer(),
                GroupNormalizer(groups=["series"], transformation="log1p"),
                TorchNormalizer(),
            ]
        ),
        add_target_scales=True,
        weight="weight",
        **lengths,
    )


def test_several_categorical_targets_come_as_lists():
    assert_equal_epochs(
        make_frame(),
        target=["label", "event"],
        time_varying_unknown_reals=[],
        time_varying_unknown_categoricals=["label", "event"],
        target_normalizer=MultiNormalizer([NaNLabelEncoder(), NaNLabelEncoder()]),
        **VARIABLE,
    )


@pytest.mark.parametrize("lags", [None, {"label": [1, 5]}], ids=["no lags", "lags"])
def test_a_categorical_target_stays_a_whole_number(lags):
    assert_equal_epochs(
        make_frame(),
        target="label",
        time_varying_unknown_reals=[],
        time_varying_unknown_categoricals=["label"],
        lags=lags,
        **VARIABLE,
    )


def test_an_integer_target_stays_an_integer():
    frame = make_frame().assign(y=lambda data: (data["y"] * 10).astype(int))
    assert_equal_epochs(frame, target_normalizer=GroupNormalizer(groups=["series"]), **VARIABLE)


@pytest.mark.parametrize("part", ["encoder", "decoder", "all"])
@pytest.mark.parametrize("lengths", [{}, VARIABLE], ids=["equal lengths", "variable lengths"])
@pytest.mark.parametrize(("variable", "value"), [("price", 4.0), ("weekday", "3")])
def test_overwritten_values_reach_the_same_steps(part, lengths, variable, value):
    assert_equal_epochs(
        make_frame(),
        prepare=lambda dataset: dataset.set_overwrite_values(value, variable, part),
        target_normalizer=GroupNormalizer(),
        **lengths,
    )


@pytest.mark.parametrize(("part", "steps"), [("encoder", 9), ("decoder", 4), ("all", 13)])
def test_values_are_overwritten_step_by_step(part, steps):
    values = torch.arange(steps, dtype=torch.float)
    assert_equal_epochs(
        make_frame(),
        prepare=lambda dataset: dataset.set_overwrite_values(values, "price", part),
        target_normalizer=GroupNormalizer(),
    )


def test_resetting_overwritten_values_restores_the_batches():
    ours, theirs = build_both(make_frame(), target_normalizer=GroupNormalizer())
    ours.set_overwrite_values(1.0, "price", "all")
    ours.reset_overwrite_values()
    assert_equal_batches(epoch(ours), epoch(theirs))


@pytest.mark.parametrize("time_known", [["price"], ["time", "price"]])
def test_gaps_are_filled_forward_or_by_the_constants(time_known):
    assert_equal_epochs(
        make_frame((60, 50), gaps=True),
        tolerance=1e-6,
        target_normalizer=GroupNormalizer(),
        time_varying_known_reals=time_known,
        time_varying_known_categoricals=["weekday", "event"],
        weight="weight",
        allow_missing_timesteps=True,
        constant_fill_strategy={"y": 0.5, "price": 1.0, "event": "none"},
        **VARIABLE,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("concentration", [True, (0.2, 0.05), (1.0, 1.0), (0.05, 0.4)])
def test_randomised_lengths_are_drawn_from_the_same_stream(seed, gaps, concentration):
    ours, theirs = build_both(
        make_frame(gaps=gaps),
        randomize_length=concentration,
        min_encoder_length=0,
        min_prediction_length=1,
        target_normalizer=GroupNormalizer(),
        add_relative_time_idx=True,
        allow_missing_timesteps=gaps,
        categorical_encoders={"weekday": NaNLabelEncoder(add_nan=True)},
    )
    assert_equal_batches(epoch(ours, seed=seed), epoch(theirs, seed=seed))


def test_randomised_decoders_are_as_long_as_their_content():
    frame = make_frame().assign(y=lambda data: data["y"].abs() + 1.0)
    ours, theirs = build_both(
        frame,
        randomize_length=(0.2, 0.5),
        min_prediction_idx=20,
        target_normalizer=GroupNormalizer(),
        **{**VARIABLE, "min_prediction_length": 1},
    )
    batches, expected = epoch(ours), epoch(theirs)
    for (x, _), (their_x, _) in zip(batches, expected, strict=True):
        assert torch.equal(x["decoder_lengths"], (x["decoder_target"] > 0).sum(dim=1))
        assert torch.equal(x["encoder_lengths"], their_x["encoder_lengths"])
        assert torch.equal(x["encoder_cont"], their_x["encoder_cont"])
        assert torch.equal(x["decoder_target"].sum(dim=1), their_x["decoder_target"].sum(dim=1))
    is_true = [
        torch.equal(x["decoder_lengths"], (x["decoder_target"] > 0).sum(dim=1)) for x, _ in expected
    ]
    assert not all(is_true), "upstream is mended: drop the exception and this test"


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("lengths", [(3, 2), (12, 1), (1, 9), (30, 30)])
@pytest.mark.parametrize("minimal", [(0, 1), (1, 1), (3, 2)])
def test_the_index_of_windows_is_that_of_the_scan(share, lengths, minimal):
    generator = np.random.default_rng(17)
    frame = make_frame((40, 1, 2, 7, 23, 5), seed=3)
    frame = frame[generator.random(len(frame)) >= share]
    most_encoder, most_prediction = lengths
    ours, theirs = build_both(
        frame,
        max_encoder_length=most_encoder,
        max_prediction_length=most_prediction,
        min_encoder_length=min(minimal[0], most_encoder),
        min_prediction_length=min(minimal[1], most_prediction),
        allow_missing_timesteps=True,
        target_normalizer=GroupNormalizer(),
    )
    assert_equal_index(ours, theirs)
    assert_equal_batches(epoch(ours, batch_size=64), epoch(theirs, batch_size=64))


def test_repeated_time_steps_fall_back_to_the_slow_path_and_are_counted():
    frame = make_frame()
    frame = pd.concat([frame, frame.iloc[[5, 9]]], ignore_index=True)
    ours, theirs = build_both(
        frame, allow_missing_timesteps=True, target_normalizer=GroupNormalizer(), **VARIABLE
    )
    batches = epoch(ours)
    assert_equal_batches(batches, epoch(theirs))
    assert ours.num_fallback_batches == len(batches)


def test_a_subclass_with_its_own_samples_is_asked_for_them():
    class Shifted(BatchedTimeSeriesDataSet):
        def __getitem__(self, idx):
            x, y = super().__getitem__(idx)
            return {**x, "x_cont": x["x_cont"] + 1.0}, y

    plain, _ = build_both(make_frame(), target_normalizer=GroupNormalizer())
    shifted = Shifted(make_frame(), **{**BASE, "target_normalizer": GroupNormalizer()})
    ours, expected = epoch(shifted)[0][0], epoch(plain)[0][0]
    assert torch.equal(ours["encoder_cont"], expected["encoder_cont"] + 1.0)
    assert shifted.num_fallback_batches > 0


@st.composite
def configurations(draw):
    """Return a frame and the arguments of a dataset; every option may meet every other."""
    gaps = draw(st.booleans())
    longest_encoder = draw(st.integers(2, 12))
    longest_prediction = draw(st.integers(1, 6))
    fitted = st.builds(
        EncoderNormalizer,
        method=st.sampled_from(["standard", "robust", "identity"]),
        center=st.booleans(),
        max_length=st.sampled_from([None, 2, 5, [2, 4], [4, 3]]),
        transformation=st.sampled_from([None, "log1p", "count", "softplus", "relu", "sqrt"]),
    )
    fixed = st.builds(
        GroupNormalizer,
        method=st.sampled_from(["standard", "robust"]),
        groups=st.sampled_from([[], ["series"], ["region", "series"], ["series", "region"]]),
        center=st.booleans(),
        transformation=st.sampled_from([None, "log1p", "count"]),
    )
    plain = st.builds(TorchNormalizer, method=st.sampled_from(["standard", "robust", "identity"]))
    normalizer = st.one_of(fitted, fixed, plain)
    targets = draw(st.sampled_from([["z"], ["z", "y"], ["label"]]))
    # Together with `min_prediction_idx`, upstream's decoders are longer than their content.
    is_random = draw(st.booleans())
    is_label = targets == ["label"]
    normalizers = [draw(normalizer) for _ in targets]
    frame = make_frame(
        tuple(draw(st.lists(st.integers(18, 40), min_size=1, max_size=4))),
        gaps=gaps,
        seed=draw(st.integers(0, 999)),
        offset=8.0,
    )
    arguments = {
        "time_idx": "time",
        "target": targets if len(targets) > 1 else targets[0],
        "group_ids": ["region", "series"],
        "target_normalizer": "auto"
        if is_label
        else MultiNormalizer(normalizers)
        if len(targets) > 1
        else normalizers[0],
        "max_encoder_length": longest_encoder,
        "min_encoder_length": draw(st.integers(2, longest_encoder)),
        "max_prediction_length": longest_prediction,
        "min_prediction_length": draw(st.integers(1, longest_prediction)),
        "min_prediction_idx": None if is_random else draw(st.sampled_from([None, 5, 9])),
        "static_categoricals": draw(st.sampled_from([[], ["series"], ["region", "series"]])),
        "static_reals": draw(st.sampled_from([[], ["size"]])),
        "time_varying_known_categoricals": draw(st.sampled_from([[], ["weekday"]])),
        "time_varying_known_reals": draw(st.sampled_from([[], ["price"], ["time", "price"]])),
        "time_varying_unknown_categoricals": ["label"] if is_label else [],
        "time_varying_unknown_reals": [] if is_label else [*targets, "load"],
        "weight": draw(st.sampled_from([None, "weight"])),
        # Upstream cannot lag what a TorchNormalizer scales, nor one of several real targets.
        "lags": draw(st.sampled_from([None, {targets[0]: [1, 4]}]))
        if not any(type(part) is TorchNormalizer for part in normalizers)
        else None,
        "add_relative_time_idx": draw(st.booleans()),
        "add_target_scales": not is_label and draw(st.booleans()),
        "add_encoder_length": draw(st.sampled_from([True, False, "auto"])),
        "allow_missing_timesteps": gaps,
        "randomize_length": draw(st.sampled_from([True, (1.0, 1.0)])) if is_random else None,
        "predict_mode": draw(st.booleans()),
        "scalers": draw(st.sampled_from([{}, {"price": None}])),
    }
    if not is_label and draw(st.booleans()):
        arguments["scalers"] = {**arguments["scalers"], "load": EncoderNormalizer()}
    return frame, arguments


# Explaining a failure takes minutes; the drawn arguments say enough.
PHASES = [phase for phase in Phase if phase is not Phase.explain]
DRAWN = {"configurations": 0, "batches": 0, "fallbacks": 0, "refused": 0}


def build_and_load(cls, frame, arguments, batch_size):
    dataset = cls(frame.copy(), **copy.deepcopy(arguments))
    return dataset, epoch(dataset, batch_size=batch_size)


@settings(max_examples=150, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
@given(configurations(), st.integers(1, 40))
def test_epochs_of_any_configuration_are_those_of_pytorch_forecasting(configuration, batch_size):
    frame, arguments = configuration
    DRAWN["configurations"] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            theirs, expected = build_and_load(TimeSeriesDataSet, frame, arguments, batch_size)
        except Exception as error:  # a refusal, or one of upstream's own crashes
            DRAWN["refused"] += 1
            with pytest.raises(type(error)):
                build_and_load(BatchedTimeSeriesDataSet, frame, arguments, batch_size)
            return
        ours, batches = build_and_load(BatchedTimeSeriesDataSet, frame, arguments, batch_size)
    assert_equal_batches(batches, expected, tolerance=1e-6)
    assert_equal_index(ours, theirs)
    DRAWN["batches"] += len(batches)
    DRAWN["fallbacks"] += ours.num_fallback_batches


def test_no_drawn_configuration_lives_on_the_slow_path(record_property):
    if DRAWN["configurations"] == 0:
        pytest.skip("it counts what the test of drawn configurations saw, which did not run")
    for name, number in DRAWN.items():
        record_property(name, number)
    assert DRAWN["fallbacks"] == 0
    assert DRAWN["refused"] < DRAWN["configurations"] / 4
