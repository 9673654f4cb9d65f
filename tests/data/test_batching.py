"""The batched dataset against pytorch-forecasting's own, batch by batch."""

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import EncoderNormalizer, GroupNormalizer, MultiNormalizer
from pytorch_forecasting.data.encoders import NaNLabelEncoder, TorchNormalizer
from sklearn.preprocessing import RobustScaler

from batching_cases import (
    BASE,
    ROUNDING,
    VARIABLE,
    assert_equal_batches,
    assert_equal_epochs,
    assert_equal_index,
    build_both,
    epoch,
    make_frame,
)
from drnn_forecast.data.batching.dataset import BatchedTimeSeriesDataSet

pytestmark = [
    pytest.mark.filterwarnings("ignore:Min encoder length and/or:UserWarning"),
    pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning"),
    pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning"),
]

TRANSFORMATIONS = [None, "log", "log1p", "logit", "count", "softplus", "relu", "sqrt"]


CONFIGURATIONS = {
    "plain": {},
    "variable lengths": VARIABLE,
    "empty encoders": {"min_encoder_length": 0},
    "one step": {"max_encoder_length": 1, "max_prediction_length": 1},
    # By one of two groups upstream takes the scale of another series: tests/data/test_scales.py.
    "group ids": {
        "group_ids": ["region", "series"],
        "target_normalizer": GroupNormalizer(groups=["region", "series"]),
    },
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
        allow_missing_timesteps=gaps,
        **{"target_normalizer": GroupNormalizer(groups=["series"]), **CONFIGURATIONS[name]},
    )


GROUPED = GroupNormalizer
NORMALIZERS = {
    "none": lambda: None,
    "torch standard": lambda: TorchNormalizer(),
    "torch robust": lambda: TorchNormalizer(method="robust"),
    "torch identity": lambda: TorchNormalizer(method="identity"),
    "grouped": lambda: GROUPED(groups=["region", "series"]),
    "grouped in another order": lambda: GROUPED(groups=["series", "region"]),
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
        tolerance=ROUNDING,
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
}
READ_AS_A_WHOLE = {
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
        tolerance=ROUNDING,
        target_normalizer=ENCODER_NORMALIZERS[name](),
        **lengths,
    )


@pytest.mark.parametrize("part", ["target", "covariate"])
@pytest.mark.parametrize("name", READ_AS_A_WHOLE)
@pytest.mark.parametrize("lengths", [{}, VARIABLE], ids=["equal lengths", "variable lengths"])
def test_a_normaliser_with_code_of_the_users_own_is_asked_window_by_window(name, lengths, part):
    normalizer = READ_AS_A_WHOLE[name]()
    changes = (
        {"target_normalizer": normalizer}
        if part == "target"
        else {"target_normalizer": GroupNormalizer(), "scalers": {"price": normalizer}}
    )
    ours, theirs = build_both(make_frame(), **changes, **lengths)
    batches = epoch(ours)
    # A column of the data is summed in another order where it is kept row by row.
    tolerance = ROUNDING if part == "covariate" else 0.0
    assert_equal_batches(batches, epoch(theirs), tolerance=tolerance)
    assert ours.num_fallback_batches == len(batches)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_center_and_scale_of_a_window_are_exact_in_float32(offset):
    ours, _ = build_both(make_frame(offset=offset), target_normalizer=EncoderNormalizer())
    x, _ = ours.__getitems__(range(len(ours))).gathered
    exact = x["encoder_target"].double()
    scale = exact.std(dim=1) + torch.finfo(torch.float32).eps
    expected = torch.stack([exact.mean(dim=1), scale], dim=1).float()
    # The scale is rounded before and after epsilon is added: twice half a unit in the last place.
    torch.testing.assert_close(x["target_scale"], expected, rtol=2.4e-7, atol=0)


def test_a_flat_window_has_no_scale_but_epsilon():
    frame = make_frame().assign(y=0.1)
    ours, _ = build_both(frame, target_normalizer=EncoderNormalizer(), **VARIABLE)
    x, _ = ours.__getitems__(range(len(ours))).gathered
    assert (x["target_scale"][:, 1] == torch.finfo(torch.float32).eps).all()
    assert (x["decoder_cont"][..., ours.reals.index("y")] == 0).all()


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
    assert_equal_batches(epoch(ours), epoch(theirs), tolerance=ROUNDING)
    assert ours.num_fallback_batches == 0


@pytest.mark.parametrize("lengths", [{}, VARIABLE], ids=["equal lengths", "variable lengths"])
def test_several_targets_come_as_lists(lengths):
    assert_equal_epochs(
        make_frame(),
        tolerance=ROUNDING,
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
