"""Recurrences of a user's own in the dilated layers, and the residual LSTM of the examples."""

import sys

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn

import series
from drnn_forecast.adapters.onnx import INPUTS, ForecastNetwork, export_onnx, network_inputs
from drnn_forecast.layers.cells import RecurrentCell
from drnn_forecast.layers.layer import DilatedCell, DilatedRNNLayer
from drnn_forecast.layers.stack import DilatedRNN
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from test_examples import load

DOUBLE = {"rtol": 0, "atol": 1e-12}  # sums of some ten terms of order one in float64
GRADIENT = {"rtol": 0, "atol": 1e-10}  # the same, through some twenty steps
ResidualLSTM = load("residual_lstm").ResidualLSTM
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}


class OwnGRU(nn.GRUCell):
    """torch's own GRU, dressed as a user's cell."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.state_sizes = (hidden_size,)

    def forward(self, input, state):
        h = super().forward(input, state[0])
        return h, (h,)


class Uneven(nn.Module):
    """A cell whose output and two parts of state all have widths of their own."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size, self.state_sizes = hidden_size, (2, 7)
        self.map = nn.Linear(input_size + 9, hidden_size + 9)

    def forward(self, input, state):
        joined = self.map(torch.cat([input, *state], 1)).tanh()
        output, one, other = joined.split([self.hidden_size, 2, 7], 1)
        return output, (one, other)


def step_by_step(cell, x, dilation):
    """Return c_t = f(x_t, c_(t - dilation)), one step at a time."""
    start = tuple(x.new_zeros(x.shape[1], size) for size in cell.state_sizes)
    outputs, states = [], []
    for t in range(len(x)):
        output, state = cell(x[t], states[t - dilation] if t >= dilation else start)
        outputs.append(output)
        states.append(state)
    return torch.stack(outputs)


def make_stack(cell, **options):
    torch.manual_seed(0)
    return DilatedRNN(3, 5, dilations=(1, 4, 3), cell_type=cell, **options).double()


@pytest.mark.parametrize("cell", [OwnGRU, Uneven, ResidualLSTM])
@pytest.mark.parametrize(("dilation", "length"), [(1, 6), (4, 3), (4, 12), (3, 17)])
def test_a_cell_of_the_users_own_is_dilated_exactly_in_value_and_gradient(cell, dilation, length):
    torch.manual_seed(0)
    layer = DilatedCell(cell(3, 5), 3, dilation=dilation).double()
    x = torch.randn(length, 2, 3, dtype=torch.float64, requires_grad=True)
    inputs = [x, *layer.parameters()]

    output, _ = layer(x)
    expected = step_by_step(layer.cell, x, dilation)
    torch.testing.assert_close(output, expected, **DOUBLE)
    probe = torch.randn_like(output)
    torch.testing.assert_close(
        torch.autograd.grad((output * probe).sum(), inputs),
        torch.autograd.grad((expected * probe).sum(), inputs),
        **GRADIENT,
    )


@pytest.mark.parametrize("kernel", [1, 3])
def test_torchs_gru_as_a_users_cell_equals_the_layer_of_torchs_gru(kernel):
    own = make_stack(OwnGRU, input_kernel_size=kernel)
    built_in = make_stack("GRU", input_kernel_size=kernel)
    built_in.load_state_dict(
        {name.replace("cell.", "") + "_l0": value for name, value in own.state_dict().items()}
    )
    x = torch.randn(23, 2, 3, dtype=torch.float64)

    torch.testing.assert_close(own(x), built_in(x), **DOUBLE)


@pytest.mark.parametrize("cell", [OwnGRU, Uneven, ResidualLSTM])
@pytest.mark.parametrize("kernel", [1, 2])
@pytest.mark.parametrize("split_at", [0, 1, 4, 7, 19])
def test_splitting_a_sequence_changes_nothing_with_a_users_cell_either(cell, kernel, split_at):
    model = make_stack(cell, input_kernel_size=kernel)
    x = torch.randn(19, 2, 3, dtype=torch.float64)

    whole, last = model(x)
    first, state = model(x[:split_at])
    second, end = model(x[split_at:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, **DOUBLE)
    torch.testing.assert_close(end, last, **DOUBLE)


def test_layers_may_be_run_once_more_for_the_backward_pass_with_a_users_cell():
    plain, saving = make_stack(OwnGRU), make_stack(OwnGRU, checkpoint_layers=True)
    x = torch.randn(9, 2, 3, dtype=torch.float64)

    for model in (plain, saving):
        model(x)[0].square().sum().backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, **GRADIENT)


