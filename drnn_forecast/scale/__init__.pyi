from .forecasting import (
    PartedForecast as PartedForecast,
    forecast_partitions as forecast_partitions,
)
from .on_ray import forecast_ray as forecast_ray
