"""A frame, the ways of saying the same, which a forecast has to be blind to, and tiny models of it."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa

from drnn_forecast import DilatedRNNForecaster, ForecastData, fit

ROLES = {
    "series": "shop",
    "time": "when",
    "target": "sold",
    "known": ["price", "promotion", "event"],
    "observed": ["visits", "mood"],
    "static": ["size", "land"],
}
FUTURE = ["shop", "when", "price", "promotion", "event"]
HORIZON = 6
ZONE = "Europe/Berlin"


def said_plainly(steps=80, zone=None, start="2024-02-20"):
    """Return three shops' hours with covariates of every kind, the next horizon's rows last.

    Numbers are whole multiples of 1/8, which every float type holds, and the rows to be forecast
    have an empty target.
    """
    generator = np.random.default_rng(0)
    parts = []
    for shop, scale in ((1, 1.0), (2, 30.0), (10, 900.0)):
        size = steps - shop + HORIZON
        level = 5 + np.sin(np.arange(size) * 2 * np.pi / 24) + generator.normal(size=size) / 4
        sold = np.round(8 * scale * level) / 8
        sold[-HORIZON:] = np.nan
        parts.append(
            pd.DataFrame(
                {
                    "shop": shop,
                    "when": pd.date_range(start, periods=size, freq="h", tz=zone),
                    "sold": sold,
                    "price": np.round(8 * generator.normal(size=size)) / 8,
                    "promotion": generator.random(size) < 0.3,
                    "event": generator.choice(["none", "fair", "None"], size=size),
                    "visits": generator.integers(0, 90, size=size),
                    "mood": generator.choice(["up", "down"], size=size),
                    "size": float(shop) / 8,
                    "land": "north" if shop == 2 else "south",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def as_dtype(column, dtype):
    """Return a way that gives a column another dtype."""
    return lambda frame, generator: frame.assign(**{column: frame[column].astype(dtype)})


def as_objects(column, function):
    """Return a way that writes each value of a column as a Python object of another kind."""

    def said(frame, generator):
        values = [None if pd.isna(value) else function(value) for value in frame[column]]
        return frame.assign(**{column: pd.Series(values, index=frame.index, dtype=object)})

    return said


def as_category(column):
    """Return a way that says a column in categories, in an order of their own, one unused."""

    def said(frame, generator):
        known = frame[column].dropna().unique().tolist()
        spare = -5 if isinstance(known[0], int | float) else "spare"
        order = generator.permutation(len(known))
        dtype = pd.CategoricalDtype([spare, *(known[place] for place in order)], ordered=True)
        return frame.assign(**{column: frame[column].astype(dtype)})

    return said


def with_index(make):
    """Return a way that gives the frame an index made from it."""
    return lambda frame, generator: frame.set_axis(make(frame), axis=0)


def with_column(name, make):
    """Return a way that adds a column without a role."""
    return lambda frame, generator: frame.assign(**{name: make(frame)})


def shuffled(frame, generator):
    return frame.iloc[generator.permutation(len(frame))]


def columns_moved(frame, generator):
    return frame[generator.permutation(frame.columns).tolist()]


def in_unit(unit):
    return lambda frame, generator: frame.assign(when=frame["when"].dt.as_unit(unit))


def in_zone(zone):
    return lambda frame, generator: frame.assign(when=frame["when"].dt.tz_convert(zone))


def naive(frame, generator):
    return frame.assign(when=frame["when"].dt.tz_localize(None))


ROWS = {
    "shuffled rows": shuffled,
    "reversed rows": lambda frame, generator: frame.iloc[::-1],
    "by time": lambda frame, generator: frame.sort_values("when", kind="stable"),
    "shuffled columns": columns_moved,
    "index of times": with_index(lambda frame: frame["when"].to_numpy()),
    "index of times named as they are": with_index(lambda frame: pd.Index(frame["when"])),
    "index of zeros": with_index(lambda frame: np.zeros(len(frame), dtype=int)),
    "index that misleads": with_index(lambda frame: np.arange(len(frame))[::-1] * 7),
    "index of numbers with fractions": with_index(lambda frame: np.linspace(0, 1, len(frame))),
    "index of two levels": with_index(
        lambda frame: pd.MultiIndex.from_frame(frame[["shop", "when"]], names=["shop", "when"])
    ),
    "text as index, named as a column": with_index(
        lambda frame: pd.Index(frame["event"].astype(str), name="sold")
    ),
    "copied columns": lambda frame, generator: frame.copy(deep=True),
    "an extra constant": with_column("note", lambda frame: 1),
    "an extra column without values": with_column("note", lambda frame: np.nan),
    "an extra column of lists": with_column("lists", lambda frame: [[1]] * len(frame)),
    "an extra time index": with_column("time_idx", lambda frame: np.arange(len(frame))),
    "an extra column named as ours": with_column("calendar_hour", lambda frame: "noon"),
    "an extra column named index": with_column("index", lambda frame: 3),
    "an extra column with a number as name": lambda frame, generator: pd.concat(
        [frame, pd.Series(3.0, frame.index, name=7)], axis=1
    ),
}
IDS = {
    **{
        f"ids as {dtype}": as_dtype("shop", dtype)
        for dtype in ("int8", "uint16", "int64", "float64", "float32", "Int64", "Float64")
    },
    "ids as Arrow integers": as_dtype("shop", pd.ArrowDtype(pa.int32())),
    "ids as Arrow floats": as_dtype("shop", pd.ArrowDtype(pa.float64())),
    "ids as text": as_objects("shop", str),
    "ids as pandas text": lambda frame, generator: frame.assign(
        shop=frame["shop"].astype(str).astype("string")
    ),
    "ids as Arrow text": lambda frame, generator: frame.assign(
        shop=frame["shop"].astype(str).astype(pd.ArrowDtype(pa.string()))
    ),
    "ids as Arrow dictionary": lambda frame, generator: frame.assign(
        shop=frame["shop"].astype(str).astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))
    ),
    "ids as categories": as_category("shop"),
    "ids as Python's integers": as_objects("shop", int),
    "ids as Python's floats": as_objects("shop", float),
    "ids as decimals": as_objects("shop", Decimal),
}
NUMBERS = {
    f"{column} as {dtype}": as_dtype(column, dtype)
    for column in ("sold", "price", "visits", "size")
    for dtype in (
        "float32",
        "float64",
        "Float32",
        "Float64",
        pd.ArrowDtype(pa.float32()),
        pd.ArrowDtype(pa.float64()),
    )
} | {
    "visits as int16": as_dtype("visits", "int16"),
    "visits as uint8": as_dtype("visits", "uint8"),
    "visits as Int64": as_dtype("visits", "Int64"),
    "visits as Arrow integers": as_dtype("visits", pd.ArrowDtype(pa.int64())),
    "price as Arrow decimals": as_dtype("price", pd.ArrowDtype(pa.decimal128(12, 3))),
    "sold as Arrow decimals": as_dtype("sold", pd.ArrowDtype(pa.decimal128(12, 3))),
}
CATEGORIES = (
    {
        f"{column} as {dtype}": as_dtype(column, dtype)
        for column in ("event", "mood", "land")
        for dtype in (object, "string", "str", "category", pd.ArrowDtype(pa.string()))
    }
    | {f"{column} in an order": as_category(column) for column in ("event", "mood", "land")}
    | {
        "promotion as boolean": as_dtype("promotion", "boolean"),
        "promotion as Arrow's": as_dtype("promotion", pd.ArrowDtype(pa.bool_())),
        "promotion as objects": as_objects("promotion", bool),
        "promotion as categories": as_dtype("promotion", "category"),
    }
)
TIMES = {
    **{f"times in {unit}": in_unit(unit) for unit in ("s", "ms", "us", "ns")},
    "times as Arrow's": as_dtype("when", pd.ArrowDtype(pa.timestamp("us"))),
    "times as Arrow's seconds": as_dtype("when", pd.ArrowDtype(pa.timestamp("s"))),
    "times as objects": as_objects("when", pd.Timestamp),
    "times as Python's": as_objects("when", lambda stamp: stamp.to_pydatetime()),
    "times as numpy's": as_objects("when", lambda stamp: stamp.to_datetime64()),
    "times as text": as_objects("when", str),
    "times as text with a T": as_objects("when", lambda stamp: stamp.isoformat()),
    "times as Arrow text": lambda frame, generator: frame.assign(
        when=frame["when"].astype(str).astype(pd.ArrowDtype(pa.string()))
    ),
}
ZONED = {
    "the zone as a name": in_zone(ZONE),
    "in UTC": in_zone("UTC"),
    "in New York": in_zone("America/New_York"),
    "in Kathmandu": in_zone("Asia/Kathmandu"),
    "in a fixed zone": in_zone(datetime.timezone(datetime.timedelta(hours=5))),
    "in UTC of Python": in_zone(datetime.timezone.utc),
    "in seconds": in_unit("s"),
    "as Arrow's": as_dtype("when", pd.ArrowDtype(pa.timestamp("us", tz="UTC"))),
    "as text with an offset": as_objects("when", lambda stamp: stamp.isoformat()),
    "as Python's": as_objects("when", lambda stamp: stamp.to_pydatetime()),
    "without a zone": naive,
}
WAYS = {**ROWS, **IDS, **NUMBERS, **CATEGORIES, **TIMES}


def said(frame, names, seed=0, ways=None):
    """Return the frame said in several ways, one after the other."""
    generator = np.random.default_rng(seed)
    for name in names:
        frame = (WAYS if ways is None else ways)[name](frame, generator)
    return frame


def kind_of(name):
    """Return the ways that must not be taken together with one, since they name the same column."""
    for kind in (ROWS, IDS, TIMES):
        if name in kind:
            return "rows" if kind is ROWS else "ids" if kind is IDS else "times"
    return name.split(" as ")[0].split(" in ")[0]


def trained(frame, *, trainer_kwargs=None, **roles):
    """Return a tiny model of a frame, trained for three steps."""
    data = ForecastData.from_frame(frame, **{**ROLES, **roles})
    splits = data.split(horizon=HORIZON, context_length=30, validation_windows=1)
    options = {"hidden_size": 8, "head_size": 8, "dropout": 0.0}
    return fit(
        lambda: DilatedRNNForecaster.from_dataset(splits.training, **options),
        splits.training,
        splits.validation,
        max_epochs=1,
        steps_per_epoch=3,
        progress=False,
        trainer_kwargs=trainer_kwargs,
    ).model


def numbers(forecast):
    """Return the quantiles of a forecast by series and time, whatever dtype these are said in."""
    keys = [forecast["shop"].astype(float).to_numpy(), pd.DatetimeIndex(forecast["when"])]
    table = forecast.set_axis(pd.MultiIndex.from_arrays(keys), axis=0)
    return table.filter(like="q0").sort_index().to_numpy()
