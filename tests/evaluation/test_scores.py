import numpy as np
import pandas as pd
import pytest

from drnn_forecast.evaluation.scores import (
    METRICS,
    calibration,
    error_by_step,
    paired_test,
    scores,
    scores_by_series,
    undefined_series,
)
from drnn_forecast.model.losses.quantiles import QUANTILE_LEVELS

LEVELS = [0.025, 0.1, 0.5, 0.9, 0.975]


@pytest.fixture
def forecasts():
    """Return two series of two steps, with numbers that a person can score by hand."""
    return pd.DataFrame(
        {
            "series": ["a", "a", "b", "b"],
            "time": pd.to_datetime(["2024-01-05", "2024-01-06"] * 2),
            "step": [1, 2, 1, 2],
            "actual": [10.0, 20.0, 100.0, 100.0],
            "q0.025": [6.0, 20.0, 80.0, 80.0],
            "q0.1": [8.0, 21.0, 90.0, 90.0],
            "q0.5": [10.0, 24.0, 110.0, 100.0],
            "q0.9": [12.0, 30.0, 120.0, 120.0],
            "q0.975": [14.0, 40.0, 130.0, 130.0],
        }
    )


@pytest.fixture
def history():
    return pd.DataFrame(
        {
            "series": ["a"] * 4 + ["b"] * 4,
            "time": list(pd.date_range("2024-01-01", periods=4)) * 2,
            "actual": [1.0, 2.0, 3.0, 6.0, 10.0, 20.0, 30.0, 20.0],
        }
    )


def scored(forecasts, history, scale_season=2, levels=LEVELS):
    table = scores_by_series(forecasts, levels, history=history, scale_season=scale_season)
    return table.pivot_table(index="series", columns="metric", values="value", dropna=False)


def pinball(level, actual, forecast):
    error = actual - forecast
    return max(level * error, (level - 1) * error)


@pytest.mark.parametrize(
    ("metric", "of_a", "of_b"),
    [
        ("MAE", 2, 5),
        ("MASE", 2 / ((2 + 4) / 2), 5 / ((20 + 0) / 2)),
        ("RMSSE", (8 / ((4 + 16) / 2)) ** 0.5, (50 / ((400 + 0) / 2)) ** 0.5),
        ("sMAPE", (0 + 200 * 4 / 44) / 2, (200 * 10 / 210 + 0) / 2),
        ("coverage 80 %", 1 / 2, 1),
        ("width 80 %", 100 * (4 + 9) / (10 + 20), 100 * (30 + 30) / 200),
        ("coverage 95 %", 1, 1),
        ("width 95 %", 100 * (8 + 20) / (10 + 20), 100 * (50 + 50) / 200),
    ],
)
def test_the_scores_of_a_series_are_those_counted_by_hand(forecasts, history, metric, of_a, of_b):
    assert scored(forecasts, history)[metric].to_dict() == pytest.approx({"a": of_a, "b": of_b})


@pytest.mark.parametrize("series", ["a", "b"])
def test_the_weighted_quantile_loss_is_twice_the_pinball_loss_over_the_actuals(
    forecasts, history, series
):
    rows = forecasts[forecasts["series"] == series]
    total = sum(
        pinball(level, row["actual"], row[f"q{level}"])
        for _, row in rows.iterrows()
        for level in LEVELS
    )
    expected = 2 * total / len(LEVELS) / rows["actual"].abs().sum()
    assert scored(forecasts, history).loc[series, "WQL"] == pytest.approx(expected)


def test_the_scores_are_long_with_every_metric_of_every_series_once(forecasts, history):
    table = scores_by_series(forecasts, LEVELS, history=history, scale_season=2)

    assert list(table.columns) == ["series", "metric", "value"]
    assert list(zip(table["metric"], table["series"], strict=True)) == [
        (metric, series) for metric in METRICS for series in "ab"
    ]


