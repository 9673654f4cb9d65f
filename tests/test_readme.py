import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_python_of_the_readme_runs(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # The README trains for a while; here every trainer stops after two batches.
    code = BLOCKS[number].replace("max_epochs=10", "max_epochs=1, limit_train_batches=2")
    code = code.replace("max_seconds=60", "max_seconds=1")
    code = code.replace("n_trials=20", "n_trials=1").replace("max_epochs=8", "max_epochs=1")
    code = code.replace("steps_per_epoch=150", "steps_per_epoch=2")
    code = code.replace("max_epochs=5, steps_per_epoch=50", "max_epochs=1, steps_per_epoch=2")
    names = {"__name__": "readme"}
    exec(compile(code, f"README block {number}", "exec"), names)

    shapes = {
        "quantiles": (8 * 14, 48, 7),  # of eight countries, 14 windows each
        "samples": (8 * 14, 48, 200),
        "forecast": (8 * 48, 2 + 7),
        "output": (1000, 8, 20),
    }
    made = {name: tuple(names[name].shape) for name in shapes if name in names}
    assert made
    assert made == {name: shapes[name] for name in made}


def test_the_readme_has_its_python():
    assert len(BLOCKS) == 6


def test_the_readme_shows_a_picture_that_is_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)

    assert pictures
    assert all((Path(__file__).parent.parent / path).stat().st_size > 10_000 for path in pictures)
