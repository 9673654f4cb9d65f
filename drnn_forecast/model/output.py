"""What a network gives."""

from __future__ import annotations

from collections import namedtuple

from pytorch_forecasting.utils import OutputMixIn


class NetworkOutput(
    OutputMixIn,
    namedtuple("NetworkOutput", ["prediction", "encoder_state", "inputs"], defaults=(None,)),
):
    """What a network gives: `prediction` in target units, and the encoder's last `encoder_state`.

    Its `inputs` are those of `predict(mode="raw", return_x=True)`, so that the output alone can be
    interpreted, and None elsewhere. pytorch-forecasting makes a class of its own in every model,
    which cannot be pickled.
    """

    __slots__ = ()
