"""Who owns the threads: BLAS's pool and the sparse kernels' own share the processors, decided here and nowhere else.

And how they compute: with the numbers below 1e-38 that float32 can still hold, or with 0 in their place.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import importlib.util
import inspect
import os
import platform
import sys
import threading
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import SimpleNamespace
from typing import Any

import numpy as np

from .arguments import expect
from .processors import bound_to, cpu_count
from .protocols import Model


@functools.cache
def load_blas() -> None:
    """Load SciPy's BLAS, which compiled code calls: this one module, for the rest of ``scipy.linalg`` takes longer to
    load than a first step to run.

    Examples
    --------
    >>> minisparse.threads.load_blas()
    """
    name = "scipy.linalg.cython_blas"
    if "scipy.linalg" not in sys.modules:
        import scipy

        spec = PathFinder.find_spec(name, [os.path.join(path, "linalg") for path in scipy.__path__])
        try:
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return
        except Exception:  # it needs the rest after all
            sys.modules.pop(name, None)
    importlib.import_module(name)


@functools.cache
def blas_pools() -> Any:
    """Return what sets the number of threads of every BLAS in the process, found once: a search takes milliseconds.

    Where threadpoolctl is not installed, as in a browser, none is found, and BLAS keeps its threads.
    """
    if not all(map(importlib.util.find_spec, ("scipy", "threadpoolctl"))):
        return SimpleNamespace(lib_controllers=[])
    from threadpoolctl import ThreadpoolController

    load_blas()
    return ThreadpoolController().select(user_api="blas")


BLAS_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@functools.cache
def follow_quota() -> None:
    """Lower the default number of BLAS's threads to the processors that a container grants, which no BLAS looks at.

    A number that the user has set stays.

    Examples
    --------
    >>> minisparse.threads.follow_quota()
    """
    if cpu_count() < bound_to() and not any(name in os.environ for name in BLAS_SETTINGS):
        for pool in blas_pools().lib_controllers:
            pool.set_num_threads(min(pool.get_num_threads(), cpu_count()))


class _OneThread:
    """BLAS at one thread while the Python thread that came first is inside; others take it as they find it.

    BLAS has its pools for the whole process, and one Python thread at a time may set their size.
    """

    def __init__(self) -> None:
        self._lock, self._depth = threading.Lock(), 0
        self._before: list[tuple[Any, int]] = []
        self.owner: threading.Thread | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self.owner is None:
                self.owner = threading.current_thread()
                pools = [(pool, pool.get_num_threads()) for pool in blas_pools().lib_controllers]
                self._before = [(pool, count) for pool, count in pools if count != 1]
                for pool, _ in self._before:
                    pool.set_num_threads(1)
            self._depth += self.owner is threading.current_thread()

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            if self.owner is threading.current_thread():
                self._depth -= 1
                if not self._depth:
                    self.owner = None
                    for pool, count in self._before:
                        pool.set_num_threads(count)

    def after_fork(self) -> None:
        """Forget, in a child, what threads hold that it does not have."""
        self._lock = threading.Lock()
        if self.owner is not None and self.owner is not threading.current_thread():
            self.owner, self._depth = None, 0


_one_thread = _OneThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_one_thread.after_fork)


def one_blas_thread(wanted: bool = True) -> contextlib.AbstractContextManager:
    """Hold BLAS at one thread while sparse kernels run their own pool; the user's setting comes back afterwards.

    Two pools that spin side by side cost milliseconds per parallel region.
    """
    return _one_thread if wanted else contextlib.nullcontext()


def blas_is_limited() -> bool:
    """Whether BLAS is held to one thread, so that compiled code may call it from many."""
    return _one_thread.owner is not None


SMALL_PRODUCT = 1 << 21
"""Multiply-adds below which a product is over before a second BLAS thread has woken up."""


def held_for(model: Model, batch: int | None = None) -> contextlib.AbstractContextManager:
    """Hold BLAS at one thread where that is faster for a model: the one place where this is decided.

    That is so when a storage brings a thread pool of its own, and when every product is small.

    Parameters
    ----------
    model : model
    batch : int, optional
        Examples at a time; without it nothing is called small.

    Returns
    -------
    context manager

    Examples
    --------
    >>> model = minisparse.MLP([minisparse.make_weights(minisparse.full(100, 784))])
    >>> with minisparse.threads.held_for(model, batch=10):
    ...     minisparse.threads.blas_is_limited()
    True
    >>> with minisparse.threads.held_for(model, batch=100):
    ...     minisparse.threads.blas_is_limited()
    False
    """
    follow_quota()
    storages = list(model.weights.values())
    if any(weights.own_threads for weights in storages):
        return one_blas_thread()
    if batch is None:
        return contextlib.nullcontext()
    largest = max((weights.shape[0] * weights.shape[1] * batch for weights in storages), default=0)
    return one_blas_thread(largest < SMALL_PRODUCT)


def share_threads(method: Callable) -> Callable:
    """Decorate a model's pass, so that it is fast in a loop of your own too; within `fit` it changes nothing.

    Its first argument, parameters or a gradient, says whether denormal numbers count: in float32 they are put to 0.
    """

    names = tuple(inspect.signature(method).parameters)[1:3]

    @functools.wraps(method)
    def run(model: Model, *args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs[name] for name in names if name in kwargs} | dict(zip(names, args, strict=False))
        expect(**given)
        first = given.get(names[0])
        first = next(iter(first.values()), None) if isinstance(first, dict) else first
        with held_for(model), flush_to_zero(getattr(first, "dtype", None) == np.float32):
            return method(model, *args, **kwargs)

    return run


_WORDS = {
    ("linux", "x86_64"): (7, 0x8040), ("linux", "aarch64"): (0, 1 << 24),
    ("darwin", "x86_64"): (1, 0x8040), ("darwin", "arm64"): (2, 1 << 24),
}  # fmt: skip
"""Of C's ``fenv_t``, the 32-bit word that says how floats are computed, and its bits that put 0 for denormals."""
_Environment = ctypes.c_uint32 * 16
_pools: list[Callable[[], object]] = []
_started = threading.local()


