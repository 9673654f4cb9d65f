from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import DeepAR
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    NaNLabelEncoder,
)
from pytorch_forecasting.metrics import (
    MAE,
    SMAPE,
    CrossEntropy,
    MultiLoss,
    NormalDistributionLoss,
    PoissonLoss,
    QuantileLoss,
)

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, fit
from drnn_forecast.data import continued_dataset
from drnn_forecast.model.losses import quantile_forecast
from drnn_forecast.model.prediction import (
    forecast_columns,
    predict_points,
    predict_quantiles,
    tidy_forecasts,
)
from series import make_dataset, planted_frame


def hourly_frame(num_series=2, length=24 * 20, tz=None):
    """Return hourly series with a daily pattern, a known covariate and odd column names."""
    time = pd.date_range("2024-03-20", periods=length, freq="h", tz=tz)
    rng = np.random.default_rng(0)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "Shop": index + 10,
                    "When": time,
                    "Sold": 50 * (index + 1)
                    + 10 * np.sin(np.arange(length) * 2 * np.pi / 24)
                    + rng.normal(size=length),
                    "Price": rng.normal(size=length),
                }
            )
            for index in range(num_series)
        ],
        ignore_index=True,
    )


COLUMNS = {"time": "When", "target": "Sold", "series": "Shop", "known": ["Price"]}


@pytest.fixture(scope="module")
def trained():
    data = ForecastData.from_frame(hourly_frame(), **COLUMNS).before(24)
    splits = data.split(horizon=24, context_length=48, validation_windows=2)
    build = partial(
        DilatedRNNForecaster.from_dataset,
        splits.training,
        hidden_size=8,
        num_layers=3,
        season_length=24,
        learning_rate=1e-2,
        roles=data.roles.to_dict(),
    )
    return fit(build, splits.training, splits.validation, max_epochs=4, progress=False).model


def test_a_forecast_is_tidy_and_keeps_names_and_dtypes(trained):
    frame = hourly_frame()
    last = frame["When"].max()
    history = frame[frame["When"] <= last - pd.Timedelta(hours=24)]
    future = frame[frame["When"] > last - pd.Timedelta(hours=24)].drop(columns="Sold")
    result = trained.forecast(history, future=future)

    quantiles = [f"q{level:g}" for level in trained.loss.quantiles]
    assert list(result.columns) == ["Shop", "When", *quantiles]
    assert result["Shop"].dtype == frame["Shop"].dtype
    assert result["When"].dtype == frame["When"].dtype
    pd.testing.assert_frame_equal(
        result[["Shop", "When"]], future[["Shop", "When"]].reset_index(drop=True)
    )
    assert (np.diff(result[quantiles].to_numpy(), axis=1) >= 0).all()


def test_a_forecast_follows_the_pattern_past_the_end(trained):
    frame = hourly_frame()
    history, future = frame.copy(), frame[frame["When"] > frame["When"].max() - pd.Timedelta("24h")]
    history.loc[future.index, "Sold"] = np.nan
    result = trained.forecast(history)

    error = (result["q0.5"].to_numpy() - future["Sold"].to_numpy()).__abs__().mean()
    assert error < 2.5  # the pattern swings by 20, its noise has a mean of 0.8


def test_rows_with_an_empty_target_serve_as_future(trained):
    frame = hourly_frame()
    emptied = frame.copy()
    emptied.loc[frame["When"] > frame["When"].max() - pd.Timedelta("24h"), "Sold"] = np.nan
    history = emptied.dropna()
    future = emptied[emptied["Sold"].isna()].drop(columns="Sold")

    pd.testing.assert_frame_equal(
        trained.forecast(emptied), trained.forecast(history, future=future)
    )


def test_a_missing_known_covariate_is_an_error_with_column_and_time(trained):
    frame = hourly_frame()
    late = frame["When"] > frame["When"].max() - pd.Timedelta("24h")
    frame.loc[late, "Sold"] = np.nan
    frame.loc[frame.index[late][5], "Price"] = np.nan
    with pytest.raises(ValueError, match=r"Known covariate 'Price'.*2024-04-08 05:00"):
        trained.forecast(frame)


