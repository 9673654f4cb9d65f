"""Forecasts of partitions: those of the whole frame in memory, whoever makes them and how often."""

import errno
import multiprocessing
import signal
import threading
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

import drnn_forecast as drnn
from drnn_forecast.scale import forecast_partitions, forecasting, work
from laws.drawing import law
from parted import HORIZON, by_region, contents, flat, history, model_folder, read

FEW = 70
"""Rows of a single series and a little more."""


@pytest.fixture(scope="module")
def model():
    return model_folder()


@pytest.fixture(scope="module")
def expected(model):
    return drnn.load(model).forecast(history())


def made(model, dataset, out, **options):
    """Return a folder of forecasts."""
    forecast_partitions(model, dataset, out, **{"progress": False, **options})
    return out


def assert_same_rows(found, expected):
    # float32 sums in batches of other sizes.
    pd.testing.assert_frame_equal(
        found[expected.columns], expected, check_dtype=False, rtol=1e-5, atol=1e-5
    )


LAYOUTS = {
    "folders": lambda frame, folder: by_region(frame, folder),
    "folders of several files": lambda frame, folder: by_region(frame, folder, files=2),
    "files": lambda frame, folder: flat(frame, folder),
    "one file": lambda frame, folder: flat(frame, folder, files=1),
    "folders in folders": lambda frame, folder: [
        by_region(part, folder / f"half={number}")
        for number, part in frame.groupby(frame["id"] > "s002")
    ],
}


@pytest.mark.parametrize("max_rows", [FEW, 10**6])
@pytest.mark.parametrize("name", LAYOUTS)
def test_forecasts_of_partitions_are_those_of_the_frame(model, expected, name, max_rows, tmp_path):
    LAYOUTS[name](history(), tmp_path / "data")

    out = made(model, tmp_path / "data", tmp_path / "out", max_rows=max_rows)

    assert_same_rows(read(out), expected)
    names = set(contents(tmp_path / "data"))
    assert set(contents(out)) == {"_drnn_forecast.json", *names}


@law
@given(data=st.data())
def test_rows_may_lie_in_any_order_in_files_of_any_row_groups(
    model, expected, tmp_path_factory, data
):
    frame = history()
    if data.draw(st.booleans(), label="by time"):
        frame = frame.sort_values("ds", kind="stable")
    folder = tmp_path_factory.mktemp("any")
    of = data.draw(st.lists(st.integers(0, 2), min_size=6, max_size=6), label="file of each series")
    group = data.draw(st.sampled_from([7, 61, 1000]), label="rows of a group")
    for number in set(of):
        (folder / "data").mkdir(exist_ok=True)
        own = [f"s{series:03}" for series, file in enumerate(of) if file == number]
        rows = frame[frame["id"].isin(own)]
        rows.to_parquet(folder / "data" / f"{number}.parquet", row_group_size=group, index=False)

    out = made(
        model, folder / "data", folder / "out", max_rows=data.draw(st.sampled_from([1, 140]))
    )

    assert_same_rows(read(out), expected)


def test_the_series_may_be_what_the_folders_are_named_after(tmp_path):
    frame = history(num_series=3).drop(columns=["price", "region"]).dropna()
    frame["id"] = frame["id"].str.removeprefix("s")
    model = drnn.train(
        frame, HORIZON, series="id", time="ds", target="y", max_steps=1, progress=False
    )
    model.save(tmp_path / "model")
    ds.write_dataset(
        pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "data", format="parquet",
        partitioning=["id"], partitioning_flavor="hive",
    )  # fmt: skip

    out = made(tmp_path / "model", tmp_path / "data", tmp_path / "out")

    assert sorted(contents(out))[1:] == [f"id=00{number}/part-0.parquet" for number in range(3)]
    found = pd.concat(
        pd.read_parquet(path, partitioning=None).assign(id=path.parent.name.removeprefix("id="))
        for path in sorted(out.rglob("*.parquet"))
    )
    assert_same_rows(found.reset_index(drop=True), model.forecast(frame))


def test_folders_may_be_named_after_values_alone(model, expected, tmp_path):
    by_region(history(), tmp_path / "data")
    for region in ("north", "south"):
        (tmp_path / "data" / f"region={region}").rename(tmp_path / "data" / region)

    out = made(model, tmp_path / "data", tmp_path / "out", partitioning=["region"])

    assert_same_rows(read(out), expected)