def test_the_example_keeps_to_the_protocol():
    assert isinstance(ResidualLSTM(3, 5), RecurrentCell)


@pytest.mark.parametrize("input_size", [4, 3])
def test_a_residual_lstm_adds_its_input_to_what_an_lstm_puts_out(input_size):
    torch.manual_seed(0)
    cell, lstm = ResidualLSTM(input_size, 4).double(), nn.LSTMCell(input_size, 4).double()
    with torch.no_grad():
        cell.gates.weight.copy_(torch.cat([lstm.weight_ih, lstm.weight_hh], 1))
        cell.gates.bias.copy_(lstm.bias_ih + lstm.bias_hh)
    x, h, c = (torch.randn(2, size, dtype=torch.float64) for size in (input_size, 4, 4))
    expected_h, expected_c = lstm(x, (h, c))
    added = x if input_size == 4 else x @ cell.shortcut.weight.T
    gate = expected_h / expected_c.tanh()

    output, (last_h, last_c) = cell(x, (h, c))
    torch.testing.assert_close(last_c, expected_c, **DOUBLE)
    torch.testing.assert_close(output, expected_h + gate * added, **DOUBLE)
    torch.testing.assert_close(last_h, output, rtol=0, atol=0)


def test_a_residual_lstm_begins_with_the_weights_that_torchs_lstm_begins_with():
    torch.manual_seed(0)
    ours = ResidualLSTM(30, 100).gates.weight.detach()
    theirs = nn.LSTM(30, 100).weight_hh_l0.detach()

    assert float(ours.abs().max()) <= 0.1
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.02)


class Broken(OwnGRU):
    """A GRU that returns what `returned` makes of its state."""

    returned = None

    def forward(self, input, state):
        return self.returned(super().forward(input, state)[0])


def broken(returned):
    return lambda *sizes: type("Mine", (Broken,), {"returned": staticmethod(returned)})(*sizes)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda h: h, r"`forward` of the cell Mine must return a pair, .* got \(3, 5\)"),
        (lambda h: (h, h), r"must return a pair, .* got a tuple of 2"),
        (lambda h: (h[:, 1:], (h,)), r"output of the shape .* = \(3, 5\), got \(3, 4\)"),
        (lambda h: (h.mean(0), (h,)), r"output of the shape .* = \(3, 5\), got \(5,\)"),
        (lambda h: (h, (h[:, :2],)), r"a state whose parts .* = \(3, 5\), got \(3, 2\)"),
        (lambda h: (h, (h, h)), r"a state whose parts .* = \(3, 5\), got \(3, 5\), \(3, 5\)"),
        (lambda h: (h, ()), r"a state whose parts .* = \(3, 5\), got no part"),
        (lambda h: (None, (h,)), r"output of the shape .* = \(3, 5\), got a NoneType"),
    ],
)
def test_a_cell_that_returns_something_else_is_refused_by_method_and_shape(returned, message):
    with pytest.raises(ValueError, match=message):
        DilatedRNN(3, 5, dilations=(1, 2), cell_type=broken(returned))


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        (lambda *_: torch.tanh, TypeError, "A cell must be a `torch.nn.Module`, got <built-in"),
        (nn.GRUCell, TypeError, "The cell GRUCell has no attribute `state_sizes`"),
        (nn.Linear, TypeError, "The cell Linear has no attribute `hidden_size`"),
        (lambda i, h: OwnGRU(i, h + 1), ValueError, "cell OwnGRU must be the 5 .* got 6"),
    ],
)
def test_what_is_no_cell_is_refused(cell, error, message):
    with pytest.raises(error, match=message):
        DilatedRNN(3, 5, dilations=(1, 2), cell_type=cell)


@pytest.mark.parametrize("sizes", [(), 5, None])
def test_state_sizes_that_are_no_sizes_are_refused(sizes):
    def make(*shape):
        cell = OwnGRU(*shape)
        cell.state_sizes = sizes
        return cell

    with pytest.raises(TypeError, match=r"`OwnGRU.state_sizes` must be a tuple of the widths"):
        DilatedRNN(3, 5, dilations=(1, 2), cell_type=make)


def test_a_state_of_another_shape_is_refused_by_the_name_of_the_cell():
    layer = DilatedCell(Uneven(3, 5), 3, dilation=2)
    with pytest.raises(ValueError, match=r"`state` of a Uneven layer .* \(2, 4, 2\), \(2, 4, 7\)"):
        layer(torch.zeros(5, 4, 3), torch.zeros(2, 4, 2))


