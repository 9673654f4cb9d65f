import numpy as np
import pytest
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, MultiNormalizer
from pytorch_forecasting.metrics import MultiLoss, NormalDistributionLoss, QuantileLoss

from drnn_forecast.adapters.onnx import (
    INPUTS,
    ForecastNetwork,
    export_onnx,
    network_inputs,
    output_names,
)
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from series import first_batch, make_dataset, planted_frame

CELLS = ["RNN", "GRU", "LSTM"]


def make_model(dataset, **options):
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        dataset, **{"hidden_size": 8, "num_layers": 3, **options}
    ).eval()


@pytest.fixture(scope="module")
def dataset():
    return make_dataset()


def feed(session, model, x):
    """Return the parts of a batch that a network reads, by name."""
    names = {entry.name for entry in session.get_inputs()}
    pairs = zip(INPUTS, network_inputs(model, x), strict=True)
    return {name: value.numpy() for name, value in pairs if name in names}


@pytest.mark.parametrize(
    ("cell_type", "options"),
    [
        pytest.param("RNN", {"linear_length": 24}, marks=pytest.mark.slow),
        pytest.param("GRU", {"season_length": (12, 24)}, marks=pytest.mark.slow),
        pytest.param("LSTM", {"segment_length": 12, "num_layers": 2}, marks=pytest.mark.slow),
    ],
)
def test_an_onnx_file_gives_the_forecast_of_the_model_for_any_batch(
    dataset, cell_type, options, tmp_path
):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    model = make_model(dataset, cell_type=cell_type, **options)
    export_onnx(model, first_batch(dataset, batch_size=3)[0], tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    x, _ = first_batch(dataset, batch_size=17)
    (prediction,) = session.run(None, feed(session, model, x))
    np.testing.assert_allclose(
        prediction, model(x)["prediction"].detach().numpy(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("loss", [QuantileLoss(), NormalDistributionLoss()])
@pytest.mark.parametrize(
    "cell_type",
    [pytest.param(each, marks=[pytest.mark.slow] * (each != "GRU")) for each in CELLS],
)
def test_torch_export_gives_the_forecast_of_the_model(dataset, cell_type, loss):
    model = make_model(dataset, cell_type=cell_type, loss=loss)
    inputs = network_inputs(model, first_batch(dataset)[0])
    program = torch.export.export(ForecastNetwork(model), inputs)

    torch.testing.assert_close(
        program.module()(*inputs), ForecastNetwork(model)(*inputs), rtol=1e-5, atol=1e-5
    )


@pytest.fixture(scope="module")
def two_targets():
    frame = planted_frame().assign(second=lambda f: 2 * f.target + 1)
    return make_dataset(
        frame,
        target=["target", "second"],
        time_varying_unknown_reals=["target", "second"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), GroupNormalizer(groups=["name"])]),
    )


@pytest.mark.slow
def test_several_targets_have_an_output_each(two_targets, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    loss = MultiLoss([QuantileLoss(), NormalDistributionLoss()])
    model = make_model(two_targets, loss=loss, season_length=24, num_layers=1)
    export_onnx(model, first_batch(two_targets, batch_size=3)[0], tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    x, _ = first_batch(two_targets, batch_size=17)
    expected = model(x)["prediction"]
    predictions = session.run(output_names(model), feed(session, model, x))

    assert output_names(model) == ["prediction_target", "prediction_second"]
    for ours, theirs in zip(predictions, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_torch_export_gives_the_forecasts_of_several_targets(two_targets):
    model = make_model(two_targets)
    inputs = network_inputs(model, first_batch(two_targets)[0])
    program = torch.export.export(ForecastNetwork(model), inputs)

    for ours, theirs in zip(
        program.module()(*inputs), ForecastNetwork(model)(*inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_an_onnx_file_keeps_to_the_bounds_and_to_zeros_at_night(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    frame = planted_frame()
    hour = frame["time_idx"] % 24
    frame["target"] = frame["target"].abs() * ((hour > 6) & (hour < 18))
    dataset = make_dataset(frame, max_encoder_length=72, target_normalizer=EncoderNormalizer())
    model = make_model(dataset, season_length=24, lower=0.0)
    x, _ = first_batch(dataset, batch_size=9)
    export_onnx(model, x, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    (prediction,) = session.run(None, feed(session, model, x))
    at_night = (x["decoder_time_idx"] % 24 < 6).numpy()

    assert prediction.min() == 0
    assert at_night.any()
    assert (prediction[at_night] == 0).all()
    assert (prediction[~at_night] > 0).any()
