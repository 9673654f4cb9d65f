"""What a forecast leans on: steps of the encoder, dilations, and the values of variables."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from lightning.fabric.utilities import move_data_to_device
from pytorch_forecasting.utils import create_mask, to_list
from torch import Tensor, nn
from tqdm import tqdm

from drnn_forecast.host import with_part
from drnn_forecast.model.collection import WindowData, evaluated, windows_at, windows_of

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel


WINDOWS_AT_ONCE = 256
REDUCTIONS = ("mean", "sum", "none")


@dataclass(frozen=True)
class Interpretation:
    """What the forecasts of windows lean on, by gradients and by ablation.

    With `reduction="none"` every tensor has a first axis of windows more, and the numbers by
    variable and dilation are tensors `(windows,)`.

    Attributes:
        saliency: Size of the gradient of each step's outputs with respect to the real inputs of
            each encoder step, `(steps, encoder steps)`; the last column is the last step of every
            window. In target units per unit of the scaled inputs.
        by_lag: The mean of `saliency` over all pairs of a forecast and an encoder step that are
            as many time steps apart, `(lags,)`; the first entry is lag 1.
        by_variable: Share of each real variable of the encoder in the saliency, adding up to 1.
        by_dilation: Mean change of the outputs where a layer forgets what lies its dilation ago
            and before, so that every step begins with a state of zeros; in target units, from the
            lowest layer on.
    """

    saliency: Tensor
    by_lag: Tensor
    by_variable: dict[str, Any]
    by_dilation: list[tuple[int, Any]]


def interpret(
    model: BaseModel, x: Mapping[str, Any], *, target: int = 0, reduction: str = "mean"
) -> Interpretation:
    """Return what the forecasts of windows lean on."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"`reduction` must be one of {REDUCTIONS}, got {reduction!r}.")
    count = len(x["encoder_lengths"])
    parts = []
    model = evaluated(model)
    for start in range(0, count, WINDOWS_AT_ONCE):
        batch = windows_at(x, slice(start, start + WINDOWS_AT_ONCE))
        batch = move_data_to_device(batch, model.device)
        found = (_gradients(model, batch, target), _changes(model, batch, target))
        gradients, changes = (part.cpu() for part in found)
        # Summed one by one, since the gradients of many windows would not fit in memory.
        kept = gradients.sum(-1), gradients.sum((1, 2)), changes
        parts.append(kept if reduction == "none" else tuple(part.sum(0) for part in kept))
    columns = [torch.cat(c) if reduction == "none" else sum(c) for c in zip(*parts, strict=True)]
    saliency, by_real, change = (c / count if reduction == "mean" else c for c in columns)
    positions = model.encoder_features.positions
    shares = by_real[..., positions]
    shares = shares / shares.sum(-1, keepdim=True).clamp(min=torch.finfo(shares.dtype).tiny)
    names = [model.hparams.x_reals[position] for position in positions]
    dilations = [layer.dilation for layer in model.encoder.layers]
    return Interpretation(
        saliency=saliency,
        by_lag=saliency_by_lag(saliency),
        by_variable=dict(zip(names, _entries(shares), strict=True)),
        by_dilation=list(zip(dilations, _entries(change), strict=True)),
    )


def saliency_by_lag(saliency: Tensor) -> Tensor:
    """Return the mean saliency of each distance between forecast and input, from lag 1 on.

    Args:
        saliency: `(..., steps, encoder steps)`, the last column directly before the first step.

    Returns:
        `(..., lags)`.

    Example:
        >>> saliency_by_lag(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).tolist()
        [1.0, 0.0, 1.0]
    """
    by_column = saliency.flip(-1)  # so that a lag is a diagonal
    steps, length = saliency.shape[-2:]
    count, device = steps + length - 1, saliency.device
    lag = torch.arange(steps, device=device).unsqueeze(1) + torch.arange(length, device=device)
    totals = saliency.new_zeros(*saliency.shape[:-2], count, dtype=torch.double)
    totals.index_add_(-1, lag.flatten(), by_column.flatten(-2).double())
    pairs = totals.new_zeros(count).index_add_(0, lag.flatten(), totals.new_ones(lag.numel()))
    return (totals / pairs).to(saliency.dtype)


