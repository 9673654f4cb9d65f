"""The losses of pytorch-forecasting: made to fit a dataset, and read as forecasts."""

from drnn_forecast.model.limits import bounds_of, checked_bounds, warn_beyond
from drnn_forecast.model.losses.batches import batch_loss
from drnn_forecast.model.losses.bounds import bounded, has_values, reaches_of, within
from drnn_forecast.model.losses.checks import check_loss
from drnn_forecast.model.losses.fitting import (
    complete_loss,
    output_size,
    register_parts,
    without_graph,
)
from drnn_forecast.model.losses.quantiles import (
    QUANTILE_LEVELS,
    checked_quantiles,
    quantile_loss,
)
from drnn_forecast.model.losses.reading import (
    DRAWS,
    check_has_samples,
    draw_samples,
    has_location,
    has_slope_at_zero,
    leading,
    levels_of,
    losses_of_targets,
    normalizers_of,
    point_forecast,
    prepare,
    quantile_forecast,
    rescaled,
    usual_loss,
)

__all__ = [
    "DRAWS",
    "QUANTILE_LEVELS",
    "batch_loss",
    "bounded",
    "bounds_of",
    "check_has_samples",
    "check_loss",
    "checked_bounds",
    "checked_quantiles",
    "complete_loss",
    "draw_samples",
    "has_location",
    "has_slope_at_zero",
    "has_values",
    "leading",
    "levels_of",
    "losses_of_targets",
    "normalizers_of",
    "output_size",
    "point_forecast",
    "prepare",
    "quantile_forecast",
    "quantile_loss",
    "reaches_of",
    "register_parts",
    "rescaled",
    "usual_loss",
    "warn_beyond",
    "within",
    "without_graph",
]
