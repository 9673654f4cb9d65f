"""Predictions of many windows, collected batch by batch and joined in the order of the data."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import pandas as pd
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import CombinedLoader
from lightning_utilities.core.apply_func import apply_to_collection, is_namedtuple
from pytorch_forecasting.data import TimeSeriesDataSet
from pytorch_forecasting.models.base import Prediction
from pytorch_forecasting.utils import create_mask
from torch import Tensor
from torch.utils.data import DataLoader

from drnn_forecast.data import last_windows, on_host, other_codes
from drnn_forecast.host import (
    PredictionCallback,
    comes_back,
    interrupts_returned,
    one_at_a_time,
    quiet_lightning,
    rows_of_batch,
    view_of,
)

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel

Model = TypeVar("Model", bound=LightningModule)
WindowData: TypeAlias = DataLoader[Any] | pd.DataFrame | TimeSeriesDataSet

READ: Final = ("prediction", "quantiles", "samples")
"""Modes in which what lies past the end of a decoder is no number."""

QUIET_TRAINER: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "enable_progress_bar": False,
    "inference_mode": False,
}
"""A trainer that writes nothing and shows nothing."""


def collect(
    model: BaseModel,
    loader: DataLoader[Any],
    collector: WindowCollector,
    *,
    fast_dev_run: bool = False,
    trainer_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Return what a collector made of the windows of a loader."""
    options = dict(trainer_kwargs or {})
    if "fast_dev_run" in options:
        raise ValueError("`trainer_kwargs` must not have `fast_dev_run`: pass it to `predict`.")
    callbacks = options.pop("callbacks", None) or []
    callbacks = list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
    with one_at_a_time, quiet_lightning(), TemporaryDirectory() as folder:
        trainer = Trainer(
            fast_dev_run=fast_dev_run,
            **{**QUIET_TRAINER, **options, "callbacks": [*callbacks, collector]},
        )
        windows = len(loader.dataset)  # type: ignore[arg-type]
        if windows < trainer.world_size:
            raise ValueError(
                f"`data` must have a window for each of the {trainer.world_size} processes, got "
                f"{windows}. Predict with `trainer_kwargs={{'devices': 1}}`."
            )
        if not comes_back(trainer):
            collector.handover = Path(folder) / "result.pt"
            loader = copy.copy(loader)
            loader.generator = None  # the state of one does not reach a process that is spawned
        with interrupts_returned():
            trainer.predict(evaluated(model), loader, return_predictions=False)
        return collector.result


def windows_of(model: BaseModel, data: WindowData) -> TimeSeriesDataSet:
    """Return the dataset that is meant, checked against that of the training."""
    if isinstance(data, pd.DataFrame):
        data = last_windows(model.dataset_parameters, data)
    dataset = data.dataset if isinstance(data, DataLoader) else data
    if not isinstance(dataset, TimeSeriesDataSet):
        raise TypeError(
            "`data` must be a DataFrame, a TimeSeriesDataSet or its loader, got "
            f"{type(dataset).__name__}. Make a dataset with `TimeSeriesDataSet.from_dataset`."
        )
    check_known_variables(model, dataset)
    return dataset


def windows_at(x: Mapping[str, Any], rows: slice) -> Any:
    """Return some windows of a batch, such as `slice(2, 3)`."""
    return apply_to_collection(dict(x), Tensor, lambda part: part[rows])


def evaluated(model: Model) -> Model:
    """Return a view of a model, in evaluation mode, for one caller.

    The model itself may be in training, or be asked by other threads: it is left as it is.
    """
    return view_of(model).eval()


