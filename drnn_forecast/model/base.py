"""pytorch-forecasting's base class, with its known faults kept away from our users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from pytorch_forecasting.utils import to_list
from torch import Tensor
from torchmetrics import Metric

from drnn_forecast.host import PreciseLoss, keep_inputs
from drnn_forecast.layers import checked_seasons
from drnn_forecast.model.collection import (
    WindowCollector,
    WindowData,
    check_loaders,
    collect,
    windows_of,
)
from drnn_forecast.model.gaps import anchored, known_steps
from drnn_forecast.model.losses import (
    bounded,
    bounds_of,
    draw_samples,
    point_forecast,
    prepare,
    quantile_forecast,
    reaches_of,
    register_parts,
    rescaled,
    within,
    without_graph,
)
from drnn_forecast.model.magnitudes import Magnitudes, columns_of_targets
from drnn_forecast.model.output import NetworkOutput
from drnn_forecast.model.saving.checkpointed import CheckpointedModel
from drnn_forecast.model.stepping import SteppingModel

FUSED_ON: Final = ("cuda",)
"""Devices on which an optimiser's many small steps would take longer than their arithmetic."""


class ForecastingModel(PreciseLoss, SteppingModel, CheckpointedModel):
    """A pytorch-forecasting model whose losses, predictions and copies hold what they promise."""

    renewable_windows: tuple[Any, dict[int, Any]] = (None, {})
    """Parameters of a dataset, and what `batching.renewable` made of it for each of the last
    horizons, for the next forecast."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        register_parts(self.loss)
        self.magnitudes = Magnitudes(self.hparams.get("num_series", 0), len(self.target_names))
        prepare(self.loss, self.output_transformer)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied and pickled, without the graph of the last loss."""
        without_graph(self)
        state = dict(super().__getstate__())
        state.pop("renewable_windows", None)
        return state

    def setup(self, stage: str) -> None:
        """Let the trainer leave batches as they are."""
        super().setup(stage)
        keep_inputs(self.trainer)

    def on_fit_start(self) -> None:
        """Train as a new model does where this one was loaded, which is in evaluation mode."""
        super().on_fit_start()
        if not self.training:
            self.train()

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Log a number; of several processes their mean, so that all judge by the same."""
        options = {"sync_dist": True} if self.trainer.world_size > 1 else {}
        super().log(*args, **options | kwargs)

    def on_train_start(self) -> None:
        """Refuse datasets that are not encoded as the one that the model was made from."""
        super().on_train_start()
        check_loaders(self, [self.trainer.train_dataloader, self.trainer.val_dataloaders])

    def on_validation_start(self) -> None:
        """Refuse such datasets before a validation that no training precedes."""
        super().on_validation_start()
        if not self.trainer.training and (self.trainer.sanity_checking or self.trainer.validating):
            check_loaders(self, self.trainer.val_dataloaders)

    def on_test_start(self) -> None:
        """Refuse such datasets before a test."""
        super().on_test_start()
        check_loaders(self, self.trainer.test_dataloaders)

    def on_predict_start(self) -> None:
        """Refuse such datasets before a prediction of Lightning's own."""
        super().on_predict_start()
        check_loaders(self, self.trainer.predict_dataloaders)

    def to_network_output(self, **results: Any) -> NetworkOutput:
        """Return the named output of the network."""
        return NetworkOutput(**results)

    def transform_output(
        self,
        prediction: Tensor | list[Tensor],
        target_scale: Tensor | list[Tensor],
        loss: Metric | None = None,
    ) -> Tensor | list[Tensor]:
        """Return the network's outputs in target units, for sums of losses too.

        Forecasts keep to the bounds of the targets; in training a loss pulls at all outputs.
        """
        loss = self.loss if loss is None else loss
        output = rescaled(loss, prediction, target_scale, self.output_transformer)
        return output if self.training else within(loss, output, bounds_of(self))

    def to_prediction(self, out: Mapping[str, Any], use_metric: bool = True, **kwargs: Any) -> Any:
        """Return the point forecast, `(batch, steps)`; for several targets a list.

        `use_metric` is False where the output holds samples; `kwargs` are of the loss's own method.
        """
        if not use_metric:
            return super().to_prediction(out, use_metric=False, **kwargs)
        points = point_forecast(self.loss, out["prediction"], **kwargs)
        return bounded(self.loss, points, bounds_of(self))

    def to_quantiles(self, out: Mapping[str, Any], use_metric: bool = True, **kwargs: Any) -> Any:
        """Return the quantiles, `(batch, steps, quantiles)`, with options as `to_prediction`."""
        if not use_metric:
            return super().to_quantiles(out, use_metric=False, **kwargs)
        quantiles = quantile_forecast(self.loss, out["prediction"], **kwargs)
        return bounded(self.loss, quantiles, bounds_of(self))

    def to_samples(self, out: Mapping[str, Any], n_samples: int = 100) -> Any:
        """Return random draws, `(batch, steps, samples)`, by `losses.draw_samples`."""
        heads = getattr(self, "target_heads", [None] * len(self.target_names))
        known = [getattr(head, "intervals", None) for head in heads]
        return draw_samples(
            self.loss,
            out["prediction"],
            n_samples,
            dependence=[None if each is None else each.dependence for each in known],
            reaches=reaches_of(self),
        )

    def scaled_batch(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """Return a batch whose targets are in units that their series justify: `Magnitudes`."""
        columns = columns_of_targets(self.target_names, self.hparams.x_reals)
        scaled = self.magnitudes.scaled(x, columns)
        if "encoder_missing" in x:
            past, length = scaled["encoder_cont"].clone(), self.hparams.get("season_length")
            seasons = () if length is None else checked_seasons(length)
            places = {name: place for place, name in enumerate(self.hparams.x_reals)}
            for name, own in zip(self.target_names, self.known_histories(x), strict=True):
                if name in places and own is not None:
                    values = past[..., places[name]]
                    past[..., places[name]] = anchored(values, own, seasons)
            scaled["encoder_cont"] = past
        return scaled

    def known_histories(self, x: Mapping[str, Any]) -> list[Tensor | None]:
        """Return where each past target is known, `(batch, time)`; None where all of them are."""
        missing = x.get("encoder_missing")
        if missing is None:
            return [None] * len(self.target_names)
        return [known_steps(part, x["encoder_lengths"]) for part in to_list(missing)]

    @property
    def target_places(self) -> list[int]:
        """Positions of the targets among the reals; upstream's are a tensor on the device."""
        return [self.hparams.x_reals.index(name) for name in self.target_names]

    def as_weights(self, values: Tensor) -> Tensor:
        """Return values in the precision of the weights."""
        own = (part for name, part in self.named_parameters() if not name.startswith("loss."))
        return values.to(next(own).dtype)

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        """Return the network output of a batch, for any trainer; upstream's asks for a callback.

        `trainer.predict(model, loader)` gives a list of them; `to_prediction` and `to_quantiles`
        read one.
        """
        options: dict[str, Any] = {}
        for callback in self.trainer.callbacks:
            options |= getattr(callback, "predict_kwargs", {})
        return self(batch[0], **options)

    def configure_optimizers(self) -> dict[str, Any]:
        """Return optimiser and schedule; without `reduce_on_plateau_patience` there is none."""
        given = self.hparams.optimizer_params
        if self._fuses():
            self.hparams.optimizer_params = {"fused": True, **(given or {})}
        try:
            configuration = super().configure_optimizers()
        finally:
            self.hparams.optimizer_params = given
        return {name: part for name, part in configuration.items() if part}

    def _fuses(self) -> bool:
        """Return whether the optimiser updates all weights at once: torch's own ones on a GPU.

        Not where gradients are scaled, as in half precision: Lightning refuses to clip those that
        a fused optimiser scales back itself.
        """
        is_own = not callable(self.optimizer) and self.hparams.optimizer in ("adam", "adamw")
        if not is_own or self.device.type not in FUSED_ON:
            return False
        return getattr(self.trainer.precision_plugin, "scaler", None) is None

    def predict(
        self,
        data: WindowData,
        mode: str | tuple[str, str] = "prediction",
        return_index: bool = False,
        return_decoder_lengths: bool = False,
        batch_size: int = 64,
        num_workers: int = 0,
        fast_dev_run: bool = False,
        return_x: bool = False,
        return_y: bool = False,
        mode_kwargs: Mapping[str, Any] | None = None,
        trainer_kwargs: Mapping[str, Any] | None = None,
        write_interval: str = "batch",
        output_dir: str | None = None,
        *,
        n_samples: int = 100,
        **kwargs: Any,
    ) -> Any:
        """Return forecasts of windows: the output, or a `Prediction` where more is asked for.

        What lies past the end of a shorter decoder is not a number, or -1 for a class. Nothing is
        written without `output_dir`; with it every batch goes to its file and nothing is kept.

        Args:
            data: A frame, of which the last steps of each series are predicted, a dataset or
                its loader, with the variables of the training.
            mode: `"prediction"` `(windows, steps)`, `"quantiles"` `(windows, steps, quantiles)`,
                `"samples"` `(windows, steps, n_samples)` (see `losses.draw_samples`), `"raw"`, or
                `("raw", name)` of one part, such as `"encoder_state"`.
            return_index: Add series and first time index of each window.
            return_decoder_lengths: Add the steps of each window.
            batch_size: Windows at a time, unless `data` is a loader.
            num_workers: Of the loader, unless `data` is one.
            fast_dev_run: Stop after the first batch.
            return_x: Add the inputs.
            return_y: Add targets and weights, padded with zeros.
            mode_kwargs: Of `to_prediction` or `to_quantiles`.
            trainer_kwargs: Of Lightning's trainer; it is not changed, callbacks are welcome.
            write_interval: `"batch"`, `"epoch"` (one file) or `"batch_and_epoch"`.
            output_dir: A folder for `predictions_<batch>.pt`.
            n_samples: Draws per window.
            **kwargs: Of `forward`.

        Raises:
            ValueError: The variables or the horizon are not those of the training, there is no
                such mode, or the loss has no samples.
            TypeError: `data` is something else.
            FileNotFoundError: There is no folder `output_dir`.
        """
        asked = {
            "x": return_x,
            "index": return_index,
            "decoder_lengths": return_decoder_lengths,
            "y": return_y,
        }
        collector = WindowCollector(
            mode,
            [name for name, is_asked in asked.items() if is_asked],
            n_samples=n_samples,
            mode_kwargs=mode_kwargs,
            predict_kwargs=kwargs,
            output_dir=output_dir,
            write_interval=write_interval,
        )
        dataset = windows_of(self, data)
        loader = data
        if dataset is not getattr(data, "dataset", None):
            # Without a generator of its own a loader draws from torch's.
            loader = dataset.to_dataloader(
                train=False,
                batch_size=batch_size,
                num_workers=num_workers,
                generator=torch.Generator(),
            )
        return collect(
            self, loader, collector, fast_dev_run=fast_dev_run, trainer_kwargs=trainer_kwargs
        )
