"""A folder with a trained model, its dataset's parameters and the version of this layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from safetensors import torch as safetensors
from torch import Tensor, nn

from drnn_forecast.host import interrupts_held_back, special_hyperparameters
from drnn_forecast.model.card import ENDING, card
from drnn_forecast.model.magnitudes import precision_of
from drnn_forecast.model.saving.metrics import metric_from_plain, metric_to_plain
from drnn_forecast.model.saving.plain import from_plain, to_plain
from drnn_forecast.model.saving.seal import (
    REMEDY,
    check_part,
    check_there,
    read_configuration,
    write_configuration,
)
from drnn_forecast.model.saving.sizes import (
    LARGEST_INDEX,
    LARGEST_OF_LOSS,
    MOST_LOSSES,
    check_numbers,
    check_sizes,
)
from drnn_forecast.model.saving.swap import read_whole, swapped, write_file

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel

WEIGHTS, CONFIGURATION, PAGE = "model.safetensors", "config.json", "README.md"
OWN = r"((member-\d+/)?(config\.json|model\.safetensors))|ensemble\.json|member-\d+"
"""The names of what models and ensembles write into their folders."""

APART = ("loss", "logging_metrics", "output_transformer", "dataset_parameters")
"""What a model keeps beside its hyperparameters."""

UNCOUNTED = ("roles", "record", "embedding_labels")
"""Hyperparameters whose numbers are no sizes."""

Model = TypeVar("Model", bound="BaseModel")


def save_pretrained(model: BaseModel, folder: str | PathLike[str]) -> Path:
    """Write a model to a folder as safetensors and JSON, and return the folder.

    Written are the weights, the hyperparameters, the losses, and the parameters of the training
    dataset: encoders, scalers, groups and lags. The folder is replaced as a whole, by one rename:
    whenever the writing ends, it holds the old model or the new one. Other files in it stay. Its
    `README.md` is the model's card, unless there is one that we did not write.

    Args:
        model: A model made with `from_dataset`.
        folder: Made where it does not exist; its parent has to exist.

    Raises:
        ValueError: A normaliser, an encoder, a loss or a setting cannot be written without pickle.
        FileNotFoundError: The parent of the folder does not exist.
    """
    content = content_of(model)
    with own_place(folder, card(model)) as place:
        write_model(model, content, place)
    return Path(folder)


@contextmanager
def own_place(folder: str | PathLike[str], page: str) -> Iterator[Path]:
    """Give an empty folder to fill, as `swapped` does, and write a page into it.

    A page of the user's stays in its place.
    """
    there = Path(folder) / PAGE
    is_ours = not os.path.lexists(there) or (there.is_file() and is_own_page(there))
    own = rf"{OWN}|{re.escape(PAGE)}" if is_ours else OWN
    with swapped(folder, own) as place:
        yield place
        if is_ours:
            write_file(place / PAGE, page.encode())


def is_own_page(path: Path) -> bool:
    """Return whether a page is one that this package wrote."""
    return path.read_text(encoding="utf-8", errors="replace").rstrip().endswith(ENDING)


def content_of(model: BaseModel) -> dict[str, Any]:
    """Return what a model is but for its weights, as plain data."""
    parts = {
        name: value for name, value in model.hparams.items() if name not in (*APART, "optimizer")
    }
    special = special_hyperparameters(model) - set(APART)
    parts |= {name: getattr(model, name) for name in sorted(special)}
    content = {
        "class": type(model).__name__,
        "hyperparameters": to_plain({**parts, "optimizer": model.optimizer}, "hyperparameters"),
        "loss": metric_to_plain(model.loss),
        "logging_metrics": [metric_to_plain(metric) for metric in model.logging_metrics],
        "output_transformer": to_plain(model.output_transformer, "target_normalizer"),
        "dataset_parameters": to_plain(model.dataset_parameters, "dataset_parameters"),
    }
    _check_numbers(content)  # what is written can be read
    return content


def write_model(model: BaseModel, content: dict[str, Any], folder: Path) -> None:
    """Write a model's two files into a folder."""
    weights = safetensors.save(_weights(model))
    write_file(folder / WEIGHTS, weights)
    write_configuration(folder / CONFIGURATION, content, {WEIGHTS: weights})


