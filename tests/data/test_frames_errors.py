"""What bad input gets: one error that names the column or argument, the rule and the remedy."""

import re

import numpy as np
import pandas as pd
import pytest

from drnn_forecast.data.frames.data import ForecastData
from drnn_forecast.data.frames.roles import Roles


def two_series(num_days: int = 30) -> pd.DataFrame:
    """Return two daily series, `a` and `b`, with a covariate of every kind."""
    days = pd.date_range("2024-01-01", periods=num_days, freq="D")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "shop": shop,
                    "day": days,
                    "sold": np.arange(num_days, dtype=float) + 100 * number,
                    "price": np.linspace(1.0, 2.0, num_days),
                    "footfall": np.arange(num_days)[::-1].astype(float),
                    "city": city,
                }
            )
            for number, (shop, city) in enumerate([("a", "Graz"), ("b", "Linz")])
        ],
        ignore_index=True,
    )


ROLES = {
    "time": "day",
    "target": "sold",
    "series": "shop",
    "known": ["price"],
    "observed": ["footfall"],
    "static": ["city"],
}


def take(frame: pd.DataFrame, **changes) -> ForecastData:
    return ForecastData.from_frame(frame, **{**ROLES, **changes})


def with_value(column: str, row: int, value) -> pd.DataFrame:
    frame = two_series()
    frame[column] = frame[column].astype(object) if isinstance(value, str) else frame[column]
    frame.loc[row, column] = value
    return frame


def says(*parts: str) -> str:
    """Return a pattern for a message that holds all parts, in this order."""
    return "(?s)" + ".*".join(re.escape(part) for part in parts)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"target": "solld"}, ["'solld' is not in `frame`", "did you mean 'sold'?", "'price'"]),
        ({"target": "SOLD"}, ["'SOLD' is not in `frame`", "did you mean 'sold'?"]),
        ({"time": "when"}, ["'when' is not in `frame`", "its columns are 'shop', 'day'"]),
        ({"known": ["prices"]}, ["'prices' is not in `frame`", "did you mean 'price'?"]),
    ],
)
def test_a_missing_column_is_named_with_the_closest_one(changes, parts):
    with pytest.raises(ValueError, match=says(*parts)):
        take(two_series(), **changes)


def test_a_column_name_occurs_once():
    frame = two_series()
    frame = pd.concat([frame, frame[["price"]]], axis=1)
    with pytest.raises(ValueError, match=says("must be unique", "'price'", "rename or drop")):
        take(frame)


@pytest.mark.parametrize(
    ("changes", "first", "second"),
    [
        ({"target": "day"}, "time", "target"),
        ({"known": ["sold"]}, "target", "known"),
        ({"observed": ["price"]}, "known", "observed"),
        ({"static": ["shop"]}, "series", "static"),
        ({"known": ["price", "price"]}, "known", "known"),
    ],
)
def test_a_column_has_one_role(changes, first, second):
    parts = ["one part only", f"`{first}` and as `{second}`", "leave it in one"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(two_series(), **changes)


@pytest.mark.parametrize("name", ["time_idx", "calendar_hour", "__x", "encoder_length", "a.b"])
def test_a_name_that_datasets_keep_or_refuse_is_to_be_renamed(name):
    frame = two_series().rename(columns={"price": name})
    with pytest.raises(ValueError, match=says(name, "rename")):
        take(frame, known=[name])


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"known": [3]}, ["`known`", "columns as text", "3"]),
        ({"known": 3}, ["`known`", "columns as text", "3"]),
        ({"time": None}, ["`time`", "column of times", "None", "index"]),
        ({"freq": 5.0}, ["`freq`", "alias", "5.0"]),
        ({"calendar": "yes"}, ["`calendar`", "True or False", "'yes'"]),
    ],
)
def test_a_role_of_the_wrong_type_is_named(changes, parts):
    with pytest.raises(TypeError, match=says(*parts)):
        take(two_series(), **changes)


@pytest.mark.parametrize(
    ("roles", "parts"),
    [
        ({"time": "t", "target": "y", "serie": "s"}, ["unknown keys ['serie']", "'series'"]),
        ({"time": "t"}, ["'time' and 'target'", "['target'] missing"]),
    ],
)
def test_stored_roles_with_other_keys_are_refused(roles, parts):
    with pytest.raises(TypeError, match=says(*parts)):
        Roles.from_dict(roles)


