"""The command `serve`."""

from __future__ import annotations

from pathlib import Path

from drnn_forecast import adapters


def serve_model(
    model: Path,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    max_body_mib: int = 16,
    max_rows: int = 100_000,
    max_series: int = 1_000,
    max_horizon: int | None = None,
    max_seconds: int = 30,
    max_waiting: int = 256,
    threads: int = 1,
) -> None:
    """Answers requests for forecasts over HTTP, in JSON or Arrow, until it is interrupted.

    POST /forecast forecasts the rows that are sent; /docs says how it is asked, /model what the
    model is, /health whether all is well. Requests in flight are answered before it ends.

    Args:
        model: The folder that fit wrote.
        port: To listen at; 0 for a free one, which is said.
        host: Address to listen at; by default this machine's own only. There is no authentication.
        max_body_mib: Mebibytes of a request's body at most.
        max_rows: Rows of a request at most, future ones among them.
        max_series: Series of a request at most.
        max_horizon: Time steps at most; by default those of the training.
        max_seconds: Seconds from a request to its answer at most.
        max_waiting: Requests that wait at most; others are told to come again.
        threads: That forecast at the same time.
    """
    limits = adapters.Limits(
        max_body_mib=max_body_mib,
        max_rows=max_rows,
        max_series=max_series,
        max_horizon=max_horizon,
        max_seconds=max_seconds,
        max_waiting=max_waiting,
        threads=threads,
    )
    adapters.serve_folder(
        model,
        host=host,
        port=port,
        limits=limits,
        announce=lambda said: print(said, flush=True),
    )
