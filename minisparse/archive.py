"""Archives of arrays (``.npz``), read as data from anywhere: nothing is unpickled, and what a file says of its sizes is
compared with its length, or with a bound, before memory is taken for it.
"""

from __future__ import annotations

import errno
import io
import math
import os
import stat
import zipfile
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from .errors import FileError
from .files import expanded

KINDS = "biufcSU"
"""Kinds of numbers, truth values and text (`numpy.dtype.kind`) that an archive may hold."""
REMEDIES = {
    errno.EACCES: "change the rights of the file or its folder",
    errno.EPERM: "change the rights of the file or its folder",
    errno.EMFILE: "close other files, then try again",
    errno.ENFILE: "close other files, then try again",
}
SHOWN = 120
"""Letters of a foreign error's text in a sentence."""


class Foreign(Exception):
    """A file that is whole, but not of the kind that is asked for."""


def read_arrays(
    path: str | os.PathLike,
    what: str = "file",
    names: Iterable[str] | None = None,
    largest: int | None = None,
    missing: str = "check the path",
    damaged: str = "fetch it again",
) -> dict[str, np.ndarray]:
    """Read arrays of numbers and text from an ``.npz`` file.

    Parameters
    ----------
    path : path
    what : str
        What errors call the file.
    names : sequence of str, optional
        The arrays to read, all if omitted.
    largest : int, optional
        Bytes that those arrays may have. Without it the archive must not be compressed, so no array is larger than the
        file.
    missing, damaged : str
        What to do if there is no such file, and if it has been damaged.

    Returns
    -------
    dict of arrays

    Raises
    ------
    OSError
        `FileError`: if the file is missing, may not be read, is no regular file, no such archive, too large, or
        damaged, each said apart. Only of a file with broken content the sentence says that it is damaged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "a.npz"
    ...     numpy.savez(path, x=numpy.arange(3))
    ...     minisparse.archive.read_arrays(path)
    {'x': array([0, 1, 2])}
    """
    path = expanded(path)
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "no regular file"
            raise FileError(f"{what} {path} is {kind}; name a file")
        with open(path, "rb") as file:
            return _arrays(file, os.fstat(file.fileno()).st_size, names, largest)
    except FileError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileError(f"{what} {path} does not exist; {missing}") from error
    except Foreign as error:
        raise FileError(f"{what} {path} is of another kind ({error}); name another file") from error
    except MemoryError as error:
        raise FileError(f"{what} {path} does not fit into memory; free some, or use a smaller one") from error
    except OSError as error:
        remedy = REMEDIES.get(error.errno, "its content may be whole: look at the disk, then try again")
        raise FileError(f"{what} {path} cannot be read ({reason(error)}); {remedy}") from error
    except Exception as error:  # whatever zipfile, zlib and NumPy's header parser make of broken content
        raise FileError(f"{what} {path} is damaged ({reason(error)}); {damaged}") from error


def reason(error: BaseException) -> str:
    """Return what an error says, in one short line.

    Examples
    --------
    >>> minisparse.archive.reason(OSError(24, "Too many open files")), minisparse.archive.reason(KeyError())
    ('Too many open files', 'KeyError')
    """
    text = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _arrays(file: BinaryIO, length: int, names: Iterable[str] | None, largest: int | None) -> dict[str, np.ndarray]:
    begin = file.read(4)
    if not begin:
        raise EOFError("it is empty")
    if not begin.startswith(b"PK"):
        raise Foreign("it is no .npz file")
    with zipfile.ZipFile(file) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise ValueError("it holds two arrays of one name")
        if lacking := [name for name in names or () if name not in members]:
            raise Foreign(f"it holds no {', '.join(lacking)}")
        wanted = {name: members[name] for name in names or members}
        total, bound = sum(member.file_size for member in wanted.values()), length if largest is None else largest
        if largest is None and any(member.compress_type for member in wanted.values()):
            raise Foreign("it is compressed")
        if total > bound:
            kind, may = (ValueError, "are in it") if largest is None else (Foreign, "they may take")
            raise kind(f"its arrays would take {total} bytes, more than the {bound} that {may}")
        return {name: _array(archive, member) for name, member in wanted.items()}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read one member: its header must state exactly the numbers that follow it."""
    with archive.open(member) as part:
        content = part.read(member.file_size)
        if part.read(1):
            raise ValueError("an array is longer than its archive says")
    start = io.BytesIO(content)
    version = np.lib.format.read_magic(start)
    if version not in ((1, 0), (2, 0)):
        raise Foreign(f"an array has format {version}")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(start)
    if dtype.kind not in KINDS:
        raise Foreign(f"it holds something else than numbers and text, {reason(ValueError(str(dtype)))}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content) - start.tell():
        raise ValueError("an array has not the size that it states")
    array = np.ndarray(shape, dtype, content, start.tell(), order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="))
