"""Sides that take turns, and what is made of their times: quartiles, ratios, exponents.

A machine's speed drifts, and other work comes and goes. So nothing is timed alone: the sides of a comparison take
turns (A B C A B C ...), each round gives a ratio, and the median of the ratios is reported with their quartiles.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from minisparse import to_numpy

ROUNDS = 7
PAUSE = 0.12
"""Seconds before each timed call. Idle threads go on spinning after their work is done and would take processors from
the next side; nobody trains with two libraries in turn, so no user pays for that. Those of OpenBLAS spin for 2^28 ticks
of the processor's clock, 0.1 s at 2.6 GHz; those of OpenMP (Numba, PyTorch) for about 0.01 s."""
AGREE = 1e-5
"""Largest relative difference of two sides' results that have done the same sums in another order, in float32."""


class Call:
    """A function of no arguments as a side of a comparison.

    Parameters
    ----------
    function : callable
    count : int
        Calls in a row; the median counts. Short functions are called often enough to get their threads going.
    scale : float
        For a side that does only a part of the work: what its time has to be multiplied by.
    around : callable
        Makes a context that is entered before the calls, and not timed.
    """

    def __init__(
        self, function: Callable, count: int = 1, scale: float = 1.0, around: Callable = contextlib.nullcontext
    ):
        self._function, self._scale, self._around, self.last = function, scale, around, None
        self.count = count

    def __call__(self) -> float:
        """Return the seconds of one call."""
        seconds = []
        with self._around():
            for _ in range(self.count):
                begin = time.perf_counter()
                self.last = self._function()
                seconds.append(time.perf_counter() - begin)
        return self._scale * statistics.median(seconds)

    @property
    def result(self) -> float:
        """One number for what the last call returned: its `fingerprint`."""
        return fingerprint(to_numpy(self.last))


def places(shape: tuple[int, ...]) -> np.ndarray:
    """Return a weight for each place of an array, the same ones for the same shape, of both signs.

    Around 0, so that what stands in the wrong place does not drown in a sum of what all entries have in common.
    """
    return np.random.default_rng(0).standard_normal(shape)


def fingerprint(array: np.ndarray) -> float:
    """Return a number itself; of an array the sum weighted by `places`, which tells where its entries stand.

    Examples
    --------
    >>> fingerprint(np.array(2.5))
    2.5
    >>> fingerprint(np.array([1.0, 2.0])) == fingerprint(np.array([2.0, 1.0]))
    False
    """
    return float(np.sum(array * places(array.shape), dtype=float)) if np.ndim(array) else float(array)


def interleave(sides: dict[Hashable, Callable], rounds: int | None = None) -> dict[Hashable, list[float]]:
    """Return each side's seconds, round by round (`ROUNDS`); one round more comes first and is not counted."""
    times: dict[Hashable, list[float]] = {name: [] for name in sides}
    for turn in range((rounds or ROUNDS) + 1):
        for name, side in sides.items():
            time.sleep(PAUSE if turn else 0)
            seconds = side()
            if turn:
                times[name].append(seconds)
    return times


def quartiles(values: Iterable[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile; of a single value, three times that value."""
    values = list(values)
    return tuple(map(float, np.quantile(values, (0.25, 0.5, 0.75))))


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Return each round's ratio of two sides' times."""
    return [a / b for a, b in zip(above, below, strict=True)]


def exponent(sizes: Iterable[float], times: Iterable[float]) -> float:
    """Return the slope of log time over log size: 1 for a time that grows with the size."""
    return float(np.polyfit(np.log(list(sizes)), np.log(list(times)), 1)[0])


def difference(results: dict[str, float]) -> float:
    """Return how far results lie apart, relative to the largest of them."""
    values = np.array(list(results.values()))
    if not np.isfinite(values).all():
        return float("inf")
    return float(np.ptp(values) / max(np.abs(values).max(), np.finfo(float).tiny))


def row(case: str, quantity: str, values: Iterable[float], unit: str = "", remark: str = "", **numbers: Any) -> dict:
    """Return a row of the table: the median over the rounds, its quartiles, and whatever numbers belong to it."""
    values = list(values)
    low, median, high = quartiles(values)
    found = {"median": median, "quartiles": [low, high], "rounds": len(values), "unit": unit}
    return {"case": case, "quantity": quantity, "status": "ok", **found, "remark": remark, **numbers}


def not_run(case: str, quantity: str, reason: str, status: str = "NOT RUN") -> dict:
    """Return a row that says why there is no number; its status may also be FAILED."""
    return {"case": case, "quantity": quantity, "status": status, "remark": reason}


def compare(
    case: str,
    sides: dict[str, Callable],
    base: str,
    same: Iterable[str] | None = None,
    rounds: int | None = None,
    agree: float = AGREE,
    **numbers: Any,
) -> Iterator[dict]:
    """Run sides in turn and yield each one's time over that of `base`; above 1, `base` is faster.

    Parameters
    ----------
    case : str
    sides : dict
        From a name to a callable that returns seconds and has a ``result`` afterwards.
    base : str
        One of the sides.
    same : iterable of str, optional
        The sides that compute the same, all if omitted: their results must agree. The fingerprint of an array tells
        whether all entries do. A loss does not tell as much: one that agrees after many steps of training makes it
        likely that both did the same work, in one number.
    rounds : int, optional
        `ROUNDS` if omitted.
    agree : float
        Largest relative difference of two results.
    **numbers
        Go into each row.
    """
    times = interleave(sides, rounds)
    results = {name: sides[name].result for name in (sides if same is None else same)}
    for name in sides:
        if name == base:
            continue
        seconds = {each: statistics.median(times[each]) for each in (name, base)}
        remark = f"{duration(seconds[name])} and {duration(seconds[base])}"
        made = row(case, f"{name} / {base}", ratios(times[name], times[base]), **numbers, seconds=seconds)
        pair = {each: results[each] for each in (name, base) if each in results}
        if len(pair) == 2:
            apart = difference(pair)
            made |= {"results": pair, "difference": apart}
            remark += f"; results {pair[name]:.6g} and {pair[base]:.6g}, {apart:.0e} apart"
            if apart > agree:
                made["status"] = "DISAGREE"
        yield made | {"remark": remark}


def duration(seconds: float) -> str:
    """Say a time in s, ms or µs."""
    unit, size = ("s", 1.0) if seconds >= 1 else ("ms", 1e-3) if seconds >= 1e-3 else ("µs", 1e-6)
    return f"{seconds / size:.3g} {unit}"
