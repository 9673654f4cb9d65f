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
from drnn_forecast.cli.configuration import bound_configurations, check_files
from drnn_forecast.cli.demonstration import run_demo
from drnn_forecast.cli.memory import show_memory
from drnn_forecast.cli.prediction import predict_table
from drnn_forecast.cli.serving import serve_model
from drnn_forecast.cli.training import fit_table
from drnn_forecast.cli.tuning import tune_on_table
from drnn_forecast.cli.updating import update_on_table
from drnn_forecast.host import importing_nothing, is_first_process

COMMANDS: dict[str, Any] = {
    "demo": run_demo,
    "fit": fit_table,
    "memory": show_memory,
    "predict": predict_table,
    "serve": serve_model,
    "tune": tune_on_table,
    "update": update_on_table,
    "compare": compare_on_table,
    "backtest": backtest_on_table,
}
"""By name; a function of another name than those of the package, which would be loaded for it."""


class OneLineParser(ArgumentParser):
    """Says what is wrong in one line, and where all flags are listed."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End with the message."""
        # A URL may hold a password, and spaces: what follows is left out with it.
        said = re.sub(r"\S*://.*", "a URL, which is not shown", " ".join(message.split()))
        sys.exit(f"error: {said} (`{self.prog.replace('[options] ', '')} --help` lists the flags)")


def obey(args: Sequence[str] | None = None) -> None:
    """Do what a command line asks for; None: that of the process.

    Raises:
        SystemExit: It asks for help, or makes no sense, which has been said.
    """
    _show_progress()
    given = sys.argv[1:] if args is None else list(args)
    check_files(given)
    bound_configurations()
    with importing_nothing():
        auto_cli(
            COMMANDS,
            args=given,
            parser_class=OneLineParser,
            prog="drnn-forecast",
            version=__version__,
            description="Forecasts long, seasonal series with a dilated recurrent network.",
        )


def _show_progress() -> None:
    """Let what the package logs go to standard error."""
    logger = logging.getLogger("drnn_forecast")
    logger.setLevel(logging.INFO if is_first_process() else logging.ERROR)
    # Of another call in this process, whose stream may be closed.
    for handler in [each for each in logger.handlers if isinstance(each, _Progress)]:
        logger.removeHandler(handler)
    if not logger.handlers:
        handler = _Progress()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


class _Progress(logging.StreamHandler):  # type: ignore[type-arg]  # Python 3.10 takes none
    """Writes what the package logs."""
