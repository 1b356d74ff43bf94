"""Many settings, each run once, here or on many machines; whatever is killed, only the cells in flight are lost.

``FOLDER/cells/KEY.json`` is the row of a finished cell, ``FOLDER/cells/KEY.started`` the marker of one in flight. The
process that runs a cell holds its marker under a lock that the kernel takes back when the process dies. So runs that
share a folder share the work, and a marker without a lock is a cell that was cut short.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import json
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BudgetSpent, InputError, RunError
from ..files import is_held, lock, write_aside
from ..lab import provenance
from .workers import Work, drop_checkpoints, identity, key, pool

POLL = 0.2
"""Seconds between two looks at the cells that other runs hold."""


def grid(**axes: Any) -> list[dict]:
    """Return all combinations of settings, the last one changing fastest.

    Parameters
    ----------
    **axes : list, tuple, range or array, or a single value
        A single value is the same in every combination; a setting that is itself a list goes into another list.

    Returns
    -------
    list of dict

    Examples
    --------
    >>> minisparse.lab.sweep.grid(density=[1.0, 0.1], seed=range(2), nodes=50)[1]
    {'density': 1.0, 'seed': 1, 'nodes': 50}
    """
    values = {}
    for name, axis in axes.items():
        axis = axis.tolist() if isinstance(axis, np.ndarray) else axis
        values[name] = list(axis) if isinstance(axis, (list, tuple, range)) else [axis]
        if not values[name]:
            raise InputError(f"{name} has no values, so the grid would be empty; give it at least one")
    return [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]


def run(
    cells: Iterable[dict],
    function: Callable[[dict, Path], dict],
    folder: str | os.PathLike,
    jobs: int = 1,
    scheduler: str | None = None,
    quiet: bool = False,
    command: str | None = None,
    chapter: str = "",
    done: Iterable[dict] = (),
    shown: Callable[[dict], str] | None = None,
    keep: Callable[[list[dict]], None] | None = None,
    minutes: float = math.inf,
) -> list[dict]:
    """Run every cell whose row is not there yet, or was made by other sources, and return the rows of all.

    Parameters
    ----------
    cells : list of dict
        Each with a ``config`` of plain values, and whatever else its row should carry. Cells of equal config are one.
    function : callable
        ``function(config, checkpoint)`` returns the numbers of a row; the checkpoint's path is free for it to use. A
        function of a script is sent to other processes by value, with the globals that it uses.
    folder : path
        Shared by all who run these cells; on many machines, on a disk that all of them see.
    jobs : int
        Processes on this machine; the processors are divided among them. With 1 the cells run in this process.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:8786``), whose workers run the cells in place of processes of ours.
    quiet : bool
        Show no progress.
    command, chapter : str
        For the stamp of the rows: by default the command line, and no chapter.
    done : list of dict
        Rows from elsewhere that save running their cells.
    shown : callable, optional
        Turns a row into what is printed about it.
    keep : callable, optional
        Is handed the rows so far, in order, whenever there is a new one.
    minutes : float
        The time budget. Once it is spent, no cell begins, and a cell in flight ends before its next epoch if `fit`
        keeps a checkpoint for it; the same sweep again goes on from there.

    Returns
    -------
    list of dict
        ``{**cell, "key", **numbers, "made_by"}``, in the order of the cells.

    Raises
    ------
    ValueError
        If a setting does not fit.
    RuntimeError
        If a cell failed (after all others have run), or a process that ran one died. `BudgetSpent`, if the budget was
        spent before all cells were done.

    Examples
    --------
    >>> import tempfile
    >>> cells = [{"config": config} for config in minisparse.lab.sweep.grid(x=[1, 2, 3])]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = minisparse.lab.sweep.run(cells, lambda config, _: {"y": config["x"] ** 2}, folder, quiet=True)
    >>> [row["y"] for row in rows]
    [1, 4, 9]
    """
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}")
    if not minutes > 0:
        raise InputError(f"minutes, the time budget, must be above 0, got {minutes:g}")
    start = time.time()
    end = start + 60 * minutes
    cells, folder = list(cells), Path(folder).absolute()
    wanted: dict[str, dict] = {}
    for cell in cells:
        wanted.setdefault(key(cell), cell)
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", *sys.argv]) if command is None else command
    made_by = {**provenance.stamp(command, chapter, _home(function)), "function": identity(function)}
    work = Work(function, folder, made_by, end)

    rows = {row["key"]: row for row in done if row.get("key") in wanted and not provenance.has_changed(row["made_by"])}
    rows |= {name: row for name in wanted if name not in rows and (row := work.row_of(name))}
    failed: dict[str, str] = {}
    missing = [cell for name, cell in wanted.items() if name not in rows]

    def in_order() -> list[dict]:
        return [{**rows[name], **cell} for cell in cells if (name := key(cell)) in rows]

    with _Progress(len(wanted), quiet, shown) as progress, pool(work, jobs, scheduler) as outcomes:
        progress.known([row for name in wanted if (row := rows.get(name))])
        if rows and keep:
            keep(in_order())
        while missing and time.time() < end:
            in_hand = []
            for name, outcome, content in outcomes(missing):
                if outcome == "held":
                    in_hand.append(wanted[name])
                elif outcome == "failed":
                    failed[name] = content[0]
                    progress.failed(content[1])
                elif outcome == "row":
                    rows[name] = content
                    if keep:
                        keep(in_order())
                    progress.finished(content)
            missing = in_hand
            if missing:
                _wait(missing, folder, quiet, end)
    left = len(wanted) - len(rows) - len(failed)
    if failed:
        name = next(name for name in wanted if name in failed)
        raise RunError(
            f"{len(failed)} of {len(wanted)} cells failed; cell {json.dumps(wanted[name]['config'])}: {failed[name]}"
            + ("; the time budget was spent before the others were done" if left else "")
        )
    if left:
        raise BudgetSpent(
            f"stopped after {(time.time() - start) / 60:.3g} minutes with {len(rows)} of {len(wanted)} cells done; "
            "the same command with --resume goes on from here"
        )
    return in_order()


@contextlib.contextmanager
def shared(folder: Path, fresh: bool, what: str) -> Iterator[None]:
    """Join the runs that work on a folder now.

    If there are none and `fresh`, rows and checkpoints that an interrupted run has left go first. The last run to end
    without an error removes ``cells/``.

    Parameters
    ----------
    folder : Path
    fresh : bool
    what : str
        Says which cells they are; runs that share a folder must agree on it, because they write one table of rows.

    Raises
    ------
    ValueError
        If the others run other cells.
    """
    if os.name != "posix":  # folders cannot be locked: whoever is there is taken for another run
        others = any((folder / "cells").glob("*.started"))
        _join(folder, fresh, what, others)
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if lock(handle):
            _join(folder, fresh, what, others=False)
        lock(handle, shared=True, wait=True)
        _join(folder, fresh, what, others=True)  # another one may have begun between the two locks
        yield
        if lock(handle):
            _clear(folder)
    finally:
        os.close(handle)


def _join(folder: Path, fresh: bool, what: str, others: bool) -> None:
    agreed = folder / "cells" / "agreed"
    if not others:
        if fresh:
            _clear(folder)
        write_aside(agreed, lambda file: file.write(what.encode()))
    elif agreed.is_file() and agreed.read_text() != what:
        raise InputError(f"--out {folder} is in use by a run of other cells; wait for its end or name another folder")


def _clear(folder: Path) -> None:
    shutil.rmtree(folder / "cells", ignore_errors=True)
    drop_checkpoints(folder)


def _home(function: Callable) -> list[str]:
    """Return the file a function is from, relative to the checkout if it is inside."""
    while isinstance(function, functools.partial):
        function = function.func
    try:
        function = inspect.unwrap(function)
        path = Path(inspect.getsourcefile(function if inspect.isroutine(function) else type(function)) or "").resolve()
    except TypeError:
        return []
    if not path.is_file():
        return []
    return [str(path.relative_to(provenance.ROOT) if path.is_relative_to(provenance.ROOT) else path)]


def _wait(cells: list[dict], folder: Path, quiet: bool, end: float) -> None:
    """Wait until another run lets go of one of these cells, finished or not, or the budget ends."""
    markers = [folder / "cells" / f"{key(cell)}.started" for cell in cells]
    if not quiet and all(map(is_held, markers)):
        print(f"waiting for cells that another run holds ({len(markers)}: {folder}/cells/*.started)", file=sys.stderr)
    while all(map(is_held, markers)) and time.time() < end:
        time.sleep(POLL)


class _Progress:
    """A bar over cells on a terminal, else a line for each that is finished, both with an estimate of the time left."""

    def __init__(self, total: int, quiet: bool, shown: Callable[[dict], str] | None):
        self._total, self._quiet, self._shown = total, quiet, shown or (lambda row: f"{row['key']} is finished")
        self._count = self._fresh = 0
        self._start, self._bar = time.perf_counter(), None

    def known(self, rows: list[dict]) -> None:
        """Show what need not be run; the clock starts."""
        for row in rows:
            self._line(row, "")
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, initial=self._count, unit="cell", dynamic_ncols=True)
        self._start = time.perf_counter()

    def finished(self, row: dict) -> None:
        self._fresh += 1
        left = self._total - self._count - 1
        seconds = left * (time.perf_counter() - self._start) / self._fresh
        self._line(row, f"; about {_spoken(seconds)} left" if left and self._bar is None else "")

    def failed(self, trace: str) -> None:
        """Show where a bug is, at once."""
        if trace:
            print(trace, file=sys.stderr, flush=True)

    def _line(self, row: dict, left: str) -> None:
        self._count += 1
        if self._quiet:
            return
        line = f"cell {self._count} of {self._total}: {self._shown(row)}{left}"
        if self._bar is None:
            print(line, flush=True)
        else:
            self._bar.write(line)
            self._bar.update()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _spoken(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
