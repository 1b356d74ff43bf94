"""Many settings, each run once, here or on many machines; whatever is killed, only the cells in flight are lost.

``FOLDER/rows.jsonl`` holds the rows of the cells that are finished, ``FOLDER/KEY-*.npz`` the checkpoint of one that is
not. joblib distributes the cells: to processes of this machine (loky) or to the workers of a Dask cluster.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import shlex
import socket
import sys
import time
import traceback
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from .. import backend
from ..arguments import expect, whole
from ..errors import BackendMissing, BudgetSpent, InputError, RunError, UserError
from ..files import expanded
from . import provenance, rows
from .cost import duration
from .grid import as_cells, grid

__all__ = ["Deadline", "alone", "cells", "grid", "run"]

PASSED_ON = ("BACKEND", "MINISPARSE_DATA")
"""What a worker takes over from the environment of the process that asks for it."""


@dataclasses.dataclass(frozen=True)
class Deadline:
    """The end of a time budget, and a hook for ``after_step`` of `fit`.

    As a hook it ends a run at the first step of an epoch: the checkpoint of the epoch before is what the next run goes
    on from. So give it only to a `fit` that keeps a checkpoint.

    Attributes
    ----------
    end : float
        In seconds since 1970, a clock that all processes of a sweep share. By default there is no end.

    Examples
    --------
    >>> minisparse.lab.sweep.Deadline().passed(), minisparse.lab.sweep.Deadline(0.0).passed()
    (False, True)
    """

    end: float = math.inf

    def config(self) -> dict:
        """Return no settings: a run that goes on has another deadline."""
        return {}

    def passed(self) -> bool:
        """Whether the budget is spent."""
        return time.time() >= self.end

    def __call__(self, run: Any) -> None:
        if run.step == 0 and self.passed():
            raise BudgetSpent("the time budget is spent; the same run goes on from its checkpoint")


def run(
    cells: Iterable[dict], function: Callable[[dict, Path], dict], folder: str | os.PathLike, jobs: int = 1,
    scheduler: str | None = None, quiet: bool = False, command: str | None = None, chapter: str = "",
    fresh: bool = False, shown: Callable[[dict], str] | None = None, deadline: Deadline | None = None,
) -> list[dict]:  # fmt: skip
    """Run every cell whose row is not there yet, and return the rows of all.

    A row counts as done if its config is the same, and golden numbers and the chapter's run part are those of now. In
    a folder of its own each function has its own rows.

    Parameters
    ----------
    cells : list of dict
        Each with a ``config`` of plain values, and whatever else its row should carry. Cells of equal config are one.
        The settings that `grid` makes will do: each is then the config of a cell.
    function : callable
        ``function(config, checkpoint)`` returns the numbers of a row; the checkpoint's path is free for it to use. A
        function of a script is sent to other processes by value, with the globals that it uses.
    folder : path
        Of one run at a time; for a cluster, on a disk that all its machines see.
    jobs : int
        Processes on this machine; the processors are divided among them. With 1 the cells run in this process.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:8786``), whose workers run the cells.
    quiet : bool
        Show no progress.
    command, chapter : str
        For the stamp of the rows: by default the command line, and no chapter.
    fresh : bool
        Begin without the rows and checkpoints that an earlier run has left.
    shown : callable, optional
        Turns a row into what is printed about it.
    deadline : Deadline, optional
        Once it has passed no cell begins; the same sweep again goes on from there.

    Returns
    -------
    list of dict
        ``{**cell, "key", **numbers, "made_by"}``, in the order of the cells.

    Raises
    ------
    ValueError
        If a setting does not fit, or another run uses the folder.
    RuntimeError
        If a cell failed (after all others have run), or a process that ran one died. `BudgetSpent`, if the budget was
        spent before all cells were done.

    Examples
    --------
    >>> import tempfile
    >>> cells = minisparse.lab.sweep.grid(x=[1, 2, 3])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = minisparse.lab.sweep.run(cells, lambda config, _: {"y": config["x"] ** 2}, folder, quiet=True)
    >>> [row["y"] for row in rows]
    [1, 4, 9]
    """
    expect(path=folder)
    jobs, cells = whole("jobs", jobs, 1), as_cells(cells)
    folder, deadline = expanded(folder).absolute(), deadline or Deadline()
    keys = [rows.key(cell["config"]) for cell in cells]
    wanted = {name: cells[keys.index(name)] for name in keys}
    made_by = provenance.stamp(shlex.join(["python", *sys.argv]) if command is None else command, chapter)
    state = {name: made_by[name] for name in ("golden", "run")}
    table, failed = folder / "rows.jsonl", {}
    start = said = time.perf_counter()  # how far it is, is said 10 times in all, or every half minute

    def keep(row: dict, more: str = "") -> None:
        nonlocal said
        found[row["key"]] = row
        rows.write(table, [{**found[name], **cell} for name, cell in zip(keys, cells, strict=True) if name in found])
        due = 10 * len(found) % len(wanted) < 10 or time.perf_counter() - said > 30
        if due and not quiet:
            text, said = shown(row) if shown else f"{row['key']} is finished", time.perf_counter()
            print(f"cell {len(found)} of {len(wanted)}: {text}{more}", flush=True)

    with alone(folder):
        for path in folder.iterdir() if fresh else ():
            if path == table or re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]{12}\.npz|\..*\.part", path.name):
                path.unlink()
        found: dict[str, dict] = {}
        for row in rows.read(table):
            if row.get("key") in wanted and state.items() <= row["made_by"].items():
                keep(row)
        left = [(name, cell["config"]) for name, cell in wanted.items() if name not in found]
        tasks = {name: (config, folder / f"{name}-{rows.key(state)}.npz") for name, config in left}
        for count, (name, outcome, content) in enumerate(_outcomes(function, tasks, deadline, jobs, scheduler), 1):
            if outcome == "row":
                seconds = (len(tasks) - count) * (time.perf_counter() - start) / count
                more = f"; about {duration(seconds)} left" if count < len(tasks) else ""
                keep({**wanted[name], "key": name, **content, "made_by": made_by}, more)
                tasks[name][1].unlink(missing_ok=True)
            elif outcome == "failed":
                failed[name], trace = content
                print(trace, file=sys.stderr, end="", flush=True)  # where a bug is, at once
    spent = "the time budget is spent"
    if failed:
        name = next(name for name in wanted if name in failed)
        what = f"{len(failed)} of {len(wanted)} cells failed; cell {json.dumps(wanted[name]['config'])}: {failed[name]}"
        raise RunError(what + f"; {spent}, and not all others are done" * (len(found) + len(failed) < len(wanted)))
    if len(found) < len(wanted):
        done = f"{len(found)} of {len(wanted)} cells done"
        raise BudgetSpent(f"{spent} with {done}; the same command with --resume goes on from here")
    return rows.read(table)


def cells(
    args: Namespace, name: str, cells: Iterable[dict], run_cell: Callable[[dict, Path], dict], shown: Callable
) -> list[dict]:
    """Run a chapter's cells, keep ``rows.jsonl`` up to date, and print a line about each.

    Parameters
    ----------
    args : namespace
        From `cli.chapter`. With ``--resume`` a cell whose row is there is not run again; with ``--rows FILE`` nothing
        runs, and the rows are those of the file.
    name : str
        The chapter's.
    cells : list of dict
        Each with a ``config`` of plain values, and whatever else its row should carry.
    run_cell : callable
        ``run_cell(config, checkpoint)`` returns the numbers; hand the checkpoint to `fit`, with ``resume=True`` and
        ``args.hooks`` in ``after_step``.
    shown : callable
        Turns a row into a line.

    Returns
    -------
    list of dict
        The rows, in the order of the cells.

    Raises
    ------
    ValueError
        If the file of ``--rows`` lacks one of the cells.
    """
    if getattr(args, "rows", None):
        return _recorded(args.rows, list(cells), args.out)
    given = {name: getattr(args, name) for name in ("jobs", "scheduler") if hasattr(args, name)}
    given |= {"deadline": next(iter(getattr(args, "hooks", ())), None), "fresh": not args.resume, "shown": shown}
    return run(cells, run_cell, args.out, command=args.command, chapter=name, **given)


def _recorded(file: Path, cells: list[dict], out: Path) -> list[dict]:
    """Copy the rows of some cells from a file to the output folder, and return them."""
    known = {row["key"]: row for row in rows.read(file) if "key" in row}
    keys = [rows.key(cell["config"]) for cell in cells]
    if lacking := [name for name in keys if name not in known]:
        mend = "give the flags that it was recorded with: they are in its rows, under made_by"
        raise InputError(f"--rows {file} lacks {len(lacking)} of {len(keys)} cells; {mend}")
    found = [rows.Row({**known[name], **cell}, known[name].where) for name, cell in zip(keys, cells, strict=True)]
    rows.write(out / "rows.jsonl", found)
    return found


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; a lock whose process has ended, or is this one, counts for nothing.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    ValueError
        If another run uses it.
    """
    path, ours = folder / ".in-use", f"{os.getpid()} {socket.gethostname()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"{folder} is a file, not a folder; name another --out") from None
    try:
        with open(path, "x") as file:
            file.write(ours)
    except FileExistsError:
        holder = path.read_text()
        if holder == ours:
            yield
            return
        if _runs(*holder.partition(" ")[::2]):
            mend = f"wait for its end or name another folder (if it has ended, delete {path})"
            raise InputError(f"--out {folder} is in use by another run (process {holder}); {mend}") from None
        path.write_text(ours)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _runs(pid: str, host: str) -> bool:
    """Whether the process that signed a lock runs; where nobody can tell, it does."""
    try:
        if host == socket.gethostname() and os.name == "posix":
            os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _outcomes(
    function: Callable, tasks: dict[str, tuple], deadline: Deadline, jobs: int, scheduler: str | None
) -> Iterator[tuple[str, str, Any]]:
    """Run cells wherever it was asked for, and yield their outcomes as they come."""
    import joblib

    warnings.filterwarnings("ignore", ".*tasks (which were still|have been success)", UserWarning)  # a signal says it
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    jobs = max(1, min(jobs, len(tasks)))
    settings = (passed, backend.current_module().__name__) if jobs > 1 or scheduler else None
    with contextlib.ExitStack() as stack:
        where = {"backend": "loky", "n_jobs": jobs, "inner_max_num_threads": max(1, backend.cpu_count() // jobs)}
        if scheduler:
            where = {"backend": "dask", "client": stack.enter_context(_client(scheduler))}
        stack.enter_context(joblib.parallel_config(**where))
        parallel, task = joblib.Parallel(return_as="generator_unordered", max_nbytes=None), joblib.delayed(_outcome)
        try:
            yield from parallel(task(function, name, *what, deadline, settings) for name, what in tasks.items())
        except BrokenProcessPool as error:
            kept = "finished rows are kept, and the same command with --resume does the others"
            raise RunError(f"a process that ran cells was killed (if for memory, take fewer jobs); {kept}") from error
        except TimeoutError as error:
            start = f"start some with `dask worker {scheduler} --nworkers N --nthreads 1`"
            raise InputError(f"the scheduler at {scheduler} has no workers; {start}") from error


def _client(scheduler: str) -> Any:
    """Return a client of a Dask scheduler."""
    try:
        from distributed import Client

        return Client(scheduler, timeout=10, set_as_default=False)
    except ImportError as error:
        needs = f"--scheduler needs Dask, which does not import ({error})"
        raise BackendMissing(f'{needs}; run: pip install "minisparse[scale]"') from error
    except (OSError, ValueError) as error:
        start = "start one with `dask scheduler`, and give the address that it prints"
        raise InputError(f"no Dask scheduler answers at {scheduler} ({error}); {start}") from error


def _outcome(
    function: Callable, name: str, config: dict, checkpoint: Path, deadline: Deadline, settings: tuple | None
) -> tuple[str, str, Any]:
    """Run a cell; return its key and "row" with the numbers, "left" if the budget is spent, or "failed" with a sentence
    and a traceback.
    """
    try:
        if settings:
            environment, arrays = settings
            os.environ.update(environment, TQDM_DISABLE="1")  # many bars on one terminal are none
            if arrays in backend.CHOICES:
                backend.use(arrays)
        if deadline.passed():
            return name, "left", None
        return name, "row", json.loads(json.dumps(function(config, checkpoint)))
    except BudgetSpent:
        return name, "left", None
    except UserError as error:
        return name, "failed", (str(error), "")
    except MemoryError as error:
        return name, "failed", (f"it needs more memory than there is ({error}); take fewer neurons", "")
    except Exception as error:
        return name, "failed", (f"{type(error).__name__}: {error}", traceback.format_exc())
