import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import optuna
import psycopg
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import NullPool

from servers import find_program, free_port

WORKER = Path(__file__).with_name("tuning_worker.py")
PATIENCE = 120  # seconds for anything that a worker or a server does


@pytest.fixture(scope="module")
def postgres():
    """Return the URL of a PostgreSQL server of our own, on loopback, gone after the tests."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = find_program("initdb", package="postgresql", folders=folders)
    # `initdb` refuses root, and other users cannot enter pytest's folders.
    user = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        data, port = f"{folder}/data", free_port()
        quiet = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "cwd": folder,
        }
        made = subprocess.run(
            [initdb, "-D", data, "-U", "tuner", "-A", "trust", "-E", "UTF8", "--no-sync"],
            **quiet,
            **user,
        )
        assert made.returncode == 0, made.stdout
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]  # fmt: skip
        options = [word for setting in settings for word in ("-c", setting)]
        server = subprocess.Popen(
            [initdb.with_name("postgres"), "-D", data, *options], **quiet, **user
        )
        try:
            wait_until(lambda: answers(port))
            yield f"postgresql://tuner@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # at once, whoever is connected
            server.communicate(timeout=PATIENCE)


def answers(port):
    with suppress(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=port, user="tuner", dbname="postgres").close()
        return True
    return False


def wait_until(is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.1)


def start(storage, n_trials, folder, *hang):
    return subprocess.Popen(
        [sys.executable, WORKER, storage, str(n_trials), folder, *hang],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(worker):
    output, errors = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == 0, errors
    assert output.strip() == "n_trials"


def trials_of(storage):
    url = storage.replace("postgresql:", "postgresql+psycopg:")
    opened = RDBStorage(url, engine_kwargs={"poolclass": NullPool})
    return optuna.load_study(study_name="drnn_forecast", storage=opened).trials


def check_that_a_killed_worker_loses_nothing(storage, folder):
    hang = folder / "hanging"
    victim = start(storage, 3, folder, hang)
    survivor = None
    try:
        wait_until(lambda: hang.exists() or victim.poll() is not None)
        survivor = start(storage, 3, folder)
        victim.kill()
        end(survivor)
    finally:
        for worker in (victim, survivor):
            if worker is not None:
                worker.kill()
                worker.communicate()

    trials = trials_of(storage)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    (failed,) = (trial for trial in trials if trial.state == TrialState.FAIL)
    assert len(complete) == 3
    assert len(trials) == 4
    assert failed.user_attrs["worker"].endswith(f":{victim.pid}")
    (retry,) = (trial for trial in complete if trial.params == failed.params)
    assert retry.user_attrs["worker"].endswith(f":{survivor.pid}")


def test_a_worker_killed_in_mid_trial_loses_nothing_in_postgresql(postgres, tmp_path):
    check_that_a_killed_worker_loses_nothing(postgres, tmp_path)


@pytest.mark.slow
def test_two_workers_share_a_file_and_finish_exactly_what_was_asked_for(tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    workers = [start(storage, 6, tmp_path) for _ in range(2)]
    try:
        for worker in workers:
            end(worker)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()

    trials = trials_of(storage)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    others = [trial.user_attrs.get("reason") for trial in trials if trial not in complete]
    assert len(complete) == 6
    assert set(others) <= {"other workers had begun the last trials"}
    assert len({trial.params["learning_rate"] for trial in complete}) == 6
    assert len({trial.user_attrs["worker"] for trial in complete}) == 2
