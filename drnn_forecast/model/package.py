"""The package container by which pytorch-forecasting knows and tests the forecaster."""

from __future__ import annotations

from typing import Any

from pytorch_forecasting.metrics import CrossEntropy, NegativeBinomialDistributionLoss
from torch.utils.data import DataLoader

from drnn_forecast.host import PackageContainer, suite_frame, suite_loaders
from drnn_forecast.model.forecaster import DilatedRNNForecaster


class DilatedRNNForecaster_pkg(PackageContainer):  # noqa: N801 - upstream's suite asks for it
    """Names `DilatedRNNForecaster`, what it can do, and what it is tested with."""

    _tags = {  # noqa: RUF012 - upstream merges it with the tags of the bases
        "info:name": "DilatedRNNForecaster",
        "info:compute": 2,
        "info:pred_type": ["distr", "point", "quantile"],
        "info:y_type": ["category", "numeric"],
        "authors": ["drnn_forecast"],
        "capability:exogenous": True,
        "capability:multivariate": True,
        "capability:pred_int": True,
        "capability:flexible_history_length": True,
        "capability:cold_start": True,
    }

    @classmethod
    def get_cls(cls) -> type[DilatedRNNForecaster]:
        """Return the model."""
        return DilatedRNNForecaster

    @classmethod
    def get_base_test_params(cls) -> list[dict[str, Any]]:
        """Return what the suite combines with every loss; the first entry is the default."""
        return [
            {},
            {
                "cell_type": "LSTM",
                "dilations": (1, 2),
                "data_loader_kwargs": {"min_prediction_length": 2, "min_encoder_length": 2},
            },
        ]

    @classmethod
    def _get_test_dataloaders_from(cls, params: dict[str, Any]) -> dict[str, DataLoader[Any]]:
        """Return upstream's loaders for training, validation and test, with a target for the loss.

        A beta distribution needs the unit interval and a log-normal one positive values, which
        upstream's clipped target has; counts are rounded, and classes are agencies.
        """
        frame = suite_frame()
        options = {
            "target": "target",
            "time_varying_known_reals": ["price_actual"],
            "time_varying_unknown_reals": ["target"],
            "static_categoricals": ["agency"],
            "add_relative_time_idx": True,
        }
        if isinstance(params.get("loss"), NegativeBinomialDistributionLoss):
            frame = frame.assign(target=frame["volume"].round())
        if isinstance(params.get("loss"), CrossEntropy):
            options["target"] = "agency"
        return suite_loaders(frame, **{**options, **params.get("data_loader_kwargs", {})})
