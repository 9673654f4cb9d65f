"""A CSV file says the same however it is written; what may be read in two ways is refused."""

import bz2
import gzip
import io
import logging
import lzma
import re
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from drnn_forecast.data import read_table

ROWS = 40
TABLE = pd.DataFrame(
    {
        "id": ["007", "é€"] * (ROWS // 2),
        "day": pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d"),
        "y": (np.arange(ROWS) * 1234.5 - 3).round(2),
        "count": np.arange(ROWS) * 1001,
        "event": ["None", "NA", "fair", "x"] * (ROWS // 4),
    }
)
COLUMNS = {"text": ["id"], "time": "day", "needed": ["id", "y", "count"]}
TEXT = TABLE.to_csv(index=False)


def zipped(content, names=("data.csv",)):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def written(**options):
    return TABLE.to_csv(index=False, **options).encode()


def with_numbers(point, group, **options):
    """Return the table with numbers that have another decimal mark and thousands set apart."""
    marks = str.maketrans({",": group, ".": point})
    y = TABLE["y"].map("{:,.2f}".format).str.translate(marks)
    count = TABLE["count"].map("{:,d}".format).str.translate(marks)
    return TABLE.assign(y=y, count=count).to_csv(index=False, **options).encode()


WRITTEN = {
    "plainly": TEXT.encode(),
    "with a mark": TEXT.encode("utf-8-sig"),
    "in UTF-16": TEXT.encode("utf-16"),
    "in UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "in UTF-16 of the other order": TEXT.encode("utf-16-be"),
    "in UTF-32": TEXT.encode("utf-32"),
    "in cp1252": TEXT.encode("cp1252"),
    "packed by gzip": gzip.compress(TEXT.encode()),
    "packed by bz2": bz2.compress(TEXT.encode()),
    "packed by xz": lzma.compress(TEXT.encode()),
    "packed by zip": zipped(TEXT),
    "packed by zstd": zstd(TEXT.encode()),
    "packed in UTF-16": gzip.compress(TEXT.encode("utf-16")),
    "with semicolons": written(sep=";"),
    "with tabs": written(sep="\t"),
    "with bars": written(sep="|"),
    "with decimal commas": written(sep=";", decimal=","),
    "with decimal commas and tabs": written(sep="\t", decimal=","),
    "with decimal commas in quotes": written(decimal=","),
    "with all in quotes": written(quoting=1),
    "with thousands": with_numbers(".", ","),
    "with European thousands": with_numbers(",", ".", sep=";"),
    "with Swiss thousands": with_numbers(".", "'"),
    "with blanks in thousands": with_numbers(",", " ", sep=";"),
    "with narrow blanks in thousands": with_numbers(",", "\u202f", sep=";"),
    "with minus signs of print": TEXT.replace(",-3.0,", ",\u22123.0,").encode(),
    "with CR LF": TEXT.replace("\n", "\r\n").encode(),
    "with blanks behind commas": TEXT.replace(",", ", ").encode(),
    "with blanks about semicolons": TEXT.replace(",", " ; ").encode(),
    "with empty rows behind": (TEXT + ",,,,\n" * 3).encode(),
}


def read(tmp_path, content, name="data.csv", **options):
    (tmp_path / name).write_bytes(content)
    return read_table(tmp_path / name, **{**COLUMNS, **options})


@pytest.mark.parametrize("way", WRITTEN)
def test_a_table_is_the_same_however_it_is_written(way, tmp_path):
    found = read(tmp_path, WRITTEN[way])
    pd.testing.assert_frame_equal(found, TABLE, check_dtype=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv"]


@pytest.mark.parametrize(
    "name", ["data.csv.gz", "data.tsv", "data.txt", "data.CSV.GZ", "a.b.csv", "data.csv.zst"]
)
def test_a_name_says_that_it_is_a_text_and_its_bytes_how_it_is_packed(name, tmp_path):
    pd.testing.assert_frame_equal(
        read(tmp_path, WRITTEN["packed by xz"], name), TABLE, check_dtype=False
    )


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("plainly", []),
        ("packed by gzip", []),
        ("with tabs", ["separated by '\\t'"]),
        ("in cp1252", ["in cp1252"]),
        ("with European thousands", ["';'", "decimal commas", "set apart by '.'"]),
        ("with empty rows behind", ["without 3 empty rows"]),
    ],
)
def test_what_was_guessed_is_said_in_one_line(way, said, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="drnn_forecast.data"):
        read(tmp_path, WRITTEN[way])
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == bool(said)
    assert all(part in lines[0] for part in said)


@pytest.mark.parametrize("word", ["?", "-", "NA", "null", "#DIV/0!", "n.a.", "None"])
def test_words_for_nothing_among_numbers_are_empty_and_said(word, tmp_path, caplog):
    found = read(tmp_path, TEXT.replace(",1231.5,", f",{word},").encode())
    assert np.flatnonzero(found["y"].isna()).tolist() == [1]
    assert found["event"].tolist() == TABLE["event"].tolist()
    assert f"with {word!r} among numbers as empty" in caplog.text


def options_of(message):
    """Return the options of `--csv` that a message names."""
    return [yaml.safe_load(text) for text in re.findall(r"--csv '([^']+)'", message)]


@pytest.mark.parametrize(
    ("texts", "options", "values"),
    [
        (["1,234", "5,678"], {"decimal": ","}, [1.234, 5.678]),
        (["1,234", "5,678"], {"thousands": ","}, [1234, 5678]),
    ],
)
def test_a_mark_in_doubt_is_refused_and_each_remedy_works(texts, options, values, tmp_path):
    content = pd.DataFrame({"day": ["2024-01-01", "2024-01-02"], "y": texts}).to_csv(index=False)
    asked = {"text": [], "needed": ["y"]}
    with pytest.raises(ValueError, match=r"Column 'y' must show whether its ',' is") as found:
        read(tmp_path, content.encode(), **asked)
    assert options in options_of(str(found.value))
    assert read(tmp_path, content.encode(), csv=options, **asked)["y"].tolist() == values
    # A column without a role may stay as it is.
    assert read(tmp_path, content.encode(), text=[], needed=[])["y"].tolist() == texts


@pytest.mark.parametrize("sep", [";", "\t"])
def test_points_before_three_digits_are_in_doubt_where_commas_do_not_separate(sep, tmp_path):
    table = pd.DataFrame({"day": ["2024-01-01", "2024-01-02"], "y": ["1.234", "5.678"]})
    content = table.to_csv(index=False, sep=sep).encode()
    with pytest.raises(ValueError, match="decimal mark or sets thousands apart") as found:
        read(tmp_path, content, text=[], needed=["y"])
    first, second = options_of(str(found.value))
    assert read(tmp_path, content, csv=first)["y"].tolist() == [1.234, 5.678]
    assert read(tmp_path, content, csv=second)["y"].tolist() == [1234, 5678]


@pytest.mark.parametrize(
    ("others", "expected"), [(["0,5", "2,25"], 1.234), (["1,234,567", "2"], 1234.0)]
)
def test_other_columns_of_the_file_show_what_a_mark_means(others, expected, tmp_path):
    table = pd.DataFrame({"day": ["a", "b"], "y": ["1,234", "5,678"], "z": others})
    found = read(tmp_path, table.to_csv(index=False).encode(), text=[], needed=["y", "z"])
    assert found["y"].iloc[0] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,y\n1,2\n", None),
        (gzip.compress(TEXT.encode())[:-30], "damaged or locked"),
        (zipped(TEXT, ("a.csv", "b.csv")), r"holds 2: a\.csv, b\.csv; unpack it"),
        (zipped(TEXT, ("[Content_Types].xml", "x")), "save its sheet as CSV"),
        (b"PAR1" + bytes(90), r"name it \.parquet"),
        ("id,y\nж,1\n".encode("cp1251") + b"\x81", "give its encoding"),
        (b"# of X\nid,y\n1,2\n", "skiprows"),
    ],
)
def test_what_is_no_table_is_refused_with_what_helps(content, message, tmp_path):
    if message is None:
        assert len(read(tmp_path, content)) == 1
        return
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"# of X\n" + TEXT.encode(), {"skiprows": 1}),
        (b"# of X\n" + TEXT.encode(), {"comment": "#"}),
        (written(sep="~"), {"sep": "~"}),
        (written(sep=";", decimal=","), {"delimiter": ";", "decimal": ","}),
        (TEXT.encode("mac-greek"), {"encoding": "mac-greek"}),
        (TEXT.split("\n", 1)[1].encode(), {"header": None, "names": list(TABLE.columns)}),
    ],
)
def test_how_a_file_is_written_can_be_given(content, options, tmp_path):
    pd.testing.assert_frame_equal(read(tmp_path, content, csv=options), TABLE, check_dtype=False)


