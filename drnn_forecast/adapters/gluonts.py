"""The forecaster as an estimator and a predictor of GluonTS."""

# GluonTS reads annotations as they stand, so that none is postponed here.
import copy
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from drnn_forecast.adapters.entries import (
    KNOWN,
    OBSERVED,
    SERIES,
    STATIC,
    TARGET,
    TIME,
    check_starts,
    entry_names,
    entry_rows,
    feature_columns,
    frequency_of_entries,
    told_apart,
)
from drnn_forecast.adapters.history import after, refused_as, whole_data
from drnn_forecast.data import ForecastData, Roles, asked_in_parts
from drnn_forecast.model import PRESETS, Forecaster, load
from drnn_forecast.training import train

try:
    from gluonts.core.component import validated
    from gluonts.exceptions import GluonTSDataError, GluonTSUserError
    from gluonts.model import Estimator, Predictor, QuantileForecast, SampleForecast
except ImportError as error:
    raise ImportError(
        "The estimator for GluonTS needs gluonts, and with it pandas below 3; install them with "
        "`pip install 'drnn-forecast[gluonts]'`."
    ) from error

logger = logging.getLogger("drnn_forecast.adapters")

OF_FRAME: Final[Sequence[str]] = ("calendar", "holidays", "missing", "zone")
"""Arguments of `train` that are about the rows."""

WORDS: Final = {"frame": "dataset", "data": "dataset", "horizon": "prediction_length"}
"""What is called otherwise in refusals."""

AT_ONCE: Final = 512
"""Entries that are forecast together."""


class DilatedRNNPredictor(Predictor):
    """A trained model as a predictor of GluonTS.

    Args:
        model: What `train` returned, of a frame with the columns that `DilatedRNNEstimator` makes.
        freq: The frequency of its entries.
        samples: Whether forecasts are of sample paths, as many as `num_samples` of `predict` says,
            in place of quantiles.
        seed: Of the paths.
    """

    def __init__(
        self, model: Forecaster, freq: str, *, samples: bool = False, seed: int = 0
    ) -> None:
        super().__init__(int(model.hparams["max_prediction_length"]))
        self.model = model
        self.freq = freq
        self.samples = samples
        self.seed = seed

    def predict(self, dataset: Any, num_samples: int = 100, **_: Any) -> Iterator[Any]:
        """Yield the forecast of every entry, from the end of its target on."""
        entries = iter(dataset)
        while chunk := list(islice(entries, AT_ONCE)):
            found: dict[int, Any] = {}
            for places in told_apart(chunk, knows_names(self.model)):
                forecasts = self._forecasts([chunk[place] for place in places], num_samples)
                found |= dict(zip(places, forecasts, strict=True))
            yield from (found[place] for place in range(len(chunk)))

    def serialize(self, path: Path) -> None:
        """Write the predictor into a folder, the model in its safe form."""
        super().serialize(path)
        self.model.save(Path(path) / "model")
        said = {"freq": self.freq, "samples": self.samples, "seed": self.seed}
        (Path(path) / "predictor.json").write_text(json.dumps(said))

    @classmethod
    def deserialize(cls, path: Path, **_: Any) -> "DilatedRNNPredictor":
        """Return the predictor that `serialize` wrote."""
        said = json.loads((Path(path) / "predictor.json").read_text())
        return cls(load(Path(path) / "model"), **said)

    def _forecasts(self, entries: Sequence[Any], num_samples: int) -> Iterator[Any]:
        """Yield the forecasts of entries of different series."""
        roles, horizon = Roles.from_dict(self.model.hparams["roles"]), self.prediction_length
        names = entry_names(entries, knows_names(self.model))
        # Entries come in parts, and a series may be new.
        with refused_as(WORDS, GluonTSDataError), asked_in_parts():
            check_starts(entries, self.freq)
            rows = entry_rows(entries, names, roles)
            ahead = entry_rows(entries, names, roles, horizon) if roles.known else None
            data = whole_data(rows, roles, ahead)
            if self.samples:
                tidy = self.model.paths(data, count=num_samples, seed=self.seed)
                columns, shape = [TARGET], (num_samples, horizon)
            else:
                tidy = self.model.forecast(data)
                columns = [name for name in tidy if name not in roles.keys]
                shape = (horizon, len(columns))
        values = tidy[columns].to_numpy().reshape(len(entries), *shape)
        place_of = {name: place for place, name in enumerate(tidy[SERIES].unique())}
        for entry, name in zip(entries, names, strict=True):
            start = entry["start"] + len(entry["target"])
            said = {"start_date": start, "item_id": entry.get(SERIES), "info": entry.get("info")}
            own = values[place_of[name]]
            if self.samples:
                yield SampleForecast(own, **said)
            else:
                keys = [name.removeprefix("q") for name in columns]
                yield QuantileForecast(own.T, forecast_keys=keys, **said)