@pytest.mark.parametrize("shift", [-3.0, 0.0, 7.5])
def test_scores_of_random_forecasts_are_those_of_numpy(shift):
    rng = np.random.default_rng(0)
    actual, past = rng.normal(20, 3, size=60), rng.normal(20, 3, size=200)
    drawn = np.sort(rng.normal(20 + shift, 4, size=(60, len(QUANTILE_LEVELS))), axis=1)
    frame = pd.DataFrame(drawn, columns=[f"q{level:g}" for level in QUANTILE_LEVELS])
    time = pd.date_range("2024-01-01", periods=260, freq="h")
    frame = frame.assign(series=3, time=time[200:], actual=actual)
    history = pd.DataFrame({"series": 3, "time": time[:200], "actual": past})
    result = scored(frame, history, scale_season=24, levels=QUANTILE_LEVELS).loc[3]

    error, naive = actual - drawn[:, 3], past[24:] - past[:-24]
    weighted = np.maximum(
        np.array(QUANTILE_LEVELS) * (actual[:, None] - drawn),
        (np.array(QUANTILE_LEVELS) - 1) * (actual[:, None] - drawn),
    )
    inside = (drawn[:, 0] <= actual) & (actual <= drawn[:, -1])
    assert result.to_dict() == pytest.approx(
        {
            "MAE": np.abs(error).mean(),
            "MASE": np.abs(error).mean() / np.abs(naive).mean(),
            "RMSSE": np.sqrt((error**2).mean() / (naive**2).mean()),
            "sMAPE": 200 * (np.abs(error) / (np.abs(actual) + np.abs(drawn[:, 3]))).mean(),
            "WQL": 2 * weighted.mean() / actual.mean(),
            "coverage 80 %": ((drawn[:, 1] <= actual) & (actual <= drawn[:, -2])).mean(),
            "width 80 %": 100 * (drawn[:, -2] - drawn[:, 1]).mean() / actual.mean(),
            "coverage 95 %": inside.mean(),
            "width 95 %": 100 * (drawn[:, -1] - drawn[:, 0]).mean() / actual.mean(),
        }
    )


@pytest.mark.parametrize(
    "values", [[0.0] * 4, [5.0] * 4, [1.0, 2.0, 1.0, 2.0]], ids=["zero", "constant", "periodic"]
)
def test_a_scaled_error_is_undefined_where_the_naive_one_is_zero(forecasts, history, values):
    history.loc[history["series"] == "a", "actual"] = values
    result = scored(forecasts, history)

    assert result[["MASE", "RMSSE"]].isna().loc["a"].all()
    assert np.isfinite(result.loc["b"]).all()
    assert np.isfinite(result.drop(columns=["MASE", "RMSSE"])).all(axis=None)


def test_a_scaled_error_is_undefined_where_the_forecast_is_perfect_and_the_naive_one_too(
    forecasts, history
):
    perfect = forecasts.assign(**{f"q{level}": forecasts["actual"] for level in LEVELS})
    history["actual"] = 1.0

    assert scored(perfect, history)[["MASE", "RMSSE"]].isna().all(axis=None)


def test_a_history_without_one_season_leaves_scaled_errors_undefined(forecasts, history):
    short = history[(history["series"] == "b") | (history["time"] < "2024-01-02")]

    assert scored(forecasts, short)["MASE"].isna().to_dict() == {"a": True, "b": False}


def test_undefined_series_are_counted_once_and_left_out_of_the_mean(forecasts, history):
    history.loc[history["series"] == "a", "actual"] = 1.0
    table = scores_by_series(forecasts, LEVELS, history=history, scale_season=2)

    assert undefined_series(table) == 1
    mean = scores(forecasts, LEVELS, history=history, scale_season=2)["MASE"]
    assert mean == pytest.approx(5 / 10)


def test_actuals_of_zero_leave_what_is_relative_to_them_undefined(forecasts, history):
    forecasts.loc[forecasts["series"] == "a", "actual"] = 0.0
    result = scored(forecasts, history)

    assert result[["WQL", "width 80 %", "width 95 %"]].isna().loc["a"].all()
    assert np.isfinite(result.loc["b"]).all()


def test_a_perfect_forecast_has_no_error_no_width_and_covers_everything(forecasts, history):
    perfect = forecasts.assign(**{f"q{level}": forecasts["actual"] for level in LEVELS})
    expected = {metric: float(metric.startswith("coverage")) for metric in METRICS}

    result = scores(perfect, LEVELS, history=history, scale_season=2)
    assert result == {**expected, "pinball": 0}


def test_scoring_leaves_the_forecasts_as_they_were(forecasts, history):
    before = forecasts.copy()
    scores_by_series(forecasts, LEVELS, history=history, scale_season=2)

    pd.testing.assert_frame_equal(forecasts, before)


def test_levels_that_bound_no_interval_are_refused(forecasts, history):
    with pytest.raises(ValueError, match=r"\['q0.025', 'q0.975'\] are missing"):
        scores_by_series(forecasts, [0.1, 0.5, 0.9], history=history, scale_season=2)


def test_the_error_of_a_step_is_the_mean_over_windows(forecasts):
    assert error_by_step(forecasts).to_dict() == {1: 5.0, 2: 2.0}


def test_calibration_is_the_share_of_actuals_at_or_below_each_quantile(forecasts):
    table = calibration(forecasts, [0.1, 0.5, 0.9])

    assert table.to_dict() == {0.1: (1 / 2 + 0) / 2, 0.5: 1.0, 0.9: 1.0}


