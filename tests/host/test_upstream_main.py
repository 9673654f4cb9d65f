"""Upstream's `main` has every name that we import or touch, told before its next release.

PYTORCH_FORECASTING_MAIN=/path/to/pytorch-forecasting pytest tests/host/test_upstream_main.py
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_forecasting

import drnn_forecast
from private_names import defined_names, is_private, touched_names

MAIN = os.environ.get("PYTORCH_FORECASTING_MAIN")
pytestmark = pytest.mark.skipif(
    MAIN is None, reason="PYTORCH_FORECASTING_MAIN names no checkout of upstream's main"
)

PACKAGE = Path(drnn_forecast.__file__).parent
UPSTREAM = "pytorch_forecasting"

GONE: set[str] = set()
"""Names that `main` is known to have left, for which our code has something else at hand."""

RESOLVE = """
import importlib, json, sys, warnings
import pytorch_forecasting
warnings.simplefilter("ignore")
missing = []
for module, name in json.loads(sys.stdin.read()):
    try:
        found = importlib.import_module(module)
        if not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
    except ImportError as error:
        missing.append(f"{module}.{name}: {error}")
print(json.dumps([pytorch_forecasting.__file__, missing]))
"""


def trees(package):
    """Return the syntax of every file of a package."""
    return [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(package.rglob("*.py"))]


def imported_names():
    """Return what the package imports from upstream: modules and names in them."""
    return sorted(
        {
            (node.module, alias.name)
            for tree in trees(PACKAGE)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == UPSTREAM
            for alias in node.names
        }
    )


def known_names(package):
    """Return every private name that a package defines, its attributes too."""
    stored = {
        node.attr
        for tree in trees(package)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    named = {name for tree in trees(package) for name in defined_names(tree)}
    return named | set(filter(is_private, stored))


def test_upstreams_main_has_every_name_that_we_import():
    names = imported_names()
    result = subprocess.run(
        [sys.executable, "-c", RESOLVE],
        input=json.dumps(names),
        env=os.environ | {"PYTHONPATH": MAIN},
        cwd=MAIN,
        capture_output=True,
        text=True,
        check=True,
    )
    place, missing = json.loads(result.stdout.splitlines()[-1])

    assert len(names) > 20
    assert Path(place).is_relative_to(Path(MAIN).resolve())
    assert {text.split(":")[0] for text in missing} == GONE & {".".join(name) for name in names}


def test_upstreams_main_has_every_private_name_that_we_touch():
    host = [ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / "host").glob("*.py")]
    ours = {name for tree in host for node in tree.body for name in [getattr(node, "name", "")]}
    touched = {name for tree in host for name in touched_names(tree, ours)}
    theirs = touched & known_names(Path(pytorch_forecasting.__file__).parent)

    assert len(theirs) > 5
    assert theirs - known_names(Path(MAIN) / UPSTREAM) == {n for n in GONE if "." not in n}
