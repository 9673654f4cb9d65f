"""Networks for other runtimes: tensors in, tensors out, and ONNX files of them."""

from __future__ import annotations

import warnings
from os import PathLike
from typing import TYPE_CHECKING, Any

import torch
from pytorch_forecasting.utils import to_list
from torch import Tensor, nn

from drnn_forecast.data import replaced

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
    """A forecaster as a function of tensors, for `torch.export` and ONNX."""

    def __init__(self, model: BaseModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        encoder_cat: Tensor,
        encoder_cont: Tensor,
        encoder_lengths: Tensor,
        decoder_cat: Tensor,
        decoder_cont: Tensor,
        target_scale: Tensor,
    ) -> Tensor | tuple[Tensor, ...]:
        """Return the prediction in target units, `(batch, steps, outputs)`; one per target.

        The arguments are those of a batch, but `target_scale` is `(batch, 2)`, and for several
        targets `(batch, targets, 2)`.
        """
        is_several = len(self.model.target_names) > 1
        values = (
            encoder_cat,
            encoder_cont,
            encoder_lengths,
            decoder_cat,
            decoder_cont,
            list(target_scale.unbind(1)) if is_several else target_scale,
        )
        prediction = self.model(dict(zip(INPUTS, values, strict=True)))["prediction"]
        return tuple(prediction) if is_several else prediction


def network_inputs(model: BaseModel, x: dict[str, Any]) -> tuple[Tensor, ...]:
    """Return the tensors of a batch that a `ForecastNetwork` takes, its targets scaled."""
    if "encoder_missing" in x:
        raise ValueError(
            "`x` must not lack targets, which an exported network cannot tell from others, but has "
            "`encoder_missing`. Give a batch of complete windows, or train with `missing='linear'`."
        )
    x = model.scaled_batch(x)
    scales = [scale.to(x["encoder_cont"].dtype) for scale in to_list(x["target_scale"])]
    scale = scales[0] if len(scales) == 1 else torch.stack(scales, dim=1)
    return (*(x[name] for name in INPUTS[:-1]), scale)


def output_names(model: BaseModel) -> list[str]:
    """Return the names of an exported network's outputs: `prediction`, for several one a target."""
    names = model.target_names
    return ["prediction"] if len(names) == 1 else [f"prediction_{name}" for name in names]


def export_onnx(model: BaseModel, x: dict[str, Any], path: str | PathLike[str]) -> None:
    """Write the network as ONNX: the batch is free, the steps are those of the example.

    Args:
        model: A trained model; its outputs are named by `output_names`.
        x: An example batch of at least two windows, of full encoder length.
        path: Where to write.

    Raises:
        ImportError: `onnx` or `onnxscript` is not installed.
    """
    check_onnx()
    network = ForecastNetwork(model).eval()
    inputs = network_inputs(model, x)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter looks at optional operators of packages that are not there.
        warnings.simplefilter("ignore")
        program: Any = torch.onnx.export(
            network,
            inputs,
            input_names=list(INPUTS),
            output_names=output_names(model),
            dynamic_shapes=tuple({0: batch} for _ in inputs),
            dynamo=True,
            verbose=False,
        )
        with replaced(path) as partial:
            program.save(str(partial))


def check_onnx() -> None:
    """Raise where the packages that write ONNX are not installed."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "ONNX export needs more packages; install them with "
            "`pip install 'drnn-forecast[onnx]'`."
        ) from error
