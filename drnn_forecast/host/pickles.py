"""What pickles name beside the classes of the objects that they hold."""

PICKLED_PARTS = (
    "pytorch_forecasting.metrics.base_metrics._base_metrics.TorchMetricWrapper",
    "pytorch_forecasting.metrics.base_metrics.TorchMetricWrapper",
    "torchmetrics.metric.jit_distributed_available",
    *(f"torchmetrics.utilities.data.dim_zero_{name}" for name in ("cat", "max", "mean", "min")),
    "torchmetrics.utilities.data.dim_zero_sum",
    *(f"numpy.{core}.multiarray._reconstruct" for core in ("_core", "core")),
    *(f"numpy.{core}.multiarray.scalar" for core in ("_core", "core")),
    "pandas._libs.internals._unpickle_block",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
    "pandas.core.indexes.base._new_Index",
    "pandas.core.internals.managers.BlockManager",
    "pandas.arrays.ArrowStringArray",
    "pandas.core.arrays.string_arrow.ArrowStringArray",
    "pandas.core.arrays.string_.StringArray",
    *(f"pyarrow.lib.{name}" for name in ("_restore_array", "py_buffer", "type_for_alias")),
)
"""Functions and private classes of hosts, in old and new versions, by which the objects in a
checkpoint of ours are made of their parts."""