def test_future_rows_may_be_a_dataset_of_the_same_files(model, expected, tmp_path):
    frame = history()
    is_late = frame["y"].isna()
    by_region(frame[~is_late], tmp_path / "data")
    by_region(frame[is_late], tmp_path / "future")

    options = {"future": tmp_path / "future", "max_rows": FEW}
    out = made(model, tmp_path / "data", tmp_path / "out", **options)
    assert_same_rows(read(out), expected)

    (tmp_path / "future" / "region=south" / "part-0.parquet").unlink()
    with pytest.raises(
        ValueError, match=r"'region=south/part-0.parquet' is in the dataset and not"
    ):
        made(model, tmp_path / "data", tmp_path / "other", future=tmp_path / "future")


def test_horizon_and_origin_are_those_of_a_forecast(model, tmp_path):
    by_region(history(), tmp_path / "data")
    asked = {"horizon": 2, "origin": "2024-02-10"}

    out = made(model, tmp_path / "data", tmp_path / "out", **asked)

    assert_same_rows(read(out), drnn.load(model).forecast(history(), **asked))


def test_a_dataset_may_lie_at_any_url(model, expected, tmp_path):
    by_region(history(), tmp_path / "data")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "data"), "/scale/data", recursive=True)

    made(model, "memory://scale/data", "memory://scale/out")
    memory.get("/scale/out", str(tmp_path / "out"), recursive=True)

    assert_same_rows(read(tmp_path / "out"), expected)
    assert forecast_partitions(
        model, "memory://scale/data", "memory://scale/out", progress=False
    ).finished_before == 2  # fmt: skip
    memory.rm("/scale", recursive=True)


@pytest.mark.slow
def test_several_workers_write_the_same_bytes_as_one(model, tmp_path):
    flat(history(), tmp_path / "data")

    one = made(model, tmp_path / "data", tmp_path / "one")
    two = made(model, tmp_path / "data", tmp_path / "two", workers=2)

    assert contents(one) == contents(two)


def test_a_call_goes_on_where_an_earlier_one_ended_and_does_nothing_twice(
    model, tmp_path, monkeypatch
):
    flat(history(), tmp_path / "data")
    whole = made(model, tmp_path / "data", tmp_path / "whole")
    done = []

    def ending(asked, part):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(part.name)
        return work.forecast_part(asked, part)

    monkeypatch.setattr(forecasting, "forecast_part", ending)
    with pytest.raises(KeyboardInterrupt, match="2 of 3 partitions are finished and kept in"):
        made(model, tmp_path / "data", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    monkeypatch.setattr(forecasting, "forecast_part", work.forecast_part)

    result = forecast_partitions(model, tmp_path / "data", tmp_path / "out", progress=False)

    assert (result.partitions, result.finished_before, result.rows) == (3, 2, 2 * HORIZON)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert contents(tmp_path / "out") == contents(whole)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM, signal.SIGKILL]
)
def test_a_command_that_was_ended_goes_on(model, parent, tmp_path, number):
    flat(history(num_series=40), tmp_path / "data", files=40)
    whole = made(model, tmp_path / "data", tmp_path / "whole")
    command = ["predict", model, "data", "--out", "out"]

    found = parent.run(command, tmp_path, signals=[("partition/s", int(number))])
    assert found["status"] == (-9 if number == signal.SIGKILL else 128 + number), found["err"]
    ended = contents(tmp_path / "out")
    if number != signal.SIGKILL:
        assert "of 40 partitions are finished and kept in 'out'" in found["err"].splitlines()[-1]
        assert not [name for name in ended if "partial" in name]
    count = len([name for name in ended if name.startswith("part-")])
    assert count < 40

    found = parent.run([*command, "--progress", "false"], tmp_path)
    before = f", {count} of them before" if count else ""
    assert (found["status"], found["err"]) == (0, "")
    assert found["out"] == f"Written: out (40 partitions{before})\n"
    assert contents(tmp_path / "out") == contents(whole)


def test_other_data_model_or_settings_do_not_go_on(model, tmp_path):
    flat(history(), tmp_path / "data")
    out = made(model, tmp_path / "data", tmp_path / "out")
    kept = contents(out)

    with pytest.raises(FileExistsError, match="holds forecasts of another horizon"):
        made(model, tmp_path / "data", out, horizon=2)
    other = drnn.load(model)
    other.hparams.lower = -1e9
    with pytest.raises(FileExistsError, match="holds forecasts of another model"):
        made(other.save(tmp_path / "model"), tmp_path / "data", out)
    flat(history(seed=1), tmp_path / "new")
    (tmp_path / "new" / "part-1.parquet").replace(tmp_path / "data" / "part-1.parquet")
    with pytest.raises(FileExistsError, match=r"forecast of 'part-1.parquet' as it was before"):
        made(model, tmp_path / "data", out)
    assert contents(out) == kept


