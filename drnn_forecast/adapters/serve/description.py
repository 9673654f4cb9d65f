"""What a served model is, and how it is asked, for programs and for OpenAPI."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from drnn_forecast.adapters.serve.arrow_bodies import ARROW
from drnn_forecast.adapters.serve.limits import Limits
from drnn_forecast.adapters.serve.refusals import PROBLEM
from drnn_forecast.data import Roles, is_counted
from drnn_forecast.model import Forecaster

PROBLEMS = {
    400: "The body is not what its head says.",
    406: "The answer would be in no form that the client takes.",
    408: "The body did not arrive in time.",
    413: "The request is larger than the limits of the server.",
    415: "The body is neither JSON nor an Arrow stream.",
    422: "The rows, or what is asked about them, are refused.",
    503: "Too many requests wait; come again.",
    504: "The forecast took too long.",
}


def described_model(model: Forecaster, limits: Limits) -> dict[str, Any]:
    """Return what a model is, plain data."""
    record = dict(model.hparams.get("record") or {})
    return {
        "class": type(model).__name__,
        "roles": model.hparams["roles"],
        "horizon": model.hparams["max_prediction_length"],
        "limits": {name: getattr(limits, name) for name in limits.__dataclass_fields__},
        "record": record,
        "versions": record.get("versions") or {"drnn-forecast": version("drnn-forecast")},
        "card": model.card(),
    }


def described_routes(roles: Roles, model: Forecaster, limits: Limits) -> dict[str, dict[str, Any]]:
    """Return what OpenAPI says about each path."""
    sizes = (
        f"At most {limits.max_rows:,} rows of {limits.max_series:,} series and "
        f"{limits.max_body_mib} MiB, answered within {limits.max_seconds} seconds."
    )
    problems = {
        status: {"description": said, "content": {PROBLEM: {"schema": _PROBLEM}}}
        for status, said in PROBLEMS.items()
    }
    return {
        "/forecast": {
            "summary": "Forecast the series whose history is given",
            "description": f"{sizes} An Arrow stream holds the history; one behind it in the same "
            "body the future rows; `horizon` and `origin` are then parameters of the query.",
            "responses": {
                200: {
                    "description": "A row for every series and time, in target units.",
                    "content": {"application/json": {"schema": _ANSWER}, ARROW: {}},
                },
                **problems,
            },
            "openapi_extra": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _question(roles, model.hparams["max_prediction_length"])
                        },
                        ARROW: {},
                    },
                }
            },
        },
        "/health": {
            "summary": "Whether forecasts come, and how many requests are there",
            "responses": {
                503: {"description": "Every thread is at a forecast that takes too long."}
            },
        },
        "/model": {
            "summary": "What the model is: Markdown, or by Accept JSON",
            "responses": {200: {"content": {"text/markdown": {}, "application/json": {}}}},
        },
    }


def _question(roles: Roles, longest: int) -> dict[str, Any]:
    """Return the schema of a request's body."""
    is_count = roles.freq is not None and is_counted(roles.freq)
    time = {"type": "integer"} if is_count else {"type": "string", "format": "date-time"}
    value = {"type": ["number", "string", "boolean", "null"]}
    target = {"type": ["number", "null"]}
    keys: dict[str, Any] = {name: value for name in roles.series_columns if name != "target_name"}
    keys[roles.time] = time
    rows, later = {}, {}
    if roles.wide is None or roles.targets:
        targets = roles.targets or (roles.target,)
        others = dict.fromkeys((*roles.known, *roles.observed, *roles.static), value)
        rows = {**keys, **dict.fromkeys(targets, target), **others}
        later = {**keys, **dict.fromkeys(roles.known, value)}
    return {
        "type": "object",
        "required": ["history"],
        "additionalProperties": False,
        "properties": {
            "history": _table(
                rows, "Rows up to now; those after a series' last target are future."
            ),
            "future": _table(later, "Rows to come, with the covariates known ahead."),
            "horizon": {"type": "integer", "minimum": 1, "maximum": longest},
            "origin": {**time, "description": "The first time to forecast; by default the next."},
        },
    }


def _table(columns: dict[str, Any], said: str) -> dict[str, Any]:
    """Return the schema of a table in its two forms."""
    row = {"type": "object", "properties": columns}
    lists = {name: {"type": "array", "items": kind} for name, kind in columns.items()}
    by_columns = {"type": "object", "properties": lists}
    return {"description": said, "oneOf": [{"type": "array", "items": row}, by_columns]}


_PROBLEM = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, in one sentence."},
    },
}
_ANSWER = {
    "type": "object",
    "required": ["forecast"],
    "properties": {
        "forecast": {
            "description": "By rows or by columns, as the history was: series, time, and a column "
            "for each quantile."
        },
        "notes": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What was done about the rows that you may want to know.",
        },
    },
}
