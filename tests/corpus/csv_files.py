"""Cases: what is wrong, or only odd, with a CSV file."""

import bz2
import gzip
import io
import lzma
import os
import socket
import zipfile

import numpy as np
import pandas as pd

from corpus.case import CSV, FIT, HEADER, LINES, TABLE, Case, fitted, with_columns, written

DAYS = [f"{day:02d} {hour:02d}:00" for day in range(1, 7) for hour in range(24)][:140]
WEEKS = pd.date_range("2020-01-06", periods=140, freq="W-MON")
NOISE = np.random.default_rng(1)
FIELDS = r"as many fields in every row as in its header, \d+, but line \d+ has \d+"


def text_cases():
    """Yield cases of encodings, separators and lines."""
    said = CSV.replace("north", "Åre €")
    made = [
        ("plain", CSV, 0, ""),
        ("UTF-16 with a mark", CSV.encode("utf-16"), 0, ""),
        ("UTF-16 without a mark", CSV.encode("utf-16-le"), 0, ""),
        ("UTF-16 of the other order", CSV.encode("utf-16-be"), 0, ""),
        ("UTF-8 with a mark", CSV.encode("utf-8-sig"), 0, ""),
        ("Latin-1 in a name", CSV.replace("s0", "Åre").encode("latin-1"), 0, ""),
        ("Latin-1 in the header", CSV.replace("price", "prés").encode("latin-1"), 0, ""),
        ("cp1252 elsewhere", said.encode("cp1252"), 0, ""),
        ("Shift JIS", CSV.replace("north", "京都").encode("shift_jis"), 2, "give its encoding"),
        ("names of all scripts", CSV.replace("s0", "Åre ☂ 京都"), 0, ""),
        ("decimal commas", TABLE.to_csv(index=False, sep=";", decimal=","), 0, ""),
        ("decimal commas in quotes", TABLE.to_csv(index=False, decimal=","), 0, ""),
        ("semicolons", TABLE.to_csv(index=False, sep=";"), 0, ""),
        ("tabs", TABLE.to_csv(index=False, sep="\t"), 0, ""),
        ("bars", TABLE.to_csv(index=False, sep="|"), 0, ""),
        ("gzip", gzip.compress(CSV.encode()), 0, ""),
        ("gzip, cut off", gzip.compress(CSV.encode())[:-40], 2, "damaged"),
        ("bz2", bz2.compress(CSV.encode()), 0, ""),
        ("xz", lzma.compress(CSV.encode()), 0, ""),
        ("zip", zipped("data.csv"), 0, ""),
        ("zip of two", zipped("one.csv", "two.csv"), 2, "must hold one file, but holds 2"),
        ("zip of noise", b"PK\x03\x04" + bytes(NOISE.integers(0, 256, 900).tolist()), 2, "damaged"),
        ("Parquet", b"PAR1" + bytes(90), 2, "name it .parquet"),
    ]
    for name, content, status, says in made:
        yield fitted("text", name, content, status, says)


