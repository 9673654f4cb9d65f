import copy

import numpy as np
import pytest
import torch
from torch import nn

from drnn_forecast.layers.kernels.cpu import operator as cpu, passes as kernels
from drnn_forecast.layers.layer import DilatedRNNLayer
from drnn_forecast.layers.recurrence import recurrence
from drnn_forecast.layers.stack import DilatedRNN

CELLS = ["RNN", "GRU", "LSTM"]
# Tiles are 16 or 32 lanes of float32 here and 8 or 16 of float64, strips 4 columns: one lane, a
# ragged last step, a full tile and one lane more, and every remainder of a strip are among these.
SHAPES = [  # time, batch, features, hidden, dilation
    (9, 1, 1, 1, 1),
    (2, 3, 4, 6, 5),
    (12, 8, 3, 20, 2),
    (11, 11, 5, 7, 3),
    (7, 35, 17, 9, 2),
    (64, 2, 2, 16, 32),
]
TOLERANCE = {
    # Sums of some hundred terms of order one, through up to twelve steps.
    torch.float64: ({"rtol": 0, "atol": 1e-12}, {"rtol": 0, "atol": 1e-10}),
    # The same with a unit roundoff of 6e-8; a weight's gradient sums some hundred lanes as well.
    torch.float32: ({"rtol": 0, "atol": 2e-6}, {"rtol": 1e-4, "atol": 1e-4}),
}


def compiled(cell_type, x, state, weights):
    """Return what the kernels give; the states here have one part for each step of the dilation."""
    return cpu.compiled_recurrence(cell_type, x, state, weights, dilation=len(state[0]))


def of_torch(cell_type, x, state, weights):
    """Return what torch's cells give."""
    return recurrence(cell_type, x, state, weights, dilation=len(state[0]), backend="torch")


def arguments(cell_type, shape, dtype=torch.float64, requires_grad=True):
    """Return what `recurrence` takes, with a state that is not zero."""
    time, batch, features, hidden, dilation = shape
    torch.manual_seed(time)
    weights = list(getattr(nn, cell_type)(features, hidden).to(dtype).parameters())
    x = torch.randn(time, batch, features, dtype=dtype)
    state = tuple(
        torch.randn(dilation, batch, hidden, dtype=dtype)
        for _ in range(2 if cell_type == "LSTM" else 1)
    )
    for tensor in (x, *state, *weights):
        tensor.requires_grad_(requires_grad)
    return x, state, weights


