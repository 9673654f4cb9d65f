"""Models from what was saved, whichever kind it is."""

from __future__ import annotations

from os import PathLike

from drnn_forecast.model.ensemble import CONFIGURATION, Ensemble
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from drnn_forecast.model.saving.hub import at_hand
from drnn_forecast.model.saving.swap import found


def load(
    folder: str | PathLike[str],
    *,
    unsafe: bool = False,
    revision: str | None = None,
    token: str | bool | None = None,
) -> DilatedRNNForecaster | Ensemble:
    """Return the model that `save` wrote, in evaluation mode; no code of the folder runs.

    Args:
        folder: Of the model; or a Lightning checkpoint, of which only objects of the classes that
            our models have are read; or, where nothing of that name is here, `"owner/name"` of
            the Hugging Face Hub.
        unsafe: Whether a checkpoint may hold objects of any class: it can then run any code as
            you, so only files that you trust. It makes no difference to a folder.
        revision: Of the Hub's repository: a branch, a tag or a commit.
        token: Of the Hub, for a repository that not everyone may read (`saving.hub.at_hand`, which
            has the errors of the Hub too).

    Raises:
        FileNotFoundError: There is no model in the folder.
        ValueError: A file is damaged, of another class, or of a later version, or a checkpoint
            names other classes.
    """
    folder = at_hand(folder, revision=revision, token=token)
    place = found(folder)
    if not place.exists():
        raise FileNotFoundError(
            f"The model {str(folder)!r} does not exist. Write it with `model.save(folder)`, or "
            "name the folder where it is."
        )
    if place.is_file():
        return DilatedRNNForecaster.load_from_checkpoint(place, unsafe=unsafe)
    if (place / CONFIGURATION).is_file():
        return Ensemble.from_pretrained(folder)
    return DilatedRNNForecaster.from_pretrained(folder)
