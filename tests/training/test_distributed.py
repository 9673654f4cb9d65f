"""Two processes on one machine: trained like one, and predictions of every window once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from drnn_forecast import DilatedRNNForecaster
from series import make_dataset

TESTS = Path(__file__).parents[1]
RUN = Path(__file__).with_name("distributed_run.py")
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import lightning.pytorch as pl
import torch
from lightning.pytorch.strategies import DDPStrategy
from drnn_forecast import DilatedRNNForecaster
from series import make_dataset
devices, folder = int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
data = make_dataset()
data = data.filter(lambda index: index.index < 256)
pl.seed_everything(0, verbose=False)
model = DilatedRNNForecaster.from_dataset(
    data, hidden_size=4, num_layers=2, dropout=0.0, learning_rate=1e-2
)
losses = []
class Recorder(pl.Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        losses.append(float(trainer.strategy.reduce(outputs["loss"], reduce_op="mean")))
strategy = DDPStrategy(process_group_backend="gloo") if devices > 1 else "auto"
quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False,
             enable_model_summary=False, accelerator="cpu", devices=devices, strategy=strategy)
trainer = pl.Trainer(max_epochs=2, callbacks=[Recorder()], use_distributed_sampler=False, **quiet)
class Share(torch.utils.data.Sampler):
    # The batches of one process, dealt out to the processes row by row.
    def __iter__(self):
        rank = trainer.global_rank
        return iter(range(rank, len(data), devices))
    def __len__(self):
        return len(data) // devices
loader = data.to_dataloader(train=True, batch_size=64 // devices, num_workers=0,
                            shuffle=False, sampler=Share())
judged_by = data.to_dataloader(train=False, batch_size=64, num_workers=0, sampler=Share())
trainer.fit(model, loader, judged_by)
metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
everyone = [metrics]
if devices > 1:
    everyone = [None] * devices
    torch.distributed.all_gather_object(everyone, metrics)
kwargs = dict(accelerator="cpu", devices=devices)
if devices > 1:
    kwargs["strategy"] = DDPStrategy(process_group_backend="gloo")
odd = data.filter(lambda index: index.index < 251)
result = model.predict(odd, batch_size=16, return_index=True, return_y=True, mode="quantiles",
                       trainer_kwargs=kwargs)
if trainer.global_rank == 0:
    torch.save({"losses": losses, "metrics": everyone, "output": result.output, "y": result.y[0],
                "time": result.index["time_idx"].to_numpy().tolist()}, f"{folder}/{devices}.pt")
"""


def run(devices, folder):
    """Return losses and predictions of a run with so many processes."""
    script = folder / "run.py"
    script.write_text(SCRIPT)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(TESTS), str(devices), str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return torch.load(folder / f"{devices}.pt", weights_only=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    return run(1, folder), run(2, folder)


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one_with_the_same_batches(runs):
    one, two = runs
    assert len(one["losses"]) == 8
    # float32 sums in another order, over eight steps of the optimiser.
    torch.testing.assert_close(
        torch.tensor(two["losses"]), torch.tensor(one["losses"]), rtol=1e-4, atol=1e-5
    )


def test_all_processes_judge_by_the_same_metrics_which_are_those_of_one_process(runs):
    one, two = runs
    assert two["metrics"][0] == two["metrics"][1]
    names = [name for name in one["metrics"][0] if name.startswith("val_")]
    assert "val_loss" in names
    for name in names:
        assert two["metrics"][0][name] == pytest.approx(one["metrics"][0][name], rel=1e-4)


def test_every_window_is_predicted_once_and_in_order_across_processes(runs):
    one, two = runs
    assert two["time"] == one["time"]
    assert len(two["output"]) == 251
    torch.testing.assert_close(two["y"], one["y"], rtol=0, atol=0)
    torch.testing.assert_close(two["output"], one["output"], rtol=1e-3, atol=1e-3)


LAUNCHES = {
    "ddp_spawn": ([], "ddp_spawn"),
    "ddp_fork": ([], "ddp_fork"),
    "torchrun": (["-m", "torch.distributed.run", "--nproc-per-node", "2"], "ddp"),
}


def launched(how, tasks, folder):
    """Return what each process that goes on after its work has, by rank."""
    options, strategy = LAUNCHES[how]
    paths = [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, "-W", "ignore", *options, str(RUN), strategy, str(folder), *tasks],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    ranks = sorted(folder.glob("rank-*.pt"))
    assert {path.name for path in folder.iterdir()} == {"best.ckpt", *(p.name for p in ranks)}
    return [torch.load(path, weights_only=False) for path in ranks]


@pytest.mark.parametrize(
    ("how", "tasks"),
    [
        ("ddp_spawn", ["fit"]),
        pytest.param("ddp_fork", ["fit", "predict"], marks=pytest.mark.slow),
        pytest.param("ddp_spawn", ["fit", "predict"], marks=pytest.mark.slow),
        pytest.param("torchrun", ["fit", "predict"], marks=pytest.mark.slow),
    ],
)
def test_two_processes_end_with_one_model_however_they_are_started(how, tasks, tmp_path):
    ranks = launched(how, tasks, tmp_path)
    first = ranks[0]
    kept = torch.load(tmp_path / "best.ckpt", weights_only=False)["state_dict"]

    assert len(ranks) == (2 if how == "torchrun" else 1)
    for rank in ranks:
        assert rank["told"] == (3, 3, "max_epochs")
        assert rank["loss"] == first["loss"] < float("inf")
        torch.testing.assert_close(rank["weights"], kept, rtol=0, atol=0)
        torch.testing.assert_close(rank["snapshots"][0], kept, rtol=0, atol=0)
        assert len(rank["snapshots"]) == 2
        if "predict" in tasks:
            alone, batched, indexed = rank["predicted"]
            # float32 sums in batches of other sizes.
            torch.testing.assert_close(batched, alone, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(indexed.output, alone, rtol=1e-5, atol=1e-5)
            assert indexed.index["time_idx"].tolist() == list(range(170, 177))


def test_fewer_windows_than_processes_are_refused():
    data = make_dataset()
    model = DilatedRNNForecaster.from_dataset(data, hidden_size=4, num_layers=2)
    window = data.filter(lambda index: index.index < 1)
    trainer = {"accelerator": "cpu", "devices": 2, "strategy": "ddp_fork"}
    with pytest.raises(ValueError, match=r"a window for each of the 2 processes, got 1\."):
        model.predict(window, trainer_kwargs=trainer)
