"""The command `drnn-forecast`: flags and YAML files for what the package does in Python."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, auto_cli

from drnn_forecast import __version__
from drnn_forecast.cli.comparison import backtest_on_table, compare_on_table
from drnn_forecast.cli.demonstration import run_demo
from drnn_forecast.cli.memory import show_memory
from drnn_forecast.cli.prediction import predict_table
from drnn_forecast.cli.training import fit_table
from drnn_forecast.cli.tuning import tune_on_table
from drnn_forecast.host import importing_nothing

COMMANDS: dict[str, Any] = {
    "demo": run_demo,
    "fit": fit_table,
    "memory": show_memory,
    "predict": predict_table,
    "tune": tune_on_table,
    "compare": compare_on_table,
    "backtest": backtest_on_table,
}
"""By name; a function of another name than those of the package, which would be loaded for it."""


class OneLineParser(ArgumentParser):
    """Says what is wrong in one line, and where all flags are listed."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End with status 2."""
        # A URL may hold a password, and spaces: what follows is left out with it.
        said = re.sub(r"\S*://.*", "a URL, which is not shown", " ".join(message.split()))
        print(
            f"drnn-forecast: error: {said} (`{self.prog} --help` lists the flags)", file=sys.stderr
        )
        sys.exit(2)


def main(args: Sequence[str] | None = None) -> int:
    """Return the exit status of a command line.

    0: done; 1: the work failed; 2: a mistake in what was asked; 130: interrupted.
    """
    _show_progress()
    try:
        with importing_nothing():
            auto_cli(
                COMMANDS,
                args=None if args is None else list(args),
                parser_class=OneLineParser,
                prog="drnn-forecast",
                version=__version__,
                description="Forecasts long, seasonal series with a dilated recurrent network.",
            )
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        print(f"drnn-forecast: error: {error}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    except KeyboardInterrupt as stop:
        said = str(stop) or "nothing more was written"
        print(f"drnn-forecast: interrupted, {said}", file=sys.stderr)
        return 130
    return 0


def _show_progress() -> None:
    """Let what the package logs go to standard error."""
    logger = logging.getLogger("drnn_forecast")
    logger.setLevel(logging.INFO)
    # Of another call in this process, whose stream may be closed.
    for handler in [each for each in logger.handlers if isinstance(each, _Progress)]:
        logger.removeHandler(handler)
    if not logger.handlers:
        handler = _Progress()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


class _Progress(logging.StreamHandler[Any]):
    """Writes what the package logs."""
