"""The command `drnn-forecast`: flags and YAML files for what the package does in Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jsonargparse import auto_cli

from drnn_forecast.cli.comparison import backtest, compare
from drnn_forecast.cli.demonstration import demo
from drnn_forecast.cli.memory import memory
from drnn_forecast.cli.prediction import predict
from drnn_forecast.cli.training import fit
from drnn_forecast.cli.tuning import tune

COMMANDS = (demo, fit, memory, predict, tune, compare, backtest)


def main(args: Sequence[str] | None = None) -> int:
    """Return the exit status of a command line: 0, 2 for a mistake, 130 when interrupted."""
    try:
        auto_cli(
            list(COMMANDS),
            args=None if args is None else list(args),
            prog="drnn-forecast",
            description="Forecasts long, seasonal series with a dilated recurrent network.",
        )
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        print(f"drnn-forecast: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        said = str(stop) or "nothing more was written"
        print(f"drnn-forecast: interrupted, {said}", file=sys.stderr)
        return 130
    return 0
