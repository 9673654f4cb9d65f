from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contest import FOLDS, LENGTH, QUICK, data, frame, small
from drnn_forecast import SeasonalNaive, backtest
from drnn_forecast.data.frames.windows import plan_windows
from drnn_forecast.evaluation import dilated_rnn
from drnn_forecast.evaluation.comparison.blocks import backtest_blocks, shortest_window


@pytest.fixture(scope="module")
def result():
    return backtest(data(), models=[small(), SeasonalNaive(24)], seeds=(0, 1), **FOLDS, **QUICK)


def test_every_fold_forecasts_every_series_once_from_its_origin(result):
    origin = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=LENGTH - 3 * 12)
    starts = result.forecasts.groupby(["model", "seed", "fold", "series"])["time"].agg(
        ["min", "size"]
    )

    assert len(starts) == (2 + 1) * 3 * 2
    for (_, _, fold, _), row in starts.iterrows():
        assert row["min"] == origin + pd.Timedelta(hours=12 * fold)
        assert row["size"] == 12


def test_there_is_a_run_and_a_score_for_every_model_seed_and_fold(result):
    cells = [("DilatedRNN", s, f) for f in range(3) for s in (0, 1)]
    cells += [("Seasonal naive (24)", 0, f) for f in range(3)]
    found = result.runs[["model", "seed", "fold"]].itertuples(index=False)

    assert sorted(map(tuple, found)) == sorted(cells)
    scored = result.scores[["model", "seed", "fold"]].drop_duplicates()
    assert sorted(map(tuple, scored.itertuples(index=False))) == sorted(cells)
    assert np.isfinite(result.table["MASE"]).all()


def test_a_fold_is_what_a_comparison_of_the_data_so_far_gives(result):
    last = backtest(
        data().before(12), models=[small()], seeds=[1], **{**FOLDS, "folds": 1}, **QUICK
    ).forecasts
    same = result.forecasts.query("model == 'DilatedRNN' and seed == 1 and fold == 1")

    columns = ["series", "time", "actual", *last.filter(regex="^q").columns]
    pd.testing.assert_frame_equal(
        same[columns].reset_index(drop=True), last[columns], check_exact=True
    )


def planted(origin):
    """Return the frame with the answer, and nonsense, in everything from a position on."""
    table = frame()
    is_later = table.groupby("id").cumcount() >= origin
    table.loc[is_later, "y"] = 1e4 * np.arange(is_later.sum())
    table.loc[is_later, "visits"] = table.loc[is_later, "y"]
    return table


@pytest.mark.parametrize(
    ("refit_every", "window_length"),
    [pytest.param(1, 150, marks=pytest.mark.slow), (None, None)],
)
def test_a_fold_sees_nothing_of_what_comes_after_its_origin(refit_every, window_length):
    options = {
        "models": [small(), SeasonalNaive(24), "mstl"],
        "seeds": [0],
        "refit_every": refit_every,
        "window_length": window_length,
        **{**FOLDS, "folds": 2},
        **QUICK,
    }
    honest = backtest(data(observed=["visits"]), **options)
    for fold in (0, 1):
        origin = LENGTH - 12 * (2 - fold)
        leaked = backtest(data(planted(origin), observed=["visits"]), **options)
        columns = ["model", "series", "time", *honest.forecasts.filter(regex="^q").columns]
        seen, told = (
            found.forecasts.query(f"fold <= {fold}")[columns].reset_index(drop=True)
            for found in (honest, leaked)
        )
        pd.testing.assert_frame_equal(seen, told, check_exact=True)


def test_covariates_that_are_known_ahead_are_seen():
    changed = frame()
    changed.loc[changed.groupby("id").cumcount() >= LENGTH - 12, "price"] = 5.0
    one, other = (
        backtest(data(table, known=["price"]), models=[small()], seeds=[0], **FOLDS, **QUICK)
        for table in (frame(), changed)
    )
    is_equal = [
        one.forecasts.query(f"fold == {fold}")["q0.5"].equals(
            other.forecasts.query(f"fold == {fold}")["q0.5"]
        )
        for fold in range(3)
    ]
    assert is_equal == [True, True, False]


@pytest.mark.parametrize(("refit_every", "trainings"), [(1, 3), (2, 2), (None, 1)])
def test_folds_share_a_training_as_asked(refit_every, trainings):
    found = []
    result = backtest(
        data(),
        models=[small()],
        seeds=[0],
        refit_every=refit_every,
        on_fit=lambda *fit: found.append(fit),
        **FOLDS,
        **QUICK,
    )

    assert len(found) == trainings
    assert (result.runs["training_seconds"] > 0).sum() == trainings
    assert result.forecasts["fold"].unique().tolist() == [0, 1, 2]


def windows_of(folds, step=12):
    return plan_windows(
        horizon=12,
        context_length=48,
        validation_windows=2,
        test_windows=folds,
        stride=step,
    )


