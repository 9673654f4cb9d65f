"""Which column of a frame plays which part."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drnn_forecast.data.frames.zones import checked_zone

CALENDAR_PREFIX = "calendar_"
TIME_INDEX = "time_idx"
ONLY_SERIES = "series"
ONLY_SERIES_COLUMN = "single_series_id"
OBSERVED = "__observed"
"""The weight of a dataset that lacks targets, where the user has none: 0 there, and 1 elsewhere."""
BEFORE = "__before__"
"""Before the name of a target: the last one known up to each row, where a frame says it."""
MARK = "__missing__"
"""Before the name of a column: the real variable that is 1 where the column is empty, 0 elsewhere.
"""
MISSING = ("mask", "error", "zero", "previous", "linear")
"""What may be done about missing values, the default first."""
KINDS = (
    "static_categoricals",
    "static_reals",
    "time_varying_known_categoricals",
    "time_varying_known_reals",
    "time_varying_unknown_categoricals",
    "time_varying_unknown_reals",
)
"""The arguments of `TimeSeriesDataSet` that list variables."""
FORECAST_COLUMN = re.compile(r"prediction|q[01](\.\d+)?|p\(.*\)")
"""What forecasts call their numbers."""
COUNTRY = re.compile(r"[A-Z]{2}(-\w[\w ]*)?")
"""A country by its code in ISO 3166, with or without a subdivision; other text names a column."""
JOINT = "/"
"""Between the names, and the labels, of several columns that name a series together."""
TARGET_NAME = "target_name"
TARGET_VALUE = "target_value"
"""The columns that several targets become, which name them and hold their values."""
ONE_COLUMN = ("time",)
RESERVED = frozenset({TIME_INDEX, ONLY_SERIES_COLUMN, "encoder_length", "relative_time_idx"})


@dataclass(frozen=True)
class Roles:
    """The part that each column of a frame plays; plain values only, so that it can be stored.

    Attributes:
        time: Column of time stamps.
        target: Column to forecast, or several: each is then learned as a series of its own, of
            every series, by one model, and has columns of its own in the forecast.
        series: Column that names the series of a row, or several that do so together, such as
            `("store", "item")`; None: the frame is one series.
        known: Covariates that are known ahead.
        observed: Covariates that are known up to now only.
        static: Covariates that are constant within a series.
        freq: pandas frequency alias; None: derived from the time stamps.
        calendar: Whether features are made from the time stamps.
        zone: Time zone that stamps are brought into, such as `"Europe/Berlin"`, `"UTC"` or
            `"UTC+01:00"`; those without one are its local time. `"naive"`: stamps have no zone, and
            such that have one are refused. None: that of the time column.
        holidays: The country whose holidays are features: a code of ISO 3166, such as `"DE"` or,
            with a subdivision, `"DE-BY"`; other text names a column of such codes, constant within
            a series, which may have another role too. Needs the extra `holidays`. None: of no
            country.
        wide: What a frame has for each series in place of rows: `"columns"`, a column each, or
            `"rows"`, a row each, whose columns are times. `target`, and `time` or `series`, are
            then the names that the values and the others get. None: the frame is tidy. Of several
            targets, their columns.
        missing: What is done about empty values and missing time steps. `"mask"`: the model reads
            what its anchors say there, and that it is missing. `"error"`: they are refused. Others
            give the model a value as if it were there: `"zero"`, `"previous"`, the last one before,
            or `"linear"`, on the line between the target before and the one after, where both lie
            before what is forecast, and else the last one. In any case they count in no loss and
            no score, and nothing looks ahead. A missing covariate is the last one before it, beside
            a mark that says so with `"mask"`; with `"zero"` a missing number is 0.

    Raises:
        TypeError: An attribute has the wrong type.
        ValueError: A column has two roles, or a name that datasets keep for themselves, there is
            no such zone, or `holidays` is the column of time or target.

    Example:
        >>> Roles("ds", "y", known="price").known
        ('price',)
    """

    time: str
    target: str
    series: str | tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    freq: str | None = None
    calendar: bool = True
    zone: str | None = None
    holidays: str | None = None
    wide: str | tuple[str, ...] | None = None
    missing: str = MISSING[0]

    def __post_init__(self) -> None:
        for role in ("known", "observed", "static"):
            object.__setattr__(self, role, column_tuple(role, getattr(self, role)))
        if isinstance(self.series, list | tuple):
            names = column_tuple("series", self.series)
            object.__setattr__(self, "series", names if len(names) > 1 else next(iter(names), None))
        if isinstance(self.wide, list):
            object.__setattr__(self, "wide", tuple(self.wide))
        if isinstance(self.target, list | tuple):
            self._take_targets(tuple(self.target))
        if self.wide is not None and self.series is None:
            object.__setattr__(self, "series", ONLY_SERIES)
        if isinstance(self.freq, int) and not isinstance(self.freq, bool):
            object.__setattr__(self, "freq", str(self.freq))
        check_types(self)
        check_one_role_each(self)
        check_names(self)
        check_country(self)
        if self.zone is not None:
            object.__setattr__(self, "zone", checked_zone(self.zone))

    def _take_targets(self, targets: tuple[str, ...]) -> None:
        """Let several targets be series beside each other."""
        if not targets or self.wide is not None or len(set(targets)) < len(targets):
            raise ValueError(
                f"`target` must name a column, or several different ones of a tidy frame, got "
                f"{list(targets)!r}; with `wide` it is the name of all values."
            )
        if len(targets) == 1:
            object.__setattr__(self, "target", targets[0])
            return
        others = [*self.series_columns, self.time, *self.covariates]
        for name in targets:
            if not isinstance(name, str) or name in others:
                raise ValueError(
                    f"`target` must name columns as text that have no other role, got {name!r}; "
                    "leave it in one of them."
                )
        object.__setattr__(self, "series", (*self.series_columns, TARGET_NAME))
        object.__setattr__(self, "target", TARGET_VALUE)
        object.__setattr__(self, "wide", targets)

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to forecast, where they are several."""
        return self.wide if isinstance(self.wide, tuple) else ()

    @property
    def covariates(self) -> tuple[str, ...]:
        """The columns given as `known`, `observed` and `static`."""
        return self.known + self.observed + self.static

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that has a role."""
        return (*self.keys, self.target, *self.covariates)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that identify a row: those of the series, where there are some, and time."""
        return (*self.series_columns, self.time)

    @property
    def series_columns(self) -> tuple[str, ...]:
        """The columns that name the series, none, one or several."""
        return column_tuple("series", self.series)

    @property
    def holiday_column(self) -> str | None:
        """The column of country codes, if `holidays` names one."""
        is_country = self.holidays is None or COUNTRY.fullmatch(self.holidays)
        return None if is_country else self.holidays

    @property
    def group(self) -> str:
        """The column that identifies a series in a dataset; of several, their names joined."""
        return JOINT.join(self.series_columns) or ONLY_SERIES_COLUMN

    def to_dict(self) -> dict[str, Any]:
        """Return the roles as a dictionary of strings, lists, booleans and None."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, roles: Mapping[str, Any]) -> "Roles":
        """Return the roles that `to_dict` wrote.

        Raises:
            TypeError: A key is missing, or is no attribute of `Roles`.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(roles) - set(names))
        if unknown:
            raise TypeError(f"`roles` has unknown keys {unknown}; allowed are {names}.")
        missing = sorted({"time", "target"} - set(roles))
        if missing:
            raise TypeError(f"`roles` must have the keys 'time' and 'target', {missing} missing.")
        return cls(**roles)


