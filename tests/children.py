"""Command lines run in processes of their own, which a parent forks that has imported everything.

The parent reads a request a line, JSON with `args`, `folder`, `seconds`, `signals` and `closed`, and
answers with `status`, `out` and `err`; a `status` of null says that the child did not end in time.
"""

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from functools import cache

MEMORY = 10 * 2**30
"""Bytes that a child may map: what would exhaust a machine ends here."""

BUG = 99
"""The status of a child out of which an exception came."""


class Parent:
    """The parent, as tests see it."""

    def __init__(self, folder):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": ""},
        )

    def run(self, args, folder, seconds=60, *, signals=(), closed=()):
        """Return status, output and messages of a command line.

        Args:
            args: The command line.
            folder: To run it in.
            seconds: To wait for its end.
            signals: Pairs of a text, after whose message a signal is sent, and its number.
            closed: Descriptors that nobody reads.
        """
        request = {"args": [*map(str, args)], "folder": str(folder), "seconds": seconds}
        request |= {"signals": signals, "closed": closed}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    @cache  # noqa: B019
    def model(self, table, flags):
        """Return the folder of a model that is fitted to the text of a table."""
        (self.folder / "data.csv").write_text(table)
        found = self.run(["fit", "data.csv", *flags], self.folder, 120)
        assert found["status"] == 0, found["err"]
        return self.folder / "model"

    def end(self):
        """End the parent."""
        self.process.communicate()


def preload():
    """Import what commands load when they first need it."""
    import holidays  # noqa: F401
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401
    import torch

    import drnn_forecast as drnn
    from drnn_forecast import cli, data, evaluation, model, training

    for module in (drnn, cli, data, evaluation, model, training):
        for name in module.__all__:
            getattr(module, name)
    import drnn_forecast.training.tuning.worker  # noqa: F401

    torch.set_num_threads(1)


def run_child(request, out, err):
    """Become the command, in a process of its own."""
    os.setpgid(0, 0)
    os.chdir(request["folder"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    for descriptor in request["closed"]:
        read, write = os.pipe()
        os.close(read)
        os.dup2(write, descriptor)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.getLogger("drnn_forecast").handlers.clear()
    sys.argv = ["drnn-forecast", *map(os.fsdecode, map(os.fsencode, request["args"]))]
    status = BUG
    try:
        from drnn_forecast.cli import main

        status = main()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def answer(request):
    """Return what became of a child."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            run_child(request, out, err)
        end, status = time.monotonic() + request["seconds"], None
        waiting = list(request["signals"])
        while status is None and time.monotonic() < end:
            if waiting and waiting[0][0] in os.pread(err.fileno(), 2**20, 0).decode(
                errors="ignore"
            ):
                os.kill(child, waiting.pop(0)[1])
            found, code = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(code) if found else None
            time.sleep(0.01)
        if status is None:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
        texts = {}
        for name, file in (("out", out), ("err", err)):
            file.seek(0)
            texts[name] = file.buffer.read().decode(errors="replace")
        return {"status": status, **texts}


if __name__ == "__main__":
    preload()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
