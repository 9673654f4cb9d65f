import sys

import numpy as np
import pandas as pd
import pytest

from drnn_forecast.plotting.forecasts import error_by_horizon, fan_charts
from drnn_forecast.plotting.scores import (
    calibration_chart,
    cost_chart,
    error_by_fold,
    error_by_series,
)


@pytest.fixture
def forecasts():
    time = pd.date_range("2024-01-05", periods=24, freq="h")
    levels = ["q0.025", "q0.1", "q0.5", "q0.9", "q0.975"]
    return pd.concat(
        [
            pd.DataFrame({"series": name, "time": time}).assign(
                **{level: float(rank) for rank, level in enumerate(levels)}
            )
            for name in ("a", "b", "c")
        ]
    )


@pytest.fixture
def history():
    time = pd.date_range("2024-01-01", periods=96, freq="h")
    return pd.concat(
        [pd.DataFrame({"series": name, "time": time, "actual": 2.0}) for name in ("a", "b", "c")]
    )


def test_a_fan_chart_has_a_panel_per_series_and_one_legend(forecasts, history):
    figure = fan_charts(forecasts, history, unit="MW", title="Load")

    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in shown] == ["a", "b", "c"]
    assert {axis.get_ylabel() for axis in shown} == {"MW"}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["95 % interval", "80 % interval", "median forecast", "history"]
    assert all(axis.get_legend() is None for axis in shown)


@pytest.mark.parametrize(
    ("levels", "bands"),
    [
        ((0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98), ["96 %", "80 %", "50 %"]),
        ((0.05, 0.5, 0.95), ["90 %"]),
        ((0.5,), []),
        ((0.1, 0.5, 0.8), []),
        ((0.001, 0.999), ["99.8 %"]),
    ],
)
def test_a_fan_chart_has_the_intervals_of_the_levels_that_there_are(history, levels, bands):
    time = pd.date_range("2024-01-05", periods=24, freq="h")
    columns = {f"q{level:g}": 1.0 + level for level in levels}
    forecast = pd.DataFrame({"series": "a", "time": time, **columns})
    figure = fan_charts(forecast, history, unit="MW", title="Load")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label for label in labels if "interval" in label] == [f"{b} interval" for b in bands]


def test_a_fan_chart_draws_the_numbers_that_it_is_given(forecasts, history):
    actual = forecasts[["series", "time"]].assign(actual=7.0)
    axis = fan_charts(forecasts, history, actual, unit="MW", title="Load").axes[1]

    lines = {line.get_label(): line.get_ydata() for line in axis.lines[:3]}
    assert {name: set(values) for name, values in lines.items()} == {
        "median forecast": {2.0},
        "history": {2.0},
        "what came": {7.0},
    }


def test_the_error_by_horizon_has_a_line_per_model_from_zero():
    errors = {
        "DilatedRNN": pd.Series([1.0, 2.0], index=[1, 2]),
        "Seasonal naive (24)": pd.Series([3.0, 4.0], index=[1, 2]),
    }
    figure = error_by_horizon(errors, unit="MW", step="hours ahead", title="Error")
    (axis,) = figure.axes

    assert [line.get_linestyle() for line in axis.lines] == ["-", "--"]
    np.testing.assert_array_equal(axis.lines[1].get_ydata(), [3.0, 4.0])
    assert axis.get_ylim()[0] == 0
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("hours ahead", "mean absolute error (MW)")


def test_drawing_leaves_no_figure_open(forecasts, history):
    import matplotlib.pyplot as plt

    fan_charts(forecasts, history, unit="MW", title="Load")
    assert plt.get_fignums() == []


def test_a_missing_matplotlib_names_the_install_command(forecasts, history, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'drnn-forecast\[plot\]'"):
        fan_charts(forecasts, history, unit="MW", title="Load")


@pytest.fixture
def errors():
    return pd.DataFrame({"A": [1.0, 2.0], "B": [3.0, np.nan]}, index=["x", "US$ and A$"])


def test_the_error_by_series_has_a_row_per_series_and_a_dot_per_model(errors):
    figure = error_by_series(errors, label="MASE", title="Error")
    (axis,) = figure.axes

    assert [text.get_text() for text in axis.get_yticklabels()] == ["x", r"US\$ and A\$"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # the first on top
    np.testing.assert_array_equal(axis.lines[0].get_xdata(), [1.0, 2.0])
    assert len({line.get_marker() for line in axis.lines}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A", "B"]


def test_many_series_are_boxes_by_model():
    generator = np.random.default_rng(0)
    errors = pd.DataFrame(generator.random((31, 2)), columns=["A", "B"])
    errors.loc[3, "A"] = np.nan
    (axis,) = error_by_series(errors, label="MASE", title="Error").axes

    assert [text.get_text() for text in axis.get_xticklabels()] == ["A", "B"]
    medians = [line.get_ydata()[0] for line in axis.lines if line.get_linewidth() == 2]
    np.testing.assert_allclose(medians, errors.median())


def test_the_error_by_fold_has_a_line_and_its_spread_per_model():
    folds = pd.DataFrame({"A": [1.0, 2.0, 3.0], "B": [3.0, 2.0, 1.0]})
    (axis,) = error_by_fold(folds, folds / 10, label="MASE", title="Error").axes

    np.testing.assert_array_equal(axis.containers[1].lines[0].get_ydata(), [3.0, 2.0, 1.0])
    (bars,) = axis.containers[0].lines[2]
    np.testing.assert_allclose(bars.get_segments()[2][:, 1], [2.7, 3.3])
    assert list(axis.get_xticks()) == [0, 1, 2]


def test_a_calibration_chart_has_the_promise_as_its_diagonal():
    observed = pd.DataFrame({"A": [0.2, 0.5, 0.8]}, index=[0.1, 0.5, 0.9])
    (axis,) = calibration_chart(observed, title="Calibration").axes

    promise, curve = axis.lines
    assert list(promise.get_xdata()) == list(promise.get_ydata())
    np.testing.assert_array_equal(curve.get_ydata(), [0.2, 0.5, 0.8])
    np.testing.assert_array_equal(curve.get_xdata(), [0.1, 0.5, 0.9])


def test_a_cost_chart_has_a_point_per_model_on_a_logarithmic_axis():
    costs = pd.DataFrame(
        {"seconds": [0.01, 60.0], "error": [1.0, 0.5], "spread": [np.nan, 0.1]}, index=["A", "B"]
    )
    (axis,) = cost_chart(costs, label="MASE", title="Cost").axes

    assert axis.get_xscale() == "log"
    points = [container.lines[0].get_xydata()[0].tolist() for container in axis.containers]
    assert points == [[0.01, 1.0], [60.0, 0.5]]


def test_a_dollar_sign_in_a_name_begins_no_formula(forecasts, history):
    renamed = forecasts.assign(series="US$ and \\frac{A$")
    figure = fan_charts(renamed, history, unit="MW", title="$x")
    figure.draw_without_rendering()
    assert figure.axes[0].get_title(loc="left") == "US\\$ and \\frac{A\\$"
