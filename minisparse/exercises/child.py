"""Run answers in a child process with limits, never in the caller's."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

SECONDS = 10.0
"""Time limit of one answer."""
MOST_LATE = 2
"""Answers of one file that may run out of time, or end their process, before the rest is left alone."""
START = 60.0
"""Seconds that the child may take to start, on a machine that is busy."""


@dataclasses.dataclass(frozen=True)
class Room:
    """What a process may do beside computing; an answer of a student has none of it.

    Attributes
    ----------
    reads : tuple of str
        Folders that it may read, and with them those that Python imports from.
    writes : str
        The one folder in which it may write.
    imports : tuple of str
        Modules that are loaded before the limits hold.

    Examples
    --------
    >>> minisparse.exercises.child.Room()
    Room(reads=(), writes='', imports=())
    """

    reads: tuple[str, ...] = ()
    writes: str = ""
    imports: tuple[str, ...] = ()


NO_ROOM = Room()


def run(jobs: Iterable[tuple[str, tuple]], seconds: float = SECONDS, room: Room = NO_ROOM) -> Iterator[dict[str, Any]]:
    """Yield the result of each job, in order; a job that kills its child or takes too long gets its sentence.

    Parameters
    ----------
    jobs : iterable of (kind, arguments)
        "line": tag and answer. "pass": name and text of the file. "program": text, and the names of the numbers that
        it makes. "script": path and flags.
    seconds : float
        Time limit of one job; the child's start does not count.
    room : Room
        What a job may do beside computing.

    Yields
    ------
    dict
        See `judge.judge_line`.
    """
    child: _Child | None = None
    late = 0
    try:
        for kind, given in jobs:
            if late == MOST_LATE:
                yield _over("time", f"it was not run, as {late} answers before it did not end.", over=False)
                continue
            child = child or _Child(room)
            result = child.ask({"kind": kind, "given": given}, seconds)
            if result.pop("over", False):
                late += 1
                child.close()
                child = None
            yield result
    finally:
        if child:
            child.close()


class _Child:
    """A process of its own session, in an empty folder, without the caller's environment."""

    def __init__(self, room: Room = NO_ROOM) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="minisparse-answer-", ignore_cleanup_errors=True)
        home = str(Path(__file__).resolve().parents[2])
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        place = {"HOME": self._folder.name, "TMPDIR": self._folder.name, "PYTHONPATH": home, "BACKEND": "numpy"}
        self._token = secrets.token_hex(16)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minisparse.exercises.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder.name,
            env={**kept, **threads, **place, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"},
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._said: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self._tell(self._token)
        self._tell(json.dumps(dataclasses.asdict(room)))
        if (said := self._hear(START)) is None:
            words = self._process.stderr.read()[-300:] if self._process.poll() is not None else "it took too long"
            self.close()
            raise RuntimeError(f"the process for answers did not start: {words.strip()}")
        self.enforced = json.loads(said)

    def ask(self, job: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Return a job's result; with the key "over" if the child is of no use any more."""
        self._tell(json.dumps(job))
        try:
            said = self._hear(seconds)
        except queue.Empty:
            return _over("time", f"it does not end within {seconds:g} seconds; is there an endless loop?")
        if said is None:
            return _over("ended", "it ends the process in which it runs; an answer only computes.")
        return json.loads(said)

    def close(self) -> None:
        """End the child and everything that it has started; remove its folder."""
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        self._folder.cleanup()

    def _tell(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._process.stdin.write(f"{text}\n")
            self._process.stdin.flush()

    def _hear(self, seconds: float) -> str | None:
        said = self._said.get(timeout=seconds)
        return said if said is None else said.partition(" ")[2]

    def _listen(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for text in self._process.stdout:
                if text.startswith(self._token):
                    self._said.put(text.rstrip("\n"))
        self._said.put(None)


def _over(code: str, sentence: str, over: bool = True) -> dict[str, Any]:
    told = {"state": "wrong", "findings": [{"code": code, "tensor": "", "sentence": sentence}]}
    return {**told, "over": True} if over else told
