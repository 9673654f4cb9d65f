"""How much a client may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields

from drnn_forecast.layers import checked_integer


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one request may ask for, and all of them together.

    Attributes:
        max_body_mib: Mebibytes of a request's body.
        max_rows: Of the history and the future rows together.
        max_series: That one request asks about.
        max_horizon: Time steps; None: those that the model was trained for.
        max_seconds: From the head of a request to its answer.
        max_waiting: Requests that wait for a thread; more are told to come again.
        threads: That forecast at the same time.
    """

    max_body_mib: int = 16
    max_rows: int = 100_000
    max_series: int = 1_000
    max_horizon: int | None = None
    max_seconds: int = 30
    max_waiting: int = 256
    threads: int = 1

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not (value is None and each.name == "max_horizon"):
                checked_integer(each.name, value, minimum=1)

    @property
    def body_bytes(self) -> int:
        """The most bytes of a request's body."""
        return self.max_body_mib * 2**20

    @property
    def held_bytes(self) -> int:
        """The most bytes of all bodies that are read and wait."""
        return 16 * self.body_bytes

    @property
    def most_values(self) -> int:
        """The most values of a request: fifty columns of the most rows."""
        return 50 * self.max_rows
