"""A column may be called as it likes: its name changes no forecast."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from drnn_forecast import DilatedRNNForecaster, ForecastData, load
from drnn_forecast.evaluation import evaluate
from drnn_forecast.model.embeddings import module_name

ROLES = {"series": "shop", "time": "day", "target": "sold", "known": ["kind", "price"]}
NAMES = [
    *("type", "items", "keys", "values", "train", "forward", "training", "to", "pop", "half"),
    *("0", "type_column", "a b", "ä", "None", "index", "T", "size", "columns"),
    *("time", "actual", "series", "window", "step", "target", "data", "loss", "weight"),
]


def sales():
    parts = []
    for number, shop in enumerate("ab"):
        rng = np.random.default_rng(number)
        columns = {
            "shop": shop,
            "day": pd.date_range("2024-01-01", periods=40),
            "sold": 100.0 * (number + 1) + rng.normal(size=40),
            "kind": rng.choice(["x", "y"], size=40),
            "price": rng.normal(size=40),
        }
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def take(**renamed):
    roles = {
        role: [renamed.get(name, name) for name in names]
        if isinstance(names, list)
        else renamed.get(names, names)
        for role, names in ROLES.items()
    }
    return ForecastData.from_frame(sales().rename(columns=renamed), **roles)


def network(data):
    splits = data.split(horizon=4, context_length=8, validation_windows=1)
    torch.manual_seed(0)
    return DilatedRNNForecaster.from_dataset(
        splits.training, hidden_size=4, num_layers=2, roles=splits.training.roles
    ).eval()


@pytest.fixture(scope="module")
def expected():
    return network(take()).forecast(take().before(4)).filter(like="q0.").to_numpy()


@pytest.mark.parametrize("column", ["kind", "shop", "price", "sold", "day"])
@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_any_name_gives_the_same_forecast(column, name, expected):
    data = take(**{column: name})
    found = network(data).forecast(data.before(4))
    np.testing.assert_array_equal(found.filter(like="q0.").to_numpy(), expected)


@pytest.mark.parametrize("column", ["kind", "shop"])
@pytest.mark.parametrize("name", ["type", "actual"])
def test_a_column_of_any_name_is_saved_and_scored(column, name, expected, tmp_path):
    data = take(**{column: name})
    model = network(data)
    model.save(tmp_path / "model")
    found = load(tmp_path / "model").forecast(data.before(4)).filter(like="q0.")
    np.testing.assert_array_equal(found.to_numpy(), expected)
    np.testing.assert_allclose(
        evaluate(model, data).to_numpy(), evaluate(network(take()), take()).to_numpy()
    )


def test_ordinary_names_are_those_of_the_weights():
    weights = network(take(kind="type")).state_dict()
    assert "embeddings.embeddings.shop.weight" in weights
    assert "embeddings.embeddings.type_column.weight" in weights


def test_no_two_columns_share_a_module():
    names = [*dir(nn.ModuleDict()), "", "price"]
    names += [f"{name}_column" for name in names] + [f"{name}_column_column" for name in names]
    found = [module_name(name) for name in names]
    assert len(set(found)) == len(set(names))
    assert not any(hasattr(nn.ModuleDict(), name) for name in found)
