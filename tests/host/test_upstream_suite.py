"""Every test that ships with pytorch-forecasting's wheel, with our classes in place: `make test-host`.

Its tests of models come with the wheel, and run here on every model of its own with
`BatchedTimeSeriesDataSet` in the place of its dataset. Its tests of datasets, samplers and encoders
lie in its repository only, so that they cannot run from a release.
"""

import pytest
from matplotlib import pyplot as plt
from pytorch_forecasting.tests import _data_scenarios
from pytorch_forecasting.tests.test_all_estimators import (
    TestAllPtForecasters as _UpstreamSuite,
)

from drnn_forecast import BatchedTimeSeriesDataSet
from drnn_forecast.model.package import DilatedRNNForecaster_pkg
from stallion import stallion_folder

pytestmark = [
    pytest.mark.slow,
    # What upstream's own models, losses and loggers warn of.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module", autouse=True)
def in_place(tmp_path_factory):
    """Put our dataset in the place of upstream's, and data in the place of its download."""
    from pytorch_forecasting.data import examples

    patch = pytest.MonkeyPatch()
    patch.setattr(examples, "DATA_PATH", stallion_folder(tmp_path_factory.mktemp("stallion")))
    patch.setenv("MPLBACKEND", "Agg")
    patch.setattr(_data_scenarios, "TimeSeriesDataSet", BatchedTimeSeriesDataSet)
    yield
    patch.undo()
    plt.close("all")


class TestUpstreamModels(_UpstreamSuite):
    """Upstream's models, and ours, on our dataset."""

    def _all_objects(self):
        return [*super()._all_objects(), DilatedRNNForecaster_pkg]
