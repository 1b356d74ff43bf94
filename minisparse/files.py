"""Files are written under another name, synced and renamed, so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .errors import FileError

POSIX = os.name == "posix"
"""Whether files that are open can be replaced; processes can be asked after, folders synced."""


def expanded(path: str | os.PathLike) -> Path:
    """Return a path with ``~`` replaced by the home folder; a shell does not do so in ``--out=~/runs``.

    Raises
    ------
    OSError
        If there is no such home folder, or the text can be no path.

    Examples
    --------
    >>> minisparse.files.expanded("~/runs").is_absolute()
    True
    """
    try:
        found = Path(path).expanduser()
        os.fsencode(found)
    except (RuntimeError, ValueError, TypeError) as error:
        raise FileError(f"{str(path)!r} can be no path ({error}); name another") from error
    if "\0" in str(found):
        raise FileError(f"{str(path)!r} can be no path (it holds a null character); name another")
    return found


def write_aside(path: str | os.PathLike, write: Callable) -> None:
    """Write a file next to its place, sync it, then rename it: readers see the old file or the new one, never a part.

    A symbolic link stays a link, the file it leads to is written. A file that exists keeps its mode, a new one has
    what the user's umask says.

    Parameters
    ----------
    path : path
    write : callable
        Is handed the open binary file.

    Raises
    ------
    OSError
        If the file cannot be written, or something that is no regular file has its name.
    """
    try:
        target = expanded(path).resolve()  # of a symbolic link: the file it leads to
        aside = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode if target.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            raise OSError("it is no regular file")
        try:
            with open(aside, "wb") as file:
                if mode is not None:
                    aside.chmod(stat.S_IMODE(mode))  # before there is anything to read
                write(file)
                file.flush()
                os.fsync(file.fileno())
            _replace(aside, target)
            _clear_after_killed_writers(target)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise
        if POSIX:
            folder = os.open(target.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"{path} cannot be written ({reason}); choose another place") from error


def _replace(aside: Path, target: Path) -> None:
    """Rename; Windows refuses it while a reader has the file open, so try again for a second."""
    for left in reversed(range(20)):
        try:
            aside.replace(target)
            return
        except PermissionError:
            if POSIX or not left:
                raise
            time.sleep(0.05)


def _clear_after_killed_writers(target: Path) -> None:
    """Remove what writers of this file have left that were killed: their processes are gone."""
    for path in target.parent.glob(f".{target.name}.*.part"):
        pid = path.name.removeprefix(f".{target.name}.").partition("-")[0]
        if pid.isdecimal() and not _is_alive(int(pid)):
            path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    if not POSIX:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
