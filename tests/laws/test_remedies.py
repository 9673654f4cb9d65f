"""What an error advises works when it is done."""

import re

import numpy as np
import pandas as pd
import pytest

from drnn_forecast import ForecastData
from drnn_forecast.data import read_table


def sales():
    return pd.DataFrame(
        {
            "store": np.repeat(["a", "b"], 20),
            "item": np.tile(np.repeat([1, 2], 10), 2),
            "day": np.tile(pd.date_range("2024-01-01", periods=10), 4),
            "sold": np.arange(40.0),
        }
    )


def advice(error, start):
    """Return the line of code in an error's message that begins so."""
    return next(code for code in re.findall(r"`([^`]+)`", str(error)) if code.startswith(start))


def done(line, **values):
    """Return the frame after a line of advice, an expression or a statement."""
    names = {"pd": pd, **values}
    if re.match(r"[\w.\[\]'\"]+ = ", line):
        exec(line, names)
        return names["frame"]
    return eval(line, names)


def prices():
    """Return prices of two tickers, in columns of two levels, with days as a column."""
    columns = pd.MultiIndex.from_product([["close", "volume"], ["X", "Y"]])
    days = pd.Index(pd.date_range("2024-01-01", periods=12), name="day")
    return pd.DataFrame(np.arange(48.0).reshape(12, 4), index=days, columns=columns).reset_index()


@pytest.mark.parametrize("start", ["frame.columns", "frame.stack"])
def test_columns_of_two_levels_are_flattened_by_the_line_in_the_error(start):
    frame = prices() if start == "frame.columns" else prices().set_index("day")
    with pytest.raises(ValueError, match="must have one name for each column") as found:
        ForecastData.from_frame(frame, time="day", target="close_X")
    flat = done(advice(found.value, start), frame=frame)
    roles = (
        {"time": "day_", "target": "close_X"}
        if start == "frame.columns"
        else {"time": "day", "target": "close", "series": "level_1"}
    )
    data = ForecastData.from_frame(flat, **roles)
    assert len(data.history) == (12 if start == "frame.columns" else 24)


def test_truth_values_are_a_target_after_the_line_in_the_error():
    frame = sales().assign(sold=lambda own: own["sold"] % 2 == 0)
    with pytest.raises(TypeError, match="must hold numbers") as found:
        ForecastData.from_frame(frame, time="day", target="sold", series="store")
    assert "astype(float)" in str(found.value)


def test_a_frame_of_a_library_that_nobody_knows_is_named_with_its_own_conversion():
    class DataFrame:
        __module__ = "frames.frame"

        def to_pandas(self):
            return sales().query("store == 'a' and item == 1")

    frame = DataFrame()
    with pytest.raises(TypeError, match="got a DataFrame of frames") as found:
        ForecastData.from_frame(frame, time="day", target="sold")
    data = ForecastData.from_frame(
        done(advice(found.value, "frame."), frame=frame), time="day", target="sold"
    )
    assert len(data.history) == 10


@pytest.mark.parametrize("name", ["prediction", "q0.5", "q0.025", "p(rain)"])
@pytest.mark.parametrize("role", ["series", "time"])
def test_columns_of_a_forecast_are_not_overwritten(role, name):
    roles = {"series": "store", "time": "day", "target": "sold", role: name}
    with pytest.raises(ValueError, match="rename the column"):
        ForecastData.from_frame(sales(), **roles)


def test_words_for_nothing_stay_labels_where_a_column_holds_labels(tmp_path):
    path = tmp_path / "holidays.csv"
    path.write_text(
        "shop,day,sold,holiday,price\n"
        "NA,2024-01-01,1,None,2.5\n"
        "NA,2024-01-02,NA,Easter,null\n"
        "b,2024-01-01,3,,1e-3\n"
    )
    table = read_table(path)
    assert table["shop"].tolist() == ["NA", "NA", "b"]
    assert table["holiday"].tolist()[:2] == ["None", "Easter"]
    assert table["holiday"].isna().tolist() == [False, False, True]
    np.testing.assert_array_equal(table["sold"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(table["price"], [2.5, np.nan, 1e-3])
