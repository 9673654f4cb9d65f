"""Comparisons: equal models compare as equal, the same seed gives the same, failures are said."""

import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from contest import FOLDS, QUICK, WINDOWS, data, frame, small
from drnn_forecast import SeasonalNaive, backtest, compare, evaluation
from drnn_forecast.evaluation import deepar, lstm
from drnn_forecast.evaluation.comparison import cells
from drnn_forecast.evaluation.comparison.common import under_every_seed
from drnn_forecast.evaluation.scores import paired_test, weighted_quantile_loss
from drnn_forecast.model import QUANTILE_LEVELS

SERIES = "abcdef"


def failing_in(name, lost):
    """Return a stand-in for the work on a cell: no training, and failures of one model."""
    whole = cells.run

    def run(model, block, *, seed, fit_options):
        if model.name == name and any((seed, fold) in lost for fold in block.folds):
            raise ArithmeticError("no luck")
        if isinstance(model, SeasonalNaive):
            return whole(model, block, seed=seed, fit_options=fit_options)
        outcome = whole(SeasonalNaive(7), block, seed=seed, fit_options=fit_options)
        values = outcome.forecasts.filter(like="q0")
        return replace(outcome, forecasts=outcome.forecasts.assign(**(values * (1 + seed))))

    return run


@pytest.fixture
def losing(monkeypatch):
    """Return what lets a model fail in cells, pairs of seed and fold."""

    def lose(name, *lost):
        run = failing_in(name, lost)
        engine = "drnn_forecast.evaluation.comparison.engine"
        monkeypatch.setattr(f"{engine}.run", run)
        monkeypatch.setattr(f"{engine}.with_peak_memory", lambda work: (work(), None))

    return lose


def twins(**options):
    """Return a backtest of two equal models, a naive one, and one that is always worse."""
    naive = SeasonalNaive(24)
    return backtest(
        data(frame(names=SERIES)),
        models=[small("one"), small("other"), naive],
        **{**FOLDS, "seeds": (0, 1), **QUICK, **options},
    )


SCORES = ["MAE", "MASE", "RMSSE", "sMAPE", "WQL", "coverage 80 %", "width 95 %"]


@pytest.mark.parametrize("lost", [(), ((0, 0),), ((1, 0), (1, 1), (1, 2)), ((0, 2), (1, 0))])
def test_two_equal_models_compare_as_equal_also_where_one_fails(losing, lost):
    losing("other", *lost)
    result = twins()
    one, other = result.table.loc["one"], result.table.loc["other"]

    assert other["failed"] == len(lost)
    assert one[SCORES].tolist() == other[SCORES].tolist()
    assert set(result.table["common"]) == {(6 - len(lost)) * len(SERIES)}
    common = under_every_seed(result.scores, result.runs)
    assert paired_test(common, "one", "other", "MASE").note == "no test: the scores are equal"
    dropped = evaluation.dropped_text(result)
    assert len(dropped) == (len(lost) > 0)


def test_what_another_model_lacks_moves_no_mean_of_the_rest_against_each_other(losing):
    losing("other", (0, 1))
    result = twins()
    rows = result.forecasts.query("model == 'Seasonal naive (24)'")
    kept = [rows.query("fold != 1" if seed == 0 else "fold == fold") for seed in (0, 1)]
    by_fold = [
        [weighted_quantile_loss(part, QUANTILE_LEVELS) for _, part in each.groupby("fold")]
        for each in kept
    ]

    row = result.table.loc["Seasonal naive (24)"]
    assert row["WQL"] == pytest.approx(np.mean([np.mean(each) for each in by_fold]))
    assert np.isnan(row["WQL ±"])  # it has no randomness


def test_where_no_cell_is_common_what_is_scored_and_what_is_not_is_said(losing):
    losing("other", *((seed, fold) for seed in (0, 1) for fold in (0, 1, 2)))
    result = twins()

    assert result.table["failed"].tolist() == [0, 6, 0]
    assert result.table["MASE"].isna().tolist() == [False, True, False]
    assert result.table["common"].tolist() == [36, 0, 36]


def test_every_model_failing_is_an_error_that_says_why(losing):
    losing("one", (0, 0))
    with pytest.raises(RuntimeError, match=r"Every model failed.* one: ArithmeticError: no luck"):
        compare(data(), models=[small("one")], seeds=[0], **WINDOWS, **QUICK)


