"""Figures to look into show what the printed ones show."""

import sys

import pandas as pd
import pytest

from drnn_forecast.model import trained
from drnn_forecast.plotting import interactive_fans

LEVELS = ["q0.025", "q0.1", "q0.5", "q0.9", "q0.975"]


def parts(names=("a", "b", "c"), time=None):
    time = pd.date_range("2024-01-05", periods=6, freq="h") if time is None else time
    frames = [
        pd.DataFrame({"series": name, "time": time}).assign(
            **{level: float(rank) for rank, level in enumerate(LEVELS)}
        )
        for name in names
    ]
    forecasts = pd.concat(frames)
    return forecasts, forecasts[["series", "time"]].assign(actual=2.0)


def figure_of(*args, **options):
    pytest.importorskip("plotly", reason="needs the extra plotly")
    return interactive_fans(*args, **{"unit": "MW", "title": "Load", **options})


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c"), tuple("abcdefg")])
def test_every_series_has_a_panel_and_one_legend_names_all(names):
    forecasts, history = parts(names)
    figure = figure_of(forecasts, history, history)

    shown = [each.name for each in figure.data if each.showlegend]
    titles = [each.text for each in figure.layout.annotations]
    labels = ["95 % interval", "80 % interval", "median forecast", "history", "what came"]
    assert shown == labels
    assert titles == [f"<b>{name}</b>" for name in names]
    assert len(figure.data) == len(names) * 7  # an interval is two lines, and what lies between
    assert figure.layout.title.text == "Load"
    assert figure.layout.yaxis.title.text == "MW"
    assert figure.layout.legend.y < 0  # below the panels


@pytest.mark.parametrize(
    "time", [range(6), pd.date_range("2024-01-05", periods=6, freq="h", tz="Europe/Berlin")]
)
def test_bands_lie_between_their_levels_over_the_times_that_are_given(time):
    forecasts, history = parts(("a",), time)
    low, high = figure_of(forecasts, history).data[:2]

    assert (list(low.y), list(high.y), high.fill) == ([0.0] * 6, [4.0] * 6, "tonexty")
    shown = [str(each)[:19] for each in pd.Series(high.x)]  # as on a clock there
    assert shown == [str(each)[:19] for each in forecasts["time"]]


def test_names_are_shown_as_they_are():
    forecasts, history = parts(("US$ and A$ <b>&",))
    [title] = figure_of(forecasts, history, unit="$").layout.annotations
    assert title.text == "<b>US&#36; and A&#36; &lt;b&gt;&amp;</b>"


def test_a_point_forecast_of_one_step_can_be_seen():
    forecasts, history = parts(("a",), range(1))
    figure = figure_of(forecasts[["series", "time"]].assign(prediction=1.0), history)
    assert [each.mode for each in figure.data] == ["lines+markers"] * 2


def test_the_engine_is_plotly_where_it_is_installed_and_can_be_chosen(monkeypatch):
    for is_there, name in ((True, "interactive_fans"), (False, "fan_charts")):
        monkeypatch.setattr(trained, "find_spec", lambda _, there=is_there: there or None)
        assert trained._drawing("auto").__name__ == name
    assert trained._drawing("matplotlib").__name__ == "fan_charts"
    assert trained._drawing("plotly").__name__ == "interactive_fans"
    with pytest.raises(ValueError, match=r"`engine` must be 'auto', .* got 'bokeh'"):
        trained._drawing("bokeh")


def test_without_plotly_its_install_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.subplots", None)
    forecasts, history = parts()
    with pytest.raises(ImportError, match=r"drnn-forecast\[plotly\].*engine='matplotlib'"):
        interactive_fans(forecasts, history, unit="MW", title="Load")
