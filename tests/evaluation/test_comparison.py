import inspect
import json

import numpy as np
import pandas as pd
import pytest

from contest import LENGTH, QUICK, WINDOWS, data, frame, small
from drnn_forecast import SeasonalNaive, backtest, compare
from drnn_forecast.evaluation import deepar, dilated_rnn, lstm
from drnn_forecast.evaluation.comparison.search import search_budget
from drnn_forecast.evaluation.scores import METRICS

NAMES = ["DilatedRNN", "LSTM", "DeepAR", "Seasonal naive (24)", "MSTL (24)"]
COSTS = ["training s", "prediction s", "parameters", "peak memory MB", "quantiles from"]
COSTS += ["learning rate", "p vs best baseline", "undefined", "failed"]
COSTS += ["common", "left out", "note"]


@pytest.fixture(scope="module")
def fitted():
    return []


@pytest.fixture(scope="module")
def comparison(fitted):
    return compare(
        data(),
        models=[
            small(season_length=24),
            lstm(hidden_size=4, learning_rate=0.01),
            deepar(hidden_size=4, learning_rate=0.01),
            SeasonalNaive(24),
            "mstl",
        ],
        seeds=(0, 1),
        on_fit=lambda *found: fitted.append(found),
        **WINDOWS,
        **QUICK,
    )


def test_every_model_has_a_row_with_every_score_its_spread_and_its_costs(comparison):
    table = comparison.table
    expected = [column for metric in METRICS for column in (metric, f"{metric} ±")]

    assert list(table.index) == NAMES
    assert list(table.columns) == [*expected, *COSTS]
    assert np.isfinite(table[list(METRICS)].to_numpy()).all()
    assert table["MAE ±"].notna().tolist() == [True, True, True, False, False]
    assert table["quantiles from"].tolist() == [
        "model",
        "residuals",
        "model",
        "residuals",
        "model",
    ]
    assert (table["parameters"] > 0).tolist() == [True, True, True, False, False]
    assert table["learning rate"].iloc[1] == 0.01
    assert table["failed"].tolist() == [0] * 5


def test_a_score_is_a_mean_over_series_then_over_seeds(comparison):
    scores = comparison.scores.query("model == 'DilatedRNN' and metric == 'MASE'")
    by_seed = [scores.loc[scores["seed"] == seed, "value"].mean() for seed in (0, 1)]

    row = comparison.table.loc["DilatedRNN"]
    assert row["MASE"] == pytest.approx(np.mean(by_seed))
    assert row["MASE ±"] == pytest.approx(np.std(by_seed, ddof=1))


def test_every_model_and_seed_forecasts_the_same_windows_at_the_end(comparison):
    expected = frame().groupby("id").tail(24)

    assert list(comparison.forecasts.columns) == [
        *("model", "seed", "fold", "series", "window", "step", "time", "actual"),
        *("q0.025", "q0.1", "q0.25", "q0.5", "q0.75", "q0.9", "q0.975"),
    ]
    for _, part in comparison.forecasts.groupby(["model", "seed"]):
        rows = part.sort_values(["series", "time"])
        assert rows["series"].tolist() == expected["id"].tolist()
        assert rows["time"].tolist() == expected["ds"].tolist()
        np.testing.assert_allclose(rows["actual"], expected["y"], rtol=1e-6)
        assert (rows.filter(like="q").diff(axis=1).iloc[:, 1:] >= 0).all().all()


def test_the_validation_windows_lie_right_before_the_test_windows(comparison):
    rows = comparison.validation_forecasts.query("model == 'LSTM' and seed == 0")
    expected = frame().groupby("id").tail(24 + 36).groupby("id").head(36)

    assert rows.sort_values(["series", "time"])["time"].tolist() == expected["ds"].tolist()


def test_the_steps_of_a_window_count_its_hours(comparison):
    rows = comparison.forecasts.query("model == 'LSTM' and seed == 0")

    assert rows["window"].nunique() == 4
    for _, window in rows.groupby("window"):
        assert window["step"].tolist() == list(range(1, 13))
        assert window["time"].diff().dropna().eq(pd.Timedelta("1h")).all()


def test_there_is_a_run_for_every_model_and_seed_and_one_for_what_has_no_seed(comparison):
    runs = comparison.runs

    assert runs["model"].value_counts(sort=False).to_dict() == dict(
        zip(NAMES, [2, 2, 2, 1, 1], strict=True)
    )
    neural = runs[runs["steps"] > 0]
    assert len(neural) == 6
    assert neural["validation_loss"].notna().all()
    assert (neural["training_seconds"] > 0).all()
    assert runs["failure"].isna().all()