@pytest.mark.parametrize(
    ("step", "per_training", "window_length"),
    [(1, 3, None), (6, 2, 150), (12, 1, None), (20, 2, 150)],
)
def test_training_validation_and_test_follow_one_another_in_every_block(
    step, per_training, window_length
):
    blocks = list(backtest_blocks(data(), windows_of(3, step), per_training, window_length))

    assert [fold for block in blocks for fold in block.fold_numbers] == list(range(3))
    for block in blocks:
        training = data_end(block, block.splits.training)
        assert (training == last_learned(block)).all()
        test = block.targets["test"]
        starts = test[test["step"] == 1].groupby("fold")["time"].first()
        steps = pd.Timedelta(hours=step)
        last = pd.Timestamp("2024-01-01") + pd.Timedelta(hours=LENGTH - 12)
        assert all(starts[fold] == last - (2 - fold) * steps for fold in block.folds)
        validation = block.targets["validation"]
        assert training.max() < validation["time"].min()
        assert validation["time"].max() < test["time"].min()


def last_learned(block):
    """Return the time of the last row before the first validation target of every series."""
    past = block.data.before(block.windows.steps_after_training).history
    return past.groupby("id")["ds"].max()


def data_end(block, dataset):
    """Return the last target of every series."""
    rows = block.data.target_rows(dataset)
    return rows.groupby("id")["ds"].max()


@pytest.mark.parametrize("window_length", [None, 120])
def test_a_sliding_window_has_its_length_and_an_expanding_one_begins_with_the_series(window_length):
    blocks = list(backtest_blocks(data(), windows_of(3), 1, window_length))
    starts = [block.data.history.groupby("id")["ds"].min().unique() for block in blocks]
    hours = pd.Timedelta(hours=1)
    origin = pd.Timestamp("2024-01-01") + (LENGTH - 36) * hours

    for number, start in enumerate(starts):
        expected = pd.Timestamp("2024-01-01")
        if window_length is not None:
            expected = origin + (12 * number - window_length) * hours
        assert start.tolist() == [expected]


def test_scalers_are_made_anew_for_every_training():
    table = frame()
    table["price"] += np.tile(np.arange(LENGTH), 2)  # grows, so that its mean does
    blocks = backtest_blocks(data(table, known=["price"]), windows_of(3), 1, None)
    fitted = [block.splits.training.get_parameters()["scalers"]["price"] for block in blocks]
    means = [float(scaler.mean_[0]) for scaler in fitted]

    assert means[0] < means[1] < means[2]
    assert means[1] - means[0] == pytest.approx(6, abs=0.5)


def test_the_learning_rate_is_searched_once_before_the_first_fold():
    lines = []
    model = dilated_rnn(hidden_size=4, num_layers=1)
    found = backtest(
        data(),
        models=[replace(model, has_recipe=False)],
        seeds=[0],
        learning_rates=(0.001, 0.01),
        announce=lines.append,
        **FOLDS,
        **QUICK,
    )

    tried = len(found.settings["search"]["DilatedRNN"]["losses"])
    assert [line for line in lines if "trying" in line] == lines[:tried]
    assert len(lines) == tried + 3


REFUSED = [
    ({"folds": 0}, "`folds` must be at least 1, got 0"),
    ({"folds": 100}, "`folds` must be at most 25 with 12 time steps between them"),
    ({"folds": 31, "step": 10}, "`folds` must be at most 30 with 10"),
    ({"horizon": 300}, "Every series needs at least .* the shortest, 'a', has 384"),
    ({"step": 0}, "`step` must be at least 1, got 0"),
    ({"refit_every": 0}, "`refit_every` must be at least 1, got 0"),
    ({"window_length": 50}, "`window_length` must be at least 84, got 50"),
    ({"window_length": 380}, "Every series needs at least 392 time steps"),
    ({"scale_season": 350}, "`scale_season` must be shorter than what was observed"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_folds_that_the_data_do_not_hold_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        backtest(data(), **{"models": [small()], **FOLDS, **QUICK, **change})


@pytest.mark.parametrize(("window_length", "step"), [(None, 60), (150, 50), (250, 7)])
def test_the_largest_number_of_folds_is_one_that_runs(window_length, step):
    windows = {**FOLDS, "step": step, "window_length": window_length}
    with pytest.raises(ValueError, match="at most") as refused:
        backtest(data(), models=[SeasonalNaive(24)], **{**windows, "folds": 300})
    largest = int(str(refused.value).split("at most ")[1].split()[0])

    options = {"models": [SeasonalNaive(24)], "refit_every": None}
    result = backtest(data(), **options, **{**windows, "folds": largest})
    assert result.forecasts["fold"].nunique() == largest
    with pytest.raises(ValueError, match="at most"):
        backtest(data(), **options, **{**windows, "folds": largest + 1})


def test_the_shortest_window_holds_one_training_window_and_validation():
    assert shortest_window(windows_of(1)) == 48 + 12 + 24
    assert shortest_window(windows_of(1, step=1)) == 48 + 12 + 13
