"""Trains and predicts in two processes: `distributed_run.py <strategy> <folder> fit predict`."""

import os
import sys
from functools import partial
from pathlib import Path

import torch

from drnn_forecast import DilatedRNNForecaster
from drnn_forecast.training import fit
from series import make_dataset, planted_frame


def main(strategy, folder, tasks):
    """Write what each process that goes on after the training has."""
    torch.set_num_threads(1)
    frame = planted_frame(noise=0.1)
    training = make_dataset(frame[frame.time_idx < 120])
    validation = type(training).from_dataset(training, frame, min_prediction_idx=170)
    build = partial(
        DilatedRNNForecaster.from_dataset,
        training,
        hidden_size=4,
        num_layers=2,
        learning_rate=0.02,
        reduce_on_plateau_patience=1,
    )
    trainer = {"accelerator": "cpu", "devices": 2, "strategy": strategy}
    result = fit(
        build,
        training,
        validation,
        max_epochs=3,
        steps_per_epoch=3,
        snapshots=2,
        checkpoint=folder / "best.ckpt",
        progress=False,
        trainer_kwargs=trainer,
    )
    predicted = ()
    if "predict" in tasks:
        windows = validation.filter(lambda index: index.index < 7)
        predicted = (
            result.model.predict(windows),
            result.model.predict(windows, batch_size=2, trainer_kwargs=trainer),
            result.model.predict(windows, return_index=True, trainer_kwargs=trainer),
        )
    rank = os.environ.get("LOCAL_RANK", "0")
    torch.save(
        {
            "weights": result.model.state_dict(),
            "loss": result.validation_loss,
            "told": (result.epochs, result.steps, result.stopped_by),
            "snapshots": [each.state_dict() for each in result.snapshots],
            "predicted": predicted,
        },
        folder / f"rank-{rank}.pt",
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
