"""Whether torchrun or SLURM has started this process beside others, by what they leave behind."""

from __future__ import annotations

import os
from typing import Any

INTERACTIVE = ("bash", "interactive")
"""Names of SLURM's jobs in which people type; Lightning lets them be."""


def launched_processes() -> dict[str, Any]:
    """Return the trainer's arguments for all processes together; none where this one is alone."""
    if _torchrun():
        total, local = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = total // local
    elif _slurm():
        total, nodes = (int(os.environ[name]) for name in ("SLURM_NTASKS", "SLURM_NNODES"))
        local = total // nodes
    else:
        return {}
    return {"strategy": "ddp", "devices": local, "num_nodes": nodes} if total > 1 else {}


def is_first_process() -> bool:
    """Return whether this is the process that writes and speaks for all."""
    name = "RANK" if _torchrun() else "SLURM_PROCID" if _slurm() else ""
    return int(os.environ.get(name, "0")) == 0


def _torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _slurm() -> bool:
    is_job = {"SLURM_NTASKS", "SLURM_NNODES", "SLURM_PROCID"} <= set(os.environ)
    return is_job and os.environ.get("SLURM_JOB_NAME") not in INTERACTIVE
