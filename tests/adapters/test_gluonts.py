"""The estimator of GluonTS: forecasts, what they are made of, and the programs of its page."""

import re
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("gluonts", reason="gluonts is not installed; `make test-gluonts` has it")

from gluonts.core.serde import decode, encode
from gluonts.dataset.split import split
from gluonts.ev.metrics import MASE, MeanWeightedSumQuantileLoss
from gluonts.evaluation import Evaluator, make_evaluation_predictions
from gluonts.exceptions import GluonTSDataError, GluonTSUserError
from gluonts.model import Predictor, evaluate_model

from drnn_forecast.adapters.gluonts import DilatedRNNEstimator

# Of GluonTS, and of the periods of working days in pandas.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Using `json`", "ignore::FutureWarning", "ignore::DeprecationWarning",
    "ignore::RuntimeWarning:gluonts", "ignore:The model does not know",
)  # fmt: skip
PAGE = Path(__file__).parents[2] / "docs" / "gluonts.md"
SMALL = {"max_steps": 1, "progress": False, "overrides": {"hidden_size": 4, "season_length": 7}}
HORIZON = 3


def entries(freq="D", *, ahead=0, is_rich=True):
    """Return series of differing lengths and starts, with gaps, and covariates where rich."""
    generator = np.random.default_rng(0)
    found = []
    for place in range(3):
        size = 40 + 5 * place
        target = np.sin(np.arange(size) * 2 * np.pi / 7) + place
        target[[0, 9, -1]] = np.nan
        entry = {
            "start": pd.Period("2024-01-01", freq) + place,
            "target": target,
            "item_id": f"s{place}",
        }
        rich = {
            "feat_static_cat": [place % 2],
            "feat_static_real": [float(place)],
            "feat_dynamic_real": generator.normal(size=(2, size + ahead)),
            "feat_dynamic_cat": generator.integers(0, 3, size=(1, size + ahead)),
            "past_feat_dynamic_real": generator.normal(size=(1, size)),
        }
        found.append({**entry, **rich} if is_rich else entry)
    return found


def trained(dataset, **options):
    return DilatedRNNEstimator(HORIZON, **{**SMALL, **options}).train(dataset)


@pytest.fixture(scope="module")
def predictor():
    return trained(entries())


@pytest.mark.parametrize("samples", [False, True], ids=["quantiles", "samples"])
def test_evaluation_runs_it(predictor, samples, monkeypatch):
    monkeypatch.setattr(predictor, "samples", samples)
    dataset = entries()

    forecasts, series = map(list, make_evaluation_predictions(dataset, predictor, num_samples=9))

    assert [each.item_id for each in forecasts] == ["s0", "s1", "s2"]
    assert [each.start_date for each in forecasts] == [each.index[-HORIZON] for each in series]
    assert all(np.isfinite(each.quantile(0.3)).all() for each in forecasts)
    scores, _ = Evaluator(quantiles=[0.1, 0.5, 0.9])(series, forecasts)
    assert np.isfinite(scores["mean_wQuantileLoss"])


def test_windows_of_one_series_are_each_forecast_from_their_own_end(predictor):
    _, template = split(entries(), offset=-3 * HORIZON)
    windows = template.generate_instances(HORIZON, windows=3)

    scores = evaluate_model(
        predictor, test_data=windows, seasonality=7,
        metrics=[MASE(), MeanWeightedSumQuantileLoss([0.1, 0.5, 0.9])],
    )  # fmt: skip

    together = list(predictor.predict(windows.input))
    alone = [next(predictor.predict([entry])) for entry in windows.input]
    for both, one, entry in zip(together, alone, windows.input, strict=True):
        assert both.start_date == one.start_date == entry["start"] + len(entry["target"])
        np.testing.assert_allclose(both.forecast_array, one.forecast_array, rtol=1e-4, atol=1e-5)
    assert np.isfinite(scores.to_numpy()).all()


@pytest.mark.parametrize(
    "freq",
    ["10s", "15min", "h", "4h", "D", "2D", "B", "W-SUN", "W-WED", "2W-SUN", "M", "3M", "Q-DEC", "Q-JAN", "Y-DEC"],
)  # fmt: skip
def test_periods_of_every_frequency_go_on(freq):
    forecasts = list(trained(entries(freq, is_rich=False)).predict(entries(freq, is_rich=False)))

    ends = [entry["start"] + len(entry["target"]) for entry in entries(freq, is_rich=False)]
    assert [each.start_date for each in forecasts] == ends
    assert all(np.isfinite(each.forecast_array).all() for each in forecasts)