def zipped(*names):
    """Return an archive with the table under some names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, CSV)
    return buffer.getvalue()


def line_cases():
    """Yield cases of lines and fields."""
    made = [
        ("a header alone", HEADER + "\n", 2, "has a header, but no rows"),
        ("no header", "\n".join(LINES), 2, "Column 'unique_id' is not in|Column 'ds' is not in"),
        ("one row", "\n".join([HEADER, LINES[0]]), 2, "rows|freq"),
        ("a longer row", CSV + "s1,2024-03-01,1,2,north,9\n", 2, FIELDS),
        ("a shorter row", CSV + "s1,2024-03-01\n", 2, FIELDS),
        ("cut off in a row", CSV[:-15], 2, FIELDS),
        ("a shorter row inside", "\n".join([HEADER, LINES[0], "s0", *LINES[1:]]), 2, FIELDS),
        ("rows longer than the header", "\n".join([HEADER, *(f"{x},z" for x in LINES)]), 2, FIELDS),
        ("commas at the ends of rows", "\n".join([HEADER, *(f"{x}," for x in LINES)]), 2, FIELDS),
        ("a header in the middle", "\n".join([HEADER, *LINES[:9], HEADER, *LINES[9:]]), 2, "'ds'"),
        ("an open quote", CSV.replace("s1,", '"s1,', 1), 2, FIELDS + "|inside string"),
        ("CR LF", CSV.replace("\n", "\r\n"), 0, ""),
        ("CR", CSV.replace("\n", "\r"), 0, ""),
        ("empty lines between", CSV.replace("\n", "\n\n"), 0, ""),
        ("no line break at the end", CSV.rstrip("\n"), 0, ""),
        ("quoted commas", CSV.replace("north", '"no,rth"'), 0, ""),
        ("quoted line breaks", CSV.replace("north", '"no\nrth"'), 0, ""),
        ("NUL at the start", "\0" + CSV, 2, "holds binary data"),
        ("NUL in the first lines", CSV[:300] + "\0" + CSV[300:], 2, "holds binary data"),
        ("NUL in a late line", CSV[:7000] + "\0" + CSV[7000:], 2, "line \\d+ has a NUL byte"),
        ("NUL in late names", CSV.replace("s1", "s\0001"), 2, "line \\d+ has a NUL byte"),
        ("NUL at the end", CSV + "\0", 2, "line \\d+ has a NUL byte"),
        ("nothing", b"", 2, "is empty"),
        ("line breaks alone", "\n\n\n", 2, "is not a readable CSV|is empty"),
        ("spaces alone", "   ", 2, "is not a readable CSV|is empty"),
        ("noise", bytes(NOISE.integers(1, 256, 9000).tolist()), 2, "UTF-8|fields|readable"),
        ("a page of HTML", "<html><body>gone</body></html>\n" * 4, 2, "Column '.*' is not in"),
        ("JSON", '[{"unique_id": "s0", "ds": "2024-01-01", "y": 1}]', 2, "no rows"),
        ("a pointer of git-lfs", "version https://x/spec\noid sha256:1\nsize 9\n", 2, "is not in"),
        ("comments on top", "# of X\n# in MW\n" + CSV, 2, FIELDS),
        ("spaces in the header", CSV.replace("unique_id,ds,y", "unique_id, ds, y"), 0, ""),
        ("spaces behind commas", CSV.replace(",", ", "), 0, ""),
        ("empty rows at the end", CSV + ",,,,\n" * 3, 0, ""),
        ("spaces in rows", "\n".join([HEADER, *(x.replace(",", ", ") for x in LINES)]), 0, ""),
        ("a field of a megabyte", CSV.replace("north", "n" * 10**6, 1), 0, ""),
    ]
    for name, content, status, says in made:
        yield fitted("lines", name, content, status, says)


def number_cases():
    """Yield cases of targets and covariates."""
    first = f",{TABLE.y.iloc[7]},"
    y = TABLE.y
    digits = [f"1{'0' * 400}"] * len(TABLE)
    made = [
        (
            "whole numbers beyond int64",
            with_columns(y=[str(10**25 + n) for n in range(280)]),
            0,
            "",
        ),
        (
            "beyond float32",
            with_columns(y=[str(10**40 + n) for n in range(280)]),
            2,
            "finite|large",
        ),
        ("beyond float64", with_columns(y=digits), 2, "numbers below 1e308"),
        ("beyond float64 elsewhere", with_columns(price=digits), 2, "numbers below 1e308"),
        ("1e308", with_columns(y=1e308), 2, "finite|large"),
        ("1e30", with_columns(y=y * 1e29), 0, ""),
        ("1e-40", with_columns(y=y * 1e-41), 0, ""),
        ("a word", CSV.replace(first, ",none at all,", 1), 2, "must hold numbers"),
        ("currency", with_columns(y=y.map("${:.2f}".format)), 2, "must hold numbers"),
        ("percent", with_columns(y=y.map("{:.2f}%".format)), 2, "must hold numbers"),
        ("thousands", with_columns(y=(y * 1000).map("{:,.1f}".format)), 0, ""),
        ("a word for nothing", CSV.replace(first, ",?,", 1), 0, ""),
        ("inf", CSV.replace(first, ",inf,", 1), 2, "finite value"),
        ("-Infinity", CSV.replace(first, ",-Infinity,", 1), 2, "finite value"),
        ("a gap", CSV.replace(first, ",,", 1), 0, ""),
        ("NaN", CSV.replace(first, ",NaN,", 1), 0, ""),
        ("all empty", with_columns(y=np.nan), 2, "'y'"),
        ("a series all empty", with_columns(y=y.where(TABLE.unique_id != "s1")), 2, "'y'"),
        ("truth values", with_columns(y=y > 10), 2, "must hold numbers"),
        ("a constant", with_columns(y=5.0), 0, ""),
        ("zeros", with_columns(y=0), 0, ""),
        ("complex", with_columns(y="1+2j"), 2, "must hold numbers"),
        ("hexadecimal", with_columns(y="0x1F"), 2, "must hold numbers"),
        ("underscores", with_columns(y="1_000"), 2, "must hold numbers"),
    ]
    for name, content, status, says in made:
        yield fitted("numbers", name, content, status, says)
    many = with_columns(price=[f"c{n}" for n in range(280)])
    for name, content, status, says, *flags in [
        ("words", with_columns(price="x"), 0, "", "--known", "price"),
        ("inf as known", with_columns(price=np.inf), 2, "finite value", "--known", "price"),
        ("a gap as known", with_columns(price=np.nan), 2, "'price'", "--known", "price"),
        ("many categories", many, 0, "", "--observed", "price"),
        ("static that changes", many, 2, "must be constant", "--static", "price"),
    ]:
        yield fitted("covariates", name, content, status, says, *flags)


def series_cases():
    """Yield cases of the names of series."""
    for name, one, other in [
        ("zeros in front", "007", "7"),
        ("powers of ten", "1e5", "100000.0"),
        ("decimals", "1.10", "1.1"),
        ("signs", "+1", "1"),
        ("hexadecimal", "0x10", "16"),
        ("words for none", "NA", "null"),
        ("truth values", "True", "TRUE"),
        ("400 digits", "1" + "0" * 400, "1" + "0" * 399),
        ("numbers and words", "7", "seven"),
        ("spaces", "s", " s"),
        ("dates", "2024-01-01", "2024-1-1"),
    ]:
        content = CSV.replace("s0,", f"{one},").replace("s1,", f"{other},")
        yield fitted("series", f"told apart: {name}", content, 0)
    yield fitted("series", "empty", CSV.replace("s1,", ","), 2, "must name a series in every row")
    renamed = CSV.replace("s1,", ",s1", 1)
    yield fitted("series", "shifted by a comma", renamed, 2, FIELDS + "|'ds'|name a series")


def stamps(*texts):
    """Return the table with stamps given as text, for each series the same."""
    return with_columns(ds=list(texts) * 2)


def time_cases():
    """Yield cases of time stamps."""
    ds, strings = TABLE.ds, TABLE.ds.astype(str)
    late = pd.concat([TABLE, TABLE.tail(1).assign(ds=pd.Timestamp("2094-01-01"))])
    jitter = pd.to_timedelta(NOISE.integers(0, 3000, len(TABLE)), unit="s")
    mixed = [t.strftime("%Y-%m-%d %H:%M" if n % 2 else "%d.%m.%Y %H:%M") for n, t in enumerate(ds)]
    halves = [t + ("Z" if n % 2 else "") for n, t in enumerate(strings)]
    day = strings.str
    made = [
        ("day first", with_columns(ds=ds.dt.strftime("%d/%m/%Y %H:%M")), 0, ""),
        ("month first", with_columns(ds=ds.dt.strftime("%m/%d/%Y %I:%M %p")), 0, ""),
        (
            "both in doubt",
            stamps(*[f"0{1 + n % 9}/0{1 + n // 16}/2024" for n in range(140)]),
            2,
            "may be read in two ways",
        ),
        ("two formats", with_columns(ds=mixed), 2, "'ds'"),
        ("half with a zone", with_columns(ds=halves), 2, "'ds'"),
        ("seconds since 1970", with_columns(ds=ds.dt.as_unit("s").astype("int64")), 0, ""),
        ("counted from 1", stamps(*range(1, 141)), 0, ""),
        ("half steps", stamps(*(n / 2 for n in range(140))), 2, "'ds'"),
        ("the year 9999", stamps(*(f"9999-01-{x}" for x in DAYS)), 0, ""),
        ("the year 10000", stamps(*(f"10000-01-{x}" for x in DAYS)), 2, "'ds'"),
        ("the year 1", stamps(*(f"0001-01-{x}" for x in DAYS)), 0, ""),
        ("month 13", with_columns(ds=day.replace("2024-01-02", "2024-13-02")), 2, "'ds'"),
        ("24 o'clock", with_columns(ds=day.replace("-02 00:", "-01 24:")), 2, "'ds'"),
        ("a leap second", with_columns(ds=day.replace("01 23:00:00", "01 23:59:60")), 2, "'ds'"),
        ("empty once", with_columns(ds=strings.where(TABLE.index != 5, "")), 2, "'ds'"),
        ("twice", pd.concat([TABLE, TABLE.iloc[:3]]), 2, "3 duplicates"),
        ("steps missing", TABLE.drop(index=[50, 51]), 0, ""),
        ("off every grid", with_columns(ds=ds + jitter), 2, "freq|grid|steps are missing"),
        ("quarters", stamps(*(f"{1990 + n // 4}Q{1 + n % 4}" for n in range(140))), 0, ""),
        ("weeks", stamps(*WEEKS.strftime("%G-W%V-%u")), 0, ""),
    ]
    for name, content, status, says in made:
        yield fitted("time", name, content, status, says)
    yield fitted("time", "a far outlier", late, 2, "correct stamps", seconds=90)


def column_cases():
    """Yield cases of columns and the roles that flags give them."""
    wide = pd.concat([TABLE, pd.DataFrame(0.0, range(280), [f"c{n}" for n in range(3000)])], axis=1)
    quoted = CSV.replace("price", '"pr""ice\'s"', 1)
    made = [
        ("the same name twice", CSV.replace("price", "y", 1), 2, "'y' more than once"),
        ("an empty name", CSV.replace("price", "", 1), 0, ""),
        ("no names", "\n".join([",,,,", *LINES]), 2, "is not in"),
        ("3,000 columns", wide, 0, ""),
        ("a name that is kept", CSV.replace("price", "__x", 1), 2, "taken", "--known", "__x"),
        ("a dot", CSV.replace("price", "a.b", 1), 2, "dot", "--known", "a.b"),
        ("quotes", quoted, 0, "", "--known", "pr\"ice's"),
        ("a line break", CSV.replace("price", '"pr\nice"', 1), 0, "", "--known", "pr\nice"),
        ("q0.5", CSV.replace("unique_id", "q0.5"), 2, "q0.5", "--series", "q0.5"),
        ("none of that name", CSV, 2, "'load' is not in", "--target", "load"),
        ("target and time", CSV, 2, "plays one part only", "--target", "ds"),
        ("series and target", CSV, 2, "plays one part only", "--series", "y"),
        ("known and series", CSV, 2, "plays one part only", "--known", "unique_id"),
        ("a target of words", CSV, 2, "must hold numbers", "--target", "region"),
    ]
    for name, content, status, says, *flags in made:
        yield fitted("columns", name, content, status, says, *flags)


def place_cases():
    """Yield cases of what lies where a table should."""

    def linked(target):
        return lambda folder: (folder / "data.csv").symlink_to(target)

    def listening(folder):
        here = os.getcwd()
        os.chdir(folder)  # a path to a socket is short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("data.csv")
        os.chdir(here)

    def real(folder):
        written(CSV, "real.csv")(folder)
        linked("real.csv")(folder)

    made = [
        ("a folder", lambda folder: (folder / "data.csv").mkdir(), "is a folder"),
        ("a pipe", lambda folder: os.mkfifo(folder / "data.csv"), "is a pipe"),
        ("a socket", listening, "is a pipe or a socket"),
        ("a link to itself", linked("data.csv"), "'data.csv'"),
        ("a link to nothing", linked("nothing.csv"), "does not exist"),
        ("/dev/null", linked("/dev/null"), "a device"),
        ("/dev/zero", linked("/dev/zero"), "a device"),
        ("nothing", lambda folder: None, "does not exist"),
    ]
    for name, make, says in made:
        yield Case("places", name, make, ["fit", "data.csv", *FIT], 2, says, seconds=20)
    yield Case("places", "a link to a table", real, ["fit", "data.csv", *FIT], 0)
    for name, path, says in [
        ("a URL", "http://127.0.0.1:9/data.csv", "does not exist"),
        ("standard input", "-", "must be named .csv or .parquet|unrecognized|required"),
        ("300 characters", "x" * 300 + ".csv", "too long"),
        ("an empty name", "", "must be named"),
        ("another suffix", "data.xlsx", "must be named .csv or .parquet"),
        ("two suffixes", "data.csv.gz", "does not exist"),
        ("below a file", "data.csv/x.csv", "does not exist|Not a directory"),
    ]:
        yield Case("places", name, written(CSV), ["fit", path, *FIT], 2, says)
    upper = fitted("places", "a suffix in capitals", CSV, 0, "", file="data.CSV")
    yield upper


CASES = [
    *text_cases(),
    *line_cases(),
    *number_cases(),
    *series_cases(),
    *time_cases(),
    *column_cases(),
    *place_cases(),
]
