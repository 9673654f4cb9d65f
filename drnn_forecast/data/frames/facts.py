"""What can be seen in the targets of some series before anything is learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drnn_forecast.data.frames.periods import shown_seasons


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What settings follow from; the same whatever the series are called and the unit is.

    Attributes:
        horizon: Time steps to forecast.
        num_series: How many series there are.
        num_steps: Rows of all series.
        longest: Time steps of the longest series.
        typical: Time steps of the median series.
        seasons: Those that show in the values (`shown_seasons`), time steps, shortest first.
        is_signed: Whether a value is below zero.
    """

    horizon: int
    num_series: int
    num_steps: int
    longest: int
    typical: int
    seasons: tuple[int, ...] = ()
    is_signed: bool = True

    @classmethod
    def of(
        cls,
        values: NDArray[np.float64],
        sizes: NDArray[np.int64],
        horizon: int,
    ) -> Facts:
        """Return the facts of series that follow each other.

        Args:
            values: Targets of all series, `(rows,)`, not a number where one is missing.
            sizes: Rows of each series, `(series,)`.
            horizon: Time steps to forecast.
        """
        return cls(
            horizon=horizon,
            num_series=len(sizes),
            num_steps=len(values),
            longest=int(sizes.max(initial=0)),
            typical=int(np.median(sizes)) if len(sizes) else 0,
            seasons=shown_seasons(np.split(values, np.cumsum(sizes)[:-1])),
            is_signed=bool((values < 0).any()) or len(values) == 0,
        )
