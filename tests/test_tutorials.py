"""Every cell of the tutorials runs, on data that are small and say where they are from."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
spec = importlib.util.spec_from_file_location("tutorial_run", DOCS / "tutorials" / "run.py")
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)


def test_there_are_four():
    assert [path.stem for path in TUTORIALS] == ["births", "load", "sales", "sensor"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_no_cell_is_passed_over(path):
    text = path.read_text()

    assert len(runner.cells(path)) == text.count("```{code-cell}") >= 4
    assert "```python" not in text
    for cell in runner.cells(path):
        compile(cell, path.name, "exec")


@pytest.mark.parametrize("path", sorted((DOCS / "data").glob("*.csv")), ids=lambda path: path.name)
def test_data_are_small_and_say_where_they_are_from(path):
    row = next(
        line
        for line in (DOCS / "data" / "README.md").read_text().splitlines()
        if line.startswith(f"| `{path.name}` |")
    )

    assert path.stat().st_size < 100_000
    assert any(terms in row for terms in ("CC BY 4.0", "public domain", "MIT"))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path):
    assert runner.run(path, 2)
