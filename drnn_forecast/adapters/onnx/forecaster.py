"""Forecasts from a folder with networks as ONNX; neither torch nor the host is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drnn_forecast.adapters.onnx.windows import Arrays, ServedWindows
from drnn_forecast.data import (
    ForecastData,
    Roles,
    as_pandas,
    columns_ahead,
    in_form,
    rows_ahead,
    within_horizon,
)
from drnn_forecast.model import (
    REMEDY,
    check_part,
    check_there,
    read_configuration,
    read_whole,
    warn_beyond,
)

CONFIGURATION = "onnx.json"
PACKAGES = ("drnn-forecast", "numpy", "pandas")
"""On whose versions a forecast depends."""
BATCH_SIZE = 256
LARGEST_NETWORK: Final = 2**31
"""Bytes of a network, which is as much as ONNX has in one file."""
LARGEST_LENGTH: Final = 10_000_000
"""Time steps that a window may have."""
AVERAGES: dict[str, Any] = {"mean": np.mean, "median": np.median}


class OnnxForecaster:
    """A trained model, or the members of an ensemble, that forecast by `onnxruntime`.

    Made by `load`. It may be asked from several threads.

    Attributes:
        hparams: `roles`, `max_prediction_length`, and the bounds `lower` and `upper`.
        columns: What a forecast has for every row, after series and time.
    """

    def __init__(self, content: dict[str, Any], networks: Sequence[bytes]) -> None:
        self.hparams: dict[str, Any] = dict(content["hyperparameters"])
        self.columns: list[str] = [str(name) for name in content["columns"]]
        self._average = AVERAGES[content["average"]]
        self._windows = [ServedWindows.from_plain(each) for each in content["windows"]]
        self._sessions = [session_of(network) for network in networks]
        for windows, session in zip(self._windows, self._sessions, strict=True):
            _check_shapes(windows, session)

    @classmethod
    def from_folder(cls, folder: str | PathLike[str]) -> OnnxForecaster:
        """Return the forecaster that `export_folder` wrote; no code of the folder runs.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is damaged, or of a later version.
            ImportError: `onnxruntime` is not installed.
        """
        return read_whole(folder, cls._read)

    @classmethod
    def _read(cls, folder: Path) -> OnnxForecaster:
        """Return the forecaster in a folder."""
        content = read_configuration(folder / CONFIGURATION, cls.__name__, PACKAGES)
        networks = []
        for name in map(network_name, range(len(content["files"]))):
            path = folder / name
            check_there(path, cls.__name__)
            if path.stat().st_size > LARGEST_NETWORK:
                raise ValueError(f"{str(path)!r} is damaged: it is too large. {REMEDY}")
            networks.append(path.read_bytes())
            check_part(path, name, networks[-1], content)
        try:
            return cls(content, networks)
        except (ImportError, OSError):
            raise
        except Exception as error:
            said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise ValueError(
                f"{str(folder / CONFIGURATION)!r} and its networks are damaged or do not belong "
                f"together: {said[:300]}. {REMEDY}"
            ) from error

    @property
    def target_names(self) -> list[str]:
        """The names of the targets of the networks: one."""
        return [str(self._windows[0].parameters["target"])]

    def forecast(
        self,
        data: pd.DataFrame | ForecastData,
        *,
        future: pd.DataFrame | None = None,
        horizon: int | None = None,
        origin: pd.Timestamp | str | int | None = None,
    ) -> pd.DataFrame:
        """Return the forecast of every series, as the model that was exported gives it.

        Args:
            data: History. In a tidy frame, rows after a series' last target are future rows.
            future: Future rows: series, time and the covariates known ahead.
            horizon: Time steps, at most those that the model was trained for; None: as many.
            origin: The time of the first forecast, of the rows from which on only covariates known
                ahead are read; None: the step after the end of every series.

        Raises:
            ValueError: `horizon` or `origin` is out of range, or the frame is refused.
            TypeError: A column has the wrong type.
        """
        data, future = as_pandas(data), as_pandas(future)
        roles = Roles.from_dict(self.hparams["roles"])
        steps = within_horizon(self._windows[0].parameters, horizon)["max_prediction_length"]
        panel, later = rows_ahead(data, roles, future=future, origin=origin)
        order = self._windows[0].order_of(panel.labels)
        outputs, targets = [], []
        for windows, session in zip(self._windows, self._sessions, strict=True):
            parameters = within_horizon(windows.parameters, steps)
            panel, columns, parameters = columns_ahead(panel, later, parameters)
            inputs = windows.inputs(columns, parameters, order)
            targets.append(_read_targets(inputs))
            outputs.append(_outputs_of(session, inputs)[:, :steps])
        warn_beyond(self, [np.concatenate(targets)], is_fixed=True)
        values = outputs[0]
        if len(outputs) > 1:
            values = self._average(np.stack(outputs), axis=0).astype(np.float32)
        first = panel.positions[panel.last_rows][order] + 1
        positions = (first[:, None] + np.arange(steps)).ravel()
        keys = panel.keys_of(np.repeat(order, steps))
        rows = {**keys, roles.time: panel.times_at(positions)}
        named = zip(self.columns, values.reshape(-1, len(self.columns)).T, strict=True)
        return in_form(pd.DataFrame({**rows, **dict(named)}), data, list(rows), roles)


load = OnnxForecaster.from_folder
"""Return the forecaster that `export_folder` wrote: as for other models, this is to load it."""


def network_name(number: int) -> str:
    """Return the file of a network: of the only or the first member, 0, and of the others."""
    return f"network-{number + 1}.onnx" if number else "network.onnx"


def session_of(network: bytes) -> Any:
    """Return what runs a network, on the CPU.

    Raises:
        ImportError: `onnxruntime` is not installed.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(
            "Forecasts from ONNX need one more package; install it with `pip install onnxruntime`."
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _outputs_of(session: Any, inputs: Arrays) -> NDArray[np.float32]:
    """Return the outputs of a network, `(windows, steps, columns)`."""
    names = [own.name for own in session.get_inputs()]
    count = len(inputs["encoder_lengths"])
    parts = [
        session.run(None, {name: inputs[name][start : start + BATCH_SIZE] for name in names})[0]
        for start in range(0, count, BATCH_SIZE)
    ]
    return np.concatenate(parts)


def _read_targets(inputs: Arrays) -> NDArray[np.float32]:
    """Return the targets that windows look back on."""
    values, lengths = inputs["encoder_target"], inputs["encoder_lengths"]
    read: NDArray[np.float32] = values[np.arange(values.shape[1]) < lengths[:, None]]
    return read


def _check_shapes(windows: ServedWindows, session: Any) -> None:
    """Raise where a network takes other inputs than the windows have."""
    parameters = windows.parameters
    past, ahead = parameters["max_encoder_length"], parameters["max_prediction_length"]
    expected: dict[str, list[int]] = {"encoder_lengths": []}
    for side, steps in (("encoder", past), ("decoder", ahead)):
        if not 1 <= steps <= LARGEST_LENGTH:
            raise ValueError(f"a window of {steps} time steps")
        expected[f"{side}_cat"] = [steps, len(windows.categoricals)]
        expected[f"{side}_cont"] = [steps, len(windows.reals)]
        expected[f"{side}_target"] = expected[f"{side}_missing"] = [steps]
    expected |= {name: [len(unknown)] for name, (_, unknown) in windows.tables.items()}
    for own in session.get_inputs():
        if own.shape[1:] != expected.get(own.name):
            raise ValueError(f"the input {own.name!r} is {own.shape[1:]}")
    bounds = parameters["min_encoder_length"], parameters["min_prediction_length"]
    if not all(math.isfinite(least) and least >= 0 for least in bounds):
        raise ValueError(f"windows of at least {bounds} time steps")
