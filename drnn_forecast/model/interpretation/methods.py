"""What a model is asked about its forecasts, by the names that pytorch-forecasting gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch_forecasting.utils import to_list

from drnn_forecast.model.collection import WindowData
from drnn_forecast.model.interpretation.figures import (
    averages_figure,
    interpretation_figures,
    window_figures,
)
from drnn_forecast.model.interpretation.numbers import (
    Interpretation,
    averages_by_variable,
    dependency,
    interpret,
)


class InterpretableModel:
    """The methods of a forecaster that look inside; they stand before those of the host's base.

    Attributes:
        target_names: Of every target.
    """

    target_names: list[str]

    def interpret_output(self, x: Mapping[str, Any], *, target: int = 0) -> Interpretation:
        """Return what the forecasts of a batch lean on: see `interpretation.interpret`."""
        return interpret(self, x, target=target)

    def plot_interpretation(self, interpretation: Interpretation) -> dict[str, Any]:
        """Return a figure of each part: see `interpretation.interpretation_figures`."""
        return interpretation_figures(interpretation)

    def plot_prediction(
        self, x: Mapping[str, Any], out: Mapping[str, Any], idx: int = 0, **options: Any
    ) -> Any:
        """Return a figure of one window, a list for several targets: see `window_figures`."""
        figures = window_figures(self, x, out, idx, **options)
        return figures if len(self.target_names) > 1 else figures[0]

    def calculate_prediction_actual_by_variable(
        self, x: Mapping[str, Any], y_pred: Any, **options: Any
    ) -> dict[str, Any]:
        """Return means by variable, for several targets by target: see `averages_by_variable`."""
        pairs = zip(self.target_names, to_list(y_pred), to_list(x["decoder_target"]), strict=True)
        tables = {n: averages_by_variable(self, x, p, a, **options) for n, p, a in pairs}
        return tables if len(tables) > 1 else tables[self.target_names[0]]

    def plot_prediction_actual_by_variable(
        self, data: Mapping[str, Any], name: str | None = None, **options: Any
    ) -> Any:
        """Return a figure of a variable's averages, of all by name: see `averages_figure`."""
        if name is not None:
            return averages_figure(self, data, name, **options)
        return {name: averages_figure(self, data, name, **options) for name in data["support"]}

    def predict_dependency(
        self, data: WindowData, variable: str, values: Sequence[Any], **options: Any
    ) -> Any:
        """Return forecasts with a variable set to values: see `interpretation.dependency`."""
        return dependency(self, data, variable, values, **options)
