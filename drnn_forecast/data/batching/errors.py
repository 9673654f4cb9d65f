"""The errors of a dataset, and how they name series and columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

NAMES_SHOWN = 10


class DatasetError(ValueError, AssertionError):
    """A mistake in a dataset's arguments or data.

    Also an `AssertionError`, because that is what pytorch-forecasting raises.
    """


class MissingNameError(DatasetError, KeyError):
    """A column or category that is not there; also a `KeyError`, as in pytorch-forecasting."""

    def __str__(self) -> str:
        return str(self.args[0])


class UnsupportedOverwriteError(DatasetError, NotImplementedError):
    """Values that cannot be overwritten; a `NotImplementedError` too, as in pytorch-forecasting."""


def require(is_met: bool, message: str, kind: type[DatasetError] = DatasetError) -> None:
    """Raise an error with a message unless a rule is met."""
    if not is_met:
        raise kind(message)


@contextmanager
def as_dataset_errors() -> Iterator[None]:
    """Turn a refusal of pytorch-forecasting into a `DatasetError` with its words.

    The package's own checks come first and say more; this holds for the rules they do not know.
    """
    try:
        yield
    except DatasetError:
        raise
    except (AssertionError, ValueError) as error:
        raise DatasetError(f"pytorch-forecasting refuses this dataset: {error}.") from error


def decode_series(dataset: Any, rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the group ids of some rows of the preprocessed frame, as the user wrote them."""
    decoded = {
        name: dataset.transform_values(name, rows[encoded], inverse=True, group_id=True)
        for name, encoded in dataset.series_columns.items()
    }
    names: list[dict[str, Any]] = pd.DataFrame(decoded).to_dict(orient="records")
    return names


def listed(names: Any, total: int | None = None) -> str:
    """Return the first ten names in a line, and how many more there are."""
    line = ", ".join(str(name) for name in list(names)[:NAMES_SHOWN])
    hidden = (len(names) if total is None else total) - NAMES_SHOWN
    return f"{line} and {hidden} more" if hidden > 0 else line


def quoted(names: Any) -> str:
    """Return the first ten names in a line, in quotation marks."""
    return listed([repr(name) for name in names])
