import sys
from pathlib import Path

import pytest

from drnn_forecast.evaluation.contenders.naive import SeasonalNaive

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.skipif(
    not (BENCHMARKS.parents[1] / "shared" / "data" / "m4").is_dir(),
    reason="the data of the accuracy benchmarks are not beside the checkout",
)


@pytest.fixture(scope="module", autouse=True)
def scripts():
    sys.path[:0] = [str(BENCHMARKS / "accuracy"), str(BENCHMARKS)]
    yield
    sys.path[:2] = []


@pytest.mark.parametrize(
    ("name", "season", "smape", "mase"),
    [("M4 Hourly", 24, 13.912, 1.193), ("M4 Weekly", 1, 9.161, 2.777)],
)
def test_the_naive_method_scores_what_the_competition_published(name, season, smape, mase):
    from runs import scores, windows
    from tasks import TASKS

    data, training, held_out = windows(TASKS[name], "test")
    values = SeasonalNaive(season).points(held_out)
    measured = scores(TASKS[name], data, held_out, values)
    last_learned = training.decoded_index.groupby("series")["time_idx_last"].max()
    first_scored = held_out.decoded_index.set_index("series")["time_idx_first_prediction"]

    assert measured["sMAPE"] == pytest.approx(smape, abs=1e-3)
    assert measured["MASE"] == pytest.approx(mase, abs=1e-3)
    assert (last_learned < first_scored[last_learned.index]).all()
    assert len(held_out) == {"M4 Hourly": 414, "M4 Weekly": 359}[name]


@pytest.mark.parametrize("name", ["ETTh1", "ETTh2"])
def test_every_window_of_stride_one_is_scored_and_none_of_it_was_learned(name):
    from runs import windows
    from tasks import TASKS

    _, training, held_out = windows(TASKS[name], "test")

    assert len(held_out) == 7 * 2785
    assert training.decoded_index["time_idx_last"].max() < 12 * 30 * 24
    assert held_out.decoded_index["time_idx_first_prediction"].min() == 16 * 30 * 24
    assert held_out.decoded_index["time_idx_last"].max() == 20 * 30 * 24 - 1


def test_a_choice_is_made_without_the_test_part():
    from runs import windows
    from tasks import CHOICE

    data, _, _ = windows(CHOICE["M4 Hourly"], "validation")
    whole = CHOICE["M4 Hourly"].load().history.groupby("series").size()

    assert (whole - data.history.groupby("series").size()).eq(48).all()
    assert data.future.empty