def test_a_frame_is_a_dataframe():
    with pytest.raises(TypeError, match=says("`frame`", "DataFrame", "dict")):
        take({"day": [1]})


def test_an_empty_frame_is_refused():
    with pytest.raises(ValueError, match=says("`frame` must have rows", "0 rows and 6 columns")):
        take(two_series().iloc[:0])


@pytest.mark.parametrize(
    ("frame", "parts"),
    [
        (with_value("sold", 2, "many"), ["'sold'", "numbers", "1 value", "'many'", "'a'", "01-03"]),
        (two_series().astype({"sold": bool}), ["'sold'", "numbers", "bool", "convert"]),
        (two_series().assign(price=pd.Timestamp(0)), ["'price'", "datetime64", "convert it"]),
        (two_series().assign(price=1j), ["'price'", "complex", "convert it"]),
        (with_value("price", 4, "x"), ["'price'", "object", "convert it"]),
    ],
)
def test_a_dtype_that_the_role_does_not_allow_is_named(frame, parts):
    with pytest.raises(TypeError, match=says(*parts)):
        take(frame)


@pytest.mark.parametrize(
    ("times", "error", "parts"),
    [
        (np.arange(60) / 2, TypeError, ["'day'", "ISO 8601", "float64", "pd.to_timedelta"]),
        (["2024-01-01", "soon"] * 30, ValueError, ["'day'", "30 of 60", "'soon' in row 1"]),
        (["01/02/2024"] * 60, ValueError, ["'day'", "'01/02/2024'", "dayfirst"]),
        (["1st of May"] * 60, ValueError, ["'day'", "'1st of May' in row 0", "format="]),
        (
            [pd.Timestamp(0), pd.NaT] * 30,
            ValueError,
            ["'day'", "30 of 60", "row 1", "fill or drop"],
        ),
    ],
)
def test_a_time_column_that_cannot_be_read_is_named_with_its_first_bad_value(times, error, parts):
    with pytest.raises(error, match=says(*parts)):
        take(two_series().assign(day=times))


@pytest.mark.parametrize(
    ("shops", "parts"),
    [
        ([None] * 3 + ["a"] * 57, ["'shop'", "empty in 3 rows", "row 0", "fill or drop"]),
        ([1] * 30 + ["1"] * 30, ["'shop'", "one type", "1, '1'", "astype(str)"]),
        ([1] * 30 + ["a"] * 30, ["'shop'", "one type", "1, 'a'", "astype(str)"]),
    ],
)
def test_every_row_names_its_series_in_one_type(shops, parts):
    with pytest.raises(ValueError, match=says(*parts)):
        take(two_series().assign(shop=shops))


def test_a_repeated_time_stamp_is_named():
    frame = two_series()
    frame = pd.concat([frame, frame.iloc[[3, 40]]])
    parts = ["'day'", "2 duplicates", "series 'a' at 2024-01-04", "aggregate", "`series`"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(frame)


def hours_of_local_time(start: str, end: str) -> pd.DataFrame:
    """Return hourly local time without its zone, as many meters write it."""
    times = pd.date_range(start, end, freq="h", tz="Europe/Vienna").tz_localize(None)
    return pd.DataFrame({"t": times, "y": np.arange(len(times), dtype=float)})


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2024-10-20", "2024-11-02", "1 duplicate, first at 2024-10-27 02:00:00"),
        ("2024-03-20", "2024-04-02", "1 step is missing in 1 gap"),
    ],
)
def test_local_time_across_a_change_of_clocks_gets_a_hint(start, end, found):
    frame = hours_of_local_time(start, end)
    with pytest.raises(ValueError, match=says(found, "clocks change", "tz_localize")):
        ForecastData.from_frame(frame, time="t", target="y", missing="error")


def test_a_step_that_is_missing_as_clocks_change_is_told_with_the_hint(caplog):
    frame = hours_of_local_time("2024-03-20", "2024-04-02")
    ForecastData.from_frame(frame, time="t", target="y")
    (record,) = caplog.records
    assert "1 step is missing in 1 gap" in record.getMessage()
    assert "tz_localize" in record.getMessage()


