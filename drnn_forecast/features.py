"""From a batch of pytorch-forecasting to the features that a network reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pytorch_forecasting.models.nn import MultiEmbedding
from torch import Tensor, nn


class FeatureReader(nn.Module):
    """Picks the real variables of one period and embeds its categorical ones.

    Args:
        embeddings: Of all categorical variables, shared by the readers of a model.
        reals: Names of the real variables to read.
        categoricals: Names of the categorical variables, or of groups of them, to read.
        x_reals: Order of the real variables in a batch.
    """

    def __init__(
        self,
        embeddings: MultiEmbedding,
        *,
        reals: Sequence[str],
        categoricals: Sequence[str],
        x_reals: Sequence[str],
    ) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.categoricals = tuple(dict.fromkeys(categoricals))
        self.positions = [list(x_reals).index(name) for name in reals]
        sizes = embeddings.output_size
        self.size = len(self.positions) + sum(sizes[name] for name in self.categoricals)

    def forward(self, cat: Tensor, cont: Tensor) -> Tensor:
        """Return the features side by side, `(..., size)`.

        Args:
            cat: Codes of the categorical variables, `(..., categoricals)`.
            cont: Scaled real variables, `(..., reals)`.
        """
        parts = [cont[..., self.positions]]
        if self.categoricals:
            embedded = self.embeddings(cat)
            parts += [embedded[name] for name in self.categoricals]
        return torch.cat(parts, dim=-1)
