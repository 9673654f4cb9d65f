"""The page that sets the model beside those of pytorch-forecasting, row by row."""

import sys
from pathlib import Path

import pytest

from drnn_forecast import DilatedRNNForecaster

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from compatibility import FEATURES, PAGE, outcome


@pytest.fixture(scope="module")
def page():
    """Return the cells of our model on the page, by feature."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if "|" in line]
    header, _, *cells = rows
    column = header.index("DilatedRNNForecaster")
    return {row[0]: row[column] for row in cells}


def test_the_page_has_a_row_for_every_feature_that_is_tried(page):
    assert list(page) == list(FEATURES)


@pytest.mark.parametrize("feature", FEATURES)
def test_what_the_page_says_of_the_model_comes_out_again(page, feature):
    assert outcome(FEATURES[feature], DilatedRNNForecaster) == page[feature] == "yes"
