import pytest

from laws.sayings import said_plainly, trained


@pytest.fixture(scope="module")
def frame():
    return said_plainly()


@pytest.fixture(scope="module")
def model(frame):
    return trained(frame)
