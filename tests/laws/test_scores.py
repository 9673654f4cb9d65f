"""Scores equal published numbers on published data, and what they mean counted by brute force."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from utilsforecast import losses

from drnn_forecast import ForecastData, compare, load_sample
from drnn_forecast.evaluation import scores
from drnn_forecast.evaluation.contenders.classical import seasonal_naive
from drnn_forecast.evaluation.scores import (
    paired_test,
    scores_by_series,
    weighted_quantile_loss,
)
from drnn_forecast.model import QUANTILE_LEVELS
from laws.drawing import law
from published import m3, m3_forecasts, published

COLUMNS = [f"q{level:g}" for level in QUANTILE_LEVELS]
PERIODS = {"Monthly": (12, "MS"), "Quarterly": (4, "QS"), "Yearly": (1, "YS"), "Other": (1, "YS")}

PUBLISHED = [
    ("Monthly", "NAIVE2", 16.891, 1.037),
    ("Monthly", "THETA", 13.892, 0.858),
    ("Monthly", "ForecastPro", 13.898, 0.848),
    ("Quarterly", "NAIVE2", 9.951, 1.238),
    ("Quarterly", "THETA", 8.956, 1.087),
    ("Quarterly", "ForecastPro", 9.815, 1.204),
    ("Yearly", "NAIVE2", 17.880, 3.172),
    ("Yearly", "THETA", 16.974, 2.806),
    ("Yearly", "ForecastPro", 17.271, 3.026),
    ("Other", "NAIVE2", 6.302, 3.089),
    ("Other", "THETA", 4.410, 1.904),
    ("Other", "ForecastPro", 4.604, 1.920),
]
"""Of the M3 competition's own forecasts: period, method, sMAPE and MASE."""

NAIVE = [
    ("Monthly", 17.234, 1.1461, 0.1485),
    ("Quarterly", 11.065, 1.4253, 0.1013),
    ("Yearly", 17.880, 3.1717, 0.1665),
    ("Other", 6.302, 3.0891, None),
]
"""Of the seasonal naive method on M3: period, sMAPE, MASE, and the WQL that fev publishes."""


def tidy(values, first=0):
    """Return values by series as a tidy frame, time an integer from `first`."""
    parts = [
        pd.DataFrame({"series": name, "time": first + np.arange(len(row)), "actual": row})
        for name, row in values.items()
    ]
    return pd.concat(parts, ignore_index=True)


def scored(past, ahead, points, season):
    """Return the scores of point forecasts by the package's public function."""
    later = pd.concat([tidy({name: row}, len(past[name])) for name, row in ahead.items()])
    point = np.concatenate([points[name][: len(row)] for name, row in ahead.items()])
    forecasts = later.assign(**dict.fromkeys(COLUMNS, point)).reset_index(drop=True)
    return scores(forecasts, QUANTILE_LEVELS, history=tidy(past), scale_season=season)


@pytest.mark.parametrize(("period", "method", "smape", "mase"), PUBLISHED)
def test_forecasts_of_the_m3_competition_have_their_published_scores(period, method, smape, mase):
    past, ahead = (m3(period, part) for part in ("train", "test"))
    found = scored(past, ahead, m3_forecasts(period, method), PERIODS[period][0])

    assert round(found["sMAPE"], 3) == smape
    assert round(found["MASE"], 3) == mase


@pytest.mark.parametrize(("period", "smape", "mase", "wql"), NAIVE)
def test_the_seasonal_naive_method_has_its_published_scores_on_m3(period, smape, mase, wql):
    past, ahead = (m3(period, part) for part in ("train", "test"))
    season = PERIODS[period][0]
    points = {name: np.resize(row[-season:], len(ahead[name])) for name, row in past.items()}
    found = scored(past, ahead, points, season)

    assert round(found["sMAPE"], 3) == smape
    assert round(found["MASE"], 4) == mase
    assert wql is None or round(found["WQL"], 4) == wql


def test_hospital_has_its_published_scores_in_one_window():
    table = pd.read_csv(published("hospital/hospital_monthly_767.csv.gz"), index_col=0)
    past = {name: table[name].to_numpy(float)[:-12] for name in table}
    ahead = {name: table[name].to_numpy(float)[-12:] for name in table}
    found = scored(past, ahead, {name: row[-12:] for name, row in past.items()}, 12)

    assert (round(found["MASE"], 4), round(found["WQL"], 4)) == (0.9205, 0.0726)


