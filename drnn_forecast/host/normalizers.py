"""What pytorch-forecasting's normalisers were fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pytorch_forecasting.data.encoders import (
    EncoderNormalizer,
    GroupNormalizer,
    TorchNormalizer,
    softplus_inv,
)


def added_to_scales(normalizer: TorchNormalizer) -> float:
    """Return what a normaliser has added to the scales that it fitted, so that none is zero.

    It depends on the type of the values it is fitted on: a window is a tensor, a table of series
    is not.
    """
    is_tensor = isinstance(normalizer, EncoderNormalizer)
    return float(torch.finfo(torch.float32).eps if is_tensor else np.finfo(np.float16).eps)


def fit_on_known(normalizer: Any, values: pd.Series) -> None:
    """Fit a normaliser without groups, unless it is fitted, on values that are numbers.

    It reads all of them, which gives no number where one is none. With groups, or for each window,
    that is no matter.
    """
    is_one = type(normalizer) in (TorchNormalizer, GroupNormalizer) and not groups_of(normalizer)
    if not is_one or any(name.endswith("_") and name[0] != "_" for name in vars(normalizer)):
        return
    known = values.dropna()
    if isinstance(normalizer, GroupNormalizer):
        normalizer.fit(known, None)
    else:
        normalizer.fit(known)


def without_empty_scales(normalizer: Any) -> None:
    """Give series of which a normaliser with groups has seen too little what it gives new ones."""
    if not groups_of(normalizer):
        return
    if normalizer.scale_by_group:
        normalizer.norm_ = {
            group: table.fillna(normalizer.missing_[group])
            for group, table in normalizer.norm_.items()
        }
    else:
        normalizer.norm_ = normalizer.norm_.fillna(normalizer.missing_)


IntArray = npt.NDArray[np.int64]


def quantile_fractions(normalizer: EncoderNormalizer) -> dict[str, float]:
    """Return the fractions "lower", "center" and "upper" of a robust normaliser.

    It keeps the user's in a private attribute, and the defaults in its `fit`.
    """
    usual = zip(("lower", "center", "upper"), (0.25, 0.5, 0.75), strict=True)
    return {**dict(usual), **normalizer._method_kwargs}


def before_transformation(normalizer: Any, values: torch.Tensor) -> torch.Tensor:
    """Return what a normaliser's `inverse_preprocess` turns into these values.

    Its `preprocess` does so for all transformations but two, whose way back is another.
    """
    transformation = getattr(normalizer, "transformation", None)
    if transformation == "log1p":
        return values.log()
    if transformation == "count":
        before: torch.Tensor = softplus_inv(values)
    else:
        before = normalizer.preprocess(values)
    return before


def reach(normalizer: Any) -> tuple[float, float]:
    """Return the least and the largest value that a normaliser's transformation can give."""
    if getattr(normalizer, "transformation", None) is None:
        return -torch.inf, torch.inf
    ends = normalizer.inverse_preprocess(torch.tensor([-torch.inf, 0.0, torch.inf]))
    known = ends[~ends.isnan()]
    return (float(known.min()), float(known.max())) if len(known) else (-torch.inf, torch.inf)


def groups_of(normalizer: Any) -> list[str]:
    """Return the columns whose values have a scale each; none of other normalisers."""
    return list(normalizer._groups) if isinstance(normalizer, GroupNormalizer) else []


def scales_by_series(
    normalizer: GroupNormalizer, codes: Mapping[str, IntArray], series: int
) -> npt.NDArray[np.float64]:
    """Return center and scale of every series from a normaliser's table, `(series, 2)`.

    Its `get_parameters` reads the codes in the order of the dataset's group ids, not its own.

    Args:
        normalizer: Fitted on the targets.
        codes: The code of every series in each of `groups_of`, as it was fitted on them.
        series: How many there are.
    """
    groups, names = groups_of(normalizer), list(normalizer.names)
    if not groups:
        one = np.array([normalizer.norm_[name] for name in names], np.float64)
        return np.broadcast_to(one, (series, 2))
    if normalizer.scale_by_group:
        tables = (
            _found(normalizer.norm_[group], codes[group], normalizer.missing_[group], names)
            for group in groups
        )
        product: npt.NDArray[np.float64] = np.prod(list(tables), axis=0) ** (1.0 / len(groups))
        return product
    is_tuple = isinstance(normalizer.norm_.index, pd.MultiIndex)
    keys = pd.MultiIndex.from_arrays([codes[group] for group in groups])
    return _found(
        normalizer.norm_, keys if is_tuple else codes[groups[0]], normalizer.missing_, names
    )


def _found(
    table: pd.DataFrame, keys: Any, missing: Mapping[str, float], names: list[str]
) -> npt.NDArray[np.float64]:
    """Return the rows of a table under some keys, and what stands for those that it lacks."""
    found = table.index.get_indexer(keys)
    scales: npt.NDArray[np.float64] = table[names].to_numpy(np.float64)[found]
    scales[found < 0] = [missing[name] for name in names]
    return scales