def test_given_words_for_nothing_count_in_every_column(tmp_path):
    found = read(tmp_path, TEXT.encode(), csv={"na_values": [-3.0, "fair"]})
    assert found["y"].isna().sum() == 1
    assert found["event"].isna().sum() == ROWS // 4


@pytest.mark.parametrize("options", [{"dayfirst": True}, {"date_format": "%d/%m/%Y"}])
def test_the_order_of_dates_can_be_given(options, tmp_path):
    months = pd.date_range("2024-01-01", periods=12, freq="MS")
    table = pd.DataFrame({"day": months.strftime("%d/%m/%Y"), "y": 1.0})
    found = read(tmp_path, table.to_csv(index=False).encode(), csv=options, text=[], needed=[])
    assert pd.to_datetime(found["day"]).tolist() == months.tolist()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seperator": ";"}, ValueError, "no option 'seperator' .did you mean 'sep'|there are"),
        ({"encoding": "utf-9"}, ValueError, "`encoding` must be one that Python knows"),
        ("sep=;", TypeError, "`csv` must map options"),
        ({"date_format": "%d/%m/%Y"}, ValueError, "Time column 'day' is not in `date_format`"),
        (
            {"dayfirst": True},
            ValueError,
            "Time column 'day' does not hold dates with the day first",
        ),
        ({"usecols": ["none"]}, ValueError, "cannot be read so"),
    ],
)
def test_options_that_cannot_be_are_refused(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        read(tmp_path, TEXT.encode(), csv=options)
