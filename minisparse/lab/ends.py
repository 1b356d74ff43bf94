"""How a run ends: what the user can mend, a spent budget and a signal are one line and an exit code; a bug is shown."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ..errors import BudgetSpent, UserError
from . import rows

SIGNALS = tuple(name for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""Signals that end a run as Ctrl-C does: of a job that is cancelled, of a terminal that is closed."""


class Stopped(KeyboardInterrupt):
    """A signal of `SIGNALS`, raised where the program is, as Ctrl-C is.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


def listen() -> None:
    """Let each of `SIGNALS` raise `Stopped`, except those that were handled or ignored before, as nohup does."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in SIGNALS:
        number = getattr(signal, name)
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def _stop(number: int, frame: Any) -> None:
    raise Stopped(number)


class OneLine:
    """An excepthook that ends with one line on stderr, and shows the traceback of a bug.

    Attributes
    ----------
    saved : str
        What is kept of a run that is interrupted, and how to go on.
    rows : str
        The file whose rows are drawn, if nothing runs: then an entry of another kind than the chapter reads is the
        file's fault.
    """

    def __init__(self) -> None:
        self.saved, self.rows = "nothing is saved; start the same command again", ""

    def __call__(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            what, code = ("interrupted", 130) if kind is KeyboardInterrupt else (f"ended by {error}", 0)
            self._end(f"{what}; {self.saved}", code or 128 + getattr(error, "number", 0))
        if issubclass(kind, BudgetSpent):
            self._end(str(error), 3)
        if issubclass(kind, UserError):
            self._end(f"error: {error}", 2)
        if self.rows and issubclass(kind, (LookupError, TypeError, ValueError)):
            odd = rows.unlike(rows.read(Path(self.rows))) or self.rows
            what = f"--rows {odd} holds something else than this chapter's cells come to ({kind.__name__}: {error})"
            self._end(f"error: {UserError(what + '; take rows as a whole run of the chapter wrote them')}", 2)
        sys.__excepthook__(kind, error, trace)

    @staticmethod
    def _end(text: str, code: int) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(text, file=sys.stderr, flush=True)
        sys.exit(code)
