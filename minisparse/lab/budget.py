"""A time budget: after its end no cell of a sweep begins, and no epoch of a fit that keeps a checkpoint."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from contextvars import ContextVar

from ..errors import BudgetSpent

_END: ContextVar[float] = ContextVar("end", default=math.inf)


@contextlib.contextmanager
def until(end: float) -> Iterator[None]:
    """Set when the budget ends, in seconds since the epoch: a clock that all processes of a sweep share."""
    token = _END.set(end)
    try:
        yield
    finally:
        _END.reset(token)


def check() -> None:
    """Stop here if the budget is spent.

    Raises
    ------
    RuntimeError
        `BudgetSpent`, if it is.

    Examples
    --------
    >>> minisparse.lab.budget.check()
    >>> with minisparse.lab.budget.until(0.0):
    ...     minisparse.lab.budget.check()
    Traceback (most recent call last):
    minisparse.errors.BudgetSpent: the time budget is spent
    """
    if time.time() >= _END.get():
        raise BudgetSpent("the time budget is spent")
