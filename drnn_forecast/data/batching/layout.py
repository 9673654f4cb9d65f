"""What is done to the columns of every batch, read off a dataset once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytorch_forecasting.data.encoders import EncoderNormalizer


@dataclass(frozen=True)
class TargetColumns:
    """A target that an `EncoderNormalizer` scales, and where it stands among the reals."""

    number: int
    name: str
    normalizer: EncoderNormalizer
    value: int | None  # column of the scaled target; None if it is no input
    has_scales: bool  # whether center and scale are inputs as well


@dataclass(frozen=True)
class Layout:
    """The columns among the reals that depend on the window; None for those a dataset lacks.

    `covariates` and `lagged` are pairs of a column and its normaliser.
    """

    real: dict[str, int]
    categorical: dict[str, int]
    time_idx: int | None
    relative_time_idx: int | None
    encoder_length: int | None
    targets: list[TargetColumns]
    covariates: list[tuple[int, EncoderNormalizer]]
    lagged: list[tuple[int, EncoderNormalizer]]

    @property
    def normalizers(self) -> list[EncoderNormalizer]:
        """Every normaliser that is fitted on the window."""
        pairs = (*self.covariates, *self.lagged)
        return [*(target.normalizer for target in self.targets), *(own for _, own in pairs)]

    @classmethod
    def from_dataset(cls, dataset: Any) -> Layout:
        """Return the layout of a `TimeSeriesDataSet`."""
        real = {name: column for column, name in enumerate(dataset.reals)}
        names = dataset.flat_categoricals
        transformers = {name: dataset.get_transformer(name) for name in real}
        fitted = {
            name: transformer
            for name, transformer in transformers.items()
            if isinstance(transformer, EncoderNormalizer) and name not in dataset.target_names
        }
        is_lagged = dataset.lagged_variables
        return cls(
            real=real,
            categorical={name: column for column, name in enumerate(names)},
            time_idx=real.get(dataset.time_idx),
            relative_time_idx=real["relative_time_idx"] if dataset.add_relative_time_idx else None,
            encoder_length=real["encoder_length"] if dataset.add_encoder_length else None,
            targets=_target_columns(dataset, real),
            covariates=[(real[name], fitted[name]) for name in fitted if name not in is_lagged],
            lagged=[(real[name], fitted[name]) for name in fitted if name in is_lagged],
        )


def _target_columns(dataset: Any, real: dict[str, int]) -> list[TargetColumns]:
    pairs = zip(dataset.target_names, dataset.target_normalizers, strict=True)
    return [
        TargetColumns(
            number=number,
            name=name,
            normalizer=normalizer,
            value=real.get(name),
            has_scales=dataset.add_target_scales,
        )
        for number, (name, normalizer) in enumerate(pairs)
        if isinstance(normalizer, EncoderNormalizer)
    ]
