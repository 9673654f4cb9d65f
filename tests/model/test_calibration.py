import numpy as np
import pandas as pd
import pytest

from drnn_forecast.model.calibration import calibrate, misses_needed

QUANTILE_LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
COLUMNS = [f"q{level:g}" for level in QUANTILE_LEVELS]


def drawn(windows, *, steps=1, scale=None, spread=1.0, seed=0):
    """Return forecasts whose quantiles are those of a normal distribution `spread` too wide."""
    generator = np.random.default_rng(seed)
    normal = generator.normal(size=200_000)
    scale = {"a": 1.0} if scale is None else scale
    parts = []
    for series, size in scale.items():
        frame = pd.DataFrame(
            {
                "series": series,
                "window": np.repeat(np.arange(windows), steps),
                "step": np.tile(np.arange(1, steps + 1), windows),
            }
        )
        centre = generator.normal(size=len(frame))
        frame["actual"] = centre + size * generator.normal(size=len(frame))
        for column, level in zip(COLUMNS, QUANTILE_LEVELS, strict=True):
            frame[column] = centre + spread * size * np.quantile(normal, level)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def coverage(frame, low, high):
    return float(frame["actual"].between(frame[low], frame[high]).mean())


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("windows", [19, 30])
@pytest.mark.parametrize(("level", "share"), [(0.025, 0.95), (0.1, 0.8), (0.25, 0.5)])
def test_an_interval_holds_as_often_as_the_theory_says(spread, windows, level, share):
    # Every step is a trial of its own: its n windows calibrate one more. The probability is
    # exactly ceil((n + 1) share) / (n + 1); 4,000 trials leave a standard error of at most 0.008.
    steps = 4000
    past = drawn(windows, steps=steps, spread=spread, seed=1)
    ahead = drawn(1, steps=steps, spread=spread, seed=2)
    expected = np.ceil(round((windows + 1) * share, 9)) / (windows + 1)

    calibrated = calibrate(ahead, past, QUANTILE_LEVELS)
    assert share <= expected < share + 1 / (windows + 1)
    assert coverage(calibrated, f"q{level:g}", f"q{1 - level:g}") == pytest.approx(
        expected, abs=0.032
    )


def test_an_overconfident_forecast_misses_before_and_holds_after():
    past, ahead = (drawn(40, steps=50, spread=0.3, seed=seed) for seed in (1, 2))

    assert coverage(ahead, "q0.1", "q0.9") < 0.4
    assert coverage(calibrate(ahead, past, QUANTILE_LEVELS), "q0.1", "q0.9") == pytest.approx(
        0.8, abs=0.04
    )


def test_series_of_different_size_share_their_misses():
    sizes = {"small": 0.01, "large": 1000.0}
    past, ahead = (drawn(30, steps=200, scale=sizes, spread=0.5, seed=seed) for seed in (1, 2))
    calibrated = calibrate(ahead, past, QUANTILE_LEVELS)

    shares = {name: coverage(part, "q0.1", "q0.9") for name, part in calibrated.groupby("series")}
    assert shares == pytest.approx({"small": 0.8, "large": 0.8}, abs=0.04)


@pytest.mark.parametrize("by_step", [True, False])
@pytest.mark.parametrize("spread", [0.1, 1.0, 20.0])
def test_quantiles_stay_in_order_and_the_median_where_it_was(spread, by_step):
    past, ahead = (drawn(25, steps=4, spread=spread, seed=seed) for seed in (1, 2))
    calibrated = calibrate(ahead, past, QUANTILE_LEVELS, by_step=by_step)

    assert (np.diff(calibrated[COLUMNS], axis=1) >= 0).all()
    pd.testing.assert_series_equal(calibrated["q0.5"], ahead["q0.5"])
    others = ["series", "window", "step", "actual"]
    pd.testing.assert_frame_equal(calibrated[others], ahead[others])


def test_the_distance_is_the_miss_of_the_finite_sample_rank():
    misses = np.arange(1.0, 20.0)  # beyond an interval without width
    past = pd.DataFrame({"series": "a", "step": 1, "actual": misses}).assign(
        **dict.fromkeys(COLUMNS, 0.0)
    )
    ahead = past.head(1).assign(**dict.fromkeys(COLUMNS, 100.0))
    row = calibrate(ahead, past, QUANTILE_LEVELS).iloc[0]

    # Ranks of 19 misses: 10 for one half, 16 for 80 %, 19 for 95 %.
    assert row[COLUMNS].to_list() == [81, 84, 90, 100, 110, 116, 119]


def test_a_distance_is_in_units_of_the_mean_error_of_each_series():
    # Errors of 1 and 3, a mean of 2: misses of 0.5 and 1.5 units, of which the last counts.
    small = pd.DataFrame({"series": "small", "step": 1, "actual": [1.0, 3.0] * 10})
    # Errors of 0 and 100, a mean of 10: misses of 0 and 10 units.
    large = pd.DataFrame({"series": "large", "step": 1, "actual": [0.0] * 18 + [100.0] * 2})
    past = pd.concat([small, large], ignore_index=True).assign(**dict.fromkeys(COLUMNS, 0.0))
    ahead = past.drop_duplicates("series").assign(**dict.fromkeys(COLUMNS, 0.0))
    widths = calibrate(ahead, past, QUANTILE_LEVELS).set_index("series")["q0.975"]

    # 41 * 0.95 = 38.95: the 39th of 40 misses is one of the two of 10 units.
    assert widths.to_dict() == pytest.approx({"small": 10 * 2.0, "large": 10 * 10.0})