class DilatedRNNEstimator(Estimator):
    """Trains a dilated recurrent network, by `train`, on a dataset of GluonTS.

    Of an entry it reads `start`, `target`, in which values may be missing, `item_id`, and
    `feat_static_*`, `feat_dynamic_*` (known ahead) and `past_feat_dynamic_*`, numbers and
    categories. Where entries have an `item_id`, the network knows series by it.

    Args:
        prediction_length: Time steps to forecast.
        preset: This and the next five are arguments of `train`.
        max_seconds: See there.
        max_steps: See there.
        seed: See there.
        accelerator: See there.
        progress: See there.
        samples: Whether the predictor gives sample paths in place of quantiles.
        overrides: More arguments of `train`, such as `{"season_length": 24}`.
    """

    @validated()  # type: ignore[untyped-decorator]
    def __init__(
        self,
        prediction_length: int,
        preset: str = "medium",
        max_seconds: float | None = None,
        max_steps: int | None = None,
        seed: int = 0,
        accelerator: str = "auto",
        progress: bool = True,
        samples: bool = False,
        overrides: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.prediction_length = prediction_length
        self.preset = preset
        self.max_seconds = max_seconds
        self.samples = samples
        self.options: dict[str, Any] = {
            "max_steps": max_steps,
            "seed": seed,
            "accelerator": accelerator,
            "progress": progress,
        }
        self.overrides = overrides or {}

    def train(self, training_data: Any, validation_data: Any = None) -> DilatedRNNPredictor:
        """Return a predictor trained on a dataset, of which it holds out windows of its own."""
        if validation_data is not None:
            logger.warning(
                "`validation_data` is not read: training holds out the newest windows of "
                "`training_data`."
            )
        overrides, entries = dict(self.overrides), list(training_data)
        of_frame: dict[str, Any] = {
            name: overrides.pop(name) for name in OF_FRAME if name in overrides
        }
        with refused_as(WORDS, GluonTSDataError):
            is_named = all(entry.get(SERIES) is not None for entry in entries)
            data = new_data(entries, is_named, of_frame)
        with refused_as(WORDS, GluonTSUserError):
            model = train(
                data,
                self.prediction_length,
                preset=self.preset,
                max_seconds=self.max_seconds,
                identity=is_named,
                **self.options,
                **overrides,
            )
        return self._predictor(model, frequency_of_entries(entries))

    def train_from(
        self, predictor: DilatedRNNPredictor, training_data: Any, validation_data: Any = None
    ) -> DilatedRNNPredictor:
        """Return a predictor whose model has gone on training with newer data."""
        entries, model = list(training_data), copy.deepcopy(predictor.model)
        roles = Roles.from_dict(model.hparams["roles"])
        with refused_as(WORDS, GluonTSDataError):
            check_starts(entries, predictor.freq)
            data = whole_data(
                entry_rows(entries, entry_names(entries, knows_names(model)), roles), roles
            )
        with refused_as(WORDS, GluonTSUserError), asked_in_parts():
            seconds = self.max_seconds or PRESETS[self.preset]
            model.update(data, max_seconds=seconds, **self.options)
        return self._predictor(model, predictor.freq)

    def _predictor(self, model: Forecaster, freq: str) -> DilatedRNNPredictor:
        return DilatedRNNPredictor(model, freq, samples=self.samples, seed=self.options["seed"])


def new_data(entries: Sequence[Any], is_named: bool, options: dict[str, Any]) -> ForecastData:
    """Return the rows of entries, which are different series, with the parts of their columns.

    Args:
        entries: Of a dataset.
        is_named: Whether series are known by their `item_id`.
        options: Of `ForecastData.from_frame`.
    """
    if not entries:
        raise ValueError("`training_data` must have entries, but has none.")
    frequency_of_entries(entries)
    if is_named and len(told_apart(entries, is_named)) > 1:
        twice = Counter(str(entry[SERIES]) for entry in entries).most_common(1)[0][0]
        raise ValueError(
            f"`item_id` must differ between the entries of `training_data`, but {twice!r} is there "
            "more than once; join these, or rename them."
        )
    parts = {"known": KNOWN, "observed": OBSERVED, "static": STATIC}
    columns: dict[str, Any] = {
        part: [name for field in fields for name in feature_columns(field, entries)]
        for part, fields in parts.items()
    }
    rows = entry_rows(
        entries, entry_names(entries, is_named), Roles(TIME, TARGET, SERIES, **columns)
    )
    columns |= {"series": SERIES, "time": TIME, "target": TARGET, "future": after(rows[TIME])}
    return ForecastData.from_frame(rows, **columns, **options)


def knows_names(model: Forecaster) -> bool:
    """Return whether a model knows series by their names."""
    parts = getattr(model, "members", [model])
    return SERIES in parts[0].dataset_parameters["static_categoricals"]
