import numpy as np
import pytest

from drnn_forecast.evaluation.contenders.naive import SeasonalNaive
from drnn_forecast.evaluation.contenders.residuals import residual_quantiles
from series import make_dataset, planted_frame


@pytest.mark.parametrize("season", [5, 24, 60])
def test_seasonal_naive_repeats_the_values_one_season_ago(season):
    data = make_dataset(planted_frame(noise=1.0), max_prediction_length=30)
    index = data.decoded_index
    points = SeasonalNaive(season).points(data)

    frame = planted_frame(noise=1.0).set_index(["name", "time_idx"])["target"]
    for window in (0, len(data) // 2, len(data) - 1):
        first = index["time_idx_first_prediction"].iloc[window]
        expected = [
            frame[index["name"].iloc[window], first - season + step % season] for step in range(30)
        ]
        np.testing.assert_allclose(points[window], expected, rtol=1e-6)


def test_a_season_longer_than_the_window_is_refused():
    with pytest.raises(ValueError, match="`season_length` must fit into every window, got 61"):
        SeasonalNaive(61).points(make_dataset())


def quantiles_of(points, series, past_points, past_actuals, past_series, quantiles=(0.1, 0.5, 0.9)):
    return residual_quantiles(
        np.asarray(points, "f4"),
        np.asarray(series),
        past_points=np.asarray(past_points, "f4"),
        past_actuals=np.asarray(past_actuals, "f4"),
        past_series=np.asarray(past_series),
        quantiles=quantiles,
    )


def test_residual_quantiles_are_those_of_each_step_in_units_of_the_other_windows():
    residuals = np.random.default_rng(0).normal(size=(99, 2)) * [1.0, 10.0]
    result = quantiles_of([[0, 0]], ["a"], np.zeros((99, 2)), residuals, ["a"] * 99)

    sizes = np.abs(residuals)
    scaled = [row / np.delete(sizes, place, axis=0).mean() for place, row in enumerate(residuals)]
    ordered = np.sort(scaled, axis=0)  # the (99 + 1) p-th smallest
    expected = sizes[1:].mean() * ordered[[10 - 1, 50 - 1, 90 - 1]].T
    np.testing.assert_allclose(result[0], expected, rtol=1e-5)


def test_residuals_without_an_actual_are_left_out():
    past = np.random.default_rng(0).normal(size=(60, 1))
    blank = past.copy()
    blank[[3, 40]] = np.nan
    found, expected = (
        quantiles_of([[0]], ["a"], np.zeros((len(part), 1)), part, ["a"] * len(part))
        for part in (blank, np.delete(past, [3, 40], axis=0))
    )

    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_residual_quantiles_are_in_proportion_to_the_errors_of_their_series():
    rng = np.random.default_rng(0)
    residuals = rng.normal(size=(200, 3))
    past = np.concatenate([residuals, 100 * residuals])
    names = ["small"] * 200 + ["large"] * 200
    result = quantiles_of(np.zeros((2, 3)), ["small", "large"], np.zeros((400, 3)), past, names)

    np.testing.assert_allclose(result[1], 100 * result[0], rtol=1e-4)


def test_residual_quantiles_shift_with_the_forecast():
    past = np.random.default_rng(0).normal(size=(50, 3))
    low = quantiles_of(np.zeros((1, 3)), ["a"], np.zeros((50, 3)), past, ["a"] * 50)
    high = quantiles_of(np.full((1, 3), 7), ["a"], np.zeros((50, 3)), past, ["a"] * 50)

    np.testing.assert_allclose(high, low + 7, rtol=1e-5)


def test_a_method_without_errors_has_quantiles_at_its_forecast():
    result = quantiles_of([[3, 4]], ["a"], [[1, 2]], [[1, 2]], ["a"])

    np.testing.assert_allclose(result[0], [[3, 3, 3], [4, 4, 4]])


def test_a_series_without_earlier_windows_is_refused_by_name():
    with pytest.raises(ValueError, match=r"Series \['b'\] have no earlier window"):
        quantiles_of([[0]], ["b"], [[0]], [[1]], ["a"])
