"""A forecast is as exact as the weights' precision lets it be in units of the window's own scale."""

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer, seed_everything
from pytorch_forecasting.metrics import MAE, NormalDistributionLoss, QuantileLoss

from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData, load
from drnn_forecast.model.prediction import predict_points, predict_quantiles

LEVEL = 50_000.0
TRAINER = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
ROUNDING = {torch.float64: 1e-5, torch.float32: 1e-5, torch.bfloat16: 0.1}
"""The most that a forecast may differ from the one in float32, in units of the deviations.

bfloat16 has 8 bits, outputs are at most about 4 deviations, and a few roundings follow one another;
of the level itself one rounding would be 128 deviations."""
TRAINED_IN = {
    "32-true": torch.float32,
    "bf16-mixed": torch.float32,
    "bf16-true": torch.bfloat16,
    "64-true": torch.float64,
}


def make_frame(length=70):
    """Return two series near `LEVEL` with deviations of about 1."""
    generator = np.random.default_rng(0)
    season = np.tile(np.sin(np.arange(length) * 2 * np.pi / 7), 2)
    return pd.DataFrame(
        {
            "id": np.repeat(["a", "b"], length),
            "ds": np.tile(pd.date_range("2024-01-01", periods=length, freq="D"), 2),
            "y": LEVEL + season + 0.3 * generator.normal(size=2 * length),
        }
    )


FRAME = make_frame()
DATA = ForecastData.from_frame(FRAME, series="id", time="ds", target="y")
SPLITS = DATA.split(context_length=21, horizon=7, validation_windows=2)
LOSSES = {"quantiles": QuantileLoss, "normal": NormalDistributionLoss, "points": MAE}


def make_model(loss="quantiles", **options):
    seed_everything(0, verbose=False)
    options = {"hidden_size": 4, "num_layers": 2, "loss": LOSSES[loss](), **options}
    return DilatedRNNForecaster.from_dataset(SPLITS.training, **options).eval()


def numbers(forecast):
    return forecast.drop(columns=["id", "ds"])


def assert_close(ours, theirs, dtype):
    assert set(numbers(ours).dtypes) == {
        np.dtype("float64" if dtype == torch.float64 else "float32")
    }
    difference = np.abs(numbers(ours).to_numpy() - numbers(theirs).to_numpy())
    # float32 itself holds the level to 0.004.
    assert difference.max() <= ROUNDING[dtype] + 0.004


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_the_precision_of_the_weights_moves_a_forecast_by_a_share_of_the_deviations(
    dtype, cell_type, loss
):
    model = make_model(loss, cell_type=cell_type, season_length=(1, 7), level_anchor=True)
    torch.manual_seed(0)
    expected = model.forecast(FRAME)
    torch.manual_seed(0)
    ours = model.to(dtype).forecast(FRAME)
    if loss == "normal":  # its quantiles are of samples, which have to be the same
        x, _ = next(iter(SPLITS.training.to_dataloader(train=False, batch_size=8)))
        mean = model.to_prediction(model(x))
        torch.testing.assert_close(
            mean.float(),
            model.float().to_prediction(model(x)),
            atol=ROUNDING[dtype] + 0.004,
            rtol=0,
        )
    else:
        assert_close(ours, expected, dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_forecasts_predictions_and_interpretations_come_in_every_precision(dtype):
    model = make_model()
    points = predict_points(model, SPLITS.validation)
    quantiles = predict_quantiles(model, SPLITS.validation, [0.1, 0.5, 0.9])
    model.to(dtype)
    bound = ROUNDING[dtype] + 0.004
    np.testing.assert_allclose(predict_points(model, SPLITS.validation), points, atol=bound, rtol=0)
    np.testing.assert_allclose(
        predict_quantiles(model, SPLITS.validation, [0.1, 0.5, 0.9]), quantiles, atol=bound, rtol=0
    )
    for mode in ("prediction", "quantiles", "samples", "raw"):
        model.predict(SPLITS.validation, mode=mode)
    x, _ = next(iter(SPLITS.validation.to_dataloader(train=False, batch_size=4)))
    assert np.isfinite(model.interpret_output(x).saliency.numpy()).all()
    both = Ensemble([model, model]).forecast(FRAME)
    assert_close(both, model.forecast(FRAME), dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_a_saved_model_keeps_the_precision_of_its_weights(dtype, tmp_path):
    model = make_model().to(dtype)
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert next(loaded.parameters()).dtype == dtype
    pd.testing.assert_frame_equal(loaded.forecast(FRAME), model.forecast(FRAME))
    trainer = Trainer(accelerator="cpu", **TRAINER)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    again = DilatedRNNForecaster.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=False)
    pd.testing.assert_frame_equal(again.eval().forecast(FRAME), model.forecast(FRAME))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("precision", TRAINED_IN)
def test_training_in_every_precision_learns_about_the_same(precision, loss):
    def trained(precision):
        model = make_model(loss, season_length=7)
        trainer = Trainer(accelerator="cpu", max_steps=3, precision=precision, **TRAINER)
        loader = SPLITS.training.to_dataloader(train=True, batch_size=16, shuffle=False)
        trainer.fit(model, loader)
        return model.eval()

    ours, theirs = trained(precision), trained("32-true")
    assert next(ours.parameters()).dtype == TRAINED_IN[precision]
    x, y = next(iter(SPLITS.training.to_dataloader(train=False, batch_size=8)))
    points = ours.to_prediction(ours(x))
    assert points.dtype == (torch.float64 if precision == "64-true" else torch.float32)
    gap = (points.float() - theirs.to_prediction(theirs(x))).abs().max()
    assert gap <= ROUNDING[torch.bfloat16] + 0.004
    assert torch.isfinite(ours.loss(ours(x)["prediction"], y))


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_a_trainer_of_any_precision_predicts_what_the_model_does(precision):
    model = make_model()
    expected = model.predict(SPLITS.validation)
    ours = model.predict(SPLITS.validation, trainer_kwargs={"precision": precision})
    assert ours.dtype == (torch.float64 if precision == "64-true" else torch.float32)
    torch.testing.assert_close(ours.float(), expected, atol=ROUNDING[torch.bfloat16], rtol=0)


def test_no_precision_of_the_weights_rounds_what_is_known_of_the_series():
    model = make_model()
    before = {name: part.clone() for name, part in model.magnitudes.state_dict().items()}
    model.half().double().bfloat16()
    after = model.magnitudes.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
