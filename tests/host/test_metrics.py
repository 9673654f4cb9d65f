import copy
import subprocess
import sys

import pytest
import torch
import torchmetrics
from pytorch_forecasting import metrics
from pytorch_forecasting.metrics import MAE, SMAPE, MultiHorizonMetric
from pytorch_forecasting.metrics.base_metrics import CompositeMetric

from drnn_forecast.host import (
    as_forecast_metric,
    is_torchmetric,
    summand_weights,
    summands,
)
from drnn_forecast.model.forecaster import DilatedRNNForecaster
from series import first_batch, make_dataset, planted_frame

OLD_NAME = "convert_torchmetric_to_pytorch_forecasting_metric"
NEW_NAME = "coerce_to_pytorch_forecasting_metric"


class Adapter(MultiHorizonMetric):
    """What pytorch-forecasting after 1.8.0 makes of a loss of torch, as far as it is seen here."""

    def __init__(self, loss):
        super().__init__()
        self._loss = loss


@pytest.fixture(params=["this release", "the release after 1.8.0"])
def release(request, monkeypatch):
    """Both names of pytorch-forecasting's function; the new one adapts losses of torch as well."""
    if request.param == "the release after 1.8.0" and hasattr(metrics, OLD_NAME):
        convert = getattr(metrics, OLD_NAME)

        def coerce(metric):
            is_metric = isinstance(metric, torchmetrics.Metric)
            return convert(metric) if is_metric else Adapter(metric)

        monkeypatch.delattr(metrics, OLD_NAME)
        monkeypatch.setattr(metrics, NEW_NAME, coerce, raising=False)


def add_in_place(total, metric):
    """Add to a sum as 1.8.0 does."""
    total._metrics.append(metric)
    total._weights.append(1.0)
    return total


def add_anew(total, metric):
    """Add to a sum as later releases do."""
    return CompositeMetric([*total._metrics, metric], weights=[*total._weights, 1.0])


@pytest.mark.parametrize("loss", [MAE(), SMAPE() + MAE()], ids=["a metric", "a sum"])
def test_a_metric_of_pytorch_forecasting_stays_as_it_is(loss, release):
    assert as_forecast_metric(loss) is loss


def test_a_torchmetric_is_wrapped_and_known_as_such(release):
    loss = torchmetrics.MeanAbsoluteError()
    wrapped = as_forecast_metric(loss)

    assert isinstance(wrapped, metrics.Metric)
    assert is_torchmetric(wrapped)
    assert is_torchmetric(loss)
    assert not is_torchmetric(MAE())
    assert not is_torchmetric(MAE() + SMAPE())


@pytest.mark.parametrize("loss", [torch.nn.functional.mse_loss, torch.nn.L1Loss(), "MAE", None])
def test_what_is_no_loss_is_none(loss, release):
    assert as_forecast_metric(loss) is None


@pytest.mark.parametrize("add", [add_in_place, add_anew])
def test_a_sum_has_its_summands_and_weights_however_it_was_made(add, monkeypatch):
    monkeypatch.setattr(CompositeMetric, "__add__", add)
    parts = [SMAPE(), MAE(), MAE()]
    total = 0.5 * parts[0] + parts[1] + parts[2]

    assert [id(part) for part in summands(total)] == [id(part) for part in parts]
    assert summand_weights(total) == [0.5, 1.0, 1.0]
    assert summands(parts[0]) == parts[:1]


@pytest.mark.parametrize("wrap", [lambda loss: loss, Adapter], ids=["bare", "adapted"])
def test_a_loss_of_torch_is_refused_by_every_release(wrap, release):
    data = make_dataset(planted_frame(), max_prediction_length=6)
    with pytest.raises(TypeError, match="must be a metric of pytorch-forecasting or torchmetrics"):
        DilatedRNNForecaster.from_dataset(data, loss=wrap(torch.nn.L1Loss()))


@pytest.mark.parametrize("loss", [MAE(), 2 * SMAPE() + MAE(), torchmetrics.MeanAbsoluteError()])
def test_a_model_is_made_with_every_release(loss, release):
    data = make_dataset(planted_frame(), max_prediction_length=6)
    model = DilatedRNNForecaster.from_dataset(data, loss=copy.deepcopy(loss))
    x, y = first_batch(data)

    assert torch.isfinite(model.loss(model(x)["prediction"], y))


RENAMED = f"""
import importlib, pkgutil, sys
import pytorch_forecasting
for name in [name for name in sys.modules if name.startswith("pytorch_forecasting.metrics")]:
    module = sys.modules[name]
    if hasattr(module, "{OLD_NAME}"):
        module.{NEW_NAME} = module.{OLD_NAME}
        del module.{OLD_NAME}
import drnn_forecast
for module in pkgutil.walk_packages(drnn_forecast.__path__, "drnn_forecast."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in drnn_forecast.__all__:
    getattr(drnn_forecast, name)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(metrics, OLD_NAME), reason="this release has the new name itself")
def test_every_module_is_imported_beside_a_release_with_the_new_name():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RENAMED], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr[-2000:]