def test_compiled_kernels_are_not_promised_to_a_users_cell():
    pytest.importorskip("numba", reason="numba is missing")
    with pytest.raises(ValueError, match='`backend="numba"` has the cells RNN, GRU, LSTM, got one'):
        DilatedRNN(3, 5, dilations=(1, 2), cell_type=OwnGRU, backend="numba")


def test_layers_of_torchs_cells_take_no_cell_of_the_users():
    with pytest.raises(ValueError, match="`cell_type` must be one of RNN, GRU, LSTM"):
        DilatedRNNLayer(3, 5, dilation=2, cell_type=OwnGRU)


@pytest.fixture(scope="module")
def dataset():
    return series.make_dataset(max_encoder_length=8, max_prediction_length=2)


def make_model(dataset, **options):
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        dataset, **{"hidden_size": 8, "dilations": (1, 3), "smoothed_anchors": False, **options}
    ).eval()


OPTIONS = [{"cell_type": OwnGRU}, {"cell_type": "LSTM", "input_kernel_size": 3}]


@pytest.mark.parametrize("options", OPTIONS, ids=["own cell", "kernel"])
def test_a_forecaster_of_a_variant_comes_back_from_a_checkpoint(dataset, options, tmp_path):
    model = make_model(dataset, **options)
    trainer = Trainer(max_steps=1, logger=False, enable_checkpointing=False, **QUIET)
    trainer.fit(model, dataset.to_dataloader(train=True, batch_size=64, num_workers=0))
    trainer.save_checkpoint(tmp_path / "model.ckpt")

    is_own = "cell_type" in options and isinstance(options["cell_type"], type)
    loaded = DilatedRNNForecaster.load_from_checkpoint(tmp_path / "model.ckpt", unsafe=is_own)
    x, _ = series.first_batch(dataset)
    expected = model.eval()(x)["prediction"]
    torch.testing.assert_close(loaded(x)["prediction"], expected, rtol=0, atol=0)


def test_a_checkpoint_whose_cell_is_gone_is_refused(dataset, tmp_path, monkeypatch):
    model = make_model(dataset, cell_type=OwnGRU)
    trainer = Trainer(max_steps=1, logger=False, enable_checkpointing=False, **QUIET)
    trainer.fit(model, dataset.to_dataloader(train=True, batch_size=64, num_workers=0))
    trainer.save_checkpoint(tmp_path / "model.ckpt")

    monkeypatch.delattr(sys.modules[__name__], "OwnGRU")
    with pytest.raises(ValueError, match=r"names a class that cannot be imported here: .*OwnGRU"):
        DilatedRNNForecaster.load_from_checkpoint(tmp_path / "model.ckpt", unsafe=True)


def test_a_cell_that_no_checkpoint_can_name_is_refused(dataset):
    with pytest.raises(ValueError, match=r"`cell_type` must be importable, .* got <function"):
        make_model(dataset, cell_type=lambda *sizes: OwnGRU(*sizes))


def test_a_users_cell_is_not_written_without_pickle(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"'cell_type'.* cannot be written without pickle.*OwnGRU"):
        make_model(dataset, cell_type=OwnGRU).save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_interpretation_knows_the_layers_of_a_users_cell(dataset):
    model = make_model(dataset, cell_type=OwnGRU)
    by_dilation = model.interpret_output(series.first_batch(dataset)[0]).by_dilation

    assert [dilation for dilation, _ in by_dilation] == [1, 3]
    assert (np.array([value for _, value in by_dilation]) > 0).all()


@pytest.mark.parametrize("options", OPTIONS, ids=["own cell", "kernel"])
def test_torch_export_gives_the_forecast_of_a_variant(dataset, options):
    model = make_model(dataset, **options)
    network = ForecastNetwork(model)
    inputs = network_inputs(model, series.first_batch(dataset)[0])

    program = torch.export.export(network, inputs)
    torch.testing.assert_close(program.module()(*inputs), network(*inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=["own cell", "kernel"])
def test_an_onnx_file_gives_the_forecast_of_a_variant_for_any_batch(dataset, options, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    model = make_model(dataset, **options)
    export_onnx(model, series.first_batch(dataset, batch_size=3)[0], tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    x, _ = series.first_batch(dataset, batch_size=17)
    names = {entry.name for entry in session.get_inputs()}
    values = zip(INPUTS, network_inputs(model, x), strict=True)
    feed = {name: value.numpy() for name, value in values if name in names}

    (prediction,) = session.run(None, feed)
    expected = model(x)["prediction"].detach().numpy()
    np.testing.assert_allclose(prediction, expected, rtol=1e-5, atol=1e-5)
