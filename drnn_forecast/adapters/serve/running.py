"""The server as a process."""

from __future__ import annotations

import errno
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike

import torch
import uvicorn

from drnn_forecast.adapters.serve.entry import forecast_app
from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.model import load

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OTHERS = 256
"""Connections beside those of the requests that are kept."""
KEPT_OPEN = 65
"""Seconds that a connection may idle, longer than proxies let theirs."""
SWITCH = 0.0005
"""Seconds after which a thread lets another one run: that which answers must not wait for long."""


def run_server(
    folder: str | PathLike[str],
    host: str,
    port: int,
    limits: Limits,
    announce: Callable[[str], None],
) -> None:
    """Answer requests for the forecasts of a saved model: see `serve_folder`."""
    torch.set_num_threads(1)
    app = forecast_app(load(folder), limits)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=limits.max_seconds + 5,
        limit_concurrency=limits.threads + limits.max_waiting + OTHERS,
    )
    with listening(host, port) as listener:
        taken = listener.getsockname()[1]
        where = f"[{host}]" if ":" in host else host
        if host not in LOOPBACK:
            print(
                f"There is no authentication: whoever reaches {where}:{taken} can ask this model.",
                file=sys.stderr,
            )
        announce(f"Serving {str(folder)!r} at http://{where}:{taken} (/docs says how it is asked)")
        sys.setswitchinterval(SWITCH)
        try:
            _Server(config).run(sockets=[listener])
        except KeyboardInterrupt as stop:
            count = app.state.service.work.answered
            raise KeyboardInterrupt(f"{count} requests were answered") from stop


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Give a socket that listens at an address.

    Raises:
        OSError: It is taken, or is none of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        if number == errno.EADDRINUSE:
            raise OSError(
                f"`port` {port} of {host} is taken by another program; choose another, or 0 for a "
                "free one."
            ) from None
        if number in (errno.EACCES, errno.EPERM):
            raise PermissionError(
                f"`port` {port} may not be opened by you; choose one from 1024 on."
            ) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise OSError(
            f"`host` must be an address of this machine, got {host!r}: {reason}; leave it out for "
            "127.0.0.1, or give 0.0.0.0 for all of them."
        ) from None
    # Of a socket that says no protocol, asyncio would hold back the ends of answers.
    tcp = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    with socket.socket(*tcp, fileno=listener.detach()) as named:
        yield named


class _Server(uvicorn.Server):
    """A server that leaves alone the signals which its process ignores."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear signals while the server runs, as that of uvicorn does."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        ignored = [each for each in numbers if signal.getsignal(each) is signal.SIG_IGN]
        with super().capture_signals():
            for number in ignored:
                signal.signal(number, signal.SIG_IGN)
            yield
