"""What a model does with a batch in a step of a trainer, without a question to the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from pytorch_forecasting.metrics import MASE, MultiLoss
from pytorch_forecasting.utils import to_list
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence
from torchmetrics import Metric

from drnn_forecast.data import moved_together, on_host, remember_on_host
from drnn_forecast.model.heads import seasonal_moves
from drnn_forecast.model.losses import batch_loss, has_slope_at_zero, usual_loss

if TYPE_CHECKING:
    from drnn_forecast.model.saving.checkpointed import CheckpointedModel as Model
else:
    Model = object


TRAINING_LOSS = 10.0
"""How large a usual loss is in training. At this size a gradient norm that is clipped at 1, as is
customary, is clipped in most steps, which on the package's sample validates 7 % better than a loss
about 1, whose steps are clipped at times (two seeds, 600 steps)."""


class SteppingModel(Model):
    """A model whose steps log what they hold, and wait for the device where they must alone."""

    usual_size: float | None = None
    """How large the loss usually is, during a fit."""

    def on_fit_start(self) -> None:
        """Read from the device, once, how large the loss usually is."""
        super().on_fit_start()
        self.usual_size = None
        self.usual_size = self._usual()

    def on_fit_end(self) -> None:
        """Forget what was read from the device for this fit."""
        super().on_fit_end()
        self.usual_size = None

    def step(
        self, x: dict[str, Any], y: tuple[Any, Any], batch_idx: int, **kwargs: Any
    ) -> tuple[dict[str, Any], Any]:
        """Return log and output of a batch, its loss relative to each window's scale if asked."""
        if "encoder_missing" in x and y[1] is not None:
            y = y[0], _of_known_steps(y[1], x["decoder_lengths"])
        if self.hparams.get("relative_loss"):
            y = y[0], _relative_weight(self.usual_error(x), y[1])
        if self.hparams.get("monotone_constraints"):
            constrained: tuple[dict[str, Any], Any] = super().step(x, y, batch_idx, **kwargs)
            return constrained
        # Upstream's step, which asks the device in every one whether its decoders differ in length.
        out = self(x, **kwargs)
        size = len(x["decoder_lengths"])
        loss = None
        if not self.predicting:
            loss = self._value_of(self.loss, out["prediction"], y, x)
            self.log(
                f"{self.current_stage}_loss",
                loss.detach(),
                on_step=self.training,
                on_epoch=True,
                prog_bar=True,
                batch_size=size,
            )
        return {"loss": loss, "n_samples": size}, out

    def _value_of(
        self, metric: Metric, prediction: Any, y: tuple[Any, Any], x: Mapping[str, Any]
    ) -> Tensor:
        """Return the loss of a batch, which is no number where the prediction is none."""
        lengths = x["decoder_lengths"]
        if lengths.device.type != "cpu":
            value = batch_loss(metric, prediction, *y, lengths)
            if value is not None:
                return value
        history = {name: x[name] for name in ("encoder_target", "encoder_lengths")}
        options = history if isinstance(metric, MASE | MultiLoss) else {}
        try:
            loss: Tensor = metric(prediction, _observed(y, lengths), **options)
        except ValueError:
            # torch's distributions refuse parameters that are no numbers; other losses give none.
            if all(bool(torch.isfinite(part).all()) for part in to_list(prediction)):
                raise
            return torch.full((), torch.nan, device=self.device)
        return loss

    def usual_error(self, x: Mapping[str, Any]) -> Tensor:
        """Return the `seasonal_moves` of each window, in target units, `(batch, 1)`."""
        scaled = self.scaled_batch(x)
        history = scaled["encoder_cont"][..., self.target_places[0]]
        length, known = self.hparams.get("season_length"), self.known_histories(x)[0]
        moves = seasonal_moves(history, x["encoder_lengths"], length, known)
        scale: Tensor = to_list(scaled["target_scale"])[0]
        return moves.unsqueeze(1) * scale[:, 1:2].abs()

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        """Return the log of a step, whose loss is `TRAINING_LOSS` where it is as usual.

        So rates, the optimiser's epsilon and clipped gradients mean the same in every unit of the
        target. What is logged is in target units.
        """
        log = dict(super().training_step(batch, batch_idx))
        loss = log["loss"]
        if has_slope_at_zero(self.loss):
            # Where there is nothing to learn, nothing is learned; nobody waits to be told so.
            return {**log, "loss": TRAINING_LOSS * (loss * (loss.detach() != 0)) / self._usual()}
        if not loss.detach().any():
            # The square root in RMSE has no gradient there.
            return {**log, "loss": sum(0.0 * weight.sum() for weight in self.parameters())}
        return {**log, "loss": TRAINING_LOSS * loss / self._usual()}

    def _usual(self) -> float:
        """Return how large the loss usually is, read from the device once a fit."""
        if self.usual_size is not None:
            return self.usual_size
        is_relative = self.hparams.get("relative_loss")
        return 1.0 if is_relative else usual_loss(self.loss, self.magnitudes.typical)

    def setup(self, stage: str) -> None:
        """Take batches to another device in the way of `moved_batch`."""
        super().setup(stage)
        has_module = getattr(self.trainer, "datamodule", None) is not None
        if self.trainer.strategy.root_device.type != "cpu" and not has_module:
            # A class that overrides this hook makes Lightning warn whoever has a data module.
            self.transfer_batch_to_device = self.moved_batch

    def teardown(self, stage: str) -> None:
        """Forget the way of batches."""
        self.__dict__.pop("transfer_batch_to_device", None)
        super().teardown(stage)

    def moved_batch(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Return the batch on a device; the lengths of its decoders stay known on the host."""
        moved = batch if device.type == "cpu" else moved_together(batch, device)
        moved = super().transfer_batch_to_device(moved, device, dataloader_idx)
        x = batch[0] if isinstance(batch, list | tuple) else None
        given = x.get("decoder_lengths") if isinstance(x, Mapping) else None
        if given is not None and given.device.type == "cpu":
            remember_on_host(moved[0]["decoder_lengths"], given)
        return moved

    def log_metrics(
        self,
        x: dict[str, Any],
        y: tuple[Any, Any],
        out: Any,
        prediction_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        """Log metrics of the observed steps; upstream counts the padding of short decoders too."""
        points = to_list(self.to_prediction(out, **dict(prediction_kwargs or {})))
        columns = zip(points, to_list(y[0]), to_list(x["encoder_target"]), strict=True)
        for number, (point, target, past) in enumerate(columns):
            tag = f"{self.target_names[number]} " if len(points) > 1 else ""
            own = {**x, "encoder_target": past}
            for metric in self.logging_metrics:
                self.log(
                    f"{tag}{self.current_stage}_{metric.name}",
                    self._value_of(metric, point.detach(), (target, y[1]), own),
                    on_step=self.training,
                    on_epoch=True,
                    batch_size=len(x["decoder_lengths"]),
                )


def _observed(y: tuple[Any, Any], lengths: Tensor) -> tuple[Any, Any]:
    """Return targets that metrics read no further than the end of each decoder."""
    lengths = on_host(lengths)
    if bool((lengths == lengths.max()).all()):
        return y

    def packed(target: Tensor) -> Any:
        return pack_padded_sequence(target, lengths, batch_first=True, enforce_sorted=False)

    targets = [packed(part) for part in y[0]] if isinstance(y[0], list | tuple) else packed(y[0])
    return targets, y[1]


def _of_known_steps(weight: Tensor, lengths: Tensor) -> Tensor:
    """Return weights under which the mean over all steps is that over those with a weight."""
    total, known = lengths.sum(), (weight != 0).sum()
    return weight * (total / known.clamp(min=1))


def _relative_weight(error: Tensor, weight: Tensor | None) -> Tensor:
    """Return the weight of each window, `(batch, 1)`, divided by how far its target moves."""
    inverse = error.reciprocal()
    return inverse if weight is None else weight * inverse
