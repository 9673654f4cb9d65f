import re
from pathlib import Path

import pytest

from readme import BLOCKS, README

QUICKLY = {
    "max_epochs=10": "max_epochs=1, limit_train_batches=2",
    "max_seconds=60": "max_seconds=1",
    "n_trials=20": "n_trials=1",
    "max_epochs=8": "max_epochs=1",
    "steps_per_epoch=150": "steps_per_epoch=2",
}
"""The README trains for a while; here every trainer stops after a few batches."""


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_python_of_the_readme_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = BLOCKS[number]
    for slow, quick in QUICKLY.items():
        code = code.replace(slow, quick)
    names = {"__name__": "readme"}
    exec(compile(code, f"README block {number}", "exec"), names)

    shapes = {
        "quantiles": {(8 * 14, 48, 7)},  # of eight countries, 14 windows each
        "samples": {(8 * 14, 48, 200)},
        "forecast": {(8 * 48, 2 + 7), (8 * 24, 2 + 7)},
        "output": {(1000, 8, 20)},
    }
    made = {name: tuple(names[name].shape) for name in shapes if name in names}
    assert made
    assert all(shape in shapes[name] for name, shape in made.items())


def test_the_readme_begins_with_ten_lines_and_stays_short():
    assert len([line for line in BLOCKS[0].splitlines() if line]) <= 10
    assert README.index("```python") < README.index("![") < README.index("|---|")
    assert len(README.splitlines()) < 200
    assert len(BLOCKS) == 5


def test_links_lead_to_what_is_there():
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)]*)\)", README)
    ours = [link for link in links if not link.startswith("https://")]

    assert ours  # hatch_build.py makes them absolute for those outside the repository
    assert all((Path(__file__).parents[1] / link).exists() for link in ours)


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:docs|benchmarks|examples|drnn_forecast)/[^`]*)`", README)))
)
def test_a_file_that_the_readme_names_is_there(path):
    assert (Path(__file__).parents[1] / path).is_file()


def test_the_readme_shows_a_picture_that_is_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)

    assert pictures
    assert all((Path(__file__).parent.parent / path).stat().st_size > 10_000 for path in pictures)
