"""A whole batch of windows at once, as pytorch-forecasting's collate function returns it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from drnn_forecast.data.batching.errors import DatasetError, MissingNameError
from drnn_forecast.data.batching.gaps import drawn
from drnn_forecast.data.batching.layout import Layout, TargetColumns
from drnn_forecast.data.batching.scales import WindowScale, fit_windows
from drnn_forecast.data.batching.sides import Side, open_sides, take
from drnn_forecast.data.batching.spans import Spans
from drnn_forecast.data.batching.window_index import IntArray


class WindowBatch(Sequence[Any]):
    """The windows that a loader asked for: gathered already, and one by one on demand.

    The dataset's collate function hands on `gathered`. A collate function of the user's
    own sees a sequence of the samples that pytorch-forecasting would have given it.
    """

    def __init__(self, gathered: Any, dataset: Any, chosen: IntArray) -> None:
        self.gathered = gathered
        self._dataset = dataset
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self._dataset[int(window)] for window in self._chosen[position]]
        return self._dataset[int(self._chosen[position])]


def gather_batch(
    dataset: Any,
    spans: Spans,
    layout: Layout,
    tensors: Mapping[str, Any],
    scales: list[Tensor | None],
) -> tuple[dict[str, Any], tuple[Any, Tensor | None]]:
    """Return what pytorch-forecasting's collate function would, `(x, (target, weight))`.

    `tensors` are the dataset's data, on the device where the batch is wanted; `scales` center and
    scale of each target, `(batch, 2)`, None where the window decides.
    """
    encoder, decoder = open_sides(spans, tensors)
    sides = (encoder, decoder)
    if encoder.is_filled is not None:
        for side in sides:
            _fill_gaps(dataset, spans, layout, tensors, side)
    if dataset.randomize_length is not None:
        _drop_categories(dataset, spans, layout, sides)
    _write_positions(dataset, layout, encoder, decoder)
    if "missing" in tensors:
        encoder.missing = _missing(dataset, layout, tensors, encoder)
    scales = _scale(dataset, layout, encoder, decoder, scales)
    if dataset.overwritten is not None:
        _overwrite(dataset.overwritten, layout, encoder, decoder)
    for side in sides:
        _zero_padding(side)
    return _assemble(dataset, spans, tensors, encoder, decoder, scales)


def _fill_gaps(
    dataset: Any, spans: Spans, layout: Layout, tensors: Mapping[str, Any], side: Side
) -> None:
    """Replace the repeated values in gaps: by the running time index, and by given constants."""
    if layout.time_idx is not None:
        column = tensors["reals"][:, layout.time_idx]
        running = _running_time(spans, column, side.offset)
        has_gap = torch.from_numpy(spans.has_gap).to(column.device)[:, None]
        current = side.reals[..., layout.time_idx]
        side.reals[..., layout.time_idx] = torch.where(has_gap, running.to(current.dtype), current)
    target_number = {f"__target__{name}": n for n, name in enumerate(dataset.target_names)}
    for name, value in dataset.encoded_constant_fill_strategy.items():
        if name in layout.real:
            side.reals[..., layout.real[name]][side.is_filled] = value
        elif name in target_number:
            side.targets[target_number[name]][side.is_filled] = value
        elif name in layout.categorical:
            side.categoricals[..., layout.categorical[name]][side.is_filled] = value
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


def _missing(
    dataset: Any, layout: Layout, tensors: Mapping[str, Any], encoder: Side
) -> list[Tensor]:
    """Return which targets of the encoder are missing, once lines are drawn through such gaps.

    Nothing of the decoder is read for them.
    """
    is_padding = torch.zeros_like(encoder.rows, dtype=torch.bool)
    is_padding = is_padding if encoder.is_padding is None else encoder.is_padding
    missing = [take(part, encoder.rows) & ~is_padding for part in tensors["missing"]]
    if dataset.allow_missing_targets != "linear":
        return missing
    for number, (name, lacks) in enumerate(zip(dataset.target_names, missing, strict=True)):
        known = ~(lacks | is_padding)
        encoder.targets[number] = drawn(encoder.targets[number], lacks, known)
        if name in layout.real:
            scaled = encoder.reals[..., layout.real[name]]
            encoder.reals[..., layout.real[name]] = drawn(scaled, lacks, known)
    return []


def _drop_categories(dataset: Any, spans: Spans, layout: Layout, sides: tuple[Side, Side]) -> None:
    """Set the categories that may be unknown to 0, their code, in windows without an encoder."""
    is_empty = spans.encoder_length == 0
    if not is_empty.any():
        return
    for name in dataset.dropout_categoricals:
        if name not in layout.categorical:
            raise DatasetError(
                f"`categorical_encoders` allows unknown values of {name!r}, which is no "
                "categorical column of the dataset. With `randomize_length` and empty encoders, "
                "give `add_nan=True` to encoders of single columns only."
            )
        for side in sides:
            side.categoricals[torch.from_numpy(is_empty), :, layout.categorical[name]] = 0


def _write_positions(dataset: Any, layout: Layout, encoder: Side, decoder: Side) -> None:
    """Write the inputs that tell where a step lies in its window, and how long its encoder is."""
    longest = dataset.max_encoder_length
    for side in (encoder, decoder):
        if layout.relative_time_idx is not None:
            position = side.position.to(side.reals.dtype)
            side.reals[..., layout.relative_time_idx] = position / longest
        if layout.encoder_length is not None:
            lengths = encoder.lengths.double()[:, None]
            side.reals[..., layout.encoder_length] = (lengths - 0.5 * longest) / longest * 2.0


def _scale(
    dataset: Any,
    layout: Layout,
    encoder: Side,
    decoder: Side,
    scales: list[Tensor | None],
) -> list[Tensor | None]:
    """Write what each `EncoderNormalizer` makes of its columns; return the targets' scales.

    A normaliser that several columns share keeps the fit of the last one before the lagged ones,
    as an object with a state does.
    """
    scales = list(scales)
    fits: dict[int, WindowScale] = {}
    sides = (encoder, decoder)
    for target in layout.targets:
        lacks = encoder.missing[target.number] if encoder.missing else None
        values = encoder.targets[target.number]
        fit = fit_windows(target.normalizer, values, encoder.lengths, lacks)
        fits[id(target.normalizer)] = fit
        scales[target.number] = torch.stack([fit.center, fit.scale], dim=-1)
        for side in sides:
            if target.value is not None:
                side.reals[..., target.value] = fit.transform(side.targets[target.number])
            if target.has_scales:
                _write_scales(dataset, layout, target, fit, side)
    for column, normalizer in (*layout.covariates, *layout.lagged):
        if (column, normalizer) in layout.covariates:
            past = encoder.reals[..., column]
            fits[id(normalizer)] = fit_windows(normalizer, past, encoder.lengths)
        for side in sides:
            side.reals[..., column] = fits[id(normalizer)].transform(side.reals[..., column])
    return scales


def _write_scales(
    dataset: Any, layout: Layout, target: TargetColumns, fit: WindowScale, side: Side
) -> None:
    for part in ("center", "scale"):
        name = f"{target.name}_{part}"
        scaled = torch.as_tensor(dataset.transform_values(name, getattr(fit, part).cpu()))
        side.reals[..., layout.real[name]] = scaled.to(side.reals.device)[:, None]


def _overwrite(
    overwritten: Mapping[str, Any], layout: Layout, encoder: Side, decoder: Side
) -> None:
    """Write the values of `set_overwrite_values`, one for all steps or one per step."""
    name, part = overwritten["variable"], overwritten["target"]
    values = overwritten["values"].to(encoder.reals.device)
    if name not in layout.real and name not in layout.categorical:
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
        if name in layout.real:
            side.reals[..., layout.real[name]] = written.to(side.reals.dtype)
        else:
            side.categoricals[..., layout.categorical[name]] = written


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
        weight = take(tensors["weight"], decoder.rows)
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
    if encoder.missing:
        x["encoder_missing"] = encoder.missing if is_multi else encoder.missing[0]
    return x, (target, weight)


def only_sample(
    x: Mapping[str, Any], y: tuple[Any, Tensor | None]
) -> tuple[dict[str, Any], tuple[Any, Tensor | None]]:
    """Return the one window of a batch as pytorch-forecasting's dataset returns it."""

    def first(part: Any) -> Any:
        return [own[0] for own in part] if isinstance(part, list) else part[0]

    scales = x["target_scale"]
    lengths = {side: int(x[f"{side}_lengths"][0]) for side in ("encoder", "decoder")}
    sample = {
        **{
            f"x_{kind}": torch.cat([x[f"encoder_{kind}"][0], x[f"decoder_{kind}"][0]])
            for kind in ("cat", "cont")
        },
        **{f"{side}_length": length for side, length in lengths.items()},
        "encoder_target": first(x["encoder_target"]),
        "encoder_time_idx_start": x["decoder_time_idx"][0, 0] - lengths["encoder"],
        "groups": x["groups"][0],
        "target_scale": [own[0].numpy() for own in scales]
        if isinstance(scales, list)
        else scales[0].numpy(),
    }
    return sample, (first(y[0]), None if y[1] is None else y[1][0])
