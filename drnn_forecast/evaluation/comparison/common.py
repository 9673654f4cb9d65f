"""The cells that all models have in common, so that none is judged by easier ones."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from drnn_forecast.evaluation.scores import CELL, weighted_quantile_losses


def models_without_seed(runs: pd.DataFrame) -> set[str]:
    """Return the models that ran under one seed where others had several: they have no randomness.

    Runs that failed count as runs: a model is told by what it was asked for.
    """
    asked = runs.groupby("model")["seed"].nunique()
    return set(asked.index[asked < runs["seed"].nunique()]) if len(asked) else set()


def under_every_seed(frame: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return a frame in which a model without randomness has its rows under every seed."""
    is_once = frame["model"].isin(models_without_seed(runs))
    if not is_once.any():
        return frame
    once, seeds = frame[is_once], runs["seed"].unique()
    return pd.concat([frame[~is_once], *(once.assign(seed=seed) for seed in seeds)])


def common_scores(scores: pd.DataFrame, runs: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Return the scores of the cells that all models have, in the columns of `scores`.

    A cell is a series, fold and seed, and is joined metric by metric. A model that has no score
    at all is no part of it. Where no cell is common to the others, the models with the fewest
    cells, the last of `models` first, are left out until there is one.
    """
    every = under_every_seed(scores[scores["value"].notna()], runs)
    parts = []
    for metric, part in every.groupby("metric", sort=False, observed=True):
        wide = part.pivot_table("value", index=list(CELL), columns="model", observed=True)
        names = [name for name in models if name in wide]
        while len(names) > 1 and not wide[names].notna().all(axis=1).any():
            counts = wide[names].notna().sum()
            names.remove(max(n for n in enumerate(names) if counts[n[1]] == counts.min())[1])
        rows = wide[names].dropna().melt(ignore_index=False, var_name="model").reset_index()
        parts.append(rows.assign(metric=metric))
    if not parts:
        return scores.iloc[:0]
    return pd.concat(parts, ignore_index=True)[list(scores.columns)]


def common_forecasts(
    forecasts: pd.DataFrame, common: pd.DataFrame, runs: pd.DataFrame
) -> pd.DataFrame:
    """Return the forecasts of the cells in `common`, the common scores."""
    chosen = common.loc[common["metric"] == "MAE", ["model", *CELL]]
    once = models_without_seed(runs)
    is_once = chosen["model"].isin(once)
    first = runs.drop_duplicates("model").set_index("model")["seed"]
    own = chosen["seed"].where(~is_once, chosen["model"].map(first))
    keys = chosen.assign(seed=own).drop_duplicates()
    kept = forecasts.reset_index().merge(keys, on=["model", *CELL])
    return forecasts.loc[kept["index"].sort_values()]


def common_losses(
    forecasts: pd.DataFrame,
    common: pd.DataFrame,
    runs: pd.DataFrame,
    quantiles: Sequence[float],
) -> pd.DataFrame:
    """Return `model`, `seed`, `fold` and the WQL of all common cells of each, as `value`."""
    chosen = common.loc[common["metric"] == "MAE", ["model", *CELL]]
    rows = under_every_seed(forecasts, runs).merge(chosen, on=["model", *CELL])
    losses = weighted_quantile_losses(rows, quantiles, by=["model", "seed", "fold"])
    return losses.rename("value").reset_index()
