"""Times a served model under three loads, and watches its memory, the load generator beside it.

    python benchmarks/serve.py

writes `benchmarks/results/serve.md` and `.csv`. The model is the recipe's for the sample in the
package, one series of 700 hours a request, 48 to forecast; the server is a process of its own, and
so are the clients. On a machine that is not quiet, the times say little: the processor time of the
server for each request, which is measured beside them, says what the others would be.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import httpx
import pandas as pd

import drnn_forecast as drnn
from machine import RESULTS, markdown, setting

HORIZON, ROWS, CLIENTS, RATE = 48, 700, 20, 4


def saved_model(folder: Path) -> pd.DataFrame:
    """Write a model of the sample, trained for three steps, and return the sample."""
    sample = drnn.load_sample()[["series", "time", "load"]]
    roles = {"series": "series", "time": "time", "target": "load"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = drnn.ForecastData.from_frame(sample, **roles)
        drnn.train(data, HORIZON, max_steps=3, progress=False).save(folder)
    return sample


def body_of(sample: pd.DataFrame, name: str) -> dict[str, object]:
    """Return a request about the last rows of a series."""
    rows = sample[sample["series"] == name].tail(ROWS)
    columns = {"series": [name] * ROWS, "load": rows["load"].astype(float).tolist()}
    return {"history": {**columns, "time": rows["time"].astype(str).tolist()}}


class Server:
    """A server as a process of its own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        command = [sys.executable, "-m", "drnn_forecast", "serve", str(folder), "--port", "0"]
        self.process = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True)
        found = re.search(r"http://\S+", self.process.stdout.readline())
        self.address = found[0]

    def processor_ms(self) -> float:
        """Return the processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return 1e3 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Return the memory that it takes now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def end(self) -> None:
        """End it as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


async def client_loop(
    client: httpx.AsyncClient,
    body: dict[str, object],
    end: float,
    pause: float | None,
    times: list[float],
    errors: list[str],
) -> None:
    """Ask until the end, at a rate or without pause."""
    due = time.perf_counter()
    while (start := time.perf_counter()) < end:
        if pause is not None and start < due:
            await asyncio.sleep(due - start)
            start = time.perf_counter()
        due += pause or 0
        try:
            answer = await client.post("/forecast", json=body)
            if answer.status_code != 200:
                errors.append(answer.text)
        except httpx.HTTPError as error:
            errors.append(repr(error))
        times.append(1e3 * (time.perf_counter() - start))


async def loaded(
    server: Server,
    bodies: list[dict[str, object]],
    clients: int,
    pause: float | None,
    seconds: float,
) -> dict[str, object]:
    """Return what clients saw, and what it took the server."""
    times: list[float] = []
    errors: list[str] = []
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=server.address, timeout=120, limits=limits) as client:
        await client.post("/forecast", json=bodies[0])
        before, start = server.processor_ms(), time.perf_counter()
        loops = []
        for number in range(clients):
            await asyncio.sleep((pause or 0) / clients)
            body = bodies[number % len(bodies)]
            loops.append(
                asyncio.ensure_future(
                    client_loop(client, body, start + seconds, pause, times, errors)
                )
            )
        await asyncio.gather(*loops)
        took = time.perf_counter() - start
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else times * 99
    return {
        "requests": len(times),
        "errors": len(errors),
        "median ms": statistics.median(times),
        "99 % ms": cuts[98],
        "requests/s": len(times) / took,
        "server CPU ms/request": (server.processor_ms() - before) / len(times),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30, help="of each load")
    parser.add_argument("--requests", type=int, default=20_000, help="while memory is watched")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    rows, memory = [], []
    with tempfile.TemporaryDirectory() as place:
        sample = saved_model(Path(place) / "model")
        bodies = [body_of(sample, name) for name in sample["series"].unique()]
        loads = {
            "one client": (1, None),
            f"{CLIENTS} clients, {RATE} a second each": (CLIENTS, 1 / RATE),
            f"{CLIENTS} clients without pause": (CLIENTS, None),
        }
        for threads in arguments.threads:
            server = Server(Path(place) / "model", "--threads", str(threads))
            for name, (clients, pause) in loads.items():
                found = asyncio.run(loaded(server, bodies, clients, pause, arguments.seconds))
                load = os.getloadavg()[0]
                rows.append({"threads": threads, "load": name, **found, "load average": load})
                print(rows[-1], flush=True)
            asked = sum(row["requests"] for row in rows if row["threads"] == threads)
            while threads == arguments.threads[0] and asked < arguments.requests:
                memory.append((asked, server.resident_mb()))
                part = asyncio.run(loaded(server, bodies, 4, None, 10))
                asked += part["requests"]
            memory += [(asked, server.resident_mb())] if threads == arguments.threads[0] else []
            server.end()
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "serve.csv", index=False)
    first, last = memory[0], memory[-1]
    lines = [
        "# Serving forecasts",
        "",
        f"`python benchmarks/serve.py --seconds {arguments.seconds:g} "
        f"--requests {arguments.requests}`: the recipe's model for the sample, {ROWS} hours of one "
        f"series a request in JSON by columns, {HORIZON} to forecast; server and clients are two "
        f"processes on {len(os.sched_getaffinity(0))} of {os.cpu_count()} cores. "
        + setting("fastapi", "uvicorn", "httpx"),
        "",
        *markdown(table),
        "",
        f"Resident memory after {first[0]:,} requests: {first[1]:.0f} MB; after {last[0]:,}: "
        f"{last[1]:.0f} MB.",
        "",
        "The load average counts the programs that wanted a core, these two among them: above the "
        "number of cores the times are those of the queue for a core, not of the server.",
    ]
    (RESULTS / "serve.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
