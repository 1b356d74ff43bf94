"""How many threads a training step takes: all, or one where another program keeps the processors busy."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from . import kernels
from .backend import Array, array_module
from .protocols import Model

SHARE = 0.02
"""Of the time, what trying the other number of threads may take."""
WARM = 5
"""Steps before the first trial: code is compiled and memory laid out."""
KEPT = 5
"""Last steps with each number of threads, of which the median is compared."""
TRIAL = 3
"""Steps of a trial; the first, for which threads are started, does not count."""


class Pace:
    """Time each step, now and then try one with the other number of threads, and keep what is faster.

    Threads wait for each other at the end of every product. Beside another busy program one of them is put aside for
    milliseconds each time, and a step with all threads takes several times as long as with one. The results are the
    same: each number is computed by one thread, in a fixed order.

    Parameters
    ----------
    counts : (int, int)
        All threads, which is where it begins, and one.
    use : callable
        Called with the number of threads for the next step.
    clock : callable
        Seconds.

    Examples
    --------
    >>> pace = minisparse.pace.Pace((2, 1), use=lambda count: None)
    >>> with pace:
    ...     pass  # a training step
    >>> pace.count
    2
    """

    def __init__(self, counts: tuple[int, int], use: Callable[[int], object], clock: Callable = time.perf_counter):
        self._counts, self._use, self._clock = counts, use, clock
        self._recent = {count: deque[float](maxlen=KEPT) for count in counts}
        self._steps, self._since, self._left = 0, 0.0, 0
        self.count = counts[0]

    @property
    def _other(self) -> int:
        return sum(self._counts) - self.count

    def _switch(self) -> None:
        self.count = self._other
        self._use(self.count)

    def __enter__(self) -> None:
        self._start = self._clock()

    def __exit__(self, *exception: object) -> None:
        seconds = self._clock() - self._start
        self._steps += 1
        if self._steps < WARM:
            return
        own, other = self._recent[self.count], self._recent[self._other]
        if self._left == TRIAL:
            own.clear()
        else:
            own.append(seconds)
        if self._left:
            self._left -= 1
            if not self._left and statistics.median(own) >= statistics.median(other):
                self._switch()
            return
        self._since += seconds
        if len(own) == KEPT and (not other or self._since * SHARE >= TRIAL * statistics.median(other)):
            self._left, self._since = TRIAL, 0.0
            self._switch()


class _Own:
    """The threads of the kernels' own pool, for a training; the user's number comes back afterwards."""

    def __init__(self) -> None:
        pool = kernels.table(np.empty(0))
        self._use, self._before = pool.use_threads, pool.threads()

    def __enter__(self) -> Pace | _Still:
        return Pace((self._before, 1), self._use) if self._before > 1 else _Still()

    def __exit__(self, *exception: object) -> None:
        self._use(self._before)


class _Still:
    """Where the number of threads is not ours to choose."""

    def __enter__(self) -> _Still:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


def paced(model: Model, params: dict[str, Array]) -> _Own | _Still:
    """Return what gives the steps of a training their number of threads.

    Parameters
    ----------
    model : model
        If its storages run a pool of their own: BLAS keeps the number of threads it has, as its sums depend on it.
    params : dict of arrays
        On a GPU there is nothing to choose.

    Returns
    -------
    context manager
        On entering it gives another one, to be entered for each step.

    Examples
    --------
    >>> model = minisparse.MLP([minisparse.make_weights(minisparse.full(3, 3), "csr")])
    >>> with minisparse.pace.paced(model, model.init(rng=0)) as pace, pace:
    ...     pass  # a training step
    """
    own = kernels.table(np.empty(0)).own_threads and any(weights.own_threads for weights in model.weights.values())
    return _Own() if own and array_module(*params.values()) is np else _Still()
