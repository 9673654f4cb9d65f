from .datasets import (
    TIME_COLUMN as TIME_COLUMN,
    Columns as Columns,
    HostDataset as HostDataset,
    Tensors as Tensors,
)
from .launching import (
    is_first_process as is_first_process,
    launched_processes as launched_processes,
)
from .metrics import (
    add_losses as add_losses,
    as_forecast_metric as as_forecast_metric,
    is_torchmetric as is_torchmetric,
    register_summands as register_summands,
    summand_weights as summand_weights,
    summands as summands,
    tell_transformation as tell_transformation,
    transformation_of as transformation_of,
    without_validation as without_validation,
)
from .models import (
    PackageContainer as PackageContainer,
    PreciseLoss as PreciseLoss,
    PredictionCallback as PredictionCallback,
    interrupts_held_back as interrupts_held_back,
    special_hyperparameters as special_hyperparameters,
    suite_frame as suite_frame,
    suite_loaders as suite_loaders,
    with_part as with_part,
)
from .modules import view_of as view_of
from .normalizers import (
    added_to_scales as added_to_scales,
    before_transformation as before_transformation,
    groups_of as groups_of,
    quantile_fractions as quantile_fractions,
    reach as reach,
    scales_by_series as scales_by_series,
    without_empty_scales as without_empty_scales,
)
from .optuna import (
    lock_from_the_start as lock_from_the_start,
    quiet_optuna as quiet_optuna,
    retried_trial as retried_trial,
    retry_once as retry_once,
)
from .parsing import importing_nothing as importing_nothing
from .pickles import PICKLED_PARTS as PICKLED_PARTS
from .quiet import one_at_a_time as one_at_a_time, quiet_lightning as quiet_lightning
from .randomness import (
    isolated_randomness as isolated_randomness,
    random_state as random_state,
    seed_draws as seed_draws,
    set_random_state as set_random_state,
)
from .training import (
    NEVER as NEVER,
    ErrorBar as ErrorBar,
    callbacks_of as callbacks_of,
    comes_back as comes_back,
    drop_schedules as drop_schedules,
    interrupts_returned as interrupts_returned,
    keep_inputs as keep_inputs,
    own_hyperparameters as own_hyperparameters,
    rows_of_batch as rows_of_batch,
    set_max_steps as set_max_steps,
    set_step as set_step,
    show_steps as show_steps,
    validate_next as validate_next,
    validate_now as validate_now,
    wrap_checkpoints as wrap_checkpoints,
)
