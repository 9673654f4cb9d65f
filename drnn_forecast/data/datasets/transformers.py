"""What turns the columns of a dataset into numbers: encoders of categories, scalers of reals."""

import pandas as pd
from pytorch_forecasting import NaNLabelEncoder

from drnn_forecast.data.frames.calendar import VOCABULARIES
from drnn_forecast.data.frames.roles import CALENDAR_PREFIX


def encoders(listed: dict[str, list[str]]) -> dict[str, NaNLabelEncoder]:
    """Return an encoder for every categorical of `variables`.

    Those of the calendar know all months, weekdays and hours from the start. The others learn their
    categories from the training data and keep label 0 for the unknown, whose embedding
    pytorch-forecasting holds at zero.
    """
    names = [name for kind, names in listed.items() if "categoricals" in kind for name in names]
    return {
        name: NaNLabelEncoder().fit(pd.Series(VOCABULARIES[name], dtype=object))
        if name in VOCABULARIES
        else NaNLabelEncoder(add_nan=True, warn=False)
        for name in names
    }


def scalers(listed: dict[str, list[str]]) -> dict[str, None]:
    """Return the reals that are not to be scaled: those of the calendar.

    Scaled on a few weeks, the position in the year would be far out of range in the next season.
    """
    names = listed["time_varying_known_reals"]
    return {name: None for name in names if name.startswith(CALENDAR_PREFIX)}
