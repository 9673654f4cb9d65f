"""Laws of frequencies: their seasons, steps, features and grids follow from pandas' calendars."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from pandas._libs.tslibs.offsets import prefix_mapping

from drnn_forecast.data import ForecastData, default_seasons
from drnn_forecast.data.frames.cadence import OF_ALIAS, cadence_of
from drnn_forecast.data.frames.calendar import MONTH, calendar_categoricals, calendar_features
from drnn_forecast.data.frames.frequency import OFF_GRID, Grid, parse_frequency, resolve_frequency
from drnn_forecast.evaluation.contenders.registry import named_models
from laws.drawing import law

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
OF_YEARS = ("YS", "YE", "BYS", "BYE", "HYS", "HYE", "BHYS", "BHYE", "QS", "QE", "BQS", "BQE")
ANCHORS = {
    **dict.fromkeys(OF_YEARS, MONTHS),
    **dict.fromkeys(("W", "LWOM"), WEEKDAYS),
    **dict.fromkeys(("SMS", "SME"), ("5", "15", "20")),
    "WOM": ("1MON", "2TUE", "3FRI", "4SUN"),
    "RE": ("N-DEC-MON", "L-JAN-SAT", "N-AUG-FRI"),
    "REQ": ("N-DEC-MON-1", "L-JAN-SAT-4", "N-AUG-FRI-2"),
}
"""Of pandas' aliases; weeks of months, and years of 52 or 53 weeks, have more."""

SEASONS = {
    **dict.fromkeys(("MS", "ME", "BMS", "BME", "CBMS", "CBME", "WOM", "LWOM"), (12,)),
    **dict.fromkeys(("QS", "QE", "BQS", "BQE", "REQ"), (4,)),
    **dict.fromkeys(("HYS", "HYE", "BHYS", "BHYE"), (2,)),
    **dict.fromkeys(("YS", "YE", "BYS", "BYE", "RE"), ()),
    **dict.fromkeys(("SMS", "SME"), (24,)),
    **dict.fromkeys(("B", "C"), (5,)),
    **dict.fromkeys(("bh", "cbh"), (8, 40)),
    **{"W": (52,), "D": (7,), "h": (24, 168), "min": (1440, 10080), "s": (86400, 604800)},
    **{
        f"{part}s": (86400 * n, 604800 * n)
        for part, n in (("m", 10**3), ("u", 10**6), ("n", 10**9))
    },
}

ALIASES = [
    f"{prefix}-{anchor}" if anchor else prefix
    for prefix in prefix_mapping
    for anchor in ANCHORS.get(prefix, ("",))
]
"""Every alias of the installed pandas, with its anchors."""

INFERRED = [alias for alias in ALIASES if alias[:2] not in ("RE", "ns")]
"""Those that stamps can show: pandas has no years of 52 or 53 weeks in `infer_freq`."""


def stamps(alias, *, zone=None, start="2023-01-01", count=40):
    """Return stamps of a frequency, local times that clocks skip moved forward."""
    local = pd.date_range(start, periods=count, freq=alias)
    return local.tz_localize(zone, ambiguous=np.ones(count, bool), nonexistent="shift_forward")


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_of_pandas_has_the_season_of_its_calendar(alias):
    assert default_seasons(alias) == SEASONS[alias.split("-")[0]]


@pytest.mark.parametrize(
    ("alias", "seasons"),
    [
        *[("2h", (12, 84)), ("3h", (8, 56)), ("4h", (6, 42)), ("6h", (4, 28)), ("12h", (2, 14))],
        *[("24h", (7,)), ("168h", (52,)), ("30min", (48, 336)), ("15min", (96, 672))],
        *[("10min", (144, 1008)), ("7min", (1440,)), ("90min", (16, 112)), ("10s", (8640, 60480))],
        *[
            ("7D", (52,)),
            ("14D", (26,)),
            ("5D", (73,)),
            ("2W", (26,)),
            ("4W", (13,)),
            ("13W", (4,)),
        ],
        *[("2MS", (6,)), ("3ME", (4,)), ("6BMS", (2,)), ("2QE", (2,)), ("2SMS", (12,))],
        *[("5B", (52,)), ("2bh", (4, 20)), ("8bh", (5,)), ("4cbh", (2, 10))],
    ],
)
def test_a_multiple_has_the_seasons_that_it_divides(alias, seasons):
    assert default_seasons(alias) == seasons


@pytest.mark.parametrize(
    "alias",
    [
        *["36h", "5h", "11min", "2D", "3D", "10D", "365D", "3W", "52W", "2B", "3bh"],
        *["5MS", "12ME", "18BME", "4QS", "3QE", "2HYS", "2YE"],
    ],
)
def test_a_multiple_that_divides_no_cycle_has_no_season(alias):
    assert default_seasons(alias) == ()