def test_periods_of_several_steps_may_begin_at_different_ones():
    dataset = entries("4h", is_rich=False)
    shifted = [*dataset[:1], dataset[1] | {"start": pd.Period("2024-01-01 06:00", "4h")}]

    found = list(trained(shifted).predict(shifted))

    assert found[1].start_date == pd.Period("2024-01-01 06:00", "4h") + 45


def test_a_covariate_known_ahead_is_read_ahead():
    generator = np.random.default_rng(1)
    lever = generator.choice([-1.0, 1.0], size=(1, 203))
    entry = {"start": pd.Period("2024", "D"), "target": 10 + lever[0, :200]}
    dataset = [{**entry, "feat_dynamic_real": lever[:, :200]}]
    found = trained(dataset, max_steps=60, overrides={"learning_rate": 0.02})

    up = next(
        found.predict([{**entry, "feat_dynamic_real": np.c_[lever[:, :200], np.ones((1, 3))]}])
    )
    down = next(
        found.predict([{**entry, "feat_dynamic_real": np.c_[lever[:, :200], -np.ones((1, 3))]}])
    )

    assert (up.quantile(0.5) > down.quantile(0.5)).all()


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_a_written_predictor_forecasts_alike(tmp_path, preset):
    found = trained(entries(), preset=preset, samples=preset == "fast")
    found.serialize(tmp_path)

    read = Predictor.deserialize(tmp_path)

    dataset = entries(ahead=HORIZON)
    for one, other in zip(found.predict(dataset, 5), read.predict(dataset, 5), strict=True):
        np.testing.assert_array_equal(one.quantile(0.5), other.quantile(0.5))
    assert not list(tmp_path.rglob("*.p*k*l"))


def test_an_estimator_is_what_its_arguments_say():
    estimator = DilatedRNNEstimator(HORIZON, **SMALL)

    assert repr(decode(encode(estimator))) == repr(estimator)


@pytest.mark.parametrize(
    "entry",
    [
        {"target": [5.0], "item_id": "s0"},
        {"target": [5.0, 6.0], "item_id": "new"},
        {"target": [np.nan, 5.0, np.nan]},
    ],
    ids=["one value", "new series", "no name"],
)
def test_short_and_new_series_are_forecast(entry):
    found = trained(entries(is_rich=False))

    forecast = next(found.predict([{"start": pd.Period("2024", "D"), **entry}]))

    assert forecast.start_date == pd.Period("2024", "D") + len(entry["target"])
    assert np.isfinite(forecast.forecast_array).all()


def test_series_without_names_are_forecast_alike_in_any_order():
    dataset = [{name: entry[name] for name in ("start", "target")} for entry in entries()]
    found = trained(dataset)

    forward, backward = list(found.predict(dataset)), list(found.predict(dataset[::-1]))

    for one, other in zip(forward, backward[::-1], strict=True):
        np.testing.assert_allclose(one.forecast_array, other.forecast_array, rtol=1e-4, atol=1e-5)


def test_training_goes_on_from_a_predictor(predictor):
    newer = DilatedRNNEstimator(HORIZON, **SMALL).train_from(predictor, entries())

    assert len(newer.model.hparams["record"]["updates"]) == 1
    assert "updates" not in predictor.model.hparams["record"]


def test_what_is_not_read_is_said(caplog):
    DilatedRNNEstimator(HORIZON, **SMALL).train(entries(is_rich=False), entries())

    assert "`validation_data` is not read" in caplog.text


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"start": pd.Period("2024", "h")}, r"`start` must have the frequency 'D'.*got \['h'\]"),
        ({"start": pd.Timestamp("2024")}, "`start` must"),
        ({"target": np.ones((2, 40))}, "`target` must have one dimension, got 2"),
        ({"target": []}, "`target` must have a value"),
        ({"target": [np.nan] * 40}, "target values"),
        ({"target": [np.inf] * 40}, "infinite"),
        ({"feat_dynamic_real": np.ones((2, 40))}, "3 steps are missing for 's0'"),
        ({"feat_dynamic_real": np.ones((1, 43))}, "`feat_dynamic_real` must have 2 features"),
        ({"feat_static_cat": None}, "`feat_static_cat` must have 1 features"),
    ],
)
def test_entries_are_refused_with_an_error_of_gluonts(predictor, change, match):
    with pytest.raises(GluonTSDataError, match=match):
        list(predictor.predict([entries(ahead=HORIZON)[0] | change]))


