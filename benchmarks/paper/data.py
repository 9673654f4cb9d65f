"""Public data sets that the experiments read; none of them is in this repository.

| folder | file | source |
|---|---|---|
| `mnist` | `{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz` | LeCun, Cortes and Burges |
| `ptb` | `ptb.{train,valid,test}.txt.gz` | Penn Treebank as prepared by Mikolov, words |
| `fsdd` | `fsdd_int16.npz` | Free Spoken Digit Dataset, its wav files as one array |
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

ENVIRONMENT: Final = "DRNN_PAPER_DATA"
BESIDE: Final = Path(__file__).parents[3] / "shared" / "data"

CHECKSUMS: Final = {
    "mnist/train-images-idx3-ubyte.gz": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "mnist/train-labels-idx1-ubyte.gz": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "mnist/t10k-images-idx3-ubyte.gz": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "mnist/t10k-labels-idx1-ubyte.gz": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
    "ptb/ptb.train.txt.gz": "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    "ptb/ptb.valid.txt.gz": "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    "ptb/ptb.test.txt.gz": "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    "fsdd/fsdd_int16.npz": "337dd501fbfb03768f35e49f314f48d98b308974ccf2f4b2150598f52f78d6a3",
}
"""The sha256 of what each file holds; of a `.gz` after decompression, so any wrapping will do."""


@dataclass(frozen=True)
class Digits:
    """Images `(image, 28, 28)` of handwritten digits, 0 to 255, and their labels `(image,)`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Speech:
    """Recordings of spoken digits, int16 samples at 8 kHz, who speaks, and the official split."""

    recordings: tuple[NDArray[np.int16], ...]
    speakers: NDArray[np.int64]
    is_test: NDArray[np.bool_]


def data_folder(folder: Path | None = None) -> Path:
    """Return `folder`; None: that of the variable `DRNN_PAPER_DATA`, or `../shared/data`."""
    return Path(folder or os.environ.get(ENVIRONMENT) or BESIDE)


def load_digits(folder: Path, part: str) -> Digits:
    """Return MNIST's `"train"` (60,000) or `"t10k"` (10,000) images.

    Raises:
        OSError: A file is missing, not what its checksum says, or not in the idx format.
    """
    images, labels = (
        idx_array(content(folder, f"mnist/{part}-{kind}-ubyte.gz"), name=f"mnist/{part}-{kind}")
        for kind in ("images-idx3", "labels-idx1")
    )
    return Digits(images, labels)


def load_characters(folder: Path, part: str) -> str:
    """Return Penn Treebank's `"train"`, `"valid"` or `"test"` text, one sentence a line.

    Raises:
        OSError: The file is missing, or not what its checksum says.
    """
    lines = content(folder, f"ptb/ptb.{part}.txt.gz").decode().splitlines()
    return "".join(line.strip() + "\n" for line in lines)


def load_speech(folder: Path) -> Speech:
    """Return the 3,000 recordings; those with an index of 0 to 4 are the official test part.

    Raises:
        OSError: The file is missing, or not what its checksum says.
    """
    with np.load(io.BytesIO(content(folder, "fsdd/fsdd_int16.npz"))) as arrays:
        recordings = np.split(arrays["audio"], arrays["offset"][1:-1])
        return Speech(tuple(recordings), arrays["speaker"].astype(np.int64), arrays["index"] < 5)


def content(folder: Path, name: str) -> bytes:
    """Return what a file of `CHECKSUMS` holds, decompressed.

    Raises:
        OSError: The file is missing, cannot be decompressed or has another checksum; the message
            names the file and the sha256.
    """
    path, expected = Path(folder) / name, CHECKSUMS[name]
    what = "decompressed content" if path.suffix == ".gz" else "content"
    if not path.is_file():
        raise FileNotFoundError(
            f"`{path}` does not exist. Put the file there ({what} of sha256 {expected}), or name "
            f"another folder by `--data` or the variable {ENVIRONMENT}."
        )
    try:
        found = path.read_bytes()
        found = gzip.decompress(found) if path.suffix == ".gz" else found
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise OSError(
            f"`{path}` must be a gzip file ({what} of sha256 {expected}), got: {error}. "
            "Fetch it again."
        ) from error
    checksum = hashlib.sha256(found).hexdigest()
    if checksum != expected:
        raise OSError(
            f"The {what} of `{path}` must have the sha256 {expected}, got {checksum}. "
            "Fetch it again."
        )
    return found


def idx_array(data: bytes, *, name: str) -> NDArray[np.uint8]:
    """Return the array of bytes that an idx file holds; `name` is the file to blame.

    Raises:
        OSError: It is not an idx file of bytes, or its length is not what its header says.
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise OSError(
            f"`{name}` must be an idx file of bytes and start with 000008, got {data[:3].hex()!r}."
        )
    start = 4 + 4 * data[3]
    sizes = (data[place : place + 4] for place in range(4, start, 4))
    shape = tuple(int.from_bytes(size, "big") for size in sizes)
    expected = start + int(np.prod(shape))
    if len(data) != expected:
        raise OSError(
            f"`{name}` must hold {expected} bytes for its shape {shape}, got {len(data)}."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)
