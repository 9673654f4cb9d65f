import importlib.util
import sys
from pathlib import Path

import pandas as pd

EXAMPLES = Path(__file__).parent.parent / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that a checkpoint can name what it defines
    spec.loader.exec_module(module)
    return module


def test_the_example_forecasts_the_last_two_days(tmp_path, capsys):
    forecast = load("forecast").main(tmp_path, seconds=2)

    assert len(forecast) == 8 * 48
    assert len(pd.read_csv(tmp_path / "forecast.csv")) == 8 * 48
    assert (tmp_path / "forecast.png").stat().st_size > 10_000
    assert "Seasonal naive (168)" in capsys.readouterr().out


def test_the_example_of_a_cell_splits_exactly_and_trains(capsys):
    load("residual_lstm").main(seconds=1)

    printed = capsys.readouterr().out
    apart = float(printed.split("Split at step 37: ")[1].split()[0])
    assert apart < 1e-5
    assert "Validation loss" in printed


def test_the_example_is_short_enough_to_read():
    assert len((EXAMPLES / "forecast.py").read_text().splitlines()) < 80
