"""The user's weights of rows in a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas.api import types

from drnn_forecast.data.frames.kinds import as_numbers, is_boxed
from drnn_forecast.data.frames.panel import Panel
from drnn_forecast.data.frames.places import closest, counted, first_place, shown, some
from drnn_forecast.data.frames.roles import OBSERVED


def weights_of(parameters: Mapping[str, Any], panel: Panel) -> dict[str, NDArray[np.float64]]:
    """Return the user's column of weights, by name, if there is one.

    Raises:
        TypeError: It holds no numbers.
        ValueError: The frame lacks it, or it is empty, infinite or below 0 in a row.
    """
    name = parameters.get("weight")
    if name in (None, OBSERVED):
        return {}
    if name not in panel.rows.frame.columns:
        raise ValueError(
            f"The `weight` column {name!r} is not in the frame"
            f"{closest(str(name), list(panel.rows.frame.columns))}; its columns are "
            f"{some(panel.rows.frame.columns, limit=20)}."
        )
    column = panel.rows[str(name)]
    if not (types.is_numeric_dtype(column.dtype) or is_boxed(column)):
        raise TypeError(
            f"The `weight` column {name!r} must hold numbers, got dtype {column.dtype}; convert it "
            f"with `frame[{name!r}] = pd.to_numeric(frame[{name!r}])`."
        )
    weight = as_numbers(column)
    wrong = ~panel.is_missing & ~(np.isfinite(weight) & (weight >= 0))
    if wrong.any():
        raise ValueError(
            f"The `weight` column {name!r} must hold numbers from 0 on in every row with a target, "
            f"but {counted(wrong.sum(), 'value')} {'is' if wrong.sum() == 1 else 'are'} not, first "
            f"{shown(weight[wrong][0])} ({first_place(panel.rows, panel.roles, wrong)}); correct "
            "them: 0 leaves a row out of the loss."
        )
    # A row that the frame lacks has no weight either.
    return {str(name): np.where(panel.is_missing, 0.0, weight)}
