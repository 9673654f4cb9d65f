import gzip
import importlib
import math
import re
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import fft
from torch import nn
from torch.nn import functional

from benchmarks.paper import data, report
from benchmarks.paper.command import RESULTS, in_order, parsed
from benchmarks.paper.copy_memory import CopyMemory
from benchmarks.paper.figures import styles_of
from benchmarks.paper.mfcc import COEFFICIENTS, FILTERS, FRAME, HOP, mel_filters, mfcc
from benchmarks.paper.models import (
    DilatedCNN,
    SequenceClassifier,
    SkipRNN,
    SymbolModel,
    classifier,
    initialised,
    parameter_count,
    skip_initialised,
    symbol_model,
    with_gates,
)
from benchmarks.paper.penn_treebank import Characters
from benchmarks.paper.search import starts_of
from benchmarks.paper.speakers import stretch
from benchmarks.paper.training import Run, Setting, conduct, read_table
from drnn_forecast.layers.dilations import dilation_schedule
from drnn_forecast.layers.stack import DilatedRNN

pytestmark = pytest.mark.slow

FOLDER = data.data_folder()
QUICK = Setting("quick", steps=6, batch_size=4, rows=3)
EXPERIMENTS = {  # the runs that the cheapest test of each script needs, and the folder that it reads
    "copy_memory": ("T = 500, dilated RNN", None),
    "pixel_mnist": ("plain, 196 steps, dilated RNN", "mnist"),
    "noisy_mnist": ("1000 steps, dilated RNN", "mnist"),
    "depth": ("2 layers", "mnist"),
    "start_exponent": ("4 layers, 32 to 256", "mnist"),
    "start_time": ("4 layers, 32 to 256", "mnist"),
    "penn_treebank": ("1 x 174", "ptb"),
    "speakers": ("MFCC", "fsdd"),
    "search": ("Penn Treebank, open gates, rate 0.001, undilated GRU, 1 x 174", "mnist"),
}


class Line:
    """Learn a constant; batches follow from the step."""

    def __init__(self, stop_at=None, scale=1.0):
        self.stop_at, self.scale = stop_at, scale

    def loss(self, network, step):
        if step == self.stop_at:
            raise KeyboardInterrupt
        noise = torch.randn(4, 1, generator=torch.Generator().manual_seed(step))
        return self.scale * (network(noise) - 2).square().mean()

    def score(self, network):
        return network.bias.item()


def run(task, seed=0):
    return Run("panel", "dilated line", seed, lambda: nn.Linear(1, 1), task)


def options(*arguments):
    return parsed("", QUICK, QUICK, (0,), list(arguments))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_writes_its_curve_and_its_figures(name, tmp_path, capsys):
    only, folder = EXPERIMENTS[name]
    if folder and not (FOLDER / folder).exists():
        pytest.skip(f"the data folder {FOLDER} has no {folder}")
    module = importlib.import_module(f"benchmarks.paper.{name}")

    module.main(["--steps", "2", "--seeds", "3", "--out", str(tmp_path), "--only", only])

    curves = pd.read_csv(tmp_path / f"{name}.csv")
    assert curves["step"].max() == 2
    assert set(curves["seed"]) == {3}
    assert np.isfinite(curves[["loss", "score"]].to_numpy()).all()
    assert all(path.stat().st_size > 5_000 for path in tmp_path.glob("*.png"))
    assert (tmp_path / f"{name}.png").exists()
    assert "2/2" in capsys.readouterr().err

    report.main(["--out", str(tmp_path)])
    assert f"## {name}" in (tmp_path / "results.md").read_text()


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--steps", "many"]])
def test_a_number_of_steps_below_one_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        options(*arguments)
    assert "--steps" in capsys.readouterr().err


@pytest.mark.parametrize("falls", [False, True])
def test_a_stopped_run_goes_on_to_the_same_curve(falls, tmp_path):
    values, setting = ["step", "loss", "score"], replace(QUICK, falls=falls)
    whole = conduct([run(Line())], setting, tmp_path / "whole.csv", quiet=True)
    with pytest.raises(KeyboardInterrupt):
        conduct([run(Line(stop_at=5))], setting, tmp_path / "parts.csv", quiet=True)

    joined = conduct([run(Line())], setting, tmp_path / "parts.csv", quiet=True)

    pd.testing.assert_frame_equal(joined[values], whole[values])
    assert not list((tmp_path / "unfinished").iterdir())


