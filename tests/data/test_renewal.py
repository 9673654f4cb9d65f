"""The second dataset past the end of a frame refuses what the first one does."""

import numpy as np
import pandas as pd
import pytest
from pytorch_forecasting import EncoderNormalizer
from pytorch_forecasting.data.encoders import TorchNormalizer
from sklearn.preprocessing import FunctionTransformer

from drnn_forecast.data import ForecastData, renewable

OPTIONS = {
    # Zero and below have no logarithm, so that a finite column is not finite once it is scaled.
    "target": {"target_normalizer": TorchNormalizer(transformation="log")},
    "known": {"scalers": {"known": FunctionTransformer(np.log)}},
    "observed": {"scalers": {"observed": FunctionTransformer(np.log)}},
}
WITHOUT_LOGARITHM = pytest.mark.filterwarnings("ignore:divide by zero|invalid value")


def made_data(**wrong):
    """Return two series above zero; `wrong` replaces the value of a column in one late row."""
    days = pd.date_range("2024-01-01", periods=40, freq="D")
    frame = pd.DataFrame({"series": np.repeat(["a", "b"], 40), "time": np.tile(days, 2)})
    for number, name in enumerate(("target", "known", "observed")):
        frame[name] = 2.0 + number + np.arange(80) % 7
        frame.loc[70, name] = wrong.get(name, 3.0)
    return ForecastData.from_frame(
        frame, series="series", time="time", target="target", known="known", observed="observed"
    )


def trained(**options):
    """Return the parameters of a training, and a dataset past the end to renew."""
    data = made_data()
    splits = data.split(horizon=4, context_length=10, validation_windows=1, **options)
    parameters = splits.training.get_parameters()
    like = renewable(data.before(4).forecast_dataset(parameters))
    assert like is not None
    return parameters, like


@WITHOUT_LOGARITHM
@pytest.mark.parametrize(
    ("column", "value"),
    # pytorch-forecasting takes the logarithm of a target of zero as that of 1e-8.
    [("target", -1.0), ("known", 0.0), ("known", -1.0), ("observed", 0.0), ("observed", -1.0)],
)
def test_what_is_not_finite_once_scaled_is_refused_the_second_time_too(column, value):
    parameters, like = trained(**OPTIONS[column])
    wrong = made_data(**{column: value}).before(4)
    with pytest.raises(ValueError, match="to be NA or infinite") as first:
        wrong.forecast_dataset(parameters)
    with pytest.raises(ValueError, match="to be NA or infinite") as second:
        wrong.forecast_dataset(parameters, like=like)
    assert type(second.value) is type(first.value)
    assert str(second.value) == str(first.value)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("column", ["target", "known", "observed"])
def test_what_is_not_finite_is_refused_before_any_dataset(column, value):
    with pytest.raises(ValueError, match="must have a finite value"):
        made_data(**{column: value})


def test_a_refusal_leaves_the_dataset_to_renew_as_it_was():
    parameters, like = trained(target_normalizer=EncoderNormalizer(), **OPTIONS["known"])
    data = made_data().before(4)
    expected = data.forecast_dataset(parameters, like=like).data["reals"]
    with pytest.raises(ValueError, match="NA or infinite"), np.errstate(all="ignore"):
        made_data(known=-1.0).before(4).forecast_dataset(parameters, like=like)
    assert data.forecast_dataset(parameters, like=like).data["reals"].equal(expected)
