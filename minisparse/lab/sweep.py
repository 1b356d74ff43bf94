"""Many settings, each run once, here or on many machines; whatever is killed, only the cells in flight are lost.

``FOLDER/rows.jsonl`` holds the rows of the cells that are finished, ``FOLDER/KEY-*.npz`` the checkpoint of one that is
not. joblib distributes the cells: to processes of this machine (loky) or to the workers of a Dask cluster.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import math
import os
import shlex
import socket
import sys
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np

from .. import backend
from ..errors import BackendMissing, BudgetSpent, InputError, RunError, UserError
from . import provenance, rows

PASSED_ON = ("BACKEND", "MINISPARSE_DATA")
"""What a worker takes over from the environment of the process that asks for it."""


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

    def passed(self) -> bool:
        """Whether the budget is spent."""
        return time.time() >= self.end

    def __call__(self, run: Any) -> None:
        if run.step == 0 and self.passed():
            raise BudgetSpent("the time budget is spent; the same run goes on from its checkpoint")


def run(
    cells: Iterable[dict],
    function: Callable[[dict, Path], dict],
    folder: str | os.PathLike,
    jobs: int = 1,
    scheduler: str | None = None,
    quiet: bool = False,
    command: str | None = None,
    chapter: str = "",
    fresh: bool = False,
    shown: Callable[[dict], str] | None = None,
    deadline: Deadline | None = None,
) -> list[dict]:
    """Run every cell whose row is not there yet, and return the rows of all.

    A row counts as done if its config is the same, and golden numbers and the chapter's run part are those of now. In
    a folder of its own each function has its own rows.

    Parameters
    ----------
    cells : list of dict
        Each with a ``config`` of plain values, and whatever else its row should carry. Cells of equal config are one.
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
    >>> cells = [{"config": config} for config in minisparse.lab.sweep.grid(x=[1, 2, 3])]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = minisparse.lab.sweep.run(cells, lambda config, _: {"y": config["x"] ** 2}, folder, quiet=True)
    >>> [row["y"] for row in rows]
    [1, 4, 9]
    """
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}")
    cells, folder, deadline = list(cells), Path(folder).absolute(), deadline or Deadline()
    wanted: dict[str, dict] = {}
    for cell in cells:
        wanted.setdefault(_key(cell), cell)
    made_by = provenance.stamp(shlex.join(["python", *sys.argv]) if command is None else command, chapter)
    state = {name: made_by[name] for name in ("golden", "run")}
    shown = shown or (lambda row: f"{row['key']} is finished")
    failed: dict[str, str] = {}

    def in_order() -> list[dict]:
        return [{**found[name], **cell} for cell in cells if (name := _key(cell)) in found]

    def say(row: dict, count: int, left: str = "") -> None:
        if not quiet:
            print(f"cell {count} of {len(wanted)}: {shown(row)}{left}", flush=True)

    with alone(folder):
        if fresh:
            _clear(folder)
        known = {row["key"]: row for row in rows.read(folder / "rows.jsonl") if "key" in row}
        found = {
            name: known[name] for name in wanted if state.items() <= known.get(name, {}).get("made_by", {}).items()
        }
        for count, row in enumerate(found.values(), 1):
            say(row, count)
        tasks = {name: folder / f"{name}-{rows.key(state)}.npz" for name in wanted if name not in found}
        start, done = time.perf_counter(), len(found)
        with contextlib.closing(_outcomes(function, wanted, tasks, deadline, jobs, scheduler)) as outcomes:
            for name, outcome, content in outcomes:
                if outcome == "row":
                    found[name] = {**wanted[name], "key": name, **content, "made_by": made_by}
                    rows.write(folder / "rows.jsonl", in_order())
                    tasks[name].unlink(missing_ok=True)
                    left = len(wanted) - len(found) - len(failed)
                    each = (time.perf_counter() - start) / (len(found) - done)
                    say(found[name], len(found), f"; about {_spoken(left * each)} left" if left else "")
                elif outcome == "failed":
                    failed[name], trace = content
                    print(trace, file=sys.stderr, end="", flush=True)  # where a bug is, at once
        rows.write(folder / "rows.jsonl", in_order())
    left = len(wanted) - len(found) - len(failed)
    if failed:
        name = next(name for name in wanted if name in failed)
        raise RunError(
            f"{len(failed)} of {len(wanted)} cells failed; cell {json.dumps(wanted[name]['config'])}: {failed[name]}"
            + ("; the time budget was spent before the others were done" if left else "")
        )
    if left:
        raise BudgetSpent(
            f"the time budget is spent with {len(found)} of {len(wanted)} cells done; "
            "the same command with --resume goes on from here"
        )
    return in_order()


def cells(
    args: Namespace,
    name: str,
    cells: Iterable[dict],
    run_cell: Callable[[dict, Path], dict],
    shown: Callable[[dict], str],
) -> list[dict]:
    """Run a chapter's cells, keep ``rows.jsonl`` up to date, and print a line about each.

    Parameters
    ----------
    args : namespace
        From `cli.chapter`. With ``--resume`` a cell whose row is there is not run again.
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
    """
    given = {name: getattr(args, name) for name in ("jobs", "scheduler") if hasattr(args, name)}
    given["deadline"] = next(iter(getattr(args, "hooks", [])), None)
    return run(
        cells, run_cell, args.out, command=args.command, chapter=name, fresh=not args.resume, shown=shown, **given
    )


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
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            break
        except FileExistsError:
            holder = path.read_text() if path.is_file() else ""
        if holder == ours:
            yield
            return
        if _runs(holder):
            raise InputError(
                f"--out {folder} is in use by another run (process {holder}); name another folder, or wait for its "
                f"end (if it has ended, delete {path})"
            )
        path.unlink(missing_ok=True)
    with open(file, "w") as handle:
        handle.write(ours)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _runs(holder: str) -> bool:
    """Whether the process that signed a lock runs; where nobody can tell, it does."""
    pid, _, host = holder.partition(" ")
    if host != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _clear(folder: Path) -> None:
    """Remove rows, checkpoints of cells, and files that a killed process was writing."""
    for pattern in ("rows.jsonl", f"{'[0-9a-f]' * 12}-*.npz", ".*.part"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _key(cell: dict) -> str:
    try:
        return rows.key(cell["config"])
    except TypeError as error:
        raise InputError(f"config {cell['config']} must hold plain values: {error}") from error


def _outcomes(
    function: Callable, wanted: dict[str, dict], tasks: dict[str, Path], deadline: Deadline, jobs: int,
    scheduler: str | None,
) -> Iterator[tuple[str, str, Any]]:  # fmt: skip
    """Run cells wherever it was asked for, and yield their outcomes as they come."""
    import joblib

    settings = None
    if jobs > 1 or scheduler:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        settings = {"environment": passed, "arrays": backend.current_module().__name__}
    task = joblib.delayed(_outcome)
    try:
        with _workers(jobs, scheduler):
            parallel = joblib.Parallel(return_as="generator_unordered", batch_size=1, max_nbytes=None)
            yield from parallel(
                task(function, name, wanted[name]["config"], path, deadline, settings) for name, path in tasks.items()
            )
    except BrokenProcessPool as error:
        raise RunError(
            "a process that ran cells was killed (if for want of memory, take fewer jobs); "
            "finished rows are kept, and the same run again does the others"
        ) from error


@contextlib.contextmanager
def _workers(jobs: int, scheduler: str | None) -> Iterator[None]:
    """Tell joblib where to run: in processes of this machine, or on a Dask cluster."""
    import joblib

    if scheduler is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=max(1, backend.cpu_count() // jobs)):
            yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise BackendMissing(
            f'--scheduler needs Dask, which does not import ({error}); run: pip install "minisparse[scale]"'
        ) from error
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler} ({error}); start one with `dask scheduler`, "
            "and give the address that it prints"
        ) from error
    with client:
        if set(client.nthreads().values()) != {1}:  # threads and backend are a process's
            raise InputError(
                f"the scheduler at {scheduler} needs workers that run one cell at a time; "
                f"start them with `dask worker {scheduler} --nworkers N --nthreads 1`"
            )
        with joblib.parallel_config("dask", client=client):
            yield


def _outcome(
    function: Callable, name: str, config: dict, checkpoint: Path, deadline: Deadline, settings: dict | None
) -> tuple[str, str, Any]:
    """Run a cell; return its key and "row" with the numbers, "left" if the budget is spent, or "failed" with a sentence
    and a traceback.
    """
    try:
        if settings:
            os.environ.update(settings["environment"], TQDM_DISABLE="1")  # many bars on one terminal are none
            if settings["arrays"] in backend.CHOICES:
                backend.use(settings["arrays"])
        if deadline.passed():
            return name, "left", None
        return name, "row", json.loads(json.dumps(function(config, checkpoint)))
    except BudgetSpent:
        return name, "left", None
    except UserError as error:
        return name, "failed", (str(error), "")
    except Exception as error:
        return name, "failed", (f"{type(error).__name__}: {error}", traceback.format_exc())


def _spoken(seconds: float) -> str:
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