def test_a_finished_run_is_not_run_again(tmp_path):
    first = conduct([run(Line())], QUICK, tmp_path / "curves.csv", quiet=True)
    again = conduct([run(Line(stop_at=1))], QUICK, tmp_path / "curves.csv", quiet=True)
    pd.testing.assert_frame_equal(again, first)


def test_a_run_with_other_choices_takes_the_place_of_the_first_one(tmp_path):
    table = tmp_path / "curves.csv"
    conduct([run(Line())], QUICK, table, quiet=True)
    for other in (replace(run(Line()), learning_rate=0.1), replace(run(Line()), gates="open")):
        curves = conduct([other], QUICK, table, quiet=True)
        assert len(curves) == 3
        assert set(curves["gates"]) == {other.gates}
        assert set(curves["rate"]) == {other.learning_rate or QUICK.learning_rate}


def test_what_others_write_meanwhile_stays(tmp_path):
    table = tmp_path / "curves.csv"

    class Interleaved(Line):
        def score(self, network):
            conduct([run(Line(), seed=1)], QUICK, table, quiet=True)
            return super().score(network)

    curves = conduct([run(Interleaved())], QUICK, table, quiet=True)
    assert set(curves["seed"]) == {0, 1}


def test_a_learning_rate_falls_along_half_a_cosine():
    setting = replace(QUICK, steps=4, falls=True)
    rates = [setting.rate(0.2, step) for step in range(1, 5)]
    half = math.sqrt(0.5)
    expected = [0.2, 0.1 * (1 + half), 0.1, 0.1 * (1 - half)]
    assert rates == pytest.approx(expected)
    assert [QUICK.rate(0.2, step) for step in (1, 6)] == [0.2, 0.2]


def test_a_figure_has_the_rows_of_its_runs_in_their_order(tmp_path):
    names = ("dilated second", "dilated gone", "dilated first")
    runs = [replace(run(Line()), network=name) for name in names]
    curves = conduct(runs, QUICK, tmp_path / "curves.csv", quiet=True)
    found = in_order(curves, [runs[2], replace(runs[2], seed=1), runs[0]])
    assert found["network"].tolist() == ["dilated first"] * 3 + ["dilated second"] * 3
    assert found["step"].tolist() == [2, 4, 6] * 2


def test_a_run_of_other_length_takes_the_place_of_the_first_one_only(tmp_path):
    longer = Setting("quick", steps=9, batch_size=4, rows=3)
    conduct([run(Line()), run(Line(), seed=1)], QUICK, tmp_path / "curves.csv", quiet=True)
    conduct([run(Line())], longer, tmp_path / "curves.csv", quiet=True)
    last = read_table(tmp_path / "curves.csv").groupby("seed")["step"].max()
    assert last.to_dict() == {0: 9, 1: 6}


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    task = Line(scale=math.nan)
    with pytest.raises(FloatingPointError, match=r"loss of dilated line .* Lower the setting's"):
        conduct([run(task)], QUICK, tmp_path / "curves.csv", quiet=True)
    assert not (tmp_path / "curves.csv").exists()


@pytest.mark.parametrize("length", [1, 30])
def test_the_copy_task_asks_for_its_first_ten_symbols_at_its_end(length):
    task = CopyMemory(length, 3, seed=0, device=torch.device("cpu"))
    input, target = task.sequences(torch.Generator().manual_seed(0), 3)
    assert input.shape == target.shape == (length + 20, 3)
    assert torch.equal(input[:10], target[-10:])
    assert input[:10].max() < 8
    assert (input[10 : 10 + length - 1] == 8).all()
    assert (input[-11:] == 9).all()
    assert (target[:-10] == 8).all()


def test_the_memoryless_loss_is_that_of_guessing_among_eight_symbols():
    task = CopyMemory(500, 3, seed=0, device=torch.device("cpu"))
    _, target = task.sequences(torch.Generator().manual_seed(0), 3)
    logits = torch.full((520, 3, 10), -1e4)
    logits[:-10, :, 8] = 0
    logits[-10:, :, :8] = 0
    loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten())
    assert loss.item() == pytest.approx(task.memoryless_loss) == pytest.approx(0.0400, abs=5e-5)


def test_the_head_starts_with_the_frequencies_of_the_answers():
    task = CopyMemory(30, 4000, seed=0, device=torch.device("cpu"))
    _, target = task.sequences(torch.Generator().manual_seed(0), 4000)
    counted = torch.bincount(target.flatten(), minlength=10) / target.numel()
    found = symbol_model(task.frequencies, 4, (1,), "RNN").head.bias.softmax(dim=0)
    torch.testing.assert_close(found, counted, rtol=0.05, atol=2e-4)


