import pandas as pd
import pytest

from drnn_forecast.data.reading.files import read_table, write_table

TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1.5]})
SUFFIXES = [".csv", ".parquet"]


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".CSV"])
def test_a_table_comes_back_as_it_was_written(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    write_table(TABLE, path)
    pd.testing.assert_frame_equal(read_table(path), TABLE)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_path_may_be_text(tmp_path):
    write_table(TABLE, str(tmp_path / "table.csv"))
    assert len(read_table(str(tmp_path / "table.csv"))) == 2


def test_writing_replaces_an_older_table(tmp_path):
    path = tmp_path / "table.csv"
    write_table(TABLE, path)
    write_table(TABLE.iloc[:1], path)
    assert len(read_table(path)) == 1


class BrokenFrame(pd.DataFrame):
    """A frame whose writing fails halfway."""

    def to_csv(self, path, **kwargs):
        path.write_text("a,b")
        raise OSError("the disk is full")

    to_parquet = to_csv


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failed_write_leaves_the_older_table_and_nothing_else(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    write_table(TABLE, path)
    with pytest.raises(OSError, match="the disk is full"):
        write_table(BrokenFrame(TABLE), path)
    pd.testing.assert_frame_equal(read_table(path), TABLE)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_missing_table_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match=f"absent{suffix}' does not exist"):
        read_table(tmp_path / f"absent{suffix}")


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(FileNotFoundError, match=r"folder\.csv' is a folder, not a file"):
        read_table(tmp_path / "folder.csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_named(tmp_path, suffix):
    path = tmp_path / f"empty{suffix}"
    path.touch()
    with pytest.raises(ValueError, match=f"empty{suffix}' is empty \\(0 bytes\\)"):
        read_table(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows_is_named(tmp_path, suffix):
    path = tmp_path / f"header{suffix}"
    write_table(TABLE.iloc[:0], path)
    with pytest.raises(ValueError, match=f"header{suffix}' is empty: .* no rows"):
        read_table(path)


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.gz", "table.parquet.gz"])
def test_another_suffix_is_refused_before_anything_is_read_or_written(tmp_path, name):
    message = r"must be named \.csv or \.parquet, (or|got)"
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        write_table(TABLE, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"PAR1\0\0\0", "not a CSV file: it holds binary data"),
        ("t.csv", b"a,b\n\xff\x81\xfa,1\n", "must be text in UTF-8, but line 2"),
        ("t.csv", b"a,b\n1,2\n1,2,3,4\n", "in its header, 2, but line 3 has 4"),
        ("t.csv", b"\n\n", "not a readable CSV file"),
        ("t.parquet", b"a,b\n1,2\n", "not a readable Parquet file"),
        ("t.parquet", b"PAR1 and then nothing PAR1", "not a readable Parquet file"),
    ],
)
def test_content_that_is_not_what_the_suffix_says_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / name)


def test_a_folder_to_write_into_must_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent' does not exist; make it first"):
        write_table(TABLE, tmp_path / "absent" / "table.csv")


NAMES = ["007", "7", "1e5", "100000", "1.10", "1.1", "0x10", "NA", "True", "1" + "0" * 400]


def test_names_stay_as_they_are_written(tmp_path):
    rows = "".join(f"{name},1\n" for name in NAMES)
    (tmp_path / "table.csv").write_text(f"id,y\n{rows}")

    found = read_table(tmp_path / "table.csv", text=["id", None, "absent"])
    assert found["id"].tolist() == NAMES
    assert found["y"].tolist() == [1] * len(NAMES)


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("row", ["x", "x,1,2", "x,1,"])
@pytest.mark.parametrize("place", [1, 900, 1000])
def test_a_row_with_other_fields_than_the_header_is_refused(tmp_path, quote, row, place):
    lines = [f"{quote}id{quote},y", *["x,1"] * 999]
    lines.insert(place, row)
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")

    with pytest.raises(ValueError, match=f"in its header, 2, but line {place + 1} has "):
        read_table(tmp_path / "table.csv")


@pytest.mark.parametrize("place", [0, 10, 4095, 4096, 4097, 2**20, 2**20 + 4096, 3 * 2**20 - 1])
def test_a_nul_byte_is_found_wherever_it_is(tmp_path, place):
    content = bytearray(b"id,y\n" + b"x,1\n" * (3 * 2**18 - 1))[: 3 * 2**20]
    content[place] = 0
    (tmp_path / "table.csv").write_bytes(content)

    with pytest.raises(ValueError, match=r"holds binary data|line \d+ has a NUL byte"):
        read_table(tmp_path / "table.csv")


def test_a_column_name_occurs_once(tmp_path):
    (tmp_path / "table.csv").write_text('"a",b,a\n1,2,3\n')
    with pytest.raises(ValueError, match=r"Column names must be unique, but .* has 'a' more than"):
        read_table(tmp_path / "table.csv")


def test_a_line_that_is_no_utf_8_is_named(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"id,y\nx,1\n\x81,2\n")
    with pytest.raises(ValueError, match="must be text in UTF-8, but line 3 has the byte 0x81"):
        read_table(tmp_path / "table.csv")
