"""One set of defaults: the recipe's."""

import ast
import inspect
from dataclasses import fields
from pathlib import Path

import pytest

import drnn_forecast
from drnn_forecast import DilatedRNNForecaster, ForecastData, Recipe, fit, load_sample
from drnn_forecast.cli.training import fit_table
from drnn_forecast.evaluation import dilated_rnn

PACKAGE = Path(drnn_forecast.__file__).parent
SETTINGS = {field.name for field in fields(Recipe)} - {"context_length", "season_length"}
ELSEWHERE = {
    # torch's face of the paper, with a cell and a width of torch's own kind.
    "layers",
    # Settings of the other models, from their authors or upstream.
    "evaluation/contenders/neural.py",
    # Ranges that a search draws from.
    "training/tuning/space.py",
}
FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "recipe.py"
    and not any(path.is_relative_to(PACKAGE / other) for other in ELSEWHERE)
]


def is_of_recipe(value, name):
    """Return whether an expression leaves a setting open, or reads it off the recipe."""
    if isinstance(value, ast.Constant):
        return value.value is None
    return ast.unparse(value).removeprefix("drnn.") in (f"Recipe.{name}", name, f"self.{name}")


def defaults(tree):
    """Return name and default of every parameter and field that has one, and dictionary entries."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            args = node.args
            positional = [*args.posonlyargs, *args.args]
            given = args.defaults
            yield from zip(positional[len(positional) - len(given) :], given, strict=True)
            pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
            yield from ((arg, value) for arg, value in pairs if value is not None)
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and field.value is not None:
                    yield field.target, field.value
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    yield key, value


def name_of(node):
    """Return the name of a parameter, a field or a key."""
    return getattr(node, "arg", None) or getattr(node, "id", None) or getattr(node, "value", None)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_default_of_a_setting_exists(path):
    others = [
        (name_of(node), ast.unparse(value))
        for node, value in defaults(ast.parse(path.read_text()))
        if name_of(node) in SETTINGS and not is_of_recipe(value, name_of(node))
    ]
    assert others == ALLOWED.get(str(path.relative_to(PACKAGE)), [])


ALLOWED = {
    # The demonstration's windows belong to its data, and its other models have their own settings.
    "cli/demo.py": [
        ("validation_windows", "WINDOWS['validation_windows']"),
        ("validation_windows", "14"),
        ("hidden_size", "64"),
        ("dropout", "0.0"),
    ],
    "cli/demonstration.py": [("validation_windows", "14")],
    # Windows that are predicted at a time, or loaded, as upstream has it.
    "data/batching/dataset.py": [("batch_size", "64")],
    "model/base.py": [("batch_size", "64")],
    "model/prediction.py": [("batch_size", "BATCH_SIZE"), ("batch_size", "BATCH_SIZE")],
    # A module of a network, for whoever builds one by hand.
    "model/heads/perceptron.py": [("dropout", "0.0")],
    # What upstream's suite tests the model with.
    "model/package.py": [("cell_type", "'LSTM'")],
}


def test_from_dataset_shows_its_hyperparameters_with_the_recipes_values():
    parameters = inspect.signature(DilatedRNNForecaster.from_dataset).parameters

    for name in ("hidden_size", "cell_type", "dropout", "head_size", "learning_rate"):
        assert parameters[name].default == getattr(Recipe, name)
    assert {"num_layers", "dilations", "season_length", "loss"} <= set(parameters)


def test_a_model_of_a_split_has_the_settings_of_the_recipe_and_the_roles_of_its_data():
    data = ForecastData.from_frame(
        load_sample().groupby("series").tail(800), series="series", time="time", target="load"
    )
    recipe = Recipe.of(data.freq, 24)
    splits = data.split(horizon=24, **recipe.dataset)
    hparams = DilatedRNNForecaster.from_dataset(splits.training).hparams

    assert {name: hparams[name] for name in recipe.model if name != "dilation_base"} == {
        name: value for name, value in recipe.model.items() if name != "dilation_base"
    }
    assert hparams.dilations == (1, 4, 16, 64)
    assert hparams.roles == data.roles.to_dict()


def test_the_contender_of_a_comparison_has_the_settings_of_the_recipe():
    expected = {k: v for k, v in Recipe().model.items() if k != "season_length"}

    assert dilated_rnn().options == expected
    assert "dilation_base" not in dilated_rnn(dilations=(1, 2)).options


def test_fit_has_the_training_settings_of_the_recipe():
    parameters = inspect.signature(fit).parameters

    assert {name: parameters[name].default for name in Recipe().training} == Recipe().training


def test_the_command_leaves_every_setting_to_the_recipe():
    parameters = inspect.signature(fit_table).parameters

    assert all(parameters[name].default is None for name in SETTINGS & set(parameters))


def test_a_recipe_is_overridden_by_name_and_refuses_other_names():
    assert (Recipe() | {"hidden_size": 8}).hidden_size == 8
    with pytest.raises(ValueError, match=r"`hiden_size` is no setting of a recipe.*'hidden_size'"):
        Recipe() | {"hiden_size": 8}


@pytest.mark.parametrize(
    ("freq", "horizon", "context", "seasons"),
    [("h", 48, 168, (24, 168)), ("h", 200, 400, (24, 168)), ("D", 14, 28, (7,)), ("YS", 4, 8, ())],
)
def test_context_and_seasons_follow_from_frequency_and_horizon(freq, horizon, context, seasons):
    recipe = Recipe.of(freq, horizon)

    assert (recipe.context_length, recipe.season_length) == (context, seasons)
