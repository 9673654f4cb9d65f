"""The losses of pytorch-forecasting: made to fit a dataset, and read as forecasts."""

from drnn_forecast.model.losses.checks import check_loss
from drnn_forecast.model.losses.fitting import (
    complete_loss,
    output_size,
    register_parts,
    without_graph,
)
from drnn_forecast.model.losses.quantiles import checked_quantiles
from drnn_forecast.model.losses.reading import (
    draw_samples,
    has_location,
    leading,
    point_forecast,
    quantile_forecast,
    rescaled,
)

__all__ = [
    "check_loss",
    "checked_quantiles",
    "complete_loss",
    "draw_samples",
    "has_location",
    "leading",
    "output_size",
    "point_forecast",
    "quantile_forecast",
    "register_parts",
    "rescaled",
    "without_graph",
]