def test_other_duplicates_get_no_hint_of_clocks():
    frame = hours_of_local_time("2024-05-01", "2024-05-20")
    with pytest.raises(ValueError, match=r"name the `series` column\.$"):
        ForecastData.from_frame(pd.concat([frame, frame]), time="t", target="y")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e39])
@pytest.mark.parametrize(
    ("column", "what"),
    [("sold", "Target"), ("price", "Covariate"), ("footfall", "Covariate")],
)
def test_an_empty_or_infinite_value_is_counted_and_placed(column, what, value):
    frame = with_value(column, 35, value)
    frame.loc[38, column] = value
    parts = [f"{what} column {column!r}", "2 values are", "series 'b' at 2024-01-06"]
    with pytest.raises(ValueError, match=says(*parts, "missing='mask'")):
        take(frame, missing="error")
    if np.isnan(value):
        assert take(frame).history[column].isna().sum() == 2
    else:
        with pytest.raises(ValueError, match=says(*parts, "leave them empty")):
            take(frame)


def test_an_empty_category_is_placed():
    frame = with_value("city", 7, None)
    with pytest.raises(ValueError, match=says("'city'", "1 value is", "series 'a' at 2024-01-08")):
        take(frame, missing="error")
    assert take(frame).history["city"].tolist() == two_series()["city"].tolist()


@pytest.mark.parametrize("column", ["price", "footfall", "city"])
def test_a_covariate_without_any_value_is_named(column):
    frame = two_series().assign(**{column: np.nan})
    with pytest.raises(ValueError, match=says(repr(column), "in some row", "leave it out")):
        take(frame)


@pytest.mark.parametrize("missing", ["interpolate", None, True])
def test_another_way_with_missing_values_is_refused(missing):
    with pytest.raises(ValueError, match=says("`missing`", "'mask'", "'linear'", repr(missing))):
        take(two_series(), missing=missing)


def test_a_stamp_far_from_the_others_is_no_gap():
    frame = two_series()
    frame.loc[59, "day"] = pd.Timestamp("2242-01-30")
    with pytest.raises(ValueError, match=says("one in 21", "'b' at 2024-01-30", "correct stamps")):
        take(frame, freq="D")


def test_a_series_without_any_target_is_named():
    frame = two_series()
    frame.loc[frame["shop"] == "b", "sold"] = np.nan
    with pytest.raises(ValueError, match=says("'sold'", "empty in all rows of 1 series", "'b'")):
        take(frame)


def test_a_static_covariate_that_varies_is_named():
    parts = ["'city'", "constant", "from 'Linz' to 'Wien'", "'b' at 2024-01-06", "`known` or"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(with_value("city", 35, "Wien"))


def test_missing_steps_are_counted_and_placed():
    frame = two_series().drop(index=[3, 4, 50])
    parts = ["'day'", "'D'", "3 steps are missing in 2 gaps", "2 steps in series 'a'", "2024-01-04"]
    with pytest.raises(ValueError, match=says(*parts, "missing='mask'")):
        take(frame, missing="error")


@pytest.mark.parametrize("alias", ["W-SUN", "MS", "2D", "B", "12h"])
def test_a_frequency_that_differs_between_series_is_named_in_both(alias):
    frame = two_series()
    frame.loc[30:, "day"] = pd.date_range("2024-01-01", periods=30, freq=alias)
    parts = ["one frequency", "'D' in series 'a'", f"'{alias}' in series 'b'", "resample"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(frame)


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01", "2024-01-02"],
        [
            "2024-01-01 00:00:00",
            "2024-01-01 00:07:11",
            "2024-01-03 01:00:00",
            "2024-02-01 09:00:00",
        ],
    ],
)
def test_a_frequency_that_cannot_be_inferred_is_to_be_given(times):
    frame = pd.DataFrame({"t": times, "y": 1.0})
    with pytest.raises(ValueError, match=says("'t' cannot be inferred", "give `freq`")):
        ForecastData.from_frame(frame, time="t", target="y")


@pytest.mark.parametrize(
    ("freq", "parts"),
    [
        ("W-SUN", ["'day'", "'W-SUN'", "series 'a' at 2024-01-01", "another `freq`"]),
        ("2D", ["'day'", "'2D'", "30 stamps do not", "series 'a' at 2024-01-02"]),
        ("fortnight", ["`freq`", "alias", "'fortnight'"]),
        ("-1D", ["`freq`", "forward", "'-1D'"]),
        ("h", ["'h'", "1334 steps are missing", "series 'a' at 2024-01-01 01:00:00"]),
    ],
)
def test_a_frequency_that_does_not_fit_names_the_first_stamp(freq, parts):
    with pytest.raises(ValueError, match=says(*parts)):
        take(two_series(), freq=freq)


