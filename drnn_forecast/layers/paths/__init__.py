"""How far back a recurrent architecture reaches, over how many steps, at what cost. No torch."""

from drnn_forecast.layers.paths.costs import parameter_count, receptive_field, serial_steps
from drnn_forecast.layers.paths.graph import Edge, path_lengths, shortest_path, stack_edges
from drnn_forecast.layers.paths.length import (
    closed_form_dilated,
    closed_form_plain,
    closed_form_skip,
    graph_recurrent_length,
    mean_recurrent_length,
)
from drnn_forecast.layers.paths.recommendation import Recommendation, recommend_dilations

__all__ = [
    "Edge",
    "Recommendation",
    "closed_form_dilated",
    "closed_form_plain",
    "closed_form_skip",
    "graph_recurrent_length",
    "mean_recurrent_length",
    "parameter_count",
    "path_lengths",
    "receptive_field",
    "recommend_dilations",
    "serial_steps",
    "shortest_path",
    "stack_edges",
]
