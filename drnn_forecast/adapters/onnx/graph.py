"""The network of a folder: from the windows of a frame to the columns of a forecast."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from drnn_forecast.adapters.onnx.network import check_onnx
from drnn_forecast.data import WindowScale, drawn, fit_windows
from drnn_forecast.model import (
    Magnitudes,
    bounded,
    bounds_of,
    levels_of,
    point_forecast,
    quantile_forecast,
)


class ServedMagnitudes(Magnitudes):
    """Magnitudes of series whose floors come with their windows."""

    least: Tensor
    taken_off: Tensor

    def __init__(self, given: Magnitudes) -> None:
        super().__init__(0, given.floors.shape[1])
        floors, added = given.known
        # Of all floors, only the least is read.
        least = torch.where(floors > 0, floors, torch.inf).amin(0, keepdim=True)
        self.register_buffer("least", torch.where(least.isfinite(), least, 0.0))
        self.register_buffer("taken_off", added.clone())

    @property
    def known(self) -> tuple[Tensor, Tensor]:
        """The least floor, `(1, targets)`, and what is taken off, `(targets,)`."""
        return self.least, self.taken_off

    def has_floors(self, x: Mapping[str, Any]) -> bool:
        """Whether a batch has the floors of its series."""
        return "floors" in x

    def own_floors(self, x: Mapping[str, Any]) -> Tensor:
        """Return them, `(batch, targets)`."""
        floors: Tensor = x["floors"]
        return floors


class ServedNetwork(nn.Module):
    """A forecaster as a function of windows that nothing has scaled yet.

    What a dataset and a forecast do to a batch is here as well, by the same functions.

    Args:
        model: A `DilatedRNNForecaster` of one target.
        method: What is done about missing values: one of `Roles.missing`.
    """

    def __init__(self, model: Any, method: str) -> None:
        super().__init__()
        self.model = deepcopy(model).cpu().eval()
        if len(self.model.magnitudes.keys):
            self.model.magnitudes = ServedMagnitudes(self.model.magnitudes)
        self.method = method
        self.normalizer = self.model.dataset_parameters["target_normalizer"]
        (self.place,) = self.model.target_places

    def forward(
        self,
        encoder_cat: Tensor,
        encoder_cont: Tensor,
        encoder_target: Tensor,
        encoder_missing: Tensor,
        encoder_lengths: Tensor,
        decoder_cat: Tensor,
        decoder_cont: Tensor,
        floors: Tensor,
        target_scale: Tensor | None = None,
    ) -> Tensor:
        """Return the numbers of a forecast, `(batch, steps, columns)`, in target units.

        Args:
            encoder_cat: Of a batch of windows as long as can be, padded on the right.
            encoder_cont: Of it too; nothing is read where the target stands among the reals.
            encoder_lengths: Of it too.
            decoder_cat: Of it too.
            decoder_cont: Of it too.
            encoder_target: In target units, `(batch, time)`, a number in every place.
            encoder_missing: Where it is none, `(batch, time)`.
            floors: The least scale of each series, `(batch, 1)`.
            target_scale: Center and scale of the target, `(batch, 2)`, where no window decides.
        """
        values, missing = encoder_target, encoder_missing
        step = torch.arange(values.shape[1], device=values.device)
        is_padding = step >= encoder_lengths[:, None]
        if self.method == "linear":
            values = drawn(values, missing, ~(missing | is_padding))
        is_masked = self.method == "mask"
        if target_scale is None:
            scale = fit_windows(
                self.normalizer, values, encoder_lengths, missing if is_masked else None
            )
        else:
            scale = WindowScale(self.normalizer, *target_scale.unbind(-1))
        scaled = scale.transform(values).masked_fill(is_padding, 0.0)
        is_target = torch.arange(encoder_cont.shape[-1], device=values.device) == self.place
        x = {
            "encoder_cat": encoder_cat,
            "encoder_cont": torch.where(is_target, scaled.unsqueeze(-1), encoder_cont),
            "encoder_lengths": encoder_lengths,
            "decoder_cat": decoder_cat,
            "decoder_cont": decoder_cont,
            "target_scale": torch.stack([scale.center, scale.scale], dim=-1),
        }
        if is_masked:
            x["encoder_missing"] = missing
        if isinstance(self.model.magnitudes, ServedMagnitudes):
            x["floors"] = floors
        return self._columns(self.model(x)["prediction"])

    def _columns(self, prediction: Tensor) -> Tensor:
        """Return the numbers behind the columns of a forecast, the lowest quantile first."""
        loss, bounds = self.model.loss, bounds_of(self.model)
        if levels_of(loss) is None:
            points: Tensor = bounded(loss, point_forecast(loss, prediction), bounds)
            return points.unsqueeze(-1).float()
        values: Tensor = bounded(loss, quantile_forecast(loss, prediction), bounds)
        ordered: Tensor = values.sort(dim=-1).values
        return ordered.float()


def onnx_bytes(network: nn.Module, inputs: Mapping[str, Tensor]) -> bytes:
    """Return a network as ONNX, for any number of windows; inputs that it does not read are none.

    Args:
        network: In evaluation mode.
        inputs: An example of at least two windows: its arguments, by name and in their order.
    """
    check_onnx()
    aten = torch.ops.aten
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter looks at optional operators of packages that are not there.
        warnings.simplefilter("ignore")
        written: Any = torch.onnx.export(
            network,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["forecast"],
            dynamic_shapes=tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs),
            custom_translation_table={
                aten.cummax.default: _running("Max"),
                aten.cummin.default: _running("Min"),
            },
            dynamo=True,
            verbose=False,
        )
    return bytes(_without_places(written.model_proto).SerializeToString())


def _without_places(proto: Any) -> Any:
    """Return a network without what it says of the lines of code that it comes from."""
    for part in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto


def _running(larger: str) -> Any:
    """Return what `cummax` or `cummin` is in ONNX, which has neither; its places are not read."""
    from onnxscript import opset18

    op: Any = opset18

    def translated(values: Any, dim: int) -> Any:
        size, reach = values.shape[dim], 1
        axes = op.Constant(value_ints=[dim])
        while reach < size:
            cut, left, end = (op.Constant(value_ints=[n]) for n in (reach, size - reach, size))
            start = op.Constant(value_ints=[0])
            early = op.Slice(values, start, cut, axes)
            pair = op.Slice(values, cut, end, axes), op.Slice(values, start, left, axes)
            values, reach = op.Concat(early, getattr(op, larger)(*pair), axis=dim), 2 * reach
        return values, values

    return translated
