"""Functions that take a trained model: quantiles of windows, and tidy forecasts of a frame."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.metrics import CrossEntropy, MultiLoss, QuantileLoss
from pytorch_forecasting.utils import to_list
from torch import Tensor

from drnn_forecast.data import (
    BatchedTimeSeriesDataSet,
    ForecastData,
    Roles,
    as_pandas,
    continued_dataset,
    continued_rows,
    in_form,
    moved_together,
    past_the_end,
    renewable,
    within_horizon,
)
from drnn_forecast.host import quiet_lightning
from drnn_forecast.model.collection import QUIET_TRAINER, evaluated
from drnn_forecast.model.losses import (
    DRAWS,
    bounded,
    bounds_of,
    leading,
    levels_of,
    losses_of_targets,
    normalizers_of,
    point_forecast,
    quantile_forecast,
    warn_beyond,
)

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel

BATCH_SIZE = 256
MOST_HORIZONS = 8
"""Of which windows are kept that the next forecast is made from in less time."""


def forecast(
    model: BaseModel,
    data: pd.DataFrame | ForecastData,
    *,
    future: pd.DataFrame | None = None,
    horizon: int | None = None,
    origin: pd.Timestamp | str | int | None = None,
) -> pd.DataFrame:
    """Return the forecast of every series from its end or an origin, one row per series and time.

    Columns are the frame's own series and time, then, in target units, one per quantile of the
    model's loss (`q0.1`, ...), or `prediction` for a loss without quantiles. A categorical target
    has the most likely label in `prediction`, and the probability of each label in `p(<label>)`.
    Of several targets, each has its columns with its name in front: `load_q0.1`, `sky_p(rain)`.
    A frame of polars, Arrow or another library gives a forecast of that library.

    Args:
        model: A trained model. With `roles` among its hyperparameters it understands tidy frames;
            without, frames with the columns of its dataset, the integer time index included.
        data: History. In a tidy frame, rows after a series' last target are future rows.
        future: Future rows: series, time and the covariates known ahead.
        horizon: Time steps, at most those that the model was trained for; None: as many.
        origin: The time of the first forecast, a stamp of a tidy frame or a time index of a plain
            one: of the rows from it on only covariates known ahead are read. None: the step after
            the end of every series.

    Raises:
        ValueError: `horizon` or `origin` is out of range, or the frame is refused (see
            `ForecastData.from_roles` and `forecast_dataset`, or `continued_dataset`).
        TypeError: A column has the wrong type.
    """
    network = evaluated(model)
    rows, outputs = last_outputs(model, data, future, horizon, origin, network=network)
    frame = pd.DataFrame({**rows, **_columns(network, outputs)})
    return in_form(frame, data, list(rows), roles_of(model))


def last_outputs(
    model: BaseModel,
    data: pd.DataFrame | ForecastData,
    future: pd.DataFrame | None,
    horizon: int | None,
    origin: pd.Timestamp | str | int | None,
    *,
    network: BaseModel | None = None,
) -> tuple[Mapping[str, Any] | pd.DataFrame, list[Tensor]]:
    """Return columns that name the rows of a forecast, and the outputs behind it of each target.

    Outputs are `(windows, steps, outputs)`, in target units; arguments are those of `forecast`,
    and a view of the model for one caller, where there is one.
    """
    dataset, rows = _past_the_end(model, data, future, horizon, origin)
    warn_beyond(model, _read_targets(dataset))
    return rows, _outputs_of(network or evaluated(model), dataset)


def roles_of(model: BaseModel) -> Roles | None:
    """Return the roles of the columns that a model was trained on; None: it knows none."""
    roles = model.hparams.get("roles")
    return None if roles is None else Roles.from_dict(roles)


def predict_quantiles(
    model: BaseModel,
    dataset: TimeSeriesDataSet,
    quantiles: Sequence[float],
    *,
    batch_size: int = BATCH_SIZE,
) -> NDArray[np.float32]:
    """Return the quantiles of every window, `(windows, steps, quantiles)`, in target units.

    Those that no formula gives are of `DRAWS` random draws, from torch's global generator.

    Args:
        model: A model of pytorch-forecasting with one target and a quantile or distribution loss.
        dataset: Windows, in the order of the result.
        quantiles: Levels between 0 and 1; a quantile loss has to have them.
        batch_size: Windows at a time.

    Raises:
        ValueError: The loss does not give these quantiles.
    """
    available = loss_quantiles(model)
    options: dict[str, Any] = {}
    if isinstance(leading(model.loss), QuantileLoss):
        missing = sorted(set(quantiles) - set(available))
        if missing:
            raise ValueError(
                f"`quantiles` {missing} are not among those of the model's loss, {available}."
            )
        columns = [available.index(level) for level in quantiles]
    else:
        options["mode_kwargs"] = {"quantiles": list(quantiles)}
        if "n_samples" in inspect.signature(model.predict).parameters:  # DeepAR draws whole paths
            options["n_samples"], batch_size = DRAWS, max(1, batch_size * 100 // DRAWS)
        elif "n_samples" in inspect.signature(leading(model.loss).to_quantiles).parameters:
            options["mode_kwargs"]["n_samples"] = DRAWS
        columns = list(range(len(quantiles)))
    values = _predicted(model, dataset, batch_size, mode="quantiles", **options)
    chosen: NDArray[np.float32] = values.cpu().numpy()[..., columns]
    return chosen


def predict_points(
    model: BaseModel, dataset: TimeSeriesDataSet, *, batch_size: int = BATCH_SIZE
) -> NDArray[np.float32]:
    """Return the point forecast of every window, `(windows, steps)`, in target units."""
    values = _predicted(model, dataset, batch_size, mode="prediction")
    points: NDArray[np.float32] = values.cpu().numpy()
    return points


def loss_quantiles(model: BaseModel) -> list[float]:
    """Return the quantile levels of the model's loss."""
    levels = levels_of(model.loss)
    if levels is None:
        raise ValueError(
            f"Quantiles need a quantile or distribution loss of one target, got "
            f"{type(leading(model.loss)).__name__}. Train the model with `loss=QuantileLoss()`."
        )
    return levels


