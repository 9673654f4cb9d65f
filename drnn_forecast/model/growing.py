"""A trained model that is to know more series and categories, under the codes that it has."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from drnn_forecast.data import BatchedTimeSeriesDataSet
from drnn_forecast.model.embeddings import module_name
from drnn_forecast.model.settings import embedding_sizes


def grow(model: Any, dataset: BatchedTimeSeriesDataSet) -> dict[str, list[str]]:
    """Give a model what it lacks of a dataset's series and labels, in place, and return these.

    New labels begin as the unknown one does, at zero, so that no forecast changes. Of new series
    the magnitudes are learned; those of others stay.

    Args:
        model: A `DilatedRNNForecaster`.
        dataset: Whose codes are those of the model, with new ones behind them.
    """
    parts, encoders = model.hparams, dataset.get_parameters()["categorical_encoders"]
    sizes, known = dict(parts.embedding_sizes), dict(parts.embedding_labels)
    new: dict[str, list[str]] = {}
    for name, (count, _) in embedding_sizes(dataset, None).items():
        embedding = model.embeddings.embeddings[module_name(name)]
        lacking = count - embedding.num_embeddings
        if lacking > 0:
            more = embedding.weight.new_zeros(lacking, embedding.embedding_dim)
            embedding.weight = nn.Parameter(torch.cat([embedding.weight.detach(), more]))
            embedding.num_embeddings = count
            sizes[name] = (count, embedding.embedding_dim)
        own = dataset.lagged_variables.get(name, name)
        if own in encoders and own in known:
            new[own] = [each for each in encoders[own].classes_ if each not in known[own]]
            known[name] = encoders[own].classes_
    for name, column in dataset.series_columns.items():
        before = model.dataset_parameters["categorical_encoders"][column].classes_
        new[name] = [each for each in encoders[column].classes_ if each not in before]
    parts.embedding_sizes, parts.embedding_labels = sizes, known
    parts.num_series = model.magnitudes.learn_new(dataset)
    model.dataset_parameters = {**model.dataset_parameters, "categorical_encoders": encoders}
    return {name: labels for name, labels in new.items() if labels}
