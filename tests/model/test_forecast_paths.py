"""Windows past the end of a frame, renewed from an earlier forecast: those that a dataset makes."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import EncoderNormalizer, GroupNormalizer
from pytorch_forecasting.data import TorchNormalizer
from pytorch_forecasting.metrics import MAE, NormalDistributionLoss, QuantileLoss
from sklearn.preprocessing import RobustScaler, StandardScaler

from drnn_forecast import DilatedRNNForecaster, ForecastData
from drnn_forecast.data.batching.renewal import renewable
from drnn_forecast.data.frames.roles import Roles
from drnn_forecast.model.prediction import predict_points, predict_quantiles, tidy_forecasts

# pytorch-forecasting gives scikit-learn's scalers single values without the names of columns.
WITHOUT_NAMES = pytest.mark.filterwarnings("ignore:X does not have valid feature names")

ROLES = {
    "plain": Roles("when", "y"),
    "series": Roles("when", "y", series="who"),
    "covariates": Roles(
        "when",
        "y",
        series="who",
        known=("price", "holiday"),
        observed=("visits", "mood"),
        static=("size", "land"),
    ),
    "no calendar": Roles("when", "y", series="who", known=("price",), calendar=False),
}
NORMALIZERS = [
    EncoderNormalizer(),
    EncoderNormalizer(method="robust", max_length=5),
    EncoderNormalizer(transformation="softplus"),
    TorchNormalizer(),
    TorchNormalizer(method="identity", transformation="log1p"),
    GroupNormalizer(groups=[]),
]


def made_frame(num_series=3, seed=0, freq="h", steps=60):
    """Return series of unequal ends with covariates of every kind."""
    generator = np.random.default_rng(seed)
    parts = []
    for number in generator.permutation(num_series):
        size = steps - 5 * int(number)
        parts.append(
            pd.DataFrame(
                {
                    "who": f"series {number}",
                    "when": pd.date_range("2024-02-20", periods=size, freq=freq),
                    "y": generator.gamma(2.0, 10.0, size=size) + 5 * number,
                    "price": generator.normal(size=size),
                    "holiday": generator.random(size) < 0.2,
                    "visits": generator.integers(0, 90, size=size),
                    "mood": generator.choice(["good", "bad"], size=size),
                    "size": float(number),
                    "land": f"land {number}",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def only_roles(frame, roles):
    """Return the columns that have a role; one series where the roles name none."""
    if roles.series is None:
        frame = frame[frame["who"] == "series 0"]
    return frame[list(roles.columns)].reset_index(drop=True)


def training_parameters(roles, freq="h", **options):
    data = ForecastData.from_roles(only_roles(made_frame(freq=freq), roles), roles)
    splits = data.split(**{"horizon": 4, "context_length": 8, "validation_windows": 1, **options})
    return splits.training.get_parameters()


def both_datasets(parameters, roles, *, first, then):
    """Return the windows of a frame, made from the ground up and renewed from those of another."""
    like = renewable(ForecastData.from_roles(first, roles).before(4).forecast_dataset(parameters))
    data = ForecastData.from_roles(then, roles).before(4)
    made, new = data.forecast_dataset(parameters), data.forecast_dataset(parameters, like=like)
    return data, like, made, new


def all_inputs(dataset):
    return next(iter(dataset.to_dataloader(train=False, batch_size=len(dataset))))[0]


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=0, atol=0, msg=name)


@pytest.mark.parametrize("normalizer", NORMALIZERS, ids=lambda n: f"{type(n).__name__} {n.method}")
@pytest.mark.parametrize("roles", ROLES.values(), ids=ROLES)
def test_renewed_windows_are_those_of_a_new_dataset_to_the_bit(roles, normalizer):
    parameters = training_parameters(roles, target_normalizer=copy.deepcopy(normalizer))
    data, like, made, new = both_datasets(
        parameters,
        roles,
        first=only_roles(made_frame(seed=1), roles),
        then=only_roles(made_frame(seed=2, num_series=3, steps=70), roles),
    )
    assert new.layout is like.layout, "the windows were not renewed"
    assert_same(all_inputs(new), all_inputs(made))
    pd.testing.assert_frame_equal(data.target_rows(new), data.target_rows(made))


@WITHOUT_NAMES
@pytest.mark.parametrize("freq", ["15min", "h", "D", "W-SUN", "MS"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"min_context_length": 3, "add_encoder_length": True},
        {"add_relative_time_idx": True, "add_target_scales": True},
        {"scalers": {"price": RobustScaler(), "visits": StandardScaler(with_mean=False)}},
        {"scalers": {"price": EncoderNormalizer(), "visits": GroupNormalizer(groups=["who"])}},
    ],
    ids=["default", "varying context", "positions and scales", "scalers", "window scalers"],
)
def test_renewed_windows_keep_every_option_of_the_training(freq, options):
    roles = ROLES["covariates"]
    parameters = training_parameters(roles, freq, **copy.deepcopy(options))
    _, like, made, new = both_datasets(
        parameters,
        roles,
        first=made_frame(seed=1, freq=freq),
        then=made_frame(seed=2, freq=freq, num_series=2),
    )
    assert new.layout is like.layout
    assert_same(all_inputs(new), all_inputs(made))


def test_new_series_and_categories_are_renewed_too():
    roles = ROLES["covariates"]
    parameters = training_parameters(roles)
    then = made_frame(seed=2, num_series=6).replace({"mood": {"good": "never seen"}})
    with pytest.warns(UserWarning, match="'never seen'"):
        data, _, made, new = both_datasets(
            parameters, roles, first=made_frame(num_series=2, seed=1), then=then
        )
    assert_same(all_inputs(new), all_inputs(made))
    pd.testing.assert_frame_equal(data.target_rows(new), data.target_rows(made))


@WITHOUT_NAMES
@pytest.mark.parametrize(
    "options",
    [
        {"lags": {"y": [12]}, "target_normalizer": GroupNormalizer()},
        {"constant_fill_strategy": {"price": 0.0}, "allow_missing_timesteps": True},
        {"add_target_scales": True, "target_normalizer": TorchNormalizer()},
    ],
    ids=["lags", "filled gaps", "scales of the target"],
)
def test_windows_that_depend_on_more_than_their_row_are_made_anew(options):
    data = ForecastData.from_roles(made_frame(), ROLES["no calendar"])
    splits = data.split(horizon=4, context_length=8, validation_windows=1, **options)
    dataset = data.before(4).forecast_dataset(splits.training.get_parameters())
    assert renewable(dataset) is None


def make_model(roles, loss=None, zone=None):
    frame = only_roles(made_frame(), roles)
    frame["when"] = frame["when"].dt.tz_localize(zone)
    data = ForecastData.from_roles(frame, roles)
    splits = data.split(horizon=4, context_length=8, validation_windows=1)
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, loss=loss, roles=data.roles.to_dict()
    )


def by_trainer(model, data):
    """Return the forecast with a dataset built for it, through Lightning's trainer."""
    dataset = data.forecast_dataset(model.dataset_parameters)
    rows = data.target_rows(dataset)
    if isinstance(model.loss, MAE):
        return rows.assign(prediction=predict_points(model, dataset).reshape(-1))
    quantiles = model.loss.quantiles
    return tidy_forecasts(rows, predict_quantiles(model, dataset, quantiles), quantiles)