def test_trained_models_are_handed_out_and_not_kept(comparison, fitted):
    assert [(name, seed) for name, seed, _ in fitted] == [
        (name, seed) for name in NAMES[:3] for seed in (0, 1)
    ]
    assert fitted[0][2].validation_loss == comparison.runs["validation_loss"].iloc[0]


def test_the_settings_are_plain_and_name_what_was_chosen(comparison):
    settings = json.loads(json.dumps(comparison.settings))

    assert settings["seeds"] == [0, 1]
    assert settings["budget"]["max_epochs"] == 1
    assert "hidden_size=4" in settings["models"]["LSTM"]
    seconds = settings["seconds"]
    assert seconds["search"] == 0
    assert 0 < seconds["training"] + seconds["prediction"] < seconds["total"]


def test_results_are_shown_in_one_line(comparison):
    assert repr(comparison).startswith("<Comparison of 8 runs; MASE: DilatedRNN ")
    assert len(repr(comparison)) < 200


@pytest.mark.parametrize("function", [compare, backtest])
def test_all_but_data_and_horizon_is_given_by_name(function):
    kinds = [parameter.kind.name for parameter in inspect.signature(function).parameters.values()]

    assert kinds[:2] == ["POSITIONAL_OR_KEYWORD"] * 2
    assert set(kinds[2:]) == {"KEYWORD_ONLY", "VAR_KEYWORD"}


def test_a_backtest_has_the_options_of_a_comparison_with_the_same_defaults():
    of_compare, of_backtest = (inspect.signature(each).parameters for each in (compare, backtest))
    shared = set(of_compare) - {"test_windows"}

    assert set(of_backtest) - shared == {"folds", "step", "refit_every", "window_length"}
    assert {name: of_backtest[name] for name in shared} == {n: of_compare[n] for n in shared}


def test_seasonal_naive_is_right_where_the_series_repeats():
    table = frame()
    table["y"] = 10 + np.sin(np.arange(len(table)) * 2 * np.pi / 24)
    result = compare(data(table), models=[SeasonalNaive(24)], **WINDOWS).table

    assert result["MAE"].iloc[0] == pytest.approx(0, abs=1e-5)


def test_training_never_sees_what_it_is_scored_on():
    changed = frame()
    changed.loc[changed.groupby("id").cumcount() >= LENGTH - 24, ["y", "visits"]] = 1e6
    found = []
    for table in (frame(), changed):
        compare(
            data(table, observed=["visits"]),
            models=[small()],
            seeds=[0],
            on_fit=lambda name, seed, result: found.append(result),
            **WINDOWS,
            **QUICK,
        )
    one, other = found
    assert one.validation_loss == other.validation_loss
    for name, value in one.model.state_dict().items():
        assert value.equal(other.model.state_dict()[name])


def test_a_seed_gives_the_same_forecasts_again_and_another_seed_others():
    options = {"models": [small()], **WINDOWS, **QUICK}
    both = compare(data(), seeds=(3, 4), **options).forecasts
    again = compare(data(), seeds=(4,), **options).forecasts

    of_four = both[both["seed"] == 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_four, again, check_exact=True)
    assert not of_four["q0.5"].equals(both.loc[both["seed"] == 3, "q0.5"].reset_index(drop=True))


def test_the_search_takes_the_rate_of_the_lowest_validation_loss_outside_the_budget():
    lines = []
    result = compare(
        data(),
        models=[lstm(hidden_size=4), small()],
        seeds=[0],
        learning_rates=(1e-6, 0.05),
        announce=lines.append,
        **WINDOWS,
        **QUICK,
    )
    losses = result.settings["search"]["LSTM"]["losses"]

    assert list(losses)[:2] == ["1e-06", "0.05"]
    assert list(losses)[2] == "0.15"  # of two rates the better one is at an edge
    assert result.table.loc["LSTM", "learning rate"] == float(min(losses, key=losses.get)) >= 0.05
    assert [line for line in lines if "trying" in line] == [
        f"LSTM: trying the learning rate {rate}" for rate in losses
    ]
    assert result.settings["seconds"]["search"] > 0


def test_learning_rates_are_for_the_other_contenders_and_the_results_say_so():
    ours = dilated_rnn(hidden_size=4, num_layers=1)
    result = compare(
        data(),
        models=[ours, lstm(hidden_size=4), SeasonalNaive(24)],
        seeds=[0],
        learning_rates=[0.02],
        **WINDOWS,
        **QUICK,
    )
    rates = result.table["learning rate"]

    assert result.settings["learning_rates_of"] == ["LSTM"]
    assert (rates["DilatedRNN"], rates["LSTM"]) == (1e-3, 0.02)


