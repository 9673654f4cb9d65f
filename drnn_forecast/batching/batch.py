"""A whole batch of windows at once: the rows it reads, and what is done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from drnn_forecast.batching.recipe import Recipe, TargetColumns
from drnn_forecast.batching.refusals import DatasetError, MissingNameError
from drnn_forecast.batching.scaling import WindowScale, fit_windows
from drnn_forecast.batching.spans import Spans
from drnn_forecast.batching.windows import IntArray


@dataclass
class Side:
    """The encoder or the decoder part of a batch.

    Args:
        lengths: Time steps, `(batch,)`.
        position: Time steps since the first step of the decoder, `(batch or 1, time)`.
        offset: Time steps since the first row of the window, `(batch or 1, time)`.
        rows: Data row of every step, `(batch, time)`; a padded step has some row of its window.
        is_padding: `(batch, time)`; None where all windows are equally long.
        is_filled: Steps that the data lack, `(batch, time)`; None where no window has a gap.
        reals: `(batch, time, reals)`.
        categoricals: `(batch, time, categoricals)`.
        targets: One `(batch, time)` per target.
    """

    lengths: Tensor
    position: Tensor
    offset: Tensor
    rows: Tensor
    is_padding: Tensor | None
    is_filled: Tensor | None
    reals: Tensor
    categoricals: Tensor
    targets: list[Tensor]


def gather_batch(
    dataset: Any,
    spans: Spans,
    recipe: Recipe,
    tensors: Mapping[str, Any],
    scales: list[Tensor | None],
) -> tuple[dict[str, Any], tuple[Any, Tensor | None]]:
    """Return what pytorch-forecasting's collate function would, `(x, (target, weight))`.

    Args:
        dataset: A `TimeSeriesDataSet`.
        spans: Where the windows of the batch lie.
        recipe: What is done to its columns.
        tensors: The dataset's data, on the device where the batch is wanted.
        scales: Center and scale of each target, `(batch, 2)`; None where the window decides.
    """
    encoder, decoder = _open_sides(spans, tensors)
    sides = (encoder, decoder)
    if encoder.is_filled is not None:
        for side in sides:
            _fill_gaps(dataset, spans, recipe, tensors, side)
    if dataset.randomize_length is not None:
        _drop_categories(dataset, spans, recipe, sides)
    _write_positions(dataset, recipe, encoder, decoder)
    scales = _scale(dataset, recipe, encoder, decoder, scales)
    if dataset._overwrite_values is not None:
        _overwrite(dataset, recipe, encoder, decoder)
    for side in sides:
        _zero_padding(side)
    return _assemble(dataset, spans, tensors, encoder, decoder, scales)


def _open_sides(spans: Spans, tensors: Mapping[str, Any]) -> tuple[Side, Side]:
    """Return both sides with the values as they stand in the data."""
    row_of = _rows_across_gaps(spans, tensors["time"]) if spans.has_gap.any() else None
    begin = spans.skipped + spans.encoder_length
    encoder = _open_side(spans, tensors, row_of, spans.skipped, begin, spans.encoder_length)
    decoder = _open_side(spans, tensors, row_of, begin, begin, spans.decoder_length)
    return encoder, decoder


def _open_side(
    spans: Spans,
    tensors: Mapping[str, Any],
    row_of: tuple[Tensor, Tensor] | None,
    first_offset: IntArray,
    decoder_offset: IntArray,
    lengths: IntArray,
) -> Side:
    device = tensors["time"].device
    step = torch.arange(int(lengths.max()), device=device)
    offset = _column(first_offset, device) + step
    position = _column(first_offset - decoder_offset, device) + step
    is_padded = bool((lengths != lengths[0]).any())
    is_padding = step >= _column(lengths, device) if is_padded else None
    is_filled = None
    if row_of is None:
        rows = torch.from_numpy(spans.first_row).to(device)[:, None] + offset
        if is_padded:
            rows = rows.minimum(_column(spans.last_row, device))
    else:
        inside = offset.clamp(max=row_of[0].size(1) - 1).expand(len(lengths), -1)
        rows, is_filled = (grid.gather(1, inside) for grid in row_of)
    return Side(
        lengths=torch.from_numpy(lengths).to(device),
        position=position,
        offset=offset,
        rows=rows,
        is_padding=is_padding,
        is_filled=is_filled,
        reals=_take(tensors["reals"], rows),
        categoricals=_take(tensors["categoricals"], rows),
        targets=[_take(target, rows) for target in tensors["target"]],
    )


def _column(values: IntArray, device: torch.device) -> Tensor:
    """Return `(batch, 1)`, or `(1, 1)` where all values are equal."""
    if (values == values[0]).all():
        values = values[:1]
    return torch.from_numpy(values).to(device)[:, None]


def _take(source: Tensor, rows: Tensor) -> Tensor:
    """Return `source[rows]`; a flat `index_select` is three times as fast."""
    return source.index_select(0, rows.reshape(-1)).view(*rows.shape, *source.shape[1:])


def _rows_across_gaps(spans: Spans, time: Tensor) -> tuple[Tensor, Tensor]:
    """Return the data row of each time step of the windows, and whether it repeats an older one.

    Both are `(batch, time)`. A step that the data lack has the row of the last step before it.
    """
    first_row, last_row = (
        torch.from_numpy(rows).to(time.device)[:, None]
        for rows in (spans.first_row, spans.last_row)
    )
    most_rows = int((spans.last_row - spans.first_row).max()) + 1
    rows = (first_row + torch.arange(most_rows, device=time.device)).minimum(last_row)
    offset = time[rows] - time[first_row]
    is_present = torch.zeros(
        len(rows), int(spans.length.max()), dtype=torch.long, device=time.device
    ).scatter_(1, offset, 1)
    return first_row + is_present.cumsum(dim=1) - 1, is_present == 0


def _fill_gaps(
    dataset: Any, spans: Spans, recipe: Recipe, tensors: Mapping[str, Any], side: Side
) -> None:
    """Replace the repeated values in gaps: by the running time index, and by given constants."""
    if recipe.time_idx is not None:
        column = tensors["reals"][:, recipe.time_idx]
        running = _running_time(spans, column, side.offset)
        has_gap = torch.from_numpy(spans.has_gap).to(column.device)[:, None]
        current = side.reals[..., recipe.time_idx]
        side.reals[..., recipe.time_idx] = torch.where(has_gap, running.to(current.dtype), current)
    target_number = {f"__target__{name}": n for n, name in enumerate(dataset.target_names)}
    for name, value in dataset.encoded_constant_fill_strategy.items():
        if name in recipe.real:
            side.reals[..., recipe.real[name]][side.is_filled] = value
        elif name in target_number:
            side.targets[target_number[name]][side.is_filled] = value
        elif name in recipe.categorical:
            side.categoricals[..., recipe.categorical[name]][side.is_filled] = value
        elif name not in dataset.target_names:
            raise MissingNameError(
                f"`constant_fill_strategy` names {name!r}, which is no variable of the dataset. "
                "Remove it, or add it to the variables."
            )


def _running_time(spans: Spans, column: Tensor, offset: Tensor) -> Tensor:
    """Return the scaled time index between first and last step of each window, `(batch, time)`.

    Counted from the nearer end, as `torch.linspace` does.
    """
    first, last = (
        column[torch.from_numpy(rows).to(column.device)][:, None]
        for rows in (spans.first_row, spans.last_row)
    )
    length = torch.from_numpy(spans.length).to(column.device)[:, None]
    step = (last - first) / (length - 1)
    return torch.where(
        offset < length // 2, first + step * offset, last - step * (length - 1 - offset)
    )


def _drop_categories(dataset: Any, spans: Spans, recipe: Recipe, sides: tuple[Side, Side]) -> None:
    """Set the categories that may be unknown to 0, their code, in windows without an encoder."""
    is_empty = spans.encoder_length == 0
    if not is_empty.any():
        return
    for name in dataset.dropout_categoricals:
        if name not in recipe.categorical:
            raise DatasetError(
                f"`categorical_encoders` allows unknown values of {name!r}, which is no "
                "categorical column of the dataset. With `randomize_length` and empty encoders, "
                "give `add_nan=True` to encoders of single columns only."
            )
        for side in sides:
            side.categoricals[torch.from_numpy(is_empty), :, recipe.categorical[name]] = 0


def _write_positions(dataset: Any, recipe: Recipe, encoder: Side, decoder: Side) -> None:
    """Write the inputs that tell where a step lies in its window, and how long its encoder is."""
    longest = dataset.max_encoder_length
    for side in (encoder, decoder):
        if recipe.relative_time_idx is not None:
            position = side.position.to(side.reals.dtype)
            side.reals[..., recipe.relative_time_idx] = position / longest
        if recipe.encoder_length is not None:
            lengths = encoder.lengths.double()[:, None]
            side.reals[..., recipe.encoder_length] = (lengths - 0.5 * longest) / longest * 2.0


def _scale(
    dataset: Any, recipe: Recipe, encoder: Side, decoder: Side, scales: list[Tensor | None]
) -> list[Tensor | None]:
    """Write what each `EncoderNormalizer` makes of its columns; return the targets' scales.

    A normaliser that several columns share keeps the fit of the last one before the lagged ones,
    as an object with a state does.
    """
    scales = list(scales)
    fits: dict[int, WindowScale] = {}
    sides = (encoder, decoder)
    is_padded = encoder.is_padding is not None
    for target in recipe.targets:
        past, future = (side.targets[target.number] for side in sides)
        fit = fit_windows(target.normalizer, past, encoder.lengths, is_padded=is_padded)
        fits[id(target.normalizer)] = fit
        scales[target.number] = fit.parameters
        if target.value is not None:
            _write_scaled(fit, target.value, past, future, encoder, decoder)
        if target.has_scales:
            _write_scales(dataset, recipe, target, fit, sides)
    for column, normalizer in recipe.covariates:
        # A copy, because torch sums neighbours in memory in another order than strided values.
        past, future = (side.reals[..., column].contiguous() for side in sides)
        fit = fit_windows(normalizer, past, encoder.lengths, is_padded=is_padded)
        fits[id(normalizer)] = fit
        _write_scaled(fit, column, past, future, encoder, decoder)
    for column, normalizer in recipe.lagged:
        past, future = (side.reals[..., column] for side in sides)
        _write_scaled(fits[id(normalizer)], column, past, future, encoder, decoder)
    return scales


def _write_scaled(
    fit: WindowScale, column: int, past: Tensor, future: Tensor, encoder: Side, decoder: Side
) -> None:
    scaled = fit.transform(past, future, encoder.lengths, decoder.lengths)
    encoder.reals[..., column], decoder.reals[..., column] = scaled


def _write_scales(
    dataset: Any,
    recipe: Recipe,
    target: TargetColumns,
    fit: WindowScale,
    sides: tuple[Side, Side],
) -> None:
    for values, part in zip(fit.parameters.unbind(dim=-1), ("center", "scale"), strict=True):
        name = f"{target.name}_{part}"
        scaled = torch.as_tensor(dataset.transform_values(name, values.cpu()))
        for side in sides:
            side.reals[..., recipe.real[name]] = scaled.to(side.reals.device)[:, None]


def _overwrite(dataset: Any, recipe: Recipe, encoder: Side, decoder: Side) -> None:
    """Write the values of `set_overwrite_values`, one for all steps or one per step."""
    name, part = dataset._overwrite_values["variable"], dataset._overwrite_values["target"]
    values = dataset._overwrite_values["values"].to(encoder.reals.device)
    if name not in recipe.real and name not in recipe.categorical:
        raise MissingNameError(
            f"`variable` to overwrite must be a real or categorical variable, got {name!r}. "
            "Call `reset_overwrite_values` and pass one of the dataset's variables."
        )
    _check_overwrite_length(values, part, encoder.lengths, decoder.lengths)
    start = 0 if part == "decoder" else encoder.lengths[:, None]
    for side, is_written in ((encoder, part != "decoder"), (decoder, part != "encoder")):
        if not is_written:
            continue
        if values.ndim == 0:
            written = values
        else:
            written = values[(side.position + start).clamp(0, len(values) - 1)]
        if name in recipe.real:
            side.reals[..., recipe.real[name]] = written.to(side.reals.dtype)
        else:
            side.categoricals[..., recipe.categorical[name]] = written


def _check_overwrite_length(
    values: Tensor, part: str, encoder_lengths: Tensor, decoder_lengths: Tensor
) -> None:
    steps = {
        "encoder": encoder_lengths,
        "decoder": decoder_lengths,
        "all": encoder_lengths + decoder_lengths,
    }[part]
    if values.ndim > 0 and bool((steps != len(values)).any()):
        raise DatasetError(
            f"`values` to overwrite must be one number or one per time step of the {part} part, "
            f"got {len(values)} for windows of {int(steps.min())} to {int(steps.max())}. "
            "Pass one number."
        )


def _zero_padding(side: Side) -> None:
    if side.is_padding is None:
        return
    side.reals.masked_fill_(side.is_padding[..., None], 0)
    side.categoricals.masked_fill_(side.is_padding[..., None], 0)
    for target in side.targets:
        target.masked_fill_(side.is_padding, 0)


def _assemble(
    dataset: Any,
    spans: Spans,
    tensors: Mapping[str, Any],
    encoder: Side,
    decoder: Side,
    scales: list[Tensor | None],
) -> tuple[dict[str, Any], tuple[Any, Tensor | None]]:
    device = tensors["time"].device
    decoder_start = torch.from_numpy(spans.first_time + spans.encoder_length).to(device)
    decoder_step = torch.arange(decoder.rows.size(1), device=device)
    is_multi = dataset.multi_target
    weight = None
    if tensors["weight"] is not None:
        weight = _take(tensors["weight"], decoder.rows)
        if decoder.is_padding is not None:
            weight.masked_fill_(decoder.is_padding, 0)
    target = decoder.targets if is_multi else decoder.targets[0]
    x = {
        "encoder_cat": encoder.categoricals,
        "encoder_cont": encoder.reals,
        "encoder_target": encoder.targets if is_multi else encoder.targets[0],
        "encoder_lengths": encoder.lengths,
        "decoder_cat": decoder.categoricals,
        "decoder_cont": decoder.reals,
        "decoder_target": target,
        "decoder_lengths": decoder.lengths,
        "decoder_time_idx": decoder_start[:, None] + decoder_step,
        "groups": tensors["groups"][torch.from_numpy(spans.first_row).to(device)],
        "target_scale": scales if is_multi else scales[0],
    }
    return x, (target, weight)
