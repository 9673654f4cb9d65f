"""What a model is asked once it is trained: by the names that one and several networks share."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting.metrics import MAE, QuantileLoss

import drnn_forecast as drnn
from drnn_forecast import DilatedRNNForecaster, Ensemble, ForecastData
from series import make_dataset, planted_frame

matplotlib.use("Agg")

FORMAT_1 = Path(__file__).parent / "format_1"
KEYS = ["shop", "day"]


def shops(num_series=2, length=60):
    """Return daily series with a weekly pattern and a price that is known ahead."""
    days = pd.date_range("2024-01-01", periods=length, freq="D")
    generator = np.random.default_rng(0)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "shop": f"shop {number}",
                    "day": days,
                    "sold": 10.0 * (number + 1)
                    + np.sin(np.arange(length) * 2 * np.pi / 7)
                    + generator.normal(size=length),
                    "price": generator.normal(size=length),
                }
            )
            for number in range(num_series)
        ],
        ignore_index=True,
    )


def shop_data(**options):
    return ForecastData.from_frame(
        shops(**options), time="day", target="sold", series="shop", known=["price"]
    )


def network(data, seed=0, **options):
    splits = data.split(horizon=3, context_length=14, validation_windows=1)
    torch.manual_seed(seed)
    return DilatedRNNForecaster.from_dataset(
        splits.training, **{"hidden_size": 4, "num_layers": 2, **options}
    ).eval()


def models(data, **options):
    """Return one network and an ensemble of two."""
    first, second = (network(data, seed, **options) for seed in (0, 1))
    return {"network": first, "ensemble": Ensemble([first, second])}


@pytest.fixture(scope="module")
def data():
    return shop_data().before(3)


@pytest.fixture(scope="module", params=["network", "ensemble"])
def model(request, data):
    return models(data)[request.param]


def test_a_folder_of_the_first_format_gives_the_forecast_that_it_gave_when_it_was_written():
    history, future, expected = (
        pd.read_csv(FORMAT_1 / f"{name}.csv", parse_dates=["day"])
        for name in ("history", "future", "forecast")
    )
    result = drnn.load(FORMAT_1).forecast(history, future=future)

    # Other kernels may round otherwise.
    pd.testing.assert_frame_equal(result, expected, check_exact=False, rtol=1e-5, check_dtype=False)


def test_a_model_that_was_saved_and_loaded_gives_the_same_forecast(model, data, tmp_path):
    folder = model.save(tmp_path / "model")
    loaded = drnn.load(folder)

    assert folder == tmp_path / "model"
    assert type(loaded) is type(model)
    pd.testing.assert_frame_equal(loaded.forecast(data), model.forecast(data), check_exact=True)
    assert drnn.load(str(folder)).card() == model.card()


@pytest.mark.parametrize(
    ("make", "message"),
    [(True, "holds no DilatedRNNForecaster: "), (False, "does not exist")],
    ids=["empty", "missing"],
)
def test_a_folder_without_a_model_is_refused_with_a_remedy(make, message, tmp_path):
    folder = tmp_path / "folder"
    if make:
        folder.mkdir()
    with pytest.raises(FileNotFoundError, match=rf"folder' {message}.*Write it with .*save"):
        drnn.load(folder)


def test_what_is_trained_is_a_forecaster(model):
    assert isinstance(model, drnn.Forecaster)


def test_what_train_returns_is_a_forecaster(data):
    trained = drnn.train(data.history, 3, max_seconds=5, time="day", target="sold", series="shop")

    assert isinstance(trained, drnn.Forecaster)
    assert len(trained.forecast(data.history)) == 2 * 3


def test_a_card_names_target_horizon_and_versions(model):
    card = model.card()

    assert "| target | sold |" in card
    assert "| horizon (time steps) | 3 |" in card
    assert f"| drnn-forecast | {drnn.__version__} |" in card
    assert f"| torch | {torch.__version__} |" in card


def panels(figure):
    """Return the titles of the panels of a figure that are seen."""
    return [axis.get_title(loc="left") for axis in figure.axes if axis.get_visible()]


def legend(figure):
    """Return the entries of a figure's only legend."""
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


@pytest.mark.parametrize("num_series", [1, 2, 3])
def test_a_figure_has_a_panel_for_each_series_and_a_legend(num_series):
    past = shop_data(num_series=num_series).before(3)
    model = network(past)
    figure = model.plot(model.forecast(past), past, engine="matplotlib")

    assert panels(figure) == [f"shop {number}" for number in range(num_series)]
    assert {"median forecast", "history"} <= set(legend(figure))


def test_an_ensemble_is_drawn_as_a_network_is(model, data):
    assert panels(model.plot(model.forecast(data), data, engine="matplotlib")) == [
        "shop 0",
        "shop 1",
    ]


def test_a_forecast_is_drawn_without_its_history(model, data):
    figure = model.plot(model.forecast(data), engine="matplotlib")

    assert panels(figure) == ["shop 0", "shop 1"]
    assert "median forecast" in legend(figure)


def test_values_at_the_times_of_a_forecast_are_drawn_as_what_came(model, data):
    figure = model.plot(model.forecast(data), shops(), engine="matplotlib")

    assert "what came" in legend(figure)


@pytest.mark.parametrize("is_text", [False, True], ids=["stamps", "text"])
@pytest.mark.parametrize("with_data", [False, True], ids=["alone", "with its history"])
def test_one_series_without_a_series_column_has_one_panel_with_the_target_s_name(
    with_data, is_text
):
    frame = shops(num_series=1).drop(columns=["shop", "price"])
    if is_text:
        frame["day"] = frame["day"].astype(str)
    model = network(ForecastData.from_frame(frame, time="day", target="sold"))
    figure = model.plot(model.forecast(frame), frame if with_data else None, engine="matplotlib")

    assert panels(figure) == ["sold"]
    assert "median forecast" in legend(figure)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (
            QuantileLoss([0.02, 0.1, 0.5, 0.9, 0.98]),
            ["96 % interval", "80 % interval", "median forecast"],
        ),
        (QuantileLoss([0.9, 0.5, 0.1]), ["80 % interval", "median forecast"]),
        (MAE(), ["forecast"]),
    ],
    ids=["0.02 to 0.98", "three", "points"],
)
def test_a_figure_shows_the_levels_that_the_model_has(data, loss, expected):
    model = network(data, loss=loss)
    figure = model.plot(model.forecast(data), data, engine="matplotlib")

    assert legend(figure) == [*expected, "history"]


def test_a_model_of_a_plain_dataset_says_that_it_draws_no_tidy_forecast():
    frame = planted_frame(num_series=2, length=90)
    dataset = make_dataset(frame, time_varying_known_reals=["time_idx"])
    model = DilatedRNNForecaster.from_dataset(dataset, hidden_size=4, num_layers=2)
    with pytest.raises(ValueError, match=r"`plot` draws forecasts of tidy frames, .*ForecastData"):
        model.plot(model.forecast(frame), frame, engine="matplotlib")