def test_a_new_series_is_forecast(trained):
    frame = hourly_frame(num_series=3)
    frame.loc[frame["When"] > frame["When"].max() - pd.Timedelta("24h"), "Sold"] = np.nan
    with pytest.warns(UserWarning, match="does not know 1 of 3 series in 'Shop': '12'"):
        result = trained.forecast(frame)

    new = result[result["Shop"] == 12]
    assert len(new) == 24
    assert new["q0.5"].between(100, 200).all()


@pytest.mark.parametrize("loss", [MAE(), MAE() + SMAPE(), PoissonLoss()])
def test_a_loss_without_quantiles_forecasts_points(loss):
    frame = hourly_frame()
    frame["Sold"] = frame["Sold"].clip(lower=0)
    data = ForecastData.from_frame(frame, **COLUMNS).before(24)
    splits = data.split(horizon=24, context_length=48, validation_windows=1)
    model = DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, loss=loss, roles=data.roles.to_dict()
    )
    result = model.forecast(data.history, future=data.future)

    assert list(result.columns) == ["Shop", "When", "prediction"]
    assert len(result) == 2 * 24
    assert (~result["prediction"].isna()).all()


def plain_model(**options):
    """Return a model of a dataset that the user made, without roles, on planted series."""
    data = make_dataset(max_prediction_length=12, **options)
    model = DilatedRNNForecaster.from_dataset(data, num_layers=2, season_length=24)
    torch.nn.init.zeros_(model.head.output[-1].weight)
    torch.nn.init.zeros_(model.head.output[-1].bias)
    return model


def next_levers(frame, steps=12):
    """Return future rows with the known covariate of every planted series."""
    last = frame.groupby("name")["time_idx"].max()
    return pd.DataFrame(
        [
            {"name": name, "time_idx": end + step, "lever": 1.0}
            for name, end in last.items()
            for step in range(1, steps + 1)
        ]
    )


def test_a_model_of_a_plain_dataset_forecasts_past_the_end_of_a_plain_frame():
    frame = planted_frame(length=212)  # repeats every 24 steps, and so says what comes
    history = frame[frame["time_idx"] < 200].sample(frac=1, random_state=0)
    result = plain_model().forecast(history, future=next_levers(history))

    assert list(result.columns[:2]) == ["name", "time_idx"]
    expected = frame[frame["time_idx"] >= 200]
    pd.testing.assert_frame_equal(
        result[["name", "time_idx"]],
        expected[["name", "time_idx"]].reset_index(drop=True),
        check_dtype=False,
    )
    np.testing.assert_allclose(result["q0.5"], expected["target"], rtol=1e-4)


def test_a_plain_frame_needs_no_future_where_nothing_else_is_known_ahead():
    model = plain_model(time_varying_known_reals=["time_idx"])

    assert len(model.forecast(planted_frame())) == 3 * 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: (frame, None), r"`future` must give the variables known ahead, \['lever'\]"),
        (
            lambda frame: (frame, next_levers(frame).drop(columns="lever")),
            r"`future` must have the columns .* \['lever'\] missing",
        ),
        (
            lambda frame: (frame, next_levers(frame, steps=11)),
            r"for every step to forecast, but 3 of 36 are missing, first \{'name': 's0', 'time_idx': 211\}",
        ),
        (
            lambda frame: (frame.drop(columns="time_idx"), None),
            r"`frame` must have the columns of the training dataset, \['time_idx'\] missing",
        ),
    ],
)
def test_a_plain_frame_that_cannot_be_continued_is_refused(change, message):
    frame, future = change(planted_frame())
    with pytest.raises(ValueError, match=message):
        plain_model().forecast(frame, future=future)


def forecast_of(target, normalizer, **options):
    """Return the model of some targets, and its forecast past the end of the planted series."""
    frame = planted_frame().assign(
        label=lambda f: np.where(f["other"] > 0, "up", "down"), second=lambda f: 2 * f["target"]
    )
    data = make_dataset(frame, target=target, target_normalizer=normalizer)
    torch.manual_seed(0)
    model = DilatedRNNForecaster.from_dataset(data, hidden_size=4, num_layers=2, **options)
    return model, model.forecast(frame, future=next_levers(frame))


