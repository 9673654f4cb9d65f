"""Make `drnn_forecast/data/europe_load.parquet`, the sample that `load_sample` returns.

Prints what the choice of countries rests on. Run from anywhere: `python benchmarks/make_sample.py`.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT.parent / "shared" / "data" / "europe_load"
SAMPLE = ROOT / "drnn_forecast" / "data" / "europe_load.parquet"
FIRST, LAST = "2018-01-01 00:00", "2019-12-31 23:00"

LONGEST_FLAT_RUN = 2  # hours; a longer run of one value is a back-filled gap
LARGEST_SPIKE = 0.15  # of the country's median load
MOST_SPIKES = 1


def main() -> None:
    load, temperature = (read_source(name) for name in ("load_mw", "temp_c"))
    quality = measure_quality(load)
    print(quality.to_string(float_format="{:.3f}".format))
    chosen = quality.index[quality["chosen"]]
    write_sample(tidy(load[chosen], temperature[chosen]))
    print(f"{len(chosen)} countries, {SAMPLE.stat().st_size:,} bytes: {SAMPLE}")


def read_source(name: str) -> pd.DataFrame:
    """Return the hours of the sample, one column per country."""
    path = SOURCE / f"{name}_2017_2019_14c.csv.gz"
    if not path.exists():
        sys.exit(f"The source {path} is absent: the sample in the package cannot be remade here.")
    return pd.read_csv(path, index_col="utc", parse_dates=True).loc[FIRST:LAST]


def measure_quality(load: pd.DataFrame) -> pd.DataFrame:
    """Return, per country, its median load (MW), longest flat run (hours) and lone spikes.

    A spike is an hour that lies above or below both its neighbours; its size is the distance to the
    nearer one, as a share of the median load.
    """
    return pd.DataFrame({code: country_quality(values) for code, values in load.items()}).T.astype(
        {"flat_run": int, "spikes": int, "chosen": bool}
    )


def country_quality(values: pd.Series) -> dict[str, float | bool]:
    run = values.groupby((values != values.shift()).cumsum()).transform("size")
    before, after = values - values.shift(), values - values.shift(-1)
    spike = np.minimum(before.abs(), after.abs()).where(before * after > 0, 0) / values.median()
    spikes = (spike > LARGEST_SPIKE).sum()
    return {
        "median": values.median(),
        "flat_run": run.max(),
        "hours_in_flat_runs": run.gt(LONGEST_FLAT_RUN).sum(),
        "largest_spike": spike.max(),
        "spikes": spikes,
        "chosen": run.max() <= LONGEST_FLAT_RUN and spikes <= MOST_SPIKES,
    }


def tidy(load: pd.DataFrame, temperature: pd.DataFrame) -> pd.DataFrame:
    """Return one row per country and hour."""
    long = load.melt(ignore_index=False, var_name="series", value_name="load").reset_index()
    return pd.DataFrame(
        {
            "series": long["series"],
            "time": long["utc"],
            "load": long["load"].astype("float32"),
            "temperature": temperature.melt()["value"].astype("float32"),
        }
    )


def write_sample(sample: pd.DataFrame) -> None:
    SAMPLE.parent.mkdir(exist_ok=True)
    # Splitting the bytes of floats makes the file 40 % smaller, without loss.
    pq.write_table(
        pa.Table.from_pandas(sample, preserve_index=False),
        SAMPLE,
        compression="zstd",
        compression_level=19,
        use_dictionary=["series"],
        column_encoding={
            "time": "DELTA_BINARY_PACKED",
            "load": "BYTE_STREAM_SPLIT",
            "temperature": "BYTE_STREAM_SPLIT",
        },
    )


if __name__ == "__main__":
    main()
