"""Numbers as people write them, in columns of text."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api import types

from drnn_forecast.data.frames.places import some

WORDS = frozenset(
    {
        *("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan", "NaT", "na"),
        *("n.a.", "N.A.", "null", "NULL", "Null", "(null)", "None", "none", "nil", "\\N"),
        *("missing", "Missing", "MISSING", "#DIV/0!", "#REF!", "#VALUE!", "#NUM!", "#NULL!"),
        *("#NAME?", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN", "#NA", "#N/A N/A"),
        *("?", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "*", ""),
    }
)
"""Words for no number among numbers; in a column of labels they are labels."""

GROUPS = re.compile(r"(?<=\d)[ '\u00a0\u202f\u2009\u2019](?=\d{3}(?!\d))")
"""What sets thousands apart and is never a decimal mark."""

GROUPED = r"(?:\d+|[1-9]\d{0,2}(?:%s\d{3})+)"
POWER = r"(?:[eE][+-]?\d+)?"
POINT = re.compile(r"[+-]?(?:" + GROUPED % "," + r"(?:\.\d*)?|\.\d+)" + POWER)
COMMA = re.compile(r"[+-]?(?:" + GROUPED % r"\." + r"(?:,\d*)?|,\d+)" + POWER)


@dataclass(frozen=True)
class Numerals:
    """The numbers of one column as text, each once.

    Attributes:
        column: Its name.
        texts: What it holds, without blanks, signs of thousands and words for nothing.
    """

    column: str
    texts: tuple[str, ...]

    @classmethod
    def of(cls, values: pd.Series) -> Numerals:
        """Return those of a column of text."""
        texts = (cleaned(text) for text in values.dropna().unique().tolist())
        return cls(str(values.name), tuple(text for text in texts if text not in WORDS))

    @property
    def has_marks(self) -> bool:
        """Whether a number has a decimal mark or thousands set apart."""
        return any("," in text or "." in text for text in self.texts)

    @property
    def marks(self) -> str:
        """The decimal marks by which all texts are numbers: "", ".", "," or ".,"."""
        ways = ((".", POINT), (",", COMMA))
        return "".join(
            mark for mark, way in ways if self.texts and all(map(way.fullmatch, self.texts))
        )


def cleaned(text: str) -> str:
    """Return a text as a number may be written, by its own signs."""
    return GROUPS.sub("", text.strip().replace("\u2212", "-"))


def with_numerals(
    frame: pd.DataFrame, as_written: pd.DataFrame, needed: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return a table whose columns of numbers hold numbers, and what was found out about them.

    Args:
        frame: As pandas reads it, numbers with points and without thousands being numbers.
        as_written: Its columns of text, and those of numbers that may be another's thousands.
        needed: Columns with a role, which may not stay in doubt.

    Raises:
        ValueError: A comma or a point may be a decimal mark or set thousands apart.
    """
    found = [Numerals.of(as_written[name]) for name in as_written.columns]
    sure = {own.marks for own in found if own.has_marks and len(own.marks) == 1}
    said: list[str] = []
    words: list[str] = []
    told: dict[str, pd.Series] = {}
    for own in found:
        marks = own.marks
        if len(marks) == 2 and own.has_marks:
            marks = next(iter(sure)) if len(sure) == 1 else marks
        if len(marks) == 2 and own.has_marks:
            if own.column in needed:
                raise ValueError(in_doubt(own))
            continue
        if marks:
            told[own.column] = numbers_of(as_written[own.column], marks[0])
            words += words_among(as_written[own.column])
        said += marks_said(own, marks)
    if words:
        said.append(f"with {some(dict.fromkeys(words))} among numbers as empty")
    return frame.assign(**told) if told else frame, list(dict.fromkeys(said))


def marks_said(own: Numerals, marks: str) -> list[str]:
    """Return how numbers are written that are not as Python writes them."""
    said = []
    if marks == "," and any("," in text for text in own.texts):
        said.append("with decimal commas")
    other = {",": ".", ".": ","}.get(marks, "")
    if other and any(other in text for text in own.texts):
        said.append(f"with thousands set apart by {other!r}")
    return said


def in_doubt(own: Numerals) -> str:
    """Return what is wrong where a mark may mean two things, and what helps."""
    text = next(text for text in own.texts if "," in text or "." in text)
    mark = "," if "," in text else "."
    return (
        f"Column {own.column!r} must show whether its {mark!r} is a decimal mark or sets thousands "
        f"apart, but every number has three digits behind it, such as {text!r}; say it, "
        f"`--csv '{{decimal: \"{mark}\"}}'` or `--csv '{{thousands: \"{mark}\"}}'`."
    )


def numbers_of(values: pd.Series, decimal: str) -> pd.Series:
    """Return text as numbers, not a number where there is a word for none."""
    texts = values.dropna().unique().tolist()
    numbers: dict[str, float] = {}
    for text in texts:
        own = cleaned(text)
        if own not in WORDS:
            other = "," if decimal == "." else "."
            numbers[text] = float(own.replace(other, "").replace(decimal, "."))
    return values.map(numbers).astype(np.float64)


def words_among(values: pd.Series) -> list[str]:
    """Return which words in a column of numbers stand for none."""
    texts = values.dropna().str.strip().unique().tolist()
    return [text for text in texts if text in WORDS and text]


def suspects(frame: pd.DataFrame, separator: str, kept: Sequence[str]) -> list[str]:
    """Return the columns of numbers that may be thousands with points, in this file."""
    floats = [
        name
        for name in frame.columns
        if name not in kept and types.is_float_dtype(frame[name].dtype)
    ]
    return floats if separator != "," or looks_european(frame, kept) else []


def looks_european(frame: pd.DataFrame, kept: Sequence[str]) -> bool:
    """Return whether a column of text holds numbers with commas."""
    texts = [
        name for name in frame.columns if name not in kept and types.is_string_dtype(frame[name])
    ]
    return any(
        own.has_marks and "," in own.marks for own in (Numerals.of(frame[name]) for name in texts)
    )