def column_tuple(role: str, columns: Any) -> tuple[str, ...]:
    """Return one column name or a collection of them as a tuple; None counts as none."""
    if columns is None:
        return ()
    if isinstance(columns, str):
        return (columns,)
    try:
        return tuple(columns)
    except TypeError:
        raise TypeError(f"`{role}` must name columns as text, got {columns!r}.") from None


def check_types(roles: Roles) -> None:
    """Raise where a value has the wrong type."""
    for role, columns in role_columns(roles).items():
        for column in columns:
            if role in ONE_COLUMN and isinstance(column, list | tuple):
                raise TypeError(several_columns(role, column))
            if not isinstance(column, str):
                raise TypeError(
                    f"`{role}` must name columns as text, got {column!r}; other names can be "
                    "changed with `frame.rename(columns=str)`."
                )
    if roles.freq is not None and not isinstance(roles.freq, str):
        raise TypeError(f"`freq` must be a pandas frequency alias such as 'h', got {roles.freq!r}.")
    if roles.zone is not None and not isinstance(roles.zone, str):
        raise TypeError(
            f"`zone` must name a time zone as text, such as 'Europe/Berlin', got {roles.zone!r}."
        )
    if roles.holidays is not None and not isinstance(roles.holidays, str):
        raise TypeError(
            "`holidays` must be a country code as text, such as 'DE', or name a column of codes, "
            f"got {roles.holidays!r}."
        )
    if not isinstance(roles.calendar, bool):
        raise TypeError(f"`calendar` must be True or False, got {roles.calendar!r}.")
    check_words(roles)