def gradients(output, state, inputs):
    """Return gradients of a sum in which every result has a weight of its own."""
    torch.manual_seed(1)
    total = sum((part * torch.randn_like(part)).sum() for part in (output, *state))
    return torch.autograd.grad(total, inputs)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_compiled_kernels_equal_the_cells_of_torch_in_value_and_gradient(
    cell_type, dtype, shape
):
    x, state, weights = arguments(cell_type, shape, dtype)
    output, last = compiled(cell_type, x, state, weights)
    expected, expected_last = of_torch(cell_type, x, state, weights)

    in_value, in_gradient = TOLERANCE[dtype]
    torch.testing.assert_close((output, last), (expected, expected_last), **in_value)
    inputs = [x, *state, *weights]
    torch.testing.assert_close(
        gradients(output, last, inputs), gradients(expected, expected_last, inputs), **in_gradient
    )


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_gradient_of_the_kernels_is_that_of_finite_differences(cell_type):
    x, state, weights = arguments(cell_type, (5, 2, 2, 3, 2))
    count = len(state)

    def run(x, *rest):
        output, last = compiled(cell_type, x, rest[:count], rest[count:])
        return output, *last

    assert torch.autograd.gradcheck(run, (x, *state, *weights))


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("wanted", ["output", "state"])
def test_a_result_that_nobody_uses_adds_nothing_to_the_gradient(cell_type, wanted):
    x, state, weights = arguments(cell_type, (7, 3, 2, 4, 2))
    inputs = [x, *state, *weights]
    found = []
    for run in (compiled, of_torch):
        output, last = run(cell_type, x, state, weights)
        total = output.square().sum() if wanted == "output" else last[-1].square().sum()
        found.append(torch.autograd.grad(total, inputs))

    torch.testing.assert_close(*found, **TOLERANCE[torch.float64][1])


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_backward_pass_can_be_run_twice_but_not_differentiated(cell_type):
    x, state, weights = arguments(cell_type, (6, 2, 2, 3, 2))
    total = compiled(cell_type, x, state, weights)[0].square().sum()

    (first,) = torch.autograd.grad(total, x, retain_graph=True)
    (second,) = torch.autograd.grad(total, x, create_graph=True)
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match=r"no second derivative.*`backend=.torch.`"):
        second.sum().backward()


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("keep", [False, True])
def test_the_operator_keeps_the_rules_of_torch(cell_type, keep):
    x, state, weights = arguments(cell_type, (6, 2, 3, 4, 4), requires_grad=keep)
    lanes = [part.detach().reshape(-1, 4).requires_grad_(keep) for part in state]
    empty = torch.zeros(0, 4, dtype=torch.float64)
    weight = cpu.packed_weight(cell_type, weights).detach().requires_grad_(keep)
    rows = x.detach().reshape(-1, 3).requires_grad_(keep)
    c = lanes[-1] if cell_type == "LSTM" else empty

    torch.library.opcheck(
        cpu.recurrence_forward,
        (cpu.CELLS[cell_type], rows, weight, lanes[0], c, keep),
        test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
    )


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("backend", ["auto", "numba"])
def test_a_compiled_graph_calls_the_kernels_without_a_break(cell_type, backend):
    torch.manual_seed(0)
    model = DilatedRNN(3, 5, dilations=(1, 3), cell_type=cell_type, backend=backend).double()
    graph = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = torch.randn(10, 2, 3, dtype=torch.float64, requires_grad=True)

    expected, output = model(x)[0], graph(x)[0]
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    (wanted,) = torch.autograd.grad(expected.square().sum(), x)
    (found,) = torch.autograd.grad(output.square().sum(), x)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


