import numpy as np
import pytest
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer, MultiNormalizer
from pytorch_forecasting.metrics import NormalDistributionLoss, QuantileLoss

from drnn_forecast.export import INPUTS, ForecastNetwork, export_onnx, network_inputs
from drnn_forecast.forecaster import DilatedRNNForecaster
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


@pytest.mark.parametrize(
    ("cell_type", "season_length", "segment_length"),
    [("RNN", None, None), ("GRU", (12, 24), None), ("LSTM", None, 12)],
)
def test_an_onnx_file_gives_the_forecast_of_the_model_for_any_batch(
    dataset, cell_type, season_length, segment_length, tmp_path
):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    model = make_model(
        dataset, cell_type=cell_type, season_length=season_length, segment_length=segment_length
    )
    export_onnx(model, first_batch(dataset, batch_size=3)[0], tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    x, _ = first_batch(dataset, batch_size=17)
    names = {entry.name for entry in session.get_inputs()}
    feed = {
        name: value.numpy()
        for name, value in zip(INPUTS, network_inputs(x), strict=True)
        if name in names
    }

    (prediction,) = session.run(None, feed)
    np.testing.assert_allclose(
        prediction, model(x)["prediction"].detach().numpy(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("loss", [QuantileLoss(), NormalDistributionLoss()])
@pytest.mark.parametrize("cell_type", CELLS)
def test_torch_export_gives_the_forecast_of_the_model(dataset, cell_type, loss):
    model = make_model(dataset, cell_type=cell_type, loss=loss)
    inputs = network_inputs(first_batch(dataset)[0])
    program = torch.export.export(ForecastNetwork(model), inputs)

    torch.testing.assert_close(
        program.module()(*inputs), ForecastNetwork(model)(*inputs), rtol=1e-5, atol=1e-5
    )


def test_several_targets_are_not_exported():
    frame = planted_frame().assign(second=lambda f: 2 * f.target + 1)
    data = make_dataset(
        frame,
        target=["target", "second"],
        target_normalizer=MultiNormalizer([EncoderNormalizer(), GroupNormalizer(groups=["name"])]),
    )
    with pytest.raises(ValueError, match=r"has one target, got \['target', 'second'\]"):
        ForecastNetwork(make_model(data))
