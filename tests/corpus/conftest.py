"""Says how the corpus was answered, and writes it down where the whole of it was run."""

import os
from pathlib import Path

import pandas as pd

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "corpus.csv"


def pytest_terminal_summary(terminalreporter):
    """Say how many exit codes were right, and how many mistakes were told in one true line."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    answers = [dict(report.user_properties) for report in reports]
    rows = pd.DataFrame([answer for answer in answers if "kind" in answer])
    if rows.empty:
        return
    counts = rows.groupby("kind")[["is_status_right", "is_refused", "is_told"]].sum()
    counts.insert(0, "cases", rows.groupby("kind").size())
    total = counts.sum()
    terminalreporter.write_line(
        f"corpus: {total['is_status_right']} of {total['cases']} exit codes are right; "
        f"{total['is_told']} of {total['is_refused']} mistakes are told in one true line"
    )
    if os.environ.get("CORPUS") == "whole":
        told = {"is_status_right": "exit codes right", "is_refused": "mistakes"}
        named = counts.rename(columns={**told, "is_told": "told in one true line"})
        named.loc["all"] = total.to_numpy()
        named.to_csv(RESULT)
