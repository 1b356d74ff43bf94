"""What a data file is by its first bytes, whatever its name says: packed, unpacked, or no data at all."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from pathlib import Path

from ..errors import FileError

DAMAGED = "the file is damaged or truncated: fetch it again"
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


def unpacked(content: bytes, file: str | os.PathLike, largest: int) -> bytes:
    """Return what a file holds: what begins as gzip is unpacked, whatever the name says.

    Of what has more than `largest` bytes no more is unpacked.

    Parameters
    ----------
    content : bytes
    file : path
        For errors.
    largest : int

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        If there is more, if it is damaged, or no data at all.

    Examples
    --------
    >>> minisparse.data.unpack.unpacked(gzip.compress(b"ab"), "a.gz", 2)
    b'ab'
    """
    refuse_foreign(content, file, but=(GZIP,))
    if content.startswith(GZIP):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
                content = stream.read(largest + 1)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise FileError(f"{file} cannot be read ({error}); {DAMAGED}") from error
    if len(content) > largest:
        raise FileError(f"{file} unpacks to more than {largest} bytes; it is another file: fetch it again")
    return content


def content_of(path: Path, largest: int) -> bytes:
    """Return what a file holds, unpacked if it is packed.

    Raises
    ------
    OSError
        If it cannot be read, or has more than `largest` bytes: there is no memory taken for them.
    """
    return unpacked(bounded(path, largest), path, largest)


def bounded(path: Path, largest: int) -> bytes:
    """Return the bytes of a file as they are.

    Raises
    ------
    OSError
        As for `content_of`.
    """
    try:
        with open(path, "rb") as file:
            if (length := os.fstat(file.fileno()).st_size) > largest:
                raise FileError(f"{path} has {length} bytes, more than {largest}; it is another file: fetch it again")
            return file.read()
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror or error}); check the path and its rights") from error
