"""From a batch of pytorch-forecasting to the features that a network reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_forecasting.models.nn import MultiEmbedding
from torch import Tensor, nn

from drnn_forecast.model.embeddings import module_name


class FeatureReader(nn.Module):
    """Picks the real variables of one period and embeds its categorical ones.

    Args:
        embeddings: Of all categorical variables, shared by the readers of a model.
        reals: Names of the real variables to read.
        categoricals: Names of the categorical variables, or of groups of them, to read.
        x_reals: Order of the real variables in a batch.
    """

    chosen: Tensor

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
        self.categoricals = tuple(map(module_name, dict.fromkeys(categoricals)))
        self.positions = [list(x_reals).index(name) for name in reals]
        # A list would be copied to the device with every batch.
        self.register_buffer("chosen", torch.tensor(self.positions, dtype=torch.long), False)
        sizes = embeddings.output_size
        self.size = len(self.positions) + sum(sizes[name] for name in self.categoricals)

    @classmethod
    def of(cls, model: Any, period: str) -> FeatureReader:
        """Return the reader of what a model knows in one period, `"encoder"` or `"decoder"`."""
        parts, groups = model.hparams, model.categorical_groups_mapping
        names = [*parts.static_categoricals, *parts[f"time_varying_categoricals_{period}"]]
        return cls(
            model.embeddings,
            reals=[*parts.static_reals, *parts[f"time_varying_reals_{period}"]],
            categoricals=[groups.get(name, name) for name in names],
            x_reals=parts.x_reals,
        )

    def forward(self, cat: Tensor, cont: Tensor) -> Tensor:
        """Return the features side by side, `(..., size)`.

        Args:
            cat: Codes of the categorical variables, `(..., categoricals)`.
            cont: Scaled real variables, `(..., reals)`.
        """
        parts = [cont.index_select(-1, self.chosen)]
        if self.categoricals:
            embedded = self.embeddings(cat)
            parts += [embedded[name] for name in self.categoricals]
        return torch.cat(parts, dim=-1)


def last_steps(
    cat: Tensor, cont: Tensor, lengths: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the last `count` valid steps of each row, right-padded, and how many there are."""
    # Windows differ in length, so each row is cut at its own end.
    start = (lengths - count).clamp(min=0).unsqueeze(1)
    steps = start + torch.arange(count, device=lengths.device)
    rows = torch.arange(lengths.shape[0], device=lengths.device).unsqueeze(1)
    return cat[rows, steps], cont[rows, steps], lengths.clamp(max=count)


def whole_segments(output: Tensor, lengths: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return each row with zeros before its first step, and its number of whole segments.

    Segments count from the end of a row, so that the last valid step ends the last segment: only
    the first segment may lack steps, which are zero.

    Args:
        output: `(time, batch, features)`, padded on the right.
        lengths: Valid time steps, `(batch,)`.
        length: Time steps of a segment.

    Returns:
        `(segments * length, batch, features)`, padded on the right, and the segments `(batch,)`.
    """
    total = -(-len(output) // length) * length
    counts = -(-lengths // length)
    if not total:
        return output, counts
    step = torch.arange(total, device=lengths.device).unsqueeze(1) - (counts * length - lengths)
    is_valid = ((step >= 0) & (step < lengths)).unsqueeze(-1)
    index = step.clamp(0, len(output) - 1).unsqueeze(-1).expand(-1, -1, output.shape[-1])
    return torch.where(is_valid, output.gather(0, index), 0.0), counts


def steps_before(output: Tensor, lengths: Tensor, count: int) -> Tensor:
    """Return each row's last `count` valid steps, oldest first, `(count, batch, features)`.

    Args:
        output: `(time, batch, features)`, padded on the right.
        lengths: Valid time steps, `(batch,)`; what lies before the first step is zero.
        count: Time steps.
    """
    steps = lengths + torch.arange(-count, 0, device=lengths.device).unsqueeze(1)
    if not len(output):
        return output.new_zeros(count, *output.shape[1:])
    index = steps.clamp(min=0).unsqueeze(-1).expand(-1, -1, output.shape[-1])
    return torch.where((steps >= 0).unsqueeze(-1), output.gather(0, index), 0.0)
