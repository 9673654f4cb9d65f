"""The forecast scales with the target's unit, and every window has a scale that its series justifies."""

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from pytorch_forecasting import TimeSeriesDataSet
from pytorch_forecasting.data import (
    EncoderNormalizer,
    GroupNormalizer,
    MultiNormalizer,
    TorchNormalizer,
)
from pytorch_forecasting.metrics import (
    MAE,
    RMSE,
    SMAPE,
    NormalDistributionLoss,
    QuantileLoss,
)
from torchmetrics import MeanSquaredError

from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster, ForecastData, load
from drnn_forecast.model.losses import usual_loss
from drnn_forecast.model.magnitudes import FLOOR_SHARE
from series import first_batch, make_dataset

TRAINER = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def make_frame(length=60):
    """Return two series about zero, exact in float32 and in any power of two."""
    generator = np.random.default_rng(0)
    season = np.tile(np.sin(np.arange(length) * 2 * np.pi / 7), 2)
    values = (season + 0.3 * generator.normal(size=2 * length)).astype(np.float32)
    return pd.DataFrame(
        {
            "id": np.repeat(["a", "b"], length),
            "ds": np.tile(pd.date_range("2024-01-01", periods=length, freq="D"), 2),
            "y": values.astype(np.float64),
        }
    )


FRAME = make_frame()


def split(frame, **options):
    data = ForecastData.from_frame(frame, series="id", time="ds", target="y")
    options = {"context_length": 14, "horizon": 3, "validation_windows": 2, **options}
    return data.split(**options)


def trained(frame, loss=None, *, normalizer=None, steps=8, **options):
    """Return a model after a few steps with everything that knows a unit: Adam and clipping."""
    splits = split(frame, target_normalizer=normalizer)
    seed_everything(0, verbose=False)
    options = {"hidden_size": 4, "num_layers": 2, "learning_rate": 0.01, **options}
    model = DilatedRNNForecaster.from_dataset(splits.training, loss=loss, **options)
    loader = splits.training.to_dataloader(train=True, batch_size=32, shuffle=False)
    trainer = Trainer(accelerator="cpu", max_steps=steps, gradient_clip_val=0.1, **TRAINER)
    trainer.fit(model, loader)
    return model.eval(), float(trainer.callback_metrics["train_loss_step"])


def values_of(model, frame):
    return model.forecast(frame).drop(columns=["id", "ds"]).to_numpy(np.float64)


def in_unit(unit):
    return FRAME.assign(y=FRAME["y"] * unit)


@pytest.fixture(scope="module")
def usual():
    model, loss = trained(FRAME)
    return values_of(model, FRAME), loss


@pytest.mark.parametrize("exponent", [-9, -6, -3, -1, 1, 3, 6, 9])
def test_the_forecast_is_multiplied_by_the_unit_of_the_target(exponent, usual):
    unit = 10.0**exponent
    model, loss = trained(in_unit(unit))
    expected, expected_loss = usual
    np.testing.assert_allclose(values_of(model, in_unit(unit)) / unit, expected, atol=2e-3, rtol=0)
    # The loss is relative to how far each window moves.
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-3)


@pytest.mark.parametrize(
    "make",
    [TorchNormalizer, GroupNormalizer, lambda: GroupNormalizer(groups=["id"])],
    ids=["TorchNormalizer", "GroupNormalizer", "GroupNormalizer by series"],
)
@pytest.mark.parametrize("exponent", [-6, -3, 6])
def test_so_it_is_with_one_scale_for_every_series(exponent, make):
    unit = 10.0**exponent
    usual, _ = trained(FRAME, normalizer=make())
    scaled, _ = trained(in_unit(unit), normalizer=make())
    np.testing.assert_allclose(
        values_of(scaled, in_unit(unit)) / unit, values_of(usual, FRAME), atol=5e-3, rtol=0
    )


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        (MAE, {}),
        (RMSE, {}),
        (MeanSquaredError, {}),
        (NormalDistributionLoss, {}),
        (lambda: MAE() + 2 * MAE(), {}),
        (QuantileLoss, {"relative_loss": True}),
        (QuantileLoss, {"season_length": (7, 1), "level_anchor": True, "linear_length": 7}),
    ],
    ids=["MAE", "RMSE", "MSE", "normal", "sum", "relative", "anchors"],
)
@pytest.mark.parametrize("unit", [2.0**-20, 1e6])
def test_so_it_is_with_every_loss(unit, loss, options):
    usual, _ = trained(FRAME, loss(), **options)
    scaled, _ = trained(in_unit(unit), loss(), **options)
    x, _ = next(iter(split(FRAME).validation.to_dataloader(train=False, batch_size=8)))
    far, _ = next(iter(split(in_unit(unit)).validation.to_dataloader(train=False, batch_size=8)))
    ours = scaled.to_prediction(scaled(far)) / unit
    torch.testing.assert_close(ours, usual.to_prediction(usual(x)), atol=2e-3, rtol=0)


