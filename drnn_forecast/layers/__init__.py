"""Dilated recurrent layers (Chang et al., 2017) with the manners of `torch.nn.LSTM`. torch only."""

from drnn_forecast.layers.cells import Cell, RecurrentCell
from drnn_forecast.layers.fusion import OutputFusion
from drnn_forecast.layers.layer import DilatedCell, DilatedRNNLayer, LayerState
from drnn_forecast.layers.segments import SegmentEmbedding
from drnn_forecast.layers.stack import DilatedRNN

__all__ = [
    "Cell",
    "DilatedCell",
    "DilatedRNN",
    "DilatedRNNLayer",
    "LayerState",
    "OutputFusion",
    "RecurrentCell",
    "SegmentEmbedding",
]
