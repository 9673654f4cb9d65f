"""Small series with a planted structure, and datasets made of them."""

from functools import partial

import numpy as np
import pandas as pd
from pytorch_forecasting import TimeSeriesDataSet
from pytorch_forecasting.data import EncoderNormalizer

from drnn_forecast import DilatedRNNForecaster


def planted_frame(num_series=3, length=200, period=24, noise=0.0, seed=0):
    """Return series that repeat a pattern of their own every `period` steps.

    `lever` is a covariate that adds to the target in the same step, so a forecast is only right
    if it reads the covariate of that very step.
    """
    generator = np.random.default_rng(seed)
    frames = []
    for index in range(num_series):
        pattern = generator.normal(size=period)
        lever = generator.choice([-1.0, 1.0], size=length)
        season = np.resize(pattern, length)
        target = 10 * (index + 1) + season + noise * generator.normal(size=length)
        frames.append(
            pd.DataFrame(
                {
                    "name": f"s{index}",
                    "time_idx": np.arange(length),
                    "target": target.astype("float32"),
                    "lever": lever.astype("float32"),
                    "other": generator.normal(size=length).astype("float32"),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def make_dataset(frame=None, **options):
    """Return a `TimeSeriesDataSet` of a planted frame with everyday settings."""
    defaults = {
        "time_idx": "time_idx",
        "target": "target",
        "group_ids": ["name"],
        "max_encoder_length": 60,
        "max_prediction_length": 12,
        "static_categoricals": ["name"],
        "time_varying_known_reals": ["lever"],
        "time_varying_unknown_reals": ["target"],
        "target_normalizer": EncoderNormalizer(),
    }
    return TimeSeriesDataSet(planted_frame() if frame is None else frame, **{**defaults, **options})


def training_and_validation(first=160):
    """Return datasets of a planted frame; `first` is the first time index to be validated."""
    frame = planted_frame(noise=0.1)
    training = make_dataset(frame[frame.time_idx < 160])
    return training, type(training).from_dataset(training, frame, min_prediction_idx=first)


def tiny(training, **options):
    """Return what builds a small forecaster for a dataset."""
    options = {"hidden_size": 4, "num_layers": 2, "learning_rate": 1e-2, **options}
    options = {"relative_loss": False, **options}
    return partial(DilatedRNNForecaster.from_dataset, training, **options)


def first_batch(dataset, batch_size=16, train=False):
    """Return the first `(x, y)` of the dataset's loader."""
    return next(iter(dataset.to_dataloader(train=train, batch_size=batch_size, num_workers=0)))
