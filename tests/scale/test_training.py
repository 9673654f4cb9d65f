"""Training on files that are read in parts: the windows and scales of the whole frame."""

import os
import signal
import subprocess
import sys
from itertools import chain
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_forecasting import GroupNormalizer
from sklearn.preprocessing import RobustScaler

import drnn_forecast as drnn
from command_line import run
from drnn_forecast.data import PartedData, Roles
from drnn_forecast.training import fit, restoring
from parted import HORIZON, ROLES, by_region, flat, history

TESTS = Path(__file__).parents[1]
SMALL = {"hidden_size": 4, "context_length": 12, "season_length": 7, "progress": False}
WINDOWS = {"horizon": HORIZON, "context_length": 12, "min_context_length": 2}
WINDOWS |= {"validation_windows": 2, "keep_short": True}


def parted(folder, max_rows=400, **roles):
    """Return the data of a folder of which few rows fit into memory."""
    return PartedData.from_parts(folder, Roles(**{**ROLES, **roles}), max_rows_in_memory=max_rows)


def uneven(num_series=24, seed=0):
    """Return series of differing lengths, with labels and numbers of all kinds."""
    rng = np.random.default_rng(seed)
    frame = history(num_series, seed=seed, ahead=0)
    step = frame.groupby("id").cumcount()
    frame = frame[step < rng.integers(8, 61, num_series).repeat(60)]
    labels = np.array(["a", "b", "c", "d"])[rng.integers(0, 4, len(frame))]
    return frame.assign(kind=labels, visits=rng.gamma(2, 9, len(frame))).reset_index(drop=True)


MORE = {"observed": ["visits"], "known": ["price", "kind"]}


def targets_of(batches):
    """Return the targets of every window of some batches, as sorted bytes."""
    return sorted(row.numpy().tobytes() for batch in batches for row in batch[1][0])


@pytest.mark.parametrize(
    ("write", "files", "rows", "identity", "seed"),
    [(by_region, 2, 130, True, 1), (flat, 3, 400, True, 2), (flat, 1, 400, False, 3)],
)
def test_encoders_and_scalers_of_files_are_those_of_the_frame(
    write, files, rows, identity, seed, tmp_path
):
    frame = uneven(seed=seed)
    folder = tmp_path
    write(frame, folder / "d", files)

    found = parted(folder / "d", rows, **MORE).split(**WINDOWS, identity=identity)
    roles = Roles(**{**ROLES, **MORE})
    whole = drnn.ForecastData.from_roles(frame, roles).split(**WINDOWS, identity=identity)

    assert len(found.training.stream) == len(whole.training)
    assert len(found.complete.stream) == len(whole.complete)
    one, other = found.training.get_parameters(), whole.training.get_parameters()
    assert one["scalers"].keys() == other["scalers"].keys()
    for name, encoder in other["categorical_encoders"].items():
        if not name.startswith("__"):  # the host's own, which tell apart the series of a frame
            assert one["categorical_encoders"][name].classes_ == encoder.classes_
    for name in ("price", "visits"):
        # Sums in another order.
        np.testing.assert_allclose(one["scalers"][name].mean_, other["scalers"][name].mean_, 1e-12)
        np.testing.assert_allclose(
            one["scalers"][name].scale_, other["scalers"][name].scale_, rtol=1e-12
        )


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("part", ["training", "complete"])
def test_every_window_comes_once_an_epoch_whoever_reads_it(part, processes, tmp_path):
    frame = uneven()
    by_region(frame, tmp_path / "data", files=2)
    stream = getattr(parted(tmp_path / "data", 600, **MORE).split(**WINDOWS), part).stream
    roles = Roles(**{**ROLES, **MORE})
    whole = getattr(drnn.ForecastData.from_roles(frame, roles).split(**WINDOWS), part)
    expected = targets_of(whole.to_dataloader(False, 512))

    orders = []
    for number in range(2):
        shares = [
            list(stream.epoch(number, 8, seed=3, rank=rank, processes=processes))
            for rank in range(processes)
        ]
        assert {len(share) for share in shares} == {
            stream.count(number, 8, seed=3, processes=processes)
        }
        assert targets_of(chain.from_iterable(shares)) == expected
        assert max(len(batch[1][0]) for share in shares for batch in share) <= 8
        orders.append(torch.cat([batch[1][0] for batch in shares[0]]))
    assert orders[0].shape != orders[1].shape or not torch.equal(*orders)


def test_a_stream_is_entered_anywhere(tmp_path):
    flat(uneven(), tmp_path / "data")
    stream = parted(tmp_path / "data", **MORE).split(**WINDOWS).training.stream
    epoch = stream.count(0, 16, seed=1)

    def taken(first, count):
        batches = stream.batches(16, seed=1, first=first)
        return [next(batches)[1][0] for _ in range(count)]

    whole = taken(0, 2 * epoch)
    for first in (1, epoch - 1, epoch, epoch + 3):
        for one, other in zip(taken(first, 4), whole[first:], strict=False):
            assert torch.equal(one, other)