@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
def test_a_skip_layer_reads_one_step_and_skip_steps_back(cell_type):
    torch.manual_seed(0)
    network = SkipRNN(2, 3, num_layers=1, skip=4, cell_type=cell_type).double()
    cell = {"RNN": nn.RNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}[cell_type](5, 3).double()
    weights = network.layers[0].state_dict()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in weights.items()})
    input = torch.randn(11, 2, 2, dtype=torch.float64)

    state, outputs = None, []
    for step, values in enumerate(input):
        far = outputs[step - 4] if step >= 4 else torch.zeros(2, 3, dtype=torch.float64)
        state = cell(torch.cat([values, far], dim=-1), state)
        outputs.append(state[0] if cell_type == "LSTM" else state)

    torch.testing.assert_close(network(input)[0], torch.stack(outputs), rtol=0, atol=1e-12)


def test_the_near_and_far_states_of_a_skip_layer_start_as_one_orthogonal_map():
    torch.manual_seed(0)
    network = skip_initialised(SkipRNN(3, 5, num_layers=2, skip=4, cell_type="RNN"), near=0.6)
    for layer in network.layers:
        near, far = layer.weight_hh_l0, layer.weight_ih_l0[:, -5:]
        torch.testing.assert_close(near @ near.t(), 0.36 * torch.eye(5), rtol=0, atol=1e-5)
        torch.testing.assert_close(far @ far.t(), 0.64 * torch.eye(5), rtol=0, atol=1e-5)


def test_a_run_may_have_a_learning_rate_of_its_own(tmp_path):
    own = replace(run(Line()), learning_rate=0.1)
    rates = [
        conduct([one], setting, tmp_path / f"{index}.csv", quiet=True)["loss"].tolist()
        for index, (one, setting) in enumerate(
            [(own, QUICK), (run(Line()), replace(QUICK, learning_rate=0.1)), (run(Line()), QUICK)]
        )
    ]
    assert rates[0] == rates[1] != rates[2]


@pytest.mark.parametrize(
    ("network", "starts"),
    [
        ("dilated RNN, 9 x 10", {"even"}),
        ("dilated CNN, 20 channels", {"even"}),
        ("undilated GRU, 1 x 174", {"wide", "open", "even", "keeping"}),
        ("dilated LSTM, 8 x 20", {"wide", "open", "even", "keeping"}),
    ],
)
def test_every_start_is_tried_where_there_are_gates(network, starts):
    assert set(starts_of(network)) == starts


def test_the_convolutions_see_the_sum_of_their_dilations_and_no_future():
    torch.manual_seed(0)
    network = DilatedCNN(1, 8, dilations=(1, 2, 4)).double()
    for layer in network.layers:  # positive everywhere, so that no ReLU hides a path
        nn.init.uniform_(layer.weight, 0.1, 1)
    input = torch.rand(20, 1, 1, dtype=torch.float64, requires_grad=True)
    network(input)[0][12].sum().backward()
    assert input.grad.flatten().nonzero().flatten().tolist() == list(range(12 - 7, 13))


@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
def test_a_stack_of_dilation_one_is_that_of_torch(cell_type):
    network = symbol_model([1 / 7] * 7, 4, (1, 1), cell_type).double()
    stack = getattr(nn, cell_type)(7, 4, 2).double()
    stack.load_state_dict(
        {
            name.replace("_l0", f"_l{index}"): value
            for index, layer in enumerate(network.encoder.layers)
            for name, value in layer.state_dict().items()
        }
    )
    symbols = torch.randint(7, (9, 2))
    expected = network.head(stack(functional.one_hot(symbols, 7).double())[0])
    torch.testing.assert_close(network(symbols), expected, rtol=0, atol=1e-12)


def test_a_classifier_reads_the_last_output_or_the_fused_last_ones():
    torch.manual_seed(0)
    plain = classifier(1, 4, 3, (4, 8), "GRU")
    fused = classifier(1, 4, 3, (4, 8), "GRU", fusion_width=4)
    input = torch.randn(20, 2, 1, requires_grad=True)
    reached = [
        torch.autograd.grad(network(input).sum(), input)[0][:, 0, 0].nonzero().flatten().tolist()
        for network in (plain, fused)
    ]
    assert reached[0] == [3, 7, 11, 15, 19]
    assert reached[1] == list(range(20))
    assert parameter_count(fused) - parameter_count(plain) == 4 * 4 * 4 + 4