def test_a_categorical_target_is_forecast_by_its_labels_and_their_probabilities():
    _, result = forecast_of("label", NaNLabelEncoder())

    assert list(result.columns) == ["name", "time_idx", "prediction", "p(down)", "p(up)"]
    np.testing.assert_allclose(result[["p(down)", "p(up)"]].sum(axis=1), 1, rtol=1e-5)
    is_up = result["p(up)"] > result["p(down)"]
    assert result["prediction"].tolist() == np.where(is_up, "up", "down").tolist()


def test_the_labels_of_a_tidy_target_are_its_own_values():
    frame = hourly_frame()
    frame["Sold"] = np.where(frame["Sold"] > 75, 7, 3)
    data = ForecastData.from_frame(frame, **COLUMNS).before(24)
    splits = data.split(
        horizon=24, context_length=48, validation_windows=1, target_normalizer=NaNLabelEncoder()
    )
    model = DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, roles=data.roles.to_dict()
    )
    result = model.forecast(data.history, future=data.future)

    assert list(result.columns) == ["Shop", "When", "prediction", "p(3.0)", "p(7.0)"]
    assert set(result["prediction"]) <= {3, 7}


@pytest.mark.parametrize(
    ("second", "normalizer", "loss", "columns"),
    [
        ("second", GroupNormalizer(), QuantileLoss([0.1, 0.5]), ["second_q0.1", "second_q0.5"]),
        ("second", GroupNormalizer(), MAE(), ["second_prediction"]),
        (
            "label",
            NaNLabelEncoder(),
            CrossEntropy(),
            ["label_prediction", "label_p(down)", "label_p(up)"],
        ),
    ],
)
def test_each_of_several_targets_has_columns_with_its_name_in_front(
    second, normalizer, loss, columns
):
    model, result = forecast_of(
        ["target", second],
        MultiNormalizer([EncoderNormalizer(), normalizer]),
        loss=MultiLoss([QuantileLoss([0.1, 0.9]), loss]),
    )

    names = ["target_q0.1", "target_q0.9", *columns]
    assert list(result.columns) == ["name", "time_idx", *names]
    if second != "label":
        assert forecast_columns(model) == names
        # Twice as much as the first, of which the series are about 10, 20 and 30.
        assert result[columns[-1]].mean() > result["target_q0.9"].mean()


def test_many_windows_of_several_targets_are_forecast_as_few_are(monkeypatch):
    normalizer = MultiNormalizer([EncoderNormalizer(), NaNLabelEncoder()])
    _, few = forecast_of(["target", "label"], normalizer)
    monkeypatch.setattr("drnn_forecast.model.prediction.BATCH_SIZE", 2)
    _, many = forecast_of(["target", "label"], normalizer)

    pd.testing.assert_frame_equal(many, few, rtol=1e-5)


LEVELS = [0.9, 0.1, 0.5]


@pytest.mark.parametrize(
    "loss",
    [
        QuantileLoss(LEVELS),
        NormalDistributionLoss(quantiles=LEVELS),
        QuantileLoss(LEVELS) + QuantileLoss(LEVELS) * 0.5,
        NormalDistributionLoss(quantiles=LEVELS) + NormalDistributionLoss(quantiles=LEVELS),
    ],
    ids=["quantiles", "normal", "sum of quantiles", "sum of normals"],
)
def test_a_column_of_quantiles_holds_what_its_name_says_in_whatever_order_levels_are_given(loss):
    data = make_dataset()
    torch.manual_seed(0)
    model = DilatedRNNForecaster.from_dataset(data, hidden_size=4, num_layers=2, loss=loss)
    frame = planted_frame()
    result = model.forecast(frame, future=next_levers(frame))
    output = quantile_forecast(model.loss, model.eval()(first_window(model, frame))["prediction"])

    assert list(result.columns[2:]) == ["q0.1", "q0.5", "q0.9"] == forecast_columns(model)
    for position, level in enumerate(LEVELS):
        np.testing.assert_allclose(
            result[f"q{level}"].head(12), output[0, :, position].detach(), rtol=1e-5
        )
    pd.testing.assert_frame_equal(
        Ensemble([model]).forecast(frame, future=next_levers(frame)), result
    )


