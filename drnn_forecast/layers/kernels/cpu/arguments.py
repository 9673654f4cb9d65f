"""What the compiled kernels are called with; these names need no numba."""

from __future__ import annotations

from typing import Any, NamedTuple


class Sizes(NamedTuple):
    """The sizes of a run; rows visit the lanes in turn, perhaps not all in the last turn."""

    rows: int  # of the input and the output: (time, batch)
    lanes: int  # (dilation, batch)
    features: int
    hidden: int
    width: int  # lanes of a tile, whole vectors
    steps: int  # visits of a lane
    rest: int  # lanes of the last visit
    slots: int  # steps whose gates are kept, a tile after another; 0: one place for all


class Run(NamedTuple):
    """The arrays of a run; `saved` has the gates, and for an LSTM c, of each slot."""

    input: Any
    weight: Any
    state_h: Any
    state_c: Any
    output: Any
    last_h: Any
    last_c: Any
    saved: Any


class Gradients(NamedTuple):
    """The gradients that a backward run is given, then those that it sets."""

    output: Any
    last_h: Any
    last_c: Any
    input: Any  # empty: nobody asks for it
    weight: Any
    state_h: Any
    state_c: Any
