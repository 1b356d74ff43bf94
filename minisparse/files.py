"""Files are written aside, synced and renamed, so that a reader never meets half of one; and files that are locks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from .errors import FileError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def write_aside(path: str | os.PathLike, write: Callable) -> None:
    """Write a file beside its place, sync it, then rename it there: readers see the old or the new one, whole."""
    path = Path(path)
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _turn(aside) as file:
            try:
                file.truncate(0)
                write(file)
                file.flush()
                os.fsync(file.fileno())
                if fcntl is None:
                    file.close()  # Windows renames no open file
                aside.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    aside.unlink()
                raise
        if os.name == "posix":
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error.strerror or error}); choose another place") from error


@contextlib.contextmanager
def held(path: Path) -> Iterator[IO | None]:
    """Hold a file as a lock and remove it at the end; None if another process (or this one) holds it already.

    The kernel takes the lock from a process that dies, so a file that is left behind is free. An exception leaves the
    file behind, too.
    """
    if fcntl is None:  # no such locks: the file alone is the lock, and a killed process's has to be deleted by hand
        try:
            file = open(path, "x+b")  # noqa: SIM115
        except FileExistsError:
            yield None
            return
        try:
            yield file
        finally:
            file.close()
            path.unlink()
        return
    while True:
        with _opened(path) as file:
            if not lock(file):
                yield None
                return
            if _in_place(file, path):
                yield file
                path.unlink()
                return


def is_held(path: Path) -> bool:
    """Whether a process holds a file as a lock."""
    try:
        with open(path, "rb") as file:
            return fcntl is None or not lock(file, shared=True)
    except FileNotFoundError:
        return False


def lock(file: IO | int, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file until it is closed or its process dies; returns whether it is. Without fcntl it always is."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        raise FileError(f"files cannot be locked here ({error.strerror}); choose a folder on another disk") from error
    return True


def _opened(path: Path) -> IO:
    return open(path, "r+b", opener=lambda name, _: os.open(name, os.O_RDWR | os.O_CREAT, 0o666))


def _in_place(file: IO, path: Path) -> bool:
    """Whether an open file still has its name; if it lost it while we waited for the lock, the lock guards nothing."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[IO]:
    """Open a file for writing, once whoever writes it at the moment is through."""
    while True:
        with _opened(path) as file:
            with contextlib.suppress(FileError):  # where nothing can be locked, writers take their chance
                lock(file, wait=True)
            if _in_place(file, path):
                yield file
                return
