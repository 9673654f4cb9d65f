"""The layout of the house: which room may import which, and what importing costs."""

import ast
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import drnn_forecast

PACKAGE = Path(drnn_forecast.__file__).parent
MAY_IMPORT = {
    "host": set(),
    "layers": {"host"},
    "plotting": set(),
    "data": {"host", "layers"},
    "model": {"host", "layers", "plotting", "data"},
    "training": {"host", "layers", "plotting", "data", "model"},
    "evaluation": {"host", "layers", "plotting", "data", "model", "training"},
    "adapters": {"host", "layers", "plotting", "data", "model", "training", "evaluation"},
    "scale": {"host", "layers", "plotting", "data", "model", "training", "evaluation"},
    "cli": {
        *("host", "layers", "plotting", "data", "model", "training", "evaluation", "adapters"),
        "scale",
    },
    "__main__": {"cli"},
}
"""Which area may import the exports of which others."""

LAZY = {
    # Upstream asks a model for its package, which names its model.
    ("model/forecaster.py", "_pkg"),
    # A model reaches what trains and scores it.
    ("model/trained.py", "evaluate"),
    ("model/trained.py", "update"),
    ("model/trained.py", "drift"),
    # A frame needs neither torch nor pytorch-forecasting before it is asked for a dataset.
    ("data/frames/data.py", "split"),
    ("data/frames/data.py", "forecast_dataset"),
    ("data/frames/data.py", "target_rows"),
    # Optuna is an extra.
    ("training/tuning/tuner.py", "tune"),
    # FastAPI and uvicorn are an extra.
    ("adapters/serve/entry.py", "serve_folder"),
    ("adapters/serve/entry.py", "forecast_app"),
    # numba is imported on first use only.
    ("layers/kernels/cpu/operator.py", "_compilation"),
    ("layers/kernels/cpu/operator.py", "_vector_bytes"),
    # Triton too.
    ("layers/kernels/gpu/launch.py", "_passes"),
    ("layers/kernels/gpu/launch.py", "_products"),
}
"""The imports of ours inside functions: file and function."""

FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


class Import(NamedTuple):
    """An import of ours: `from module import name`, inside a function or not."""

    module: str
    name: str
    function: str | None


def name_of(path):
    """Return a file's path below the package."""
    return str(path.relative_to(PACKAGE))


