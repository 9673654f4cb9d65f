"""Programs of the system that some tests start: a database, a browser."""

import os
import shutil
import socket
from pathlib import Path

import pytest


def find_program(name, *, package, folders=()):
    """Return the path of a program; skip the test where it is missing.

    With `REQUIRE_SERVERS` set, a missing program fails the test instead.
    """
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))
    if found is None:
        message = f"needs {name}: apt-get install {package}"
        pytest.fail(message) if os.environ.get("REQUIRE_SERVERS") else pytest.skip(message)
    return Path(found)


def free_port():
    """Return a port of the loopback interface on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