def check_words(roles: Roles) -> None:
    """Raise where a word is none of those that there are."""
    if roles.wide not in (None, "columns", "rows") and not roles.targets:
        raise ValueError(f"`wide` must be 'columns', 'rows' or None, got {roles.wide!r}.")
    if not isinstance(roles.missing, str) or roles.missing not in MISSING:
        raise ValueError(
            f"`missing` must be one of {', '.join(map(repr, MISSING))}, got {roles.missing!r}."
        )


def several_columns(role: str, columns: Sequence[Any]) -> str:
    """Return what is wrong with several columns where a role has one."""
    return f"`{role}` must name one column, got {list(columns)!r}; choose one of them."


def role_columns(roles: Roles) -> dict[str, tuple[str, ...]]:
    """Return the columns of every role that names columns."""
    return {
        "time": (roles.time,),
        "target": (roles.target,),
        "series": roles.series_columns,
        "known": roles.known,
        "observed": roles.observed,
        "static": roles.static,
    }


def check_one_role_each(roles: Roles) -> None:
    """Raise where a column is given twice."""
    role_of: dict[str, str] = {}
    for role, columns in role_columns(roles).items():
        for column in columns:
            if column in role_of:
                raise ValueError(
                    f"A column plays one part only, but {column!r} is given as "
                    f"`{role_of[column]}` and as `{role}`; leave it in one of them."
                )
            role_of[column] = role


def check_names(roles: Roles) -> None:
    """Raise where a name is one that datasets or forecasts keep for themselves."""
    for column in roles.keys:
        if FORECAST_COLUMN.fullmatch(column):
            raise ValueError(
                f"The columns of series and time are columns of a forecast too, which has "
                f"{column!r} for its numbers; rename the column."
            )
    if len(roles.series_columns) > 1 and roles.group in roles.columns:
        raise ValueError(
            f"The columns of the series, joined as {roles.group!r}, are a column of that name with "
            "another role; rename that column."
        )
    for column in roles.columns:
        if column == roles.time:
            continue
        if column in RESERVED or column.startswith((CALENDAR_PREFIX, "__")):
            raise ValueError(
                f"The column name {column!r} is taken by the features that datasets make "
                f"({', '.join(sorted(RESERVED))}, {CALENDAR_PREFIX}..., __...); rename the column."
            )
        if "." in column:
            raise ValueError(
                f"A column name must not contain a dot (pytorch-forecasting's rule), got "
                f"{column!r}; rename it, for example to {column.replace('.', '_')!r}."
            )


def check_country(roles: Roles) -> None:
    """Raise where the countries are said to be in a column that cannot hold them."""
    if roles.holiday_column in (roles.time, roles.target):
        raise ValueError(
            f"`holidays` must be a country code such as 'DE', or name a column of codes, got "
            f"{roles.holidays!r}, which is the column of time or target; give another."
        )
