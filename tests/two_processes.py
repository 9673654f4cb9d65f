"""Trains on a dataset in parts, in each of several processes: `two_processes.py <data> <folder>`.

With the name of a step in `KILLED_AT`, the second process is killed there.
"""

import os
import signal
import sys
from pathlib import Path

import lightning.pytorch as pl
import torch

import drnn_forecast as drnn
from drnn_forecast.training import course, restoring
from parted import HORIZON, ROLES

MAX_ROWS = 800


class Recorder(pl.Callback):
    """Keeps the targets of every batch, and dies where it is told to."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if str(trainer.global_step) == os.environ.get("KILLED_AT") and trainer.global_rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(batch[1][0].clone())


def main(data, folder):
    """Write what each process has after the training."""
    torch.set_num_threads(1)
    restoring.EVERY, course.PATIENCE = 0.0, 99
    recorder = Recorder()
    model = drnn.train(
        data,
        HORIZON,
        **ROLES,
        max_rows_in_memory=MAX_ROWS,
        max_steps=int(os.environ["STEPS"]),
        batch_size=16,
        hidden_size=4,
        context_length=12,
        season_length=7,
        callbacks=[recorder],
        progress=False,
        accelerator="cpu",
        folder=folder / "model",
    )
    found = {"weights": model.state_dict(), "seen": recorder.seen}
    torch.save(found, folder / f"rank-{os.environ['RANK']}.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