def from_pretrained(kind: type[Model], folder: str | PathLike[str]) -> Model:
    """Return the model that `save_pretrained` wrote, in evaluation mode.

    An interrupt is heard once it is read: torch would make other errors of it, as damage does.

    Args:
        kind: Its class.
        folder: Where it is.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, of another class, or of a later version.
    """
    with interrupts_held_back():
        return read_whole(folder, lambda place: _read(kind, place))


def _read(kind: type[Model], folder: Path) -> Model:
    """Return the model in a folder."""
    content = read_configuration(folder / CONFIGURATION, kind.__name__)
    check_there(folder / WEIGHTS, kind.__name__)
    with _one_error(folder):
        _check_numbers(content)
        check_sizes(lambda: _built(kind, content), folder / WEIGHTS)
    weights = (folder / WEIGHTS).read_bytes()
    check_part(folder / WEIGHTS, WEIGHTS, weights, content)
    with _one_error(folder):
        model: Model = _built(kind, content)
        _take(model, safetensors.load(weights))
    model.eval()
    return model


@contextmanager
def _one_error(folder: Path) -> Iterator[None]:
    """Tell in one way what the parts of a model say of values that no model has."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ValueError(
            f"{str(folder / CONFIGURATION)!r} and {WEIGHTS!r} are damaged or do not belong "
            f"together: {said[:300]}. {REMEDY}"
        ) from error


def _check_numbers(content: dict[str, Any]) -> None:
    """Raise where a configuration holds numbers that no model has."""
    counted = {n: v for n, v in content["hyperparameters"].items() if n not in UNCOUNTED}
    check_numbers(counted, "hyperparameters")
    losses = [content["loss"], content["logging_metrics"]]
    check_numbers(losses, "losses", largest=LARGEST_OF_LOSS, most=MOST_LOSSES)
    others = [content["dataset_parameters"], content["output_transformer"]]
    others += [content["hyperparameters"].get(name) for name in UNCOUNTED]
    check_numbers(others, "dataset_parameters", largest=LARGEST_INDEX, most=None)


def _built(kind: type[Model], content: dict[str, Any]) -> Model:
    """Return an untrained model of a configuration."""
    arguments: dict[str, Any] = from_plain(content["hyperparameters"])
    with torch.device("cpu"):  # upstream's losses read numbers of their own while they are made
        loss = metric_from_plain(content["loss"])
        metrics = nn.ModuleList(map(metric_from_plain, content["logging_metrics"]))
    model: Model = kind(
        **arguments,
        loss=loss,
        logging_metrics=metrics,
        output_transformer=from_plain(content["output_transformer"]),
        dataset_parameters=from_plain(content["dataset_parameters"]),
    )
    return model


def _take(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Give a model the weights of a file, in their precision; one may be written for several."""
    model.to(precision_of(weights))
    parts = model.state_dict(keep_vars=True)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    given = {id(parts[name]) for name in weights if name in parts}
    lacking = [name for name in missing if id(parts[name]) not in given]
    if lacking or unexpected:
        raise ValueError(f"weights are missing or not known: {[*lacking, *unexpected][:3]}")


def _weights(model: BaseModel) -> dict[str, Tensor]:
    """Return every weight by one of its names, apart from the others in memory.

    A layer that cuDNN has run keeps all of its weights in one block, which safetensors refuses.
    """
    kept: dict[Any, tuple[str, Tensor]] = {}
    for name, part in model.state_dict().items():
        kept.setdefault((part.data_ptr(), part.shape) if part.numel() else name, (name, part))
    return {name: part.detach().cpu().clone().contiguous() for name, part in kept.values()}