def quantile_columns(quantiles: Sequence[float]) -> list[str]:
    """Return the column name of each quantile.

    Example:
        >>> quantile_columns([0.1, 0.5])
        ['q0.1', 'q0.5']
    """
    return [f"q{level:g}" for level in quantiles]


def tidy_forecasts(
    rows: Mapping[str, Any] | pd.DataFrame,
    values: NDArray[np.float32],
    quantiles: Sequence[float],
) -> pd.DataFrame:
    """Return the rows, series and time of every target, with one column per quantile.

    Sorted within a row, so that quantiles drawn from samples do not cross either.

    Args:
        rows: One per window and step, a frame or its columns.
        values: `(windows, steps, quantiles)`.
        quantiles: Levels, in any order; the columns are in ascending order.
    """
    return pd.DataFrame({**rows, **_quantile_values(values, quantiles)})


def forecast_columns(model: BaseModel) -> list[str]:
    """Return the columns of a model's forecast of numbers, after those of series and time."""
    return [
        f"{prefix}{name}"
        for prefix, loss in _targets(model)
        for name in quantile_columns(sorted(levels_of(loss) or [])) or ["prediction"]
    ]


def _targets(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield the prefix of each target's columns, and its loss, the leading one of a sum."""
    is_several = isinstance(model.loss, MultiLoss)
    prefixes = [f"{name}_" for name in model.target_names] if is_several else [""]
    yield from zip(prefixes, map(leading, losses_of_targets(model.loss)), strict=True)


def _columns(model: BaseModel, outputs: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
    """Return the columns that the outputs of each target, `(windows, steps, outputs)`, become."""
    columns: dict[str, NDArray[Any]] = {}
    normalizers = normalizers_of(model.output_transformer)
    for (prefix, loss), output, normalizer in zip(
        _targets(model), outputs, normalizers, strict=True
    ):
        if isinstance(loss, CrossEntropy):
            named = _label_values(output, normalizer.classes_)
        elif (levels := levels_of(loss)) is not None:
            # In parts, since some distributions have samples behind their quantiles.
            parts = [quantile_forecast(loss, part) for part in torch.split(output, BATCH_SIZE)]
            values = bounded(loss, torch.cat(parts), bounds_of(model))
            named = _quantile_values(values.cpu().numpy(), levels)
        else:
            points = bounded(loss, point_forecast(loss, output), bounds_of(model))
            named = {"prediction": points.cpu().numpy().reshape(-1)}
        columns |= {f"{prefix}{name}": values for name, values in named.items()}
    return columns


def _quantile_values(
    values: NDArray[np.float32], quantiles: Sequence[float]
) -> dict[str, NDArray[Any]]:
    """Return a column per quantile, lowest first, sorted within each row."""
    columns = np.sort(values.reshape(-1, len(quantiles)), axis=-1).T
    return dict(zip(quantile_columns(sorted(quantiles)), columns, strict=True))


def _label_values(output: Tensor, codes: Mapping[Any, int]) -> dict[str, NDArray[Any]]:
    """Return the most likely label of each row, and a column with the probability of each."""
    labels = sorted(codes, key=lambda label: codes[label])
    shares = output.softmax(-1).flatten(0, 1).cpu().numpy()
    likely = np.array(labels, dtype=object)[shares.argmax(-1)]
    return {
        "prediction": likely,
        **{f"p({label})": share for label, share in zip(labels, shares.T, strict=True)},
    }


def _past_the_end(
    model: BaseModel,
    data: pd.DataFrame | ForecastData,
    future: pd.DataFrame | None,
    horizon: int | None,
    origin: pd.Timestamp | str | int | None,
) -> tuple[BatchedTimeSeriesDataSet, Mapping[str, Any] | pd.DataFrame]:
    """Return the windows past the end of the data, and columns that name their targets."""
    data, future = as_pandas(data), as_pandas(future)
    roles, trained = model.hparams.get("roles"), model.dataset_parameters
    parameters = within_horizon(trained, horizon)
    if roles is None:
        frame = data.history if isinstance(data, ForecastData) else data
        dataset = continued_dataset(parameters, frame, future, origin)
        return dataset, continued_rows(parameters, dataset)
    source, made = model.renewable_windows
    steps, made = parameters["max_prediction_length"], made if source is trained else {}
    dataset, columns = past_the_end(
        data,
        Roles.from_dict(roles),
        parameters,
        future=future,
        like=made.get(steps),
        origin=origin,
    )
    if steps not in made:
        last = [*made.items()][1 - MOST_HORIZONS :]
        model.renewable_windows = trained, dict([*last, (steps, renewable(dataset))])
    return dataset, columns


def _read_targets(dataset: BatchedTimeSeriesDataSet) -> list[Tensor]:
    """Return the targets that the windows of a dataset look back on."""
    first, last = dataset.window_rows
    steps = last + 1 - first - dataset.max_prediction_length
    changes = np.zeros(len(dataset.data["time"]) + 1, dtype=np.int64)
    np.add.at(changes, first, 1)
    np.add.at(changes, first + np.maximum(steps, 0), -1)
    is_read = torch.from_numpy(changes[:-1].cumsum() > 0)
    return [values[is_read] for values in dataset.data["target"]]


def _outputs_of(network: BaseModel, dataset: BatchedTimeSeriesDataSet) -> list[Tensor]:
    """Return the outputs of each target, `(windows, steps, outputs)`, of windows of full length.

    As many as fit into one batch are read where the network is, more on the accelerator. A trainer
    would take longer than the network, and change what all threads share.
    """
    rows = range(len(dataset))
    if len(rows) > BATCH_SIZE and torch.accelerator.is_available():
        network = evaluated(network).to(torch.accelerator.current_accelerator())
    parts = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH_SIZE):
            x, _ = dataset.__getitems__(rows[start : start + BATCH_SIZE]).gathered
            if network.device.type != "cpu":
                x = moved_together(x, network.device)
            parts.append(to_list(network(x)["prediction"]))
        columns = [torch.cat(each) for each in zip(*parts, strict=True)]
        return [column.cpu() for column in columns]


def _predicted(
    model: BaseModel, dataset: TimeSeriesDataSet, batch_size: int, **options: Any
) -> Any:
    """Return what `model.predict` gives, without a word."""
    with quiet_lightning():
        return model.predict(
            dataset, batch_size=batch_size, trainer_kwargs=dict(QUIET_TRAINER), **options
        )
