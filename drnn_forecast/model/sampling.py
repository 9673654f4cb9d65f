"""Sample paths: what may come of each series, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pytorch_forecasting.metrics import CrossEntropy, QuantileLoss
from torch import Tensor

from drnn_forecast.data import ForecastData, in_form
from drnn_forecast.host import isolated_randomness, one_at_a_time, seed_draws
from drnn_forecast.layers import checked_integer
from drnn_forecast.model.losses import (
    check_has_samples,
    draw_samples,
    leading,
    losses_of_targets,
    normalizers_of,
    reaches_of,
)
from drnn_forecast.model.prediction import BATCH_SIZE, last_outputs, roles_of

PATH = "path"
"""The column with the number of a path."""

LARGEST_SEED = 2**32 - 1
"""Of numpy's generators."""


def sample_paths(
    members: Sequence[Any],
    data: pd.DataFrame | ForecastData,
    *,
    count: int = 100,
    seed: int = 0,
    average: Callable[..., NDArray[Any]] = np.mean,
    future: pd.DataFrame | None = None,
    horizon: int | None = None,
    origin: pd.Timestamp | str | int | None = None,
) -> pd.DataFrame:
    """Return paths that the targets of every series may take, one row per series, path and time.

    Columns are the frame's own series and time, `path` from 0, and each target by its name. At each
    time the paths have the quantiles of `forecast`, with normal tails beyond the outermost ones.
    The steps of a path go together as the errors on calibration windows did, or, where none were
    seen, as those of a first-order autoregression (`heads.Intervals`); so a quantile of the sums
    over some steps of the paths is one of the sum to come. A distribution loss has its own
    distribution, and its steps are independent unless the loss knows better: see
    `losses.draw_samples`. Several series, and several targets, are drawn independently.

    Args:
        members: Trained models, of whose quantiles the average is taken; of distributions the
            members draw in turn.
        data: History, as `forecast` takes it.
        count: Paths of each series.
        seed: Equal seeds give equal paths, those from quantiles whatever other series there are.
            The random state of the caller is left as it is.
        average: Over members, along the first axis.
        future: As `forecast` takes it.
        horizon: Time steps, at most those that the model was trained for; None: as many.
        origin: The time of the first forecast; None: the step after the end of every series.

    Raises:
        ValueError: `count` or `seed` is out of range, the loss has no distribution, a column of the
            frame is called `path`, or `forecast` would refuse the arguments.
        TypeError: `count` or `seed` is no integer, or a column has the wrong type.
    """
    count = checked_integer("count", count, minimum=1)
    seed = checked_integer("seed", seed, minimum=0)
    if seed > LARGEST_SEED:
        raise ValueError(f"`seed` must be at most {LARGEST_SEED}, got {seed}.")
    first = members[0]
    check_has_samples(first.loss)
    asked = [last_outputs(member, data, future, horizon, origin) for member in members]
    rows, outputs = asked[0][0], [parts for _, parts in asked]
    frame = pd.DataFrame({**rows})
    names = list(first.target_names)
    if PATH in [*frame.columns, *names]:
        raise ValueError(
            f"`data` has a series, time or target column {PATH!r}, the name of the column with the "
            "numbers of the paths. Rename it, and train the model with the new name."
        )
    windows, steps = outputs[0][0].shape[:2]
    place = np.arange(windows * steps).reshape(windows, 1, steps)
    taken = frame.iloc[np.broadcast_to(place, (windows, count, steps)).ravel()]
    paths = taken.reset_index(drop=True)
    paths[PATH] = np.tile(np.repeat(np.arange(count), steps), windows)
    # Some distributions draw from the generator that all threads share.
    with one_at_a_time, isolated_randomness(), torch.inference_mode():
        seed_draws(seed)
        for number, name in enumerate(names):
            of_target = [parts[number] for parts in outputs]
            scores = _scores(frame.iloc[::steps, :-1], first, number, count, seed)
            drawn = _drawn(members, number, of_target, count, average, scores)
            paths[name] = _values(first, number, drawn.transpose(1, 2).reshape(-1))
    return in_form(paths, data, list(rows), roles_of(first))


def _scores(series: pd.DataFrame, model: Any, number: int, count: int, seed: int) -> Tensor:
    """Return normal numbers, `(windows, count, horizon)`, that are each series' own.

    Whatever other series there are, the paths of one are the same.
    """
    horizon = model.hparams.max_prediction_length
    scores = torch.empty(len(series), count, horizon)
    # A frame of one series has no column that names it, and then no tuples either.
    rows = list(series.itertuples(index=False, name=None)) or [()] * len(series)
    for place, names in enumerate(rows):
        key = repr((seed, number, *map(str, names)))
        digest = hashlib.blake2b(key.encode(), digest_size=7).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
        torch.randn(count, horizon, generator=generator, out=scores[place])
    return scores


def _drawn(
    members: Sequence[Any],
    number: int,
    outputs: Sequence[Tensor],
    count: int,
    average: Callable[..., NDArray[Any]],
    scores: Tensor,
) -> Tensor:
    """Return draws of the target with this number, `(windows, steps, count)`.

    Args:
        members: Of the ensemble, perhaps one.
        number: Of the target.
        outputs: Of this target, of each member.
        count: Draws of each window.
        average: Over members.
        scores: Of draws from quantiles, `(windows, count, horizon)`.
    """
    losses = [losses_of_targets(member.loss)[number] for member in members]
    if isinstance(leading(losses[0]), QuantileLoss):
        means = average(np.stack([output.numpy() for output in outputs]), axis=0)
        drawn: Tensor = draw_samples(
            losses[0],
            torch.from_numpy(means).to(outputs[0].dtype),
            count,
            dependence=[_shared_dependence(members, number)],
            reaches=[reaches_of(members[0])[number]],
            scores=scores,
        )
        return drawn
    size = len(losses)
    shares = [count // size + (place < count % size) for place in range(size)]
    reaches = [reaches_of(members[0])[number]]
    draws = [
        torch.cat(
            [
                draw_samples(loss, part, share, reaches=reaches)
                for part in torch.split(output, BATCH_SIZE)
            ]
        )
        for loss, output, share in zip(losses, outputs, shares, strict=True)
        if share
    ]
    return torch.cat(draws, dim=-1)


def _shared_dependence(members: Sequence[Any], number: int) -> Tensor | None:
    """Return the Cholesky factor of the mean correlations of the members, for one target."""
    known = [member.target_heads[number].intervals for member in members]
    factors: list[Tensor] = [
        each.dependence.detach().cpu().double() for each in known if each is not None
    ]
    if len(factors) < 2:
        return factors[0] if factors else None
    mean: Tensor = torch.stack([factor @ factor.T for factor in factors]).mean(0)
    shared: Tensor = torch.linalg.cholesky(mean)
    return shared


def _values(model: Any, number: int, drawn: Tensor) -> NDArray[Any]:
    """Return the draws of a target as its column has them: classes as their labels."""
    values: NDArray[Any] = drawn.cpu().numpy()
    if not isinstance(leading(losses_of_targets(model.loss)[number]), CrossEntropy):
        return values
    codes = normalizers_of(model.output_transformer)[number].classes_
    labels: NDArray[Any] = np.array(sorted(codes, key=lambda label: codes[label]), dtype=object)
    named: NDArray[Any] = labels[values]
    return named