@pytest.mark.parametrize("cell_type", CELLS)
def test_an_exported_graph_holds_the_cells_of_torch(cell_type):
    model = DilatedRNN(3, 5, dilations=(1, 3), cell_type=cell_type, backend="numba").eval()
    x = torch.randn(10, 2, 3)
    program = torch.export.export(model, (x,))

    assert not any("drnn_forecast" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(x)[0], model(x)[0], **TOLERANCE[torch.float32][0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_is_right_to_two_units_in_the_last_place(dtype):
    x = torch.cat([torch.linspace(-12, 12, 4001), torch.logspace(-30, 0, 500)]).to(dtype)
    one, zero = torch.ones(1, 1, dtype=dtype), torch.zeros(1, dtype=dtype)
    weights = (one, one, zero, zero)
    start = (torch.zeros(1, len(x), 1, dtype=dtype),)
    output, _ = compiled("RNN", x.view(1, -1, 1), start, weights)

    exact = np.tanh(x.double().numpy().astype(np.longdouble))
    error = np.abs(output.flatten().numpy() - exact)
    assert (error <= 2 * torch.finfo(dtype).eps * np.abs(exact)).all()


@pytest.mark.parametrize("cell_type", CELLS)
def test_large_numbers_saturate_and_a_nan_stays_in_its_sequence(cell_type):
    x, state, weights = arguments(cell_type, (8, 3, 2, 4, 1), torch.float32, requires_grad=False)
    x[0, 0], x[0, 1], x[2, 2] = 1e6, -1e6, float("nan")
    output, _ = compiled(cell_type, x, state, weights)

    assert output[:, :2].isfinite().all()
    assert output[:2, 2].isfinite().all()
    assert output[2:, 2].isnan().all()


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_number_of_threads_changes_nothing(cell_type, monkeypatch):
    x, state, weights = arguments(cell_type, (9, 30, 3, 5, 3))
    inputs = [x, *state, *weights]
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        output, last = compiled(cell_type, x, state, weights)
        found.append((output, gradients(output, last, inputs)))

    torch.testing.assert_close(*found, **TOLERANCE[torch.float64][1])


@pytest.mark.parametrize("cell_type", CELLS)
def test_strides_of_input_and_state_change_nothing(cell_type):
    x, state, weights = arguments(cell_type, (9, 4, 3, 5, 2), requires_grad=False)
    expected = compiled(cell_type, x, state, weights)
    strided = [part.transpose(0, 1).contiguous().transpose(0, 1) for part in (x, *state)]
    output = compiled(cell_type, strided[0], tuple(strided[1:]), weights)

    torch.testing.assert_close(output, expected, rtol=0, atol=0)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_recomputing_layers_keeps_less_and_changes_no_gradient(cell_type, backend):
    torch.manual_seed(0)
    model = DilatedRNN(3, 8, dilations=(1, 2, 4), cell_type=cell_type, backend=backend).double()
    other = copy.deepcopy(model)
    other.checkpoint_layers = True
    x = torch.randn(32, 4, 3, dtype=torch.float64)
    kept, found = [], []
    for network in (model, other):
        total = 0

        def count(tensor):
            nonlocal total
            total += tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            loss = network(x)[0].square().sum()
        kept.append(total)
        found.append(torch.autograd.grad(loss, list(network.parameters())))

    assert kept[1] < kept[0] / 2
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_a_state_dict_moves_between_backends():
    one = DilatedRNN(3, 5, dilations=(1, 2), backend="numba")
    other = DilatedRNN(3, 5, dilations=(1, 2), backend="torch")
    other.load_state_dict(one.state_dict())
    x = torch.randn(9, 2, 3)

    torch.testing.assert_close(one(x)[0], other(x)[0], **TOLERANCE[torch.float32][0])


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("time", [0, 3])
@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_nothing_to_read_gives_nothing_and_keeps_the_state(batch, time, backend):
    layer = DilatedRNNLayer(3, 5, dilation=2, backend=backend)
    output, state = layer(torch.zeros(time, batch, 3))

    assert output.shape == (time, batch, 5)
    assert state.shape == (2, batch, 5)


def test_kept_kernels_are_those_of_the_sources_at_hand():
    empty = np.zeros(0, np.float32)
    sizes = kernels.Sizes(0, 1, 1, 1, 16, 0, 0, 0)
    run = kernels.Run(*[empty] * 8)

    assert kernels.forward(cpu.CELLS["GRU"], sizes, 0, 0, run, np.zeros(80, np.float32)) == (
        kernels.source_digest()
    )


def test_a_missing_numba_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(cpu, "HAS_NUMBA", False)
    with pytest.raises(ImportError, match=r"pip install numba"):
        DilatedRNN(3, 5, dilations=(1, 2), backend="numba")


def test_without_numba_auto_runs_the_cells_of_torch(monkeypatch):
    monkeypatch.setattr(cpu, "HAS_NUMBA", False)
    monkeypatch.setattr(cpu, "compiled_recurrence", None)

    assert DilatedRNN(3, 5, dilations=(1, 2))(torch.zeros(4, 2, 3))[0].shape == (4, 2, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, state, weights: (x.half(), state, weights), "an input of torch.float16"),
        (lambda x, state, weights: (x.double(), state, weights), "torch.float64 and torch.float32"),
        (
            lambda x, state, weights: (x, tuple(part.double() for part in state), weights),
            "torch.float32 and torch.float64",
        ),
        (lambda x, state, weights: (x.to("meta"), state, weights), "got a tensor on meta"),
    ],
)
def test_kernels_asked_for_by_name_say_why_they_cannot_run(change, message):
    x, state, weights = change(
        *arguments("GRU", (4, 2, 3, 5, 2), torch.float32, requires_grad=False)
    )
    with pytest.raises(ValueError, match=f'`backend="numba"` cannot run here.*{message}'):
        recurrence("GRU", x, state, weights, dilation=2, backend="numba")


@pytest.mark.parametrize("cell_type", CELLS)
def test_autocast_falls_back_to_the_cells_of_torch(cell_type):
    torch.manual_seed(0)
    model = DilatedRNN(3, 5, dilations=(1, 2), cell_type=cell_type)
    plain = copy.deepcopy(model)
    for layer in plain.layers:
        layer.backend = "torch"
    x = torch.randn(6, 2, 3)

    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model(x)[0], plain(x)[0], rtol=0, atol=0)
        for layer in model.layers:
            layer.backend = "numba"
        with pytest.raises(ValueError, match="autocast asks for a lower precision"):
            model(x)
