"""Cut the data of the tutorials from the whole files, which lie beside the checkout.

python docs/data/cut.py ../shared/data
"""

import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
ITEMS = ["B1_12", "B2_4", "B3_16", "B4_10", "B1_37"]


def main(source: Path) -> None:
    """Write the three files."""
    pasta(source / "pasta_sales").to_csv(HERE / "pasta_sales.csv", index=False)
    births = pd.read_csv(source / "us_births" / "us_births_daily.csv.gz")
    births[births["date"] >= "1974"].to_csv(HERE / "births.csv", index=False)
    temps = pd.read_csv(source / "yosemite_temps_5min" / "yosemite_temps_5min.csv.gz")
    temps[temps["ds"] >= "2017-06-22"].to_csv(HERE / "yosemite_temps.csv", index=False)


def pasta(folder: Path) -> pd.DataFrame:
    """Return two years of five items, a row per item and calendar day."""
    sold, promotion = (
        pd.read_csv(folder / f"pasta_{name}_daily_118.csv.gz", index_col=0, parse_dates=True)[ITEMS]
        for name in ("qty", "promo")
    )
    days = pd.date_range("2017-01-01", "2018-12-31", name="date")
    parts = []
    for item in ITEMS:
        part = pd.DataFrame({"item": item, "sold": sold[item], "promotion": promotion[item]})
        part = part.reindex(days)
        part["open"] = part["sold"].notna().astype(int)
        part = part.fillna({"item": item, "sold": 0, "promotion": 0})
        parts.append(part.astype({"sold": int, "promotion": int}).reset_index())
    return pd.concat(parts)[["date", "item", "sold", "promotion", "open"]]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
