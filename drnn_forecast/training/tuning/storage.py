"""Where a study lives: SQLite for one machine, PostgreSQL for several, or any storage of Optuna.

A database's URL may hold a password, in places that no parser agrees about. So no message repeats
any of it, nor what a driver says: what is shown is taken from lists of words of ours.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import NoSuchModuleError, OperationalError, SQLAlchemyError

from drnn_forecast.host import lock_from_the_start, retry_once
from drnn_forecast.training.tuning.places import own_path

VARIABLE = "DRNN_FORECAST_STORAGE"
"""The environment variable that is read where no storage is given."""

BUSY_SECONDS = 60
CONNECT_SECONDS = 10
ATTEMPTS = 10

KINDS = ("sqlite", "postgresql", "mysql", "mariadb", "oracle", "mssql")
CAUSES = (
    *("unable to open database file", "file is not a database", "disk image is malformed"),
    *("readonly database", "database is locked", "disk I/O error", "disk is full"),
    *("Connection refused", "authentication failed", "no password supplied", "timeout expired"),
    *("Name or service not known", "nodename nor servname", "Network is unreachable"),
    *("No such file or directory", "does not exist", "no pg_hba.conf entry", "too many clients"),
    *("server closed the connection", "invalid port number", "invalid connection option"),
)
"""What is repeated of the words of a driver."""

DAMAGED = ("file is not a database", "disk image is malformed")


def open_storage(
    storage: str | BaseStorage | None, *, folder: Path, heartbeat_seconds: int
) -> BaseStorage:
    """Return an Optuna storage that tells dead workers from slow ones by their heartbeats."""
    if isinstance(storage, BaseStorage):
        return storage
    given = _given(storage)
    if given is None:
        folder.mkdir(parents=True, exist_ok=True)
        for ending in ("-journal", "-wal", "-shm"):
            own_path(folder, f"study.db{ending}")
        given = f"sqlite:///{own_path(folder, 'study.db')}"
    url = _url(given)
    kind = _kind(url.drivername)
    missing: str | None = None
    try:
        with told(kind):
            opened = _opened(url, heartbeat_seconds)
    except NoSuchModuleError:
        missing = "is not known to SQLAlchemy"
    except ImportError as error:
        missing = f"is not installed (no module {error.name!r})"
    if missing is not None:
        raise ImportError(
            f"`storage`, {kind}, needs a database driver that {missing}; "
            "PostgreSQL's comes with `pip install 'drnn-forecast[tune]'`."
        )
    if url.get_backend_name() == "sqlite":
        lock_from_the_start(opened)
    return opened


def heartbeat_of(storage: BaseStorage) -> int | None:
    """Return the seconds between two heartbeats of a worker; None where a storage has none."""
    return storage.get_heartbeat_interval() if isinstance(storage, RDBStorage) else None


@contextmanager
def told(kind: str = "a database") -> Iterator[None]:
    """Tell an error of a storage in one line that repeats nothing of its URL.

    Raises:
        ConnectionError: It does not answer.
        ValueError: What it holds is damaged.
    """
    try:
        yield
    except (ImportError, KeyboardInterrupt, NoSuchModuleError):
        raise
    except Exception as error:  # what was damaged surfaces anywhere in Optuna
        told_error = _told(error, kind)
        raise told_error from None


def _told(error: Exception, kind: str) -> Exception:
    """Return an error without the words of another one that are not ours."""
    text = f"{error} {error.__cause__} {error.__context__}"
    cause = next((known for known in CAUSES if known.lower() in text.lower()), None)
    is_of_database = isinstance(error, SQLAlchemyError | StorageInternalError | OSError)
    if cause in DAMAGED or not (is_of_database or cause):
        return ValueError(
            f"`storage`, {kind}, is damaged: {cause or type(error).__name__}. Restore a copy, or "
            "begin anew with another `folder`, file or name."
        )
    return ConnectionError(
        f"`storage`, {kind}, does not answer: {cause or type(error).__name__}. Start the database, "
        "or correct the host, port, user, name or file. The URL is not shown: it may hold a "
        "password."
    )


def _given(storage: Any) -> str | None:
    """Return the URL that was given: as it is, in a file, or in the environment."""
    if storage is None:
        return os.environ.get(VARIABLE) or None
    if not isinstance(storage, str):
        raise TypeError(
            "`storage` must be a URL, '@' and the name of a file that holds one, or a storage of "
            f"Optuna, got a {type(storage).__name__}."
        )
    if not storage.startswith("@"):
        return storage
    path = Path(storage[1:])
    shown = repr(str(path)) if "://" not in storage else "that is named"
    if not path.is_file():
        raise FileNotFoundError(
            f"`storage` names a file by its '@', but the file {shown} does not exist."
        )
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return lines[0].strip()


def _url(storage: str) -> URL:
    """Return the URL with the driver that the extra `tune` installs."""
    with suppress(Exception):  # they repeat what they cannot read
        url = make_url(storage)
        name = url.drivername.lower()
        is_postgres = name in ("postgresql", "postgres")
        return url.set(drivername="postgresql+psycopg" if is_postgres else name)
    raise ValueError(
        "`storage` must be a URL such as 'sqlite:///study.db' or 'postgresql://user@host/name', "
        "'@' and the name of a file that holds one, or a storage of Optuna. What was given is not "
        "shown: it may hold a password."
    )


def _kind(driver: str) -> str:
    """Return which database a URL is of, where it is one of those known."""
    name = driver.split("+")[0].lower()
    return f"a {name} database" if name in KINDS else "a database of an unknown kind"


def _opened(url: URL, heartbeat_seconds: int) -> RDBStorage:
    """Return the storage; workers that start together make its tables together, so try again."""
    engine_options = _engine_options(url)
    engine = create_engine(url, **engine_options)
    with engine.connect() as connection:  # what does not answer now is not tried again
        if url.get_backend_name() == "sqlite":
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            if found != "ok":
                raise OperationalError(None, None, ValueError("disk image is malformed"))
    engine.dispose()
    make = partial(
        RDBStorage,
        url.render_as_string(hide_password=False),
        engine_kwargs=engine_options,
        heartbeat_interval=heartbeat_seconds,
        grace_period=2 * heartbeat_seconds,
        **retry_once(),
    )
    for attempt in range(ATTEMPTS):
        with suppress(SQLAlchemyError, StorageInternalError):
            return make()
        time.sleep(0.05 * (attempt + 1))
    return make()


def _engine_options(url: URL) -> dict[str, Any]:
    """Return how to connect: patiently to a busy file, not for ever to a server."""
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": BUSY_SECONDS}}
    options: dict[str, Any] = {"pool_pre_ping": True}
    if url.get_backend_name() == "postgresql":
        options["connect_args"] = {"connect_timeout": CONNECT_SECONDS}
    return options