def area(path):
    """Return the area of a file."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of_ours(path):
    """Return what a file imports from the package, anywhere in it."""
    found = []

    def visit(node, function):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                ours = [a.name for a in child.names if a.name.split(".")[0] == "drnn_forecast"]
                found.extend(Import(name, "", function) for name in ours)
            if isinstance(child, ast.ImportFrom) and (child.module or "").startswith("drnn_fore"):
                found.extend(Import(child.module, a.name, function) for a in child.names)
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            visit(child, child.name if is_function else function)

    visit(ast.parse(path.read_text()), None)
    return found


def imported_packages(path):
    """Return the packages that a file imports, anywhere in it."""
    packages = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            packages.add(node.module.split(".")[0])
    return packages


def test_every_area_has_its_floor():
    assert {area(path) for path in FILES} == set(MAY_IMPORT)


def test_arrows_point_down_only():
    for name, below in MAY_IMPORT.items():
        assert all(name not in MAY_IMPORT[other] for other in below)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_area_imports_the_exports_of_areas_below_it(path):
    here = area(path)
    wrong = []
    for module, name, function in imports_of_ours(path):
        if (name_of(path), function) in LAZY and here == "model":
            continue
        parts = module.split(".")
        if len(parts) == 1:  # the command line is a user of the package, and of its areas
            assert here == "cli"
            continue
        is_inner = parts[1] == here
        is_export = (
            len(parts) == 2
            and parts[1] in MAY_IMPORT[here]
            and name in import_module(module).__all__
        )
        if not is_inner and not is_export:
            wrong.append((module, name))
    assert not wrong


@pytest.mark.parametrize("name", sorted(set(MAY_IMPORT) - {"__main__"}))
def test_an_area_says_in_one_sentence_what_it_is_for_and_exports_what_is_there(name):
    module = import_module(f"drnn_forecast.{name}")

    assert module.__doc__.count(".") == 1
    assert "\n" not in module.__doc__
    assert all(hasattr(module, export) for export in module.__all__)
    assert module.__all__ == sorted(module.__all__)


def test_no_name_is_exported_for_two_things():
    areas = sorted(set(MAY_IMPORT) - {"__main__"})
    names = [name for area in areas for name in import_module(f"drnn_forecast.{area}").__all__]

    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_no_two_classes_and_no_two_public_functions_share_a_name():
    found = Counter(
        node.name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    )

    assert [name for name, count in found.items() if count > 1] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_an_import_inside_a_function_is_a_named_exception(path):
    lazy = {(name_of(path), each.function) for each in imports_of_ours(path) if each.function}

    assert lazy <= LAZY


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_has_one_idea_and_few_lines(path):
    assert len(path.read_text().splitlines()) <= 370


@pytest.mark.parametrize("name", ["layers/dilations.py", "layers/paths/*.py"])
def test_the_arithmetic_of_dilations_needs_no_torch(name):
    files = list(PACKAGE.glob(name))
    assert files
    assert not any("torch" in imported_packages(path) for path in files)


@pytest.mark.parametrize("path", sorted((PACKAGE / "data/frames").glob("*.py")), ids=name_of)
def test_frames_need_neither_torch_nor_pytorch_forecasting(path):
    top = [
        n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    names = {getattr(node, "module", None) or node.names[0].name for node in top}

    assert not {name.split(".")[0] for name in names} & {"torch", "pytorch_forecasting"}


@pytest.mark.parametrize("path", [p for p in FILES if area(p) == "layers"], ids=name_of)
def test_the_layers_need_torch_only(path):
    assert not imported_packages(path) & {"lightning", "pytorch_forecasting", "pandas"}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import drnn_forecast", ["torch", "matplotlib", "optuna"]),
        ("from drnn_forecast import ForecastData", ["torch", "pytorch_forecasting", "lightning"]),
        ("from drnn_forecast import DilatedRNN", ["lightning", "pytorch_forecasting", "pandas"]),
    ],
)
def test_an_import_loads_no_more_than_it_needs(statement, absent):
    check = f"import sys; {statement}; print([n for n in {absent} if n in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("flags", ["--help", "fit --help", "memory --encoder_length 24"])
def test_a_command_loads_no_more_than_it_needs(flags):
    absent = ["torch", "lightning", "pytorch_forecasting", "matplotlib", "optuna"]
    check = (
        f"import sys; from drnn_forecast.cli import main; main({flags.split()}); "
        f"print([n for n in {absent} if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_asserts_live_in_tests_only(path):
    assert not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(path.read_text())))


def test_the_public_names_are_sorted_and_these():
    assert drnn_forecast.__all__ == sorted(drnn_forecast.__all__)
    assert drnn_forecast.__all__ == [
        "Backtest",
        "BatchedTimeSeriesDataSet",
        "Comparison",
        "DilatedCell",
        "DilatedRNN",
        "DilatedRNNForecaster",
        "DilatedRNNLayer",
        "Ensemble",
        "FitResult",
        "ForecastData",
        "Forecaster",
        "OutputFusion",
        "Recipe",
        "RecurrentCell",
        "SearchSpace",
        "SeasonalNaive",
        "Splits",
        "backtest",
        "compare",
        "dilation_schedule",
        "export_onnx",
        "fit",
        "load",
        "load_sample",
        "mean_recurrent_length",
        "recommend_dilations",
        "train",
        "tune",
    ]


@pytest.mark.parametrize("name", drnn_forecast.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    assert getattr(drnn_forecast, name).__doc__
    assert name in dir(drnn_forecast)


def test_a_name_that_does_not_exist_is_refused():
    with pytest.raises(AttributeError, match="attribute Oracle"):
        drnn_forecast.Oracle  # noqa: B018
