"""A server in a thread of this process, with a socket of its own, and what clients send to it."""

import json
import threading
import time
from contextlib import contextmanager

import pyarrow as pa
import pytest

pytest.importorskip("fastapi", reason="needs the extra `serve`")
pytest.importorskip("httpx", reason="needs httpx, a client")

import httpx
import uvicorn

from drnn_forecast.adapters import Limits, forecast_app
from drnn_forecast.adapters.serve.running import listening

STREAM = "application/vnd.apache.arrow.stream"


@contextmanager
def served(model, **limits):
    """Give a client of a server of a model, and the application."""
    app = forecast_app(model, Limits(**limits))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield client, app
        finally:
            server.should_exit = True
            thread.join(30)


def by_columns(frame):
    """Return a frame as JSON has it: an object of lists."""
    return {
        name: json.loads(own.to_json(orient="values", date_format="iso", double_precision=15))
        for name, own in frame.items()
    }


def by_rows(frame):
    """Return a frame as JSON has it: a list of objects."""
    columns = by_columns(frame)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def stream_of(table):
    """Return a frame or a table as an Arrow stream."""
    table = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def wait_until(is_so, seconds=20):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