@functools.cache
def _floats() -> tuple[Any, Any, int, int]:
    """Return C's fegetenv and fesetenv, the word and its bits; no bits where nobody knows them, or they do nothing."""
    place, bits = _WORDS.get((sys.platform, platform.machine()), (0, 0))
    try:
        read, write = ctypes.CDLL(None).fegetenv, ctypes.CDLL(None).fesetenv
    except (AttributeError, OSError, TypeError):
        return None, None, 0, 0
    before, changed = _Environment(), _Environment()
    read(before), read(changed)
    changed[place] |= bits
    write(changed)
    flushed = not np.multiply(np.float32(1e-30), np.float32(1e-10))
    write(before)
    return read, write, place, bits if flushed else 0


def _flush(wanted: bool) -> bool:
    """Have this thread put 0 for denormal numbers, or not; return whether it did before."""
    read, write, place, bits = _floats()
    if not bits:
        return wanted
    environment = _Environment()
    read(environment)
    before = environment[place] & bits == bits
    if before != wanted:
        environment[place] = environment[place] | bits if wanted else environment[place] & ~bits
        write(environment)
    return before


class _Flushing:
    """Denormal numbers are 0 for the Python thread that is inside; its own setting comes back afterwards."""

    def __enter__(self) -> None:
        if _pools and getattr(_started, "count", 0) < len(_pools):
            for start in _pools:
                start()
            _started.count = len(_pools)
        self._before = _flush(True)

    def __exit__(self, *exception: object) -> None:
        if not self._before:
            _flush(False)


def flush_to_zero(wanted: bool = True) -> contextlib.AbstractContextManager:
    """Put 0 for denormal numbers, those below 1e-38 in float32, in this thread; its own setting comes back afterwards.

    On many processors a product with such a number takes a hundred times as long, and where a gradient vanishes most
    numbers are of that kind. Compiled kernels take over the setting of the thread that calls them. Pools of threads are
    started before, because a thread begins with the setting of the one that starts it and would keep it.

    Parameters
    ----------
    wanted : bool
        If not, nothing is changed.

    Returns
    -------
    context manager

    Examples
    --------
    >>> tiny = numpy.float32(1e-40) * numpy.ones(2, numpy.float32)
    >>> with minisparse.threads.flush_to_zero():
    ...     flushed = tiny * 1
    >>> bool(flushed[0] <= tiny[0])
    True
    """
    return _Flushing() if wanted else contextlib.nullcontext()


def add_pool(start: Callable[[], object]) -> None:
    """Name what starts a pool of threads, so that none is born while denormal numbers are 0.

    Parameters
    ----------
    start : callable
        Called without arguments, once in each Python thread that flushes.
    """
    _pools.append(start)
    if _flush(False):  # the caller flushes at this moment, so the next time would be too late
        start()
        _flush(True)
