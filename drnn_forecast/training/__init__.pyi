from .drifting import Drift as Drift, drift as drift
from .fitting import FitResult as FitResult, check_settings as check_settings, fit as fit
from .running import train as train
from .seeds import checked_seeds as checked_seeds
from .tuning.space import (
    Range as Range,
    SearchSpace as SearchSpace,
    seasonal_dilations as seasonal_dilations,
)
from .tuning.tuner import tune as tune
from .updating import UpdateReport as UpdateReport, update as update
