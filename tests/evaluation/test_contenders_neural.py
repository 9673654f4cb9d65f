import numpy as np
import pytest
from pytorch_forecasting.data import GroupNormalizer

from drnn_forecast import ForecastData, fit, load_sample
from drnn_forecast.evaluation.contenders.neural import deepar, dilated_rnn, gru, lstm, nhits, tft
from drnn_forecast.evaluation.contenders.residuals import residual_quantiles
from drnn_forecast.model.losses.quantiles import QUANTILE_LEVELS
from drnn_forecast.model.prediction import predict_points, predict_quantiles

TINY = {
    dilated_rnn: {"hidden_size": 4, "head_size": 4, "season_length": 24},
    lstm: {"hidden_size": 4},
    gru: {"hidden_size": 4},
    deepar: {"hidden_size": 4},
    nhits: {"hidden_size": 4},
    tft: {"hidden_size": 4, "hidden_continuous_size": 2, "attention_head_size": 1},
}
MAKERS = list(TINY)
STEP_BY_STEP = [lstm, gru, deepar]


def sample(**options):
    table = load_sample()
    chosen = table[table["series"].isin(table["series"].unique()[:2])]
    return ForecastData.from_frame(
        chosen.groupby("series").tail(24 * 14),
        **{
            "series": "series",
            "time": "time",
            "target": "load",
            "known": ["temperature"],
            **options,
        },
    )


def split(data, **options):
    return data.split(
        **{
            "horizon": 6,
            "context_length": 24,
            "validation_windows": 4,
            "test_windows": 2,
            **options,
        }
    )


def trained(model, splits):
    return fit(
        lambda: model.build(splits.training),
        splits.training,
        splits.validation,
        max_epochs=1,
        steps_per_epoch=2,
        batch_size=16,
        progress=False,
    ).model


@pytest.fixture(scope="module")
def splits():
    return split(sample())


@pytest.mark.parametrize("make", MAKERS)
def test_every_model_trains_on_the_sample_and_gives_every_quantile_of_every_window(make, splits):
    model = make(**TINY[make])
    fitted = trained(model, splits)
    if model.is_point:
        past = predict_points(fitted, splits.validation)
        values = residual_quantiles(
            predict_points(fitted, splits.test),
            np.repeat(["a", "b"], 2),
            past_points=past,
            past_actuals=past + np.random.default_rng(0).normal(size=past.shape),
            past_series=np.repeat(["a", "b"], 4),
        )
    else:
        values = predict_quantiles(fitted, splits.test, QUANTILE_LEVELS)

    assert values.shape == (4, 6, 7)
    assert np.isfinite(values).all()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "roles",
    [
        {"series": None, "known": (), "calendar": False},
        {"known": (), "calendar": False},
        {"known": ["temperature"], "static": ["region"]},
    ],
    ids=["one bare series", "bare series", "covariates"],
)
def test_every_model_learns_from_any_roles_that_are_known_ahead(make, roles):
    table = sample().history.assign(region="north")
    if roles.get("series", "series") is None:
        table = table[table["series"] == table["series"].iloc[0]]
    data = ForecastData.from_frame(
        table, **{"series": "series", "time": "time", "target": "load", **roles}
    )
    splits = split(data, validation_windows=1, test_windows=1)

    assert np.isfinite(predict_points(trained(make(**TINY[make]), splits), splits.test)).all()


@pytest.mark.parametrize("make", MAKERS)
def test_every_model_forecasts_a_single_step(make):
    splits = split(sample(), horizon=1)
    points = predict_points(trained(make(**TINY[make]), splits), splits.test)

    assert points.shape == (4, 1)


@pytest.mark.parametrize("make", MAKERS)
def test_options_win_over_those_of_the_maker(make, splits):
    model = make(**TINY[make], learning_rate=0.5).with_options(dropout=0.25)
    hyperparameters = model.build(splits.training).hparams

    assert (hyperparameters.learning_rate, hyperparameters.dropout) == (0.5, 0.25)


