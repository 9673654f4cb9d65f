"""Forecasts of a saved model over HTTP, by the extra `serve`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from os import PathLike
from typing import Any

from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.layers import checked_integer
from drnn_forecast.model import Forecaster

DEFAULTS = Limits()


def serve_folder(
    folder: str | PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits = DEFAULTS,
    announce: Callable[[str], None] = print,
) -> None:
    """Answer requests for the forecasts of a saved model, until a signal ends it.

    What was asked before the signal is answered.

    Args:
        folder: Of the model, as `load` takes it; read before the port is opened.
        host: The address to listen at. Any other than this machine's own is open to whoever
            reaches it: there is no authentication.
        port: To listen at; 0: a free one, which is announced.
        limits: How much a client may ask for.
        announce: Is told where the server is.

    Raises:
        ImportError: FastAPI or uvicorn is not installed.
        ValueError: An argument is out of range, or the model knows no roles.
        OSError: There is no model, or the port is taken.
        KeyboardInterrupt: The server was told to end, and has.
    """
    _check_extra()
    if checked_integer("port", port, minimum=0) > 65535:
        raise ValueError(f"`port` must be at most 65535, got {port}.")
    from drnn_forecast.adapters.serve.running import run_server

    run_server(folder, host, port, limits, announce)


def forecast_app(model: Forecaster, limits: Limits = DEFAULTS) -> Any:
    """Return an ASGI application of FastAPI that answers with the forecasts of a model.

    `POST /forecast` takes rows as JSON or as an Arrow stream; `/health`, `/model`, `/docs` and
    `/openapi.json` say how the server and the model are. It has no authentication.

    Args:
        model: Trained on tidy frames.
        limits: How much a client may ask for.

    Raises:
        ImportError: FastAPI or uvicorn is not installed.
        ValueError: The model knows no roles.
    """
    _check_extra()
    if model.hparams["roles"] is None:
        raise ValueError(
            "A served model must have been trained on a tidy frame, but the dataset of this one "
            "was not made by `ForecastData`; make it with `ForecastData.split`."
        )
    from drnn_forecast.adapters.serve.application import built_app

    return built_app(model, limits)


def _check_extra() -> None:
    """Raise where what serves is not installed."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise ImportError(
            "A server needs FastAPI and uvicorn; install them with "
            "`pip install 'drnn-forecast[serve]'`."
        )
