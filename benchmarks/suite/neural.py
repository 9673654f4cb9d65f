"""How the neural contenders are run: a short search for the learning rate, one training run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pandas as pd
from pytorch_forecasting.data import TimeSeriesDataSet

from benchmarks.suite.networks import NETWORKS, Settings
from benchmarks.suite.protocol import LEVELS, Forecasts, Values, Window, forecast_windows
from benchmarks.suite.task import Task, before_test, dev_split
from drnn_forecast import ForecastData, fit
from drnn_forecast.data import default_seasons
from drnn_forecast.model import predict_points, predict_quantiles

RATES: Final = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
FIRST_RATES: Final = (1e-3, 3e-3)
MOST_RATES: Final = 5
SEARCH_SECONDS: Final = 15.0
LONGEST_CONTEXT: Final = 336
"""Time steps of networks that read step by step; their authors look back 252 at most."""


def network(
    task: Task,
    frame: pd.DataFrame,
    *,
    name: str,
    seed: int,
    seconds: float,
    search_seconds: float = SEARCH_SECONDS,
    rate: float | None = None,
    **_: Any,
) -> Forecasts:
    """Return the forecasts of a network trained on what lies before the first test origin.

    Its last validation windows, those of `dev_split`, choose the rate, stop the training and
    calibrate the intervals. Every series is standardised (`Units`).

    Args:
        task: The task.
        frame: All series of it.
        name: A key of `NETWORKS`.
        seed: Of weights and batches.
        seconds: Of the training run; making its windows takes no part of them.
        search_seconds: Of each rate that is tried.
        rate: The learning rate; None: it is searched for.
    """
    logging.getLogger("drnn_forecast").setLevel(logging.ERROR)
    settings = NETWORKS[name]
    roles = {**task.roles, **({"observed": []} if settings.stepwise else {})}
    past = before_test(task, frame)
    context, least = contexts(task, past, settings)
    units = Units(past)
    data = ForecastData.from_frame(units.of(past).drop(columns="filled"), **roles)
    shorter, _ = dev_split(task, frame)
    splits = data.split(
        horizon=task.horizon,
        context_length=context,
        min_context_length=least,
        validation_windows=shorter.windows,
        stride=shorter.step,
        drop_short=True,
    )
    model = settings.make(**settings.options())

    def trained(rate: float, budget: float) -> Any:
        chosen = model.with_options(learning_rate=rate)
        return fit(
            lambda: chosen.build(splits.training),
            splits.training,
            splits.validation,
            seed=seed,
            max_seconds=budget,
            batch_size=settings.batch_size,
            progress=False,
        )

    losses = {} if rate else searched(lambda value: trained(value, search_seconds).validation_loss)
    rate = rate or min(losses, key=lambda value: losses[value])
    result = trained(rate, seconds)
    parameters = splits.training.get_parameters()

    def values(window: Window) -> Values:
        inner = Window(window.number, units.of(window.past), units.of(window.ahead))
        made = _values(inner, roles, parameters, result.model, is_point=settings.is_point)
        return units.back(made, window.ahead)

    chosen = {
        "learning_rate": rate,
        "losses": losses,
        "context_length": context,
        "min_context_length": least,
        "steps": result.steps,
        "stopped_by": result.stopped_by,
        "source": settings.source,
        "left_out": list(task.observed) if settings.stepwise else [],
    }
    return Forecasts(*forecast_windows(task, frame, values, least=least), settings=chosen)


class Units:
    """Each series' mean and deviation over its rows, as the authors standardise their series.

    Without it the losses of pytorch-forecasting, in target units, are those of the largest series.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        by_series = rows.groupby("series", sort=False)["target"]
        self.mean = by_series.mean()
        self.deviation = by_series.std(ddof=0).replace(0.0, 1.0)

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows with a standardised target."""
        mean, deviation = self._looked_up(rows)
        return rows.assign(target=(rows["target"] - mean) / deviation)

    def back(self, values: Values, rows: pd.DataFrame) -> Values:
        """Return standardised values of rows in target units."""
        mean, deviation = (column.to_numpy()[:, None] for column in self._looked_up(rows))
        return np.asarray(values * deviation + mean)

    def _looked_up(self, rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
        return rows["series"].map(self.mean), rows["series"].map(self.deviation)


def contexts(task: Task, past: pd.DataFrame, settings: Settings) -> tuple[int, int]:
    """Return how far windows look back at most and at least, time steps.

    That is a number of horizons, or the longest usual season where it is longer, as far as a series
    reaches before the windows that validate. A network that wants windows of one length has the
    longest that all series allow, within half of that reach, or a season where it is longer, so
    that there are several windows to train on.
    """
    sizes = past.groupby("series", sort=False).size()
    shortest = int(sizes.min())
    validated = task.horizon + (min(task.windows, 2) - 1) * task.step
    reach = int(sizes.max()) - validated - task.horizon
    half = max(reach // 2, task.season if task.season <= reach else 0)
    seasons = [] if settings.fixed else default_seasons(task.freq)
    wanted = max([settings.horizons * task.horizon, *seasons])
    if settings.fixed:
        length = min(wanted, half, shortest)
        return length, length
    return min(wanted, LONGEST_CONTEXT, reach), max(2, min(task.horizon, half, shortest))


def searched(loss: Callable[[float], float]) -> dict[float, float]:
    """Return the losses of the rates that were tried: two, and on past an edge that is best."""
    losses = {rate: _finite(loss, rate) for rate in FIRST_RATES}
    while len(losses) < MOST_RATES:
        best = RATES.index(min(losses, key=lambda rate: losses[rate]))
        beyond = [place for place in (best - 1, best + 1) if 0 <= place < len(RATES)]
        untried = [RATES[place] for place in beyond if RATES[place] not in losses]
        if not untried:
            break
        losses[untried[0]] = _finite(loss, untried[0])
    return losses


def _finite(loss: Callable[[float], float], rate: float) -> float:
    """Return the loss of a rate, infinite where training diverged."""
    try:
        return loss(rate)
    except RuntimeError:
        return float("inf")


def _values(
    window: Window, roles: dict[str, Any], parameters: dict[str, Any], model: Any, *, is_point: bool
) -> Values:
    """Return the forecasts of one window, in the order of its rows."""
    dataset, data = forecast_dataset(window, roles, parameters)
    if is_point:
        points = predict_points(model, dataset)
        values = np.repeat(points.reshape(-1, 1), len(LEVELS), axis=1)
    else:
        values = predict_quantiles(model, dataset, LEVELS).reshape(-1, len(LEVELS))
    keys = ["series", "time"]
    rows = data.target_rows(dataset)[keys].astype({"series": str})
    made = pd.DataFrame(values, index=pd.MultiIndex.from_frame(rows))
    ordered = made.reindex(pd.MultiIndex.from_frame(window.ahead[keys]))
    return np.asarray(ordered, np.float64)


def forecast_dataset(
    window: Window, roles: dict[str, Any], parameters: dict[str, Any]
) -> tuple[TimeSeriesDataSet, ForecastData]:
    """Return the dataset of the horizon after a window's origin, and its data."""
    data = ForecastData.from_frame(future_hidden(window, roles), **roles)
    return data.forecast_dataset(parameters), data


def future_hidden(window: Window, roles: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of a window, without what is not known ahead of its origin.

    Those of the horizon are there for known covariates alone: without any, they would be missing.
    """
    if not roles["known"]:
        return window.past.drop(columns="filled")
    unknown = ["target", *roles["observed"]]
    ahead = window.ahead.assign(**dict.fromkeys(unknown, np.nan))
    rows = pd.concat([window.past, ahead], ignore_index=True)
    rows[unknown] = rows[unknown].astype(float)
    return rows.drop(columns="filled").sort_values(["series", "time"], ignore_index=True)
