"""What a case of the corpus is, and the tables and flags that most of them change."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

LENGTH = 140

ROLES = ["--time", "ds", "--target", "y", "--series", "unique_id", "--horizon", "6"]
WINDOWS = ["--context_length", "24", "--validation_windows", "2"]
TINY = ["--hidden_size", "4", "--max_steps", "2", "--batch_size", "16", "--progress", "false"]
FIT = [*ROLES, *WINDOWS, *TINY]
SHORT = ["--max_epochs", "1", "--steps_per_epoch", "1", "--progress", "false"]


@dataclass(frozen=True)
class Case:
    """One command line with what lies in its folder, and what has to become of it.

    Attributes:
        kind: What it has in common with others.
        name: What it is.
        make: Fills the folder.
        args: The command line, run in the folder.
        status: 0 done, 1 the work failed, 2 a mistake in what was asked.
        says: A pattern in the line that says why it was refused, or in the output.
        accept_later: Whether it is refused only because nobody has made it work yet.
        seconds: It must have ended by then.
        has_model: Whether the folder `model` holds what `fit` makes of the plain table.
    """

    kind: str
    name: str
    make: Callable[[Path], None]
    args: list[str]
    status: int
    says: str = ""
    accept_later: bool = False
    seconds: float = 60
    has_model: bool = False

    @property
    def label(self) -> str:
        """The case in one word."""
        return f"{self.kind}: {self.name}"


def table(length=LENGTH, num_series=2, freq="h"):
    """Return a small tidy frame."""
    rng, time = np.random.default_rng(0), pd.date_range("2024-01-01", periods=length, freq=freq)
    daily = np.sin(np.arange(length) * 2 * np.pi / 24)
    parts = [
        pd.DataFrame(
            {
                "unique_id": f"s{number}",
                "ds": time,
                "y": (10 + daily + 0.3 * rng.normal(size=length)).round(4),
                "price": rng.normal(size=length).round(4),
                "region": ("north", "south")[number % 2],
            }
        )
        for number in range(num_series)
    ]
    return pd.concat(parts, ignore_index=True)


TABLE = table()
CSV = TABLE.to_csv(index=False)
HEADER, *LINES = CSV.splitlines()


def with_columns(**columns):
    """Return the table with other columns, each given or made of the table."""
    made = {name: make(TABLE) if callable(make) else make for name, make in columns.items()}
    return TABLE.assign(**made)


def written(content, name="data.csv"):
    """Return what writes a file: text, bytes, a frame, or a function that returns one of these."""

    def write(folder):
        found = content() if callable(content) else content
        if isinstance(found, pd.DataFrame):
            buffer = io.BytesIO()
            is_csv = name.endswith("csv")
            found.to_csv(buffer, index=False) if is_csv else found.to_parquet(buffer)
            found = buffer.getvalue()
        (folder / name).write_bytes(found if isinstance(found, bytes) else found.encode())

    return write


def fitted(kind, name, content, status, says="", *flags, file="data.csv", **more):
    """Return a case that fits a model to a file."""
    return Case(
        kind, name, written(content, file), ["fit", file, *FIT, *flags], status, says, **more
    )
