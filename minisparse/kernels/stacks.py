"""Memory of large stacks (time, units, batch), handed on from one training step to the next.

The system hands out much memory page by page, each of them cleared first, and takes all of it back as soon as an array
is gone: for a stack of 45 MB that takes three times as long as to fill it.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np

from ..backend import Array, array_module

LARGE = 1 << 25
"""Bytes above which the memory allocator asks the system anew for each array."""
KEPT = 3
"""Pieces of memory that wait for the next step; a leaky layer has as many stacks."""
_free: deque[np.ndarray] = deque(maxlen=KEPT)
_trainings: list[None] = []
_lock = threading.Lock()


@contextlib.contextmanager
def reused() -> Iterator[None]:
    """Keep the memory of stacks for stacks of the same size; what does not fit the next one goes back to the system.

    Examples
    --------
    >>> with minisparse.kernels.stacks.reused():
    ...     stack = minisparse.kernels.stacks.empty(numpy.zeros(1, numpy.float32), (28, 4000, 100))
    >>> stack.nbytes
    44800000
    """
    _trainings.append(None)
    try:
        yield
    finally:
        with _lock:
            _trainings.pop()
            if not _trainings:
                _free.clear()


def empty(like: Array, shape: tuple[int, ...]) -> Array:
    """Return a stack to be filled, in the library and dtype of `like`."""
    reused = _reused(like, shape)
    return array_module(like).empty(shape, dtype=like.dtype) if reused is None else reused


def zeros(like: Array, shape: tuple[int, ...]) -> Array:
    """Return a stack of zeros, in the library and dtype of `like`."""
    reused = _reused(like, shape)
    if reused is None:
        return array_module(like).zeros(shape, dtype=like.dtype)
    reused[...] = 0
    return reused


def _reused(like: Array, shape: tuple[int, ...]) -> np.ndarray | None:
    size = math.prod(shape) * like.dtype.itemsize
    if not _trainings or size <= LARGE or array_module(like) is not np:
        return None
    return np.asarray(_Lease(_taken(size))).view(like.dtype).reshape(shape)


def _taken(size: int) -> np.ndarray:
    with _lock:
        for _ in range(len(_free)):
            if _free[0].nbytes == size:
                return _free.popleft()
            _free.rotate()
        _free.clear()
    return np.empty(size, np.uint8)


class _Lease:
    """What an array over a piece of memory holds on to; when the last such array is gone, the piece is free again."""

    def __init__(self, memory: np.ndarray):
        self._memory, self.__array_interface__ = memory, memory.__array_interface__

    def __del__(self) -> None:
        if _trainings:
            _free.append(self._memory)  # in one piece, without the lock: this may run at any time
