from .datasets import (
    TIME_COLUMN as TIME_COLUMN,
    Columns as Columns,
    HostDataset as HostDataset,
    Tensors as Tensors,
)
from .normalizers import (
    quantile_fractions as quantile_fractions,
    scales_by_series as scales_by_series,
)
from .quiet import quiet_lightning as quiet_lightning
from .randomness import isolated_randomness as isolated_randomness
