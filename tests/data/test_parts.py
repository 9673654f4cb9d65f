"""Files of partitioned datasets: their keys, their series and the frames that are read of them."""

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import fs

from drnn_forecast.data import (
    check_apart,
    files_below,
    open_parts,
    read_slice,
    remove_partial,
    replaced_in,
    shown_place,
    slices_of,
    storage_of,
)

COLUMNS = ["id", "y"]


def write(folder, **files):
    """Write files of series, whose lengths are given by name."""
    for name, sizes in files.items():
        path = folder / f"{name}.parquet".replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        names = [series for series, size in sizes.items() for _ in range(size)]
        frame = pd.DataFrame({"id": names, "y": range(len(names))})
        frame.to_parquet(path, index=False, row_group_size=3)
    return folder


def opened(folder, columns=COLUMNS, **options):
    return open_parts(folder, columns=columns, series=["id"], **options)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["1", "-20", "0"], [-20, 0, 1]),
        (["1", "007"], ["007", "1"]),
        (["a b", "1"], ["1", "a b"]),
        (["a%2Fb"], ["a/b"]),
        (["__HIVE_DEFAULT_PARTITION__", "3"], [3, None]),
    ],
)
def test_names_of_folders_are_numbers_where_all_are_written_as_numbers(values, told, tmp_path):
    for number, value in enumerate(values):
        write(tmp_path / f"k={value}", part={f"s{number}": 2})

    table = opened(tmp_path, [*COLUMNS, "k"])

    found = {part.keys["k"] for part in table.parts}
    assert found == set(told)
    for part in table.parts:
        frame = read_slice(table, slices_of(table, part, 10)[0])
        assert frame["k"].isna().all() if part.keys["k"] is None else (
            frame["k"] == part.keys["k"]
        ).all()  # fmt: skip


@pytest.mark.parametrize("flavor", ["hive", None, "filename"])
def test_a_partitioning_may_be_any_of_those_of_pyarrow(flavor, tmp_path):
    schema = pa.schema([("k", pa.string()), ("n", pa.int32())])
    names = {"hive": "k={}/n={}/p", None: "{}/{}/p", "filename": "in/{}_{}_p"}[flavor]
    for number, own in enumerate(["x", "y"]):
        write(tmp_path, **{names.format(own, number): {f"s{number}": 2, f"t{number}": 1}})

    partitioning = ds.partitioning(schema, flavor=flavor)
    table = opened(tmp_path, [*COLUMNS, "k", "n"], partitioning=partitioning)

    told = [(part.keys["k"], part.keys["n"], part.rows) for part in table.parts]
    assert told == [("x", 0, 3), ("y", 1, 3)]


def test_names_of_series_in_folders_stay_text(tmp_path):
    for name in ("7", "8"):
        path = tmp_path / f"id={name}" / "part.parquet"
        path.parent.mkdir()
        pd.DataFrame({"y": [1.0]}).to_parquet(path)

    assert [part.keys["id"] for part in opened(tmp_path).parts] == ["7", "8"]


def test_hidden_files_are_no_part_of_a_dataset(tmp_path):
    write(tmp_path, part={"a": 2})
    for name in ("_SUCCESS", ".part.parquet.crc", "_delta_log/0.json", ".tmp/x.parquet"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")

    assert [part.name for part in opened(tmp_path).parts] == ["part.parquet"]


@pytest.mark.parametrize("kind", ["text", "category", "number"])
@pytest.mark.parametrize("max_rows", [1, 4, 5, 9, 100])
def test_slices_hold_whole_series_and_few_rows(max_rows, kind, tmp_path):
    sizes = {"a": 2, "b": 3, "c": 5, "d": 1, "é": 3, "z": 4}
    write(tmp_path, part=dict(reversed(sizes.items())))
    if kind != "text":
        frame = pd.read_parquet(tmp_path / "part.parquet").astype({"id": "category"})
        if kind == "number":
            frame["id"] = 12 - frame["id"].cat.codes.astype(int)
            sizes = frame["id"].value_counts().to_dict()
        frame.to_parquet(tmp_path / "part.parquet", row_group_size=3)
    table = opened(tmp_path)

    found = slices_of(table, table.parts[0], max_rows)

    frames = [read_slice(table, own) for own in found]
    for own, frame in zip(found, frames, strict=True):
        assert len(frame) == own.rows
        assert own.rows <= max_rows or len(set(frame["id"])) == 1
    together = pd.concat(frames)
    assert together["id"].value_counts().to_dict() == sizes
    assert together["y"].is_unique


def test_files_of_a_folder_that_share_no_series_are_apart(tmp_path):
    write(tmp_path, k__1={"a": 2, "b": 2}, k__2={"c": 3}, k__3={"b": 1, "d": 1}, l__1={"x": 1})

    names = [part.files for part in opened(tmp_path).parts]

    assert names == [
        ("k/1.parquet", "k/2.parquet", "k/3.parquet"),
        ("l/1.parquet",),
    ]
    write(tmp_path, k__3={"d": 2})
    names = [part.files for part in opened(tmp_path).parts]
    assert ("k/1.parquet",) in names


def test_ends_that_overlap_are_no_series_in_two_parts(tmp_path):
    write(tmp_path, one={"a": 1, "c": 1}, two={"b": 1, "d": 1}, three={"e": 1})
    check_apart(opened(tmp_path))

    write(tmp_path, four={"d": 1, "f": 1})
    with pytest.raises(ValueError, match=r"series 'd' is in 'four.parquet' and in 'two.parquet'"):
        check_apart(opened(tmp_path))


def test_a_row_without_a_series_is_told_of(tmp_path):
    pd.DataFrame({"id": ["a", None, "b"], "y": [1, 2, 3]}).to_parquet(tmp_path / "p.parquet")
    table = opened(tmp_path)

    with pytest.raises(ValueError, match=r"'p.parquet' .* column 'id' has 1 row without a value"):
        slices_of(table, table.parts[0], 1)


@pytest.mark.parametrize("place", ["{folder}", "memory://parts/out"])
def test_a_file_appears_whole_or_not_at_all(place, tmp_path):
    storage, base = storage_of(place.format(folder=tmp_path))

    def written(content, *, fails=False):
        with replaced_in(storage, f"{base}/a/b.txt") as partial:
            with storage.open_output_stream(partial) as file:
                file.write(content)
            if fails:
                raise RuntimeError

    written(b"old")
    with pytest.raises(RuntimeError):
        written(b"new", fails=True)
    with storage.open_input_stream(f"{base}/a/b.txt") as file:
        assert file.read() == b"old"
    assert len(files_below(storage, base)) == 1
    with storage.open_output_stream(f"{base}/a/.{'0' * 32}.partial.txt") as file:
        file.write(b"half")
    remove_partial(storage, base)
    assert len(storage.get_file_info(fs.FileSelector(base, recursive=True))) == 2
    storage.delete_dir(base)


def test_no_password_is_shown():
    assert shown_place("ftp://me:secret@host/x") == "ftp://host/x"
    assert shown_place("/a@b/c") == "/a@b/c"