@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
def test_the_weights_of_every_gate_start_orthogonal(cell_type):
    torch.manual_seed(0)
    layer = initialised(DilatedRNN(4, 4, dilations=(2,), cell_type=cell_type)).layers[0]
    for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
        squares = torch.stack([gate @ gate.t() for gate in weight.split(4)])
        torch.testing.assert_close(squares, torch.eye(4).expand_as(squares), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("cell_type", "gates", "expected"),
    [
        ("RNN", "open", [0]),
        ("GRU", "even", [0, 0, 0]),
        ("GRU", "keeping", [1, 1, 0]),
        ("LSTM", "even", [0, 1, 0, 0]),
        ("LSTM", "open", [3, -2, 0, 3]),
        ("LSTM", "wide", [5, -5, 0, 5]),
    ],
)
def test_gates_start_as_they_are_told(cell_type, gates, expected):
    network = initialised(DilatedRNN(4, 4, dilations=(2,), cell_type=cell_type))
    layer = with_gates(network, gates).layers[0]
    biases = (layer.bias_ih_l0 + layer.bias_hh_l0).split(4)
    assert [bias.unique().tolist() for bias in biases] == [[gate] for gate in expected]


@pytest.mark.parametrize("cell_type", ["GRU", "LSTM"])
def test_the_wider_gates_start_the_more_of_a_signal_they_pass_up(cell_type):
    passed = []
    for gates in ("wide", "open", "even", "keeping"):
        torch.manual_seed(0)
        network = initialised(DilatedRNN(4, 4, dilations=dilation_schedule(6), cell_type=cell_type))
        input = torch.zeros(1, 1, 4, requires_grad=True)
        with_gates(network, gates)(input)[0].sum().backward()
        passed.append(input.grad.norm().item())
    assert passed[0] > passed[1] > 4 * passed[2]
    assert passed[2] >= passed[3]


@pytest.mark.parametrize("others", [(), ("dilated CNN, 20 channels", "undilated LSTM, 9 x 20")])
def test_a_cell_has_one_colour_in_all_figures_and_a_line_for_each_network(others):
    networks = ["dilated RNN, 9 x 20", "undilated RNN, 9 x 20", "dilated GRU, 9 x 20"]
    styles = styles_of([*others, *networks], ordered=False)
    palette = mpl.colormaps["tab10"].colors
    expected = [(palette[2], "-"), (palette[2], "--"), (palette[0], "-")]
    assert [styles[name] for name in networks] == expected


