import pickle

import numpy as np
import pandas as pd
import pytest

from drnn_forecast import ForecastData, load_sample
from drnn_forecast.evaluation.contenders.classical import ClassicalModel
from drnn_forecast.evaluation.contenders.neural import NeuralModel
from drnn_forecast.evaluation.contenders.registry import MODEL_NAMES, named_models


def data(freq="h", length=400):
    time = pd.date_range("2000-01-01", periods=length, freq=freq)
    return ForecastData.from_frame(
        pd.DataFrame({"ds": time, "y": np.arange(length, dtype=float)}), time="ds", target="y"
    )


def test_every_name_makes_a_model_of_its_own():
    models = named_models(MODEL_NAMES, data(), context_length=168)

    assert [model.name for model in models] == [
        "DilatedRNN (LSTM)",
        "DilatedRNN (GRU)",
        "DilatedRNN (RNN)",
        "LSTM",
        "GRU",
        "DeepAR",
        "NHiTS",
        "TFT",
        "Seasonal naive (168)",
        "AutoETS (24)",
        "MSTL (24, 168)",
        "AutoTheta (168)",
    ]


@pytest.mark.parametrize(
    ("freq", "context", "names"),
    [
        ("h", 48, ["Seasonal naive (24)", "AutoETS (24)", "MSTL (24)", "AutoTheta (24)"]),
        ("h", 168, ["Seasonal naive (168)", "AutoETS (24)", "MSTL (24, 168)", "AutoTheta (168)"]),
        ("D", 30, ["Seasonal naive (7)", "AutoETS (7)", "MSTL (7)", "AutoTheta (7)"]),
    ],
)
def test_seasons_are_those_of_the_frequency_that_fit_into_the_context(freq, context, names):
    chosen = ["seasonal_naive", "auto_ets", "mstl", "auto_theta"]
    models = named_models(chosen, data(freq), context_length=context)

    assert [model.name for model in models] == names


def test_without_a_season_models_repeat_the_last_value_and_mstl_is_refused():
    models = named_models(["seasonal_naive", "auto_ets"], data("D"), context_length=5)

    assert [model.name for model in models] == ["Seasonal naive (1)", "AutoETS (1)"]
    with pytest.raises(ValueError, match="Leave MSTL out where the data have no season"):
        named_models(["mstl"], data("D"), context_length=5)


@pytest.mark.parametrize(("context", "seasons"), [(168, (24, 168)), (24, (24,)), (12, None)])
def test_dilated_models_are_anchored_on_seasons_that_show_and_know_the_roles(context, seasons):
    (model,) = named_models(["dilated_gru"], data(), context_length=context)

    table = load_sample().groupby("series").tail(1500)
    sample = ForecastData.from_frame(table, series="series", time="time", target="load")
    splits = sample.split(horizon=12, context_length=context, validation_windows=1)
    built = model.build(splits.training)
    assert built.hparams.season_length == seasons
    assert built.hparams.cell_type == "GRU"
    assert built.hparams.roles == sample.roles.to_dict()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_models_survive_a_pickle(name):
    (model,) = named_models([name], data(), context_length=168)
    copied = pickle.loads(pickle.dumps(model))

    assert isinstance(copied, NeuralModel | ClassicalModel)
    assert copied.name == model.name


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["lstm", "prophet"], r"got \['lstm', 'prophet'\], of which \['prophet'\] are unknown"),
        ([], r"must be different names among dilated_lstm, .*, auto_theta; got \[\]\."),
        (["tft", "tft"], r"must be different names among .*; got \['tft', 'tft'\]\."),
    ],
)
def test_names_that_are_unknown_lacking_or_repeated_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        named_models(names, data(), context_length=168)