def test_the_rates_of_a_search_share_one_budget():
    budget = search_budget({"max_seconds": 60, "max_epochs": 10, "patience": 5}, rates=3)

    assert budget == {"max_seconds": 20, "max_epochs": 4, "patience": 5}


def test_one_learning_rate_needs_no_search():
    result = compare(
        data(), models=[lstm(hidden_size=4)], seeds=[0], learning_rates=[0.02], **WINDOWS, **QUICK
    )

    assert result.settings["search"] == {}
    assert result.runs["learning_rate"].tolist() == [0.02]


def test_a_model_that_fails_has_its_reason_and_the_others_go_on():
    broken = lstm("Broken", hidden_size=-1, learning_rate=0.01)
    result = compare(data(), models=[broken, SeasonalNaive(24)], seeds=(0, 1), **WINDOWS, **QUICK)

    row = result.table.loc["Broken"]
    assert row["failed"] == 2
    assert np.isnan(row["MAE"])
    assert result.runs["failure"].notna().tolist() == [True, True, False]
    assert result.runs["failure"].iloc[0].count("\n") == 0
    assert np.isfinite(result.table.loc["Seasonal naive (24)", "MAE"])


def test_a_model_that_cannot_read_the_data_is_left_out_before_any_training():
    lines = []
    result = compare(
        data(observed=["visits"]),
        models=[lstm(), SeasonalNaive(24)],
        announce=lines.append,
        **WINDOWS,
        **QUICK,
    )

    assert lines[0].startswith("LSTM: left out, ValueError: LSTM forecasts step by step")
    assert result.table.loc["LSTM", "failed"] == 3


def test_a_series_without_scaled_errors_is_noted_counted_and_left_out_of_their_mean():
    table = frame(names=("a", "b", "flat"))
    table.loc[table["id"] == "flat", "y"] = 0.0
    lines = []
    result = compare(data(table), models=[SeasonalNaive(24)], announce=lines.append, **WINDOWS)

    assert lines[0].startswith("Note: 1 of 3 series repeat themselves exactly")
    assert "'flat'" in lines[0]
    row = result.table.iloc[0]
    assert row["undefined"] == 1
    values = result.scores.query("metric == 'MASE'").set_index("series")["value"]
    assert np.isnan(values["flat"])
    assert row["MASE"] == pytest.approx(values[["a", "b"]].mean())


@pytest.mark.slow
def test_models_are_tested_against_the_best_baseline_over_series():
    table = frame(names="abcdefg")
    result = compare(
        data(table),
        models=[small(), SeasonalNaive(24), SeasonalNaive(5)],
        seeds=[0],
        **WINDOWS,
        **QUICK,
    )
    tests = result.significance

    assert tests["baseline"].unique().tolist() == ["Seasonal naive (24)"]
    assert tests["model"].tolist() == ["DilatedRNN", "Seasonal naive (5)"] * 2
    assert tests["metric"].tolist() == ["MASE"] * 2 + ["WQL"] * 2
    p_values = result.table["p vs best baseline"]
    assert p_values["Seasonal naive (5)"] == tests["p_value"].iloc[1] < 0.05
    assert np.isnan(p_values["Seasonal naive (24)"])


CALIBRATED = {**WINDOWS, "validation_windows": 24, "test_windows": 1}


def test_calibrated_intervals_show_their_coverage_before_and_after():
    options = {"models": [small(), SeasonalNaive(24)], "seeds": [0], **CALIBRATED, **QUICK}
    plain = compare(data(), **options)
    result = compare(data(), calibrated=True, **options)

    assert np.isfinite(result.table[["coverage 80 % before", "coverage 95 % before"]]).all(
        axis=None
    )
    assert not result.forecasts["q0.1"].equals(plain.forecasts["q0.1"])
    # Quantiles from residuals are those of the windows that calibrate, and no further.
    naive = result.table.loc["Seasonal naive (24)"]
    assert naive["coverage 80 %"] == naive["coverage 80 % before"]


def changed_in(windows):
    """Return the data with other values in some validation windows, counted from the first."""
    table = frame()
    place = table.groupby("id").cumcount() - (LENGTH - 12 * 25)
    first, last = (12 * edge for edge in windows)
    is_inside = (place >= first) & (place < last)
    table.loc[is_inside, "y"] += 20 * np.sin(np.arange(is_inside.sum()))
    return data(table)


def results_of(table, *, calibrated):
    found = []
    result = compare(
        table,
        models=[small(), SeasonalNaive(5)],
        seeds=[0],
        calibrated=calibrated,
        on_fit=lambda name, seed, fit: found.append(fit.validation_loss),
        **CALIBRATED,
        **QUICK,
    )
    return found, result


