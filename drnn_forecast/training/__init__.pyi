from .fitting import FitResult as FitResult, check_settings as check_settings, fit as fit
from .tuning.space import SearchSpace as SearchSpace, seasonal_dilations as seasonal_dilations
from .tuning.tuner import tune as tune
