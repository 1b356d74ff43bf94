"""A cell of a sweep, and the processes that run them: this one, new ones on this machine, or a Dask cluster's."""

from __future__ import annotations

import contextlib
import dataclasses
import dis
import functools
import hashlib
import importlib.util
import math
import os
import pickle
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import IO, Any
from urllib.parse import urlsplit

from .. import backend
from ..errors import BackendMissing, BudgetSpent, InputError, RunError, UserError
from ..files import held
from ..lab import budget, provenance, results

PASSED_ON = ("BACKEND", "MINISPARSE_DATA")
"""What a worker takes over from the environment of the process that asks for it."""


@dataclasses.dataclass(frozen=True)
class Work:
    """All that a process needs to run a cell; calling it runs one."""

    function: Callable[[dict, Path], dict]
    folder: Path
    made_by: dict  # as from `provenance.stamp`, and the function's identity
    end: float = math.inf  # of the time budget, in seconds since the epoch
    elsewhere: dict | None = None  # for a process that is not the user's own: see `settle`

    def __call__(self, cell: dict) -> tuple[str, str, Any]:
        """Return the cell's key and an outcome: "row" and it, "held", "left" when the budget is spent, or "failed" and
        (sentence, traceback).
        """
        name = key(cell)
        made = {part: self.made_by[part] for part in ("sources_sha256", "function")}
        checkpoint = self.folder / f"{name}-{results.key(made)}.npz"  # that of other sources bears another name
        try:
            if time.time() >= self.end:
                return name, "left", None
            if self.elsewhere:
                settle(**self.elsewhere)
            with budget.until(self.end), held(self.folder / "cells" / f"{name}.started") as marker:
                if marker is None:
                    return name, "held", None
                if not self.row_of(name):  # another run may have finished it since we looked
                    _sign(marker)
                    numbers = self.function(cell["config"], checkpoint)
                    made_by = {**provenance.renew(self.made_by), "function": self.made_by["function"]}
                    row = {**cell, "key": name, **numbers, "made_by": made_by}
                    results.write(self._file(name), [row])
                    drop_checkpoints(self.folder, name)
                (row,) = results.read(self._file(name))
                return name, "row", row
        except BudgetSpent:
            return name, "left", None
        except UserError as error:
            return name, "failed", (str(error), "")
        except Exception as error:
            return name, "failed", (f"{type(error).__name__}: {error}", traceback.format_exc())

    def row_of(self, name: str) -> dict | None:
        """Return a cell's row if it is there, and this function of the present sources made it."""
        rows = [row for row in results.read(self._file(name)) if not provenance.has_changed(row["made_by"])]
        return rows[0] if rows and rows[0]["made_by"].get("function") == self.made_by["function"] else None

    def _file(self, name: str) -> Path:
        return self.folder / "cells" / f"{name}.json"


def identity(function: Callable) -> str:
    """Return a function's name and a hash of what it does: two functions of one config are two results.

    Its code counts without docstrings, and so do defaults, what it closes over, and the arguments of a partial.

    Raises
    ------
    ValueError
        If it holds a value that cannot be told from another one.

    Examples
    --------
    >>> one, two = (lambda config, _: {"y": 1}), (lambda config, _: {"y": 2})
    >>> minisparse.lab.workers.identity(one) == minisparse.lab.workers.identity(two)
    False
    """
    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        digest = hashlib.sha256(repr(_plain(function)).encode()).hexdigest()[:12]
    except (pickle.PicklingError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{name} holds a value that cannot be told from another one ({error}); make it in the function, "
            "or give it at the top of the module"
        ) from error
    return f"{name} {digest}"


def _plain(value: Any, inside: tuple = ()) -> Any:
    """Return what a value is, as text or lists of it; a function that is `inside` itself stands for itself."""

    def plain(*parts: Any) -> list:
        return [_plain(part, (*inside, value)) for part in parts]

    if any(value is outer for outer in inside):
        return "itself"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return type(value).__name__, repr(value)
    if isinstance(value, ModuleType):
        return "module", value.__name__
    if isinstance(value, CodeType):
        steps = [(step.opname, plain(step.argval)) for step in dis.get_instructions(value)]
        return value.co_varnames, value.co_argcount, getattr(value, "co_exceptiontable", b""), steps
    if isinstance(value, FunctionType):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        return plain(value.__code__, value.__defaults__, value.__kwdefaults__, held)
    if isinstance(value, functools.partial):
        return "partial", plain(value.func, value.args, value.keywords)
    if isinstance(value, MethodType):
        return plain(value.__func__, value.__self__)
    if isinstance(value, (tuple, list)):
        return type(value).__name__, plain(*value)
    if isinstance(value, (set, frozenset)):
        return "set", sorted(map(repr, plain(*value)))
    if isinstance(value, dict):
        return "dict", sorted(map(repr, plain(*value.items())))
    if hasattr(value, "__wrapped__"):  # of a cache or a compiler
        return plain(value.__wrapped__)
    return pickle.dumps(value), plain(getattr(type(value).__call__, "__code__", None) if callable(value) else None)


def key(cell: dict) -> str:
    """Return the key of a cell's row."""
    try:
        return results.key(cell["config"])
    except TypeError as error:
        raise InputError(f"config {cell['config']} must hold plain values: {error}") from error