@pytest.mark.slow
@pytest.mark.parametrize(("period", "smape", "mase"), [row[:3] for row in NAIVE])
def test_a_comparison_gives_the_seasonal_naive_method_its_published_scores(period, smape, mase):
    past, ahead = (m3(period, part) for part in ("train", "test"))
    season, horizon = PERIODS[period][0], len(next(iter(ahead.values())))
    result = compare(
        m3_data(past, ahead, PERIODS[period][1]),
        horizon,
        context_length=2,
        validation_windows=1,
        test_windows=1,
        models=[seasonal_naive(season)],
        scale_season=season,
        drop_short=True,
    )
    row, kept = result.table.iloc[0], result.scores["series"].unique()

    assert row["left out"] == len(past) - len(kept) == (52 if period == "Quarterly" else 0)
    if row["left out"]:
        points = {name: np.resize(past[name][-season:], horizon) for name in kept}
        found = scored(*({n: part[n] for n in kept} for part in (past, ahead)), points, season)
        smape, mase = round(found["sMAPE"], 3), round(found["MASE"], 4)
    assert (round(row["sMAPE"], 3), round(row["MASE"], 4)) == (smape, mase)


def m3_data(past, ahead, freq):
    """Return series with what came, as the package reads them; when they began does not matter."""
    parts = []
    for name, row in past.items():
        values = np.concatenate([row, ahead[name]])
        time = pd.date_range("1900-01-01", periods=len(values), freq=freq)
        parts.append(pd.DataFrame({"id": name, "ds": time, "y": values}))
    table = pd.concat(parts, ignore_index=True)
    return ForecastData.from_frame(table, series="id", time="ds", target="y", calendar=False)


def sample(countries=3, length=24 * 30):
    """Return the last values of some countries of the package's sample, by name."""
    table = load_sample()
    names = table["series"].unique()[:countries]
    return {n: table.loc[table["series"] == n, "load"].to_numpy(float)[-length:] for n in names}


@pytest.mark.parametrize("season", [1, 24, 168])
def test_scores_on_the_sample_are_those_counted_one_by_one(season):
    values = sample()
    past = {name: row[:-48] for name, row in values.items()}
    ahead = {name: row[-48:] for name, row in values.items()}
    found = scored(past, ahead, {n: np.resize(row[-24:], 48) for n, row in past.items()}, season)

    mase, rmsse, smape, errors, size = [], [], [], 0.0, 0.0
    for name, known in past.items():
        naive = [known[t] - known[t - season] for t in range(season, len(known))]
        error = [ahead[name][t] - known[len(known) - 24 + t % 24] for t in range(48)]
        mase.append(np.mean(np.abs(error)) / np.mean(np.abs(naive)))
        # The M5 competition's, whose season is 1.
        rmsse.append((np.sum(np.square(error)) / 48 / np.mean(np.square(naive))) ** 0.5)
        each = zip(error, ahead[name], strict=True)
        smape.append(np.mean([200 * abs(e) / (abs(y) + abs(y - e)) for e, y in each]))
        errors, size = errors + np.abs(error).sum(), size + np.abs(ahead[name]).sum()
    expected = {"MASE": np.mean(mase), "RMSSE": np.mean(rmsse), "sMAPE": np.mean(smape)}
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["WQL"] == pytest.approx(errors / size)


def drawn(seed, series=4, steps=6, scale=1.0):
    """Return forecasts with quantiles in order, and a history that goes on into the windows."""
    rng = np.random.default_rng(seed)
    names = np.repeat(np.arange(series), steps)
    values = np.sort(rng.normal(10, 4, size=(len(names), len(COLUMNS))), axis=1) * scale
    frame = pd.DataFrame(values, columns=COLUMNS)
    frame = frame.assign(series=names, time=30 + np.tile(np.arange(steps), series))
    frame["actual"] = rng.normal(10, 4, size=len(frame)) * scale
    past = {name: rng.normal(10, 4, size=30 + steps) * scale for name in range(series)}
    return frame, tidy(past)


