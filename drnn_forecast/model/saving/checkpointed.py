"""A model of pytorch-forecasting whose Lightning checkpoints are read without trust in them."""

from __future__ import annotations

from os import PathLike
from typing import Any

from pytorch_forecasting.models.base import BaseModelWithCovariates
from typing_extensions import Self

from drnn_forecast.host import wrap_checkpoints
from drnn_forecast.model.magnitudes import precision_of
from drnn_forecast.model.saving.checkpoint import (
    WRITTEN_BY,
    OwnClasses,
    allowed_classes,
    check_checkpoint,
)


class CheckpointedModel(BaseModelWithCovariates):
    """Says what its checkpoints are of, and reads them with the classes that it has itself."""

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: str | PathLike[str],
        *args: Any,
        weights_only: bool | None = None,
        unsafe: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Return the model of a Lightning checkpoint, in evaluation mode, without its dataset.

        A checkpoint is a pickle. Of classes it makes those that our models have
        (`saving.checkpoint.CLASSES`) and those of `torch.serialization.add_safe_globals`. With
        `unsafe=True`, which upstream spells `weights_only=False`, the file may run any code.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is no whole checkpoint, one of another class, or it names classes that
                are not allowed.
        """
        unsafe = unsafe or weights_only is False
        check_checkpoint(checkpoint_path, cls.__name__, unsafe=unsafe)
        kwargs["weights_only"] = not unsafe
        with allowed_classes():
            model: Self = super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
        model.eval()
        return model

    def setup(self, stage: str) -> None:
        """Let the trainer read the model's own checkpoints."""
        super().setup(stage)
        wrap_checkpoints(
            self.trainer, OwnClasses, lambda inner: OwnClasses(inner, self._written_objects)
        )

    def _written_objects(self) -> dict[str, Any]:
        """Return what a checkpoint holds beside numbers."""
        checkpoint = {"hyper_parameters": dict(self.hparams)}
        self.on_save_checkpoint(checkpoint)
        return checkpoint

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add to a checkpoint what upstream adds, and the name of the class."""
        super().on_save_checkpoint(checkpoint)
        checkpoint[WRITTEN_BY] = type(self).__name__

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the precision in which the weights of a checkpoint were trained."""
        super().on_load_checkpoint(checkpoint)
        self.to(precision_of(checkpoint["state_dict"]))
