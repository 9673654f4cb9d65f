"""The windows that an exported network reads, from the columns of a frame, in numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.data import BEFORE, carried, silent_encoders, with_marks

ENCODER_LENGTH, RELATIVE_TIME = "encoder_length", "relative_time_idx"
"""The variables that tell of a window itself."""

Arrays = dict[str, NDArray[Any]]
Columns = Mapping[str, NDArray[Any]]


@dataclass
class LabelCodes:
    """The code of each label of a column, as pytorch-forecasting's encoder has them."""

    classes_: dict[str, int]
    add_nan: bool
    warn: bool = False

    def codes_of(self, name: str, labels: NDArray[Any]) -> NDArray[np.int64]:
        """Return the code of each label; that of the unknown, 0, for others."""
        numbers, unique = pd.factorize(labels)
        lacking = [own for own in unique if own not in self.classes_]
        if lacking and not self.add_nan:
            raise ValueError(
                f"The model must know every label of {name!r}, but does not know {lacking[:3]}; "
                "drop these rows, or train a model with them."
            )
        codes = np.array([self.classes_.get(own, 0) for own in unique], dtype=np.int64)
        found: NDArray[np.int64] = codes[numbers]
        return found


@dataclass(frozen=True)
class ServedWindows:
    """What turns the columns of a frame into the inputs of one network.

    Attributes:
        parameters: Of the training dataset, as far as they say what is read.
        encoders: Of the categorical variables, by name.
        series: The code of each series of the training.
        reals: The real variables, in the order of the network.
        categoricals: The categorical variables, in the order of the network.
        scalers: Center and scale of the real variables that have them, by name.
        tables: Inputs that are known of each series, `(series, numbers)` in the order of the codes,
            and what a series that is new has.
    """

    parameters: dict[str, Any]
    encoders: dict[str, LabelCodes]
    series: dict[str, int]
    reals: list[str]
    categoricals: list[str]
    scalers: dict[str, tuple[float, float]]
    tables: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ServedWindows:
        """Return what `to_plain` gave."""
        return cls(
            parameters=dict(plain["parameters"]),
            encoders={
                str(name): LabelCodes(dict(own["codes"]), bool(own["has_unknown"]))
                for name, own in plain["encoders"].items()
            },
            series={str(label): int(code) for label, code in plain["series"]},
            reals=list(plain["reals"]),
            categoricals=list(plain["categoricals"]),
            scalers={str(name): (float(a), float(b)) for name, (a, b) in plain["scalers"].items()},
            tables={
                str(name): tuple(np.asarray(own, np.float32) for own in pair)  # type: ignore[misc]
                for name, pair in plain["tables"].items()
            },
        )

    def to_plain(self) -> dict[str, Any]:
        """Return the same as JSON has it."""
        return {
            "parameters": self.parameters,
            "encoders": {
                name: {"codes": own.classes_, "has_unknown": own.add_nan}
                for name, own in self.encoders.items()
            },
            "series": [list(pair) for pair in self.series.items()],
            "reals": self.reals,
            "categoricals": self.categoricals,
            "scalers": {name: list(pair) for name, pair in self.scalers.items()},
            "tables": {name: [own.tolist() for own in pair] for name, pair in self.tables.items()},
        }

    def order_of(self, labels: NDArray[np.object_]) -> NDArray[np.int64]:
        """Return the numbers of series in the order of their codes, new ones behind the others."""
        new = sorted({own for own in labels if own not in self.series})
        behind = {own: len(self.series) + number for number, own in enumerate(new)}
        codes = {**self.series, **behind}
        return np.argsort([codes[own] for own in labels], kind="stable")

    def inputs(self, columns: Columns, parameters: dict[str, Any], order: NDArray[Any]) -> Arrays:
        """Return the inputs of the network, a window of each series, by name.

        Args:
            columns: As `columns_ahead` gives them, one series after the other.
            parameters: Those that it gives.
            order: Of the windows.
        """
        group, target = parameters["group_ids"][0], parameters["target"]
        named = {name: [name] for name in self.categoricals}
        # What is unknown is said here; codes are looked up below.
        silent_encoders(self.encoders, columns, named, parameters["group_ids"])
        if method := parameters.get("allow_missing_targets"):
            frame, _ = with_marks(pd.DataFrame(columns), parameters, method)
            columns = {str(name): own.to_numpy() for name, own in frame.items()}
        labels = columns[group]
        first = np.flatnonzero(np.append(True, labels[1:] != labels[:-1]))
        sizes = np.diff(np.append(first, len(labels)))
        steps = parameters["max_prediction_length"]
        codes = np.repeat(np.arange(len(first)), sizes)
        values, missing = _filled_target(columns, target)
        rows: Arrays = {
            "cat": self._coded(columns, len(labels)),
            "cont": self._scaled(columns, codes),
            "target": values,
            "missing": missing,
        }
        begin, length = first[order], sizes[order] - steps
        arrays = _taken(rows, begin, length, self.parameters["max_encoder_length"], "encoder")
        ahead = _taken(
            {name: rows[name] for name in ("cat", "cont")},
            begin + length,
            np.full_like(length, steps),
            self.parameters["max_prediction_length"],
            "decoder",
        )
        place = np.arange(self.parameters["max_encoder_length"]) - length[:, None]
        self._write_positions(arrays["encoder_cont"], length, np.where(place < 0, place, np.nan))
        place = np.arange(self.parameters["max_prediction_length"])[None]
        self._write_positions(ahead["decoder_cont"], length, place)
        own = [self.series.get(label, -1) for label in labels[begin]]
        return {
            **arrays,
            **ahead,
            "encoder_lengths": length.astype(np.int64),
            **{name: self._known(name, own) for name in self.tables},
        }

    def _known(self, name: str, codes: list[int]) -> NDArray[np.float32]:
        """Return the numbers of a table for some series, `(windows, numbers)`; -1 is a new one."""
        known, unknown = self.tables[name]
        place = {code: number for number, code in enumerate(self.series.values())}
        return np.stack([known[place[own]] if own >= 0 else unknown for own in codes])

    def _coded(self, columns: Columns, count: int) -> NDArray[np.int64]:
        """Return the codes of the categorical variables of all rows, `(rows, variables)`."""
        table = np.zeros((count, len(self.categoricals)), dtype=np.int64)
        for number, name in enumerate(self.categoricals):
            table[:, number] = self.encoders[name].codes_of(name, columns[name])
        return table

    def _scaled(self, columns: Columns, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the real variables of all rows, scaled, but for those that the window decides."""
        table = np.zeros((len(codes), len(self.reals)))
        for number, name in enumerate(self.reals):
            if name in (ENCODER_LENGTH, RELATIVE_TIME, self.parameters["target"]):
                continue
            center, scale = self.scalers.get(name, (0.0, 1.0))
            table[:, number] = (np.asarray(columns[name], np.float64) - center) / scale
        for column in np.flatnonzero(np.isnan(table).any(0)):
            # Where nothing comes before, the mean of what is scaled.
            table[:, column] = np.nan_to_num(carried(table[:, column], codes), nan=0.0)
        return table.astype(np.float32)

    def _write_positions(
        self, reals: NDArray[np.float32], length: NDArray[Any], place: NDArray[Any]
    ) -> None:
        """Write the variables that tell where a step lies, and how much its window looks back.

        `place` are time steps since the first one ahead, not a number in the padding.
        """
        longest = self.parameters["max_encoder_length"]
        share = (length[:, None] - 0.5 * longest) / longest * 2.0
        for name, values in ((RELATIVE_TIME, place / longest), (ENCODER_LENGTH, share + 0 * place)):
            if name in self.reals:
                reals[..., self.reals.index(name)] = np.nan_to_num(values, nan=0.0)


def _filled_target(columns: Columns, name: str) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the target of all rows, the last known one where it is missing, and where that is."""
    values = np.asarray(columns[name], np.float32)
    missing = np.isnan(values)
    if not missing.any():
        return values, missing
    before = np.asarray(columns[f"{BEFORE}{name}"], np.float32)
    return np.where(missing, before, values), missing


def _taken(
    rows: Arrays, first: NDArray[Any], length: NDArray[Any], steps: int, side: str
) -> Arrays:
    """Return the rows of windows that begin somewhere, padded with zeros, `(windows, steps, ...)`.

    The names get that of their side in front.
    """
    step = np.arange(steps)
    is_inside = step < length[:, None]
    place = np.where(is_inside, first[:, None] + step, first[:, None])
    taken = {}
    for name, values in rows.items():
        shape = (*is_inside.shape, *(1,) * (values.ndim - 1))
        zero = np.zeros((), dtype=values.dtype)
        taken[f"{side}_{name}"] = np.where(is_inside.reshape(shape), values[place], zero)
    return taken
