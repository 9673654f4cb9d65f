"""A folder with a trained model, its dataset's parameters and the version of this layout."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file
from torch import Tensor, nn

from drnn_forecast.host import special_hyperparameters
from drnn_forecast.model.magnitudes import precision_of
from drnn_forecast.model.saving.metrics import metric_from_plain, metric_to_plain
from drnn_forecast.model.saving.plain import from_plain, to_plain

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel

FORMAT_VERSION = 1
WEIGHTS, CONFIGURATION = "model.safetensors", "config.json"
APART = ("loss", "logging_metrics", "output_transformer", "dataset_parameters")
"""What a model keeps beside its hyperparameters."""

Model = TypeVar("Model", bound="BaseModel")


def save_pretrained(model: BaseModel, folder: str | PathLike[str]) -> Path:
    """Write a model to a folder as safetensors and JSON, and return the folder.

    Written are the weights, the hyperparameters, the losses, and the parameters of the training
    dataset: encoders, scalers, groups and lags.

    Args:
        model: A model made with `from_dataset`.
        folder: Made where it does not exist; its parent has to exist.

    Raises:
        ValueError: A normaliser, an encoder, a loss or a setting cannot be written without pickle.
        FileNotFoundError: The parent of the folder does not exist.
    """
    parts = {
        name: value for name, value in model.hparams.items() if name not in (*APART, "optimizer")
    }
    special = special_hyperparameters(model) - set(APART)
    parts |= {name: getattr(model, name) for name in sorted(special)}
    content = {
        "format_version": FORMAT_VERSION,
        "class": type(model).__name__,
        "hyperparameters": to_plain({**parts, "optimizer": model.optimizer}, "hyperparameters"),
        "loss": metric_to_plain(model.loss),
        "logging_metrics": [metric_to_plain(metric) for metric in model.logging_metrics],
        "output_transformer": to_plain(model.output_transformer, "target_normalizer"),
        "dataset_parameters": to_plain(model.dataset_parameters, "dataset_parameters"),
    }
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    save_file(_weights(model), str(folder / WEIGHTS))
    (folder / CONFIGURATION).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return folder


def from_pretrained(kind: type[Model], folder: str | PathLike[str]) -> Model:
    """Return the model that `save_pretrained` wrote, in evaluation mode.

    Args:
        kind: Its class.
        folder: Where it is.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, of another class, or of a later version.
    """
    folder = Path(folder)
    content = read_configuration(folder / CONFIGURATION, kind.__name__, FORMAT_VERSION)
    check_there(folder / WEIGHTS, kind.__name__)
    arguments: dict[str, Any] = from_plain(content["hyperparameters"])
    model: Model = kind(
        **arguments,
        loss=metric_from_plain(content["loss"]),
        logging_metrics=nn.ModuleList(map(metric_from_plain, content["logging_metrics"])),
        output_transformer=from_plain(content["output_transformer"]),
        dataset_parameters=from_plain(content["dataset_parameters"]),
    )
    try:
        model.to(precision_of(load_file(str(folder / WEIGHTS))))
        load_model(model, str(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, StopIteration) as error:
        raise ValueError(
            f"{str(folder / WEIGHTS)!r} is damaged or belongs to another model. Copy the folder "
            "again."
        ) from error
    model.eval()
    return model


def _weights(model: BaseModel) -> dict[str, Tensor]:
    """Return every weight by one of its names, apart from the others in memory.

    A layer that cuDNN has run keeps all of its weights in one block, which safetensors refuses.
    """
    kept: dict[Any, tuple[str, Tensor]] = {}
    for name, part in model.state_dict().items():
        kept.setdefault((part.data_ptr(), part.shape) if part.numel() else name, (name, part))
    return {name: part.detach().cpu().clone().contiguous() for name, part in kept.values()}


def check_there(path: Path, class_name: str) -> None:
    """Raise where a model of a class lacks one of its files."""
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(path.parent)!r} holds no {class_name}: {path.name!r} is missing. Write it with "
            "`model.save(folder)`, or read another kind of model with `drnn_forecast.load(folder)`."
        )


def read_configuration(path: Path, class_name: str, version: int) -> dict[str, Any]:
    """Return the configuration of a model of this class, in this version of its layout."""
    check_there(path, class_name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}. Copy the folder again.") from error
    if not isinstance(content, dict) or "format_version" not in content:
        raise ValueError(f"{str(path)!r} is no configuration of a model.")
    if content["format_version"] != version:
        raise ValueError(
            f"{str(path)!r} has the format version {content['format_version']}, and this package "
            f"reads {version}. Install the version of drnn_forecast that wrote it."
        )
    if content.get("class") != class_name:
        raise ValueError(
            f"{str(path)!r} is the configuration of {content.get('class')}, not of {class_name}. "
            "Read it with `drnn_forecast.load(folder)`."
        )
    return content
