import pytest
import torch

from drnn_forecast.layers.segments import SegmentEmbedding
from drnn_forecast.layers.stack import DilatedRNN
from drnn_forecast.model.features import whole_segments

DOUBLE = {"rtol": 0, "atol": 1e-12}


def make_segments(length=4, input_size=3, hidden_size=5):
    torch.manual_seed(0)
    return SegmentEmbedding(input_size, hidden_size, length).double()


def probe(lengths, time):
    """Return `(time, batch, 1)` that counts the steps of each row from 1, padded with -1."""
    step = torch.arange(1, time + 1).unsqueeze(1).expand(-1, len(lengths))
    return torch.where(step <= torch.as_tensor(lengths), step, -1).unsqueeze(-1).double()


def test_a_segment_is_its_steps_side_by_side_through_the_linear_layer():
    segments = make_segments()
    x = torch.randn(12, 2, 3, dtype=torch.float64)

    expected = [
        segments.linear(torch.cat([x[4 * i + j, row] for j in range(4)]))
        for i in range(3)
        for row in range(2)
    ]
    actual = segments(x)
    assert actual.shape == (3, 2, 5)
    torch.testing.assert_close(actual.reshape(6, 5), torch.stack(expected), **DOUBLE)


@pytest.mark.parametrize("split_at", [0, 4, 16, 24])
@pytest.mark.parametrize("cell_type", ["RNN", "GRU", "LSTM"])
def test_splitting_a_sequence_between_segments_changes_nothing(cell_type, split_at):
    segments = make_segments()
    encoder = DilatedRNN(5, 6, dilations=(1, 2), cell_type=cell_type).double()
    x = torch.randn(24, 3, 3, dtype=torch.float64)

    whole, _ = encoder(segments(x))
    first, state = encoder(segments(x[:split_at]))
    second, _ = encoder(segments(x[split_at:]), state)
    torch.testing.assert_close(torch.cat([first, second]), whole, **DOUBLE)


def test_a_sequence_that_ends_inside_a_segment_is_refused():
    with pytest.raises(ValueError, match="whole number of segments of 4 time steps, got 10"):
        make_segments()(torch.zeros(10, 1, 3, dtype=torch.float64))


@pytest.mark.parametrize("length", [1, 4, 7])
def test_the_last_valid_step_ends_the_last_segment_and_zeros_precede_the_first(length):
    lengths = torch.tensor([0, 1, 3, 4, 8, 9, 10])
    steps, counts = whole_segments(probe(lengths, 10), lengths, length)

    assert len(steps) == -(-10 // length) * length
    assert counts.tolist() == [-(-n // length) for n in lengths.tolist()]
    for row, n in enumerate(lengths.tolist()):
        read = steps[: counts[row] * length, row, 0].tolist()
        assert read == [0] * (len(read) - n) + list(range(1, n + 1))


def test_no_history_has_no_segments():
    steps, counts = whole_segments(torch.zeros(0, 2, 3), torch.tensor([0, 0]), 4)

    assert steps.shape == (0, 2, 3)
    assert counts.tolist() == [0, 0]
    assert make_segments()(steps.double()).shape == (0, 2, 5)


def test_segments_of_one_step_leave_a_sequence_as_it_is():
    lengths = torch.tensor([2, 5])
    x = torch.randn(5, 2, 3)
    steps, counts = whole_segments(x, lengths, 1)

    assert counts.tolist() == [2, 5]
    torch.testing.assert_close(steps[:2], x[:2], rtol=0, atol=0)
    torch.testing.assert_close(steps[:, 1], x[:, 1], rtol=0, atol=0)