@law
@given(st.sampled_from(ALIASES), st.integers(1, 60))
def test_a_season_repeats_the_calendar(alias, multiple):
    freq = f"{multiple}{alias}"
    cycles = (cadence_of(freq).per_day, cadence_of(freq).per_week, cadence_of(freq).per_year)
    for season in default_seasons(freq):
        assert season > 1
        assert min(abs(season - cycle) for cycle in cycles) <= 0.2


@pytest.mark.parametrize("alias", ALIASES)
def test_the_length_of_a_step_is_that_of_many(alias):
    count = 4000 if cadence_of(alias).days < 1 / 24 else 400
    times = stamps(alias, start="1850-01-01", count=count)
    average = (times[-1] - times[0]) / pd.Timedelta(days=1) / (count - 1)
    assert cadence_of(alias).days == pytest.approx(average, rel=0.02)


def test_an_alias_of_an_unknown_calendar_is_refused(monkeypatch):
    monkeypatch.delitem(OF_ALIAS, "LWOM")
    with pytest.raises(ValueError, match=r"`freq` must be .* got '17LWOM-TUE'; resample"):
        parse_frequency("17LWOM-TUE")


@pytest.mark.parametrize(("zone", "clock"), [(None, "11:30"), ("Europe/Berlin", "00:00")])
@pytest.mark.parametrize("alias", [*ALIASES, "2ME", "3BQE-FEB", "2W-TUE", "2B", "2C", "2bh", "36h"])
def test_a_grid_numbers_the_stamps_of_every_alias(alias, zone, clock):
    times = stamps(alias, zone=zone, start=f"2023-01-01 {clock}")
    grid = Grid(times[0], parse_frequency(alias))
    assert grid.positions(times).tolist() == list(range(40))
    assert grid.stamps(np.arange(40)).equals(times)
    if alias != "ns":
        assert (grid.positions(times + pd.Timedelta(1, "ns")) == OFF_GRID).all()


@pytest.mark.parametrize("alias", [*INFERRED, "2h", "7min", "2D", "2W-TUE", "3MS", "2QE", "2BME"])
def test_stamps_show_their_frequency(alias):
    times = stamps(alias, zone="Europe/Berlin")
    found = resolve_frequency(times, np.zeros(40, int), ["a"], column="t", freq=None)
    assert Grid(times[0], found).stamps(np.arange(40)).equals(times)
    assert default_seasons(found) == default_seasons(alias)


@pytest.mark.parametrize("alias", [a for a in ALIASES if SEASONS[a.split("-")[0]] in {(12,), (4,)}])
def test_the_month_is_that_of_the_stamp_at_both_ends_of_a_period(alias):
    times = stamps(alias)
    assert calendar_categoricals(alias) == [MONTH]
    assert calendar_features(times, alias)[MONTH].tolist() == [f"{m:02d}" for m in times.month]


@pytest.mark.parametrize("alias", ALIASES)
def test_a_calendar_feature_is_one_that_tells_steps_apart(alias):
    times = stamps(alias)
    for name, values in calendar_features(times, alias).items():
        # Steps of minutes and less stay within the hour, the day or the year for long.
        assert len(set(values)) > 1 or cadence_of(alias).per_day > 24 or name.endswith("_cos")


@pytest.mark.parametrize("alias", ["h", "D", "ME", "BME", "QE-FEB", "SME", "bh", "2D", "YE"])
def test_contenders_have_the_seasons_of_the_frequency(alias):
    frame = pd.DataFrame({"t": stamps(alias, count=12), "y": np.arange(12.0)})
    data = ForecastData.from_frame(frame, time="t", target="y", freq=alias)
    (naive,) = named_models(["seasonal_naive"], data, context_length=10_000)
    assert naive.seasons == (max(default_seasons(alias), default=1),)


@pytest.mark.slow
@pytest.mark.parametrize(("freq", "rows"), [("min", 43_200), ("s", 100_000)])
def test_minutes_and_seconds_train_within_ordinary_memory(freq, rows):
    script = f"""
import resource
import subprocess
import sys

import numpy as np, pandas as pd
from drnn_forecast import train
times = pd.date_range("2024-01-01", periods={rows}, freq="{freq}")
frame = pd.DataFrame({{"t": times, "y": np.sin(np.arange({rows}) / 50)}})
settings = {{"max_steps": 2, "progress": False}}
train(frame, 60, time="t", target="y", **settings).forecast(frame)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 2  # GiB; half of it are libraries
