"""Texts of the user are shown as they are, whatever they mean to matplotlib."""

import io

import numpy as np
import pandas as pd
import pytest

from drnn_forecast import plotting

TEXTS = [r"$\foo$", r"\$\foo$", "US$ and A$", "$", "$$", r"$x_{$", "a_b^c", "%d {x}", "", "\\"]
ERRORS = pd.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]}, index=["s0", "s1"])


def fans(text):
    time = pd.date_range("2024-01-01", periods=4, freq="h")
    rows = pd.DataFrame({"series": text, "time": time, "actual": 1.0})
    levels = {f"q{level}": np.arange(4.0) for level in (0.025, 0.1, 0.5, 0.9, 0.975)}
    return plotting.fan_charts(rows.assign(**levels), rows, rows, unit=text, title=text)


PICTURES = {
    "fans": fans,
    "by step": lambda text: plotting.error_by_horizon(
        {text or "a": pd.Series([1.0, 2.0], index=[1, 2])}, unit=text, step=text, title=text
    ),
    "by series": lambda text: plotting.error_by_series(
        ERRORS.rename(index={"s0": text}, columns={"a": text}), label=text, title=text
    ),
    "by fold": lambda text: plotting.error_by_fold(ERRORS.reset_index(drop=True), label=text, title=text),
    "bars": lambda text: plotting.bars({text: 1.0}, title=text, label=text),
    "by depth": lambda text: plotting.length_by_depth({text or "a": {2: 1.0, 3: 2.0}}, title=text),
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", PICTURES)
def test_a_text_is_drawn_as_it_is(name, text):
    figure = PICTURES[name](text)

    figure.savefig(io.BytesIO(), format="png", dpi=30)
    for axis in figure.axes:
        for shown in (axis.xaxis.label, axis.yaxis.label, axis.title):
            assert not shown._preprocess_math(shown.get_text())[1]