@pytest.mark.parametrize("constant", [-1000.0, 64.0, 1000.0])
def test_a_constant_added_to_the_target_is_added_to_the_forecast(constant, usual):
    frame = FRAME.assign(y=FRAME["y"] + constant)
    model, _ = trained(frame)
    # float32 holds a level of 1000 to 6e-5.
    np.testing.assert_allclose(values_of(model, frame) - constant, usual[0], atol=5e-3, rtol=0)


@pytest.mark.parametrize("level", [1e8, -3e9, 1e12])
def test_a_level_that_float32_cannot_hold_with_its_changes_is_refused(level):
    with pytest.raises(ValueError, match="Subtract a constant"):
        split(FRAME.assign(y=FRAME["y"] + level))


@pytest.mark.parametrize("values", [1e8, 123456789.0, 0.1, 1e-30, 0.0])
def test_a_level_that_never_changes_is_no_reason_to_refuse(values):
    training = split(FRAME.assign(y=np.where(FRAME["id"] == "a", values, FRAME["y"]))).training
    assert len(training) == len(split(FRAME).training)


@pytest.mark.parametrize("unit", [1e-50, 1e40])
def test_numbers_beyond_float32_are_refused(unit):
    with pytest.raises(ValueError, match="float32"):
        split(in_unit(unit))


# What the scale of a window is at least


def intermittent_frame(sizes=(6.0,), length=160):
    """Return series that are zero nearly always, and otherwise their size; the last month is 0."""
    generator = np.random.default_rng(1)
    parts = []
    for number, size in enumerate(sizes):
        sold = generator.random(length) < 0.15
        sold[30:60] = sold[-30:] = False
        times = pd.date_range("2024-01-01", periods=length, freq="D")
        parts.append(pd.DataFrame({"id": f"s{number}", "ds": times, "y": size * sold}))
    return pd.concat(parts, ignore_index=True)


def batches(dataset):
    return dataset.to_dataloader(train=False, batch_size=64, num_workers=0)


def scales_of(model, dataset):
    return torch.cat([model.magnitudes.scales(x)[0][:, 1] for x, _ in batches(dataset)])


def untrained(dataset, **options):
    torch.manual_seed(0)
    options = {"hidden_size": 4, "num_layers": 2, "season_length": (), **options}
    options = {"smoothed_anchors": False, **options}
    return DilatedRNNForecaster.from_dataset(dataset, **options).eval()


@pytest.mark.parametrize("sizes", [(6.0,), (6.0, 600.0, 0.006)])
def test_a_window_of_zeros_has_the_scale_of_its_series(sizes):
    frame = intermittent_frame(sizes)
    splits = split(frame)
    model = untrained(splits.training)
    forecast = model.forecast(frame)
    width = (forecast["q0.975"] - forecast["q0.025"]).groupby(forecast["id"]).mean()
    # Untrained outputs are some hundredths of the scale, which is a sixth of a sale.
    assert (width.to_numpy() > 1e-3 * np.array(sizes)).all()
    relative = width.to_numpy() / np.array(sizes)
    assert relative.max() < 3 * relative.min()


def test_an_interval_of_a_window_of_zeros_learns_what_follows_such_windows():
    generator = np.random.default_rng(0)
    sold = generator.random(1500) < 0.06
    sold[-20:] = False
    times = pd.date_range("2020-01-01", periods=len(sold), freq="D")
    frame = pd.DataFrame({"id": "a", "ds": times, "y": 6.0 * sold})
    training = split(frame).training
    seed_everything(0, verbose=False)
    model = DilatedRNNForecaster.from_dataset(
        training, hidden_size=4, num_layers=2, learning_rate=0.01, season_length=(), head_size=16
    )
    trainer = Trainer(accelerator="cpu", max_steps=200, gradient_clip_val=1.0, **TRAINER)
    trainer.fit(model, training.to_dataloader(train=True, batch_size=64))
    forecast = model.eval().forecast(frame)
    # Six of a hundred days have a sale of 6 units: more than the 2.5 % above the upper end.
    assert (forecast["q0.975"] > 1).all()
    assert (forecast["q0.5"].abs() < 0.5).all()


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6])
def test_no_window_of_a_series_outweighs_the_others(unit):
    frame = intermittent_frame((6.0 * unit,))
    training = split(frame).training
    model = untrained(training, relative_loss=True)
    weights = 1 / scales_of(model, training)
    assert float(weights.max()) <= 2 / FLOOR_SHARE * float(weights.median())
    assert float(weights.max()) <= 1 / FLOOR_SHARE / (model.magnitudes.typical[0]) * 1.001
    x, _ = first_batch(training, batch_size=len(training))
    weights = 1 / model.usual_error(x)
    assert float(weights.max()) <= 2 / FLOOR_SHARE * float(weights.median())