def test_a_dataset_that_grew_goes_on(model, expected, tmp_path):
    flat(history(), tmp_path / "data")
    last = (tmp_path / "data" / "part-2.parquet").rename(tmp_path / "last.parquet")
    out = made(model, tmp_path / "data", tmp_path / "out")
    last.rename(tmp_path / "data" / "part-2.parquet")

    assert_same_rows(read(made(model, tmp_path / "data", out)), expected)


def test_a_folder_of_something_else_is_left_alone(model, tmp_path):
    flat(history(), tmp_path / "data")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")

    with pytest.raises(FileExistsError, match="is not empty, and does not say which forecasts"):
        made(model, tmp_path / "data", tmp_path / "out")
    with pytest.raises(ValueError, match="`out` must be a folder of its own"):
        made(model, tmp_path / "data", tmp_path / "data" / "out")
    assert contents(tmp_path / "out") == {"mine.txt": b"mine"}


def split_over_files(folder):
    frame = history()
    flat(frame, folder)
    frame[frame["id"] == "s001"].iloc[-9:].to_parquet(folder / "part-9.parquet")


def split_over_folders(folder):
    frame = history()
    by_region(frame, folder)
    by_region(frame[frame["id"] == "s001"].assign(region="north"), folder / "region=north")


def other_type(folder):
    flat(history(), folder)
    history().iloc[:66].assign(id="x", price=1).to_parquet(folder / "part-9.parquet")


def lacking(folder):
    flat(history(), folder)
    history().iloc[:66].assign(id="x").drop(columns="price").to_parquet(folder / "part-9.parquet")


def text(folder):
    flat(history(), folder)
    (folder / "part-9.parquet").write_text("id,ds,y\n")


def nothing(folder):
    flat(history(), folder)
    (folder / "part-9.parquet").touch()


def no_rows(folder):
    flat(history(), folder)
    history().iloc[:0].to_parquet(folder / "part-9.parquet")


BAD = {
    split_over_files: "series 's001' is in 'part-0.parquet' and in 'part-9.parquet'",
    split_over_folders: "series 's001' is in 'region=north/region=north/part-0",
    other_type: "'price' must have one type in all files, but is double in 'part-0.* int64 in 'part-9",
    lacking: "'part-9.parquet' lacks the column 'price'",
    text: "'part-9.parquet' is not a readable Parquet file: ",
    nothing: "'part-9.parquet' is not a readable Parquet file: it has 0 bytes",
    no_rows: "'part-9.parquet' is empty: it has no rows",
}


