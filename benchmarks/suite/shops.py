"""Tidy frames of what shops sell, with prices, promotions, holidays and the kinds of the shops."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.suite.frames import DATA, every_kth, regular, table, tidy


def rossmann() -> pd.DataFrame:
    """Return daily sales; a store without rows, under repair, is closed and sells nothing."""
    names = ("sales", "open", "school_holiday", "state_holiday")
    parts = [every_kth(table(f"rossmann/{name}_daily_223.csv.gz")) for name in names]
    sales, is_open, school, state = parts
    stores = pd.read_csv(DATA / "rossmann" / "store.csv.gz", index_col=0)
    kinds, ranges = (
        {str(key): value for key, value in stores[name].items()}
        for name in ("StoreType", "Assortment")
    )
    frame = tidy(
        sales,
        open=is_open.fillna(0),
        promo=table("rossmann/promo_daily.csv.gz")["Promo"],
        school_holiday=school.ffill(),
        state_holiday=state.astype(str).ffill().fillna("0"),
        store_type=kinds,
        assortment=ranges,
    )
    frame.loc[frame["filled"], "target"] = 0.0
    return frame


def orange_juice() -> pd.DataFrame:
    """Return weekly units of brands in stores; a gap repeats the week before, with no deal.

    Week 1 of the shop's calendar began on 14 September 1989.
    """
    sales = pd.read_csv(DATA / "orange_juice" / "oj_sales_weekly.csv.gz")
    prices = pd.read_csv(DATA / "orange_juice" / "oj_prices_weekly.csv.gz")
    long = prices.melt(["store", "week"], var_name="brand", value_name="price")
    long["brand"] = long["brand"].str.removeprefix("price").astype(int)
    rows = sales.merge(long, on=["store", "week", "brand"])
    rows["time"] = pd.Timestamp("1989-09-14") + pd.to_timedelta(7 * (rows["week"] - 1), unit="D")
    rows["series"] = rows["store"].astype(str) + "_" + rows["brand"].astype(str)
    units, price, deal, feature = (
        regular(every_kth(rows.pivot_table(name, "time", "series", sort=True)), "W-THU")
        for name in ("units", "price", "deal", "feat")
    )
    brands = {name: "brand " + name.split("_")[1] for name in units}
    return tidy(
        units, price=price.ffill(), deal=deal.fillna(0), feature=feature.fillna(0), brand=brands
    )


def walmart() -> pd.DataFrame:
    """Return weekly sales of departments that sold in every week, with the holidays."""
    wide = table("walmart_sales/walmart_weekly_sales_3331.csv.gz")
    wide = every_kth(wide.dropna(axis="columns"))
    features = pd.read_csv(DATA / "walmart_sales" / "features.csv.gz", parse_dates=["Date"])
    holidays = features[features["Store"] == 1].set_index("Date")["IsHoliday"].astype(int)
    stores = pd.read_csv(DATA / "walmart_sales" / "stores.csv.gz", index_col=0)["Type"]
    return tidy(
        wide,
        is_holiday=holidays,
        store_type={name: stores[int(name.split("_")[0])] for name in wide},
        department={name: f"department {name.split('_')[1]}" for name in wide},
    )


def m5() -> pd.DataFrame:
    """Return daily sales since each item's first record, with prices, events and SNAP days."""
    wide = every_kth(table("m5_sample/m5_sales_daily_609.csv.gz"))
    items = pd.read_csv(DATA / "m5_sample" / "items.csv.gz", index_col=0)
    calendar = table("m5_sample/calendar.csv.gz").reindex(wide.index)
    weekly = pd.read_csv(DATA / "m5_sample" / "sell_prices_weekly_609.csv.gz", index_col=0)
    prices = weekly.loc[calendar["wm_yr_wk"], list(wide)].set_axis(wide.index).ffill().bfill()
    snap = pd.DataFrame({name: calendar[f"snap_{items.loc[name, 'state_id']}"] for name in wide})
    return tidy(
        wide,
        price=prices,
        snap=snap,
        event=calendar["event_type_1"].fillna("none"),
        department=items["dept_id"].to_dict(),
        store=items["store_id"].to_dict(),
    )


def pasta() -> pd.DataFrame:
    """Return daily units of 118 items with promotions; a closed day repeats the week before."""
    units = regular(table("pasta_sales/pasta_qty_daily_118.csv.gz"), "D")
    promotions = regular(table("pasta_sales/pasta_promo_daily_118.csv.gz"), "D").fillna(0)
    return tidy(units, season=7, promo=promotions, brand={name: name[:2] for name in units})


def favorita() -> pd.DataFrame:
    """Return daily transactions of 54 stores; a closed day repeats the week before."""
    wide = regular(table("favorita_transactions/transactions_daily_54.csv.gz"), "D")
    stores = pd.read_csv(DATA / "favorita_transactions" / "stores.csv.gz", index_col=0)["type"]
    events = pd.read_csv(DATA / "favorita_transactions" / "holidays_events.csv.gz")
    national = (events["locale"] == "National") & ~events["transferred"]
    days = pd.to_datetime(events.loc[national & (events["type"] != "Work Day"), "date"])
    holidays = pd.Series(np.isin(wide.index, days).astype(int), wide.index)
    oil = table("favorita_transactions/oil.csv.gz")["dcoilwtico"].reindex(wide.index)
    return tidy(
        wide,
        season=7,
        holiday=holidays,
        oil=oil.ffill().bfill(),
        store_type={name: stores[int(name)] for name in wide},
    )


def stallion() -> pd.DataFrame:
    """Return monthly demand with the roles of pytorch-forecasting's tutorial, every 2nd series."""
    rows = pd.read_csv(DATA / "stallion" / "stallion.csv.gz", parse_dates=["date"])
    rows["series"] = rows["agency"] + " " + rows["sku"]
    kept = sorted(rows["series"].unique())[::2]
    rows = rows[rows["series"].isin(kept)].sort_values(["series", "date"])
    rows = rows.rename(columns={"date": "time", "volume": "target"})
    return rows.drop(columns="timeseries").assign(filled=False).reset_index(drop=True)
