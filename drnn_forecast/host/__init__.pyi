from .optuna import (
    lock_from_the_start as lock_from_the_start,
    quiet_optuna as quiet_optuna,
    retried_trial as retried_trial,
    retry_once as retry_once,
)
from .quiet import quiet_lightning as quiet_lightning
from .randomness import isolated_randomness as isolated_randomness
