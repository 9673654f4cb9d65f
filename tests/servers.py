"""Programs of the system that some tests start: a database, a browser."""

import os
import shutil
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