@pytest.mark.parametrize("kind", ["saved", "like", "host"])
def test_the_least_scale_goes_where_the_model_goes(kind, tmp_path):
    frame = intermittent_frame((6.0, 600.0))
    splits = split(frame)
    model = untrained(splits.training)
    expected = scales_of(model, splits.validation)
    dataset = splits.validation
    if kind == "saved":
        model.save(tmp_path / "model")
        model = load(tmp_path / "model")
    else:
        data = ForecastData.from_frame(frame.iloc[::-1], series="id", time="ds", target="y")
        dataset = data.split(like=model, validation_windows=2).validation
    torch.testing.assert_close(scales_of(model, dataset), expected)


def test_the_hosts_own_windows_have_the_same_least_scale():
    frame = intermittent_frame((6.0, 600.0)).rename(columns={"id": "name", "y": "target"})
    frame = frame.assign(time_idx=frame.groupby("name").cumcount(), lever=0.0).drop(columns="ds")
    plain = make_dataset(frame, max_encoder_length=14, max_prediction_length=3)
    batched = BatchedTimeSeriesDataSet.from_dataset(plain, frame)
    model = untrained(batched)
    torch.testing.assert_close(scales_of(model, plain), scales_of(model, batched))
    assert float(scales_of(model, plain).min()) > 1e-3


def test_a_new_series_keeps_its_own_scale_and_a_flat_one_takes_the_least():
    frame = intermittent_frame((6.0, 600.0))
    model = untrained(split(frame).training, lower=-np.inf)
    tiny = FRAME.assign(id="tiny", y=FRAME["y"] * 1e-6).head(60)
    flat = FRAME.assign(id="flat", y=1000.0).head(60)
    with pytest.warns(UserWarning, match="does not know 2 of 4 series"):
        forecast = model.forecast(pd.concat([tiny, flat, frame])).set_index("id")
    width = (forecast["q0.975"] - forecast["q0.025"]).groupby(level=0).mean()
    assert width["tiny"] < 1e-5
    assert width["flat"] > 1e-3


def test_batches_are_those_of_the_host_whatever_the_model_makes_of_them():
    training = split(intermittent_frame()).training
    before, _ = next(iter(batches(training)))
    untrained(training)(before)
    after, _ = next(iter(batches(training)))
    assert all(torch.equal(before[name], after[name]) for name in ("encoder_cont", "target_scale"))


@pytest.mark.parametrize("normalizer", [EncoderNormalizer(method="identity"), GroupNormalizer()])
def test_scales_that_are_no_windows_stay_but_for_what_the_host_adds(normalizer):
    training = split(FRAME, target_normalizer=normalizer).training
    model = untrained(training)
    x, _ = next(iter(batches(training)))
    added = 0.0 if normalizer.method == "identity" else np.finfo(np.float16).eps
    torch.testing.assert_close(
        model.magnitudes.scales(x)[0][:, 1], x["target_scale"][:, 1].float() - float(added)
    )


def test_a_history_is_in_units_of_the_scale_that_the_forecast_is_in():
    frame = intermittent_frame((6.0,))
    training = split(frame).training
    model = untrained(training)
    x, _ = next(iter(batches(training)))
    scaled = model.scaled_batch(x)
    (column,) = [training.reals.index("y")]
    center, scale = scaled["target_scale"][:, :1], scaled["target_scale"][:, 1:]
    torch.testing.assert_close(
        scaled["encoder_cont"][..., column] * scale + center, x["encoder_target"], atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (MAE(), 5.0),
        (RMSE(), 5.0),
        (QuantileLoss(), 5.0),
        (SMAPE(), 1.0),
        (NormalDistributionLoss(), 1.0),
        (MeanSquaredError(), 25.0),
        (MeanSquaredError(squared=False), 5.0),
        (2 * MAE() + SMAPE(), 11.0),
    ],
)
def test_a_loss_is_usually_as_large_as_its_unit_says(loss, expected):
    assert usual_loss(loss, [5.0]) == expected


def test_two_targets_of_different_units_are_learned_alike():
    frame = FRAME.assign(z=FRAME["y"] * 1e-6)

    def learned(unit):
        data = frame.rename(columns={"id": "name"}).assign(
            time_idx=frame.groupby("id").cumcount(), y=frame["y"] * unit
        )
        dataset = TimeSeriesDataSet(
            data.drop(columns="ds"),
            time_idx="time_idx",
            target=["y", "z"],
            group_ids=["name"],
            max_encoder_length=14,
            max_prediction_length=3,
            time_varying_unknown_reals=["y", "z"],
            target_normalizer=MultiNormalizer([EncoderNormalizer(), EncoderNormalizer()]),
        )
        seed_everything(0, verbose=False)
        model = DilatedRNNForecaster.from_dataset(dataset, hidden_size=4, num_layers=1)
        trainer = Trainer(accelerator="cpu", max_steps=8, gradient_clip_val=0.1, **TRAINER)
        trainer.fit(model, dataset.to_dataloader(train=True, batch_size=32, shuffle=False))
        x, _ = next(iter(dataset.to_dataloader(train=False, batch_size=8)))
        first, second = model.eval()(x)["prediction"]
        return first / unit, second / 1e-6

    for ours, theirs in zip(learned(1e6), learned(1.0), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)