def first_window(model, frame):
    """Return the batch of a forecast past the end of a plain frame."""
    dataset = continued_dataset(model.dataset_parameters, frame, next_levers(frame))
    return next(iter(dataset.to_dataloader(train=False, batch_size=8)))[0]


def test_a_subset_of_the_quantiles_is_the_same_in_any_order():
    data = make_dataset()
    model = DilatedRNNForecaster.from_dataset(data, num_layers=2)
    every = predict_quantiles(model, data, model.loss.quantiles)
    some = predict_quantiles(model, data, [0.9, 0.1])

    np.testing.assert_array_equal(some, every[..., [5, 1]])


def test_quantiles_of_samples_are_given_at_the_levels_asked_for():
    torch.manual_seed(0)
    data = make_dataset()
    model = DeepAR.from_dataset(data, hidden_size=4)
    values = predict_quantiles(model, data, [0.2, 0.8])

    assert values.shape == (len(data), 12, 2)
    assert (values[..., 0] < values[..., 1]).all()


def test_a_quantile_that_was_not_learned_is_refused():
    data = make_dataset()
    model = DilatedRNNForecaster.from_dataset(data, num_layers=1, loss=QuantileLoss([0.1, 0.5]))
    with pytest.raises(ValueError, match=r"`quantiles` \[0.33\] are not among"):
        predict_quantiles(model, data, [0.1, 0.33])


def test_a_point_model_has_points_and_refuses_quantiles():
    data = make_dataset()
    model = DilatedRNNForecaster.from_dataset(data, num_layers=1, loss=MAE())

    assert predict_points(model, data).shape == (len(data), 12)
    with pytest.raises(ValueError, match=r"Quantiles need a quantile or distribution loss.*MAE"):
        predict_quantiles(model, data, [0.5])


def test_prediction_writes_and_says_nothing(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    data = make_dataset()
    predict_quantiles(DilatedRNNForecaster.from_dataset(data, num_layers=1), data, [0.5])

    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_crossing_samples_are_put_in_order():
    data = ForecastData.from_frame(hourly_frame(), **COLUMNS)
    dataset = data.split(horizon=24, context_length=48, validation_windows=1).validation
    values = np.random.default_rng(0).normal(size=(2, 24, 3)).astype("f4")
    tidy = tidy_forecasts(data.target_rows(dataset), values, [0.1, 0.5, 0.9])

    np.testing.assert_array_equal(
        tidy[["q0.1", "q0.5", "q0.9"]].to_numpy(), np.sort(values.reshape(-1, 3))
    )


@pytest.fixture
def checkpoint(trained, tmp_path):
    import lightning.pytorch as pl

    trainer = pl.Trainer(logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(trained)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


def test_a_checkpoint_forecasts_alone(trained, checkpoint):
    frame = hourly_frame()
    frame.loc[frame["When"] > frame["When"].max() - pd.Timedelta("24h"), "Sold"] = np.nan
    loaded = DilatedRNNForecaster.load_from_checkpoint(checkpoint)

    pd.testing.assert_frame_equal(loaded.forecast(frame), trained.forecast(frame))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(checkpoint, share):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is not a whole Lightning checkpoint: it is truncated"):
        DilatedRNNForecaster.load_from_checkpoint(checkpoint)


def test_a_missing_checkpoint_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint .*none\.ckpt. does not exist"):
        DilatedRNNForecaster.load_from_checkpoint(tmp_path / "none.ckpt")


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2]])
def test_a_checkpoint_of_another_class_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match="is not a checkpoint of DilatedRNNForecaster"):
        DilatedRNNForecaster.load_from_checkpoint(tmp_path / "other.ckpt")
