from .calibration import calibrate as calibrate, misses_needed as misses_needed
from .card import said_time as said_time
from .collection import QUIET_TRAINER as QUIET_TRAINER
from .coverage import coverage as coverage, moved_quantiles as moved_quantiles
from .ensemble import Ensemble as Ensemble
from .forecaster import DilatedRNNForecaster as DilatedRNNForecaster
from .gaps import anchored as anchored, known_steps as known_steps
from .growing import grow as grow
from .heads.anchors import seasonal_values as seasonal_values
from .limits import bounds_of as bounds_of, warn_beyond as warn_beyond
from .loading import load as load
from .losses.bounds import bounded as bounded
from .losses.quantiles import (
    QUANTILE_LEVELS as QUANTILE_LEVELS,
    checked_quantiles as checked_quantiles,
    quantile_loss as quantile_loss,
)
from .losses.reading import (
    leading as leading,
    levels_of as levels_of,
    point_forecast as point_forecast,
    quantile_forecast as quantile_forecast,
)
from .magnitudes import Magnitudes as Magnitudes
from .prediction import (
    forecast as forecast,
    forecast_columns as forecast_columns,
    predict_points as predict_points,
    predict_quantiles as predict_quantiles,
    quantile_columns as quantile_columns,
    tidy_forecasts as tidy_forecasts,
)
from .recipe import PRESETS as PRESETS, Recipe as Recipe
from .residuals import (
    IntervalReport as IntervalReport,
    Residuals as Residuals,
    residual_parts as residual_parts,
    set_intervals as set_intervals,
)
from .saving.seal import (
    REMEDY as REMEDY,
    check_part as check_part,
    check_there as check_there,
    read_configuration as read_configuration,
    write_configuration as write_configuration,
)
from .saving.swap import read_whole as read_whole, swapped as swapped, write_file as write_file
from .settings import facts_of as facts_of
from .trained import Forecaster as Forecaster
