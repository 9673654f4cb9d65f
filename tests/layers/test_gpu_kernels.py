"""The kernels of a GPU: interpreted on the CPU, or, with the marker `gpu`, on a device."""

import copy

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import reference
from drnn_forecast.layers.kernels.gpu import launch, operator as gpu, rule
from drnn_forecast.layers.layer import DilatedRNNLayer
from drnn_forecast.layers.recurrence import recurrence
from drnn_forecast.layers.stack import DilatedRNN

pytestmark = pytest.mark.skipif(not gpu.HAS_TRITON, reason="Triton has no wheel for this system")

HAS_GPU = torch.cuda.is_available()
CELLS = ["RNN", "GRU", "LSTM"]
SHAPES = [  # time, batch, features, hidden, dilation
    (5, 1, 1, 1, 1),
    (3, 2, 2, 3, 5),  # fewer steps than the dilation
    (8, 9, 3, 20, 2),  # a tile of lanes and some more, units that are padded
    (11, 3, 17, 16, 3),  # a ragged last step, sixteen units, which are not
]
TOLERANCE = {
    # Unit roundoffs of 6e-8, 5e-4 and 4e-3, some ten steps; gradients of weights sum over lanes.
    torch.float32: ({"rtol": 0, "atol": 1e-6}, {"rtol": 1e-5, "atol": 1e-5}),
    torch.float16: ({"rtol": 0, "atol": 5e-3}, {"rtol": 1e-2, "atol": 2e-2}),
    torch.bfloat16: ({"rtol": 0, "atol": 3e-2}, {"rtol": 5e-2, "atol": 1e-1}),
}