def averages_by_variable(
    model: BaseModel,
    x: Mapping[str, Any],
    prediction: Tensor,
    actual: Tensor,
    *,
    normalize: bool = True,
    bins: int = 95,
    std: float = 2.0,
    log_scale: bool | None = None,
) -> dict[str, Any]:
    """Return means of actuals and predictions over the values of every variable.

    Layout and arguments are those of `calculate_prediction_actual_by_variable` upstream, whose own
    numbers mix the values of all bins.

    Args:
        model: A model with covariates.
        x: A batch of a `TimeSeriesDataSet`.
        prediction: Points, `(batch, steps)`.
        actual: `(batch, steps)`.
        normalize: Means; sums otherwise.
        bins: Of real variables, from `-std` to `std` in their scaled space.
        std: What the outermost bins stand for.
        log_scale: Whether means are geometric; None: where the actuals are skewed above 1.6.
    """
    lengths = x["decoder_lengths"]
    mask = create_mask(int(lengths.max()), lengths, inverse=True)
    # Forecasts of `predict` are on the CPU, wherever the batch is.
    pairs = {"actual": actual, "prediction": prediction}
    values = {kind: part.to(mask.device)[mask].double() for kind, part in pairs.items()}
    if log_scale is None:
        centred = values["actual"] - values["actual"].mean()
        log_scale = bool((centred / values["actual"].std()).pow(3).mean() > 1.6)
    if log_scale:
        values = {kind: (part + 1e-8).log() for kind, part in values.items()}
    support: dict[str, Any] = {}
    average: dict[str, dict[str, Any]] = {kind: {} for kind in values}
    for name, codes, size in _codes(model, x, mask, bins, std):
        support[name] = support.get(name, 0) + torch.bincount(codes, minlength=size)
        for kind, part in values.items():
            total = torch.bincount(codes, weights=part, minlength=size)
            average[kind][name] = average[kind].get(name, 0) + total
    for means in average.values():
        for name, total in means.items():
            mean = total / support[name].clamp(min=1) if normalize else total
            means[name] = mean.exp() if log_scale else mean
    return {"support": support, "average": average, "std": std}


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


def _entries(values: Tensor) -> list[Any]:
    """Return the numbers of the last axis, or where there are windows a tensor of each."""
    return values.tolist() if values.ndim == 1 else list(values.unbind(-1))


def _gradients(model: BaseModel, x: Mapping[str, Any], target: int) -> Tensor:
    """Return sizes of gradients, `(windows, steps, encoder steps, reals)`, ending together."""
    inputs = {**x, "encoder_cont": x["encoder_cont"].detach().clone().requires_grad_()}
    with torch.enable_grad():
        outputs = to_list(model(inputs)["prediction"])[target].sum(-1)
        rows = [
            torch.autograd.grad(outputs[:, step].sum(), inputs["encoder_cont"], retain_graph=True)
            for step in range(outputs.shape[1])
        ]
    sizes = torch.stack([row.abs() for (row,) in rows], dim=1)
    length, lengths = sizes.shape[2], x["encoder_lengths"]
    source = torch.arange(length, device=lengths.device) - (length - lengths).unsqueeze(1)
    source = source.view(len(source), 1, length, 1).expand_as(sizes)
    return torch.where(source >= 0, sizes.gather(2, source.clamp(min=0)), 0.0)


def _changes(model: BaseModel, x: Mapping[str, Any], target: int) -> Tensor:
    """Return the mean change of the outputs without the memory of a layer, `(windows, layers)`."""
    with torch.no_grad():
        whole = to_list(model(x)["prediction"])[target]
        changes = []
        for number in range(len(model.encoder.layers)):
            ablated = to_list(_forgetting(model, number)(x)["prediction"])[target]
            changes.append((whole - ablated).abs().flatten(1).mean(1))
    return torch.stack(changes, dim=-1)


class _Forgetting(nn.Module):
    """A layer every step of which begins with a state of zeros: f(x_t, 0) in place of c_(t-s).

    Its input kernel finds zeros too, since what it reads lies dilations ago as well.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, input: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the outputs of the steps, each by itself, and no state."""
        time, batch, features = input.shape
        output, _ = self.layer(input.reshape(1, time * batch, features))
        return output.view(time, batch, output.shape[-1]), None


def _forgetting(model: BaseModel, number: int) -> Any:
    """Return a model with the same weights, one of whose layers has no memory."""
    layers = list(model.encoder.layers)
    layers[number] = _Forgetting(layers[number])
    return with_part(model, encoder=with_part(model.encoder, layers=nn.ModuleList(layers)))


def _codes(
    model: BaseModel, x: Mapping[str, Any], mask: Tensor, bins: int, std: float
) -> Iterator[tuple[str, Tensor, int]]:
    """Yield every variable, the bin of each of its values and the number of bins.

    A group of categorical variables comes once for each of them, by the group's name.
    """
    half, parts = (bins - 1) // 2, model.hparams
    for position, name in enumerate(parts.x_reals):
        scaled = x["decoder_cont"][..., position][mask] * half / std
        yield name, scaled.round().clamp(-half, half).long() + half, bins
    for position, name in enumerate(parts.x_categoricals):
        name = model.categorical_groups_mapping.get(name, name)
        yield name, x["decoder_cat"][..., position][mask], parts.embedding_sizes[name][0]
