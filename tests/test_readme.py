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
    exec(compile(code, f"README block {number}", "exec"), {"__name__": "readme"})


def test_the_readme_shows_a_picture_that_is_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)

    assert pictures
    assert all((Path(__file__).parent.parent / path).stat().st_size > 10_000 for path in pictures)
