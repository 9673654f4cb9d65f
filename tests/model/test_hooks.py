"""Weights that a hook or a parametrisation makes anew before every forward pass."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelPruning
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from drnn_forecast.model.forecaster import DilatedRNNForecaster
from series import make_dataset, planted_frame

TRAINER = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
OPTIONS = {"season_length": (2, 5), "linear_length": 5, "dilations": (2, 4), "dropout": 0.1}


@pytest.fixture(scope="module")
def dataset():
    return make_dataset(
        planted_frame(num_series=2, length=60), max_encoder_length=20, max_prediction_length=3
    )


def make_model(dataset, **options):
    pl.seed_everything(0, verbose=False)
    return DilatedRNNForecaster.from_dataset(dataset, hidden_size=4, **{**OPTIONS, **options})


def train(model, dataset, **options):
    options = {"max_epochs": 2, "limit_train_batches": 2, **options}
    trainer = pl.Trainer(accelerator="cpu", **TRAINER, **options)
    trainer.fit(model, dataset.to_dataloader(train=True, batch_size=16))
    return model


def weights(model):
    """Return every module that has a weight of its own, with the names of these.

    A weight that starts at zero has no direction, which the norms divide by.
    """
    skipped = ("loss", "logging_metrics")
    return [
        (module, name)
        for path, module in model.named_modules()
        if not path.startswith(skipped)
        for name, part in list(module.named_parameters(recurse=False))
        if part.ndim > 1 and bool((part.flatten(1).norm(dim=1) > 0).all())
    ]


class Halved(torch.nn.Module):
    """A parametrisation whose weight is half of what is learned."""

    def forward(self, weight):
        return weight / 2


WAYS = {
    "pruned": lambda module, name: prune.l1_unstructured(module, name, amount=0.3),
    "weight norm": weight_norm,
    "spectral norm": spectral_norm,
    "parametrised": lambda module, name: parametrize.register_parametrization(
        module, name, Halved()
    ),
    "parametrised weight norm": parametrizations.weight_norm,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("cell_type", ["GRU", "LSTM"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_weights_that_are_made_anew_train(dataset, way, cell_type):
    model = make_model(dataset, cell_type=cell_type)
    for module, name in weights(model):
        way(module, name)
    before = [part.detach().clone() for part in model.parameters()]
    train(model, dataset)
    moved = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    assert torch.isfinite(model.predict(dataset)).all()


@pytest.mark.parametrize("options", [{}, {"segment_length": 5, "dilations": (1, 2)}])
def test_lightnings_pruning_trains(dataset, options):
    model = make_model(dataset, **options)
    pairs = weights(model)
    callback = ModelPruning("l1_unstructured", parameters_to_prune=pairs, amount=0.5)
    train(model, dataset, callbacks=[callback])
    parts = [getattr(module, name) for module, name in pairs]
    zeros = sum(int((part == 0).sum()) for part in parts)
    assert zeros >= 0.4 * sum(part.numel() for part in parts)
