"""The real sample in the package: hourly electricity load of eight European countries."""

from importlib.resources import as_file, files

import pandas as pd


def load_sample() -> pd.DataFrame:
    """Return two years of hourly load and temperature, eight countries one below the other.

    Columns: `series` (country code), `time` (hour, UTC without a time zone, 2018-01-01 to
    2019-12-31), `load` (MW, float32) and `temperature` (degrees Celsius, float32); sorted by
    series and time, no gaps, no missing values. The temperature was measured, so that using it as
    known ahead makes it an oracle. Origin, selection and terms are in `data/EUROPE_LOAD.md`.

    Example:
        >>> sample = load_sample()
        >>> sample["series"].unique().tolist()
        ['AT', 'BE', 'CZ', 'ES', 'GR', 'IT', 'NL', 'PT']
        >>> len(sample)
        140160
    """
    with as_file(files("drnn_forecast") / "data" / "europe_load.parquet") as path:
        return pd.read_parquet(path)
