"""Where the windows of a batch begin, and how many steps their encoder and decoder have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.distributions import Beta

from drnn_forecast.data.batching.errors import DatasetError
from drnn_forecast.data.batching.window_index import BoolArray, IntArray, WindowIndex


@dataclass(frozen=True)
class Spans:
    """Where the windows of a batch lie; every field is `(batch,)`, on the CPU."""

    first_row: IntArray
    last_row: IntArray
    first_time: IntArray
    length: IntArray  # time steps from the first to the last row, both counted
    skipped: IntArray  # time steps before the encoder begins, 0 unless lengths are randomised
    encoder_length: IntArray
    decoder_length: IntArray

    @property
    def has_gap(self) -> BoolArray:
        """Whether the data lack time steps of the window, `(batch,)`."""
        return self.last_row - self.first_row + 1 < self.length


def find_spans(dataset: Any, windows: WindowIndex, chosen: IntArray) -> Spans:
    """Return the spans of some windows, with lengths randomised where the dataset asks for it."""
    time = dataset.data["time"].numpy()
    first_row = windows.first_row[chosen].astype(np.int64)
    last_row = windows.last_row[chosen].astype(np.int64)
    first_time, last_time = time[first_row], time[last_row]
    length = last_time - first_time + 1
    decoder_length = dataset.calculate_decoder_length(last_time, length)
    spans = Spans(
        first_row=first_row,
        last_row=last_row,
        first_time=first_time,
        length=length,
        skipped=np.zeros_like(length),
        encoder_length=length - decoder_length,
        decoder_length=decoder_length,
    )
    _check_spans(dataset, spans)
    return spans if dataset.randomize_length is None else _randomize(dataset, spans)


def _check_spans(dataset: Any, spans: Spans) -> None:
    for part, lengths, least in (
        ("decoder", spans.decoder_length, dataset.min_prediction_length),
        ("encoder", spans.encoder_length, dataset.min_encoder_length),
    ):
        if (lengths < least).any():
            raise DatasetError(
                f"A window must have a {part} of at least {least} time steps, got "
                f"{lengths.min()}. The lengths of the dataset, or its `index`, were changed after "
                "it was built; build it anew."
            )


def _randomize(dataset: Any, spans: Spans) -> Spans:
    """Return spans with shorter encoders.

    One draw per window in the order of the batch: the random stream of pytorch-forecasting, which
    draws them one by one.
    """
    probability = Beta(*dataset.randomize_length).sample((len(spans.length),))
    modifiable = torch.from_numpy(spans.encoder_length - dataset.min_encoder_length)
    drawn = (modifiable * probability).round().long().numpy()
    encoder_length = dataset.min_encoder_length + drawn
    # pytorch-forecasting lengthens the decoder by as much, but has no steps left to fill it with
    # where `min_prediction_idx` made it short: it pads with zeros that count as targets. Here the
    # decoder keeps its length; whether the encoder is shortened is decided as there.
    announced = np.minimum(
        spans.decoder_length + spans.encoder_length - encoder_length, dataset.max_prediction_length
    )
    is_shorter = encoder_length + announced < spans.length
    return replace(
        spans,
        skipped=np.where(is_shorter, spans.encoder_length - encoder_length, 0),
        encoder_length=np.where(is_shorter, encoder_length, spans.encoder_length),
    )