@pytest.mark.slow
@pytest.mark.parametrize("is_calibrating", [True, False])
def test_the_windows_that_calibrate_stop_no_training_and_the_others_calibrate_nothing(
    is_calibrating,
):
    # With 24 windows of two series, 20 calibrate: as many as the widest interval needs.
    windows = (5, 24) if is_calibrating else (0, 3)
    (loss,), one = results_of(data(), calibrated=True)
    (other_loss,), other = results_of(changed_in(windows), calibrated=True)
    naive = "model == 'Seasonal naive (5)'"
    width, other_width = (
        (each.forecasts.query(naive)["q0.9"] - each.forecasts.query(naive)["q0.1"]).to_numpy()
        for each in (one, other)
    )

    assert (loss == other_loss) == is_calibrating
    assert np.array_equal(width, other_width) != is_calibrating


@pytest.mark.slow
def test_quantiles_from_residuals_are_not_calibrated_once_more():
    _, result = results_of(data(), calibrated=True)
    row = result.table.loc["Seasonal naive (5)"]

    assert row["coverage 80 %"] == row["coverage 80 % before"]
    assert row["coverage 95 %"] == row["coverage 95 % before"]


def test_a_frame_of_one_series_without_a_name_is_compared():
    from drnn_forecast import ForecastData

    single = ForecastData.from_frame(
        frame().query("id == 'a'").drop(columns="id"), time="ds", target="y"
    )
    result = compare(single, models=[small(), SeasonalNaive(24)], seeds=[0], **WINDOWS, **QUICK)

    assert result.forecasts["series"].unique().tolist() == ["series"]
    assert np.isfinite(result.table["MASE"]).all()


REFUSED = [
    ({"models": []}, "`models` must be models of different names"),
    ({"models": [SeasonalNaive(24)] * 2}, "`models` must be models of different names"),
    ({"models": ["lstm", "oracle"]}, r"of which \['oracle'\] are unknown"),
    ({"seeds": []}, "`seeds` must hold at least one seed, each once"),
    ({"seeds": [1, 1]}, "`seeds` must hold at least one seed, each once"),
    ({"learning_rates": []}, "`learning_rates` must be different numbers above 0"),
    ({"learning_rates": [0.1, -1]}, "`learning_rates` must be different numbers above 0"),
    (
        {"test_windows": 40},
        "`test_windows` must be at most 24 .* got 40; the shortest, 'a', has 384",
    ),
    ({"test_windows": 0}, "`test_windows` must be at least 1"),
    ({"horizon": 500}, "Every series needs at least"),
    ({"scale_season": 400}, "`scale_season` must be shorter than what was observed"),
    ({"max_epochs": 0}, "`max_epochs` must be at least 1"),
    ({"max_seconds": -1}, "`max_seconds` must be above 0"),
    ({"models": [SeasonalNaive(100)]}, "must fit into the context"),
    ({"calibrated": True}, "`calibrated` needs at least 19 validation windows .* to 11 or more"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_cannot_be_compared_is_refused_before_any_training(change, message, tmp_path):
    options = {"models": [small()], **WINDOWS, **QUICK, **change}
    trained = []
    with pytest.raises(ValueError, match=message):
        compare(
            data(), folder=tmp_path / "cells", on_fit=lambda *found: trained.append(1), **options
        )
    assert not trained
    assert not (tmp_path / "cells").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": "lstm"}, "`models` must be a list"),
        ({"models": [3]}, "`models` must be names or models"),
        ({"seeds": 3}, "`seeds` must be a list"),
        ({"max_second": 3}, r"There is no option \['max_second'\]"),
        ({"checkpoint": "x"}, r"There is no option \['checkpoint'\]"),
    ],
)
def test_arguments_of_the_wrong_type_are_refused(change, message):
    with pytest.raises(TypeError, match=message):
        compare(data(), **{"models": [small()], **WINDOWS, **QUICK, **change})


def test_a_classical_model_without_its_extra_is_refused_with_the_command(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "statsforecast", None)
    with pytest.raises(ImportError, match=r"pip install 'drnn-forecast\[classical\]'"):
        compare(data(), models=[small(), "mstl"], **WINDOWS, **QUICK)


def test_short_series_are_left_out_when_asked(caplog):
    table = frame(names=("a", "b", "short"))
    table = table.drop(index=table[table["id"] == "short"].index[50:])
    with pytest.raises(ValueError, match="the shortest, 'short', has 50"):
        compare(data(table), models=[SeasonalNaive(24)], **WINDOWS)

    result = compare(data(table), models=[SeasonalNaive(24)], drop_short=True, **WINDOWS)
    assert set(result.forecasts["series"]) == {"a", "b"}
    assert "Left out 1 series" in caplog.text
