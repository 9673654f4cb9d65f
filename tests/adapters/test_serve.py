"""A server gives the forecasts of its model, and one sentence for every mistake of a client."""

import io
import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from drnn_forecast.adapters import Limits, forecast_app
from laws.sayings import FUTURE, HORIZON, said_plainly, trained
from served import STREAM, by_columns, by_rows, served, stream_of, wait_until

LIMITS = {"max_rows": 2_000, "max_series": 20, "max_body_mib": 1, "max_seconds": 20}
ROW = {"shop": 1, "when": "2024-02-20 00:00", "sold": 1.0, "price": 0.5, "promotion": True}
ROW |= {"event": "none", "visits": 3, "mood": "up", "size": 0.125, "land": "south"}
TYPE = {"content-type": "application/json"}
ARROW = {"content-type": STREAM}


@pytest.fixture(scope="module")
def frame():
    return said_plainly()


@pytest.fixture(scope="module")
def model(frame):
    return trained(frame)


@pytest.fixture(scope="module")
def client(model):
    with served(model, **LIMITS) as (client, _):
        yield client


def values(answer):
    """Return the numbers of a forecast in JSON."""
    told = answer.json()["forecast"]
    table = pd.DataFrame(told)
    return table.filter(like="q0").to_numpy(np.float64).astype(np.float32)


def expected(model, asked, **options):
    """Return the numbers that the model itself gives."""
    return model.forecast(asked, **options).filter(like="q0").to_numpy()


def split_frame(frame):
    """Return history and future rows of a frame, apart."""
    is_past = frame["sold"].notna()
    return frame[is_past].reset_index(drop=True), frame.loc[~is_past, FUTURE].reset_index(drop=True)