def check_known_variables(model: BaseModel, dataset: TimeSeriesDataSet) -> None:
    """Refuse a dataset whose variables or horizon are not those that the model has learned."""
    parts = model.hparams
    pairs = {
        "real variables": (list(parts.x_reals), list(dataset.reals)),
        "categorical variables": (list(parts.x_categoricals), list(dataset.flat_categoricals)),
        "targets": (list(model.target_names), list(dataset.target_names)),
    }
    for kind, (trained, given) in pairs.items():
        if trained != given:
            missing = [name for name in trained if name not in given]
            new = [name for name in given if name not in trained]
            raise ValueError(
                f"The {kind} of the dataset must be those of the training, {trained}, got {given}"
                f" (missing {missing}, new {new}). Make it with "
                "`TimeSeriesDataSet.from_dataset(training, frame)`."
            )
    if dataset.max_prediction_length > parts.max_prediction_length:
        raise ValueError(
            f"`max_prediction_length` of the dataset must be at most "
            f"{parts.max_prediction_length}, the horizon of the training, got "
            f"{dataset.max_prediction_length}. Train a model with a longer horizon."
        )
    parameters = getattr(model, "dataset_parameters", None)
    differing = other_codes(parameters, dataset) if parameters else []
    if differing:
        raise ValueError(
            f"Codes and scales of the dataset must be those that the model was trained with, but "
            f"it has another {'; another '.join(differing)}. Make it with "
            "`data.split(like=model, ...)`, or `TimeSeriesDataSet.from_dataset(training, frame)`."
        )


def check_loaders(model: BaseModel, loaders: Any) -> None:
    """Refuse loaders, in whatever container, of datasets that `check_known_variables` refuses."""
    if isinstance(loaders, Mapping | list | tuple):
        for part in loaders.values() if isinstance(loaders, Mapping) else loaders:
            check_loaders(model, part)
        return
    if isinstance(loaders, CombinedLoader):
        check_loaders(model, loaders.flattened)
        return
    dataset = getattr(loaders, "dataset", None)
    while dataset is not None and not isinstance(dataset, TimeSeriesDataSet):
        dataset = getattr(dataset, "dataset", None)  # such as torch's Subset
    if dataset is not None:
        check_known_variables(model, dataset)


class WindowCollector(PredictionCallback):
    """Reads the outputs of a model in one way, and keeps or writes them.

    Under several processes each of them gets the windows of all, every one once.

    Args are those of `ForecastingModel.predict`, but for `parts`: what to return beside the output,
    of `x`, `index`, `decoder_lengths` and `y`.
    """

    def __init__(
        self,
        mode: str | tuple[str, str],
        parts: Sequence[str] = (),
        *,
        n_samples: int = 100,
        mode_kwargs: Mapping[str, Any] | None = None,
        predict_kwargs: Mapping[str, Any] | None = None,
        output_dir: str | None = None,
        write_interval: str = "batch",
    ) -> None:
        is_named = isinstance(mode, tuple | list) and len(mode) == 2 and mode[0] == "raw"
        if not is_named and mode not in (*READ, "raw"):
            raise ValueError(
                "`mode` must be 'prediction', 'quantiles', 'samples', 'raw' or ('raw', name), got "
                f"{mode!r}."
            )
        if output_dir is not None and not Path(output_dir).is_dir():
            raise FileNotFoundError(
                f"The folder `output_dir`, {str(output_dir)!r}, does not exist; make it first."
            )
        super().__init__(
            mode=mode,
            mode_kwargs=dict(mode_kwargs or {}),
            predict_kwargs=dict(predict_kwargs or {}),
            output_dir=output_dir,
        )
        self.parts = tuple(parts)
        self.n_samples = n_samples
        self.is_written_by_batch = output_dir is not None and write_interval != "epoch"
        self.is_kept = output_dir is None or write_interval != "batch"
        self.handover: Path | None = None
        self._batches: list[dict[str, Any]] = []
        self._rows: list[int] = []
        self._joined: Any = None

    @property
    def result(self) -> Any:
        """The output alone, or a `Prediction`; None where it was written.

        Processes of a trainer that do not give back their objects leave it in the file `handover`.
        """
        if self.handover is not None and self.handover.exists():
            # Written by this package a moment ago, with frames among it.
            return torch.load(self.handover, weights_only=False)
        return self._joined

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Read one batch."""
        x, y = batch
        record = {"output": self._read(pl_module, outputs)}
        others = {"x": x, "decoder_lengths": x["decoder_lengths"], "y": y}
        record |= {name: others[name] for name in self.parts if name in others}
        record = move_data_to_device(record, torch.device("cpu"))
        if self.mode in READ:
            lengths = on_host(x["decoder_lengths"])
            is_past = create_mask(int(lengths.max()), lengths)
            record["output"] = apply_to_collection(record["output"], Tensor, _masked, is_past)
        if "index" in self.parts:
            loader: Any = trainer.predict_dataloaders
            record["index"] = loader.dataset.x_to_index(x)
        if self.is_written_by_batch:
            self._write(record, str(batch_idx * trainer.world_size + trainer.global_rank))
        if self.is_kept:
            self._batches.append(record)
            self._rows.extend(rows_of_batch(trainer))

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Join the batches, and under several processes gather them."""
        if not self.is_kept:
            return
        records, self._batches = self._batches, []
        if trainer.world_size > 1:
            record = _gathered(records, self._rows, trainer.world_size)
        elif records:
            record = joined(records)
        else:
            return
        if self.mode == "raw" and "x" in record and hasattr(record["output"], "inputs"):
            record["output"] = record["output"]._replace(inputs=record["x"])
        if self.output_dir is None:
            self._joined = Prediction(**record) if self.parts else record["output"]
            if self.handover is not None and trainer.is_global_zero:
                torch.save(self._joined, self.handover)
        elif trainer.is_global_zero:
            self._write(record)

    def _read(self, model: Any, outputs: Any) -> Any:
        """Return the output of a batch in the mode."""
        if not isinstance(self.mode, str):
            return outputs[self.mode[1]]
        if self.mode == "raw":
            return outputs
        if self.mode == "samples":
            return model.to_samples(outputs, self.n_samples)
        if self.mode == "quantiles":
            return model.to_quantiles(outputs, **self.mode_kwargs)
        return model.to_prediction(outputs, **self.mode_kwargs)

    def _write(self, record: dict[str, Any], number: str = "") -> None:
        name = f"predictions_{number}.pt" if number else "predictions.pt"
        torch.save(Prediction(**record), Path(str(self.output_dir)) / name)


