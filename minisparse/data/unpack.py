"""What a data file is by its first bytes, whatever its name says: packed, unpacked, or no data at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from ..errors import FileError

DAMAGED = "the file is damaged or truncated: fetch it again"
LARGEST = 2**28
"""Bytes that a file may have unpacked, where nothing smaller is known."""
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
FOREIGN = {
    b"<!doctype": "a web page", b"<html": "a web page", b"<?xml": "a web page", b"<head": "a web page",
    b"version https://git-lfs": "a pointer of Git LFS, not the file that it stands for",
    ZIP: "a zip archive", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive", b"7z\xbc\xaf": "a 7-zip archive",
    b"Rar!": "a rar archive", GZIP: "packed with gzip", b"\xff\xfe": "text in UTF-16", b"\xfe\xff": "text in UTF-16",
}  # fmt: skip
"""What a file is that begins so, and what data people have met under the name of a data file."""
MENDS = {"packed": "unpack it", "archive": "unpack it", "text": "save it in UTF-8"}
"""What helps with some of them; the others are fetched again."""


def refuse_foreign(content: bytes, file: str | os.PathLike, but: tuple[bytes, ...] = ()) -> None:
    """Refuse what is no data file by its first bytes, whatever its name says.

    Parameters
    ----------
    content : bytes
        The first ones will do.
    file : path
        For the sentence.
    but : tuple of bytes
        Beginnings that are right here.

    Raises
    ------
    OSError

    Examples
    --------
    >>> minisparse.data.unpack.refuse_foreign(b"<html>Not found</html>", "train-labels-idx1-ubyte.gz")
    Traceback (most recent call last):
    ...
    minisparse.errors.FileError: train-labels-idx1-ubyte.gz is a web page: fetch it again
    """
    head = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    for start, what in FOREIGN.items():
        if start not in but and (head.lower() if start[:1] == b"<" else head).startswith(start):
            mend = next((mend for word, mend in MENDS.items() if word in what), "fetch it again")
            raise FileError(f"{file} is {what}: {mend}")


def unpacked(content: bytes, file: str | os.PathLike, largest: int = LARGEST) -> bytes:
    """Return what a file holds: what begins as gzip is unpacked, whatever the name says, up to a bound.

    Parameters
    ----------
    content : bytes
    file : path
        For errors.
    largest : int
        Bytes that it may have; of more, no more is unpacked.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        If it is damaged, too large, or no data at all.
    """
    refuse_foreign(content, file, but=(GZIP,))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            plain = stream.read(largest + 1) if content.startswith(GZIP) else content
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{file} cannot be read ({error}); {DAMAGED}") from error
    if len(plain) > largest:
        raise FileError(f"{file} unpacks to more than {largest} bytes; it is another file: fetch it again")
    return plain


def content_of(path: Path, largest: int, packed: bool = False) -> bytes:
    """Return a file's content, unpacked unless it stays ``packed``; a larger one is refused before it is read."""
    try:
        with open(path, "rb") as file:
            if (length := os.fstat(file.fileno()).st_size) > largest:
                raise FileError(f"{path} has {length} bytes, more than {largest}; it is another file: fetch it again")
            content = file.read()
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error}); check the path and its rights") from error
    return content if packed else unpacked(content, path, largest)


def hash_of(paths: Iterable[Path]) -> list[str]:
    """Return a hash of the content of each file."""
    found = []
    for path in paths:
        content = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                while block := file.read(2**20):
                    content.update(block)
        except OSError as error:
            raise FileError(f"{path} cannot be read ({error.strerror or error}); check the path") from error
        found.append(content.hexdigest())
    return found
