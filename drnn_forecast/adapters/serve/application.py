"""The application: what is asked where, and what comes back."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import torch
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from drnn_forecast.adapters.serve.arrow_bodies import ARROW, as_arrow, read_arrow
from drnn_forecast.adapters.serve.description import described_model, described_routes
from drnn_forecast.adapters.serve.json_bodies import JSON, as_json, read_json
from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.adapters.serve.question import check_horizon
from drnn_forecast.adapters.serve.refusals import Refusal, refusal_of, refused
from drnn_forecast.adapters.serve.work import Notes, Workplace
from drnn_forecast.data import Roles
from drnn_forecast.model import Forecaster

logger = logging.getLogger("drnn_forecast.serve")
PATHS = ("/forecast", "/health", "/model", "/docs", "/openapi.json")


def built_app(model: Forecaster, limits: Limits) -> FastAPI:
    """Return the application of a model: see `forecast_app`."""
    service = _Service(model, limits)
    app = FastAPI(
        title="drnn_forecast",
        description="Forecasts of one trained model.",
        version=described_model(model, limits)["versions"]["drnn-forecast"],
        redirect_slashes=False,
        redoc_url=None,
        lifespan=service.lifespan,
        exception_handlers={HTTPException: _as_refusal},
    )
    routes = described_routes(service.roles, model, limits)
    for path, methods, answer in (
        ("/forecast", ["POST"], service.forecast),
        ("/health", ["GET"], service.health),
        ("/model", ["GET"], service.model_card),
    ):
        app.add_api_route(path, answer, methods=methods, response_model=None, **routes[path])
    app.add_api_route("/health", service.health, methods=["HEAD"], include_in_schema=False)
    app.state.service = service
    return app


class _Service:
    """A model and who asks it."""

    def __init__(self, model: Forecaster, limits: Limits) -> None:
        self.model, self.limits = model, limits
        self.roles = Roles.from_dict(model.hparams["roles"])
        self.work = Workplace(limits)
        self.notes = Notes()

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Let what is logged about a request's rows be told to its client alone."""
        with _told_to_clients(self.notes):
            yield
        self.work.close()

    async def forecast(self, request: Request) -> Response:
        """Return the forecast of the rows in a request."""
        try:
            self.work.enter()
        except Refusal as full:
            return refused(full.status, str(full), full.headers)
        held = [0]

        def done() -> None:
            self.work.leave()
            self.work.hold(-held[0])

        end = time.monotonic() + self.limits.max_seconds
        answer = None
        try:
            read = _reader(request, self.roles, self.limits)
            form = _form_of_answer(request)
            body = await asyncio.wait_for(self._body(request, held), self.limits.max_seconds)
            answer = self.work.begin(partial(self._answer, read, body, form), done)
            del body
            return await self._awaited(answer, request, end)
        except asyncio.TimeoutError:  # another class before Python 3.11
            return refused(
                408, f"The body must arrive within {self.limits.max_seconds} seconds, and did not."
            )
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is not None:
                return refused(refusal.status, str(refusal), refusal.headers)
            logger.exception("A forecast failed.")
            return refused(500, "The server has failed, which its own log tells more about.")
        finally:
            if answer is None:
                done()

    async def _body(self, request: Request, held: list[int]) -> bytes:
        """Return the body of a request, which is given up once it is too large."""
        said = request.headers.get("content-length", "")
        most, parts = self.limits.body_bytes, []
        too_large = Refusal(
            413, f"The body must have at most {self.limits.max_body_mib} MiB; ask for less at once."
        )
        if said.isdecimal() and int(said[:20]) > most:
            raise too_large
        async for part in request.stream():
            held[0] += len(part)
            self.work.hold(len(part))
            parts.append(part)
            if held[0] > most:
                raise too_large
        return b"".join(parts)

    async def _awaited(
        self, answer: asyncio.Future[Response], request: Request, end: float
    ) -> Response:
        """Return an answer, unless it comes too late or nobody waits for it any more."""
        gone = asyncio.ensure_future(request.receive())  # after the body, the end of the client
        try:
            await asyncio.wait(
                {answer, gone},
                timeout=max(end - time.monotonic(), 0),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if answer.done():
                self.work.answered += 1
                return answer.result()
            answer.cancel()
            if gone.done():
                raise ClientDisconnect
            raise Refusal(
                504,
                f"The forecast took longer than {self.limits.max_seconds} seconds; ask for less at "
                "once, or come again.",
                {"Retry-After": "1"},
            )
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    def _answer(self, read: Callable[[bytes], Any], body: bytes, form: str) -> Response:
        """Return the forecast that a body asks for, in one of the worker threads."""
        with self.notes as notes, torch.inference_mode():
            asked = read(body)
            check_horizon(asked.horizon, self.limits)
            forecast = self.model.forecast(
                asked.history, future=asked.future, horizon=asked.horizon, origin=asked.origin
            )
            if form == ARROW:
                return Response(as_arrow(forecast, notes), media_type=ARROW)
            if asked.is_of_arrow:
                forecast = forecast.to_pandas()
            return Response(
                as_json(forecast, is_by_rows=asked.is_by_rows, notes=notes), media_type=JSON
            )

    async def health(self) -> Response:
        """Return whether forecasts come."""
        is_stuck = self.work.is_stuck
        told = {"status": "stuck" if is_stuck else "ok", "requests": self.work.taken}
        return Response(json.dumps(told), 503 if is_stuck else 200, media_type=JSON)

    async def model_card(self, request: Request) -> Response:
        """Return what the model is and has learned from."""
        if JSON in request.headers.get("accept", ""):
            told = described_model(self.model, self.limits)
            return Response(json.dumps(told, allow_nan=False), media_type=JSON)
        return Response(self.model.card(), media_type="text/markdown")


def _reader(request: Request, roles: Roles, limits: Limits) -> Callable[[bytes], Any]:
    """Return what reads the body of a request, whose head says how it is written."""
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        raise Refusal(
            415, f"The body must not be compressed, got Content-Encoding {coding[:80]!r}."
        )
    kind, _, options = request.headers.get("content-type", "").partition(";")
    kind, options = kind.strip().lower(), options.strip().lower().replace('"', "")
    query = request.query_params.multi_items()
    for name, _ in query:
        if kind == JSON or name not in ("horizon", "origin") or len(query) > len(dict(query)):
            raise Refusal(
                422,
                "A query must have `horizon` and `origin` once each, and none where the body is "
                f"JSON, which has them as fields; got {name[:80]!r}.",
            )
    if kind == JSON and options in ("", "charset=utf-8"):
        return partial(read_json, roles=roles, limits=limits)
    if kind == ARROW:
        return partial(read_arrow, asked=dict(query), roles=roles, limits=limits)
    given = request.headers.get("content-type")
    raise Refusal(
        415,
        f"The body must be JSON in UTF-8 or an Arrow stream: send Content-Type {JSON} or {ARROW}, "
        f"got {'none' if given is None else repr(given[:80])}.",
    )


def _form_of_answer(request: Request) -> str:
    """Return the media type that a client takes; where it takes any, that of its own body."""
    accepted = request.headers.get("accept", "*/*").lower()
    kinds = [part.partition(";")[0].strip() for part in accepted.split(",")]
    own = ARROW if ARROW in request.headers.get("content-type", "").lower() else JSON
    for form in (own, JSON, ARROW):
        if form in kinds:
            return form
    if not {"*/*", "application/*", ""} & {*kinds}:
        raise Refusal(406, f"An answer is {JSON} or {ARROW}; take one of them by Accept.")
    return own


async def _as_refusal(request: Request, error: Exception) -> Response:
    """Return what is told about a path or a method that there is not."""
    status, headers = getattr(error, "status_code", 500), getattr(error, "headers", None)
    if status == 404:
        said = f"There is no {request.url.path[:80]!r}, but {', '.join(PATHS)}."
    elif status == 405:
        allowed = (headers or {}).get("Allow", "another")
        said = f"{request.url.path[:80]!r} is asked by {allowed}, got {request.method[:20]}."
    else:
        said = "The request cannot be answered."
    return refused(status, said, headers)


@contextmanager
def _told_to_clients(notes: Notes) -> Any:
    """Let a handler have what threads log while they forecast, and the other handlers not."""
    root = logging.getLogger("drnn_forecast")
    others = list(root.handlers)

    def is_for_others(record: logging.LogRecord) -> bool:
        return record.name == logger.name or not notes.is_of_forecast()

    for handler in others:
        handler.addFilter(is_for_others)
    root.addHandler(notes)
    try:
        yield
    finally:
        root.removeHandler(notes)
        for handler in others:
            handler.removeFilter(is_for_others)
