"""The threads that forecast, as many as there are, and the requests that wait for one."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import torch

from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.adapters.serve.refusals import Refusal

Answer = TypeVar("Answer")
AGAIN = {"Retry-After": "1"}


class Workplace:
    """Threads of one torch thread each, with room for so many requests and no more.

    A place is taken before the body of a request is read, and is free again when nothing of it is
    left: a forecast that takes longer than its request waits for keeps both its place and its
    thread until it ends. All but the work itself is for one event loop.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.taken = 0
        self.held_bytes = 0
        self.answered = 0
        self._begun: dict[int, float] = {}
        self._pool = ThreadPoolExecutor(
            limits.threads, thread_name_prefix="forecast", initializer=_with_one_torch_thread
        )

    @property
    def is_stuck(self) -> bool:
        """Whether every thread is at a forecast that nobody waits for any more."""
        late = time.monotonic() - self.limits.max_seconds
        begun = list(self._begun.values())
        return len(begun) == self.limits.threads and max(begun) < late

    def enter(self) -> None:
        """Take a place.

        Raises:
            Refusal: There is none.
        """
        if self.taken >= self.limits.threads + self.limits.max_waiting:
            raise Refusal(503, "The server has more requests than it can keep; come again.", AGAIN)
        self.taken += 1

    def leave(self) -> None:
        """Free a place."""
        self.taken -= 1

    def hold(self, count: int) -> None:
        """Count bytes of a body that is read.

        Raises:
            Refusal: All bodies together have too many.
        """
        self.held_bytes += count
        if count > 0 and self.held_bytes > self.limits.held_bytes:
            raise Refusal(503, "The server has more bytes than it can keep; come again.", AGAIN)

    def begin(self, work: Callable[[], Answer], done: Callable[[], None]) -> asyncio.Future[Answer]:
        """Return the answer of some work to come; `done` is called when nothing of it is left."""
        loop = asyncio.get_running_loop()
        future: Future[Answer] = self._pool.submit(self._timed, work)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(done))
        return asyncio.wrap_future(future)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _timed(self, work: Callable[[], Answer]) -> Answer:
        """Return the answer of some work, whose begin is known meanwhile."""
        me = threading.get_ident()
        self._begun[me] = time.monotonic()
        try:
            return work()
        finally:
            del self._begun[me]


class Notes(logging.Handler):
    """What the package logs while a thread forecasts, for the answer of that forecast alone."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._here = threading.local()

    def __enter__(self) -> list[str]:
        self._here.notes = []
        notes: list[str] = self._here.notes
        return notes

    def __exit__(self, *error: Any) -> None:
        del self._here.notes

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        if self.is_of_forecast():
            self._here.notes.append(record.getMessage().replace("`frame`", "`history`"))

    def is_of_forecast(self) -> bool:
        """Whether this thread is at a forecast."""
        return hasattr(self._here, "notes")


def _with_one_torch_thread() -> None:
    torch.set_num_threads(1)
