"""Who owns the threads: BLAS's pool and the sparse kernels' own share the processors, decided here and nowhere else."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from typing import Any


@functools.cache
def _blas_pools() -> Any:
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
                self.owner, self._limit = threading.current_thread(), _blas_pools().limit(limits=1).__enter__()
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


def share_threads(method: Callable) -> Callable:
    """Decorate a model's pass: BLAS yields to the sparse kernels if a storage of the model brings its own threads."""

    @functools.wraps(method)
    def run(model: Any, *args: Any, **kwargs: Any) -> Any:
        with one_blas_thread(any(weights.own_threads for weights in model.weights.values())):
            return method(model, *args, **kwargs)

    return run
