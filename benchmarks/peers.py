"""Frozen references in processes of their own, with their own threads; and the Python programs that are timed whole."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
REFERENCES = Path(__file__).resolve().parent / "reference"
INSTALL = {
    "torch": ("PyTorch", 'pip install -e ".[bench]"'),
    "sklearn": ("scikit-learn", "pip install scikit-learn"),
    "numba": ("Numba", 'pip install -e ".[fast]"'),
    "jax": ("JAX", 'pip install -e ".[peers]"'),
    "sparseprop": ("SparseProp", 'pip install -e ".[peers]" && pip install --no-build-isolation sparseprop'),
}
"""Module to name and command."""


class ProgramError(RuntimeError):
    """A program of ours that failed, with the last line of what it said."""


def lacking(module: str) -> str:
    """Say that a module is not installed and how to get it, or nothing.

    Examples
    --------
    >>> lacking("numpy")
    ''
    """
    if importlib.util.find_spec(module):
        return ""
    name, command = INSTALL[module]
    return f"{name} is not installed; run: {command}"


class Peer:
    """A frozen reference, started from arrays of ours; a side of `timing.compare`, to be used in a ``with`` block.

    The script reads ``start.npz``. For a line "N" on stdin it takes N steps and answers with the seconds of each and
    one number: the last loss, or the weighted sum of what it computed (`timing.fingerprint`).

    Parameters
    ----------
    script : str
        In ``benchmarks/reference``.
    threads : int
    count : int
        Steps per call; the median counts.
    **start
        Arrays.
    """

    def __init__(self, script: str, threads: int, count: int = 1, **start: Any):
        self._folder = tempfile.TemporaryDirectory()
        try:
            file = Path(self._folder.name) / "start.npz"
            np.savez(file, **start)
            self._script, self._count, self.result = script, count, float("nan")
            self._said = (Path(self._folder.name) / "stderr").open("w+")
            self._process = subprocess.Popen(
                [sys.executable, str(REFERENCES / script), str(file), str(threads)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Peer:
        try:
            self.version = self._answer()[-1]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()
        self._folder.cleanup()

    def __call__(self) -> float:
        """Return the seconds of one step."""
        try:
            self._process.stdin.write(f"{self._count}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said on its way out is read below
        *seconds, self.result = map(float, self._answer())
        return statistics.median(seconds)

    def _answer(self) -> list[str]:
        words = self._process.stdout.readline().split()
        if not words:
            self._said.seek(0)
            raise ProgramError(f"{self._script} ended: {_last_line(self._said.read())}")
        return words


def python(*words: str, folder: Path = ROOT, **environment: str) -> str:
    """Run Python in the checkout or a copy of it, with arrays of NumPy whatever ``BACKEND`` says; return what it said.

    Raises
    ------
    ProgramError
        If it failed.
    """
    env = {**os.environ, "PYTHONPATH": str(folder), "BACKEND": "numpy", **environment}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise ProgramError(f"python {words[0]} ended with code {done.returncode}: {_last_line(done.stderr)}")
    return done.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