def test_series_on_the_same_frequency_must_share_its_grid():
    frame = two_series()
    frame["day"] += pd.to_timedelta(np.where(frame["shop"] == "b", 6, 0), unit="h")
    parts = ["'D' that starts at 2024-01-01 00:00:00", "30 stamps do not", "'b'", "06:00:00"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(frame)


def future_of(frame: pd.DataFrame, num_days: int = 7) -> pd.DataFrame:
    """Return future rows for both shops."""
    days = pd.date_range(frame["day"].max() + pd.Timedelta(days=1), periods=num_days, freq="D")
    shops = np.repeat(["a", "b"], num_days)
    return pd.DataFrame({"shop": shops, "day": np.tile(days, 2), "price": 1.5})


@pytest.mark.parametrize(
    ("spoil", "error", "parts"),
    [
        (lambda f: f.drop(columns="price"), ValueError, ["'price' is not in `future`"]),
        (lambda f: f.assign(price=np.nan), ValueError, ["Known", "'price'", "14 values", "01-31"]),
        (lambda f: f.assign(price="high"), TypeError, ["'price'", "`frame`", "`future`"]),
        (lambda f: f.assign(shop="c"), ValueError, ["`future`", "'shop'", "others: 'c'"]),
        (lambda f: f.assign(sold=1.0), ValueError, ["`future`", "'sold'", "14 values"]),
        (lambda f: f.assign(day=f["day"] - pd.Timedelta(days=2)), ValueError, ["after", "4 rows"]),
        (
            lambda f: f.assign(day=f["day"].dt.tz_localize("UTC")),
            ValueError,
            ["`future`", "UTC", "tz_convert"],
        ),
        (lambda f: pd.concat([f, f.iloc[:1]]), ValueError, ["1 duplicate", "2024-01-31"]),
        (lambda f: f.assign(day=f["day"] + pd.Timedelta(hours=1)), ValueError, ["grid", "'D'"]),
        (lambda f: f.to_dict(), TypeError, ["`future`", "DataFrame"]),
    ],
)
def test_future_rows_that_do_not_fit_are_refused(spoil, error, parts):
    frame = two_series()
    with pytest.raises(error, match=says(*parts)):
        take(frame, future=spoil(future_of(frame)))


def test_a_known_covariate_missing_in_a_future_row_names_column_and_first_time():
    frame = pd.concat([two_series(), future_of(two_series())], ignore_index=True)
    frame.loc[62:, "price"] = np.nan
    parts = ["Known covariate 'price'", "12 values are", "series 'a' at 2024-02-02", "`observed`"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(frame)


SPLIT = {"horizon": 3, "context_length": 5, "validation_windows": 2}


@pytest.mark.parametrize(
    ("argument", "value", "least"),
    [
        ("horizon", 0, 1),
        ("context_length", 0, 1),
        ("validation_windows", 0, 1),
        ("test_windows", -1, 0),
        ("stride", 0, 1),
        ("min_context_length", -1, 0),
    ],
)
def test_a_number_below_its_minimum_is_named(argument, value, least):
    with pytest.raises(ValueError, match=says(f"`{argument}`", f"at least {least}, got {value}")):
        take(two_series()).split(**{**SPLIT, argument: value})


@pytest.mark.parametrize("value", [2.5, "2", True])
@pytest.mark.parametrize("argument", ["horizon", "context_length", "validation_windows", "stride"])
def test_a_number_that_is_no_whole_number_is_named(argument, value):
    with pytest.raises(TypeError, match=says(f"`{argument}`", "an integer", repr(value))):
        take(two_series()).split(**{**SPLIT, argument: value})


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"min_context_length": 6}, ["`min_context_length`", "at most", "5", "got 6"]),
        ({"min_context_length": 1}, ["at least 2", "got 1", "`target_normalizer`"]),
        ({"weight": "wait"}, ["`weight` column 'wait'"]),
    ],
)
def test_a_split_that_cannot_be_made_is_explained(changes, parts):
    with pytest.raises(ValueError, match=says(*parts)):
        take(two_series()).split(**{**SPLIT, **changes})