@pytest.mark.parametrize(
    ("options", "dataset", "match"),
    [
        ({"overrides": {"hiden_size": 4}}, entries(), "did you mean 'hidden_size'"),
        ({"preset": "slow"}, entries(), "`preset` must be one of"),
        (
            {},
            [{"start": pd.Period("2024", "D"), "target": [1.0, 2.0]}],
            "Lower `prediction_length`",
        ),
    ],
)
def test_settings_are_refused_with_an_error_of_gluonts(options, dataset, match):
    with pytest.raises(GluonTSUserError, match=match):
        trained(dataset, **options)


@pytest.mark.parametrize(
    ("dataset", "match"),
    [
        ([], "must have entries"),
        (entries() + entries(), "`item_id` must differ.*'s0'"),
        (
            [*entries(), entries()[0] | {"item_id": "s9", "feat_static_real": []}],
            "as many features",
        ),
        ([*entries(), entries("h")[0] | {"item_id": "s9"}], "`start` must have the frequency 'D'"),
    ],
    ids=["empty", "twice", "fewer features", "other frequency"],
)
def test_datasets_are_refused_with_an_error_of_gluonts(dataset, match):
    with pytest.raises(GluonTSDataError, match=match):
        trained(dataset)


def programs():
    """Return the programs of the page, by the tool that they are for, with budgets of a test."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert all('budget = {"max_seconds": 60}' in block for block in blocks)
    blocks = [block.replace('{"max_seconds": 60}', repr(SMALL)) for block in blocks]
    return dict(zip(("gluonts", "gift_eval", "fev"), blocks, strict=True))


class GiftEvalDataset:
    """What the program asks of the class of that name in GIFT-Eval's repository."""

    freq = "D"
    prediction_length = HORIZON
    target_dim = 1

    def __init__(self, name, term, to_univariate):
        assert (name, term, to_univariate) == ("m4_weekly", "short", False)

    @property
    def validation_dataset(self):
        return split(entries(is_rich=False), offset=-2 * HORIZON)[0]

    @property
    def test_data(self):
        template = split(entries(is_rich=False), offset=-2 * HORIZON)[1]
        return template.generate_instances(HORIZON, windows=2, distance=HORIZON)


def test_the_program_for_gluonts_runs(capsys):
    exec(programs()["gluonts"], {})

    assert "shop 2 2024-07-05" in capsys.readouterr().out


def test_the_program_for_gift_eval_runs(tmp_path, monkeypatch):
    module = types.ModuleType("gift_eval.data")
    module.Dataset = GiftEvalDataset
    monkeypatch.setitem(sys.modules, "gift_eval", types.ModuleType("gift_eval"))
    monkeypatch.setitem(sys.modules, "gift_eval.data", module)
    monkeypatch.chdir(tmp_path)

    exec(programs()["gift_eval"], {})

    results = pd.read_csv("all_results.csv")
    assert results["dataset"].tolist() == ["m4_weekly/nan/short"]
    assert np.isfinite(results["eval_metrics/mean_weighted_sum_quantile_loss"]).all()


def test_the_program_for_fev_runs(tmp_path):
    pytest.importorskip("fev", reason="fev is not installed; `make test-gluonts` has it")
    days = pd.date_range("2024-01-01", periods=120, freq="D")
    rows = [
        {"id": name, "timestamp": days.to_numpy(), "target": np.arange(120.0) % 7 + place}
        for place, name in enumerate("ba")
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "data.parquet")
    program = programs()["fev"].replace(
        '"autogluon/chronos_datasets"', repr(str(tmp_path / "data.parquet"))
    )
    program = program.replace('    dataset_config="m4_hourly",\n', "").replace(
        "horizon=24", "horizon=3, num_windows=2"
    )
    names = {}

    exec(program, names)

    assert np.isfinite(names["summary"]["test_error"])
    assert [len(each["target"]) for each in names["predictions"]] == [2, 2]
