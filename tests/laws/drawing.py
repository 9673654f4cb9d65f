"""How many cases a law draws."""

import os

from hypothesis import settings

DRAWS = int(os.environ.get("LAW_DRAWS", "15"))
"""Cases of each law; `make test-laws` asks for 500."""

law = settings(max_examples=DRAWS, deadline=None, derandomize=DRAWS <= 15, print_blob=True)
"""Decorator of a test that hypothesis draws cases for."""
