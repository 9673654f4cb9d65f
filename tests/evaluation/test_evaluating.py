import numpy as np
import pandas as pd
import pytest
from pytorch_forecasting.metrics import MAE, QuantileLoss

from contest import data, frame
from drnn_forecast import ForecastData, train
from drnn_forecast.evaluation import evaluate
from drnn_forecast.evaluation.scores import METRICS

HORIZON = 12
QUICK = {
    "context_length": 48,
    "validation_windows": 2,
    "hidden_size": 4,
    "smoothed_anchors": False,
    "max_steps": 3,
    "progress": False,
}
ROLES = {"known": ["price"], "observed": ["visits"]}


@pytest.fixture(scope="module")
def history():
    return data(**ROLES)


@pytest.fixture(scope="module")
def model(history):
    return train(history, HORIZON, **QUICK)


def by_hand(model, table, names, season):
    """Return MAE and MASE of each series over its last two windows, and the same by series."""
    whole = data(table, **ROLES)
    made = pd.concat([model.forecast(whole.before(HORIZON * back)) for back in (2, 1)])
    found = {}
    for name in names:
        values = table.loc[table["id"] == name, "y"].to_numpy()
        median = made.loc[made["id"] == name, "q0.5"].to_numpy()
        error = np.abs(values[-2 * HORIZON :] - median).mean()
        before = values[: -2 * HORIZON]
        found[name] = error, error / np.abs(before[season:] - before[:-season]).mean()
    return found


@pytest.mark.parametrize(("scale_season", "season"), [(24, 24), (None, 168)])
def test_scores_are_those_of_forecasts_from_every_origin(model, history, scale_season, season):
    table = evaluate(model, history, windows=2, scale_season=scale_season)

    assert table.columns.tolist() == list(METRICS)
    for name, expected in by_hand(model, frame(), ("a", "b"), season).items():
        assert table.loc[name, ["MAE", "MASE"]].tolist() == pytest.approx(expected, rel=1e-6)


def test_a_model_evaluates_itself_and_a_frame_will_do(model, history):
    expected = evaluate(model, history, windows=2)
    pd.testing.assert_frame_equal(model.evaluate(frame(), windows=2), expected)


def test_series_in_categories_have_the_same_scores(model, history):
    table = model.evaluate(frame().astype({"id": "category"}))
    pd.testing.assert_frame_equal(
        table, model.evaluate(history), check_index_type=False, check_categorical=False
    )


def with_changed(column, rows, names=("a", "b")):
    """Return the frame with other values of a column in the last rows of each series."""
    parts = []
    for name in names:
        part = frame(names=names)
        part = part[part["id"] == name].reset_index(drop=True)
        part.loc[part.index[-rows:], column] += 1_000.0
        parts.append(part)
    return data(pd.concat(parts), **ROLES)


def recorded(model, history):
    """Return what the model forecasts in an evaluation of two windows."""
    made = []

    class Recorder:
        hparams = model.hparams

        def forecast(self, known):
            made.append(model.forecast(known))
            return made[-1]

    evaluate(Recorder(), history, windows=2)
    return made


@pytest.mark.parametrize("column", ["y", "visits"])
def test_nothing_after_an_origin_is_read(model, history, column):
    before, after = (recorded(model, each) for each in (history, with_changed(column, HORIZON)))
    for ours, theirs in zip(before, after, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


def test_what_is_known_ahead_is_read_after_an_origin(model, history):
    before, after = (recorded(model, each) for each in (history, with_changed("price", HORIZON)))

    pd.testing.assert_frame_equal(before[0], after[0])
    assert (before[1]["q0.5"] != after[1]["q0.5"]).all()


def test_one_series_needs_no_series_column():
    table = frame(names=("a",)).drop(columns=["id", "price", "visits"])
    alone = ForecastData.from_frame(table, time="ds", target="y")
    model = train(alone, HORIZON, **QUICK)
    scores = evaluate(model, alone, windows=2, scale_season=24)

    made = pd.concat([model.forecast(alone.before(HORIZON * back)) for back in (2, 1)])
    error = np.abs(table["y"].to_numpy()[-2 * HORIZON :] - made["q0.5"].to_numpy()).mean()
    assert scores["MAE"].tolist() == pytest.approx([error], rel=1e-6)
    pd.testing.assert_frame_equal(model.evaluate(table), evaluate(model, alone))


@pytest.mark.parametrize("loss", [MAE(), QuantileLoss(quantiles=[0.1, 0.5, 0.9])])
def test_a_model_without_the_quantiles_is_refused(history, loss):
    model = train(history, HORIZON, loss=loss, **QUICK)
    with pytest.raises(ValueError, match=r"`model` must have the quantiles .*q0\.025.* missing"):
        evaluate(model, history)


@pytest.mark.parametrize(
    ("windows", "error", "message"),
    [
        (0, ValueError, "`windows` must be at least 1, got 0"),
        (1.5, TypeError, "`windows` must be an integer"),
        (32, ValueError, "`windows` must leave history before the first, got 32 of 12 .* 384"),
    ],
)
def test_windows_that_there_cannot_be_are_refused(model, history, windows, error, message):
    with pytest.raises(error, match=message):
        evaluate(model, history, windows=windows)


@pytest.mark.filterwarnings("ignore:The model does not know 1 of 3 series")
def test_series_that_are_too_short_are_listed_and_the_others_scored(model, history, caplog):
    short = frame(names=("a",)).tail(30).assign(id="short")
    table = model.evaluate(pd.concat([frame(), short]), windows=2)

    assert table.index.tolist() == ["a", "b", "short"]
    table = model.evaluate(pd.concat([frame(), short.tail(24)]), windows=2)
    assert "Not scored, since too short: 'short' (24 rows)." in caplog.text
    pd.testing.assert_frame_equal(table, model.evaluate(history, windows=2))


def test_a_series_with_room_for_one_window_is_scored(model):
    least = model.dataset_parameters["min_encoder_length"]
    table = frame(names=("a",)).tail(HORIZON + least)

    assert model.evaluate(table)["MAE"].notna().all()
