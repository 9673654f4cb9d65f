"""Sample paths: their quantiles are those of the forecast, and their steps go together."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import EncoderNormalizer
from pytorch_forecasting.data import MultiNormalizer, NaNLabelEncoder
from pytorch_forecasting.metrics import (
    MAE,
    ImplicitQuantileNetworkDistributionLoss,
    NegativeBinomialDistributionLoss,
    NormalDistributionLoss,
    QuantileLoss,
)

from drnn_forecast import Ensemble, ForecastData, Forecaster
from drnn_forecast.model.losses.reading import draw_samples
from series import make_dataset, planted_frame, tiny

LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]


def hourly_frame(num_series=2, length=120, freq="h"):
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame(
            {
                "shop": f"shop {number}",
                "when": pd.date_range("2024-01-01", periods=length, freq=freq),
                "sold": 10 * (number + 1) + rng.normal(size=length),
            }
        )
        for number in range(num_series)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def data():
    return ForecastData.from_frame(hourly_frame(), series="shop", time="when", target="sold")


def made(data, seed=0, **options):
    torch.manual_seed(seed)
    splits = data.split(horizon=5, context_length=24, validation_windows=1)
    return tiny(splits.training, smoothed_anchors=True, **options)().eval()


@pytest.fixture(scope="module")
def model(data):
    model = made(data)
    intervals = model.target_heads[0].intervals
    # Other factors for every level and step, and steps that go together closely.
    intervals.factors.copy_(torch.linspace(0.5, 2.0, 5)[:, None] * torch.linspace(0.7, 1.3, 7))
    step = torch.arange(5)
    intervals.dependence.copy_(torch.linalg.cholesky(0.95 ** (step[:, None] - step).abs()))
    return model


@pytest.fixture(scope="module")
def ensemble(model, data):
    return Ensemble([model, made(data, 1), made(data, 2)])


def asserted_quantiles(paths, forecast):
    """Check the quantiles of paths at each time against the columns of a forecast."""
    by_time = paths.groupby(["shop", "when"])["sold"]
    found = pd.DataFrame({level: by_time.quantile(level) for level in LEVELS})
    expected = forecast.set_index(["shop", "when"])
    width = (expected["q0.975"] - expected["q0.025"]).to_numpy()[:, None]
    columns = [f"q{level:g}" for level in LEVELS]
    error = (found.to_numpy() - expected[columns].to_numpy()) / width
    # 4,000 draws: a quantile errs by at most 1 % of the width of the 95 % interval, one sigma.
    assert np.abs(error).max() < 0.05


def test_paths_of_a_model_have_the_quantiles_of_its_forecast(model, data):
    asserted_quantiles(model.paths(data, count=4000), model.forecast(data))


@pytest.mark.parametrize("average", ["mean", "median"])
def test_paths_of_an_ensemble_have_the_quantiles_of_its_forecast(average, ensemble, data):
    ensemble = Ensemble(ensemble.members, average)

    asserted_quantiles(ensemble.paths(data, count=4000), ensemble.forecast(data))


def test_paths_of_an_ensemble_of_one_are_those_of_the_model(model, data):
    pd.testing.assert_frame_equal(Ensemble([model]).paths(data), model.paths(data))


def test_a_forecaster_has_paths(model, ensemble):
    assert isinstance(model, Forecaster)
    assert isinstance(ensemble, Forecaster)


def test_one_series_without_a_name_has_paths_of_its_own_seed(monkeypatch):
    frame = hourly_frame(num_series=1).drop(columns="shop")
    alone = ForecastData.from_frame(frame, time="when", target="sold")
    model = made(alone)
    empty = torch.empty

    def filled(*size, **options):  # what is not written is whatever lies in memory
        made = empty(*size, **options)
        return made.fill_(torch.nan) if made.is_floating_point() else made

    monkeypatch.setattr(torch, "empty", filled)
    paths = model.paths(alone, count=7)

    assert paths["sold"].notna().all()
    pd.testing.assert_frame_equal(paths, model.paths(alone, count=7))
    assert not paths.equals(model.paths(alone, count=7, seed=1))


def test_paths_are_tidy(model, data):
    paths, forecast = model.paths(data, count=3), model.forecast(data)

    assert list(paths.columns) == ["shop", "when", "path", "sold"]
    assert paths["path"].unique().tolist() == [0, 1, 2]
    for number in range(3):
        own = paths[paths["path"] == number].reset_index(drop=True)
        pd.testing.assert_frame_equal(own[["shop", "when"]], forecast[["shop", "when"]])
    assert paths.index.equals(pd.RangeIndex(len(paths)))


def test_the_steps_of_a_path_go_together_as_the_dependence_says(model, data):
    paths = model.paths(data, count=4000)
    of_one = paths[paths["shop"] == "shop 1"].pivot_table("sold", "path", "when")
    rank = of_one.rank().corr().to_numpy()
    step = np.arange(5)
    expected = 0.95 ** np.abs(step[:, None] - step)

    # Of a Gaussian copula Spearman's correlation is 6 / pi asin(r / 2).
    np.testing.assert_allclose(rank, 6 / np.pi * np.arcsin(expected / 2), atol=0.03)


def test_series_are_drawn_independently(model, data):
    wide = model.paths(data, count=2000).pivot_table("sold", "path", ["shop", "when"])
    rank = wide.rank().corr().to_numpy()

    assert np.abs(rank[:5, 5:]).max() < 0.1


@pytest.mark.parametrize("loss", [QuantileLoss(LEVELS), NormalDistributionLoss()])
def test_equal_seeds_give_equal_paths_and_the_random_state_stays(loss, data):
    model = made(data, loss=loss)
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    states = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    one, other = model.paths(data, seed=3), model.paths(data, seed=3)

    pd.testing.assert_frame_equal(one, other)
    assert not one["sold"].equals(model.paths(data, seed=4)["sold"])
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002


def test_a_shorter_horizon_has_the_beginning_of_the_same_paths(model, data):
    whole = model.paths(data, count=4)
    short = model.paths(data, count=4, horizon=2)
    kept = whole[whole["when"].isin(short["when"])].reset_index(drop=True)

    pd.testing.assert_frame_equal(short, kept)


def test_the_paths_of_a_series_are_its_own_whatever_is_beside_it(model, data):
    frame = hourly_frame()
    both = model.paths(data, count=4)
    alone = model.paths(frame[frame["shop"] == "shop 1"], count=4)
    own = both[both["shop"] == "shop 1"].reset_index(drop=True)

    pd.testing.assert_frame_equal(alone, own, rtol=1e-5)


def test_paths_of_double_precision_are_those_of_single_precision(model, data):
    double = copy.deepcopy(model).double().paths(data, count=4)

    pd.testing.assert_frame_equal(double, model.paths(data, count=4), rtol=1e-4, check_dtype=False)


def test_paths_start_where_they_are_asked_to(model, data):
    origin = pd.Timestamp("2024-01-05")
    paths = model.paths(data, count=2, origin=origin)

    assert paths["when"].min() == origin
    pd.testing.assert_frame_equal(
        paths.loc[paths["path"] == 0, ["shop", "when"]].reset_index(drop=True),
        model.forecast(data, origin=origin)[["shop", "when"]],
    )


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"count": 0}, ValueError, "`count` must be at least 1, got 0"),
        ({"count": 2.5}, TypeError, "`count` must be an integer"),
        ({"count": True}, TypeError, "`count` must be an integer"),
        ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
        ({"seed": 2**32}, ValueError, "`seed` must be at most 4294967295, got 4294967296"),
        ({"seed": None}, TypeError, "`seed` must be an integer"),
        ({"horizon": 6}, ValueError, "`horizon` must be at most the 5 time steps"),
        ({"horizon": 0}, ValueError, "`horizon` must be at least 1"),
        ({"origin": "1999"}, ValueError, "`origin`"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, error, message, model, ensemble, data):
    with pytest.raises(error, match=message):
        model.paths(data, **options)
    with pytest.raises(error, match=message):
        ensemble.paths(data, **options)


def test_paths_of_points_are_refused_before_anything_is_forecast(data):
    with pytest.raises(ValueError, match="Samples need a loss with a distribution, got MAE"):
        made(data, loss=MAE()).paths("no data at all")


def test_a_column_called_path_is_refused(data):
    frame = hourly_frame().rename(columns={"shop": "path"})
    own = ForecastData.from_frame(frame, series="path", time="when", target="sold")

    with pytest.raises(ValueError, match="series, time or target column 'path'"):
        made(own).paths(own)


def test_numpy_integers_count(model, data):
    pd.testing.assert_frame_equal(
        model.paths(data, count=np.int64(3), seed=np.int64(1)), model.paths(data, count=3, seed=1)
    )


@pytest.mark.parametrize(
    "loss",
    [
        NormalDistributionLoss(),
        NegativeBinomialDistributionLoss(),
        ImplicitQuantileNetworkDistributionLoss(),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_distributions_have_paths_too(loss):
    is_count = isinstance(loss, NegativeBinomialDistributionLoss)
    frame = hourly_frame().round({"sold": 0})
    data = ForecastData.from_frame(frame, series="shop", time="when", target="sold")
    splits = data.split(
        horizon=5,
        context_length=24,
        validation_windows=1,
        target_normalizer=EncoderNormalizer(
            center=not is_count, transformation="softplus" if is_count else None
        ),
    )
    model = tiny(splits.training, loss=loss, season_length=())().eval()
    one = model.paths(data, count=7)
    many = Ensemble([model, model]).paths(data, count=7)

    assert len(one) == len(many) == 2 * 5 * 7
    assert np.isfinite(one["sold"]).all()
    pd.testing.assert_frame_equal(one.drop(columns="sold"), many.drop(columns="sold"))


def test_several_targets_have_a_column_each_and_classes_their_labels():
    frame = planted_frame(num_series=2, length=90)
    frame["sky"] = np.where(frame["other"] > 0, "blue", "grey")
    dataset = make_dataset(
        frame,
        target=["target", "sky"],
        time_varying_unknown_reals=["target"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), NaNLabelEncoder()]),
    )
    model = tiny(dataset)().eval()
    future = frame[frame["time_idx"] < 12].assign(time_idx=lambda f: f["time_idx"] + 90)
    paths = model.paths(frame, count=9, future=future)

    assert list(paths.columns) == ["name", "time_idx", "path", "target", "sky"]
    assert len(paths) == 2 * 12 * 9
    assert set(paths["sky"]) == {"blue", "grey"}


@pytest.mark.parametrize(
    ("normalizer", "least"),
    [
        (EncoderNormalizer(transformation="softplus"), 0.0),
        (EncoderNormalizer(transformation="log1p"), 0.0),
        (EncoderNormalizer(transformation="relu"), 0.0),
        (EncoderNormalizer(), -np.inf),
    ],
    ids=lambda case: getattr(case, "transformation", None),
)
def test_no_path_leaves_what_the_transformation_of_the_target_can_reach(normalizer, least):
    frame = hourly_frame()
    frame["sold"] -= frame.groupby("shop")["sold"].transform("min")
    data = ForecastData.from_frame(frame, series="shop", time="when", target="sold")
    splits = data.split(
        horizon=5, context_length=24, validation_windows=1, target_normalizer=normalizer
    )
    model = tiny(splits.training, lower=-np.inf)().eval()
    model.target_heads[0].intervals.factors.fill_(50.0)
    paths = model.paths(data, count=500)

    assert np.isfinite(paths["sold"]).all()
    assert paths["sold"].min() >= least
    assert (paths["sold"].min() < 0) == (least < 0)


def test_draws_without_a_dependence_are_independent():
    torch.manual_seed(0)
    prediction = torch.tensor([-1.2816, 0.0, 1.2816]).expand(1, 3, 3)
    samples = draw_samples(QuantileLoss([0.1, 0.5, 0.9]), prediction, 20_000)[0]

    # Five standard errors of 0.007.
    assert torch.corrcoef(samples).sub(torch.eye(3)).abs().max() < 0.035
    # Normal beyond the outermost quantiles too.
    torch.testing.assert_close(
        samples.quantile(0.975, dim=-1), torch.full((3,), 1.96), atol=0.1, rtol=0
    )


def test_predicted_samples_go_together_as_paths_do(model, data):
    torch.manual_seed(0)
    dataset = data.split(like=model, validation_windows=1).validation
    samples = model.predict(dataset, mode="samples", n_samples=3000)[0]

    assert torch.corrcoef(samples)[0, 1] > 0.9
