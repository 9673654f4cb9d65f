"""What an hour of all calls says of memory that grows, and of memory that does not."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from soak import verdict


def hour(grown=0.0, descriptors=0, rounds=30):
    """Return an hour in which so many MB, and descriptors in each round, are not given back."""
    rng, number = np.random.default_rng(0), np.arange(rounds)
    resident = 1000 + grown * number / rounds + rng.normal(scale=2, size=rounds)
    resident[: rounds // 5] -= 100  # caches fill
    resident[rounds // 2] += 300  # a call that took more
    counts = {"descriptors": 16 + descriptors * number, "threads": 8}
    rows = {"minutes": 2.0 * (number + 1), "round": number, "call": "fit", "seconds": 1.0}
    return pd.DataFrame({**rows, "resident MB": resident, **counts})


@pytest.mark.parametrize(
    ("leak", "said"),
    [
        ({}, "Flat"),
        ({"grown": -50}, "Flat"),
        ({"grown": 30}, "Not flat"),
        ({"descriptors": 1}, "Not flat"),
    ],
)
def test_what_is_not_given_back_is_told(leak, said):
    lines = verdict(hour(**leak))

    assert lines[4].startswith(f"{said}: from round 7 on")
    assert any(line.startswith("| fit | 23 |") for line in lines)