def test_steps_share_their_distance_where_that_is_asked_for():
    past = drawn(19, steps=2, seed=1)
    past.loc[past["step"] == 2, "actual"] += 50.0
    ahead = drawn(1, steps=2, seed=2)

    def widths(**options):
        result = calibrate(ahead, past, QUANTILE_LEVELS, **options)
        return (result["q0.975"] - result["q0.025"]).to_numpy()

    alone, shared = widths(), widths(by_step=False)
    assert alone[1] > alone[0] + 50
    assert shared[0] == pytest.approx(shared[1])


def test_every_cell_has_its_own_calibration():
    narrow, wide = drawn(19, spread=0.1, seed=1), drawn(19, spread=5.0, seed=2)
    cells = {("A", 0, 0): narrow, ("A", 1, 0): wide, ("B", 0, 3): narrow}

    def together(frames):
        return pd.concat(
            frame.assign(model=model, seed=seed, fold=fold)
            for (model, seed, fold), frame in frames.items()
        ).reset_index(drop=True)

    ahead = drawn(5, seed=3)
    apart = {cell: calibrate(ahead, past, QUANTILE_LEVELS) for cell, past in cells.items()}
    joint = calibrate(together(dict.fromkeys(cells, ahead)), together(cells), QUANTILE_LEVELS)
    pd.testing.assert_frame_equal(joint, together(apart))


def test_a_series_without_errors_stays_as_it_is_and_leaves_the_others_alone():
    past, ahead = drawn(19, seed=1), drawn(3, seed=2)
    constant = pd.DataFrame({"series": "c", "window": range(19), "step": 1, "actual": 7.0})
    constant = constant.assign(**dict.fromkeys(COLUMNS, 7.0))
    joint = calibrate(pd.concat([ahead, constant]), pd.concat([past, constant]), QUANTILE_LEVELS)

    is_constant = joint["series"] == "c"
    pd.testing.assert_frame_equal(joint[is_constant], constant)
    pd.testing.assert_frame_equal(joint[~is_constant], calibrate(ahead, past, QUANTILE_LEVELS))
    pd.testing.assert_frame_equal(calibrate(constant, constant, QUANTILE_LEVELS), constant)


def test_rows_without_an_actual_are_left_out():
    past, ahead = drawn(20, seed=1), drawn(3, seed=2)
    gap = past.assign(actual=past["actual"].where(past["window"] < 19))

    pd.testing.assert_frame_equal(
        calibrate(ahead, gap, QUANTILE_LEVELS), calibrate(ahead, past.head(19), QUANTILE_LEVELS)
    )


@pytest.mark.parametrize(
    ("quantiles", "count"), [((0.1, 0.5, 0.9), 4), (QUANTILE_LEVELS, 19), ((0.01, 0.5, 0.99), 49)]
)
def test_the_widest_interval_says_how_many_windows_are_needed(quantiles, count):
    assert misses_needed(quantiles) == count


def test_too_few_windows_are_refused_with_the_number_needed():
    with pytest.raises(ValueError, match=r"needs at least 19 windows over all series, got 18"):
        calibrate(drawn(1), drawn(18), QUANTILE_LEVELS)


def test_the_step_with_the_fewest_windows_decides_whether_there_are_enough():
    past = drawn(25, steps=2)
    few = past[(past["step"] == 1) | (past["window"] < 18)]

    with pytest.raises(ValueError, match=r"needs at least 19 windows over all series, got 18"):
        calibrate(drawn(1, steps=2), few, QUANTILE_LEVELS)


def test_no_windows_are_refused():
    with pytest.raises(ValueError, match="needs at least 19 windows over all series, got 0"):
        calibrate(drawn(1).head(0), drawn(1).head(0), QUANTILE_LEVELS)


@pytest.mark.parametrize(
    "quantiles", [(0.1, 0.5), (0.1, 0.9), (0.1, 0.5, 0.8), (0.5,), (0, 0.5, 1)]
)
def test_levels_that_are_no_pairs_are_refused(quantiles):
    with pytest.raises(ValueError, match=r"must be 0\.5 and pairs l and 1 - l"):
        calibrate(drawn(1), drawn(19), quantiles)


def test_a_series_without_earlier_windows_is_named():
    with pytest.raises(ValueError, match=r"found none for \[\{'series': 'new'\}\]"):
        calibrate(drawn(1).assign(series="new"), drawn(19), QUANTILE_LEVELS)


def test_a_step_without_earlier_windows_is_named():
    with pytest.raises(ValueError, match=r"found none for \[\{'step': 2\}\]"):
        calibrate(drawn(1, steps=2), drawn(19), QUANTILE_LEVELS)


@pytest.mark.parametrize("argument", ["forecasts", "calibration_forecasts"])
def test_a_missing_column_is_named(argument):
    frames = {"forecasts": drawn(1), "calibration_forecasts": drawn(19)}
    frames[argument] = frames[argument].drop(columns="q0.1")
    with pytest.raises(ValueError, match=rf"`{argument}` must have .*\['q0.1'\] missing"):
        calibrate(**frames, quantiles=QUANTILE_LEVELS)
