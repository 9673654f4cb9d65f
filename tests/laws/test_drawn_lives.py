"""A model's whole life on drawn datasets: trained, asked, saved, read, and asked again."""

import copy
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from hypothesis import HealthCheck, Phase, event, given, settings
from pytorch_forecasting import TimeSeriesDataSet
from pytorch_forecasting.utils import to_list

import drnn_forecast
from drawn_datasets import configurations
from drnn_forecast import BatchedTimeSeriesDataSet, DilatedRNNForecaster, fit
from laws.drawing import law


def refused(error):
    """Return whether an error is one of ours: raised by a line of the package that says so."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    raised_in = Path(trace.tb_frame.f_code.co_filename)
    is_ours = Path(drnn_forecast.__file__).parent in raised_in.parents
    return is_ours and isinstance(error, ValueError | TypeError)


# Explaining and shrinking a failure take minutes; the drawn arguments say enough.
@settings(law, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
@given(configuration=configurations())
def test_what_upstream_accepts_is_trained_forecast_and_saved(configuration):
    frame, arguments = configuration
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            TimeSeriesDataSet(frame.copy(), **copy.deepcopy(arguments))
        except Exception:  # whatever upstream refuses
            event("refused by pytorch-forecasting")
            return
        try:
            before, after = lived(frame, arguments)
        except Exception as error:
            if not refused(error):
                raise
            event(f"refused: {str(error)[:60]}")
            return
    event("lived")
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
        assert torch.isfinite(one).all()


def lived(frame, arguments):
    """Return the forecasts of a model before it was saved, and after it was read."""
    dataset = BatchedTimeSeriesDataSet(frame.copy(), **copy.deepcopy(arguments))

    def build():
        return DilatedRNNForecaster.from_dataset(dataset, hidden_size=4, head_size=4, num_layers=2)

    model = fit(build, dataset, None, max_steps=1, batch_size=8, progress=False).model
    asked = BatchedTimeSeriesDataSet.from_dataset(dataset, frame, predict=True)
    with TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder) / "model")
        again = DilatedRNNForecaster.from_pretrained(Path(folder) / "model")
    return to_list(model.predict(asked)), to_list(again.predict(asked))
