"""Pictures of forecasts among what a training logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.loggers import Logger, MLFlowLogger


def can_keep_pictures(loggers: Sequence[Logger]) -> bool:
    """Return whether a logger takes figures: TensorBoard's, one like it, or MLflow's."""
    return any(map(_takes_figures, loggers))


def log_figure(loggers: Sequence[Logger], tag: str, figure: Any, step: int) -> None:
    """Give a figure of matplotlib to every logger that takes some.

    TensorBoard shows the steps of a tag one after the other; MLflow keeps a file for each, in a
    folder of the run's artifacts that is named by the tag.
    """
    takers: list[Any] = list(filter(_takes_figures, loggers))
    for logger in takers:
        if isinstance(logger, MLFlowLogger):
            place = f"{''.join(c if c.isalnum() else '_' for c in tag)}/step_{step:08d}.png"
            logger.experiment.log_figure(logger.run_id, figure, place)
        else:
            logger.experiment.add_figure(tag, figure, global_step=step)


def windows_shown(interval: float, count: int, batch_idx: int) -> range:
    """Return which windows of a batch are drawn, as upstream's `log_interval` has it.

    Args:
        interval: The first window of each so-manieth batch; below 1 such a share of the windows of
            every batch, each `interval * count`-th of them; not above 0: none.
        count: Windows of the batch.
        batch_idx: Its number.
    """
    if interval <= 0 or (interval >= 1 and batch_idx % interval):
        return range(0)
    return range(1) if interval >= 1 else range(0, count, max(1, round(interval * count)))


def _takes_figures(logger: Logger) -> bool:
    """Return whether a logger takes figures of matplotlib."""
    return isinstance(logger, MLFlowLogger) or hasattr(
        getattr(logger, "experiment", None), "add_figure"
    )
