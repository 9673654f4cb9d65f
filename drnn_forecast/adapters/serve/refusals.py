"""What a client hears in place of a forecast: one sentence, in the form of RFC 9457."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from traceback import walk_tb

import pyarrow as pa
from starlette.responses import Response

PROBLEM = "application/problem+json"
LONGEST = 1200
"""Characters of a message: what was given may be repeated in it."""
PACKAGE = str(Path(__file__).parents[2])


class Refusal(Exception):  # noqa: N818
    """An answer that is no forecast."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers


def refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that says why there is no forecast."""
    problem = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(json.dumps(problem), status, headers, media_type=PROBLEM)


def refusal_of(error: Exception) -> Refusal | None:
    """Return what a client is told about an error of a forecast; None: it is no fault of theirs.

    An error that the package raised about rows is a sentence of its own; one that comes from within
    another library says nothing to a client.
    """
    if isinstance(error, Refusal):
        return error
    if isinstance(error, MemoryError):
        return Refusal(413, "The request needs more memory than there is; ask about fewer rows.")
    if isinstance(error, pa.ArrowException | UnicodeError):
        return Refusal(422, f"The rows cannot be read as a table: {_in_one_line(str(error))}")
    frames = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
    if isinstance(error, ValueError | TypeError) and frames[-1].startswith(PACKAGE):
        return Refusal(422, _in_one_line(str(error)).replace("`frame`", "`history`"))
    return None


def _in_one_line(text: str) -> str:
    """Return a message without line breaks, its middle left out where it is very long."""
    line = " ".join(text.split())
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
