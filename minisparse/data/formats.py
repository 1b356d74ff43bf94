"""Parsers of the formats that data sets come in: what does not fit is refused in one sentence that names the file."""

from __future__ import annotations

import io
import math
import os
import re
import struct
import tarfile
import zlib
from collections.abc import Iterable

import numpy as np

from ..archive import read_arrays
from ..errors import FileError
from .unpack import DAMAGED, ZIP, refuse_foreign, unpacked

LARGEST_ARCHIVE = 2**28
"""Bytes that an unpacked archive may have; those of CIFAR have 184 million."""
LARGEST_IDX = 2**27
"""Bytes that the content of one IDX file may have; the images of MNIST have 47 million."""
LONGEST_LINE = 2**24
"""Characters read at once from a ``.ts`` file; a longer line is refused for what its parts are."""
BLOCK = 256
"""Series for which room is made at a time."""


def parse_idx(content: bytes, file: str | os.PathLike) -> np.ndarray:
    """Read the content of an IDX file of unsigned bytes (LeCun's format).

    Parameters
    ----------
    content : bytes
        Four bytes of magic number (0, 0, 8, number of axes), a big-endian 32-bit size per axis, then the bytes.
    file : path
        Its name says what to expect: ``idx3`` images, ``idx1`` labels; another name, from 1 to 4 axes.

    Returns
    -------
    array of uint8

    Raises
    ------
    OSError
        If the magic number or the length does not fit.

    Examples
    --------
    >>> minisparse.data.formats.parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "labels-idx1-ubyte")
    array([7, 9], dtype=uint8)
    """
    said = re.search("idx([1-9])", os.path.basename(file))
    axes = int(said[1]) if said else min(max(content[3], 1), 4) if len(content) > 3 else 3
    if content[:4] != bytes([0, 0, 8, axes]):
        refuse_foreign(content, file)
        raise FileError(
            f"{file} does not start as an IDX file of {axes} axes (magic number {content[:4].hex() or 'missing'}, "
            f"expected {bytes([0, 0, 8, axes]).hex()}); is it the right file?"
        )
    header = 4 + 4 * axes
    if len(content) < header:
        raise FileError(f"{file} ends inside its header; the file is truncated: fetch it again")
    shape = struct.unpack(f">{axes}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "longer than its header says"
        raise FileError(
            f"{file} has {len(content)} bytes but its header announces {expected}; it is {fault}: fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def parse_cifar(
    content: bytes, file: str, label_bytes: int, classes: int, label: int = -1
) -> tuple[np.ndarray, np.ndarray]:
    """Read the content of a file of CIFAR's binary version.

    Parameters
    ----------
    content : bytes
        Records: the label bytes, then 32 x 32 red, green and blue bytes.
    file : str
        Its name, for errors.
    label_bytes : int
        1 for CIFAR-10, 2 for CIFAR-100 (coarse, fine).
    classes : int
    label : int
        Which of the label bytes is used, by default the last.

    Returns
    -------
    images : (samples, 32, 96) uint8
        See `image_rows`.
    labels : (samples,) int64

    Raises
    ------
    OSError
        If there is no record, half a record, or a label out of range.

    Examples
    --------
    >>> images, labels = minisparse.data.formats.parse_cifar(bytes([7] + 3072 * [255]), "test_batch.bin", 1, 10)
    >>> images.shape, labels
    ((1, 32, 96), array([7]))
    """
    size = label_bytes + 3 * 32 * 32
    if not content or len(content) % size:
        refuse_foreign(content, file)
        raise FileError(
            f"{file} has {len(content)} bytes, which is no multiple of the {size} of a record; it is truncated or "
            "another file: fetch it again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    labels = records[:, range(label_bytes)[label]].astype(np.int64)
    wrong = np.flatnonzero(labels >= classes)
    if wrong.size:
        raise FileError(
            f"{file} has the label {labels[wrong[0]]} in record {wrong[0]}, but labels lie in 0..{classes - 1}; it is "
            "damaged or another file: fetch it again"
        )
    return image_rows(records[:, label_bytes:].reshape(-1, 3, 32, 32)), labels


def image_rows(images: np.ndarray) -> np.ndarray:
    """Turn images (samples, channels, rows, columns) into sequences of rows (samples, rows, channels * columns).

    Examples
    --------
    >>> minisparse.data.formats.image_rows(numpy.arange(8).reshape(1, 2, 2, 2)).tolist()
    [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    """
    samples, channels, rows, columns = images.shape
    return images.swapaxes(1, 2).reshape(samples, rows, channels * columns)


def parse_archive(content: bytes, file: str, names: Iterable[str]) -> list[bytes]:
    """Read regular files out of a ``.tar.gz`` archive, in memory.

    Parameters
    ----------
    content : bytes
        The archive; unpacked it may have LARGEST_ARCHIVE bytes.
    file : str
        Its name, for errors.
    names : sequence of str
        Names of the files wanted, without their folders. Of several with one name the first is read.

    Returns
    -------
    list of bytes
        In the order of `names`.

    Raises
    ------
    OSError
        If the archive is damaged or too large, or a file is not in it.
    """
    found = {}
    try:
        plain = unpacked(content, file, LARGEST_ARCHIVE)
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if name in names and name not in found and member.isreg() and not member.issparse():
                    found[name] = archive.extractfile(member).read()
    except FileError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise FileError(f"{file} cannot be read ({error}); {DAMAGED}") from error
    for name in names:
        if name not in found:
            raise FileError(f"{file} holds no file {name}; it is another archive: fetch it again")
    return [found[name] for name in names]


def _start(path: str | os.PathLike) -> bytes:
    """Return the first bytes of a file; none of one that cannot be read, as others say why."""
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except OSError:
        return b""


def read_npz(path: str | os.PathLike, *names: str, largest: int) -> list[np.ndarray]:
    """Read arrays by name from an ``.npz`` file, together at most so many bytes; nothing is unpickled.

    Raises
    ------
    OSError
        If the file cannot be read or lacks an array.
    """
    refuse_foreign(_start(path), path, but=(ZIP,))
    found = read_arrays(path, names=names, largest=largest)
    return [found[name] for name in names]


TOLD = {
    "@timestamps": ("true", "series with a time for each value are not read; write the values alone"),
    "@classlabel": ("false", "series without labels are not read; take a file for classification"),
    "@targetlabel": ("true", "series with a number to predict are not read; take a file for classification"),
}
"""Headers that say of a file that it is another kind of ``.ts``."""


def read_ts(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read a ``.ts`` file of the UEA/UCR archive, line by line: memory holds float32 values and one line of text.

    Lines of ``#`` are comments, lines of ``@`` headers, of which ``@data`` counts; series with a time for each value
    (``@timeStamps true``) or without labels (``@classLabel false``) are refused. After it each line is a series:
    values separated by commas; channels, and last the label, separated by colons.

    Parameters
    ----------
    path : path

    Returns
    -------
    series : (samples, time, channels) float32
    labels : (samples,) array of str

    Raises
    ------
    OSError
        If the series differ in length or channels, a value is missing or no finite number, a label is missing, or
        there is no ``@data``; the sentence names the file and the line.
    """
    try:
        with open(path, "rb") as start:
            refuse_foreign(start.read(64), path)
        with open(path, encoding="utf-8-sig", errors="replace") as file, np.errstate(over="ignore"):
            return _read_series(iter(lambda: file.readline(LONGEST_LINE), ""), path)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error}); check the path") from error


def _read_series(lines: Iterable[str], path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    blocks, labels, started, number = [], [], False, 0
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        where = f"{path} line {number}"
        if not started:
            if not line.startswith("@"):
                raise FileError(f"{where} is no header but comes before @data; add the line @data, or fetch it again")
            word, _, rest = line.lower().partition(" ")
            if (what := TOLD.get(word)) and rest.split()[:1] == [what[0]]:
                raise FileError(f"{where} says {line[:40]!r}: {what[1]}")
            started = word == "@data"
            continue
        values, label = _parse_series(line, where)
        if blocks and values.shape != blocks[0].shape[1:]:
            raise FileError(
                f"{where} has {values.shape[0]} values in {values.shape[1]} channels, the first series "
                f"{blocks[0].shape[1]} in {blocks[0].shape[2]}; only series of equal length are read: pad or cut them"
            )
        place = len(labels) % BLOCK
        if place == 0:
            blocks.append(np.empty((BLOCK, *values.shape), np.float32))
        blocks[-1][place] = values
        labels.append(label)
    if not blocks:
        lacks = "series after @data" if started else "line @data"
        raise FileError(f"{path} line {number} is the last, and there was no {lacks}; the file is truncated")
    blocks[-1] = blocks[-1][: place + 1]
    return np.concatenate(blocks), np.array(labels)


def _parse_series(line: str, where: str) -> tuple[np.ndarray, str]:
    """Return the values (time, channels) and the label of one series."""
    *channels, label = line.split(":")
    label = label.strip()
    if not channels or not label or "," in label:
        raise FileError(f"{where} has no label after a last ':'; add it, or drop the series")
    rows = [channel.split(",") for channel in channels]
    if len({len(row) for row in rows}) > 1:
        lengths = ", ".join(str(len(row)) for row in rows)
        raise FileError(f"{where} has channels of different lengths ({lengths}); pad or cut them")
    try:
        values = np.array([list(map(float, row)) for row in rows], np.float32)
        good = bool(np.isfinite(values).all()) and not any("_" in channel for channel in channels)
    except ValueError:
        good = False
    if not good:
        bad = next(text for row in rows for text in row if not _is_number(text))
        if bad.strip().startswith("("):
            raise FileError(f"{where} has {bad.strip()[:20]!r}, a value with its time; write the values alone")
        raise FileError(
            f"{where} has {bad.strip()[:20]!r} where a finite number should be; missing values are not read: fill "
            "them in, or drop the series"
        )
    return values.T, label


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and bool(np.isfinite(np.float32(float(text))))
    except ValueError:
        return False
