"""The command `serve`: a process of its own, real clients, and signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import numpy as np
import pandas as pd
import pytest

from drnn_forecast import load
from laws.sayings import FUTURE, said_plainly, trained
from served import STREAM, by_columns, stream_of

INT, TERM = signal.SIGINT, signal.SIGTERM


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return trained(said_plainly()).save(tmp_path_factory.mktemp("served") / "model")


@contextmanager
def running(folder, *flags):
    """Give a process that serves a model, and its address."""
    command = [sys.executable, "-m", "drnn_forecast", "serve", str(folder), "--port", "0", *flags]
    # The machine may have other work, of which no test is to fail.
    command += ["--max_seconds", "300"]
    # A shell starts background jobs with SIGINT ignored, which a server leaves as it is.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: signal.signal(INT, signal.default_int_handler),
    ) as process:
        try:
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, (line, process.poll() is None or process.stderr.read())
            yield process, found[0]
        finally:
            process.kill()


def refused(parent, tmp_path, *args):
    found = parent.run(["serve", *args], tmp_path, 60)
    assert "Traceback" not in found["err"]
    assert (found["status"], found["out"]) == (2, ""), found
    return found["err"]


def test_a_port_that_is_taken_is_one_mistake(parent, folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(parent, tmp_path, folder, "--port", port)
    assert said == (
        f"drnn-forecast: error: `port` {port} of 127.0.0.1 is taken by another program; choose "
        "another, or 0 for a free one.\n"
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "65536"], "`port` must be at most 65535, got 65536."),
        (["--port", "-1"], "`port` must be at least 0, got -1."),
        (["--host", "no.such.host.invalid"], "`host` must be an address of this machine"),
        (["--host", "203.0.113.7"], "`host` must be an address of this machine"),
        (["--max_rows", "0"], "`max_rows` must be at least 1, got 0."),
        (["--port", "x"], "port"),
    ],
    ids=str,
)
def test_a_flag_that_makes_no_sense_is_one_mistake(parent, folder, tmp_path, flags, said):
    found = refused(parent, tmp_path, folder, *flags)
    assert said in found
    assert found.count("\n") == 1


def test_the_folder_is_checked_before_the_port(parent, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(parent, tmp_path, "nowhere", "--port", taken.getsockname()[1])
    assert "The model 'nowhere' does not exist" in said


@pytest.mark.slow
def test_two_hundred_requests_at_once_are_all_answered_as_the_model_does(folder):
    frame = said_plainly()
    is_past = frame["sold"].notna()
    model, bodies, own = load(folder), [], []
    for number in range(8):
        # Each with a history of its own, of one series or of all.
        part = frame[is_past & (frame["shop"].isin([1, 2]) if number % 2 else is_past)]
        part = part.assign(sold=part["sold"] + number).reset_index(drop=True)
        later = frame[~is_past & frame["shop"].isin(part["shop"])][FUTURE].reset_index(drop=True)
        bodies.append((part, later))
        own.append(model.forecast(part, future=later).filter(like="q0").to_numpy())
    contents = [
        {
            "content": stream_of(part) + stream_of(later),
            "headers": {"content-type": STREAM, "accept": "application/json"},
        }
        if number % 4 == 3
        else {"json": {"history": by_columns(part), "future": by_columns(later)}}
        for number, (part, later) in enumerate(bodies)
    ]

    with running(folder) as (process, address):

        def asked(number):
            with httpx.Client(base_url=address, timeout=300) as client:
                return number % 8, client.post("/forecast", **contents[number % 8])

        with ThreadPoolExecutor(200) as pool:
            for number, answer in pool.map(asked, range(200)):
                assert answer.status_code == 200, answer.text
                found = pd.DataFrame(answer.json()["forecast"]).filter(like="q0")
                np.testing.assert_array_equal(found.to_numpy().astype(np.float32), own[number])
        process.send_signal(TERM)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 143
        assert err == "drnn-forecast: terminated, 200 requests were answered\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [INT, TERM])
def test_what_was_asked_before_a_signal_is_answered(folder, number):
    frame = said_plainly()
    body = {
        "history": by_columns(
            pd.concat([frame] + [frame.assign(shop=frame["shop"] + 20 * n) for n in range(1, 10)])
        )
    }

    with running(folder) as (process, address), ThreadPoolExecutor(6) as pool:
        asked = [
            pool.submit(httpx.post, f"{address}/forecast", json=body, timeout=300) for _ in range(6)
        ]
        while httpx.get(f"{address}/health").json()["requests"] < 6:
            time.sleep(0.01)
        process.send_signal(number)
        answers = [each.result() for each in asked]
        _, err = process.communicate(timeout=120)

    assert [answer.status_code for answer in answers] == [200] * 6
    assert process.returncode == 128 + number
    word = {INT: "interrupted", TERM: "terminated"}[number]
    assert err.splitlines()[-1] == f"drnn-forecast: {word}, 6 requests were answered"
    assert "Traceback" not in err
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health")


@pytest.mark.slow
def test_other_addresses_come_with_a_warning(folder):
    command = [
        sys.executable,
        "-m",
        "drnn_forecast",
        "serve",
        str(folder),
        "--port",
        "0",
        "--host",
        "0.0.0.0",
    ]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        assert "http://0.0.0.0:" in process.stdout.readline()
        process.send_signal(TERM)
        err = process.communicate(timeout=120)[1]
    assert err.startswith("There is no authentication: whoever reaches 0.0.0.0:")


GARBAGE = {
    "no HTTP": b"\x00\xff\x16\x03garbage\r\n\r\n",
    "a negative length": b"POST /forecast HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /forecast HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length that is huge": b"POST /forecast HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "a chunk that is none": b"POST /forecast HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n",
    "an endless head": b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
}  # fmt: skip


@pytest.mark.slow
def test_garbage_is_answered_with_4xx_and_hinders_nobody(folder):
    with running(folder) as (process, address):
        host, port = address.removeprefix("http://").split(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(50)]
        for garbage in GARBAGE.values():
            with socket.create_connection((host, int(port)), timeout=20) as line:
                line.sendall(garbage)
                assert line.recv(4096).startswith(b"HTTP/1.1 4")
        assert httpx.get(f"{address}/health").json()["status"] == "ok"
        for line in silent:
            line.close()
        process.send_signal(TERM)
        assert "Traceback" not in process.communicate(timeout=120)[1]
        assert process.returncode == 143


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_bent_requests_are_answered_and_leave_the_server_as_it_was(folder, seed):
    generator = np.random.default_rng(seed)
    frame = said_plainly(steps=40)
    text = json.dumps({"history": by_columns(frame)}).encode()
    stream = stream_of(frame)
    with (
        running(folder) as (process, address),
        httpx.Client(base_url=address, timeout=300) as client,
    ):
        before = client.post(
            "/forecast", content=text, headers={"content-type": "application/json"}
        )
        assert before.status_code == 200
        for turn in range(150):
            source, kind = ((text, "application/json"), (stream, STREAM))[turn % 2]
            bent = bytearray(source)
            for place in generator.integers(0, len(bent), generator.integers(1, 4)):
                bent[place] = generator.integers(256)
            cut = len(bent) if turn % 3 else int(generator.integers(1, len(bent)))
            answer = client.post(
                "/forecast", content=bytes(bent[:cut]), headers={"content-type": kind}
            )
            assert answer.status_code in (200, 400, 413, 415, 422), (turn, answer.text)
            if answer.status_code != 200:
                assert len(answer.json()["detail"]) < 1300
        after = client.post("/forecast", content=text, headers={"content-type": "application/json"})
        assert after.content == before.content
        assert process.poll() is None
        process.send_signal(TERM)
        assert "Traceback" not in process.communicate(timeout=120)[1]
