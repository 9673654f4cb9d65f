"""Networks for other runtimes: tensors in, tensors out, and ONNX files of them."""

from __future__ import annotations

import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any

import torch
from pytorch_forecasting.utils import to_list
from torch import Tensor, nn

if TYPE_CHECKING:
    from pytorch_forecasting.models.base import BaseModel

INPUTS = (
    "encoder_cat",
    "encoder_cont",
    "encoder_lengths",
    "decoder_cat",
    "decoder_cont",
    "target_scale",
)
"""The parts of a batch that a forecast is made of, in the order of an exported network."""


class ForecastNetwork(nn.Module):
    """A forecaster of one target as a function of tensors, for `torch.export` and ONNX.

    Args:
        model: A model of one target.

    Raises:
        ValueError: It has several targets.
    """

    def __init__(self, model: BaseModel) -> None:
        super().__init__()
        if len(model.target_names) > 1:
            raise ValueError(
                f"An exported network has one target, got {model.target_names}. Train a model "
                "for each."
            )
        self.model = model

    def forward(
        self,
        encoder_cat: Tensor,
        encoder_cont: Tensor,
        encoder_lengths: Tensor,
        decoder_cat: Tensor,
        decoder_cont: Tensor,
        target_scale: Tensor,
    ) -> Tensor:
        """Return the prediction in target units, `(batch, steps, outputs)`."""
        values = (
            encoder_cat,
            encoder_cont,
            encoder_lengths,
            decoder_cat,
            decoder_cont,
            target_scale,
        )
        return self.model(dict(zip(INPUTS, values, strict=True)))["prediction"]


def network_inputs(x: dict[str, Any]) -> tuple[Tensor, ...]:
    """Return the tensors of a batch that a `ForecastNetwork` takes."""
    scale = to_list(x["target_scale"])[0].to(x["encoder_cont"].dtype)
    return (*(x[name] for name in INPUTS[:-1]), scale)


def export_onnx(model: BaseModel, x: dict[str, Any], path: str | PathLike[str]) -> None:
    """Write the network as ONNX: the batch is free, the steps are those of the example.

    Args:
        model: A model of one target.
        x: An example batch of at least two windows, of full encoder length.
        path: Where to write.

    Raises:
        ImportError: `onnx` or `onnxscript` is not installed.
        ValueError: The model has several targets.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "ONNX export needs more packages; install them with "
            "`pip install 'drnn-forecast[onnx]'`."
        ) from error
    network = ForecastNetwork(model).eval()
    inputs = network_inputs(x)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter looks at optional operators of packages that are not there.
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            network,
            inputs,
            input_names=list(INPUTS),
            output_names=["prediction"],
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            verbose=False,
        )
        program.save(str(path))
