"""Where a study lives: SQLite for one machine, PostgreSQL for several, or any storage of Optuna."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from drnn_forecast.host import lock_from_the_start, retry_once

BUSY_SECONDS = 60
CONNECT_SECONDS = 10
ATTEMPTS = 10


def open_storage(
    storage: str | BaseStorage | None, *, folder: Path, heartbeat_seconds: int
) -> BaseStorage:
    """Return an Optuna storage that tells dead workers from slow ones by their heartbeats."""
    if isinstance(storage, BaseStorage):
        return storage
    if storage is None:
        folder.mkdir(parents=True, exist_ok=True)
        storage = f"sqlite:///{folder / 'study.db'}"
    url = _url(storage)
    shown = repr(url.render_as_string(hide_password=True))
    try:
        opened = _opened(url, heartbeat_seconds)
    except (NoSuchModuleError, ImportError) as error:
        raise ImportError(
            f"`storage` {shown} needs a database driver that is not installed ({error}); "
            "PostgreSQL's comes with `pip install 'drnn-forecast[tune]'`."
        ) from error
    except (SQLAlchemyError, StorageInternalError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise ConnectionError(
            f"`storage` {shown} does not answer: {cause}. Start the database, or correct "
            "the host, port, user, name or file."
        ) from error
    if url.get_backend_name() == "sqlite":
        lock_from_the_start(opened)
    return opened


def heartbeat_of(storage: BaseStorage) -> int | None:
    """Return the seconds between two heartbeats of a worker; None where a storage has none."""
    return storage.get_heartbeat_interval() if isinstance(storage, RDBStorage) else None


def _url(storage: str) -> URL:
    """Return the URL with the driver that the extra `tune` installs."""
    try:
        url = make_url(storage)
    except ArgumentError as error:
        raise ValueError(
            "`storage` must be a URL such as 'sqlite:///study.db' or "
            f"'postgresql://user@host/name', or a storage of Optuna, got {storage!r}."
        ) from error
    is_postgres = url.drivername in ("postgresql", "postgres")
    return url.set(drivername="postgresql+psycopg") if is_postgres else url


def _opened(url: URL, heartbeat_seconds: int) -> RDBStorage:
    """Return the storage; workers that start together make its tables together, so try again."""
    engine_options = _engine_options(url)
    engine = create_engine(url, **engine_options)
    engine.connect().close()  # what does not answer now is not tried again
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
