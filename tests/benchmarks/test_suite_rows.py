from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.suite import report, run
from benchmarks.suite.classical import Fit, repeated
from benchmarks.suite.contenders import BEST, CONTENDERS, applies
from benchmarks.suite.neural import RATES, searched
from benchmarks.suite.tasks import TASKS

KEY = {"task": "CIF", "contender": "ours", "seed": 0, "state": "a", "part": "test"}


def row(**changes: object) -> dict[str, object]:
    scores = {"MASE": 1.0, "WQL": 0.5, "WQL_calibrated": 0.4, "coverage": 0.8, "note": ""}
    return {**KEY, "half": "report", **scores, **changes}


def test_a_run_that_has_its_row_is_done_and_one_that_failed_may_be_repeated(
    tmp_path: Path,
) -> None:
    path = tmp_path / "rows.csv"
    run.append(row(), path)
    run.append(row(seed=1, note=run.FAILED + "for a reason"), path)
    rows = run.read_rows(path)
    assert run.is_done(rows, KEY)
    assert not run.is_done(rows, {**KEY, "state": "b"})
    assert run.is_done(rows, {**KEY, "seed": 1})
    assert not run.is_done(rows, {**KEY, "seed": 1}, again=True)
    run.append(row(seed=1, MASE=2.0), path)
    assert run.is_done(run.read_rows(path), {**KEY, "seed": 1}, again=True)
    assert len(run.read_rows(path)) == 2


@pytest.mark.parametrize(("mase", "wql", "expected"), [(1.02, 0.9, True), (1.2, 0.7, False)])
def test_a_network_within_three_per_cent_of_ours_has_a_second_seed(
    mase: float, wql: float, expected: bool
) -> None:
    theirs = row(contender="TFT", state="", MASE=mase, WQL=wql)
    rows = pd.DataFrame([row(), row(seed=1, MASE=1.02), theirs])
    assert run.close(rows, "CIF", "TFT", "a") is expected
    assert not run.close(rows, "CIF", "TFT", "b")


def test_every_contender_runs_on_every_task_but_where_the_task_decides() -> None:
    assert len(BEST) == 12
    assert set(BEST) <= set(TASKS)
    assert sum(applies(task, "ours best", "test") for task in TASKS.values()) == 12
    assert all(applies(TASKS["CIF"], name, "test") for name in CONTENDERS if name not in DATA_BOUND)


DATA_BOUND = ("MSTL", "ours best")


def test_the_search_goes_on_past_an_edge_and_stops_inside() -> None:
    inside = searched(lambda rate: abs(np.log(rate / 1e-3)))
    assert sorted(inside) == [3e-4, 1e-3, 3e-3]
    assert sorted(searched(lambda rate: -rate)) == [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
    assert min(searched(lambda rate: rate)) == RATES[0]


def test_a_rate_that_diverges_is_the_worst() -> None:
    def loss(rate: float) -> float:
        if rate > 2e-3:
            raise RuntimeError("diverged")
        return rate

    assert searched(loss)[3e-3] == np.inf


def test_after_the_cap_the_seasonal_naive_method_stands_in() -> None:
    values = np.arange(10.0)
    made, how = Fit("AutoETS", (4,), 6, deadline=0.0)(values)
    assert how == "as the seasonal naive method"
    assert made[:, 4].tolist() == repeated(values, 4, 6).tolist() == [6, 7, 8, 9, 6, 7]


def test_a_win_is_at_or_below_the_best_contender_whose_lower_wql_counts() -> None:
    others = [row(contender="TFT", state="", MASE=1.1, WQL=0.6, WQL_calibrated=0.45)]
    naive = row(contender="seasonal naive", state="", MASE=2.0)
    rows = pd.DataFrame([row(), row(seed=1), naive, *others]).reindex(columns=run.COLUMNS)
    rows["note"] = rows["note"].fillna("")
    text = "\n".join(report.lines(rows, with_published=False))
    won = [line for line in text.splitlines() if line.startswith(("| MASE | both", "| least WQL"))]
    assert "| 1 (100%) |" in won[0]
    assert "| 0 (0%) |" in won[1]
    assert "| CIF | report | **1** |" in text
