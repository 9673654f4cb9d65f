"""What a release promises, as far as it can be seen without building one."""

import re
from pathlib import Path

import pytest
import yaml

import drnn_forecast

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
OLDEST = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
INSTALLED = ("plot", "hub", "plotly", "onnx", "tune", "classical", "holidays", "report")
"""The extras of `make test-oldest`."""


def lower_bounds():
    """Return the lowest version that pyproject.toml allows of every library of the suite."""
    lists = [re.search(r"^dependencies = \[\n(.*?)^\]", PROJECT, re.MULTILINE | re.DOTALL)[1]]
    lists += [re.search(rf"^{extra} = \[(.*)\]$", PROJECT, re.MULTILINE)[1] for extra in INSTALLED]
    found = re.findall(r'"([\w.-]+)(?:\[\w+\])?>=([\d.]+)', "\n".join(lists))
    asked = re.findall(r'"(?!drnn-forecast\[)[^"]+"', "\n".join(lists))
    assert len(found) == len(asked)
    return dict(found)


def test_the_version_stands_in_one_place():
    assert re.search(r'^dynamic = \["version", "readme"\]$', PROJECT, re.MULTILINE)
    assert not re.search(r"^version = ", PROJECT, re.MULTILINE)
    assert "version" not in yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_changelog_begins_with_this_version():
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert first[1] == drnn_forecast.__version__


def test_the_oldest_versions_are_the_lower_bounds():
    pinned = re.findall(r"^([\w.-]+)==([\d.]+)$", OLDEST, re.MULTILINE)

    assert len(pinned) == len(dict(pinned))
    assert dict(pinned) == lower_bounds()


def test_every_python_that_is_allowed_is_tested():
    classified = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["suite"]["strategy"]["matrix"]

    assert matrix["python"] == classified
    assert f'requires-python = ">={classified[0]}"' in PROJECT
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_what_is_there_and_may_write_nothing(path):
    text = path.read_text(encoding="utf-8")
    rules = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    called = [name for line in re.findall(r"run: make (.*)", text) for name in line.split()]

    assert set(called) <= set(rules)
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_only_the_publishing_job_gets_a_token_and_no_password_is_kept():
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]

    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "permissions" not in jobs["build"]
    assert "secrets." not in text


def test_the_sample_stays_small_and_types_are_shipped():
    package = Path(drnn_forecast.__file__).parent

    assert (package / "data/europe_load.parquet").stat().st_size < 700_000
    assert (package / "py.typed").is_file()


def test_the_public_address_stands_in_one_place():
    address = re.search(r'^Source = "(https://[^"]+)"$', PROJECT, re.MULTILINE)[1]
    texts = [*ROOT.glob("*.md"), *ROOT.glob("*.cff"), *ROOT.glob(".github/**/*.*")]

    assert not [path for path in texts if address in path.read_text(encoding="utf-8")]
