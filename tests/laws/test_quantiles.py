"""A column's name says what it holds, whatever the order of the levels or the form of the loss."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, strategies as st
from pytorch_forecasting.data import EncoderNormalizer, MultiNormalizer
from pytorch_forecasting.metrics import (
    MAE,
    RMSE,
    SMAPE,
    MultiLoss,
    NormalDistributionLoss,
    QuantileLoss,
)
from pytorch_forecasting.metrics.base_metrics import CompositeMetric

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, load
from drnn_forecast.model import calibrate
from drnn_forecast.model.prediction import predict_quantiles, quantile_columns
from laws.drawing import law
from series import first_batch, make_dataset, planted_frame

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)


def tidy_frame(length=80):
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": np.repeat(["a", "b"], length),
            "ds": np.tile(pd.date_range("2024-01-01", periods=length, freq="D"), 2),
            "y": generator.normal(size=2 * length).cumsum(),
        }
    )


FRAME = tidy_frame()
DATA = ForecastData.from_frame(FRAME, series="id", time="ds", target="y")
TRAINING = DATA.split(context_length=14, horizon=4, validation_windows=2).training


def make_model(loss, dataset=TRAINING, seed=0, **options):
    torch.manual_seed(seed)
    options = {"hidden_size": 3, "num_layers": 1, "smoothed_anchors": False, **options}
    return DilatedRNNForecaster.from_dataset(dataset, loss=loss, **options).eval()


def reordered(model, levels):
    """Return a model with other levels, the same weights for each level, in another order."""
    other = make_model(QuantileLoss(list(levels)))
    state = model.state_dict()
    rows = [list(model.loss.quantiles).index(level) for level in levels]
    last = f"head.output.{len(model.head.output) - 1}"
    for part in ("weight", "bias"):
        name = f"{last}.{part}"
        # Behind the quantiles are the numbers that anchors and gates ask for.
        order = [*rows, *range(len(LEVELS), len(state[name]))]
        state[name] = state[name][order]
    other.load_state_dict(state)
    return other


def spread(model):
    """Return the model with outputs far from each other, so that a swap of two shows."""
    with torch.no_grad():
        bias = model.head.output[-1].bias
        bias[: len(LEVELS)] = torch.arange(len(LEVELS), dtype=bias.dtype)
    return model


SORTED = spread(make_model(QuantileLoss(list(LEVELS))))
orders = st.permutations(LEVELS)


@law
@given(orders)
def test_the_order_of_the_levels_changes_no_column_of_a_forecast(order):
    pd.testing.assert_frame_equal(reordered(SORTED, order).forecast(FRAME), SORTED.forecast(FRAME))


@law
@given(orders, orders)
def test_quantiles_that_are_asked_for_come_in_the_order_of_the_question(order, question):
    ours = predict_quantiles(reordered(SORTED, order), TRAINING, question)
    theirs = predict_quantiles(SORTED, TRAINING, LEVELS)
    np.testing.assert_array_equal(ours, theirs[..., [LEVELS.index(level) for level in question]])


@law
@given(orders)
def test_an_output_of_the_network_is_the_quantile_of_the_level_in_its_place(order):
    x, _ = first_batch(TRAINING)
    model = reordered(SORTED, order)
    ours, theirs = (part.to_quantiles(part(x)) for part in (model, SORTED))
    torch.testing.assert_close(ours, theirs[..., [LEVELS.index(level) for level in order]])
    torch.testing.assert_close(model.to_prediction(model(x)), SORTED.to_prediction(SORTED(x)))


@law
@given(orders)
def test_an_ensemble_has_the_columns_of_its_members(order):
    both = Ensemble([reordered(SORTED, order)] * 2)
    pd.testing.assert_frame_equal(both.forecast(FRAME), SORTED.forecast(FRAME))


@law
@given(orders)
def test_calibration_moves_a_column_by_its_own_misses(order):
    past = pd.DataFrame({"series": "a", "step": 1, "actual": np.arange(99.0)})
    past = past.assign(**{f"q{level:g}": 49 + 100 * (level - 0.5) for level in LEVELS})
    ahead = past.head(1).drop(columns="actual")
    pd.testing.assert_frame_equal(calibrate(ahead, past, order), calibrate(ahead, past, LEVELS))


def test_a_saved_model_has_the_same_columns(tmp_path):
    model = reordered(SORTED, LEVELS[::-1])
    model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(load(tmp_path / "model").forecast(FRAME), SORTED.forecast(FRAME))


def quantiles(levels=(0.9, 0.5, 0.1)):
    return QuantileLoss(list(levels))


def normal():
    return NormalDistributionLoss(quantiles=[0.9, 0.5, 0.1])


SUMS = {
    "sum": lambda part: part() + part(),
    "three": lambda part: part() + part() + part(),
    "multiple": lambda part: 2 * part(),
    "multiple of a sum": lambda part: 0.5 * (part() + 3 * part()),
    "sum with a sum": lambda part: part() + (part() + part()),
    "sum of a sum": lambda part: CompositeMetric([CompositeMetric([part()], [2.0]), part()]),
}
PARTS = {"quantiles": quantiles, "normal": normal, "points": MAE}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("summed", SUMS.values(), ids=SUMS)
def test_a_sum_of_losses_forecasts_as_its_leading_loss(summed, part, tmp_path):
    options = {"season_length": (2, 7), "level_anchor": True}
    alone, joined = make_model(part(), **options), make_model(summed(part), **options)
    torch.manual_seed(0)
    expected = alone.forecast(FRAME)
    torch.manual_seed(0)
    ours = joined.forecast(FRAME)
    pd.testing.assert_frame_equal(ours, expected)
    joined.save(tmp_path / "model")
    torch.manual_seed(0)
    pd.testing.assert_frame_equal(load(tmp_path / "model").forecast(FRAME), expected)


@pytest.mark.parametrize("summed", SUMS.values(), ids=SUMS)
def test_the_quantiles_of_a_sum_never_cross(summed):
    forecast = make_model(summed(quantiles)).forecast(FRAME)
    values = forecast[quantile_columns([0.1, 0.5, 0.9])].to_numpy()
    assert (np.diff(values, axis=1) >= 0).all()
    x, _ = first_batch(TRAINING)
    model = make_model(summed(quantiles))
    assert (model(x)["prediction"].diff(dim=-1) <= 0).all()


@pytest.mark.parametrize("summed", SUMS.values(), ids=SUMS)
def test_the_anchor_of_a_sum_leaves_the_scale_of_a_distribution(summed):
    x, _ = first_batch(TRAINING)
    anchored = make_model(summed(normal), season_length=1, linear_length=0)
    free = make_model(summed(normal), season_length=(), linear_length=0)
    free.load_state_dict(anchored.state_dict())
    ours, theirs = anchored(x)["prediction"], free(x)["prediction"]
    torch.testing.assert_close(ours[..., 3], theirs[..., 3])
    assert not torch.allclose(ours[..., 2], theirs[..., 2])


@pytest.mark.parametrize("loss", [MAE() + SMAPE(), RMSE() + 0.1 * SMAPE(), 2 * (SMAPE() + MAE())])
def test_different_point_losses_sum_to_a_point_forecast(loss):
    expected = make_model(MAE()).forecast(FRAME)
    pd.testing.assert_frame_equal(make_model(loss).forecast(FRAME), expected)


@pytest.mark.parametrize(
    "loss", [quantiles() + MAE(), normal() + quantiles(), quantiles() + quantiles((0.2, 0.5))]
)
def test_losses_that_read_the_outputs_differently_are_refused(loss):
    with pytest.raises(ValueError, match="`loss` must be a sum of losses that read the same"):
        make_model(loss)


@pytest.mark.parametrize("summed", SUMS.values(), ids=SUMS)
def test_a_sum_among_the_losses_of_several_targets_forecasts_as_its_leading_loss(summed):
    frame = planted_frame(num_series=2, length=60).assign(second=lambda f: f.target * 3)
    dataset = make_dataset(
        frame,
        target=["target", "second"],
        time_varying_unknown_reals=["target", "second"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
        max_encoder_length=20,
        max_prediction_length=3,
    )
    alone = make_model(MultiLoss([quantiles(), normal()]), dataset)
    joined = make_model(MultiLoss([summed(quantiles), summed(normal)]), dataset)
    x, _ = first_batch(dataset)
    for ours, theirs in zip(joined(x)["prediction"], alone(x)["prediction"], strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("transformation", [None, "softplus", "log1p"])
def test_every_distribution_of_a_sum_knows_the_scale_of_the_target(transformation):
    dataset = make_dataset(
        planted_frame(num_series=2, length=60),
        target_normalizer=EncoderNormalizer(transformation=transformation),
        max_encoder_length=20,
        max_prediction_length=3,
    )
    x, y = first_batch(dataset)
    alone, joined = make_model(normal(), dataset), make_model(normal() + normal(), dataset)
    torch.testing.assert_close(
        joined.loss(joined(x)["prediction"], y), 2 * alone.loss(alone(x)["prediction"], y)
    )