@pytest.mark.parametrize("make", BAD)
def test_what_is_wrong_with_a_dataset_is_said_before_anything_is_written(model, make, tmp_path):
    make(tmp_path / "data")

    with pytest.raises(ValueError, match=BAD[make]):
        made(model, tmp_path / "data", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damage_inside_a_file_is_said_with_its_name_and_keeps_what_is_finished(model, tmp_path):
    flat(history(), tmp_path / "data")
    whole = made(model, tmp_path / "data", tmp_path / "whole")
    path = tmp_path / "data" / "part-1.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:8] + bytes(200) + good[208:])

    with pytest.raises(ValueError, match=r"^part-1.parquet: 'part-1.parquet' is not a readable"):
        made(model, tmp_path / "data", tmp_path / "out")
    assert contents(tmp_path / "out")["part-0.parquet"] == contents(whole)["part-0.parquet"]

    path.write_bytes(good)
    out = made(model, tmp_path / "data", tmp_path / "out")
    assert read(out).equals(read(whole))


def test_a_partition_that_the_model_refuses_is_named(model, tmp_path):
    frame = history()
    frame.loc[frame.index[70], "price"] = float("inf")
    flat(frame, tmp_path / "data")

    with pytest.raises(ValueError, match=r"^part-0.parquet: .*'price'.*s001"):
        made(model, tmp_path / "data", tmp_path / "out")


def test_a_full_disk_is_said_and_leaves_no_half_file(model, tmp_path, monkeypatch):
    flat(history(), tmp_path / "data")
    write, written = pq.ParquetWriter.write_table, []

    def filling(self, table, *args):
        if len(written) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(table)
        write(self, table, *args)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", filling)
    with pytest.raises(OSError, match=r"part-1.parquet: No space left on device") as raised:
        made(model, tmp_path / "data", tmp_path / "out")
    assert raised.value.errno == errno.ENOSPC
    assert set(contents(tmp_path / "out")) == {"_drnn_forecast.json", "part-0.parquet"}


def test_labels_that_one_partition_alone_lacks_are_told_of_and_no_error(model, tmp_path, caplog):
    frame = history(num_series=4)
    frame.loc[frame["id"] == "s003", "region"] = "west"
    frame.loc[frame["id"] == "s002", "region"] = "west"
    flat(frame, tmp_path / "data", files=2)
    with pytest.warns(UserWarning, match="does not know 1 of 3 labels in 'region'"):
        expected = drnn.load(model).forecast(frame)

    out = made(model, tmp_path / "data", tmp_path / "out")

    assert_same_rows(read(out), expected)
    assert (
        "part-1.parquet: The model does not know 1 of 1 labels in 'region': 'west'" in caplog.text
    )
    frame["region"] = "west"
    flat(frame, tmp_path / "unknown", files=2)
    with pytest.raises(ValueError, match=r"must know at least one label .* 'region'"):
        made(model, tmp_path / "unknown", tmp_path / "other")


class DeadPool:
    """A pool whose workers are killed at once."""

    def __init__(self, *args, **kwargs):
        pass

    def submit(self, *args):
        future = Future()
        future.set_exception(BrokenProcessPool())
        return future

    def shutdown(self, **kwargs):
        pass


def test_a_dead_worker_is_told_of(model, tmp_path, monkeypatch):
    monkeypatch.setattr(forecasting, "ProcessPoolExecutor", DeadPool)
    flat(history(), tmp_path / "data")
    with pytest.raises(RuntimeError, match=r"A worker was killed.*lower `workers` or `max_rows`"):
        made(model, tmp_path / "data", tmp_path / "out", workers=2)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_of_several_workers_ends_with_all_of_them(model, parent, tmp_path, number):
    flat(history(num_series=60), tmp_path / "data", files=60)
    whole = made(model, tmp_path / "data", tmp_path / "whole")
    command = ["predict", model, "data", "--out", "out", "--workers", 2]

    found = parent.run(command, tmp_path, 300, signals=[("1/60", int(number))])
    assert found["status"] == 128 + number, found["err"]
    assert "of 60 partitions are finished and kept in 'out'" in found["err"].splitlines()[-1]
    assert "Traceback" not in found["err"]
    ended = contents(tmp_path / "out")
    assert not [name for name in ended if "partial" in name]

    assert parent.run(command, tmp_path, 300)["status"] == 0
    assert contents(tmp_path / "out") == contents(whole)


@pytest.mark.slow
def test_a_killed_worker_ends_a_call_that_goes_on_after(model, tmp_path):
    flat(history(num_series=60), tmp_path / "data", files=60)
    whole = made(model, tmp_path / "data", tmp_path / "whole")

    def kill():
        while not list((tmp_path / "out").glob("part-*")):
            time.sleep(0.01)
        multiprocessing.active_children()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RuntimeError, match="A worker was killed"):
        made(model, tmp_path / "data", tmp_path / "out", workers=2)
    killer.join()

    result = forecast_partitions(model, tmp_path / "data", tmp_path / "out", progress=False)
    assert 0 < result.finished_before < 60
    assert contents(tmp_path / "out") == contents(whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "`workers` must be at least 1, got 0"),
        ({"max_rows": 0}, "`max_rows` must be at least 1, got 0"),
        ({"partitioning": "directory"}, "`partitioning` must be 'hive' or a list of columns"),
        ({"horizon": 99}, "`horizon` must be at most the 6 time steps"),
    ],
)
def test_an_argument_out_of_range_is_refused(model, options, message, tmp_path):
    flat(history(), tmp_path / "data")
    with pytest.raises(ValueError, match=message):
        made(model, tmp_path / "data", tmp_path / "out", **options)


def test_a_folder_that_is_not_there_is_refused(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="is a folder without files, or does not exist"):
        made(model, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ValueError, match="'nowhere://data' cannot be reached") as raised:
        made(model, "nowhere://me:secret@data", tmp_path / "out")
    assert "secret" not in str(raised.value)
