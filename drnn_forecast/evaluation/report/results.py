"""What a report reads: the face that comparisons and backtests share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pandas as pd


class Results(Protocol):
    """The results of several models, over seeds and folds."""

    @property
    def table(self) -> pd.DataFrame:
        """Means of every metric beside their spreads (`<metric> ±`), and costs, by model."""

    @property
    def scores(self) -> pd.DataFrame:
        """`model`, `seed`, `fold`, `series`, `metric` and `value`; NaN where undefined."""

    @property
    def forecasts(self) -> pd.DataFrame:
        """`model`, `seed`, `fold`, `series`, `window`, `step`, `time`, `actual` and quantiles."""

    @property
    def runs(self) -> pd.DataFrame:
        """One row per model, seed and fold: settings, costs, and `failure` or None."""

    @property
    def history(self) -> pd.DataFrame:
        """`series`, `time` and `actual`: everything that was observed."""

    @property
    def significance(self) -> pd.DataFrame:
        """`model`, `baseline`, `metric`, `statistic`, `p_value` and `series` of paired tests."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was asked for, as plain values."""