def joined(parts: Sequence[Any], fill: float = torch.nan) -> Any:
    """Return batches as one, along their first axis; shorter ones are filled up in the second.

    Args:
        parts: Equal structures of tensors, frames, lists and dictionaries.
        fill: For outputs not a number, for what comes from the dataset 0, as inside a batch.
    """
    first = parts[0]
    if isinstance(first, Tensor):
        longest = max(part.shape[1:2] for part in parts)
        return torch.cat([_filled_up(part, longest, fill) for part in parts])
    if isinstance(first, pd.DataFrame):
        return pd.concat(parts, ignore_index=True)
    if isinstance(first, Mapping):
        fills = {name: 0.0 if name in ("x", "y") else fill for name in first}
        return {name: joined([part[name] for part in parts], fills[name]) for name in first}
    if isinstance(first, list | tuple):
        columns = [joined(column, fill) for column in zip(*parts, strict=True)]
        return type(first)(*columns) if is_namedtuple(first) else type(first)(columns)
    return first


def _filled_up(part: Tensor, length: Sequence[int], fill: float) -> Tensor:
    """Return a tensor with a second axis of this length; classes with -1 for no number."""
    if part.shape[1:2] == length:
        return part
    value = -1 if fill != fill and not part.is_floating_point() else fill
    shape = (part.shape[0], length[0] - part.shape[1], *part.shape[2:])
    return torch.cat([part, part.new_full(shape, value)], dim=1)


def _masked(output: Tensor, is_past: Tensor) -> Tensor:
    """Return the output without numbers past the end of each decoder; classes are -1 there."""
    is_past = is_past.view(*is_past.shape, *(1,) * (output.ndim - 2))
    return output.masked_fill(is_past, torch.nan if output.is_floating_point() else -1)


def _gathered(
    records: list[dict[str, Any]], rows: Sequence[int], world_size: int
) -> dict[str, Any]:
    """Return the batches of all processes as one, in the order of the rows, each row once."""
    everyone: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(everyone, (list(rows), records))
    order = torch.tensor([row for part, _ in everyone for row in part]).argsort()
    whole: dict[str, Any] = apply_to_collection(
        joined([each for _, part in everyone for each in part]), Tensor, lambda part: part[order]
    )
    if "index" in whole:
        whole["index"] = whole["index"].iloc[order.numpy()].reset_index(drop=True)
    return whole
