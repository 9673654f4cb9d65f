"""One worker process of a study: `python tuning_worker.py STORAGE N_TRIALS FOLDER [HANG]`.

With a file name HANG it writes that file in the middle of its first trial, and waits to be killed.
"""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

import torch
from lightning.pytorch import Callback
from optuna.pruners import NopPruner

from drnn_forecast import BatchedTimeSeriesDataSet, tune
from drnn_forecast.training.tuning.space import Range, SearchSpace
from series import make_dataset, planted_frame


class Hang(Callback):
    def __init__(self, path):
        self.path = path

    def on_train_batch_start(self, trainer, model, batch, batch_idx):
        self.path.touch()
        time.sleep(600)


def main(storage, n_trials, folder, hang=None):
    torch.set_num_threads(1)
    frame = planted_frame(num_series=2)
    small = make_dataset(frame[frame.time_idx < 160], max_encoder_length=24)
    training = BatchedTimeSeriesDataSet.from_parameters(
        small.get_parameters(), frame[frame.time_idx < 160]
    )
    result = tune(
        (training, BatchedTimeSeriesDataSet.from_dataset(training, frame, min_prediction_idx=176)),
        n_trials=int(n_trials),
        storage=storage,
        folder=folder,
        search_space=SearchSpace(hidden_size=Range(3, 5), cell_type="GRU", batch_size=16),
        max_epochs=1,
        steps_per_epoch=2,
        heartbeat_seconds=1,
        pruner=NopPruner(),
        callbacks=[] if hang is None else [Hang(Path(hang))],
        progress=False,
    )
    print(result.stopped_by)


if __name__ == "__main__":
    main(*sys.argv[1:])