seeds = st.integers(0, 2**32 - 1)


@law
@given(seed=seeds)
def test_scores_are_those_of_utilsforecast(seed):
    frame, history = drawn(seed)
    table = scores_by_series(frame, QUANTILE_LEVELS, history=history, scale_season=3)
    found = table.pivot_table("value", index="series", columns="metric")

    roles = {"id_col": "series", "target_col": "actual"}
    frame = frame.assign(m=frame["q0.5"], **{"m-lo-80": frame["q0.1"], "m-hi-80": frame["q0.9"]})
    past = {"seasonality": 3, "train_df": history[history["time"] < 30], "time_col": "time"}
    expected = {
        "MAE": losses.mae(frame, ["m"], **roles),
        "MASE": losses.mase(frame, ["m"], **past, **roles),
        "RMSSE": losses.rmsse(frame, ["m"], **past, **roles),
        "coverage 80 %": losses.coverage(frame, ["m"], 80, **roles),
    }
    for metric, theirs in expected.items():
        np.testing.assert_allclose(found[metric], theirs["m"], rtol=1e-9, err_msg=metric)


@law
@given(seed=seeds, scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_wql_of_all_rows_is_the_series_own_weighted_by_the_size_of_their_actuals(seed, scale):
    frame, history = drawn(seed, scale=scale)
    table = scores_by_series(frame, QUANTILE_LEVELS, history=history, scale_season=3)
    own = table[table["metric"] == "WQL"].set_index("series")["value"]
    sizes = frame["actual"].abs().groupby(frame["series"]).sum()

    pooled = weighted_quantile_loss(frame, QUANTILE_LEVELS)
    assert pooled == pytest.approx((own * sizes).sum() / sizes.sum())
    found = scores(frame, QUANTILE_LEVELS, history=history, scale_season=3)
    assert found["WQL"] == pytest.approx(pooled)


@law
@given(seed=seeds)
def test_nothing_at_or_after_the_first_forecast_enters_the_scale(seed):
    frame, history = drawn(seed)
    later = history["time"] >= 30
    changed = history.assign(actual=history["actual"].mask(later, 1e9))
    options = {"quantiles": QUANTILE_LEVELS, "scale_season": 3}

    pd.testing.assert_frame_equal(
        scores_by_series(frame, history=history, **options),
        scores_by_series(frame, history=changed, **options),
    )


@law
@given(seed=seeds)
def test_rows_without_an_actual_count_in_no_score(seed):
    frame, history = drawn(seed)
    is_known = np.random.default_rng(seed).random(len(frame)) < 0.7
    blank = frame.assign(actual=frame["actual"].where(is_known))
    options = {"quantiles": QUANTILE_LEVELS, "history": history, "scale_season": 3}
    found, expected = (scores_by_series(part, **options) for part in (blank, frame[is_known]))
    kept = found[found["series"].isin(frame.loc[is_known, "series"])].reset_index(drop=True)

    assert set(found["series"]) == set(range(4))
    pd.testing.assert_frame_equal(kept, expected)


def scores_of_cells(seed, models, seeds_run=3, folds=4, series=8):
    """Return scores of models that are equal in every cell, in the columns of `Results.scores`."""
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product(
        [range(seeds_run), range(folds), range(series), ["MAE", "MASE"]],
        names=["seed", "fold", "series", "metric"],
    ).to_frame(index=False)
    cells["value"] = rng.gamma(2.0, size=len(cells)) * (1 + cells["fold"] + cells["seed"])
    return pd.concat([cells.assign(model=name) for name in models], ignore_index=True)


@law
@given(seed=seeds, data=st.data())
def test_two_equal_models_compare_as_equal_whatever_one_of_them_lacks(seed, data):
    table = scores_of_cells(seed, ["one", "other"])
    seed_of, fold_of = (table[name] for name in ("seed", "fold"))
    failed = data.draw(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=8))
    is_lost = [pair in failed for pair in zip(seed_of, fold_of, strict=True)]
    table = table[~(np.array(is_lost) & (table["model"] == "other"))]
    found = paired_test(table, "one", "other", "MASE")

    assert np.isnan(found.p_value)
    assert found.note == "no test: the scores are equal"
    assert (found.series, found.dropped) == (8, 8 * len(failed))