def _sign(marker: IO) -> None:
    """Say in a marker who runs the cell."""
    marker.truncate(0)
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    marker.write(f"pid {os.getpid()} on {socket.gethostname()} since {when}\n".encode())
    marker.flush()


def drop_checkpoints(folder: Path, name: str = "[0-9a-f]" * 12) -> None:
    """Remove the checkpoints of a cell in a folder, by default of any cell."""
    for path in folder.glob(f"{name}*.npz"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def pool(work: Work, jobs: int, scheduler: str | None) -> Iterator[Callable[[list[dict]], Iterable]]:
    """Return what turns cells into their outcomes, as they come.

    Parameters
    ----------
    work : Work
    jobs : int
        Processes on this machine. With 1 nothing is started, and no thread is limited.
    scheduler : str or None
        Address of a Dask scheduler, whose workers are taken in place of processes of ours.

    Raises
    ------
    ImportError
        If there is a scheduler, but Dask is not installed.
    ValueError
        If the scheduler does not answer, or its workers do not suit.
    RuntimeError
        If a worker dies.
    """
    if scheduler is None and jobs == 1:
        yield lambda cells: map(work, cells)
        return
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    arrays = backend.current_module().__name__
    settings = {"environment": passed, "arrays": arrays, "library": provenance.library_hash()}
    with _dask(work, settings, scheduler) if scheduler else _loky(work, settings, jobs) as outcomes:
        yield outcomes


@contextlib.contextmanager
def _loky(work: Work, settings: dict, jobs: int) -> Iterator[Callable[[list[dict]], Iterable]]:
    import joblib

    task = joblib.delayed(dataclasses.replace(work, elsewhere={**settings, "share": jobs, "parent": os.getpid()}))
    parallel = {"n_jobs": jobs, "return_as": "generator_unordered", "batch_size": 1, "mmap_mode": "c"}
    try:
        with joblib.parallel_config("loky", inner_max_num_threads=_threads(jobs)):
            yield lambda cells: joblib.Parallel(**parallel)(task(cell) for cell in cells)
    except BrokenProcessPool as error:
        raise RunError(
            "a process that ran cells was killed (if for want of memory, take fewer jobs); "
            "finished rows are kept, and the same run again does the others"
        ) from error


@contextlib.contextmanager
def _dask(work: Work, settings: dict, scheduler: str) -> Iterator[Callable[[list[dict]], Iterable]]:
    """Ask Dask itself: joblib's backend for it waits for ever for a task that Dask has given up."""
    try:
        from distributed import Client, as_completed
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

    def outcomes(cells: list[dict]) -> Iterator[tuple[str, str, Any]]:
        futures = dict(zip(client.map(task, cells, pure=False), cells, strict=True))
        for future in as_completed(futures, loop=client.loop):
            if future.status == "finished":
                yield future.result()
            elif future.status == "error":  # a cell's own exceptions come back as outcomes
                yield (
                    key(futures[future]),
                    "failed",
                    (f"Dask gave it up ({type(future.exception()).__name__}); its log says why", ""),
                )
            else:
                raise RunError(f"the scheduler at {scheduler} is gone; finished rows are kept, run the same again")

    with client:
        task = dataclasses.replace(work, elsewhere={**settings, "share": _suitable(client, scheduler)})
        yield outcomes


def settle(
    environment: dict, arrays: str, library: str, share: int | dict[str, int], parent: int | None = None
) -> None:
    """Make a worker compute as the process that asked for it does, on its share of the processors.

    Parameters
    ----------
    environment : dict
    arrays : str
        The backend's name.
    library : str
        The `provenance.library_hash` of that process.
    share : int or dict
        How many workers share the machine; for a cluster, on each host.
    parent : int, optional
        The process to end with.

    Raises
    ------
    ValueError
        If this worker has other sources of minisparse.
    """
    from threadpoolctl import threadpool_limits

    if provenance.library_hash() != library:
        raise InputError(
            f"the worker on {socket.gethostname()} has other sources of minisparse, in {provenance.ROOT}; "
            "bring them to the same version and start it again"
        )

    os.environ.update(environment, TQDM_DISABLE="1")  # many bars on one terminal are none
    if arrays in backend.CHOICES:
        backend.use(arrays)
    if isinstance(share, dict):
        from distributed import get_worker

        share = share.get(urlsplit(get_worker().address).hostname, 1)
    threads = _threads(share)
    threadpool_limits(threads, user_api="blas")
    if importlib.util.find_spec("numba"):
        import numba

        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    if parent is not None:
        _follow(parent)


def _threads(share: int) -> int:
    return max(1, backend.cpu_count() // share)


@functools.cache
def _follow(parent: int) -> None:
    """End this process, in the middle of whatever it does, soon after its parent has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _suitable(client: Any, scheduler: str) -> dict[str, int]:
    """Count the workers on each host; they must run one cell at a time, because threads and backend are a process's."""
    workers = client.nthreads()
    start = f"dask worker {scheduler} --nworkers N --nthreads 1"
    if not workers:
        raise InputError(f"the scheduler at {scheduler} has no workers; start some with `{start}`")
    if max(workers.values()) > 1:
        raise InputError(f"the workers at {scheduler} run several cells in one process; start them with `{start}`")
    return dict(Counter(urlsplit(address).hostname for address in workers))
