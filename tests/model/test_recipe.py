"""One set of defaults: the recipe's."""

import ast
import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pytorch_forecasting.metrics import MAE, NormalDistributionLoss, PoissonLoss, QuantileLoss

import drnn_forecast
from drnn_forecast import DilatedRNNForecaster, ForecastData, Recipe, fit, load_sample
from drnn_forecast.cli.training import fit_table
from drnn_forecast.data import Facts
from drnn_forecast.evaluation import dilated_rnn
from drnn_forecast.model.losses import has_location
from drnn_forecast.model.recipe import RULES
from laws.drawing import law

PACKAGE = Path(drnn_forecast.__file__).parent
OFF = {"calibrated", "identity", "linear_length", "relative_loss", "smoothed_anchors"}
"""Settings that are off where nothing is said of them, which is no second default."""
SETTINGS = {field.name for field in fields(Recipe)} - {
    *OFF,
    *("context_length", "min_context_length", "season_length", "read_length", "facts"),
}
ELSEWHERE = {
    # torch's face of the paper, with a cell and a width of torch's own kind.
    "layers",
    # Settings of the other models, from their authors or upstream.
    "evaluation/contenders/neural.py",
    # Ranges that a search draws from.
    "training/tuning/space.py",
    # What a race varies.
    "training/race.py",
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
    # What sktime's own tests train.
    "adapters/sktime.py": [("hidden_size", "4"), ("hidden_size", "4")],
    # The demonstration's windows belong to its data, and its other models have their own settings.
    "cli/demo.py": [
        ("validation_windows", "WINDOWS['validation_windows']"),
        ("validation_windows", "14"),
    ],
    "cli/demonstration.py": [("validation_windows", "14")],
    # Windows that are predicted at a time, or loaded, as upstream has it.
    "data/batching/dataset.py": [("batch_size", "64")],
    "model/base.py": [("batch_size", "64")],
    "model/prediction.py": [("batch_size", "BATCH_SIZE"), ("batch_size", "BATCH_SIZE")],
    # A module of a network, for whoever builds one by hand.
    "model/heads/perceptron.py": [("dropout", "0.0")],
    # An update starts from a trained model, and not from its anchors.
    "training/updating.py": [("trust", "1.0")],
    # What upstream's suite tests the model with.
    "model/package.py": [("cell_type", "'LSTM'")],
}


def test_from_dataset_leaves_its_hyperparameters_to_the_recipe():
    parameters = inspect.signature(DilatedRNNForecaster.from_dataset).parameters

    for name in ("hidden_size", "cell_type", "dropout", "head_size", "learning_rate"):
        assert parameters[name].default is None
    assert {"num_layers", "dilations", "season_length", "loss", "recipe"} <= set(parameters)


OF_MODEL = (
    *("cell_type", "hidden_size", "head_size", "dropout", "season_length", "smoothed_anchors"),
    *("relative_loss", "learning_rate", "reduce_on_plateau_patience"),
)
"""What a model takes from its recipe as it is."""


@pytest.fixture(scope="module")
def data():
    return ForecastData.from_frame(
        load_sample().groupby("series").tail(2400), series="series", time="time", target="load"
    )


@pytest.mark.parametrize("is_given", [True, False])
def test_a_model_of_a_split_has_the_settings_of_the_recipe_and_the_roles_of_its_data(
    data, is_given
):
    recipe = Recipe.of(data.facts(24))
    splits = data.split(horizon=24, **recipe.dataset)
    hparams = DilatedRNNForecaster.from_dataset(
        splits.training, recipe=recipe if is_given else None
    ).hparams
    assert {name: hparams[name] for name in OF_MODEL} == {
        name: getattr(recipe, name) for name in OF_MODEL
    }
    assert hparams.context_length == (recipe.read_length if is_given else None)
    assert hparams.segment_length == (recipe.segment_length if is_given else None)
    assert hparams.dilations == ((1, 2) if is_given else (1, 4, 16, 64))
    assert hparams.linear_length == (recipe.read_length if is_given else recipe.context_length)
    assert hparams.roles == data.roles.to_dict()


