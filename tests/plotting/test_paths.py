"""Pictures of recurrent architectures, and the command that writes them."""

import itertools

import numpy as np
import pytest

from drnn_forecast.cli import main
from drnn_forecast.layers.paths.graph import shortest_path, stack_edges
from drnn_forecast.layers.paths.length import mean_recurrent_length
from drnn_forecast.plotting.paths import length_by_depth, unrolled_network


def test_the_unrolled_network_has_every_edge_within_its_steps_and_the_path_heavy():
    edges = stack_edges([1, 4])
    path = shortest_path(edges, 5)
    figure = unrolled_network(edges, path, distance=5, labels=["input", "one", "two"], title="Net")
    (axis,) = figure.axes

    forward, recurrent, heavy = axis.collections[:3]
    assert len(forward.get_segments()) == 2 * 6  # between three rows at six steps
    assert len(recurrent.get_segments()) == 5 + 2  # over one step, and over four
    ends = [[tuple(curve[0]), tuple(curve[-1])] for curve in heavy.get_segments()]
    nodes = [(time, node) for node, time in path]
    np.testing.assert_allclose(ends, list(itertools.pairwise(nodes)), atol=1e-12)
    assert heavy.get_linewidths() > 2 * recurrent.get_linewidths()
    assert [text.get_text() for text in axis.get_yticklabels()] == ["input", "one", "two"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["feed-forward", "recurrent", "a shortest path (4 edges)"]


def test_where_no_path_leads_there_the_picture_says_so():
    edges = stack_edges([2])
    figure = unrolled_network(edges, [], distance=3, labels=["input", "one"], title="Net")

    assert figure.legends[0].get_texts()[-1].get_text() == "no path"


def test_the_lengths_by_depth_have_a_line_per_kind():
    figure = length_by_depth({"dilated": {2: 3.0, 3: 4.0}, "plain": {2: 5.0, 3: 9.0}}, title="L")
    (axis,) = figure.axes

    assert [list(line.get_ydata()) for line in axis.lines] == [[3.0, 4.0], [5.0, 9.0]]
    assert axis.get_ylabel() == "mean recurrent length (edges)"


def test_the_command_shows_a_schedule_beside_skip_and_plain_stacks(capsys, tmp_path):
    picture, depths = tmp_path / "net.png", tmp_path / "depth.png"
    arguments = ["--dilations", "[1,8,13,64]", "--out", str(picture), "--depth_out", str(depths)]
    assert main(["memory", *arguments]) == 0

    printed = capsys.readouterr().out
    assert f"{mean_recurrent_length((1, 8, 13, 64)):.3f}" in printed
    assert f"{mean_recurrent_length([(1, 64)] * 4):.3f}" in printed
    assert f"{mean_recurrent_length([1] * 4, period=64):.3f}" in printed
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (picture, depths))


def test_the_command_ranks_schedules_for_a_length(capsys):
    assert main(["memory", "--encoder_length", "168", "--top", "3"]) == 0

    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 6
    assert rows[3].split()[:4] == ["1", "4", "16", "64"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Pass `--encoder_length`, or a schedule"),
        (["--dilations", "[1,0]"], "`dilations` must be at least 1, got 0"),
        (["--dilations", "[]"], "got an empty list"),
        (["--encoder_length", "0"], "`encoder_length` must be at least 1, got 0"),
        (["--num_layers", "3", "--top", "0"], "`top` must be at least 1, got 0"),
        (["--num_layers", "3", "--input_kernel_size", "0"], "`input_kernel_size` must be at least"),
    ],
)
def test_the_command_refuses_what_is_no_schedule(arguments, message, capsys, tmp_path):
    assert main(["memory", *arguments, "--out", str(tmp_path / "net.png")]) == 2

    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
