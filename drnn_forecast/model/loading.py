"""Models from their folders, whichever kind was saved."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from drnn_forecast.model.ensemble import CONFIGURATION, Ensemble
from drnn_forecast.model.forecaster import DilatedRNNForecaster


def load(folder: str | PathLike[str]) -> DilatedRNNForecaster | Ensemble:
    """Return the model that `save` wrote, in evaluation mode; no code of the folder runs.

    Raises:
        FileNotFoundError: There is no model in the folder.
        ValueError: A file is damaged, of another class, or of a later version.
    """
    if (Path(folder) / CONFIGURATION).is_file():
        return Ensemble.from_pretrained(folder)
    return DilatedRNNForecaster.from_pretrained(folder)