def test_the_coefficients_are_those_of_an_independent_transform():
    waveform = np.random.default_rng(0).normal(size=1000)
    filters = mel_filters().double().numpy()
    window = np.hanning(FRAME)
    expected = []
    for start in range(0, 1000 - FRAME + 1, HOP):
        spectrum = np.abs(np.fft.fft(waveform[start : start + FRAME] * window, 256)[:129]) ** 2
        logarithms = np.log(filters @ (spectrum / 256))
        expected.append(fft.dct(logarithms, norm="ortho")[:COEFFICIENTS])
    found = mfcc(torch.tensor(waveform, dtype=torch.float32)[None])[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_the_filters_are_triangles_that_add_up_to_one_between_the_outer_peaks():
    filters = mel_filters()
    peaks = filters.argmax(dim=1)
    assert filters.shape == (FILTERS, 129)
    assert (peaks.diff() > 0).all()
    between = filters.sum(dim=0)[peaks[0] + 1 : peaks[-1]]
    torch.testing.assert_close(between, torch.ones_like(between), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("length", "silent"), [(5, 0), (10, 0), (14, 4)])
def test_a_stretch_is_scaled_and_comes_after_silence(length, silent):
    found = stretch(torch.arange(10, dtype=torch.int16) * 1000, 0.5, length)
    assert found.shape == (length,)
    assert (found[:silent] == 0).all()
    assert (found[silent:].diff() > 0).all()
    assert found[silent:].std().item() == pytest.approx(1, rel=0.01)


def test_every_late_character_is_scored_once_with_its_past():
    text = "abcd" * 25
    task = Characters(text, text, window=8, options=options(), seed=0)
    seen = []

    class Counting(nn.Module):
        def forward(self, characters):
            seen.append(characters.shape)
            return torch.zeros(*characters.shape, 4)

    assert task.score(Counting()) == pytest.approx(2)  # four symbols, all alike
    assert seen == [(8, (100 - 8 - 1) // 4 + 1)]


def test_a_symbol_model_does_not_see_the_future():
    torch.manual_seed(0)
    network = SymbolModel(DilatedRNN(5, 4, dilations=(1, 2)), 4, 5)
    symbols = torch.randint(5, (9, 1))
    changed = symbols.clone()
    changed[6:] = (changed[6:] + 1) % 5
    torch.testing.assert_close(network(symbols)[:6], network(changed)[:6], rtol=0, atol=0)


def test_the_classifier_takes_any_encoder():
    network = SequenceClassifier(DilatedCNN(1, 4, dilations=(1, 2)), 4, 3)
    assert network(torch.randn(9, 2, 1)).shape == (2, 3)


def test_a_missing_file_is_named_with_its_checksum_and_the_remedy(tmp_path):
    expected = data.CHECKSUMS["ptb/ptb.valid.txt.gz"]
    message = rf"ptb/ptb\.valid\.txt\.gz` does not exist.*{expected}.*--data"
    with pytest.raises(FileNotFoundError, match=message):
        data.load_characters(tmp_path, "valid")


def test_other_content_is_refused_by_both_checksums(tmp_path):
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / "ptb.valid.txt.gz").write_bytes(gzip.compress(b"other words\n"))
    expected = data.CHECKSUMS["ptb/ptb.valid.txt.gz"]
    with pytest.raises(OSError, match=rf"sha256 {expected}, got [0-9a-f]{{64}}. Fetch it again"):
        data.load_characters(tmp_path, "valid")


def test_speech_of_other_content_is_refused(tmp_path):
    (tmp_path / "fsdd").mkdir()
    (tmp_path / "fsdd" / "fsdd_int16.npz").write_bytes(b"PK")
    with pytest.raises(OSError, match=r"content of `.*fsdd_int16.npz` must have the sha256"):
        data.load_speech(tmp_path)


@pytest.mark.parametrize("content", [b"plain text", gzip.compress(b"words" * 99, mtime=0)[:-9]])
def test_a_file_that_does_not_decompress_is_refused(content, tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(OSError, match=r"train-images-idx3-ubyte.gz` must be a gzip file"):
        data.load_digits(tmp_path, "train")


HEADER = b"\x00\x00\x08\x02" + (2).to_bytes(4, "big") + (3).to_bytes(4, "big")


def test_an_idx_file_has_the_shape_of_its_header():
    found = data.idx_array(HEADER + bytes(range(6)), name="digits")
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "`digits` must be an idx file of bytes"),
        (b"\x00\x00\x0d\x01" + bytes(8), "got '00000d'"),
        (HEADER[:9], re.escape("must hold 12 bytes for its shape (2, 0), got 9")),
        (HEADER + bytes(5), re.escape("must hold 18 bytes for its shape (2, 3), got 17")),
        (HEADER + bytes(7), re.escape("must hold 18 bytes for its shape (2, 3), got 19")),
    ],
)
def test_content_that_is_not_idx_is_refused(content, message):
    with pytest.raises(OSError, match=message):
        data.idx_array(content, name="digits")


def test_the_folder_is_given_by_argument_then_by_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(data.ENVIRONMENT, str(tmp_path / "environment"))
    assert options().data == tmp_path / "environment"
    assert options("--data", str(tmp_path)).data == tmp_path


@pytest.mark.skipif(not (FOLDER / "ptb").exists(), reason=f"the data folder {FOLDER} has no ptb")
def test_the_text_has_the_length_that_the_field_counts():
    assert len(data.load_characters(FOLDER, "valid")) == 393_042
    assert len(data.load_characters(FOLDER, "test")) == 442_423


@pytest.mark.skipif(not (FOLDER / "fsdd").exists(), reason=f"the data folder {FOLDER} has no fsdd")
def test_the_speech_has_its_official_split():
    speech = data.load_speech(FOLDER)
    assert len(speech.recordings) == 3_000
    assert sum(map(len, speech.recordings)) == 10_498_424
    assert speech.is_test.sum() == 300
    assert np.bincount(speech.speakers[speech.is_test]).tolist() == [50] * 6


def test_the_page_of_claims_has_every_picture_of_the_results():
    page = Path(__file__).parents[2] / "docs" / "paper.md"
    linked = re.findall(r"\]\((\S+?\.png)\)", page.read_text())
    found = {(page.parent / picture).resolve() for picture in linked}
    assert found == set(RESULTS.glob("*.png"))
    assert len(found) >= 15
    assert all(picture.stat().st_size > 5_000 for picture in found)