@pytest.mark.parametrize("max_rows", [260, 1000])
def test_no_more_rows_are_in_memory_than_were_asked_for(max_rows, tmp_path):
    flat(history(40, ahead=0), tmp_path / "data")
    data = parted(tmp_path / "data", max_rows)
    splits = data.split(**WINDOWS)

    assert len(data.sample.history) <= max_rows / 2
    held = []
    for _ in splits.complete.stream.epoch(0, 64, seed=0):
        (dataset,) = splits.complete.stream._held.values()
        held.append(len(dataset.data["time"]))
    # Whole series of 60 rows.
    assert max(held) <= max_rows / 2 + 60


def test_files_that_fit_give_the_model_of_the_frame(tmp_path):
    frame = history(ahead=0)
    by_region(frame, tmp_path / "data")

    one = drnn.train(tmp_path / "data", HORIZON, **ROLES, **SMALL, max_steps=3)
    other = drnn.train(frame, HORIZON, **ROLES, **SMALL, max_steps=3)

    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)
    pd.testing.assert_frame_equal(one.forecast(history()), other.forecast(history()))


def test_a_training_in_parts_learns_what_one_in_memory_does(tmp_path):
    frame = history(40, ahead=0)
    flat(frame, tmp_path / "data")
    options = {**ROLES, **SMALL, "max_steps": 60, "learning_rate": 0.01}

    one = drnn.train(str(tmp_path / "data"), HORIZON, max_rows_in_memory=1200, **options)
    other = drnn.train(frame, HORIZON, **options)

    losses = [each.evaluate(frame)["WQL"].mean() for each in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_an_interrupted_training_in_parts_goes_on_to_the_same_model(tmp_path, monkeypatch):
    monkeypatch.setattr(restoring, "EVERY", 0.0)
    flat(history(20, ahead=0), tmp_path / "data")

    class Stop(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 25:
                raise KeyboardInterrupt

    def trained(name, *callbacks):
        options = {**ROLES, **SMALL, "max_rows_in_memory": 600, "max_steps": 40, "batch_size": 16}
        return drnn.train(
            tmp_path / "data", HORIZON, **options, folder=tmp_path / name, callbacks=callbacks
        )

    whole = trained("whole")
    with pytest.raises(KeyboardInterrupt):
        trained("model", Stop())
    resumed = trained("model")

    assert list((tmp_path / "model").iterdir())
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_fit_reads_epochs_of_all_windows(tmp_path):
    flat(history(20, ahead=0), tmp_path / "data")
    splits = parted(tmp_path / "data").split(**WINDOWS)
    batches = splits.training.stream.count(0, 32, seed=0)

    result = fit(
        lambda: drnn.DilatedRNNForecaster.from_dataset(splits.training, hidden_size=4),
        splits.training,
        splits.validation,
        max_epochs=2,
        steps_per_epoch=None,
        batch_size=32,
        progress=False,
    )

    assert (result.epochs, result.steps) == (2, 2 * batches)


def test_the_command_trains_on_a_folder_and_says_what_rests_on_a_sample(tmp_path, here, capsys):
    by_region(history(20, ahead=0), here / "data")
    flags = ["--time", "ds", "--target", "y", "--series", "id", "--known", "price", "--horizon", 6]
    flags += ["--static", "region", "--max_steps", "3", "--hidden_size", "4", "--progress", "false"]

    assert run("fit", "data", *flags, "--max_rows_in_memory", "600") == 0

    said = capsys.readouterr()
    assert said.out == "Written: model\n"
    assert "rest on a sample: 300 of 1,200 rows, 5 of 20 slices of 2 files." in said.err
    assert run("predict", "model", "data", "--out", "out", "--progress", "false") == 2
    assert "future" in capsys.readouterr().err
    (here / "t.csv").write_text("ds,y\n")
    assert run("fit", "t.csv", *flags, "--max_rows_in_memory", "600", "--out", "new") == 2
    assert "`max_rows_in_memory` is for a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_normalizer": GroupNormalizer(groups=["id"])}, "must be an `EncoderNormalizer`"),
        ({"scalers": {"price": RobustScaler()}}, "'price' must learn in parts"),
        ({"add_target_scales": True}, "`add_target_scales` needs all rows"),
    ],
)
def test_what_needs_all_rows_at_once_is_refused(options, message, tmp_path):
    flat(history(20, ahead=0), tmp_path / "data")
    with pytest.raises(ValueError, match=message):
        parted(tmp_path / "data").split(**WINDOWS, **options)