@pytest.mark.parametrize(
    "loss", [PoissonLoss(), NormalDistributionLoss(), MAE(), QuantileLoss([0.1, 0.5, 0.9])]
)
def test_a_loss_has_what_it_can_of_the_recipe(data, loss):
    recipe = Recipe.of(data.facts(24)) | {"relative_loss": True}
    splits = data.split(horizon=24, **recipe.dataset)
    hparams = DilatedRNNForecaster.from_dataset(splits.training, recipe=recipe, loss=loss).hparams

    assert hparams.smoothed_anchors == has_location(loss)
    assert bool(hparams.season_length) == has_location(loss)
    assert hparams.relative_loss == isinstance(loss, MAE | QuantileLoss)


def test_the_contender_of_a_comparison_leaves_its_settings_to_the_recipe():
    assert dilated_rnn().options == {}
    assert dilated_rnn(dilations=(1, 2)).options == {"dilations": (1, 2)}


def test_fit_has_the_training_settings_of_the_recipe():
    parameters = inspect.signature(fit).parameters

    for name in ("batch_size", "gradient_clip_val", "steps_per_epoch", "max_epochs", "patience"):
        assert parameters[name].default == getattr(Recipe, name)


def test_the_command_leaves_every_setting_to_the_recipe():
    parameters = inspect.signature(fit_table).parameters

    assert all(parameters[name].default is None for name in SETTINGS & set(parameters))


def test_a_recipe_is_overridden_by_name_and_refuses_other_names():
    assert (Recipe() | {"hidden_size": 8}).hidden_size == 8
    with pytest.raises(ValueError, match=r"`hiden_size` is no setting of a recipe.*'hidden_size'"):
        Recipe() | {"hiden_size": 8}


def few(**others):
    """Return the facts of short series."""
    facts = {"horizon": 6, "num_series": 40, "num_steps": 2400, "longest": 80, "typical": 60}
    return Facts(**facts | others)


def test_a_recipe_explains_every_setting_that_follows_from_the_data():
    recipe = Recipe.of(few(seasons=(12,))) | {"dropout": 0.4}
    lines = recipe.explain().splitlines()

    assert "season_length = (12,): they show in the autocorrelation of the values" in lines
    assert "dropout = 0.4: set by hand, for 0.2" in lines
    assert len(RULES) <= 15
    assert len(lines) == sum(len(rule.settings(few())) for rule in RULES)
    assert Recipe().explain() == "No data were seen: the settings are the defaults."


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (few(), {"context_length": 80, "read_length": 48, "validation_windows": 1}),
        (few(longest=3, typical=3, num_steps=120), {"context_length": 3, "read_length": 3}),
        (
            few(seasons=(24, 168), horizon=48, longest=9000, typical=9000, num_series=2),
            {"context_length": 480, "read_length": 168, "validation_windows": 23},
        ),
        (few(seasons=(1440,), longest=90_000, typical=90_000), {"read_length": 48}),
        (few(num_series=1), {"relative_loss": False}),
        (few(), {"relative_loss": True, "identity": False}),
    ],
)
def test_windows_and_weights_follow_from_facts(facts, expected):
    recipe = Recipe.of(facts)
    assert {name: getattr(recipe, name) for name in expected} == expected


@law
@given(
    horizon=st.integers(1, 200),
    sizes=st.lists(st.integers(1, 30_000), min_size=1, max_size=30),
    seasons=st.sampled_from([(), (7,), (24, 168), (2000,)]),
)
def test_whatever_the_facts_are_the_settings_can_be_used(horizon, sizes, seasons):
    facts = Facts(
        horizon=horizon,
        num_series=len(sizes),
        num_steps=sum(sizes),
        longest=max(sizes),
        typical=sorted(sizes)[len(sizes) // 2],
        seasons=seasons,
    )
    recipe = Recipe.of(facts)

    assert 1 <= recipe.read_length <= recipe.context_length <= max(sizes)
    assert recipe.context_length <= max(128, 2 * max(seasons, default=1) + 3 * horizon)
    assert 0 <= recipe.min_context_length <= recipe.context_length
    assert recipe.validation_windows >= 1
    assert 0 < recipe.trust <= 1
