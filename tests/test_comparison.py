import numpy as np
import pandas as pd
import pytest

from drnn_forecast import ForecastData, SeasonalNaive, compare, deepar, dilated_rnn, lstm
from drnn_forecast.baselines import quantile_loss

WINDOWS = {
    "horizon": 12,
    "context_length": 48,
    "validation_windows": 3,
    "test_windows": 2,
    "season_length": 24,
}
QUICK = {"max_epochs": 1, "steps_per_epoch": 4, "batch_size": 32, "progress": False}


def frame(length=24 * 16):
    time = pd.date_range("2024-01-01", periods=length, freq="h")
    rng = np.random.default_rng(0)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "id": name,
                    "ds": time,
                    "y": level
                    + level / 10 * np.sin(np.arange(length) * 2 * np.pi / 24)
                    + rng.normal(size=length),
                }
            )
            for name, level in (("a", 50.0), ("b", 100.0))
        ],
        ignore_index=True,
    )


def data(table=None):
    return ForecastData.from_frame(
        frame() if table is None else table, series="id", time="ds", target="y"
    )


@pytest.fixture(scope="module")
def comparison():
    return compare(
        data(),
        models=[
            dilated_rnn(hidden_size=4, num_layers=2, season_length=24, loss=quantile_loss()),
            lstm(hidden_size=4, learning_rate=0.01),
            deepar(hidden_size=4),
            SeasonalNaive(24),
        ],
        **WINDOWS,
        **QUICK,
    )


def test_every_model_has_a_row_with_every_score(comparison):
    table = comparison.table

    assert list(table.index) == ["DilatedRNN", "LSTM", "DeepAR", "Seasonal naive (24)"]
    scores = table[["MAE", "sMAPE", "MASE", "pinball", "coverage 80 %"]]
    assert np.isfinite(scores.to_numpy()).all()
    assert table["quantiles from"].tolist() == ["model", "residuals", "model", "residuals"]
    assert (table["parameters"] > 0).tolist() == [True, True, True, False]
    assert table["learning rate"].iloc[1] == 0.01


def test_every_model_forecasts_the_same_windows_at_the_end(comparison):
    expected = frame().groupby("id").tail(24)
    for record in comparison.records:
        rows = record.forecasts.sort_values(["series", "time"])
        assert rows["series"].tolist() == expected["id"].tolist()
        assert rows["time"].tolist() == expected["ds"].tolist()
        np.testing.assert_allclose(rows["actual"], expected["y"], rtol=1e-6)


def test_the_steps_of_a_window_count_its_hours(comparison):
    rows = comparison.records[0].forecasts

    assert rows["window"].nunique() == 4
    for _, window in rows.groupby("window"):
        assert window["step"].tolist() == list(range(1, 13))
        assert window["time"].diff().dropna().eq(pd.Timedelta("1h")).all()


def test_seasonal_naive_is_right_where_the_series_repeats():
    table = frame()
    table["y"] = 10 + np.sin(np.arange(len(table)) * 2 * np.pi / 24)
    result = compare(data(table), models=[SeasonalNaive(24)], **WINDOWS).table

    assert result["MAE"].iloc[0] == pytest.approx(0, abs=1e-5)


def test_training_never_sees_what_it_is_scored_on():
    changed = frame()
    late = changed.groupby("id").cumcount() >= 24 * 16 - 24
    changed.loc[late, "y"] = 1e6
    model = dilated_rnn(hidden_size=4, num_layers=2, loss=quantile_loss())

    one, other = (
        compare(data(table), models=[model], **WINDOWS, **QUICK).records[0]
        for table in (frame(), changed)
    )
    assert one.validation_loss == other.validation_loss
    for name, value in one.fitted.state_dict().items():
        assert value.equal(other.fitted.state_dict()[name])


def test_every_model_is_announced_before_its_turn():
    names = []
    compare(data(), models=[SeasonalNaive(24), SeasonalNaive(12)], announce=names.append, **WINDOWS)

    assert names == ["Seasonal naive (24)", "Seasonal naive (12)"]


@pytest.mark.parametrize("models", [[], [SeasonalNaive(24), SeasonalNaive(24)]])
def test_models_need_names_of_their_own(models):
    with pytest.raises(ValueError, match="`models` must be models of different names"):
        compare(data(), models=models, **WINDOWS)


def test_more_windows_than_the_data_hold_are_refused():
    with pytest.raises(ValueError, match="needs at least"):
        compare(data(), models=[SeasonalNaive(24)], **{**WINDOWS, "test_windows": 40})


def test_all_forecasts_stand_in_one_frame(comparison):
    assert comparison.forecasts["model"].value_counts().eq(48).all()
