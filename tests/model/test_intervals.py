"""Intervals inside a model: what they move, what they leave alone, and how they are kept."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import EncoderNormalizer, GroupNormalizer
from pytorch_forecasting.data import MultiNormalizer
from pytorch_forecasting.metrics import MAE, MultiLoss, NormalDistributionLoss, QuantileLoss
from safetensors.torch import load_file, save_file

from drnn_forecast import DilatedRNNForecaster, ForecastData
from drnn_forecast.adapters.onnx import ForecastNetwork, network_inputs
from drnn_forecast.model import QUANTILE_LEVELS, residual_parts, set_intervals
from drnn_forecast.model.coverage import coverage, interval_factors, moved_quantiles
from drnn_forecast.model.dependence import step_dependence
from drnn_forecast.model.heads.intervals import Intervals, usual_dependence
from drnn_forecast.model.losses.scores import scores_of_values, values_at_scores
from drnn_forecast.model.saving.seal import digest
from seals import reseal
from series import first_batch, make_dataset, planted_frame, tiny

LEVELS = (0.1, 0.5, 0.9)


@pytest.fixture(scope="module")
def dataset():
    return make_dataset(planted_frame(num_series=2, length=110, noise=0.3))


@pytest.fixture
def model(dataset):
    torch.manual_seed(0)
    return tiny(dataset)().eval()


def calibrated(model, dataset):
    """Return the report on the first target of a model that gets intervals from a dataset."""
    return set_intervals(model, [residual_parts(model, dataset)])[0]


def with_factors(model, value=2.0):
    """Return a model whose quantiles go apart by a factor, with another dependence."""
    for head in model.target_heads:
        head.intervals.factors.fill_(value)
        head.intervals.dependence.copy_(torch.eye(len(head.intervals.factors)))
    return model


def outputs_of(model, x):
    with torch.no_grad():
        return model(x)["prediction"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_intervals_of_nothing_known_change_no_bit_and_no_gradient(dtype):
    intervals = Intervals(QUANTILE_LEVELS, horizon=5)
    values = torch.sort(torch.randn(4, 5, 7, dtype=dtype))[0]
    values[0] = 0.0  # ties, which another sort may put in another order
    values.requires_grad_()
    weight = torch.randn_like(values)
    moved = intervals(values)
    (moved * weight).sum().backward()

    assert moved.dtype == dtype
    assert torch.equal(moved, values)
    assert torch.equal(values.grad, weight)


def test_a_quantile_goes_as_far_from_the_median_as_its_factor_says():
    intervals = Intervals(LEVELS, horizon=2)
    intervals.factors.copy_(torch.tensor([[2.0, 1.0, 0.5], [0.0, 1.0, 3.0]]))
    moved = intervals(torch.tensor([[[1.0, 3.0, 7.0], [1.0, 3.0, 7.0]]]))

    assert moved.tolist() == [[[-1.0, 3.0, 5.0], [3.0, 3.0, 15.0]]]


def test_a_shorter_forecast_has_the_factors_of_its_first_steps():
    intervals = Intervals(LEVELS, horizon=3)
    intervals.factors.copy_(torch.tensor([1.0, 2.0, 3.0])[:, None].expand(3, 3))
    values = torch.sort(torch.randn(2, 3, 3))[0]

    assert torch.equal(intervals(values[:, :2]), intervals(values)[:, :2])


def test_factors_that_would_let_quantiles_cross_leave_them_in_order():
    intervals = Intervals(QUANTILE_LEVELS, horizon=3)
    intervals.factors.copy_(torch.rand(3, 7) * 5)
    values = torch.sort(torch.randn(50, 3, 7))[0]
    moved = intervals(values)

    assert (moved.diff(dim=-1) >= 0).all()
    assert torch.equal(moved[..., 3], values[..., 3])


def test_the_levels_of_a_loss_may_stand_in_any_order(dataset):
    x, _ = first_batch(dataset)
    torch.manual_seed(0)
    model = with_factors(tiny(dataset, loss=QuantileLoss([0.9, 0.1, 0.5]))().eval(), 3.0)
    plain = with_factors(copy.deepcopy(model), 1.0)
    high, low, median = outputs_of(model, x).unbind(-1)
    plain_high, plain_low, plain_median = outputs_of(plain, x).unbind(-1)

    torch.testing.assert_close(median, plain_median)
    torch.testing.assert_close(high - median, 3 * (plain_high - plain_median))
    torch.testing.assert_close(low - median, 3 * (plain_low - plain_median))


@pytest.mark.parametrize("loss", [MAE(), NormalDistributionLoss(), QuantileLoss([0.2, 0.8])])
def test_losses_without_a_median_among_quantiles_have_no_intervals(loss, dataset):
    model = tiny(dataset, loss=loss)()

    assert model.target_heads[0].intervals is None
    assert calibrated(model, dataset) is None


def test_what_is_not_known_is_an_autoregression():
    factor = usual_dependence(4).double()
    step = torch.arange(4)

    torch.testing.assert_close(
        factor @ factor.T, 0.5 ** (step[:, None] - step).abs().double(), atol=1e-7, rtol=0
    )
    assert torch.equal(factor, factor.tril())


def test_calibrated_intervals_are_saved_and_loaded(model, dataset, tmp_path):
    assert calibrated(model, dataset).is_calibrated
    x, _ = first_batch(dataset)
    loaded = DilatedRNNForecaster.from_pretrained(model.save_pretrained(tmp_path))

    assert not (model.target_heads[0].intervals.factors == 1).all()
    assert torch.equal(outputs_of(loaded, x), outputs_of(model, x))
    assert torch.equal(
        loaded.target_heads[0].intervals.dependence, model.target_heads[0].intervals.dependence
    )


def without_intervals(weights):
    return {name: part for name, part in weights.items() if ".intervals." not in name}


def test_a_folder_that_knows_no_intervals_is_read(model, dataset, tmp_path):
    x, _ = first_batch(dataset)
    path = model.save_pretrained(tmp_path) / "model.safetensors"
    save_file(without_intervals(load_file(path)), path)
    reseal(tmp_path / "config.json", files={path.name: digest(path.read_bytes())})
    loaded = DilatedRNNForecaster.from_pretrained(tmp_path)

    assert torch.equal(outputs_of(loaded, x), outputs_of(model, x))


def test_weights_that_know_no_intervals_take_none_over(model, dataset):
    old = without_intervals(model.state_dict())
    x, _ = first_batch(dataset)
    expected = outputs_of(model, x)
    with_factors(model).load_state_dict(old)

    assert torch.equal(outputs_of(model, x), expected)
    assert torch.equal(model.target_heads[0].intervals.dependence, usual_dependence(12))


def test_intervals_of_another_horizon_are_refused(model, dataset):
    weights = model.state_dict() | {"target_heads.0.intervals.factors": torch.ones(3, 7)}
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict(weights)


@pytest.mark.parametrize("batch_size", [3, 256])
def test_residuals_do_not_know_the_intervals_of_their_model(
    batch_size, model, dataset, monkeypatch
):
    plain = residual_parts(model, dataset)[0]
    mode = model.training
    monkeypatch.setattr("drnn_forecast.model.residuals.BATCH_SIZE", batch_size)
    found = residual_parts(with_factors(model), dataset)[0]

    np.testing.assert_allclose(found.quantiles, plain.quantiles, atol=1e-5)
    np.testing.assert_array_equal(found.actual, plain.actual)
    assert model.training == mode
    assert (model.target_heads[0].intervals.factors == 2).all()


@pytest.mark.parametrize(
    "normalizer",
    [
        EncoderNormalizer(),
        EncoderNormalizer(method="robust"),
        EncoderNormalizer(transformation="softplus"),
        EncoderNormalizer(transformation="log1p"),
        EncoderNormalizer(transformation="count"),
        GroupNormalizer(groups=["name"], transformation="log"),
        GroupNormalizer(groups=["name"], transformation="relu", center=False),
    ],
    ids=lambda normalizer: f"{type(normalizer).__name__} {normalizer.transformation}",
)
def test_a_value_is_inside_an_interval_of_residuals_as_in_target_units(normalizer):
    frame = planted_frame(num_series=2, length=90, noise=0.5)
    dataset = make_dataset(frame, target_normalizer=copy.deepcopy(normalizer))
    torch.manual_seed(0)
    model = tiny(dataset)().eval()
    found = residual_parts(model, dataset)[0]
    forecast = model.predict(dataset, mode="quantiles", return_y=True)

    below = torch.from_numpy(found.actual[..., None] < found.quantiles)
    expected = forecast.y[0][..., None] < forecast.output
    # One rounding more or less decides where a value lies next to a quantile.
    assert (below == expected).float().mean() > 0.999
    assert np.isfinite(found.actual).all()


def test_targets_without_weight_and_past_the_end_of_a_window_are_not_known():
    frame = planted_frame(num_series=2, length=90).assign(heed=lambda f: f.time_idx != 85)
    frame["heed"] = frame["heed"].astype("float32")
    dataset = make_dataset(frame, weight="heed", min_prediction_length=3)
    found = residual_parts(tiny(dataset)(), dataset)[0]
    index = dataset.decoded_index
    steps = (index["time_idx_last"] - index["time_idx_first_prediction"] + 1).to_numpy()
    time = index["time_idx_first_prediction"].to_numpy()[:, None] + np.arange(12)

    expected = (np.arange(12) < steps[:, None]) & (time != 85)
    np.testing.assert_array_equal(np.isfinite(found.actual), expected)


def test_windows_with_targets_in_common_count_for_a_share():
    data = make_dataset(planted_frame(num_series=2, length=110))
    apart = data.filter(lambda index: index["time_idx_first_prediction"] % 12 == 0)
    model = tiny(data)()

    assert (residual_parts(model, apart)[0].share == 1).all()
    weight = residual_parts(model, data)[0].share
    targets = data.decoded_index.groupby("name").agg(
        first=("time_idx_first_prediction", "min"), last=("time_idx_last", "max")
    )
    assert weight.sum() * 12 == pytest.approx((targets["last"] - targets["first"] + 1).sum())


def test_windows_of_one_time_count_for_fewer_the_more_series_there_are():
    def counted(num_series):
        data = make_dataset(planted_frame(num_series=num_series, length=80))
        last = data.filter(lambda index: index["time_idx_last"] == 79)
        return residual_parts(tiny(data)(), last)[0].weight.sum()

    assert counted(1) == 1.0
    assert counted(2) == pytest.approx(2 / 1.1)
    assert 5 < counted(12) < counted(40) < 10


def test_every_target_has_intervals_of_its_own():
    frame = planted_frame(num_series=2, length=90, noise=0.3)
    dataset = make_dataset(
        frame,
        target=["target", "other"],
        time_varying_unknown_reals=["target", "other"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
    )
    model = tiny(dataset, loss=MultiLoss([QuantileLoss(list(LEVELS)), MAE()]))()
    both = tiny(dataset)().eval()
    first, second = set_intervals(model, [residual_parts(model, dataset)])
    set_intervals(both, [residual_parts(both, dataset)])

    assert list(first.before) == [0.8]
    assert second is None
    one, other = (head.intervals.factors for head in both.target_heads)
    assert not torch.equal(one, other)


def test_calibrated_intervals_hold_on_their_own_windows(model, dataset):
    before = residual_parts(model, dataset)[0]
    report = calibrated(model, dataset)
    output = model.predict(dataset, mode="quantiles", return_y=True)
    after = coverage(output.output.numpy(), output.y[0].numpy(), QUANTILE_LEVELS)

    assert report.before == coverage(before.quantiles, before.actual, QUANTILE_LEVELS)
    assert after[0.8] == pytest.approx(0.8, abs=0.05)
    assert after[0.95] == pytest.approx(0.95, abs=0.03)
    assert report.after[0.8] == pytest.approx(0.8, abs=0.1)


def test_residuals_of_several_models_are_pooled(model, dataset):
    early = dataset.filter(lambda index: index["time_idx_last"] < 95)
    late = dataset.filter(lambda index: index["time_idx_last"] >= 95)
    whole = copy.deepcopy(model)
    report = calibrated(whole, dataset)
    pooled = set_intervals(model, [residual_parts(model, part) for part in (late, early)])[0]

    assert pooled.windows == report.windows == len(dataset)
    assert pooled.before == pytest.approx(report.before)


def test_a_second_calibration_forgets_the_first(model, dataset):
    calibrated(model, dataset)
    once = copy.deepcopy(model.target_heads[0].intervals.factors)
    calibrated(model, dataset)

    torch.testing.assert_close(model.target_heads[0].intervals.factors, once)


def test_fewer_values_than_can_teach_leave_everything_as_it_is(model, dataset):
    few = residual_parts(model, dataset)[0]
    few.actual[:] = np.nan
    few.actual[0, :7] = 100.0
    report = set_intervals(model, [[few]])[0]

    assert not report.is_calibrated
    assert (model.target_heads[0].intervals.factors == 1).all()
    assert torch.equal(model.target_heads[0].intervals.dependence, usual_dependence(12))


def test_quantiles_without_width_are_left_out_and_stay():
    rng = np.random.default_rng(0)
    scale = np.array([0.0, 1.0])[rng.integers(2, size=400)][:, None, None]
    quantiles = scale * np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (400, 3, 3))
    actual = 3 * scale[..., 0] * rng.normal(size=(400, 3))
    factors = interval_factors(quantiles, actual, LEVELS)

    assert np.isfinite(factors).all()
    np.testing.assert_allclose(factors[:, [0, 2]], 3 * 1.2816, rtol=0.25)
    nothing = interval_factors(0 * quantiles, actual, LEVELS)
    assert (nothing == 1).all()


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_factors_and_dependence_have_no_unit(unit):
    rng = np.random.default_rng(0)
    quantiles = np.sort(rng.normal(size=(60, 6, 7)), axis=-1)
    actual = rng.normal(size=(60, 6)).cumsum(axis=1)
    actual[rng.random(actual.shape) < 0.1] = np.nan

    np.testing.assert_allclose(
        interval_factors(unit * quantiles, unit * actual, QUANTILE_LEVELS),
        interval_factors(quantiles, actual, QUANTILE_LEVELS),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        step_dependence(unit * quantiles, unit * actual, QUANTILE_LEVELS),
        step_dependence(quantiles, actual, QUANTILE_LEVELS),
        atol=1e-9,
    )


@pytest.mark.parametrize("levels", [(0.5,), (0.1, 0.5), (0.3, 0.5, 0.9), (0.5, 0.6, 0.95)])
def test_levels_need_no_pairs(levels):
    rng = np.random.default_rng(0)
    normal = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64)).numpy()
    quantiles = np.broadcast_to(normal / 2, (500, 2, len(levels)))
    factors = interval_factors(quantiles, rng.normal(size=(500, 2)), levels)
    moved = moved_quantiles(quantiles, factors, levels)

    np.testing.assert_allclose(moved[0], np.tile(normal, (2, 1)), atol=0.2)


def test_errors_that_go_together_are_found_to_do_so():
    rng = np.random.default_rng(0)
    lag = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    expected = 0.7**lag
    actual = rng.normal(size=(3000, 6)) @ np.linalg.cholesky(expected).T
    normal = torch.special.ndtri(torch.tensor(QUANTILE_LEVELS, dtype=torch.float64)).numpy()
    factor = step_dependence(np.broadcast_to(normal, (3000, 6, 7)), actual, QUANTILE_LEVELS)

    np.testing.assert_allclose(factor @ factor.T, expected, atol=0.05)
    np.testing.assert_array_equal(factor, np.tril(factor))


def test_steps_of_which_nothing_is_known_go_together_as_the_others_do():
    rng = np.random.default_rng(0)
    actual = 0.8 * rng.normal(size=(300, 1)) + 0.6 * rng.normal(size=(300, 8))
    actual[:, 5:] = np.nan
    normal = torch.special.ndtri(torch.tensor(QUANTILE_LEVELS, dtype=torch.float64)).numpy()
    factor = step_dependence(np.broadcast_to(normal, (300, 8, 7)), actual, QUANTILE_LEVELS)

    assert (factor @ factor.T)[0, 7] == pytest.approx(0.64, abs=0.1)


def test_the_score_of_a_value_gives_the_value_back():
    values = torch.sort(torch.randn(5, 7, dtype=torch.float64))[0]
    scores = torch.randn(5, 4, dtype=torch.float64)
    at = values_at_scores(values, QUANTILE_LEVELS, scores)
    back = scores_of_values(values[:, None].expand(5, 4, 7), QUANTILE_LEVELS, at)

    torch.testing.assert_close(back, scores)


def test_a_value_among_equal_quantiles_has_no_score():
    values = torch.tensor([0.0, 0.0, 0.0])
    assert scores_of_values(values, LEVELS, torch.tensor(0.0)).isnan()


def test_a_model_of_a_frame_is_calibrated_for_its_forecasts():
    rng = np.random.default_rng(0)
    time = pd.date_range("2024-01-01", periods=300, freq="h")
    frame = pd.DataFrame({"when": time, "y": 5 + rng.normal(size=300)})
    data = ForecastData.from_frame(frame, time="when", target="y")
    splits = data.split(horizon=6, context_length=24, validation_windows=20)
    model = tiny(splits.training)().eval()
    plain = model.forecast(data)
    report = calibrated(model, splits.validation)
    moved = model.forecast(data)

    np.testing.assert_allclose(moved["q0.5"], plain["q0.5"], rtol=1e-6)
    factors = model.target_heads[0].intervals.factors[:, -1].numpy()
    wider = (moved["q0.975"] - moved["q0.5"]) / (plain["q0.975"] - plain["q0.5"])
    np.testing.assert_allclose(wider, factors, rtol=1e-3)
    assert report.windows == 20


def test_values_that_are_infinite_lie_outside_and_have_no_infinite_factor():
    rng = np.random.default_rng(0)
    quantiles = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (400, 3, 3))
    actual = np.where(rng.random((400, 3)) < 0.3, -np.inf, rng.normal(size=(400, 3)))
    factors = interval_factors(quantiles, actual, LEVELS)
    dependence = step_dependence(quantiles, actual, LEVELS)

    assert np.isfinite(factors).all()
    assert (factors[:, 0] > 100).all()
    assert np.isfinite(dependence).all()
    assert coverage(quantiles, actual, LEVELS)[0.8] < 0.55


@pytest.mark.parametrize("factor", [1.0, 2.0])
def test_an_exported_network_has_its_intervals(factor, model, dataset):
    x, _ = first_batch(dataset, batch_size=4)
    network = ForecastNetwork(with_factors(model, factor)).eval()
    program = torch.export.export(network, network_inputs(model, x)).module()

    torch.testing.assert_close(program(*network_inputs(model, x)), outputs_of(model, x))


def test_sums_of_paths_hold_as_often_as_they_promise():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(150, 84))
    for step in range(1, 84):
        errors[:, step] += 0.8 * errors[:, step - 1]
    frame = pd.DataFrame(
        {
            "shop": np.repeat(np.arange(150), 84).astype(str),
            "day": np.tile(pd.date_range("2024-01-01", periods=84), 150),
            "y": (10 + errors).ravel(),
        }
    )
    data = ForecastData.from_frame(frame, series="shop", time="day", target="y")
    splits = data.split(horizon=7, context_length=28, validation_windows=2, test_windows=1)
    torch.manual_seed(0)
    model = tiny(splits.training, smoothed_anchors=True)().eval()
    calibrated(model, splits.validation)
    origin = frame["day"].unique()[-7]
    paths = model.paths(data, count=300, origin=origin)
    sums = paths.groupby(["shop", "path"])["y"].sum()
    low, high = (sums.groupby("shop").quantile(level) for level in (0.1, 0.9))
    came = frame[frame["day"] >= origin].groupby("shop")["y"].sum()

    # 150 series: one standard error is 3.3 %.
    assert ((low <= came) & (came <= high)).mean() == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_have_intervals_of_their_own(copied, model, dataset):
    x, _ = first_batch(dataset)
    other = copied(with_factors(model))
    assert torch.equal(outputs_of(other, x), outputs_of(model, x))
    other.load_state_dict(without_intervals(other.state_dict()))

    assert (other.target_heads[0].intervals.factors == 1).all()
    assert (model.target_heads[0].intervals.factors == 2).all()