@pytest.mark.parametrize("make", MAKERS)
def test_two_models_share_no_loss(make, splits):
    model = make(**TINY[make])
    one, other = (model.build(splits.training) for _ in range(2))

    assert one.loss is not other.loss


PUBLISHED = {
    # GluonTS, torch/model/deepar: num_layers, hidden_size, dropout_rate, weight_decay.
    deepar: {"rnn_layers": 2, "hidden_size": 40, "dropout": 0.1, "weight_decay": 1e-8},
    # neuralforecast, models/nhits: n_blocks, mlp_units, n_pool_kernel_size, n_freq_downsample.
    nhits: {
        "n_blocks": [1, 1, 1],
        "n_layers": [2, 2, 2],
        "hidden_size": 512,
        "pooling_sizes": [2, 2, 1],
        "downsample_frequencies": [4, 2, 1],
        "dropout": 0.0,
        "weight_decay": 0.0,
    },
    # google-research, tft/data_formatters/electricity: num_heads, stack_size, dropout_rate.
    tft: {"attention_head_size": 4, "lstm_layers": 1, "dropout": 0.1},
    # neuralforecast, models/lstm and gru: encoder_n_layers, encoder_dropout.
    lstm: {"rnn_layers": 2, "dropout": 0.0},
    gru: {"rnn_layers": 2, "dropout": 0.0},
}


@pytest.mark.parametrize("make", PUBLISHED)
def test_a_model_has_the_settings_that_its_authors_or_upstream_publish(make, splits):
    hyperparameters = make().build(splits.training).hparams

    assert {name: hyperparameters[name] for name in PUBLISHED[make]} == PUBLISHED[make]
    assert hyperparameters["optimizer"] == "adam"


@pytest.mark.parametrize("make", PUBLISHED)
def test_the_other_models_leave_their_learning_rate_to_the_search(make):
    assert "learning_rate" not in make().options


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("horizon", "context"), [(1, 3), (2, 24), (3, 7)])
def test_every_model_learns_from_short_windows_with_its_own_settings(make, horizon, context):
    splits = split(sample(), horizon=horizon, context_length=context, validation_windows=1)

    assert np.isfinite(predict_points(trained(make(), splits), splits.test)).all()


def test_the_dilations_by_default_reach_half_of_what_is_read():
    training = sample().split(horizon=48, context_length=168, validation_windows=1).training

    assert dilated_rnn().build(training).hparams.dilations == (1, 4, 16, 64)


def test_a_list_of_dilations_takes_the_place_of_the_usual_ones(splits):
    model = dilated_rnn(dilations=(1, 3), hidden_size=4).build(splits.training)

    assert model.hparams.dilations == (1, 3)


def refused(make, splits):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        make(**TINY[make]).build(splits.training)
    return str(caught.value)


@pytest.mark.parametrize("make", STEP_BY_STEP)
def test_what_is_not_known_ahead_is_refused_by_models_that_go_step_by_step(make):
    message = refused(make, split(sample(known=(), observed=["temperature"])))

    assert "['temperature'] are `observed` up to now only" in message
    assert message.startswith(f"{make().name} forecasts step by step")


@pytest.mark.parametrize("make", [m for m in MAKERS if m not in STEP_BY_STEP])
def test_the_other_models_learn_from_what_is_not_known_ahead(make):
    splits = split(sample(known=(), observed=["temperature"]))

    assert np.isfinite(predict_points(trained(make(**TINY[make]), splits), splits.test)).all()


@pytest.mark.parametrize("make", STEP_BY_STEP)
def test_a_window_of_one_step_is_refused_by_models_that_go_step_by_step(make):
    splits = split(sample(), min_context_length=1, target_normalizer=GroupNormalizer())
    message = refused(make, splits)

    assert "at least 2 time steps of history, got `min_context_length` 1" in message


def test_windows_of_several_lengths_are_refused_by_nhits():
    assert "windows of one length, got 12 to 24" in refused(
        nhits, split(sample(), min_context_length=12)
    )
