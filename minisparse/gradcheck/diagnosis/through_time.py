"""S and J differ by what a step back through time multiplies by."""

from __future__ import annotations

import numpy as np

from .case import CLOSE, Case
from .factors import name_array, steps_back
from .structure import is_kept_apart


def through_time(case: Case) -> tuple | None:
    """S = c(lag) J, where output and tensor share a first axis along which J is causal."""
    if len(case.in_shape) < 2 or len(case.out_shape) < 2 or case.in_shape[0] != case.out_shape[0]:
        return None
    steps = case.in_shape[0]
    J, S = (A.reshape(steps, -1, steps, A.shape[1] // steps) for A in (case.J, case.S))
    lag = np.arange(steps)[:, None] - np.arange(steps)
    if steps < 3 or any(
        np.abs(J[t, :, s]).max() > 1e-7 * case.scale for t, s in zip(*np.nonzero(lag < 0), strict=True)
    ):
        return None
    ratios = np.ones((steps, J.shape[1]))  # per lag and per output unit
    for k in range(steps):
        t, back = np.nonzero(lag == k)
        square = (J[t, :, back] ** 2).sum((0, 2))
        ratios[k] = np.where(
            square > 0, (S[t, :, back] * J[t, :, back]).sum((0, 2)) / np.where(square > 0, square, 1), 1
        )
    if not case.same(S, J * ratios[np.maximum(lag, 0)].transpose(0, 2, 1)[..., None]):
        return None
    kept = int((np.abs(ratios - 1) < CLOSE).all(1).sum())
    if kept and np.abs(ratios[:kept] - 1).max() < CLOSE and np.abs(ratios[kept:]).max(initial=0) < CLOSE:
        reach = {1: "at its own time step only", 2: "for one step back"}.get(kept, f"for {kept - 1} steps back")
        return "truncated", f"an output's gradient is right {reach}, and 0 beyond: the way back is cut", {"steps": kept}
    if np.any(np.abs(ratios) < CLOSE):
        return None
    growth = ratios[1:] / ratios[:-1]
    if np.abs(growth / growth[0] - 1).max() > 1e-3:
        return None
    if np.ptp(growth[0]) < CLOSE * abs(growth[0, 0]):
        return steps_back(case, float(growth[0, 0]))
    per_unit = growth[0].reshape(case.out_shape[1:])
    name = name_array(case, per_unit, np.ones(per_unit.shape, bool)) or "a number that differs from unit to unit"
    return "step-factor", f"every step back through time carries the extra factor {name}", {"quantity": name}


def way_back(case: Case, error: np.ndarray) -> tuple | None:
    """Right where no step back in time was taken, wrong everywhere else."""
    sentence = (
        "right where no step back through time was taken, wrong after one: what a step back multiplies by is wrong"
    )
    if len(case.in_shape) == 3 and case.in_shape[0] > 2 and not is_kept_apart(case, 0):
        wrong = error.any(0).reshape(case.in_shape).any((1, 2))
        if wrong[:-1].all() and not wrong[-1]:
            return "step-factor", f"the gradient is {sentence}", {"steps": "before the last"}
    if len(case.out_shape) == 3 and case.out_shape[0] > 2:
        wrong = error.any(1).reshape(case.out_shape).any((1, 2))
        if wrong[1:].all() and not wrong[0]:
            return "step-factor", f"the gradient is {sentence}", {"of": "output"}
    return None
