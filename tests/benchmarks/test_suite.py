import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from benchmarks.suite.classical import seasonal_naive
from benchmarks.suite.frames import DATA, tidy
from benchmarks.suite.naive import compared
from benchmarks.suite.protocol import LEVELS, Forecasts, calibrated, coverage, scores
from benchmarks.suite.tasks import (
    FEV,
    HALVES,
    Task,
    before_test,
    cut,
    dev_split,
    listed,
    origins,
)

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the public data are not at {DATA}")

QUICK = ("M1 yearly", "M1 quarterly", "covid", "exchange", "hospital")


def made_up(*, sizes: tuple[int, ...] = (40, 33), gap: int | None = None) -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=max(sizes), freq="D")
    wide = pd.DataFrame(index=times)
    for number, size in enumerate(sizes):
        values = np.full(len(times), np.nan)
        values[len(times) - size :] = np.arange(size) % 7 + 10.0 * number
        wide[f"s{number}"] = values
    if gap is not None:
        wide.iloc[gap, 0] = np.nan
    return tidy(wide, season=7)


def task(**changes: object) -> Task:
    options = {"windows": 2, "stride": 5, **changes}
    return Task("made up", "development", "made up", "D", 4, 7, made_up, **options)


@needs_data
@pytest.mark.parametrize("name", QUICK)
def test_the_seasonal_naive_row_is_the_published_one(name: str) -> None:
    assert compared([name])["equal"].all()


def test_the_tasks_are_those_that_were_fixed_before_the_first_run() -> None:
    fixed = pd.read_csv(HALVES, dtype={"long_season": "Int64"})
    pd.testing.assert_frame_equal(fixed, listed(), check_dtype=False)
    assert len(fixed[["family", "half"]].drop_duplicates()) == fixed["family"].nunique()
    assert len(FEV) == 12


def test_origins_end_with_the_series_and_are_a_stride_apart() -> None:
    frame, ours = made_up(), task()
    assert origins(ours) == [9, 4]
    past, ahead = cut(ours, frame, 4)
    for name, own in frame.groupby("series"):
        mine = ahead[ahead["series"] == name]
        assert mine["time"].tolist() == own["time"].iloc[-4:].tolist()
        assert (past["series"] == name).sum() == len(own) - 4


def test_rules_are_chosen_on_what_lies_before_the_test_part() -> None:
    frame, ours = made_up(), task(windows=3)
    past = before_test(ours, frame)
    assert len(past) == len(frame) - 2 * (4 + 2 * 5)
    shorter, seen = dev_split(ours, frame)
    assert (shorter.windows, shorter.horizon) == (2, 4)
    assert seen["time"].max() == past["time"].max() < frame["time"].max()


def test_a_gap_is_filled_from_the_past_and_scores_nothing() -> None:
    last = len(made_up(sizes=(40,))) - 1
    frame = made_up(sizes=(40,), gap=last)
    assert frame["filled"].tolist() == [False] * last + [True]
    assert frame["target"].iloc[last] == frame["target"].iloc[last - 7]
    made = seasonal_naive(task(), frame)
    assert made.test["actual"].isna().sum() == 1
    assert made.test["q0.5"].notna().all()


def test_scores_of_exact_and_of_scaled_forecasts() -> None:
    frame, ours = made_up(), task()
    frame["target"] += np.arange(len(frame)) % 3
    made = seasonal_naive(ours, frame)
    exact = made.test.copy()
    levels = [name for name in exact if name.startswith("q")]
    exact[levels] = np.repeat(exact[["actual"]].to_numpy(), len(levels), axis=1)
    row = scores(ours, frame, Forecasts(exact))
    assert (row["MASE"], row["WQL"], row["coverage"]) == (0.0, 0.0, 1.0)
    assert np.isnan(row["WQL_calibrated"])
    naive = scores(ours, frame, made)
    assert naive["MASE"] > 0
    by_hand = (made.test["actual"] - made.test["q0.5"]).abs().sum() / made.test["actual"].sum()
    assert naive["WQL"] == pytest.approx(by_hand)


def test_a_constant_history_has_no_scaled_error_and_is_left_out() -> None:
    frame, ours = made_up(), task()
    frame["target"] += np.arange(len(frame)) % 3
    alone = frame[frame["series"] == "s1"].reset_index(drop=True)
    frame.loc[frame["series"] == "s0", "target"] = 5.0
    pair, one = (scores(ours, part, seasonal_naive(ours, part)) for part in (frame, alone))
    assert pair["MASE"] == pytest.approx(one["MASE"])


def test_intervals_that_were_too_narrow_before_are_widened_around_the_median() -> None:
    rows = np.random.default_rng(0).normal(size=400)
    past = pd.DataFrame({"series": "a", "window": np.arange(400), "step": 1, "actual": rows})
    past = past.assign(**{f"q{level:g}": norm.ppf(level) / 3 for level in LEVELS})
    ahead = past.assign(actual=np.random.default_rng(1).normal(size=400))
    moved = calibrated(ahead, past)
    assert coverage(ahead) < 0.5
    assert coverage(moved) == pytest.approx(0.8, abs=0.06)
    assert (moved["q0.5"] == ahead["q0.5"]).all()


def test_a_point_forecast_is_spread_by_what_it_missed_before() -> None:
    rows = np.random.default_rng(0).normal(size=400)
    past = pd.DataFrame({"series": "a", "window": np.arange(400), "step": 1, "actual": rows})
    past = past.assign(**{f"q{level:g}": 0.0 for level in LEVELS})
    moved = calibrated(past.assign(actual=np.random.default_rng(1).normal(size=400)), past)
    assert coverage(moved) == pytest.approx(0.8, abs=0.06)
