"""What a trained model is asked, by the names that all of ours share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import Self

from drnn_forecast.data import ForecastData, Roles, one_below_another
from drnn_forecast.model.card import card
from drnn_forecast.model.prediction import forecast
from drnn_forecast.model.sampling import sample_paths
from drnn_forecast.model.saving import from_pretrained, save_pretrained
from drnn_forecast.model.saving.hub import at_hand, send
from drnn_forecast.plotting import fan_charts, interactive_fans

Origin: TypeAlias = pd.Timestamp | str | int
"""The time of a first forecast: a stamp of a tidy frame, or a time index of a plain one."""


@runtime_checkable
class Forecaster(Protocol):
    """A trained model: what `train` returns and `load` reads, one network or several."""

    @property
    def hparams(self) -> Any:
        """The hyperparameters, `roles` and `max_prediction_length` among them."""

    def forecast(
        self,
        data: pd.DataFrame | ForecastData,
        *,
        future: pd.DataFrame | None = None,
        horizon: int | None = None,
        origin: Origin | None = None,
    ) -> pd.DataFrame:
        """Return the forecast of every series, one row per series and time."""

    def paths(
        self,
        data: pd.DataFrame | ForecastData,
        *,
        count: int = 100,
        seed: int = 0,
        future: pd.DataFrame | None = None,
        horizon: int | None = None,
        origin: Origin | None = None,
    ) -> pd.DataFrame:
        """Return sample paths of every series, one row per series, path and time."""

    def predict(self, data: Any, mode: Any = "prediction", **options: Any) -> Any:
        """Return forecasts of the windows of a dataset."""

    def evaluate(self, data: pd.DataFrame | ForecastData, *, windows: int = 1) -> pd.DataFrame:
        """Return scores of forecasts of the last windows of every series."""

    def update(
        self, data: pd.DataFrame | ForecastData, *, max_seconds: float = 60, **options: Any
    ) -> Any:
        """Go on training with newer data, and return how the loss changed."""

    def drift(self, data: pd.DataFrame | ForecastData, *, windows: int = 1) -> Any:
        """Return loss and coverage on the newest windows, beside those of the training."""

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the model into a folder without pickle, and return the folder."""

    def push_to_hub(self, name: str, **options: Any) -> str:
        """Send the model's folder to the Hugging Face Hub, and return the address."""

    def card(self) -> str:
        """Return a page of Markdown on what the model is and what it was trained on."""

    def plot(
        self,
        forecast: pd.DataFrame,
        data: pd.DataFrame | ForecastData | None = None,
        *,
        engine: str = "auto",
    ) -> Any:
        """Return a figure of a forecast, behind the end of the data."""


class AskedModel:
    """What every `Forecaster` does with its own forecasts."""

    hparams: Any

    def paths(
        self,
        data: pd.DataFrame | ForecastData,
        *,
        count: int = 100,
        seed: int = 0,
        future: pd.DataFrame | None = None,
        horizon: int | None = None,
        origin: Origin | None = None,
    ) -> pd.DataFrame:
        """Return sample paths of every series: see `sampling.sample_paths`."""
        networks, average = self._voices()
        return sample_paths(
            networks,
            data,
            average=average,
            count=count,
            seed=seed,
            future=future,
            horizon=horizon,
            origin=origin,
        )

    def _voices(self) -> tuple[Sequence[Any], Callable[..., NDArray[Any]]]:
        """Return the networks behind a forecast, and what is made of their quantiles."""
        return [self], np.mean

    def evaluate(self, data: pd.DataFrame | ForecastData, *, windows: int = 1) -> pd.DataFrame:
        """Return scores of forecasts of the last windows of every series: see `evaluate`."""
        from drnn_forecast.evaluation import evaluate

        return evaluate(cast("Forecaster", self), data, windows=windows)

    def update(
        self, data: pd.DataFrame | ForecastData, *, max_seconds: float = 60, **options: Any
    ) -> Any:
        """Go on training with newer data, in place: see `training.update`."""
        from drnn_forecast.training import update

        return update(cast(Any, self), data, max_seconds=max_seconds, **options)

    def drift(self, data: pd.DataFrame | ForecastData, *, windows: int = 1) -> Any:
        """Return how the newest windows differ from those of the training: see `training.drift`."""
        from drnn_forecast.training import drift

        return drift(cast(Any, self), data, windows=windows)

    def push_to_hub(self, name: str, **options: Any) -> str:
        """Send the model's folder to the Hugging Face Hub: see `saving.hub.send`."""
        return send(self, name, **options)

    def plot(
        self,
        forecast: pd.DataFrame,
        data: pd.DataFrame | ForecastData | None = None,
        *,
        engine: str = "auto",
    ) -> Any:
        """Return a figure of a forecast: see `trained.plot`."""
        if self.hparams["roles"] is None:
            raise ValueError(
                "`plot` draws forecasts of tidy frames, but the dataset of this model was not made "
                "by `ForecastData`. Make it with `ForecastData.split`, or use "
                "`plot_prediction`."
            )
        return plot(forecast, data, Roles.from_dict(self.hparams["roles"]), engine=engine)


