"""Embeddings whose modules are named after the columns of a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytorch_forecasting.models.nn import MultiEmbedding
from torch import nn

TAKEN = nn.ModuleDict()
"""Its attributes are names that torch gives no module."""
SUFFIX = "_column"


class ColumnEmbeddings(MultiEmbedding):
    """Embeddings of categorical variables, whatever the columns are called.

    pytorch-forecasting names modules after columns, and torch refuses `type`, `items`, `keys`, ...
    The arguments are those of `MultiEmbedding`, by column; its names are those of `module_name`.
    """

    def __init__(
        self,
        embedding_sizes: Mapping[str, tuple[int, int]],
        x_categoricals: Sequence[str],
        categorical_groups: Mapping[str, Sequence[str]],
        embedding_paddings: Sequence[str],
    ) -> None:
        super().__init__(
            {module_name(name): size for name, size in embedding_sizes.items()},
            x_categoricals=[module_name(name) for name in x_categoricals],
            categorical_groups={
                module_name(name): [module_name(column) for column in columns]
                for name, columns in categorical_groups.items()
            },
            embedding_paddings=[module_name(name) for name in embedding_paddings],
        )


def module_name(column: str) -> str:
    """Return the column's name, or one that no other column has where torch does not take it.

    Example:
        >>> module_name("price"), module_name("type"), module_name("type_column")
        ('price', 'type_column', 'type_column_column')
    """
    base = column
    while base.endswith(SUFFIX):
        base = base.removesuffix(SUFFIX)
    return f"{column}{SUFFIX}" if not base or hasattr(TAKEN, base) else column