FORMS = {
    "rows": lambda frame, future: {"json": {"history": by_rows(frame), "future": by_rows(future)}},
    "columns": lambda frame, future: {
        "json": {"history": by_columns(frame), "future": by_columns(future)}
    },
    "future rows in the history": lambda frame, future: {
        "json": {"history": [*by_rows(frame), *by_rows(future)]}
    },
    "two Arrow streams": lambda frame, future: {
        "content": stream_of(frame) + stream_of(future),
        "headers": {**ARROW, "accept": "application/json"},
    },
    "one Arrow stream": lambda frame, future: {
        "content": stream_of(pd.concat([frame, future], ignore_index=True)),
        "headers": {**ARROW, "accept": "application/json"},
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_a_server_forecasts_what_its_model_does_however_it_is_asked(client, model, frame, form):
    history, future = split_frame(frame)

    answer = client.post("/forecast", **FORMS[form](history, future))

    assert answer.status_code == 200, answer.text
    np.testing.assert_array_equal(values(answer), expected(model, history, future=future))


def test_an_arrow_stream_is_answered_by_the_table_that_the_model_gives_for_it(client, model, frame):
    table = pa.Table.from_pandas(frame).replace_schema_metadata(None)

    answer = client.post("/forecast?horizon=3", content=stream_of(table), headers=ARROW)

    assert answer.headers["content-type"] == STREAM
    assert pa.ipc.open_stream(answer.content).read_all().equals(model.forecast(table, horizon=3))


@pytest.mark.parametrize("options", [{"horizon": 2}, {"origin": "2024-02-22 05:00"}], ids=str)
def test_horizon_and_origin_are_those_of_the_model(client, model, frame, options):
    answer = client.post("/forecast", json={"history": by_rows(frame), **options})

    np.testing.assert_array_equal(values(answer), expected(model, frame, **options))


def test_a_forecast_has_the_shape_of_its_question(client, frame):
    rows = client.post("/forecast", json={"history": by_rows(frame)}).json()["forecast"]
    columns = client.post("/forecast", json={"history": by_columns(frame)}).json()["forecast"]

    assert pd.DataFrame(rows).equals(pd.DataFrame(columns))
    assert rows[0] | {"shop": 1, "when": "2024-02-23T07:00:00"} == rows[0]


def test_what_else_is_asked_at_the_same_time_changes_nothing(model, frame):
    history, future = split_frame(frame)
    parts = [
        history[history["shop"].isin(shops)].reset_index(drop=True)
        for shops in ([1], [2, 10], [10], [1, 2, 10])
    ]
    futures = [future[future["shop"].isin(part["shop"])].reset_index(drop=True) for part in parts]
    alone = [
        expected(model, *pair[:1], future=pair[1]) for pair in zip(parts, futures, strict=True)
    ]
    broken = {"json": {"history": [ROW, ROW]}}
    asked = [FORMS["rows"](*pair) for pair in zip(parts, futures, strict=True)]

    with served(model, threads=3) as (client, app), ThreadPoolExecutor(16) as pool:
        work = [(number % 4, asked[number % 4]) for number in range(16)]
        mistakes = [pool.submit(client.post, "/forecast", **broken) for _ in range(4)]
        answers = pool.map(lambda each: (each[0], client.post("/forecast", **each[1])), work)
        for number, answer in answers:
            np.testing.assert_array_equal(values(answer), alone[number])
        assert {each.result().status_code for each in mistakes} == {422}
        wait_until(lambda: app.state.service.work.taken == 0)
        assert app.state.service.work.held_bytes == 0


def rows_with(**changes):
    """Return a body of one row with some other values."""
    return {"json": {"history": [ROW | changes]}}


def text(body, **headers):
    return {
        "content": body if isinstance(body, bytes) else body.encode(),
        "headers": TYPE | headers,
    }


def compressed(codec):
    sink = io.BytesIO()
    table = pa.table({"shop": [1] * 500, "when": [0] * 500})
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def arrow(body):
    return {"content": body, "headers": ARROW}


GOOD = stream_of(pa.table({"shop": [1, 1], "when": ["2024-02-20", "2024-02-21"]}))
MISTAKES = {
    "no body": (text(""), 400, "must be JSON"),
    "broken JSON": (text('{"history": ['), 400, "line 1, column 14"),
    "NaN": (text('{"history": [{"sold": NaN}]}'), 400, "has no NaN"),
    "minus infinity": (text('{"history": [{"sold": -Infinity}]}'), 400, "has no -Infinity"),
    "no UTF-8": (text(b'{"history": "\xff"}'), 400, "must be in UTF-8"),
    "UTF-16": (text('{"history": []}'.encode("utf-16")), 400, "must be in UTF-8"),
    "half a surrogate": (text('{"history": [{"shop": "\\ud800"}]}'), 400, "surrogate"),
    "a name twice": (text('{"history": [], "history": []}'), 400, "'history' twice"),
    "NUL bytes": (text(b"\x00" * 100), 400, "must be JSON"),
    "deep nesting": (text("[" * 200_000), 400, "nest"),
    "deep objects": (text('{"history":' * 50_000), 400, "nest"),
    "a number of many digits": (text('{"horizon": ' + "9" * 5_000 + "}"), 400, "digits"),
    "a list": (text("[1]"), 422, "must be an object"),
    "null": (text("null"), 422, "must be an object"),
    "another field": ({"json": {"histroy": []}}, 422, "did you mean 'history'"),
    "quantiles": ({"json": {"history": [ROW], "quantiles": [0.5]}}, 422, "no other field"),
    "no history": ({"json": {"horizon": 1}}, 422, "must have `history`"),
    "an empty history": ({"json": {"history": []}}, 422, "history"),
    "a history of no columns": ({"json": {"history": {}}}, 422, "history"),
    "a history of empty rows": ({"json": {"history": [{}, {}]}}, 422, "must have rows"),
    "a history that is text": ({"json": {"history": "rows"}}, 422, "a list of objects"),
    "rows that are lists": ({"json": {"history": [[1, 2]]}}, 422, "in row 0"),
    "columns that are none": ({"json": {"history": {"shop": 1}}}, 422, "no list"),
    "columns of two lengths": ({"json": {"history": {"a": [1], "b": []}}}, 422, "one length"),
    "a value that is a list": (rows_with(sold=[1]), 422, "'sold' of `history` has a list in row 0"),
    "a name that is an object": (rows_with(shop={}), 422, "an object in row 0"),
    "missing columns": ({"json": {"history": [{"shop": 1}]}}, 422, "'when'"),
    "duplicated rows": ({"json": {"history": [ROW, ROW]}}, 422, "repeated|twice|once"),
    "text as target": (rows_with(sold="many"), 422, "'sold'"),
    "an infinite target": (text(json.dumps({"history": [ROW]}).replace('"sold": 1.0', '"sold": 1e999')), 422, "'sold'"),
    "a huge whole number": (rows_with(sold=10**400), 422, "below 1e308"),
    "a huge series name": (rows_with(shop=10**30), 422, ""),
    "an empty time": (rows_with(when=None), 422, "'when'"),
    "a time that is none": (rows_with(when="soon"), 422, "'when'"),
    "a time with NUL": (rows_with(when="2024-02-20\x00"), 422, "'when'"),
    "a time that is true": (rows_with(when=True), 422, "'when'"),
    "an unknown zone": (rows_with(when="2024-02-20T00:00:00+99:00"), 422, "'when'"),
    "a time of many digits": (rows_with(when="9" * 300), 422, "'when'"),
    "a horizon above the trained one": ({"json": {"history": [ROW], "horizon": 7}}, 422, "at most the 6"),
    "a horizon of 0": ({"json": {"history": [ROW], "horizon": 0}}, 422, "`horizon`"),
    "a horizon that is half": ({"json": {"history": [ROW], "horizon": 1.5}}, 422, "`horizon`"),
    "a horizon that is true": ({"json": {"history": [ROW], "horizon": True}}, 422, "`horizon`"),
    "a horizon that is text": ({"json": {"history": [ROW], "horizon": "6"}}, 422, "`horizon`"),
    "a horizon that is a list": ({"json": {"history": [ROW], "horizon": [6]}}, 422, "`horizon`"),
    "a huge horizon": ({"json": {"history": [ROW], "horizon": 10**300}}, 422, "`horizon`"),
    "an origin that is a list": ({"json": {"history": [ROW], "origin": []}}, 422, "`origin`"),
    "an origin that is no time": ({"json": {"history": [ROW], "origin": "x"}}, 422, "`origin`"),
    "an origin far away": ({"json": {"history": [ROW], "origin": "2999-01-01"}}, 422, "`origin`"),
    "future rows that are past": ({"json": {"history": [ROW], "future": [ROW]}}, 422, "`future`"),
    "future rows that lack": ({"json": {"history": [ROW], "future": [{"shop": 1}]}}, 422, "'when'"),
    "too many rows": ({"json": {"history": {"a": [0] * 2_001}}}, 413, "2,001 of `history`"),
    "too many series": ({"json": {"history": {"shop": [*range(21)]}}}, 413, "at most 20 series"),
    "too many columns": ({"json": {"history": [{f"{n}": 0} for n in range(1_999)]}}, 413, "values"),
    "too large a body": (text(" " * (2**20 + 1)), 413, "1 MiB"),
    "too large a body of no length": ({"content": iter([b" " * 2**19] * 3), "headers": TYPE}, 413, "1 MiB"),
    "no content type": ({"content": b"{}"}, 415, "got none"),
    "a form": ({"data": {"history": "1"}}, 415, "x-www-form-urlencoded"),
    "plain text": (text("{}", **{"content-type": "text/plain"}), 415, "text/plain"),
    "JSON of another charset": (text("{}", **{"content-type": "application/json; charset=latin-1"}), 415, "UTF-8"),
    "gzip": (text("{}", **{"content-encoding": "gzip"}), 415, "must not be compressed"),
    "an answer in HTML": (text("{}", accept="text/html"), 406, "Accept"),
    "a query beside JSON": (text("{}") | {"params": {"horizon": "3"}}, 422, "'horizon'"),
    "another query": (arrow(GOOD) | {"params": {"steps": "3"}}, 422, "'steps'"),
    "a query twice": (arrow(GOOD) | {"params": [("horizon", "3"), ("horizon", "2")]}, 422, "once"),
    "a query that is none": (arrow(GOOD) | {"params": {"horizon": "three"}}, 422, "'three'"),
    "no Arrow": (arrow(b"garbage that is long enough for a head"), 400, "Arrow stream"),
    "an empty Arrow body": (arrow(b""), 400, "Arrow stream"),
    "half an Arrow stream": (arrow(GOOD[: len(GOOD) // 2]), 400, "Arrow stream"),
    "an Arrow file": (arrow(b"ARROW1\x00\x00" + GOOD), 400, "Arrow stream"),
    "three Arrow streams": (arrow(GOOD * 3), 422, "or two"),
    "garbage behind Arrow": (arrow(GOOD + b"more"), 400, "`future`"),
    "compressed Arrow": (arrow(compressed("zstd")), 415, "compressed"),
    "otherwise compressed Arrow": (arrow(compressed("lz4")), 415, "compressed"),
    "lists in Arrow": (arrow(stream_of(pa.table({"shop": [[1]]}))), 422, "list"),
    "a run-end-encoded column": (arrow(stream_of(pa.table({"shop": pa.RunEndEncodedArray.from_arrays([2**31 - 1], [1])}))), 422, "run_end"),
    "too many nulls in Arrow": (arrow(stream_of(pa.table({"shop": pa.nulls(10**7)}))), 413, "2,000 rows"),
    "columns of one name in Arrow": (arrow(stream_of(pa.table([[1], [2]], ["shop", "shop"]))), 422, "'shop' twice"),
    "an unknown zone in Arrow": (arrow(stream_of(pa.table({"shop": [1], "when": pa.array([0], pa.timestamp("s", "Mars/Olympus"))}))), 422, ""),
    "a year that is far in Arrow": (arrow(stream_of(pa.table({**{name: [value] for name, value in ROW.items()}, "when": pa.array([2**62], pa.timestamp("s"))}))), 422, ""),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_by_one_sentence(client, caplog, mistake):
    request, status, said = MISTAKES[mistake]

    answer = client.post("/forecast", **request)

    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"title", "status", "detail"}
    assert len(problem["detail"]) < 1300
    assert "\n" not in problem["detail"]
    assert not [word for word in ("Traceback", "drnn_forecast/", "`frame`") if word in answer.text]
    assert any(part in problem["detail"] for part in said.split("|"))
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_other_paths_and_methods_are_refused_alike(client):
    for answer, status in (
        (client.get("/forecast"), 405),
        (client.delete("/model"), 405),
        (client.get("/admin"), 404),
        (client.post("/forecast/"), 404),
        (client.get("/" + "a" * 5_000), 404),
    ):
        assert answer.status_code == answer.json()["status"] == status
        assert len(answer.json()["detail"]) < 300


def test_a_server_tells_what_it_is(client, model):
    assert client.get("/health").json() == {"status": "ok", "requests": 0}
    assert client.head("/health").status_code == 200
    assert client.get("/model").text == model.card()
    told = client.get("/model", headers={"accept": "application/json"}).json()
    assert (told["horizon"], told["roles"]["known"]) == (HORIZON, ["price", "promotion", "event"])
    assert told["limits"] | LIMITS == told["limits"]
    assert "text/html" in client.get("/docs").headers["content-type"]
    paths = client.get("/openapi.json").json()["paths"]
    assert list(paths) == ["/forecast", "/health", "/model"]


def test_what_is_done_about_rows_is_told_to_their_client_alone(client, frame, capfd):
    answer = client.post("/forecast", json={"history": by_rows(frame.iloc[::-1])})

    (note,) = answer.json()["notes"]
    assert note.startswith("Sorted `history` by time")
    assert "Sorted" not in "".join(capfd.readouterr())


class Slow:
    """A model whose forecasts end when they are let."""

    def __init__(self):
        roles = {"time": "when", "target": "sold", "freq": "D"}
        self.hparams = {"roles": roles, "max_prediction_length": 3}
        self.begun, self.let = 0, threading.Event()

    def forecast(self, data, **options):
        self.begun += 1
        self.let.wait(60)
        return data

    def card(self):
        return "# Slow"


@pytest.fixture
def slow():
    model = Slow()
    yield model
    model.let.set()


def ask(client, **options):
    return client.post(
        "/forecast", json={"history": [{"when": "2024-01-01", "sold": 1}]}, **options
    )


def test_a_full_server_says_when_to_come_again_and_forgets_what_nobody_waits_for(slow):
    with served(slow, max_seconds=1, max_waiting=2) as (client, app):
        work = app.state.service.work
        with ThreadPoolExecutor(8) as pool:
            answers = [*pool.map(lambda _: ask(client), range(8))]
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [503] * 5 + [504] * 3
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        wait_until(lambda: work.taken == 1)  # the one that runs on
        assert slow.begun == 1
        wait_until(lambda: client.get("/health").status_code == 503)
        assert ask(client).status_code == 504

        slow.let.set()
        wait_until(lambda: work.taken == 0)
        assert client.get("/health").json() == {"status": "ok", "requests": 0}
        assert ask(client).status_code == 200
        assert work.held_bytes == 0


def test_a_request_whose_client_has_gone_is_not_forecast(slow):
    with served(slow) as (client, app), ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, client)
        wait_until(lambda: slow.begun == 1)
        with pytest.raises(Exception, match="timed out"):
            ask(client, timeout=0.2)
        wait_until(lambda: app.state.service.work.taken == 1)
        slow.let.set()
        assert first.result().status_code == 200
        assert slow.begun == 1


def test_a_body_that_does_not_come_is_given_up(slow):
    with served(slow, max_seconds=1) as (client, app):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as line:
            line.sendall(
                b"POST /forecast HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n"
                b"Content-Type: application/json\r\n\r\n{"
            )
            assert line.recv(100).startswith(b"HTTP/1.1 408 ")
        assert app.state.service.work.taken == 0


def test_a_fault_of_the_server_tells_nothing_of_it(slow, caplog):
    slow.forecast = lambda data, **options: {}["secret"]
    with served(slow) as (client, _):
        answer = ask(client)

    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret" in caplog.text


def test_a_model_without_roles_is_not_served():
    model = Slow()
    model.hparams["roles"] = None
    with pytest.raises(ValueError, match="tidy frame"):
        forecast_app(model)


@pytest.mark.parametrize("name", ["max_rows", "threads", "max_seconds"])
def test_a_limit_is_a_whole_number_from_one_on(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, got 0"):
        Limits(**{name: 0})
