"""What a forecast leans on: steps of the encoder, dilations, and the values of variables."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from pytorch_forecasting.utils import create_mask, to_list
from torch import Tensor
from torch.func import functional_call
from tqdm import tqdm

from drnn_forecast.model.collection import WindowData, windows_of

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel


@dataclass(frozen=True)
class Interpretation:
    """What the forecasts of a batch of windows lean on, by gradients and by ablation.

    Attributes:
        saliency: Mean size of the gradient of each step's outputs with respect to the real inputs
            of each encoder step, `(steps, encoder steps)`; the last column is the last step of
            every window. In target units per unit of the scaled inputs.
        by_lag: The mean of `saliency` over all pairs of a forecast and an encoder step that are
            as many time steps apart, `(lags,)`; the first entry is lag 1.
        by_variable: Share of each real variable of the encoder in the saliency, adding up to 1.
        by_dilation: Mean change of the outputs where a layer forgets what lies its dilation ago,
            in target units, from the lowest layer on.
    """

    saliency: Tensor
    by_lag: Tensor
    by_variable: dict[str, float]
    by_dilation: list[tuple[int, float]]


def interpret(model: BaseModel, x: Mapping[str, Any], *, target: int = 0) -> Interpretation:
    """Return what the forecasts of a batch lean on.

    Args:
        model: A trained `DilatedRNNForecaster`.
        x: A batch of a `TimeSeriesDataSet`.
        target: Which of several targets.
    """
    gradients = _gradients(model, x, target)
    saliency = gradients.sum(-1)
    names = [model.hparams.x_reals[position] for position in model.encoder_features.positions]
    shares = gradients.sum((0, 1))[model.encoder_features.positions]
    shares = shares / shares.sum().clamp(min=torch.finfo(shares.dtype).tiny)
    return Interpretation(
        saliency=saliency,
        by_lag=saliency_by_lag(saliency),
        by_variable=dict(zip(names, shares.tolist(), strict=True)),
        by_dilation=contributions(model, x, target=target),
    )


def saliency_by_lag(saliency: Tensor) -> Tensor:
    """Return the mean saliency of each distance between forecast and input, `(lags,)`, from 1 on.

    Args:
        saliency: `(steps, encoder steps)`, the last column directly before the first step.

    Example:
        >>> saliency_by_lag(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).tolist()
        [1.0, 0.0, 1.0]
    """
    steps, length = saliency.shape
    step = torch.arange(steps).unsqueeze(1)
    lag = step + torch.arange(length, 0, -1)
    totals = torch.bincount(lag.flatten(), weights=saliency.flatten().double())
    counts = torch.bincount(lag.flatten())
    return (totals[1:] / counts[1:].clamp(min=1)).to(saliency.dtype)


def contributions(
    model: BaseModel, x: Mapping[str, Any], *, target: int = 0
) -> list[tuple[int, float]]:
    """Return dilation and contribution of every layer, lowest first.

    A layer's contribution is the mean change of the outputs, in target units, where its recurrent
    weights are zero, so that nothing reaches it from one dilation ago. NaN for a cell of the
    user's own, whose recurrent weights are unknown.

    Args:
        model: A trained `DilatedRNNForecaster`.
        x: A batch of a `TimeSeriesDataSet`.
        target: Which of several targets.
    """
    was_training = model.training
    model.eval()
    with torch.no_grad():
        whole = to_list(model(x)["prediction"])[target]
        result = []
        for number, layer in enumerate(model.encoder.layers):
            if not hasattr(layer, "weight_hh_l0"):
                result.append((layer.dilation, float("nan")))
                continue
            name = f"encoder.layers.{number}.weight_hh_l0"
            cut = {name: torch.zeros_like(layer.weight_hh_l0)}
            ablated = to_list(functional_call(model, cut, (x,))["prediction"])[target]
            result.append((layer.dilation, float((whole - ablated).abs().mean())))
    model.train(was_training)
    return result


def averages_by_variable(
    model: BaseModel,
    x: Mapping[str, Any],
    prediction: Tensor,
    actual: Tensor,
    *,
    bins: int = 95,
    std: float = 2.0,
    normalize: bool = True,
    log_scale: bool | None = None,
) -> dict[str, Any]:
    """Return means of actuals and predictions over the values of every variable.

    The layout is that of pytorch-forecasting, whose own numbers mix the values of all bins.

    Args:
        model: A model with covariates.
        x: A batch of a `TimeSeriesDataSet`.
        prediction: Points, `(batch, steps)`.
        actual: `(batch, steps)`.
        bins: Of real variables, from `-std` to `std` in their scaled space.
        std: What the outermost bins stand for.
        normalize: Means; sums otherwise.
        log_scale: Whether means are geometric; None: where the actuals are skewed above 1.6.
    """
    lengths = x["decoder_lengths"]
    mask = create_mask(int(lengths.max()), lengths, inverse=True)
    values = {"actual": actual[mask].double(), "prediction": prediction[mask].double()}
    if log_scale is None:
        centred = values["actual"] - values["actual"].mean()
        log_scale = bool((centred / values["actual"].std()).pow(3).mean() > 1.6)
    if log_scale:
        values = {name: (part + 1e-8).log() for name, part in values.items()}
    keys = _bins(model, x, mask, bins, std)
    support = {name: _counts(entries) for name, entries in keys.items()}
    averages: dict[str, dict[str, Tensor]] = {}
    for kind, flat in values.items():
        averages[kind] = {}
        for name, entries in keys.items():
            mean = _counts(entries, flat)
            if normalize:
                mean = mean / support[name].clamp(min=1)
            averages[kind][name] = mean.exp() if log_scale else mean
    return {"support": support, "average": averages, "std": std}


def dependency(
    model: BaseModel,
    data: WindowData,
    variable: str,
    values: Sequence[Any],
    *,
    mode: str = "dataframe",
    target: str = "decoder",
    show_progress_bar: bool = False,
    **options: Any,
) -> Any:
    """Return forecasts with one variable set to each of some values; a dictionary by target.

    For one target it is its entry alone.

    Args:
        model: A trained model.
        data: As for `predict`.
        variable: Which to overwrite.
        values: What to write.
        mode: `"dataframe"`: a row per value and window with the mean over the horizon, also as
            `normalized_prediction`, divided by that of the first value; `"series"`: the mean per
            value; `"raw"`: a tensor `(values, windows, steps)`.
        target: Where to write: `"decoder"`, `"encoder"` or `"all"`.
        show_progress_bar: Whether to show which value it is at.
        **options: Of `predict`.

    Raises:
        ValueError: There is no such mode, or the variable cannot be overwritten.
    """
    if mode not in ("dataframe", "series", "raw"):
        raise ValueError(f"`mode` must be 'dataframe', 'series' or 'raw', got {mode!r}.")
    dataset = copy.copy(windows_of(model, data))
    results = []
    for value in tqdm(values, disable=not show_progress_bar):
        with warnings.catch_warnings():
            # Upstream scales the value without the column's name, which the scaler remembers.
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            dataset.set_overwrite_values(variable=variable, values=value, target=target)
        results.append(model.predict(dataset, return_index=True, **options))
    index = results[0].index
    columns = zip(*(to_list(result.output) for result in results), strict=True)
    tables = {
        name: _dependency_as(mode, torch.stack(column), index, variable, values)
        for name, column in zip(model.target_names, columns, strict=True)
    }
    return tables if len(tables) > 1 else tables[model.target_names[0]]


def _dependency_as(
    mode: str, output: Tensor, index: pd.DataFrame, variable: str, values: Sequence[Any]
) -> Any:
    """Return the forecasts `(values, windows, steps)` in the form that was asked for."""
    if mode == "raw":
        return output
    numbers = np.asarray(values)
    if mode == "series":
        return pd.Series(output.flatten(1).nanmean(1).numpy(), index=numbers)
    means = output.nanmean(-1)
    table = pd.concat([index] * len(numbers), ignore_index=True)
    groups = list(index.columns[1:])
    return table.assign(
        prediction=means.flatten().numpy(),
        normalized_prediction=(means / means[0]).flatten().numpy(),
        id=table.groupby(groups, observed=True).ngroup().to_numpy(),
        **{variable: numbers.repeat(len(index))},
    )


def _gradients(model: BaseModel, x: Mapping[str, Any], target: int) -> Tensor:
    """Return mean sizes of gradients, `(steps, encoder steps, reals)`, windows ending together."""
    was_training = model.training
    model.eval()
    inputs = {**x, "encoder_cont": x["encoder_cont"].detach().clone().requires_grad_()}
    with torch.enable_grad():
        outputs = to_list(model(inputs)["prediction"])[target].sum(-1)
        rows = [
            torch.autograd.grad(outputs[:, step].sum(), inputs["encoder_cont"], retain_graph=True)
            for step in range(outputs.shape[1])
        ]
    model.train(was_training)
    sizes = torch.stack([row.abs() for (row,) in rows])
    length, lengths = sizes.shape[2], x["encoder_lengths"]
    source = torch.arange(length, device=lengths.device) - (length - lengths).unsqueeze(1)
    source = source.view(1, *source.shape, 1).expand_as(sizes)
    aligned = torch.where(source >= 0, sizes.gather(2, source.clamp(min=0)), 0.0)
    return aligned.mean(1)


def _bins(
    model: BaseModel, x: Mapping[str, Any], mask: Tensor, bins: int, std: float
) -> dict[str, tuple[list[Tensor], int]]:
    """Return for every variable the bin of each value and the number of bins.

    A group of categorical variables has several codes per time step.
    """
    half = (bins - 1) // 2
    keys: dict[str, tuple[list[Tensor], int]] = {}
    for position, name in enumerate(model.hparams.x_reals):
        scaled = x["decoder_cont"][..., position][mask] * half / std
        keys[name] = ([scaled.round().clamp(-half, half).long() + half], bins)
    groups = model.categorical_groups_mapping
    for position, name in enumerate(model.hparams.x_categoricals):
        name = groups.get(name, name)
        codes, size = keys.get(name, ([], model.hparams.embedding_sizes[name][0]))
        keys[name] = ([*codes, x["decoder_cat"][..., position][mask]], size)
    return keys


def _counts(entries: tuple[list[Tensor], int], values: Tensor | None = None) -> Tensor:
    """Return how many values each bin has, or their sum, `(bins,)`."""
    keys, size = entries
    return torch.stack([torch.bincount(key, weights=values, minlength=size) for key in keys]).sum(0)
