"""The input map of a layer as a causal convolution with the layer's own dilation."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

import reference
from drnn_forecast.layers.layer import DilatedRNNLayer
from drnn_forecast.layers.stack import DilatedRNN

CELLS = ["RNN", "GRU", "LSTM"]
DOUBLE = {"rtol": 0, "atol": 1e-12}  # sums of some hundred terms of order one in float64
GRADIENT = {"rtol": 0, "atol": 1e-10}  # the same, through up to forty steps of backpropagation


@pytest.fixture(params=["torch", "numba"], scope="module", autouse=True)
def backend(request):
    """Run every law on torch's cells and on the compiled kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "drnn_forecast.layers.kernels.cpu.operator.is_faster",
            lambda *_, **__: request.param == "numba",
        )
        yield request.param


def make_layer(cell_type, dilation, kernel):
    torch.manual_seed(0)
    options = {"dilation": dilation, "cell_type": cell_type, "input_kernel_size": kernel}
    return DilatedRNNLayer(3, 5, **options).double()


def weights_of(layer):
    return [layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0]


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize(("dilation", "length"), [(1, 9), (3, 2), (3, 12), (4, 19), (6, 40)])
def test_a_layer_equals_the_step_by_step_sum_over_the_kernel_in_value_and_gradient(
    cell_type, kernel, dilation, length
):
    layer = make_layer(cell_type, dilation, kernel)
    x = torch.randn(length, 2, 3, dtype=torch.float64, requires_grad=True)
    inputs = [x, *weights_of(layer)]

    output, _ = layer(x)
    expected = reference.dilated_layer(cell_type, x, weights_of(layer), dilation, kernel)
    torch.testing.assert_close(output, expected, **DOUBLE)
    probe = torch.randn_like(output)
    torch.testing.assert_close(
        torch.autograd.grad((output * probe).sum(), inputs),
        torch.autograd.grad((expected * probe).sum(), inputs),
        **GRADIENT,
    )


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("residual", [False, True])
def test_a_stack_has_the_kernel_in_every_layer(cell_type, residual):
    torch.manual_seed(0)
    schedule = (1, 2, 5)
    model = DilatedRNN(
        3, 5, dilations=schedule, cell_type=cell_type, input_kernel_size=2, residual=residual
    ).double()
    x = torch.randn(17, 2, 3, dtype=torch.float64)

    layers = [weights_of(layer) for layer in model.layers]
    expected = reference.dilated_stack(cell_type, x, layers, schedule, residual, kernel=2)
    torch.testing.assert_close(model(x)[0], expected, **DOUBLE)


@pytest.mark.parametrize("cell_type", CELLS)
@given(
    data=st.data(), length=st.integers(1, 30), kernel=st.integers(1, 4), dilation=st.integers(1, 7)
)
def test_splitting_a_sequence_anywhere_changes_nothing(cell_type, data, length, kernel, dilation):
    split_at = data.draw(st.integers(0, length))
    torch.manual_seed(length)
    options = {"dilations": (dilation, 2), "cell_type": cell_type, "input_kernel_size": kernel}
    model = DilatedRNN(3, 4, **options).double()
    x = torch.randn(length, 2, 3, dtype=torch.float64)

    whole, last = model(x)
    first, state = model(x[:split_at])
    second, end = model(x[split_at:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, **DOUBLE)
    torch.testing.assert_close(end, last, **DOUBLE)


def test_gradients_flow_through_the_state_of_a_split():
    layer = make_layer("LSTM", 3, 3)
    x = torch.randn(13, 2, 3, dtype=torch.float64, requires_grad=True)

    (whole,) = torch.autograd.grad(layer(x)[0].square().sum(), x)
    first, state = layer(x[:5])
    second, _ = layer(x[5:], state)
    (split,) = torch.autograd.grad(first.square().sum() + second.square().sum(), x)
    torch.testing.assert_close(split, whole, **GRADIENT)


def test_feeding_one_step_at_a_time_gives_the_whole_output():
    layer = make_layer("GRU", 4, 2)
    x = torch.randn(15, 2, 3, dtype=torch.float64)
    state, outputs = None, []
    for step in x:
        output, state = layer(step[None], state)
        outputs.append(output)

    torch.testing.assert_close(torch.cat(outputs), layer(x)[0], **DOUBLE)


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_content_of_padding_on_the_right_changes_no_valid_output(cell_type):
    layer = make_layer(cell_type, 2, 3)
    x = torch.randn(12, 2, 3, dtype=torch.float64)
    padded = x.clone()
    padded[9:] = 1e6

    torch.testing.assert_close(layer(padded)[0][:9], layer(x)[0][:9], rtol=0, atol=0)


@pytest.mark.parametrize("cell_type", CELLS)
def test_from_a_state_of_zeros_the_output_at_t_reads_exactly_the_steps_of_the_kernel(cell_type):
    layer = make_layer(cell_type, 4, 3)
    x = torch.randn(20, 1, 3, dtype=torch.float64, requires_grad=True)
    zeros = (torch.zeros(4, 1, 5, dtype=torch.float64),) * (2 if cell_type == "LSTM" else 1)

    output, _ = layer(x[16:], (*zeros, x[8:16]))
    (gradient,) = torch.autograd.grad(output[3].sum(), x)
    assert gradient.abs().sum((1, 2)).nonzero().flatten().tolist() == [11, 15, 19]


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_kernel_of_one_is_the_layer_without_a_kernel(cell_type):
    plain = DilatedRNNLayer(3, 5, dilation=4, cell_type=cell_type).double()
    layer = make_layer(cell_type, 4, 1)

    layer.load_state_dict(plain.state_dict())
    x = torch.randn(11, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(x), plain(x), rtol=0, atol=0)


def test_the_kernel_widens_the_input_weights_only():
    layer = make_layer("LSTM", 4, 3)

    assert {name: tuple(part.shape) for name, part in layer.state_dict().items()} == {
        "weight_ih_l0": (20, 9),
        "weight_hh_l0": (20, 5),
        "bias_ih_l0": (20,),
        "bias_hh_l0": (20,),
    }
    assert "input_kernel_size=3" in repr(layer)


@pytest.mark.parametrize(
    ("kernel", "error", "message"),
    [
        (0, ValueError, "`input_kernel_size` must be at least 1, got 0"),
        (1.5, TypeError, "`input_kernel_size` must be an integer"),
    ],
)
def test_an_impossible_kernel_is_refused(kernel, error, message):
    with pytest.raises(error, match=message):
        DilatedRNN(3, 4, dilations=(1, 2), input_kernel_size=kernel)


def test_a_state_without_the_past_inputs_is_refused():
    layer = make_layer("GRU", 2, 3)
    x = torch.zeros(5, 1, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"2 tensor\(s\).*\(2, 1, 5\), \(4, 1, 3\), got \[\(2, 1,"):
        layer(x, torch.zeros(2, 1, 5, dtype=torch.float64))
