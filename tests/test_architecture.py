"""The layout of the house: which room may import which, and what importing costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import drnn_forecast

PACKAGE = Path(drnn_forecast.__file__).parent
FLOORS = {
    "dilations": 0,
    "schedule": 0,
    "quiet": 0,
    "randomness": 0,
    "recurrence": 0,
    "layers": 1,
    "memory": 1,
    "plotting": 1,
    "sample": 1,
    "batching": 2,
    "features": 2,
    "losses": 2,
    "checkpoint": 3,
    "collection": 3,
    "continuation": 3,
    "frames": 3,
    "heads": 3,
    "settings": 3,
    "base": 4,
    "export": 4,
    "interpretation": 4,
    "prediction": 4,
    "pretrained": 4,
    "forecaster": 5,
    "package": 6,
    "training": 6,
    "baselines": 7,
    "conformal": 7,
    "ensemble": 7,
    "evaluation": 7,
    "comparison": 8,
    "tuning": 8,
    "demo": 9,
    "report": 9,
    "cli": 10,
    "__main__": 11,
}
EXCEPTIONS = {("forecaster", "package")}  # upstream asks a model for its package, in `_pkg`
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def room(path):
    """Return the room of a file: a module, or the folder that became one."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    """Return the rooms of ours that a file imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module)
    return {name.split(".")[1] for name in names if name.startswith("drnn_forecast.")}


def imported_packages(path):
    """Return the packages that a file imports, anywhere in it."""
    packages = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages.add(node.module.split(".")[0])
    return packages


def test_every_room_has_a_floor():
    assert {room(path) for path in FILES} == set(FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_a_lower_floor(path):
    above = {
        name: FLOORS[name]
        for name in imported_rooms(path) - {room(path)}
        if FLOORS[name] >= FLOORS[room(path)] and (room(path), name) not in EXCEPTIONS
    }
    assert not above


def test_the_one_exception_is_the_import_inside_pkg():
    tree = ast.parse((PACKAGE / "forecaster.py").read_text())
    of_package = [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and node.module == "drnn_forecast.package"
    ]
    assert of_package == ["_pkg"]
    assert not any(
        isinstance(node, ast.ImportFrom) and node.module == "drnn_forecast.package"
        for node in tree.body
    )


@pytest.mark.parametrize("name", ["dilations", "memory"])
def test_the_arithmetic_of_dilations_needs_no_torch(name):
    files = [path for path in FILES if room(path) == name]
    assert files
    assert not any("torch" in imported_packages(path) for path in files)


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in {"recurrence", "layers"}], ids=str)
def test_the_layers_need_torch_only(path):
    assert not imported_packages(path) & {"lightning", "pytorch_forecasting", "pandas"}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import drnn_forecast", ["torch", "matplotlib", "optuna"]),
        ("from drnn_forecast import DilatedRNN", ["lightning", "pytorch_forecasting", "pandas"]),
    ],
)
def test_an_import_loads_no_more_than_it_needs(statement, absent):
    check = f"import sys; {statement}; print([n for n in {absent} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_asserts_live_in_tests_only(path):
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text())))


def test_the_public_names_are_sorted_and_these():
    assert drnn_forecast.__all__ == sorted(drnn_forecast.__all__)
    assert drnn_forecast.__all__ == [
        "BatchedTimeSeriesDataSet",
        "DilatedCell",
        "DilatedRNN",
        "DilatedRNNForecaster",
        "DilatedRNNLayer",
        "Ensemble",
        "ForecastData",
        "OutputFusion",
        "RecurrentCell",
        "SearchSpace",
        "SeasonalNaive",
        "backtest",
        "compare",
        "deepar",
        "dilated_rnn",
        "dilation_schedule",
        "fit",
        "load_sample",
        "lstm",
        "mean_recurrent_length",
        "recommend_dilations",
        "tune",
    ]


@pytest.mark.parametrize("name", drnn_forecast.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    assert getattr(drnn_forecast, name).__doc__
    assert name in dir(drnn_forecast)


def test_a_name_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError, match="has no attribute 'Oracle'"):
        drnn_forecast.Oracle  # noqa: B018
