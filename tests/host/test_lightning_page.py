"""What docs/lightning.md shows runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PAGE = (Path(__file__).parents[2] / "docs" / "lightning.md").read_text(encoding="utf-8")
SCRIPT = re.search(r"```python\n(# forecast\.py.*?)```", PAGE, re.DOTALL)[1]
CONFIG = re.search(r"```yaml\n(# config\.yaml.*?)```", PAGE, re.DOTALL)[1]


@pytest.mark.slow
def test_the_command_line_of_the_page_fits_and_keeps_a_checkpoint(here):
    (here / "forecast.py").write_text(SCRIPT)
    told = yaml.safe_load(CONFIG)
    told["trainer"] |= {"max_steps": 2, "accelerator": "cpu", "limit_val_batches": 1}
    told["trainer"] |= {"limit_test_batches": 1, "limit_predict_batches": 1}
    (here / "config.yaml").write_text(yaml.safe_dump(told))

    def run(*arguments):
        command = [sys.executable, "forecast.py", *arguments, "--config", "config.yaml"]
        result = subprocess.run(command, cwd=here, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout

    run("fit")
    assert len(list(here.rglob("*.ckpt"))) == 1