class TrainedModel(AskedModel):
    """The other methods of `Forecaster`, for one network."""

    def forecast(
        self,
        data: pd.DataFrame | ForecastData,
        *,
        future: pd.DataFrame | None = None,
        horizon: int | None = None,
        origin: Origin | None = None,
    ) -> pd.DataFrame:
        """Return the forecast of every series: see `prediction.forecast`."""
        return forecast(self, data, future=future, horizon=horizon, origin=origin)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write the model into a folder without pickle: see `saving.save_pretrained`."""
        return save_pretrained(self, folder)

    def save_pretrained(self, folder: str | PathLike[str]) -> Path:
        """Write the model as `save` does, by the name that model hubs have for it."""
        return save_pretrained(self, folder)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> Self:
        """Return the model of a folder, or of the Hub: see `from_pretrained`, `at_hand`."""
        return from_pretrained(cls, at_hand(folder, revision=revision, token=token))

    def card(self) -> str:
        """Return a page of Markdown on what the model is and what it was trained on."""
        return card(self)


def plot(
    forecast: pd.DataFrame,
    data: pd.DataFrame | ForecastData | None,
    roles: Roles,
    *,
    engine: str = "auto",
) -> Any:
    """Return a figure with a fan chart per series, behind its last values.

    Args:
        forecast: What `forecast` returned.
        data: The history that it was made from; None: the forecast alone. Of it three horizons are
            shown, and values at the forecast's own times as what came.
        roles: What the columns are.
        engine: `"plotly"`, to look into with the mouse; `"matplotlib"`; or `"auto"`: plotly where
            it is installed.

    Raises:
        ValueError: There is no such `engine`.
        ImportError: It is not installed.
    """
    draw = _drawing(engine)
    columns = list(roles.series_columns)
    if roles.targets:
        forecast = one_below_another(forecast, roles)
        is_frame = data is not None and not isinstance(data, ForecastData)
        data = ForecastData.from_roles(data, roles) if is_frame else data

    def named(frame: pd.DataFrame) -> pd.DataFrame:
        renamed = frame.rename(columns={roles.time: "time", roles.target: "actual"})
        if isinstance(renamed["time"].dtype, pd.PeriodDtype):
            renamed["time"] = renamed["time"].dt.to_timestamp()
        if len(columns) == 1:
            return renamed.assign(series=frame[columns[0]])
        names = frame[columns].astype(str).agg("/".join, axis=1) if columns else roles.target
        return renamed.assign(series=names)

    rows = named(forecast)
    if data is None:
        history = rows.iloc[:0].assign(actual=float("nan"))
    else:
        history = named(data.history if isinstance(data, ForecastData) else data)
        history = history.astype({"time": rows["time"].dtype})
    start, end = rows["time"].min(), rows["time"].max()
    shown = history["time"].between(start - 3 * (end - start), start, inclusive="left")
    after = history["time"].between(start, end) & history["actual"].notna()
    return draw(
        rows,
        history[shown],
        history[after] if after.any() else None,
        unit=roles.target,
        title=f"Forecast from {start:%d %B %Y, %H:%M}"
        if isinstance(start, pd.Timestamp)
        else f"Forecast from {start}",
    )


def _drawing(engine: str) -> Callable[..., Any]:
    """Return what draws fans by the engine of a name."""
    engines = {"plotly": interactive_fans, "matplotlib": fan_charts}
    if engine == "auto":
        engine = "matplotlib" if find_spec("plotly") is None else "plotly"
    if engine not in engines:
        raise ValueError(f"`engine` must be 'auto', 'plotly' or 'matplotlib', got {engine!r}.")
    return engines[engine]
