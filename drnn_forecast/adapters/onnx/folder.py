"""A folder from which a model forecasts without torch: networks as ONNX, and JSON beside them."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_forecasting.data import EncoderNormalizer, GroupNormalizer
from pytorch_forecasting.data.encoders import TorchNormalizer
from pytorch_forecasting.metrics import CrossEntropy, DistributionLoss, MultiLoss
from sklearn.preprocessing import MaxAbsScaler, RobustScaler, StandardScaler
from torch import Tensor

from drnn_forecast.adapters.onnx.forecaster import (
    CONFIGURATION,
    PACKAGES,
    OnnxForecaster,
    network_name,
    session_of,
)
from drnn_forecast.adapters.onnx.graph import ServedNetwork, onnx_bytes
from drnn_forecast.adapters.onnx.windows import (
    ENCODER_LENGTH,
    RELATIVE_TIME,
    LabelCodes,
    ServedWindows,
)
from drnn_forecast.data import KINDS, is_elementwise
from drnn_forecast.host import groups_of, scales_by_series
from drnn_forecast.model import (
    DilatedRNNForecaster,
    Ensemble,
    bounds_of,
    forecast_columns,
    leading,
    swapped,
    write_configuration,
    write_file,
)

READ = (
    "time_idx",
    "target",
    "group_ids",
    "max_encoder_length",
    "min_encoder_length",
    "max_prediction_length",
    "min_prediction_length",
    "allow_missing_targets",
    *KINDS,
)
"""What is read of the parameters of a training dataset, beside its encoders and scalers."""

OWN = r"onnx\.json|network(-\d+)?\.onnx"
"""The names of what is written into a folder."""

CLOSE = 1e-4
"""By how much the numbers of a network may differ once it is written, relative to the largest."""


def export_folder(model: DilatedRNNForecaster | Ensemble, folder: str | PathLike[str]) -> Path:
    """Write what a model forecasts with as ONNX and JSON, for `load`, and return the folder.

    Every network is run once by `onnxruntime`, and compared. The folder is replaced as a whole, by
    one rename; other files in it stay.

    Args:
        model: Trained on datasets of `ForecastData`, with quantiles or a point as its loss.
        folder: Made where it does not exist; its parent has to exist.

    Raises:
        ValueError: A part of the model has no place in such a folder: other losses, normalisers and
            scalers, lags and groups of variables.
        TypeError: `model` is something else.
        FileNotFoundError: The parent of the folder does not exist.
        ImportError: A package of the extra `onnx` is not installed.
    """
    if not isinstance(model, DilatedRNNForecaster | Ensemble):
        raise TypeError(
            f"`model` must be a DilatedRNNForecaster or an Ensemble, got {type(model).__name__}."
        )
    members = model.members if isinstance(model, Ensemble) else [model]
    for member in members:
        _check_exportable(member)
    windows = [_windows_of(member) for member in members]
    names = map(network_name, range(len(members)))
    networks = [_network_of(*pair) for pair in zip(members, windows, strict=True)]
    files = dict(zip(names, networks, strict=True))
    lower, upper = bounds_of(members[0])
    content = {
        "class": OnnxForecaster.__name__,
        "hyperparameters": {
            "roles": dict(model.hparams["roles"]),
            "max_prediction_length": model.hparams["max_prediction_length"],
            "lower": lower,
            "upper": upper,
        },
        "columns": forecast_columns(members[0]),
        "average": model.average if isinstance(model, Ensemble) else "mean",
        "windows": [each.to_plain() for each in windows],
    }
    with swapped(folder, OWN) as place:
        for name, network in files.items():
            write_file(place / name, network)
        write_configuration(place / CONFIGURATION, content, files, PACKAGES)
    return Path(folder)


def _check_exportable(model: Any) -> None:
    """Refuse what a folder has no place for, naming it."""
    parameters = model.dataset_parameters or {}
    loss = leading(model.loss)
    normalizer: Any = parameters.get("target_normalizer")
    is_own = type(normalizer) is EncoderNormalizer
    has_scale = is_own and is_elementwise(normalizer) and normalizer.method != "robust"
    known = {*_variables(parameters), ENCODER_LENGTH, RELATIVE_TIME}
    others = [name for name in model.hparams["x_reals"] if name not in known]
    refused = {
        "a dataset that `ForecastData` did not make": model.hparams["roles"] is None,
        f"the loss {_host_name(loss)}": isinstance(
            loss, MultiLoss | CrossEntropy | DistributionLoss
        ),
        "lags": bool(parameters.get("lags")),
        "groups of variables": bool(parameters.get("variable_groups")),
        f"the variables {others}": bool(others),
        f"the target normaliser {' '.join(str(normalizer).split())}": not (
            has_scale or _is_table(normalizer, parameters)
        ),
    }
    for name, scaler in _scalers(model).items():
        refused[f"the scaler of {name!r}, {scaler}"] = not isinstance(
            scaler, StandardScaler | RobustScaler | MaxAbsScaler
        )
    found = [what for what, is_refused in refused.items() if is_refused]
    if found:
        raise ValueError(
            f"`model` cannot forecast without torch, since it has {' and '.join(found)}. Save it "
            "with `model.save(folder)`, or train it as `train` does."
        )


def _host_name(loss: Any) -> str:
    """Return the name that pytorch-forecasting has for a loss, which ours may extend."""
    names = [kind.__name__ for kind in type(loss).__mro__ if "drnn" not in kind.__module__]
    return names[0]


def _variables(parameters: Mapping[str, Any]) -> list[str]:
    """Return the variables of a dataset."""
    return [name for kind in KINDS for name in parameters.get(kind) or []]


def _is_table(normalizer: Any, parameters: Mapping[str, Any]) -> bool:
    """Return whether a normaliser has one scale for all, or one of each series."""
    is_known = type(normalizer) in (TorchNormalizer, GroupNormalizer)
    return is_known and set(groups_of(normalizer)) <= set(parameters["group_ids"])


def _scalers(model: Any) -> dict[str, Any]:
    """Return the scalers of the real variables that have one, by name."""
    parameters = model.dataset_parameters or {}
    scalers = parameters.get("scalers") or {}
    own = (ENCODER_LENGTH, RELATIVE_TIME, parameters.get("target"))
    names = [name for name in model.hparams["x_reals"] if name not in own]
    return {name: scalers[name] for name in names if scalers.get(name) is not None}


def _windows_of(model: Any) -> ServedWindows:
    """Return what turns columns into the inputs of a model."""
    parameters, parts = model.dataset_parameters, model.hparams
    encoders = parameters["categorical_encoders"]
    series = dict(encoders[f"__group_id__{parameters['group_ids'][0]}"].classes_)
    read = {name: parameters[name] for name in READ if parameters.get(name) is not None}
    return ServedWindows(
        parameters={kind: [] for kind in KINDS} | read,
        encoders={
            name: LabelCodes(
                {str(label): int(code) for label, code in encoders[name].classes_.items()},
                bool(encoders[name].add_nan),
            )
            for name in parts["x_categoricals"]
        },
        series={str(label): int(code) for label, code in series.items()},
        reals=list(parts["x_reals"]),
        categoricals=list(parts["x_categoricals"]),
        scalers={name: _affine(scaler) for name, scaler in _scalers(model).items()},
        tables=_tables(model, list(series.items())),
    )


def _affine(scaler: Any) -> tuple[float, float]:
    """Return center and scale of a fitted scaler of one column."""
    center = getattr(scaler, "mean_", getattr(scaler, "center_", None))
    is_centred = getattr(scaler, "with_mean", getattr(scaler, "with_centering", True))
    center = 0.0 if center is None or not is_centred else float(center[0])
    return center, 1.0 if scaler.scale_ is None else float(scaler.scale_[0])


def _tables(model: Any, series: list[tuple[Any, int]]) -> dict[str, Any]:
    """Return what is known of each series, and what a new one has, by the name of the input."""
    codes = torch.tensor([code for _, code in series])
    known, groups = torch.zeros(len(series), 1), {"groups": codes[:, None]}
    if model.magnitudes.has_floors(groups):
        known = model.magnitudes.own_floors(groups).cpu()
    tables = {"floors": (known.numpy(), np.zeros(1, np.float32))}
    normalizer = model.dataset_parameters["target_normalizer"]
    if type(normalizer) is EncoderNormalizer:
        return tables
    if type(normalizer) is GroupNormalizer:
        encoders = model.dataset_parameters["categorical_encoders"]
        own = [
            [encoders[name].classes_.get(label, 0) for label, _ in series] + [0]
            for name in groups_of(normalizer)
        ]
        named = dict(zip(groups_of(normalizer), map(np.array, own), strict=True))
        scales = scales_by_series(normalizer, named, len(series) + 1)
    else:
        scales = np.broadcast_to(normalizer.get_parameters().numpy(), (len(series) + 1, 2))
    scales = scales.astype(np.float32)
    return {**tables, "target_scale": (scales[:-1], scales[-1])}


def _network_of(model: Any, windows: ServedWindows) -> bytes:
    """Return the network of a model as ONNX, whose numbers are those of the model."""
    missing = windows.parameters.get("allow_missing_targets") or model.hparams["roles"]["missing"]
    method = missing if missing in ("linear", "zero", "previous", "error") else "mask"
    network = ServedNetwork(model, method).eval()
    example = _example(windows)
    written = onnx_bytes(network, example)
    session = session_of(written)
    fed = {own.name: example[own.name].numpy() for own in session.get_inputs()}
    (found,) = session.run(None, fed)
    with torch.no_grad():
        expected = network(**example).numpy()
    apart = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)
    if not apart <= CLOSE:
        raise ValueError(
            f"`model` as ONNX gives numbers that differ from its own by {apart:.1g} of their size, "
            "at most 1e-4 is allowed. Save it with `model.save(folder)` in place of this."
        )
    return written


def _example(windows: ServedWindows) -> dict[str, Tensor]:
    """Return the arguments of a `ServedNetwork`: windows of different lengths, by chance."""
    draw = np.random.default_rng(0)
    past = windows.parameters["max_encoder_length"]
    ahead = windows.parameters["max_prediction_length"]
    count, codes, reals = 3, len(windows.categoricals), len(windows.reals)
    inputs: dict[str, Any] = {
        "encoder_cat": np.zeros((count, past, codes), np.int64),
        "encoder_cont": draw.normal(size=(count, past, reals)).astype(np.float32),
        "encoder_target": draw.uniform(1, 2, size=(count, past)).astype(np.float32),
        "encoder_missing": draw.uniform(size=(count, past)) < 0.05,
        "encoder_lengths": np.array([past, past, max(past // 2, 1)]),
        "decoder_cat": np.zeros((count, ahead, codes), np.int64),
        "decoder_cont": draw.normal(size=(count, ahead, reals)).astype(np.float32),
    }
    for name, (_, unknown) in windows.tables.items():
        inputs[name] = np.repeat(unknown[None], count, axis=0)
    return {name: torch.from_numpy(own) for name, own in inputs.items()}