def test_mistakes_about_a_folder_are_told_before_training(tmp_path, monkeypatch):
    frame = history(20, ahead=0)
    flat(frame, tmp_path / "data")
    with pytest.raises(ValueError, match="`max_rows_in_memory` must be at least 1, got 0"):
        drnn.train(tmp_path / "data", HORIZON, **ROLES, max_rows_in_memory=0)
    with pytest.raises(ValueError, match="lacks the column 'weight'"):
        drnn.train(tmp_path / "data", HORIZON, **ROLES, weight="weight")
    with pytest.raises(ValueError, match="`time` must name a column of the files"):
        drnn.train(tmp_path / "data", HORIZON, target="y")
    frame.iloc[-1:].to_parquet(tmp_path / "data" / "part-0b.parquet")
    with pytest.raises(ValueError, match="A series must lie within one partition, but series"):
        drnn.train(tmp_path / "data", HORIZON, **ROLES)
    for name, value in {
        "TORCHELASTIC_RUN_ID": "x",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="`preset` must be 'fast' or 'medium' where several"):
        drnn.train(frame, HORIZON, **ROLES, preset="best")


def test_a_gap_in_a_file_is_told_with_its_name(tmp_path):
    flat(history(20, ahead=0).drop(index=30), tmp_path / "data")
    with pytest.raises(ValueError, match=r"^part-0.parquet: .*s000"):
        parted(tmp_path / "data", 500, missing="error").split(**WINDOWS)


@pytest.mark.parametrize("missing", ["mask", "previous"])
def test_what_is_missing_is_treated_as_in_a_frame(missing, tmp_path):
    frame = history(20, ahead=0).drop(index=[30, 31, 700])
    frame.loc[frame.index[200:204], "y"] = np.nan
    frame.loc[frame.index[330:332], "price"] = np.nan
    flat(frame, tmp_path / "data")
    roles = Roles(**ROLES, missing=missing)
    whole = drnn.ForecastData.from_roles(frame, roles).split(**WINDOWS).training
    stream = parted(tmp_path / "data", missing=missing).split(**WINDOWS).training.stream

    found = targets_of(stream.epoch(0, 16, seed=0))

    assert found == targets_of(whole.to_dataloader(False, 16))


def test_fewer_series_than_processes_are_refused(tmp_path):
    flat(history(2, ahead=0), tmp_path / "data", files=1)
    stream = parted(tmp_path / "data", 60).split(**WINDOWS).training.stream
    with pytest.raises(ValueError, match="Each of the 3 processes needs a series of its own"):
        next(stream.epoch(0, 8, seed=0, processes=3))


def launched(folder, steps, killed_at=""):
    """Return the run of two processes that torchrun starts."""
    paths = [str(TESTS.parent), str(TESTS), str(TESTS / "scale"), os.environ.get("PYTHONPATH", "")]
    more = {"STEPS": str(steps), "KILLED_AT": killed_at, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run"]
    command += ["--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, str(TESTS / "two_processes.py"), str(folder / "data"), str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **more, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_two_processes_are_replicas_and_read_every_window_once(tmp_path):
    frame = history(40, ahead=0)
    flat(frame, tmp_path / "data")
    data = parted(tmp_path / "data", 800)
    facts = drnn.Recipe.of(data.facts(HORIZON))
    options = {**facts.dataset, "context_length": 12, "min_context_length": 2}
    stream = data.split(horizon=HORIZON, keep_short=True, **options).training.stream
    epoch = stream.count(0, 16, seed=0, processes=2)
    whole = targets_of(stream.epoch(0, 10**6, seed=0))

    result = launched(tmp_path, steps=2 * epoch)
    assert result.returncode == 0, result.stderr[-3000:]

    ranks = [torch.load(tmp_path / f"rank-{rank}.pt", weights_only=False) for rank in (0, 1)]
    torch.testing.assert_close(ranks[0]["weights"], ranks[1]["weights"], rtol=0, atol=0)
    for number in (0, 1):
        part = slice(number * epoch, (number + 1) * epoch)
        seen = [row.numpy().tobytes() for rank in ranks for y in rank["seen"][part] for row in y]
        assert sorted(seen) == whole
    kept = drnn.load(tmp_path / "model").state_dict()
    torch.testing.assert_close(ranks[0]["weights"], kept, rtol=0, atol=0)


@pytest.mark.slow
def test_a_killed_process_ends_the_job_which_goes_on_when_started_again(tmp_path):
    for name in ("whole", "killed"):
        flat(history(20, ahead=0), tmp_path / name / "data")
    assert launched(tmp_path / "whole", steps=40).returncode == 0

    result = launched(tmp_path / "killed", steps=40, killed_at="30")
    assert result.returncode != 0
    assert "One of the 2 processes of this training has ended" in result.stderr
    assert str(-signal.SIGKILL) in result.stderr
    assert (tmp_path / "killed" / "model.unfinished").is_dir()
    assert not (tmp_path / "killed" / "model").exists()

    result = launched(tmp_path / "killed", steps=40)
    assert result.returncode == 0, result.stderr[-3000:]
    found = [drnn.load(tmp_path / name / "model").state_dict() for name in ("whole", "killed")]
    torch.testing.assert_close(*found, rtol=0, atol=0)
