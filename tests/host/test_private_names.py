"""Private names of other libraries are touched in `host/`, and nowhere else."""

import ast
from importlib import import_module
from inspect import getmembers, isclass
from pathlib import Path

import pytest

import drnn_forecast
from private_names import NAMED_TUPLE, defined_names, is_private, touched_names

PACKAGE = Path(drnn_forecast.__file__).parent

ASKED_FOR = {
    # pytorch-forecasting finds a model and its tests by these.
    ("model/forecaster.py", "_pkg"),
    ("model/package.py", "_tags"),
    ("model/package.py", "_get_test_dataloaders_from"),
    # sktime asks forecasters to define these, or hands them what these hold.
    ("adapters/sktime.py", "_fit"),
    ("adapters/sktime.py", "_predict"),
    ("adapters/sktime.py", "_predict_quantiles"),
    ("adapters/sktime.py", "_predict_var"),
    ("adapters/sktime.py", "_update"),
    ("adapters/sktime.py", "_pretrain"),
    ("adapters/sktime.py", "_pretrain_update"),
    ("adapters/sktime.py", "_tags"),
    ("adapters/sktime.py", "_config"),
    ("adapters/sktime.py", "_y"),
    ("adapters/sktime.py", "_X"),
    ("adapters/sktime.py", "_cur_y"),
    ("adapters/sktime.py", "_cur_X"),
    ("adapters/sktime.py", "_get_columns"),
    ("adapters/sktime.py", "_state"),
    # Python documents `os._exit`, in spite of its name.
    ("cli/entry.py", "_exit"),
}
"""The private names that another library asks us to define, or to use: file and name."""

OF_EXTRAS = {"adapters/gluonts.py", "adapters/sktime.py"}
"""Files that need a package which the tests do without."""

PYTHON = {"abc", "builtins", "typing"}

FILES = [
    path for path in sorted(PACKAGE.rglob("*.py")) if not path.is_relative_to(PACKAGE / "host")
]


def name_of(path):
    """Return a file's path below the package."""
    return path.relative_to(PACKAGE).as_posix()


def overridden_names(kind):
    """Return the private names of foreign bases that a class of ours defines itself."""
    foreign = [base for base in kind.__mro__ if base.__module__.split(".")[0] != "drnn_forecast"]
    # Python itself writes private names into classes: those of protocols, tuples and abstract ones.
    theirs = {n for base in foreign if base.__module__ not in PYTHON for n in vars(base)}
    own = set(vars(kind)) - {"_abc_impl"} - NAMED_TUPLE
    mangled = f"_{kind.__name__.lstrip('_')}__"
    return {n for n in own & theirs if is_private(n) and not n.startswith(mangled)}


def exceptions(path):
    """Return the private names that are allowed in a file."""
    return {name for file, name in ASKED_FOR if file == name_of(path)}


TREES = {path: ast.parse(path.read_text()) for path in FILES}
OURS = {name for tree in TREES.values() for name in defined_names(tree)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_private_name_of_another_library_is_touched_in_the_host_area_only(path):
    found = touched_names(TREES[path], OURS - exceptions(path))

    assert found - exceptions(path) == set()


@pytest.mark.parametrize("path", [p for p in FILES if p.name[0] != "_"], ids=name_of)
def test_a_private_method_of_another_library_is_overridden_in_the_host_area_only(path):
    if name_of(path) in OF_EXTRAS:
        pytest.importorskip(path.stem)
    module = import_module(".".join(["drnn_forecast", *path.relative_to(PACKAGE).parts])[:-3])
    kinds = [kind for _, kind in getmembers(module, isclass) if kind.__module__ == module.__name__]
    found = {name for kind in kinds for name in overridden_names(kind)}

    assert found - exceptions(path) == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "host").glob("*.py")), ids=name_of)
def test_the_host_area_knows_nothing_of_ours_and_says_why(path):
    tree = ast.parse(path.read_text())
    modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_private(node.name)
    ]

    ours = [module for module in modules if module.startswith("drnn_forecast")]
    assert all(module.startswith("drnn_forecast.host.") for module in ours)
    assert all(ast.get_docstring(node) for node in public)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("from torch import _C", "_C"),
        ("import torch._dynamo", "_dynamo"),
        ("from lightning.pytorch.utilities._pytree import tree_flatten", "_pytree"),
        ("model._hparams", "_hparams"),
        ("self._transformation", "_transformation"),
        ("super()._collate_fn(samples)", "_collate_fn"),
        ("trainer.strategy.lr_scheduler_configs = []", "lr_scheduler_configs"),
        ("getattr(dataset, '_scalers')", "_scalers"),
    ],
)
def test_the_search_finds_a_private_name(line, name):
    assert touched_names(ast.parse(line), {"_own"}) == {name}


@pytest.mark.parametrize(
    "line", ["self._own", "other._own", "x.__class__", "from drnn_forecast.model import _own"]
)
def test_the_search_leaves_our_own_names_alone(line):
    assert touched_names(ast.parse(line), {"_own"}) == set()


def test_the_search_finds_an_overridden_method():
    from torch.optim import SGD

    kind = type("Ours", (SGD,), {"__module__": "drnn_forecast.model", "_init_group": None})
    assert overridden_names(kind) == {"_init_group"}
