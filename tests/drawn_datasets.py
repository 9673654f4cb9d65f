"""Frames and arguments of datasets, of which every option may meet every other."""

from hypothesis import strategies as st
from pytorch_forecasting import EncoderNormalizer, GroupNormalizer, MultiNormalizer
from pytorch_forecasting.data.encoders import TorchNormalizer

from batching_cases import make_frame


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
        # By one of two, or in another order, upstream takes the scale of another series: see
        # tests/data/test_scales.py.
        groups=st.sampled_from([[], ["region", "series"]]),
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
    # Across a gap, a window may be flat, whose spread is rounding alone.
    if not is_label and not gaps and draw(st.booleans()):
        arguments["scalers"] = {**arguments["scalers"], "load": EncoderNormalizer()}
    return frame, arguments
