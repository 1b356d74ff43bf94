"""Who owns the threads: BLAS's pool and the sparse kernels' own share the processors, decided here and nowhere else."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any

from .protocols import Model


@functools.cache
def blas_pools() -> Any:
    """Return what sets the number of threads of every BLAS in the process, found once: a search takes milliseconds."""
    import scipy.linalg.cython_blas  # noqa: F401 - a BLAS of its own, which compiled code calls
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class _OneThread:
    """BLAS at one thread while the Python thread that came first is inside; others take it as they find it.

    BLAS has its pools for the whole process, and one Python thread at a time may set their size.
    """

    def __init__(self) -> None:
        self._lock, self._depth = threading.Lock(), 0
        self._limit: Any = None
        self.owner: threading.Thread | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self.owner is None:
                self.owner, self._limit = threading.current_thread(), blas_pools().limit(limits=1).__enter__()
            self._depth += self.owner is threading.current_thread()

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            if self.owner is threading.current_thread():
                self._depth -= 1
                if not self._depth:
                    self.owner = self._limit.__exit__(None, None, None)


_one_thread = _OneThread()


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
    storages = list(model.weights.values())
    if any(weights.own_threads for weights in storages):
        return one_blas_thread()
    if batch is None:
        return contextlib.nullcontext()
    largest = max((weights.shape[0] * weights.shape[1] * batch for weights in storages), default=0)
    return one_blas_thread(largest < SMALL_PRODUCT)


def share_threads(method: Callable) -> Callable:
    """Decorate a model's pass, so that it is fast in a loop of your own too; within `fit` it changes nothing."""

    @functools.wraps(method)
    def run(model: Model, *args: Any, **kwargs: Any) -> Any:
        with held_for(model):
            return method(model, *args, **kwargs)

    return run
