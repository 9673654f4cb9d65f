"""Files and flags that people and machines get wrong: each ends soon, with one true line."""

import os
import re
import shutil

import pytest

from corpus import commands, csv_files, flags, parquet_files
from corpus.case import CSV, FIT

WHOLE = os.environ.get("CORPUS") == "whole"
EVERYDAY = 80
"""Cases of the suite; `make test-corpus` runs all."""


CASES = [
    *csv_files.CASES,
    *parquet_files.CASES,
    *flags.CASES,
    *commands.CASES,
]


def chosen():
    """Return the cases to run: by default the first ones of each kind, and others in turn."""
    if WHOLE:
        return CASES
    kinds = {}
    for case in CASES:
        kinds.setdefault(case.kind, []).append(case)
    share = EVERYDAY / len(CASES)
    return [case for of_kind in kinds.values() for case in of_kind[:: round(1 / share)]]


def contents(folder):
    """Return what lies in a folder, with the content of files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not path.is_symlink()
    }


def is_told(case, said):
    """Return whether what is wrong is told in one true line, the last one."""
    last = (said.splitlines() or [""])[-1]
    is_one = last.startswith("drnn-forecast: error: ") and said.count("error: ") == 1
    return is_one and "usage:" not in said and bool(re.search(case.says, last))


@pytest.mark.parametrize("case", chosen(), ids=lambda case: case.label)
def test_what_is_wrong_is_said_in_one_line_and_leaves_no_trace(
    case, parent, tmp_path, record_property
):
    if case.has_model:
        shutil.copytree(parent.model(CSV, tuple(FIT)), tmp_path / "model")
    case.make(tmp_path)
    before = contents(tmp_path)

    found = parent.run(case.args, tmp_path, case.seconds)

    record_property("kind", case.kind)
    record_property("is_status_right", found["status"] == case.status)
    record_property("is_refused", case.status != 0)
    record_property("is_told", case.status != 0 and is_told(case, found["err"]))

    assert found["status"] == case.status, found["err"][-2000:]
    assert "Traceback" not in found["err"]
    if case.status == 0:
        return
    assert is_told(case, found["err"]), found["err"][-2000:]
    assert found["out"] == ""
    assert contents(tmp_path) == before


def test_the_corpus_has_no_case_twice():
    labels = [case.label for case in CASES]
    assert len(set(labels)) == len(labels)
    assert len(CASES) >= 360
    assert len(chosen()) <= 90 or WHOLE


def test_names_of_series_stay_as_they_are_written(parent, tmp_path):
    text = CSV.replace("s0,", "007,").replace("s1,", "1e5,")
    (tmp_path / "data.csv").write_text(text)

    assert parent.run(["fit", "data.csv", *FIT], tmp_path, 60)["status"] == 0
    found = parent.run(["predict", "model", "data.csv"], tmp_path, 60)
    names = {line.partition(",")[0] for line in found["out"].splitlines()[1:]}
    assert names == {"007", "1e5"}