@pytest.fixture(scope="module")
def sampled():
    """Return two equal comparisons of a model that draws, and whether torch's state has moved."""
    torch.manual_seed(7)
    before, found = torch.get_rng_state(), []
    for _ in range(2):
        models = [deepar(hidden_size=4, rnn_layers=1, learning_rate=0.01)]
        found.append(compare(data(), models=models, seeds=[0], **WINDOWS, **QUICK))
        has_moved = not torch.equal(torch.get_rng_state(), before)
        torch.rand(3)
        before = torch.get_rng_state()
    return *found, has_moved


def test_a_model_that_draws_gives_the_same_table_under_the_same_seed(sampled):
    first, second, has_moved = sampled

    assert not has_moved
    pd.testing.assert_frame_equal(first.forecasts, second.forecasts, check_exact=True)
    same = [name for name in first.table if " s" not in name and "memory" not in name]
    pd.testing.assert_frame_equal(first.table[same], second.table[same], check_exact=True)


@pytest.mark.parametrize("models", [[lambda: SeasonalNaive(24)], [lambda: small()]])
def test_a_comparison_leaves_the_random_state_of_the_caller_alone(models):
    torch.manual_seed(7), random.seed(7), np.random.seed(7)  # noqa: NPY002
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    compare(data(), models=[make() for make in models], seeds=[0], **WINDOWS, **QUICK)

    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    np.testing.assert_array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002


def test_quantiles_of_drawn_paths_rest_on_enough_draws_for_the_outermost_level(sampled):
    first = sampled[0]
    low, next_low = (first.forecasts[name] for name in ("q0.025", "q0.1"))

    # Of 100 draws the 2.5 % level would be the third smallest; its spread is seen against 10 %.
    ratio = (first.forecasts["q0.5"] - low) / (first.forecasts["q0.5"] - next_low)
    assert ratio.std() < 0.12
    assert ratio.mean() == pytest.approx(1.96 / 1.2816, rel=0.1)


@pytest.mark.parametrize(
    ("work", "windows", "models", "dtype"),
    [
        (compare, WINDOWS, [SeasonalNaive(24), small()], "timestamp[ns][pyarrow]"),
        (
            backtest,
            FOLDS | {"folds": 1},
            [SeasonalNaive(5), "seasonal_naive"],
            "timestamp[s][pyarrow]",
        ),
    ],
)
def test_time_stamps_of_arrow_give_the_same_scores(work, windows, models, dtype):
    table = frame()
    arrow = table.astype({"ds": dtype, "id": "string[pyarrow]", "y": "double[pyarrow]"})
    found, expected = (
        work(data(each, known=["price"]), models=models, seeds=[0], **windows, **QUICK)
        for each in (arrow, table)
    )

    assert found.runs["failure"].isna().all()
    np.testing.assert_array_equal(found.table[SCORES], expected.table[SCORES])


def test_the_scale_is_the_naive_error_of_all_values_before_each_fold():
    table = frame()
    result = backtest(data(table), models=[SeasonalNaive(24)], **{**FOLDS, "window_length": 150})
    for fold in (0, 1, 2):
        for name, rows in table.groupby("id"):  # noqa: B007 (in the query)
            past = rows["y"].to_numpy()[: -12 * (3 - fold)]
            scale = np.abs(past[24:] - past[:-24]).mean()
            one = result.scores.query("fold == @fold and series == @name").set_index("metric")
            expected = one.loc["MAE", "value"] / scale
            assert one.loc["MASE", "value"] == pytest.approx(expected, rel=1e-6)


def test_the_wql_of_a_table_is_a_ratio_of_sums():
    result = compare(data(), models=[SeasonalNaive(24)], **WINDOWS)
    expected = weighted_quantile_loss(result.forecasts, QUANTILE_LEVELS)

    assert result.table["WQL"].iloc[0] == pytest.approx(expected)


def test_series_that_are_too_short_are_counted_in_the_table_and_named():
    table = frame(names=("a", "b", "short"))
    table = table.drop(index=table[table["id"] == "short"].index[90:])
    options = {"models": [SeasonalNaive(24), lstm(hidden_size=4, learning_rate=0.01)], "seeds": [0]}
    dropped = compare(data(table), drop_short=True, **options, **WINDOWS, **QUICK)
    kept = compare(data(table), min_context_length=12, **options, **WINDOWS, **QUICK)

    assert dropped.table["left out"].tolist() == [1, 1]
    assert dropped.settings["left_out"] == ["short"]
    assert kept.table.loc["LSTM", "left out"] == 0
    assert set(kept.scores["series"]) == {"a", "b", "short"}
    assert "must fit into the context" in kept.runs["failure"].dropna().iloc[0]
