"""Numba where it cannot have its way: no folder for its cache, a damaged file in it, a process without its threads.

What cannot be kept on disk is compiled in each process; what is damaged is compiled again. A process that was forked
after compiled code ran in threads takes SciPy's kernels: threads do not survive a fork, and GNU OpenMP ends the child.
Each is said once, in a line on stderr.
"""

from __future__ import annotations

import functools
import os
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core.caching import FunctionCache

from ..kernels import leave, say

numba.core.config.reload_config()  # `choose_threads` may have come after somebody else's import of Numba
if numba.config.DISABLE_JIT:
    raise ImportError("NUMBA_DISABLE_JIT is set")


def compiled(**options: Any) -> Callable[[Callable], Any]:
    """Return Numba's decorator with these options; it keeps compiled code on disk where it can.

    Parameters
    ----------
    **options
        Of ``numba.njit``, without ``cache``.

    Returns
    -------
    callable
        From a function to Numba's dispatcher.
    """

    def decorate(function: Callable) -> Any:
        if options.get("parallel"):  # Numba names a file by the function alone; one that runs on one thread has another
            again = FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
            again.__qualname__, function = f"{function.__qualname__}_parallel", again
        dispatcher = numba.njit(**options)(function)
        cache = _cache_of(function)
        if cache is not None:
            dispatcher._cache = cache
        return dispatcher

    return decorate


PATIENCE = 0.3
"""Seconds after which it is said that a kernel is being compiled."""


class _Cache(FunctionCache):
    """Numba's cache of one function; what goes wrong with its files costs time, and nothing else.

    Numba looks here before it compiles, and brings what it has compiled: in between, what takes long is said.
    """

    _said: threading.Timer | None = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is kept for this signature, None if it has to be compiled."""
        found = None
        try:
            try:
                found = self._without_compiler(sig, target_context)
            except (AttributeError, ImportError, TypeError):  # another Numba has other names for its parts
                found = super().load_overload(sig, target_context)
        except Exception:  # a pickle that is cut short can end in any error
            say(f"a file of compiled kernels in {self.cache_path} is damaged; they are compiled again")
            self._try(self.flush)
        if found is None:
            self._said = threading.Timer(PATIENCE, say, ["compiling sparse kernels, once (some seconds; kept on disk)"])
            self._said.daemon = True
            self._said.start()
        return found

    def _without_compiler(self, sig: Any, target_context: Any) -> Any:
        """Load what is kept. Numba would first load all that it can compile, a third of a second; code that is compiled
        needs its memory manager alone.
        """
        from numba.core.runtime import rtsys

        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled."""
        if self._said is not None:
            self._said.cancel()
        self._try(super().save_overload, sig, data)

    def _try(self, write: Callable, *arguments: Any) -> None:
        try:
            write(*arguments)
        except Exception as error:
            self.disable()
            reason = type(error).__name__
            say(f"compiled kernels cannot be kept in {self.cache_path} ({reason}); each process compiles them")


def _cache_of(function: Callable) -> _Cache | None:
    """Return a function's cache where Numba would put it, else in a temporary folder, else None."""
    try:
        return _Cache(function)
    except Exception:  # Numba's error has no type of its own, and the message changes
        folder = _temporary_folder()
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
    try:
        return _Cache(function) if folder else None
    except Exception:
        return None
    finally:
        numba.config.CACHE_DIR = before


@functools.cache
def _temporary_folder() -> str:
    """Return this user's own folder for compiled code below the temporary one; "" if there is none to be had.

    Code is run from it: a folder that somebody else made or may write to is not taken.
    """
    user = getattr(os, "getuid", lambda: "user")()
    folder = Path(tempfile.gettempdir(), f"minisparse-kernels-{user}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        found = None
    mine = found and (user == "user" or (found.st_uid == user and not found.st_mode & 0o077))
    if mine and stat.S_ISDIR(found.st_mode):
        say(f"no folder for compiled kernels can be written (NUMBA_CACHE_DIR names one); they are kept in {folder}")
        return str(folder)
    say("no folder for compiled kernels can be written (NUMBA_CACHE_DIR names one); each process compiles them")
    return ""


_lost: list[bool] = []


def has_threads() -> bool:
    """Whether compiled code may run in threads: not in the child of a fork that left them behind."""
    return not _lost


def _after_fork() -> None:
    """Take SciPy's kernels in a child whose parent has run compiled code in threads."""
    try:
        numba.threading_layer()  # an error, if no thread was ever started
    except ValueError:
        return
    _lost.append(True)
    leave("numba", "this process was forked from one that runs compiled kernels; it takes SciPy's, which are slower")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
