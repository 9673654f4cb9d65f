"""What a model is asked about its forecasts, by the names that pytorch-forecasting gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_forecasting.utils import to_list

from drnn_forecast.model.collection import WindowData
from drnn_forecast.model.interpretation.figures import (
    interpretation_figures,
    window_figures,
    window_interpretation_figure,
)
from drnn_forecast.model.interpretation.numbers import (
    Interpretation,
    averages_by_variable,
    dependency,
    interpret,
)
from drnn_forecast.model.interpretation.pictures import (
    can_keep_pictures,
    log_figure,
    windows_shown,
)


class InterpretableModel:
    """The methods of a forecaster that look inside; they stand before those of the host's base.

    Attributes:
        target_names: Of every target.
        log_interval: How often pictures are logged (`pictures.windows_shown`).
        loggers, current_stage, global_step: Of the trainer.
    """

    target_names: list[str]
    log_interval: float
    loggers: list[Any]
    current_stage: str
    global_step: int

    def interpret_output(
        self,
        out: Mapping[str, Any] | None = None,
        reduction: str = "mean",
        *,
        x: Mapping[str, Any] | None = None,
        target: int = 0,
    ) -> Interpretation:
        """Return what forecasts lean on, read from the inputs: see `interpretation.interpret`.

        Args:
            out: A batch of inputs, or an output of `predict(mode="raw", return_x=True)`, which
                has them; any other network output beside its `x`.
            reduction: `"mean"` or `"sum"` over the windows, or `"none"`.
            x: The inputs.
            target: Which of several targets.

        Raises:
            ValueError: There are no inputs, or there is no such reduction.
        """
        return interpret(self, _inputs(out, x), target=target, reduction=reduction)

    def plot_interpretation(
        self,
        interpretation: Any,
        output: Mapping[str, Any] | None = None,
        idx: int = 0,
    ) -> Any:
        """Return a figure of each part of an interpretation, by name, or one of a window.

        Args:
            interpretation: What `interpret_output` returned; or `x`, a batch, beside its `output`
                and the `idx` of a window.
            output: What the network made of the batch.
            idx: Which window of the batch.
        """
        if output is None:
            return interpretation_figures(interpretation)
        return window_interpretation_figure(self, interpretation, output, idx)

    def plot_prediction(
        self, x: Mapping[str, Any], out: Mapping[str, Any], idx: int = 0, **options: Any
    ) -> Any:
        """Return a figure of one window, a list for several targets: see `window_figures`."""
        figures = window_figures(self, x, out, idx, **options)
        return figures if len(self.target_names) > 1 else figures[0]

    def log_prediction(
        self, x: Mapping[str, Any], out: Mapping[str, Any], batch_idx: int, **options: Any
    ) -> None:
        """Log pictures of validated and tested windows, to every logger that takes some.

        How many is the hyperparameter `log_val_interval`, by default `log_interval`.
        """
        if not can_keep_pictures(self.loggers):
            return
        for row in windows_shown(self.log_interval, len(x["encoder_lengths"]), batch_idx):
            figures = self.plot_prediction(x, out, idx=row, add_loss_to_title=True, **options)
            tag = f"{self.current_stage} prediction of item {row} in batch {batch_idx}"
            is_several = len(self.target_names) > 1
            names = [f"{name} " for name in self.target_names] if is_several else [""]
            for name, figure in zip(names, to_list(figures), strict=True):
                log_figure(self.loggers, f"{name}{tag}", figure, self.global_step)

    def calculate_prediction_actual_by_variable(
        self, x: Mapping[str, Any], y_pred: Any, **options: Any
    ) -> dict[str, Any]:
        """Return means by variable, for several targets by target: see `averages_by_variable`."""
        # Upstream's `plot_prediction_actual_by_variable` draws them.
        pairs = zip(self.target_names, to_list(y_pred), to_list(x["decoder_target"]), strict=True)
        tables = {n: averages_by_variable(self, x, p, a, **options) for n, p, a in pairs}
        return tables if len(tables) > 1 else tables[self.target_names[0]]

    def predict_dependency(
        self, data: WindowData, variable: str, values: Sequence[Any], **options: Any
    ) -> Any:
        """Return forecasts with a variable set to values: see `interpretation.dependency`."""
        return dependency(self, data, variable, values, **options)


def _inputs(out: Mapping[str, Any] | None, x: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the inputs of a network output, perhaps among them."""
    if x is not None:
        return x
    if isinstance(out, Mapping) and "encoder_cont" in out:
        return out
    inputs: Mapping[str, Any] | None = getattr(out, "inputs", None)
    if inputs is None:
        raise ValueError(
            "`out` must have the inputs, of which gradients are taken, got an output without them."
            ' Make it with `predict(..., mode="raw", return_x=True)`, or pass `x` too.'
        )
    return inputs
