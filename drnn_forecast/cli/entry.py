"""The command's way in and out: its exit status, signals, and streams whose reader has gone."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from drnn_forecast import cli

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
FAILED_WORK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""What the machine lacks; other errors of files are about the names that were given."""
LONGEST = 1200
"""Characters of a message: what was given may be repeated in it."""


def main(args: Sequence[str] | None = None) -> int:
    """Return the exit status of a command line; None: the one that this process began with.

    0: done; 1: the work failed; 2: a mistake in what was asked; 130 and 143: interrupted.
    """
    with _open_streams(), _heard_signals(is_last=args is None) as heard:
        status, said = _outcome(args, heard)
        if said:
            # A progress bar leaves its line open.
            start = "\n" if getattr(sys.stderr, "is_open", False) else ""
            print(f"{start}drnn-forecast: {_in_one_line(said)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError as error:
            _lose(sys.stdout)
            print(f"drnn-forecast: error: the output was not written: {error}", file=sys.stderr)
            status = status or 1
        if heard and args is None:
            # What an interrupted import or a thread left would hold up the interpreter's own end.
            sys.stderr.flush()
            os._exit(status)
    return status


def _outcome(args: Sequence[str] | None, heard: list[int]) -> tuple[int, str]:
    """Return the exit status, and what is to be said."""
    status, said = 0, ""
    try:
        cli.obey(args)
    except SystemExit as stop:
        is_said = isinstance(stop.code, str)
        status, said = (2, str(stop.code)) if is_said else (int(stop.code or 0), "")
    except KeyboardInterrupt as stop:
        heard = heard or [signal.SIGINT]
        said = str(stop)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, MemoryError) as error:
        is_failure = isinstance(error, RuntimeError | MemoryError)
        is_failure |= getattr(error, "errno", None) in FAILED_WORK
        status, said = 1 if is_failure else 2, f"error: {error or 'there is too little memory'}"
    except Exception as error:
        status, said = 1, f"error: unexpected {type(error).__name__}: {error}"
    if heard:
        # Whatever became of the exception on its way, such as in a library that was being loaded.
        signal_name = SIGNALS[signal.Signals(heard[0])]
        reason = said if said and not said.startswith("error: ") else "nothing more was written"
        return 128 + heard[0], f"{signal_name}, {reason}"
    return status, said


def _in_one_line(text: str) -> str:
    """Return a message without line breaks, its middle left out where it is very long."""
    line = " ".join(text.split())
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


@contextmanager
def _heard_signals(*, is_last: bool) -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM raise `KeyboardInterrupt` once, and a second one end the process.

    Yields those that were heard. Ignored ones stay ignored, as in the background of a shell.
    """
    heard: list[int] = []
    before: dict[signal.Signals, Any] = {}

    def hear(number: int, frame: Any) -> None:
        if heard:
            os._exit(128 + number)
        heard.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, hear)
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, _end_at_once if is_last else handler)


def _end_at_once(number: int, frame: Any) -> None:
    """End a process that has done its work, without the interpreter's traceback."""
    os._exit(128 + number)


@contextmanager
def _open_streams() -> Iterator[None]:
    """Let output and messages go nowhere once nobody reads them, as in `predict ... | head`."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Outlet(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class _Outlet:
    """A stream that goes nowhere where it is closed, or once its reader has gone."""

    def __init__(self, stream: Any) -> None:
        self.stream = open(os.devnull, "w") if stream is None else stream  # noqa: SIM115
        self.is_open = False
        """Whether the last line has no end yet."""

    def write(self, text: str) -> int:
        """Write a text."""
        self.is_open = bool(text) and not text.endswith("\n")
        try:
            self.stream.write(text)
        except BrokenPipeError:
            _lose(self.stream)
        return len(text)

    def flush(self) -> None:
        """Write what is held back."""
        try:
            self.stream.flush()
        except BrokenPipeError:
            _lose(self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _lose(stream: Any) -> None:
    """Let what a stream still holds, and all that follows, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
