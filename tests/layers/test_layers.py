import copy

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import nn

import reference
from drnn_forecast.layers.fusion import OutputFusion
from drnn_forecast.layers.layer import DilatedRNNLayer
from drnn_forecast.layers.recurrence import torch_cells
from drnn_forecast.layers.stack import DilatedRNN

CELLS = ["RNN", "GRU", "LSTM"]
DOUBLE = {"rtol": 0, "atol": 1e-12}  # sums of some hundred terms of order one in float64
GRADIENT = {"rtol": 0, "atol": 1e-10}  # the same, through up to sixty steps of backpropagation


@pytest.fixture(params=["torch", "numba"], scope="module", autouse=True)
def backend(request):
    """Run every law on torch's cells and on the compiled kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "drnn_forecast.layers.kernels.cpu.operator.is_faster",
            lambda *_, **__: request.param == "numba",
        )
        yield request.param


lengths = st.integers(1, 40)
dilations = st.integers(1, 12)
batches = st.integers(1, 4)


def weights_of(layer):
    return [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0]


def make_stack(cell_type, dilations, *, seed=0, **options):
    torch.manual_seed(seed)
    return DilatedRNN(3, 5, dilations=dilations, cell_type=cell_type, **options).double()


def assert_states_equal(one, other, **tolerance):
    """Compare two states, whatever the cell nests them in."""
    torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("cell_type", CELLS)
@given(length=lengths, dilation=dilations, batch=batches)
def test_a_layer_equals_the_step_by_step_recurrence_in_value_and_gradient(
    cell_type, length, dilation, batch
):
    torch.manual_seed(length)
    layer = DilatedRNNLayer(3, 5, dilation=dilation, cell_type=cell_type).double()
    x = torch.randn(length, batch, 3, dtype=torch.float64, requires_grad=True)

    output, _ = layer(x)
    expected = reference.dilated_layer(cell_type, x, weights_of(layer), dilation)
    torch.testing.assert_close(output, expected, **DOUBLE)

    inputs = [x, *weights_of(layer)]
    probe = torch.randn_like(output)
    gradients = torch.autograd.grad((output * probe).sum(), inputs)
    expected_gradients = torch.autograd.grad((expected * probe).sum(), inputs)
    torch.testing.assert_close(gradients, expected_gradients, **GRADIENT)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("schedule", [(1, 2, 4, 8), (2, 4), (1, 8, 13), (3,), (5, 3)])
@pytest.mark.parametrize("length", [1, 7, 16, 31])
def test_a_stack_equals_the_step_by_step_recurrence(cell_type, residual, schedule, length):
    model = make_stack(cell_type, schedule, residual=residual)
    x = torch.randn(length, 2, 3, dtype=torch.float64)

    layers = [weights_of(layer) for layer in model.layers]
    expected = reference.dilated_stack(cell_type, x, layers, schedule, residual)
    torch.testing.assert_close(model(x)[0], expected, **DOUBLE)


@pytest.mark.parametrize("cell_type", CELLS)
def test_dilation_one_with_the_weights_of_torch_gives_the_output_of_torch(cell_type):
    torch.manual_seed(0)
    theirs = getattr(nn, cell_type)(3, 5, num_layers=2).double()
    ours = DilatedRNN(3, 5, dilations=(1, 1), cell_type=cell_type).double()
    for index, layer in enumerate(ours.layers):
        layer.load_state_dict(
            {
                name.replace(f"_l{index}", "_l0"): value
                for name, value in theirs.state_dict().items()
                if name.endswith(f"_l{index}")
            }
        )
    x = torch.randn(11, 4, 3, dtype=torch.float64)

    output, state = ours(x)
    expected, last = theirs(x)
    torch.testing.assert_close(output, expected, **DOUBLE)
    h = torch.cat([part[0] if cell_type == "LSTM" else part for part in state])
    torch.testing.assert_close(h, last[0] if cell_type == "LSTM" else last, **DOUBLE)


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_state_dict_of_a_layer_moves_to_torch_and_back(cell_type):
    layer = DilatedRNNLayer(3, 5, dilation=4, cell_type=cell_type)
    theirs = getattr(nn, cell_type)(3, 5)

    theirs.load_state_dict(layer.state_dict())
    layer.load_state_dict(theirs.state_dict())
    assert list(layer.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("cell_type", CELLS)
def test_parameters_start_from_the_distribution_of_torch(cell_type):
    torch.manual_seed(3)
    ours = DilatedRNNLayer(3, 5, dilation=4, cell_type=cell_type)
    torch.manual_seed(3)
    theirs = getattr(nn, cell_type)(3, 5)

    torch.testing.assert_close(dict(ours.state_dict()), dict(theirs.state_dict()), rtol=0, atol=0)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("dilation", [1, 3, 4])
def test_the_output_at_t_depends_on_exactly_the_steps_t_minus_multiples_of_d(cell_type, dilation):
    torch.manual_seed(0)
    layer = DilatedRNNLayer(3, 5, dilation=dilation, cell_type=cell_type).double()
    x = torch.randn(17, 2, 3, dtype=torch.float64, requires_grad=True)
    t = 13

    (gradient,) = torch.autograd.grad(layer(x)[0][t].sum(), x)
    reached = set(gradient.abs().sum((1, 2)).nonzero().flatten().tolist())
    assert reached == set(range(t, -1, -dilation))


@pytest.mark.parametrize("cell_type", CELLS)
def test_paths_of_a_stack_connect_only_steps_that_agree_modulo_the_common_divisor(cell_type):
    model = make_stack(cell_type, (2, 4, 6))
    x = torch.randn(20, 1, 3, dtype=torch.float64, requires_grad=True)

    (gradient,) = torch.autograd.grad(model(x)[0][15].sum(), x)
    reached = set(gradient.abs().sum((1, 2)).nonzero().flatten().tolist())
    assert reached == {1, 3, 5, 7, 9, 11, 13, 15}


@pytest.mark.parametrize("cell_type", CELLS)
@given(data=st.data(), length=lengths, batch=batches)
def test_splitting_a_sequence_anywhere_changes_nothing(cell_type, data, length, batch):
    schedule = data.draw(st.lists(dilations, min_size=1, max_size=3))
    split_at = data.draw(st.integers(0, length))
    model = make_stack(cell_type, schedule)
    x = torch.randn(length, batch, 3, dtype=torch.float64)

    whole, last = model(x)
    first, state = model(x[:split_at])
    second, end = model(x[split_at:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, **DOUBLE)
    assert_states_equal(end, last, **DOUBLE)


@pytest.mark.parametrize("cell_type", CELLS)
def test_gradients_flow_through_the_state_of_a_split(cell_type):
    model = make_stack(cell_type, (1, 2, 4))
    x = torch.randn(13, 2, 3, dtype=torch.float64, requires_grad=True)

    (whole,) = torch.autograd.grad(model(x)[0].square().sum(), x)
    first, state = model(x[:6])
    second, _ = model(x[6:], state)
    (split,) = torch.autograd.grad(first.square().sum() + second.square().sum(), x)
    torch.testing.assert_close(split, whole, **GRADIENT)


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_content_of_padding_on_the_right_changes_no_valid_output(cell_type):
    model = make_stack(cell_type, (1, 2, 4))
    x = torch.randn(12, 2, 3, dtype=torch.float64)
    padded = x.clone()
    padded[9:] = 1e6

    torch.testing.assert_close(model(padded)[0][:9], model(x)[0][:9], rtol=0, atol=0)


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_batch_in_another_order_gives_the_same_rows(cell_type):
    model = make_stack(cell_type, (1, 2, 4))
    x = torch.randn(13, 6, 3, dtype=torch.float64)
    order = torch.randperm(6)

    torch.testing.assert_close(model(x[:, order])[0], model(x)[0][:, order], **DOUBLE)


@pytest.mark.parametrize("cell_type", CELLS)
def test_batch_first_swaps_the_axes_of_input_and_output_only(cell_type):
    model = make_stack(cell_type, (1, 3))
    swapped = copy.deepcopy(model)
    swapped.batch_first = True
    x = torch.randn(8, 2, 3, dtype=torch.float64)

    output, state = model(x)
    output_swapped, state_swapped = swapped(x.transpose(0, 1))
    torch.testing.assert_close(output_swapped.transpose(0, 1), output, rtol=0, atol=0)
    assert_states_equal(state_swapped, state, rtol=0, atol=0)


def test_every_layer_may_have_a_width_of_its_own():
    model = DilatedRNN(3, (4, 7, 2), dilations=(1, 2, 4), cell_type="LSTM")
    output, state = model(torch.randn(9, 2, 3))

    assert output.shape == (9, 2, 2)
    assert [tuple(h.shape) for h, _ in state] == [(1, 2, 4), (2, 2, 7), (4, 2, 2)]


def test_dropout_drops_between_layers_and_only_while_training():
    model = make_stack("GRU", (1, 2), dropout=0.5)
    x = torch.randn(9, 2, 3, dtype=torch.float64)

    assert not torch.equal(model(x)[0], model(x)[0])
    model.eval()
    torch.testing.assert_close(model(x)[0], model(x)[0], rtol=0, atol=0)
    without = make_stack("GRU", (1, 2))
    torch.testing.assert_close(model(x)[0], without(x)[0], rtol=0, atol=0)


def test_a_residual_layer_adds_what_it_reads_with_the_same_units_dropped():
    model = make_stack("RNN", (1, 1), dropout=0.5, residual=True)
    x = torch.randn(50, 2, 3, dtype=torch.float64)
    below, _ = model.layers[0](x)
    for weight in model.layers[1].parameters():
        torch.nn.init.zeros_(weight)  # so that the upper layer puts out what it adds: its input

    output, _ = model(x)
    is_dropped = output == 0
    # Of 500 units half are dropped, give or take 4.5 standard deviations of 11.
    assert 200 < is_dropped.sum() < 300
    torch.testing.assert_close(output[~is_dropped], 2 * below[~is_dropped], **DOUBLE)


def test_the_last_output_is_not_dropped():
    model = make_stack("GRU", (2,), dropout=0.9)
    x = torch.randn(9, 2, 3, dtype=torch.float64)

    torch.testing.assert_close(model(x)[0], model.eval()(x)[0], rtol=0, atol=0)


@pytest.mark.parametrize("length", [64, 60])
def test_a_multiple_of_the_dilation_is_folded_as_a_view(length, monkeypatch):
    seen = []

    def see(cell_type, weights, input, state):
        seen.append(input)
        return torch_cells(cell_type, weights, input, state)

    monkeypatch.setattr("drnn_forecast.layers.recurrence.torch_cells", see)
    x = torch.randn(length, 2, 3)
    DilatedRNNLayer(3, 5, dilation=8, backend="torch")(x)

    assert all(part.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() for part in seen)
    assert [part.shape[0] for part in seen] == ([8] if length == 64 else [7, 1])


@pytest.mark.parametrize("cell_type", CELLS)
def test_what_the_backward_pass_keeps_grows_linearly_with_time(cell_type):
    def saved_bytes(length):
        model = make_stack(cell_type, (1, 2, 4, 8)).float()
        total = 0

        def count(tensor):
            nonlocal total
            total += tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            model(torch.randn(length, 4, 3))
        return total

    # One torch call per layer at multiples of 8, so only the tensors' sizes differ.
    short, middle, long = saved_bytes(256), saved_bytes(512), saved_bytes(1024)
    assert long - middle == pytest.approx(2 * (middle - short), rel=0.01)


@given(width=st.integers(1, 6), length=lengths)
def test_fusion_equals_the_sum_over_the_last_g_outputs(width, length):
    torch.manual_seed(0)
    fusion = OutputFusion(4, width).double()
    x = torch.randn(length, 3, 4, dtype=torch.float64)
    weight, bias = fusion.convolution.weight, fusion.convolution.bias

    torch.testing.assert_close(fusion(x)[0], reference.fused_outputs(x, weight, bias), **DOUBLE)


@given(width=st.integers(1, 6), length=lengths, data=st.data())
def test_splitting_changes_nothing_through_fusion_either(width, length, data):
    torch.manual_seed(0)
    split_at = data.draw(st.integers(0, length))
    fusion = OutputFusion(4, width).double()
    x = torch.randn(length, 3, 4, dtype=torch.float64)

    whole, last = fusion(x)
    first, state = fusion(x[:split_at])
    second, end = fusion(x[split_at:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, **DOUBLE)
    torch.testing.assert_close(end, last, rtol=0, atol=0)


def test_fusion_over_the_common_divisor_restores_the_whole_past():
    model = make_stack("GRU", (2, 4))
    fusion = OutputFusion(5, 2).double()
    x = torch.randn(12, 1, 3, dtype=torch.float64, requires_grad=True)

    (gradient,) = torch.autograd.grad(fusion(model(x)[0])[0][11].sum(), x)
    assert gradient.abs().sum((1, 2)).nonzero().flatten().tolist() == list(range(12))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"hidden_size": 0}, ValueError, "`hidden_size` must be at least 1, got 0"),
        ({"hidden_size": 2.5}, TypeError, r"`hidden_size` must be an integer .* got 2\.5"),
        ({"hidden_size": (4, 4, 4)}, ValueError, r"one integer or one per layer \(2\), got 3"),
        ({"dilations": (1, 0)}, ValueError, "`dilations` must be at least 1, got 0"),
        ({"dilations": ()}, ValueError, "got an empty list"),
        (
            {"cell_type": "lstm"},
            ValueError,
            "`cell_type` must be one of RNN, GRU, LSTM, got 'lstm'",
        ),
        (
            {"backend": "fast"},
            ValueError,
            "`backend` must be one of auto, torch, numba, triton, got 'fast'",
        ),
        ({"dropout": 1.0}, ValueError, r"`dropout` must be at least 0 and below 1, got 1\.0"),
        ({"dropout": -0.1}, ValueError, r"`dropout` must be at least 0 and below 1, got -0\.1"),
        ({"dropout": "0.1"}, TypeError, "`dropout` must be a number"),
        ({"hidden_size": (4, 5), "residual": True}, ValueError, "`residual` needs layers of one"),
        ({"input_size": 0}, ValueError, "`input_size` must be at least 1, got 0"),
    ],
)
def test_an_impossible_architecture_is_refused(arguments, error, message):
    good = {"input_size": 3, "hidden_size": 4, "dilations": (1, 2)}
    with pytest.raises(error, match=message):
        DilatedRNN(**{**good, **arguments})


@pytest.mark.parametrize(
    ("input", "state", "message"),
    [
        (torch.zeros(5, 3), None, r"`input` must have three axes.*got \(5, 3\)"),
        (torch.zeros(5, 2, 4), None, "`input` must have 3 features in its last axis, got 4"),
        (torch.zeros(5, 2, 3), (), r"`state` must hold one entry per layer \(2\), got 0"),
        (
            torch.zeros(5, 2, 3),
            (torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)),
            r"`state` of a GRU layer .* \(2, 2, 4\), got \[\(1, 2, 4\)\]",
        ),
    ],
)
def test_a_tensor_of_another_shape_is_refused(input, state, message):
    with pytest.raises(ValueError, match=message):
        DilatedRNN(3, 4, dilations=(1, 2))(input, state)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            {"dtype": torch.float64},
            r"must have the dtype of the weights, torch\.float32, got torch\.float64",
        ),
        (
            {"dtype": torch.int64},
            r"must have the dtype of the weights, torch\.float32, got torch\.int64",
        ),
        ({"device": "meta"}, "must be on the device of the weights, cpu, got meta"),
    ],
)
@pytest.mark.parametrize("cell_type", CELLS)
def test_a_tensor_of_another_kind_than_the_weights_is_refused(cell_type, kind, message):
    model = DilatedRNN(3, 4, dilations=(2,), cell_type=cell_type)
    with pytest.raises(ValueError, match=f"`input` {message}"):
        model(torch.zeros(5, 2, 3, **kind))
    part = torch.zeros(2, 2, 4, **kind)
    with pytest.raises(ValueError, match=f"`state` {message}"):
        model(torch.zeros(5, 2, 3), [(part, part) if cell_type == "LSTM" else part])


@pytest.mark.parametrize(
    ("input", "state", "message"),
    [
        (torch.zeros(5, 2, 3), None, "`input` must have 4 features"),
        (torch.zeros(5, 2, 4), torch.zeros(3, 2, 4), r"\(width - 1, batch, hidden\) = \(1, 2, 4\)"),
    ],
)
def test_fusion_refuses_a_tensor_of_another_shape(input, state, message):
    with pytest.raises(ValueError, match=message):
        OutputFusion(4, 2)(input, state)
