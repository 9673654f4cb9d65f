import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

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


@pytest.mark.slow
def test_the_example_of_a_search_forecasts_with_the_best_model(tmp_path, capsys):
    table = load("tune").main(tmp_path, n_trials=2, steps=2)

    assert table["state"].tolist() == ["complete", "complete"]
    assert len(pd.read_csv(tmp_path / "forecast.csv")) == 8 * 48
    assert (tmp_path / "plots" / "pareto.png").stat().st_size > 10_000
    assert "learning_rate" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "lines"), [("forecast", 80), ("tune", 60), ("compare", 60)])
def test_the_examples_are_short_enough_to_read(name, lines):
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < lines


@pytest.mark.slow
def test_the_example_of_a_comparison_writes_its_report(tmp_path, capsys):
    load("compare").main(tmp_path, seconds=0.5, seeds=(0,))

    assert (tmp_path / "comparison" / "report.html").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "coverage 80 % before" in said
    assert "LSTM, seed 0" in said
