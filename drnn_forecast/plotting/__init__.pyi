from .canvas import new_figure as new_figure
from .forecasts import (
    error_by_horizon as error_by_horizon,
    fan_charts as fan_charts,
    window_chart as window_chart,
)
from .interactive import interactive_fans as interactive_fans
from .interpretation import (
    bars as bars,
    lag_chart as lag_chart,
    saliency_map as saliency_map,
)
from .paths import length_by_depth as length_by_depth, unrolled_network as unrolled_network
from .scores import (
    calibration_chart as calibration_chart,
    cost_chart as cost_chart,
    error_by_fold as error_by_fold,
    error_by_series as error_by_series,
)
