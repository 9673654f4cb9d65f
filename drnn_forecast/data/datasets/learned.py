"""Encoders and scalers that are fitted to some rows of a dataset after others."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pandas as pd
from pytorch_forecasting import EncoderNormalizer
from sklearn.preprocessing import StandardScaler


class LearnedInParts:
    """Encoders and scalers that learn from some rows at a time, as from all at once.

    Args:
        parameters: Of a dataset, with encoders and scalers that are not fitted.
        target: Its column, which has no scaler.
    """

    def __init__(self, parameters: dict[str, Any], target: str) -> None:
        self.parameters = parameters
        encoders = parameters["categorical_encoders"]
        self.labels: dict[str, set[str]] = {
            name: set() for name, each in encoders.items() if not hasattr(each, "classes_")
        }
        given = parameters["scalers"]
        names = [
            name
            for kind, names in parameters.items()
            if kind.endswith("_reals")
            for name in names
            if name != target and given.get(name, ...) is not None
        ]
        self.scalers = {name: deepcopy(given.get(name)) or StandardScaler() for name in names}

    def learn(self, rows: pd.DataFrame) -> None:
        """Learn from the training rows of some series."""
        if rows.empty:
            return
        for name, labels in self.labels.items():
            labels.update(rows[name].unique())
        for name, scaler in self.scalers.items():
            scaler.partial_fit(rows[[name]])

    def fitted(self) -> dict[str, Any]:
        """Return the parameters with what was learned."""
        encoders = dict(self.parameters["categorical_encoders"])
        for name, labels in self.labels.items():
            values = pd.Series(sorted(labels), dtype=object)
            encoders[name] = deepcopy(encoders[name]).fit(values)
        scalers = {**self.parameters["scalers"], **self.scalers}
        return {**self.parameters, "categorical_encoders": encoders, "scalers": scalers}


def check_streamable(parameters: dict[str, Any]) -> None:
    """Refuse options of a dataset that need all rows at once."""
    remedy = "Leave it out, or train on a frame that fits into memory."
    if not isinstance(parameters["target_normalizer"], EncoderNormalizer):
        raise ValueError(
            "`target_normalizer` must be an `EncoderNormalizer` where a dataset is read in parts, "
            f"got {type(parameters['target_normalizer']).__name__}. {remedy}"
        )
    for name in ("add_target_scales", "variable_groups"):
        if parameters.get(name):
            raise ValueError(f"`{name}` needs all rows of a dataset at once. {remedy}")
    for name, scaler in parameters["scalers"].items():
        if scaler is not None and not hasattr(scaler, "partial_fit"):
            raise ValueError(
                f"The scaler of {name!r} must learn in parts, as `StandardScaler` does, got "
                f"{type(scaler).__name__}, which needs all rows of a dataset at once. {remedy}"
            )
