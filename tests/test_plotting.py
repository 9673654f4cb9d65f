import sys

import numpy as np
import pandas as pd
import pytest

from drnn_forecast.plotting import error_by_horizon, fan_charts


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