@pytest.fixture(
    params=[
        pytest.param(
            "cpu", marks=pytest.mark.skipif(HAS_GPU, reason="Triton compiles for the GPU here")
        ),
        pytest.param(
            "cuda",
            marks=[pytest.mark.gpu, pytest.mark.skipif(not HAS_GPU, reason="there is no GPU")],
        ),
    ]
)
def device(request, monkeypatch):
    """Return where the kernels run, in products as exact as float32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return request.param


def arguments(cell_type, shape, device, dtype=torch.float32):
    """Return what `recurrence` takes, with a state that is not zero."""
    time, batch, features, hidden, dilation = shape
    torch.manual_seed(time)
    weights = [part.detach() for part in getattr(nn, cell_type)(features, hidden).parameters()]
    x = torch.randn(time, batch, features)
    state = [torch.randn(dilation, batch, hidden) for _ in range(2 if cell_type == "LSTM" else 1)]
    x, *rest = (part.to(device, dtype).requires_grad_() for part in (x, *state, *weights))
    return x, tuple(rest[: len(state)]), rest[len(state) :]


def run(cell_type, x, state, weights):
    """Return what the kernels give."""
    return recurrence(cell_type, x, state, weights, dilation=len(state[0]), backend="triton")


def step_by_step(cell_type, x, state, weights):
    """Return output and last state of the reference, in float64 on the CPU."""
    dilation, states = len(state[0]), list(zip(*state, strict=True))
    for step in x:
        states.append(reference.cell_step(cell_type, [step], states[-dilation], weights))
    output = torch.stack([each[0] for each in states[dilation:]])
    return output, tuple(torch.stack(part) for part in zip(*states[-dilation:], strict=True))


def exact(*tensors):
    """Return the same numbers in float64 on the CPU."""
    return [each.detach().cpu().double().requires_grad_() for each in tensors]


def gradients(output, state, inputs):
    """Return gradients of a sum in which every result has a weight of its own."""
    generator = torch.Generator().manual_seed(1)
    total = sum(
        (part * torch.randn(part.shape, generator=generator).to(part)).sum()
        for part in (output, *state)
    )
    return torch.autograd.grad(total, inputs)


def assert_equals_the_reference(cell_type, x, state, weights):
    """Compare value and gradient of the kernels with those of the reference."""
    inputs = [x, *state, *weights]
    output, last = run(cell_type, x, state, weights)
    assert {part.dtype for part in (output, *last)} == {x.dtype}
    found = gradients(output, last, inputs)
    assert [part.dtype for part in found] == [part.dtype for part in inputs]

    of_x, *rest = own = exact(*inputs)
    expected, expected_last = step_by_step(cell_type, of_x, rest[: len(state)], rest[len(state) :])
    in_value, in_gradient = TOLERANCE[x.dtype]
    torch.testing.assert_close(exact(output, *last), [expected, *expected_last], **in_value)
    wanted = gradients(expected, expected_last, own)
    torch.testing.assert_close(exact(*found), list(wanted), check_stride=False, **in_gradient)


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernels_equal_the_step_by_step_recurrence_in_value_and_gradient(
    cell_type, shape, device
):
    assert_equals_the_reference(cell_type, *arguments(cell_type, shape, device))


@settings(max_examples=3)
@given(
    cell_type=st.sampled_from(CELLS),
    shape=st.tuples(
        st.integers(1, 12),
        st.integers(1, 6),
        st.integers(1, 5),
        st.integers(1, 18),
        st.integers(1, 6),
    ),
)
def test_so_they_do_for_sizes_that_are_drawn(cell_type, shape):
    device = "cuda" if HAS_GPU else "cpu"
    with torch.backends.cudnn.flags(allow_tf32=False):
        assert_equals_the_reference(cell_type, *arguments(cell_type, shape, device))


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_errs_by_its_rounding_alone(cell_type, dtype, device):
    assert_equals_the_reference(cell_type, *arguments(cell_type, (9, 3, 4, 6, 2), device, dtype))


@pytest.mark.parametrize("cell_type", CELLS)
def test_matrices_that_the_chip_cannot_hold_are_read_step_by_step(cell_type, device, monkeypatch):
    monkeypatch.setattr(launch, "ON_CHIP", 0)
    assert_equals_the_reference(cell_type, *arguments(cell_type, (7, 2, 3, 5, 2), device))


@pytest.mark.parametrize("cell_type", CELLS)
def test_autocast_computes_in_its_type_from_weights_in_their_own(cell_type, device):
    x, state, weights = arguments(cell_type, (7, 3, 4, 6, 2), device)
    with torch.autocast(device, torch.bfloat16):
        output, last = run(cell_type, x, state, weights)
    low = [part.detach().bfloat16().requires_grad_() for part in (x, *state, *weights)]
    count = len(state) + 1
    expected, expected_last = run(cell_type, low[0], tuple(low[1:count]), low[count:])

    assert output.dtype == torch.bfloat16
    tolerance = TOLERANCE[torch.bfloat16]
    torch.testing.assert_close((output, last), (expected, expected_last), **tolerance[0])
    found = gradients(output, last, [x, *state, *weights])
    assert {part.dtype for part in found} == {torch.float32}
    wanted = [part.float() for part in gradients(expected, expected_last, low)]
    torch.testing.assert_close(list(found), wanted, **tolerance[1])


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("split_at", [0, 2, 5])
def test_splitting_a_sequence_changes_nothing(cell_type, split_at, device):
    torch.manual_seed(0)
    layer = DilatedRNNLayer(3, 5, dilation=3, cell_type=cell_type, backend="triton").to(device)
    x = torch.randn(8, 2, 3, device=device)
    whole, end = layer(x)
    first, state = layer(x[:split_at])
    second, last = layer(x[split_at:], state)

    tolerance = TOLERANCE[torch.float32][0]
    torch.testing.assert_close((torch.cat([first, second]), last), (whole, end), **tolerance)


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_stack_of_them_equals_the_reference(cell_type, device):
    torch.manual_seed(0)
    model = DilatedRNN(
        3, 5, dilations=(1, 3), cell_type=cell_type, input_kernel_size=2, backend="triton"
    ).to(device)
    x = torch.randn(7, 2, 3, device=device)
    layers = [exact(*layer.parameters()) for layer in model.layers]
    expected = reference.dilated_stack(cell_type, exact(x)[0], layers, (1, 3), kernel=2)

    torch.testing.assert_close(exact(model(x)[0]), [expected], **TOLERANCE[torch.float32][0])


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("wanted", ["output", "state"])
def test_a_result_that_nobody_uses_adds_nothing_to_the_gradient(cell_type, wanted, device):
    x, state, weights = arguments(cell_type, (5, 3, 2, 4, 2), device)
    found = []
    for backend in ("triton", "torch"):
        output, last = recurrence(cell_type, x, state, weights, dilation=2, backend=backend)
        total = output.square().sum() if wanted == "output" else last[-1].square().sum()
        found.append(torch.autograd.grad(total, [x, *state, *weights]))

    torch.testing.assert_close(*found, **TOLERANCE[torch.float32][1])


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_backward_pass_can_be_run_twice_but_not_differentiated(cell_type, device):
    x, state, weights = arguments(cell_type, (4, 2, 2, 3, 2), device)
    total = run(cell_type, x, state, weights)[0].square().sum()

    (first,) = torch.autograd.grad(total, x, retain_graph=True)
    (second,) = torch.autograd.grad(total, x, create_graph=True)
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    with pytest.raises(RuntimeError, match=r"no second derivative.*`backend=.torch.`"):
        second.sum().backward()


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("keep", [False, True])
def test_the_operator_keeps_the_rules_of_torch(cell_type, keep, device):
    x, state, weights = arguments(cell_type, (4, 2, 3, 1, 2), device)
    lanes = [part.reshape(-1, 1) for part in state]
    given = [x.reshape(-1, 3), weights, lanes[0], lanes[-1]]
    if cell_type != "LSTM":
        given[-1] = x.new_zeros(0, 1)

    def leaf(part):
        return (
            [leaf(each) for each in part]
            if isinstance(part, list)
            else (part.detach().requires_grad_(keep))
        )

    torch.library.opcheck(
        gpu.gpu_forward,
        (gpu.CELLS[cell_type], *map(leaf, given), torch.float32, keep),
        test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
    )


@pytest.mark.parametrize(("cell_type", "is_cast"), [("RNN", False), ("GRU", True), ("LSTM", False)])
def test_a_compiled_graph_calls_the_kernels_without_a_break(cell_type, is_cast, device):
    torch.manual_seed(0)
    torch.compiler.reset()  # there is a limit to how often one function is compiled
    model = DilatedRNN(3, 5, dilations=(1, 3), cell_type=cell_type, backend="triton").to(device)
    graph = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = torch.randn(7, 2, 3, device=device, requires_grad=True)

    with torch.autocast(device, torch.bfloat16, enabled=is_cast):
        expected, output = model(x)[0], graph(x)[0]
    torch.testing.assert_close(output, expected, rtol=0, atol=0)
    (wanted,) = torch.autograd.grad(expected.square().sum(), x)
    (found,) = torch.autograd.grad(output.square().sum(), x)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    torch.compiler.reset()


@pytest.mark.parametrize("cell_type", CELLS)
def test_strides_of_input_and_state_change_nothing(cell_type, device):
    x, state, weights = arguments(cell_type, (5, 4, 3, 5, 2), device)
    expected = run(cell_type, x, state, weights)
    strided = [part.transpose(0, 1).contiguous().transpose(0, 1) for part in (x, *state)]
    output = run(cell_type, strided[0], tuple(strided[1:]), weights)

    torch.testing.assert_close(output, expected, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:overflow encountered")  # of the interpreter's exponentials
@pytest.mark.parametrize("cell_type", CELLS)
def test_large_numbers_saturate_and_a_nan_stays_in_its_sequence(cell_type, device):
    x, state, weights = arguments(cell_type, (4, 3, 2, 4, 1), device)
    with torch.no_grad():
        x[0, 0], x[0, 1], x[2, 2] = 1e6, -1e6, float("nan")
        output, _ = run(cell_type, x, state, weights)

    assert output[:, :2].isfinite().all()
    assert output[:2, 2].isfinite().all()
    assert output[2:, 2].isnan().all()


@pytest.mark.parametrize(("cell_type", "blocks"), [("RNN", 1), ("GRU", 1), ("LSTM", 2)])
def test_what_is_kept_for_the_backward_pass_is_the_output_and_the_c_of_an_lstm(
    cell_type, blocks, device
):
    x, state, weights = arguments(cell_type, (32, 4, 3, 8, 2), device)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda part: kept.append(part) or part, id):
        run(cell_type, x, state, weights)

    given = {part.untyped_storage().data_ptr() for part in (x, *state, *weights)}
    own = [part for part in kept if part.untyped_storage().data_ptr() not in given]
    assert sum(part.numel() for part in own) == 32 * 4 * 8 * blocks


def test_an_exported_graph_holds_the_cells_of_torch(device):
    model = DilatedRNN(3, 5, dilations=(1, 3), backend="triton").eval().to(device)
    program = torch.export.export(model, (torch.randn(7, 2, 3, device=device),))

    assert not any("drnn_forecast" in str(node.target) for node in program.graph.nodes)


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("time", [0, 3])
def test_nothing_to_read_gives_nothing_and_keeps_the_state(batch, time, device):
    layer = DilatedRNNLayer(3, 5, dilation=2, backend="triton").to(device)
    output, state = layer(torch.zeros(time, batch, 3, device=device))

    assert output.shape == (time, batch, 5)
    assert state.shape == (2, batch, 5)


@pytest.mark.parametrize(
    ("change", "hidden", "message"),
    [
        (lambda part: part.double(), 5, "float32, bfloat16 and float16, got .* torch.float64"),
        (lambda part: part.to("meta"), 5, "run on a GPU, got a tensor on meta"),
        (lambda part: part, 129, "at most 128 units in torch.float32, got 129"),
        (lambda part: part.bfloat16(), 257, "at most 256 units in torch.bfloat16, got 257"),
    ],
)
def test_kernels_asked_for_by_name_say_why_they_cannot_run(change, hidden, message):
    device = "cuda" if HAS_GPU else "cpu"
    x, state, weights = arguments("GRU", (2, 2, 3, hidden, 2), device)
    x, *rest = map(change, (x, *state, *weights))
    with pytest.raises(ValueError, match=f'`backend="triton"` cannot run here.*{message}'):
        recurrence("GRU", x, tuple(rest[:1]), rest[1:], dilation=2, backend="triton")


def test_tensors_of_two_types_are_refused_without_autocast():
    x, state, weights = arguments("GRU", (2, 2, 3, 4, 2), "cuda" if HAS_GPU else "cpu")
    with pytest.raises(ValueError, match=r"share one dtype, got torch.bfloat16 and torch.float32"):
        recurrence("GRU", x.bfloat16(), state, weights, dilation=2, backend="triton")


def test_without_a_gpu_the_kernels_say_so(monkeypatch):
    monkeypatch.setattr(gpu, "IS_INTERPRETED", False)
    layer = DilatedRNNLayer(3, 5, dilation=2, backend="triton")
    with pytest.raises(ValueError, match=r"run on a GPU, got a tensor on cpu.*`backend=.auto.`"):
        layer(torch.zeros(3, 2, 3))


def test_a_missing_triton_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(gpu, "HAS_TRITON", False)
    with pytest.raises(ImportError, match=r"pip install triton"):
        DilatedRNN(3, 5, dilations=(1, 2), backend="triton")


def test_a_cell_of_ones_own_is_refused():
    with pytest.raises(ValueError, match=r"`backend=.triton.` has the cells RNN, GRU, LSTM"):
        DilatedRNN(3, 5, dilations=(1, 2), cell_type=nn.GRUCell, backend="triton")


def measured(**changes):
    """Return a measurement of the layer below, which the kernels win."""
    known = {
        "gpu": torch.cuda.get_device_name() if HAS_GPU else "cpu",
        **{"cell": "GRU", "dtype": "float32", "units": 16, "lanes": 6, "steps": 4},
        **{"training": True, "fold": 2.0, "kernel": 1.0},
    }
    return rule.Measurement(**known | changes)


@pytest.mark.parametrize(
    ("measurements", "is_kernel"),
    [
        ((), False),
        ((measured(),), True),
        ((measured(kernel=3.0),), False),
        ((measured(kernel=3.0), measured(steps=8)), False),
        ((measured(), measured(steps=8, kernel=3.0)), True),
        ((measured(gpu="another"),), False),
        ((measured(cell="LSTM"),), False),
        ((measured(dtype="bfloat16"),), False),
        ((measured(units=64),), False),
        ((measured(lanes=13),), False),
        ((measured(training=False),), False),
    ],
)
def test_auto_runs_the_kernels_where_they_were_measured_to_be_faster(
    measurements, is_kernel, monkeypatch, device
):
    calls = []
    monkeypatch.setattr(rule, "MEASURED", measurements)
    monkeypatch.setattr(
        gpu, "gpu_recurrence", lambda *args, **_: calls.append(args) or (args[1], args[2])
    )
    layer = DilatedRNNLayer(3, 10, dilation=3, cell_type="GRU").to(device)
    layer(torch.zeros(11, 2, 3, device=device))

    assert bool(calls) == is_kernel


@pytest.mark.parametrize("obstacle", ["HAS_TRITON", "IS_INTERPRETED"])
def test_auto_takes_the_fold_silently_where_the_kernels_cannot_run(obstacle, monkeypatch):
    if HAS_GPU and obstacle == "IS_INTERPRETED":
        pytest.skip("The GPU runs them.")
    monkeypatch.setattr(rule, "MEASURED", (measured(),))
    monkeypatch.setattr(gpu, obstacle, False)
    monkeypatch.setattr(gpu, "gpu_recurrence", None)
    layer = DilatedRNNLayer(3, 10, dilation=3, cell_type="GRU")

    assert layer(torch.zeros(11, 2, 3))[0].shape == (11, 2, 10)


def test_measurements_are_read_as_the_benchmark_writes_them(tmp_path):
    path = tmp_path / "measured.csv"
    assert rule.read_measurements(path) == ()
    one = measured()
    path.write_text(f"{','.join(one._fields)}\n{','.join(map(str, one))}\n")
    assert rule.read_measurements(path) == (one,)


def test_a_state_dict_moves_between_backends(device):
    one = DilatedRNN(3, 5, dilations=(1, 2), backend="triton").to(device)
    other = copy.deepcopy(one)
    for layer in other.layers:
        layer.backend = "torch"
    x = torch.randn(6, 2, 3, device=device)

    torch.testing.assert_close(one(x)[0], other(x)[0], **TOLERANCE[torch.float32][0])
