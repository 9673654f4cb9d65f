"""Mel-frequency cepstral coefficients: what speech recognition read before raw waveforms."""

from __future__ import annotations

import math

import torch
from torch import Tensor

RATE = 8000
FRAME, HOP, BINS = 200, 80, 256  # 25 ms every 10 ms
FILTERS, COEFFICIENTS = 26, 13


def mfcc(waveform: Tensor) -> Tensor:
    """Return coefficients `(batch, frame, 13)` of waveforms `(batch, time)` at 8 kHz.

    Hann windows of 25 ms every 10 ms, power spectra, 26 triangular filters that are evenly spaced
    in mel, logarithms, and the first 13 coefficients of their orthonormal cosine transform.
    """
    frames = waveform.unfold(1, FRAME, HOP) * torch.hann_window(FRAME, periodic=False)
    power = torch.fft.rfft(frames, BINS).abs().square() / BINS
    energies = (power @ mel_filters().t()).clamp(min=1e-8).log()
    return energies @ cosines().t()


def mel_filters() -> Tensor:
    """Return triangular filters `(filter, frequency)` between 0 and half the sampling rate."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, FILTERS + 2) / 2595) - 1)
    frequencies = torch.linspace(0, RATE / 2, BINS // 2 + 1)
    low, peak, high = (edges[i : i + FILTERS].unsqueeze(1) for i in range(3))
    rising, falling = (frequencies - low) / (peak - low), (high - frequencies) / (high - peak)
    return torch.minimum(rising, falling).clamp(min=0)


def cosines() -> Tensor:
    """Return the orthonormal cosine transform (type II) `(coefficient, filter)`."""
    order = torch.arange(COEFFICIENTS).unsqueeze(1)
    angles = math.pi / FILTERS * order * (torch.arange(FILTERS) + 0.5)
    scale = torch.full((COEFFICIENTS, 1), math.sqrt(2 / FILTERS))
    scale[0] = math.sqrt(1 / FILTERS)
    return scale * torch.cos(angles)