@pytest.mark.parametrize("loss", [QuantileLoss(), MAE(), NormalDistributionLoss()], ids=repr)
def test_the_first_and_later_forecasts_are_those_of_a_trainer(loss):
    roles = ROLES["covariates"]
    model = make_model(roles, loss).train()
    for seed in (1, 2, 3):
        data = ForecastData.from_roles(made_frame(seed=seed), roles).before(4)
        result = model.forecast(data.history, future=data.future)
        pd.testing.assert_frame_equal(result, by_trainer(model, data), check_exact=True)
        assert model.training


@pytest.mark.parametrize(
    "reordered",
    [
        lambda rows: rows,
        lambda rows: rows.sample(frac=1, random_state=0),
        lambda rows: rows.set_index(rows.index[::-1] * 3),
    ],
    ids=["sorted", "shuffled", "relabelled"],
)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("roles", [ROLES["plain"], ROLES["covariates"]], ids=["plain", "all"])
def test_a_forecast_reads_rows_in_any_order_and_leaves_them_as_they_are(roles, zone, reordered):
    model = make_model(roles, zone=zone)
    frame = only_roles(made_frame(seed=1), roles)
    frame["when"] = frame["when"].dt.tz_localize(zone)
    past = ForecastData.from_roles(frame, roles).before(4)
    history = reordered(past.history)
    given = history.copy()

    result = model.forecast(history, future=past.future)
    pd.testing.assert_frame_equal(result, by_trainer(model, past), check_exact=True)
    pd.testing.assert_frame_equal(history, given)


def test_more_series_than_a_batch_are_forecast_through_a_trainer(monkeypatch):
    monkeypatch.setattr("drnn_forecast.model.prediction.BATCH_SIZE", 2)
    roles = ROLES["series"]
    model = make_model(roles)
    data = ForecastData.from_roles(made_frame(seed=1)[list(roles.columns)], roles)

    # Products of other sizes round otherwise: float32 has a unit roundoff of 6e-8.
    pd.testing.assert_frame_equal(
        model.forecast(data.history), by_trainer(model, data), check_exact=False, rtol=1e-6
    )


def test_a_forecast_leaves_nothing_in_copies_and_pickles():
    roles = ROLES["plain"]
    model = make_model(roles)
    model.forecast(only_roles(made_frame(seed=1), roles))

    assert model.renewable_windows[1]
    assert copy.deepcopy(model).renewable_windows == (None, {})
    assert pickle.loads(pickle.dumps(model)).renewable_windows == (None, {})


def test_other_parameters_of_a_dataset_are_used_by_the_next_forecast():
    roles = ROLES["plain"]
    model, frame = make_model(roles), only_roles(made_frame(seed=1), roles)
    model.forecast(frame)
    model.dataset_parameters = {**model.dataset_parameters, "max_prediction_length": 2}

    assert len(model.forecast(frame)) == 2