def test_calibration_gives_every_series_the_same_weight_however_long_it_is():
    long_one = pd.DataFrame({"series": "long", "actual": [0.0] * 9})
    short_one = pd.DataFrame({"series": "short", "actual": [2.0]})
    forecasts = pd.concat([long_one, short_one]).assign(**{"q0.5": 1.0})

    assert calibration(forecasts, [0.5]).tolist() == [(9 / 9 + 0 / 1) / 2]


def test_the_quantiles_of_the_truth_are_calibrated():
    rng = np.random.default_rng(0)
    actual = rng.normal(size=20_000)
    bounds = {f"q{level:g}": np.quantile(actual, level) for level in QUANTILE_LEVELS}
    frame = pd.DataFrame({"series": "a", "actual": actual, **bounds})

    observed = calibration(frame, QUANTILE_LEVELS)
    np.testing.assert_allclose(observed, QUANTILE_LEVELS, atol=1e-4)


def long(ours, theirs, seeds=1):
    """Return MASE of two models on as many series as there are numbers."""
    return pd.DataFrame(
        [
            {"model": model, "seed": seed, "series": series, "metric": "MASE", "value": value}
            for model, values in (("ours", ours), ("theirs", theirs))
            for series, value in enumerate(values)
            for seed in range(seeds)
        ]
    )


def signed_rank_p(differences):
    """Return the two-sided p-value by trying every assignment of signs to the ranks."""
    ranks = np.abs(differences).argsort().argsort() + 1
    signs = np.array(np.meshgrid(*[[0, 1]] * len(ranks))).reshape(len(ranks), -1)
    sums = ranks @ signs
    least = min(ranks[differences > 0].sum(), ranks[differences < 0].sum())
    return min(1.0, 2 * (sums <= least).mean())


@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_is_that_of_all_assignments_of_signs(seed):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(size=9), rng.normal(0.7, size=9)
    result = paired_test(long(ours, theirs), "ours", "theirs", "MASE")

    assert result.p_value == pytest.approx(signed_rank_p(ours - theirs))
    assert (result.series, result.note) == (9, "")


def test_the_test_is_the_same_from_both_sides_and_for_more_seeds():
    ours, theirs = np.arange(8.0), np.array([1.0, -1, 5, 7, 9, 11, 13, 15])
    one = paired_test(long(ours, theirs), "ours", "theirs", "MASE")
    other = paired_test(long(ours, theirs, seeds=3), "theirs", "ours", "MASE")

    assert (one.p_value, one.statistic) == (other.p_value, other.statistic)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_test_is_of_the_means_over_seeds_whatever_their_order(order):
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(3, 9)), rng.normal(0.7, size=(3, 9))
    seeds = [long(ours[seed], theirs[seed]).assign(seed=seed) for seed in order]
    result = paired_test(pd.concat(seeds), "ours", "theirs", "MASE")

    assert result.p_value == pytest.approx(signed_rank_p(ours.mean(0) - theirs.mean(0)))
    assert result.series == 9


def test_few_series_have_no_p_value_and_the_note_says_so():
    result = paired_test(long(range(5), range(1, 6)), "ours", "theirs", "MASE")

    assert np.isnan(result.p_value)
    assert (result.series, result.note) == (5, "no test: 5 series, at least 6 are needed")


def test_undefined_scores_are_left_out_of_the_test():
    ours, theirs = [1.0, 2, 3, 4, 5, 6, np.nan, 8], [2.0, 4, 6, 8, 10, 12, 14, np.nan]

    assert paired_test(long(ours, theirs), "ours", "theirs", "MASE").series == 6


def test_equal_scores_have_no_p_value_and_the_note_says_so():
    result = paired_test(long(range(7), range(7)), "ours", "theirs", "MASE")

    assert np.isnan(result.p_value)
    assert result.note == "no test: the scores are equal"


@pytest.mark.parametrize(
    ("model", "baseline", "metric", "message"),
    [
        ("mine", "theirs", "MASE", "no model 'mine'; there are"),
        ("ours", "yours", "MASE", "no model 'yours'"),
        ("ours", "theirs", "MAPE", r"no metric 'MAPE'; there are \['MASE'\]"),
        ("ours", "ours", "MASE", "`model` and `baseline` must differ, got 'ours' twice"),
    ],
)
def test_models_and_metrics_that_were_not_scored_are_refused(model, baseline, metric, message):
    with pytest.raises(ValueError, match=message):
        paired_test(long([1, 2], [2, 3]), model, baseline, metric)
