"""Ensembles: several forecasters that predict, forecast, save and load like one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pytorch_forecasting.metrics import CrossEntropy
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler

from drnn_forecast.data import ForecastData, in_form, without_form
from drnn_forecast.model.card import card_of_several
from drnn_forecast.model.collection import WindowData
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from drnn_forecast.model.losses import leading, levels_of, losses_of_targets
from drnn_forecast.model.prediction import forecast_columns, roles_of
from drnn_forecast.model.saving.folder import (
    CONFIGURATION as MEMBER,
    content_of,
    own_place,
    write_model,
)
from drnn_forecast.model.saving.hub import at_hand
from drnn_forecast.model.saving.seal import (
    REMEDY,
    check_part,
    check_there,
    read_configuration,
    write_configuration,
)
from drnn_forecast.model.saving.swap import read_whole
from drnn_forecast.model.trained import AskedModel, Origin

CONFIGURATION = "ensemble.json"
MOST_MEMBERS = 1_000
AVERAGES: dict[str, Callable[..., NDArray[Any]]] = {"mean": np.mean, "median": np.median}
MODES = ("prediction", "quantiles", "samples")


@dataclass(frozen=True)
class Ensemble(AskedModel):
    """Forecasters whose forecasts are averaged, in target units.

    Members differ in their seeds, in the moment of training that they are of, or in their
    architecture. `fit(..., snapshots=3).snapshots` are members of one training run.

    Attributes:
        members: Trained models of the same horizon, targets, variables, quantiles and roles.
        average: `"mean"` or `"median"`, over members, of each quantile level by itself.

    Raises:
        ValueError: There is no member, two differ in what they forecast, a target is categorical,
            or there is no such average.
        TypeError: A member is no `DilatedRNNForecaster`.
    """

    members: Sequence[DilatedRNNForecaster]
    average: str = "mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        if self.average not in AVERAGES:
            raise ValueError(f"`average` must be 'mean' or 'median', got {self.average!r}.")
        _check_members(self.members)

    def predict(
        self, data: WindowData, mode: str = "prediction", *, n_samples: int = 100, **options: Any
    ) -> Any:
        """Return forecasts of windows, as `DilatedRNNForecaster.predict` does.

        Args:
            data: A dataset, its loader in the order of the dataset, or a frame.
            mode: `"prediction"` `(windows, steps)` and `"quantiles"` `(windows, steps, quantiles)`
                are averages; `"samples"` `(windows, steps, n_samples)` are drawn from the members
                in turn, so that they show how far the members disagree too.
            n_samples: Draws per window, at least one of each member.
            **options: Of `DilatedRNNForecaster.predict`, such as `return_index`, but for
                `output_dir`.

        Raises:
            ValueError: There is no such mode, or an argument is refused by the members.
        """
        if mode not in MODES:
            raise ValueError(f"`mode` of an ensemble must be one of {MODES}, got {mode!r}.")
        if options.get("output_dir") is not None:
            raise ValueError("`output_dir` must be None: an ensemble keeps what it predicts.")
        _check_order(data)
        shares = self._draws(n_samples) if mode == "samples" else [n_samples] * len(self.members)
        first, *others = self.members
        answer = first.predict(data, mode, n_samples=shares[0], **options)
        options = {name: o for name, o in options.items() if not name.startswith("return_")}
        outputs = [
            member.predict(data, mode, n_samples=share, **options)
            for member, share in zip(others, shares[1:], strict=True)
        ]
        is_bare = isinstance(answer, Tensor) or type(answer) is list
        outputs.insert(0, answer if is_bare else answer.output)
        joined = self._joined(outputs, mode)
        return joined if is_bare else answer._replace(output=joined)

    def forecast(
        self,
        data: pd.DataFrame | ForecastData,
        *,
        future: pd.DataFrame | None = None,
        horizon: int | None = None,
        origin: Origin | None = None,
    ) -> pd.DataFrame:
        """Return the average forecast of every series: see `prediction.forecast`."""
        options: dict[str, Any] = {"future": future, "horizon": horizon, "origin": origin}
        plain = without_form(data)
        frames = [member.forecast(plain, **options) for member in self.members]
        roles, ends = roles_of(self.members[0]), tuple(forecast_columns(self.members[0]))
        keys = [] if roles is None else list(roles.keys)
        columns = [name for name in frames[0] if name.endswith(ends) and name not in keys]
        values = self._averaged([part[columns].to_numpy() for part in frames])
        averaged = frames[0].assign(**dict(zip(columns, values.T, strict=True)))
        return in_form(averaged, data, [name for name in averaged if name not in columns], roles)

    def card(self) -> str:
        """Return a page of Markdown on all members, the first of them in full."""
        return card_of_several(self.members, self.average)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the ensemble as `save_pretrained` does."""
        return self.save_pretrained(folder)

    def save_pretrained(self, folder: str | PathLike[str]) -> Path:
        """Write every member without pickle into a folder of its own, and return the folder.

        Args:
            folder: Made where it does not exist; its parent has to exist.

        Raises:
            ValueError: A part of a member cannot be written without pickle.
            FileNotFoundError: The parent of the folder does not exist.
        """
        contents = [content_of(member) for member in self.members]
        with own_place(folder, self.card()) as place:
            written: dict[str, bytes] = {}
            for number, (member, content) in enumerate(zip(self.members, contents, strict=True)):
                own = place / _member_folder(number)
                own.mkdir()
                write_model(member, content, own)
                written[_member_folder(number)] = (own / MEMBER).read_bytes()
            parts = {"class": type(self).__name__, "average": self.average, "members": len(written)}
            write_configuration(place / CONFIGURATION, parts, written)
        return Path(folder)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> Ensemble:
        """Return the ensemble that `save_pretrained` wrote, here or on the Hub (`at_hand`).

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is damaged, of another class, or of a later version.
        """
        return read_whole(at_hand(folder, revision=revision, token=token), cls._read)

    @classmethod
    def _read(cls, folder: Path) -> Ensemble:
        """Return the ensemble in a folder."""
        content = read_configuration(folder / CONFIGURATION, cls.__name__)
        count = content.get("members")
        if type(count) is not int or not 1 <= count <= MOST_MEMBERS:
            raise ValueError(
                f"{str(folder / CONFIGURATION)!r} is damaged: `members` must be a number from 1 to "
                f"{MOST_MEMBERS}, got {str(count)[:40]}. {REMEDY}"
            )
        members = []
        for name in map(_member_folder, range(count)):
            check_there(folder / name / MEMBER, cls.__name__)
            part = (folder / name / MEMBER).read_bytes()
            check_part(folder / name / MEMBER, name, part, content)
            members.append(DilatedRNNForecaster.from_pretrained(folder / name))
        return cls(members, average=content.get("average", ""))

    @property
    def hparams(self) -> Any:
        """The hyperparameters of the first member; roles and horizon are those of all."""
        return self.members[0].hparams

    def _draws(self, n_samples: int) -> list[int]:
        """Return how many samples each member draws, as equal as can be."""
        size = len(self.members)
        if n_samples < size:
            raise ValueError(
                f"`n_samples` must be at least {size}, one of each member, got {n_samples}."
            )
        return [n_samples // size + (number < n_samples % size) for number in range(size)]

    def _joined(self, outputs: list[Any], mode: str) -> Any:
        """Return the members' outputs as one, for several targets a list."""
        if isinstance(outputs[0], list):
            return [self._joined(list(parts), mode) for parts in zip(*outputs, strict=True)]
        if mode == "samples":
            return torch.cat(outputs, dim=-1)
        return torch.from_numpy(self._averaged([output.numpy() for output in outputs]))

    def _voices(self) -> tuple[Sequence[Any], Callable[..., NDArray[Any]]]:
        return self.members, AVERAGES[self.average]

    def _averaged(self, values: list[NDArray[Any]]) -> NDArray[Any]:
        """Return the average over members, of the same shape and type."""
        average: NDArray[Any] = AVERAGES[self.average](np.stack(values), axis=0)
        return average.astype(values[0].dtype)


def _check_members(members: Sequence[Any]) -> None:
    """Refuse members whose forecasts cannot be averaged."""
    if not members:
        raise ValueError("`members` must hold at least one forecaster, got none.")
    for member in members:
        if not isinstance(member, DilatedRNNForecaster):
            raise TypeError(
                f"`members` must be DilatedRNNForecasters, got a {type(member).__name__}."
            )
    expected = _forecasts_of(members[0])
    for number, member in enumerate(members):
        for kind, found in _forecasts_of(member).items():
            if found != expected[kind]:
                raise ValueError(
                    f"`members` must have the same {kind}, got {expected[kind]} in the first and "
                    f"{found} in number {number + 1}. Train them on the same dataset, with the "
                    "same loss and roles."
                )
    if any(isinstance(leading(loss), CrossEntropy) for loss in losses_of_targets(members[0].loss)):
        raise ValueError("`members` must forecast numbers: classes (CrossEntropy) have no average.")


def _forecasts_of(member: DilatedRNNForecaster) -> dict[str, Any]:
    """Return what has to be equal in all members, by what it is."""
    parts = member.hparams
    return {
        "horizon": parts.max_prediction_length,
        "targets": list(member.target_names),
        "variables": [*parts.x_reals, *parts.x_categoricals],
        "quantiles": [levels_of(loss) for loss in losses_of_targets(member.loss)],
        "roles": None if parts.roles is None else dict(parts.roles),
    }


def _check_order(data: WindowData) -> None:
    """Refuse a loader that would show every member the windows in another order."""
    if not isinstance(data, DataLoader):
        return
    sampler = getattr(data.batch_sampler, "sampler", data.sampler)
    if not isinstance(sampler, SequentialSampler):
        raise ValueError(
            "`data` must give every member the same windows in the same order, got a loader with "
            f"a {type(sampler).__name__}. Pass the dataset, or `to_dataloader(train=False)`."
        )


def _member_folder(number: int) -> str:
    """Return the folder of a member inside that of the ensemble."""
    return f"member-{number}"