@pytest.mark.parametrize("option", ["time_idx", "max_encoder_length", "static_reals"])
def test_a_dataset_option_that_is_derived_is_refused(option):
    with pytest.raises(TypeError, match=says(f"`{option}`", "derived from", "leave it out")):
        take(two_series()).split(**SPLIT, **{option: 1})


def test_a_series_too_short_to_split_is_named_with_its_length():
    frame = two_series()
    frame = frame[(frame["shop"] == "a") | (frame["day"] > "2024-01-17")]
    parts = ["at least 14 rows", "'b' (13 rows)", "`drop_short=True`"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(frame).split(**SPLIT)


def test_dropping_short_series_must_leave_one():
    with pytest.raises(ValueError, match=says("'a' (30 rows), 'b' (30 rows)", "leave none")):
        take(two_series()).split(**{**SPLIT, "context_length": 40}, drop_short=True)


@pytest.mark.parametrize(
    ("steps", "error", "parts"),
    [
        (-1, ValueError, ["`steps`", "at least 0"]),
        (1.5, TypeError, ["`steps`", "an integer"]),
        (30, ValueError, ["`steps`", "leave rows", "'a' (30 rows)"]),
    ],
)
def test_going_back_further_than_the_data_is_refused(steps, error, parts):
    with pytest.raises(error, match=says(*parts)):
        take(two_series()).before(steps)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"known": []}, ["'price' was known (numbers) in training", "lacking here"]),
        ({"static": []}, ["'city' was static (categories) in training", "lacking here"]),
        ({"observed": []}, ["'footfall' was observed (numbers)", "lacking here"]),
        ({"calendar": False}, ["'calendar_weekday' was known (categories)", "lacking here"]),
        ({"known": ["footfall"], "observed": ["price"]}, ["'price' was known", "is observed"]),
        ({"target": "footfall", "observed": ["sold"]}, ["target", "'sold'", "'footfall'"]),
        ({"series": "city", "static": ["shop"]}, ["told apart by ['shop']", "['city']"]),
    ],
)
def test_a_frame_that_lacks_a_variable_of_training_is_refused(changes, parts):
    parameters = take(two_series()).split(**SPLIT).training.get_parameters()
    with pytest.raises(ValueError, match=says(*parts)):
        take(two_series(), **changes).before(3).forecast_dataset(parameters)


def test_a_variable_that_changed_its_kind_is_named():
    parameters = take(two_series()).split(**SPLIT).training.get_parameters()
    frame = two_series().astype({"price": str})
    parts = ["'price' was known (numbers)", "is known (categories) here", "dtypes"]
    with pytest.raises(ValueError, match=says(*parts)):
        take(frame).before(3).forecast_dataset(parameters)


def test_parameters_of_another_kind_of_dataset_are_refused():
    parameters = take(two_series()).split(**SPLIT).training.get_parameters() | {"time_idx": "t"}
    with pytest.raises(ValueError, match=says("`ForecastData.split`", "'t'")):
        take(two_series()).forecast_dataset(parameters)


@pytest.mark.parametrize(
    ("num_days", "parts"),
    [
        (0, ["['price']", "3 steps", "3 future rows are missing", "'a' at 2024-01-31", "2 series"]),
        (2, ["['price']", "1 future row is missing", "series 'a' at 2024-02-02", "`future`"]),
    ],
)
def test_known_covariates_must_reach_to_the_end_of_the_horizon(num_days, parts):
    frame = two_series()
    parameters = take(frame).split(**SPLIT).training.get_parameters()
    data = take(frame, future=future_of(frame, num_days))
    with pytest.raises(ValueError, match=says(*parts)):
        data.forecast_dataset(parameters)


@pytest.mark.parametrize("time", [None, "day"])
def test_a_column_alone_is_refused_and_the_remedy_makes_a_frame(time):
    column = two_series().query("shop == 'a'").set_index("day")["sold"]
    with pytest.raises(TypeError, match=r"got a Series of pandas. Pass `frame.to_frame\(\)`"):
        ForecastData.from_frame(column, time=time, target="sold")
    data = ForecastData.from_frame(column.to_frame(), time=time, target="sold")
    assert data.history["day"].tolist() == column.index.tolist()
