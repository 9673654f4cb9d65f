"""Two processes on one machine: trained like one, and predictions of every window once."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

TESTS = Path(__file__).parents[1]
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
trainer.fit(model, loader)
kwargs = dict(accelerator="cpu", devices=devices)
if devices > 1:
    kwargs["strategy"] = DDPStrategy(process_group_backend="gloo")
odd = data.filter(lambda index: index.index < 251)
result = model.predict(odd, batch_size=16, return_index=True, return_y=True, mode="quantiles",
                       trainer_kwargs=kwargs)
if trainer.global_rank == 0:
    torch.save({"losses": losses, "output": result.output, "y": result.y[0],
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


def test_two_processes_have_the_loss_curve_of_one_with_the_same_batches(runs):
    one, two = runs
    assert len(one["losses"]) == 8
    # float32 sums in another order, over eight steps of the optimiser.
    torch.testing.assert_close(
        torch.tensor(two["losses"]), torch.tensor(one["losses"]), rtol=1e-4, atol=1e-5
    )


def test_every_window_is_predicted_once_and_in_order_across_processes(runs):
    one, two = runs
    assert two["time"] == one["time"]
    assert len(two["output"]) == 251
    torch.testing.assert_close(two["y"], one["y"], rtol=0, atol=0)
    torch.testing.assert_close(two["output"], one["output"], rtol=1e-3, atol=1e-3)
