"""S and J differ by what a step back through time multiplies by; time is the first or the second axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case, Explanation
from .factors import steps_back
from .names import arrays_like


def by_steps(case: Case, axis: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return J and S as (step of the output, its rest, step of the tensor, its rest), if an axis may be time.

    It may be if no output depends on a later entry, and some depend on earlier ones.
    """
    shapes = case.out_shape, case.in_shape
    if min(map(len, shapes)) < 2 or shapes[0][axis] != shapes[1][axis] or shapes[0][axis] < 3:
        return None
    steps, outputs = shapes[0][axis], len(case.out_shape)
    J, S = (
        np.moveaxis(np.moveaxis(case.joint(A), outputs + axis, outputs), axis, 0).reshape(
            steps, case.J.shape[0] // steps, steps, -1
        )
        for A in (case.J, case.S)
    )
    size = np.abs(J).max((1, 3))
    causal = size[np.triu_indices(steps, 1)].max() <= 1e-7 * case.scale
    return (J, S) if causal and size[np.tril_indices(steps, -1)].max() > CLOSE * case.scale else None


def through_time(case: Case) -> Iterator[Explanation]:
    """S = c(lag) J, where output and tensor share an axis along which J is causal."""
    for axis in (0, 1):
        blocks = by_steps(case, axis)
        if blocks:
            yield from per_lag(case, *blocks, axis)


def per_lag(case: Case, J: np.ndarray, S: np.ndarray, axis: int) -> Iterator[Explanation]:
    """Explain c(lag): 1 and then 0, or a power.

    Parameters
    ----------
    case : Case
    J, S : array
        As `by_steps` gives them.
    axis : int
        Which axis is time.
    """
    steps = len(J)
    lag = np.arange(steps)[:, None] - np.arange(steps)
    ratios = np.ones((steps, J.shape[1]))  # per lag and per output unit
    for k in range(steps):
        t, back = np.nonzero(lag == k)
        square = (J[t, :, back] ** 2).sum((0, 2))
        ratios[k] = np.where(
            square > 0, (S[t, :, back] * J[t, :, back]).sum((0, 2)) / np.where(square > 0, square, 1), 1
        )
    if not case.same(S, J * ratios[np.maximum(lag, 0)].transpose(0, 2, 1)[..., None]):
        return
    kept = int((np.abs(ratios - 1) < CLOSE).all(1).sum())
    if kept and np.abs(ratios[:kept] - 1).max() < CLOSE and np.abs(ratios[kept:]).max(initial=0) < CLOSE:
        reach = {1: "at its own time step only", 2: "for one step back"}.get(kept, f"for {kept - 1} steps back")
        sentence = f"an output's gradient is right {reach}, and 0 beyond: the way back is cut"
        yield Explanation("truncated", sentence, {"steps": kept})
        return
    if np.any(np.abs(ratios) < CLOSE) or np.abs(ratios[0] - 1).max() > CLOSE:
        return
    growth = ratios[1:] / ratios[:-1]
    if np.abs(growth / growth[0] - 1).max() > 1e-3:
        return
    if np.ptp(growth[0]) < CLOSE * abs(growth[0, 0]):
        yield from steps_back(case, float(growth[0, 0]))
        return
    rest = tuple(size for k, size in enumerate(case.out_shape) if k != axis)
    per_unit, fixed = growth[0].reshape(rest), np.ones(rest, bool)
    sentence = "every step back through time carries the extra factor {name}"
    for rank, name in arrays_like(case, per_unit, fixed):
        yield Explanation("step-factor", sentence, {"quantity": name}, name, rank)
    sentence = "every step back through time carries an extra factor that differs from unit to unit"
    yield Explanation("step-factor", sentence, {"quantity": ""}, free=per_unit.size)


def way_back(case: Case) -> Iterator[Explanation]:
    """Every block from an output to its own step is right, and those that lead a step back are wrong."""
    for axis in (0, 1):
        blocks = by_steps(case, axis)
        if not blocks:
            continue
        J, S = blocks
        wrong = np.abs(S - J).max((1, 3)) > CLOSE * case.scale
        if not np.diag(wrong).any() and np.diag(wrong, -1).all():
            sentence = (
                "the gradient is right where no step back through time was taken, wrong after one: what a step back "
                "multiplies by is wrong"
            )
            yield Explanation("step-factor", sentence, {"steps": "before the last", "axis": axis})
