"""S = F J: the gradient is the right one times a number, or times a number per entry, row, output or time step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case, Explanation
from .names import arrays_like, numbered
from .quantities import TURNED
from .regions import name_region
from .structure import is_kept_apart


def one_number(case: Case) -> Iterator[Explanation]:
    """S = F J with one number F, -1 among them."""
    factor = float((case.S * case.J).sum() / max((case.J * case.J).sum(), 1e-300))
    if not case.same(case.S, factor * case.J):
        return
    if abs(factor + 1) < CLOSE:
        yield Explanation("sign", "the gradient is minus the right one", {"factor": -1.0})
    else:
        yield from numbered(case, "factor", "the gradient is the right one times {number}", factor)


def per_entry(case: Case) -> Iterator[Explanation]:
    """S = F J with a number F for every entry of the tensor."""
    factor, fixed = ratio(case.S, case.J, axis=0)
    if case.same(case.S, factor * case.J):
        yield from explain_factor(case, factor.reshape(case.in_shape), fixed.reshape(case.in_shape), case.name)


def per_output(case: Case) -> Iterator[Explanation]:
    """S = F J with a number F for every entry of the output."""
    factor, fixed = ratio(case.S, case.J, axis=1)
    if not case.same(case.S, factor[:, None] * case.J):
        return
    factor, fixed = factor.reshape(case.out_shape), fixed.reshape(case.out_shape)
    yield from explain_factor(case, factor, fixed, "the output")


def ratio(S: np.ndarray, J: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor that fits best along an axis, and where it is defined (1 elsewhere)."""
    weight = (J * J).sum(axis)
    fixed = weight > (1e-7 * np.abs(J).max()) ** 2
    return np.where(fixed, (S * J).sum(axis) / np.where(fixed, weight, 1), 1.0), fixed


def explain_factor(case: Case, factor: np.ndarray, fixed: np.ndarray, what: str) -> Iterator[Explanation]:
    """Explain a factor by where it differs from 1, or by a quantity."""
    changed = fixed & (np.abs(factor - 1) > CLOSE)
    wrong = factor[changed]
    for name, evidence in name_region(case, changed, fixed):
        if np.abs(wrong).max() >= CLOSE:
            same = np.ptp(wrong) <= CLOSE * np.abs(wrong).max()
            times = "minus the right one" if abs(wrong[0] + 1) < CLOSE else "the right one times {number}"
            does, free = (times, 1) if same else ("wrong", 0)
            sentence = f"the gradient is {does} {{name}}, and right elsewhere"
            yield Explanation("confined", sentence, evidence, name, 0, float(wrong[0]) if same else None, free)
        elif is_cut(case, what, evidence):
            kept = case.in_shape[evidence["axis"]] - evidence["count"]
            steps = "time step" if kept == 1 else f"{kept} time steps"
            yield Explanation("truncated", f"the gradient is right for the last {steps} and 0 before", evidence)
        else:
            yield Explanation("confined", "the gradient is 0 {name}, and right elsewhere", evidence, name)
    for rank, name in arrays_like(case, factor, fixed):
        sentence = f"each entry of {what} carries the extra factor {{name}}"
        yield Explanation("factor", sentence, {"quantity": name, "per": what}, name, rank)
    for axis in (0, 1):
        growth = geometric(factor, fixed, axis)
        if growth:
            yield from steps_back(case, growth)


def is_cut(case: Case, what: str, region: dict) -> bool:
    """Whether a sequence's gradient vanishes before some step although only its end is an output."""
    axis = region.get("axis", 2)
    if what != case.name or not region.get("first") or len(case.in_shape) != 3 or axis > 1:
        return False
    stacked = len(case.out_shape) == 3 and case.out_shape[axis] == case.in_shape[axis]
    return not stacked and not is_kept_apart(case, axis)


def own_number(case: Case) -> Iterator[Explanation]:
    """A factor per index of one axis that has no name."""
    for S, J, shape, axis, what in (
        (case.S, case.J, case.in_shape, 0, case.name),
        (case.S, case.J, case.out_shape, 1, "the output"),
    ):
        factor, fixed = ratio(S, J, axis)
        fitted = factor * J if axis == 0 else factor[:, None] * J
        if not case.same(S, fitted):
            continue
        factor, fixed = factor.reshape(shape), fixed.reshape(shape)
        for along, size in enumerate(shape):
            profile, known = profile_along(factor, fixed, along)
            if size > 1 and profile is not None and known.sum() > 1:
                sentence = f"each index along axis {along} of {what} carries a factor of its own ({{number}})"
                evidence = {"per": what, "axis": along, "quantity": ""}
                yield Explanation("factor", sentence, evidence, number=profile[known], free=int(known.sum()))


def extra_factor(case: Case) -> Iterator[Explanation]:
    """S a = J b for two known arrays (or a = 1) laid along axes of the output and of the tensor."""
    S, J = case.joint(case.S), case.joint(case.J)
    if np.abs(S[np.abs(J) <= 1e-9 * np.abs(J).max()]).max(initial=0) > CLOSE * case.scale:
        return
    strong = np.argwhere(np.abs(J) > 1e-3 * np.abs(J).max())
    sample = tuple(strong[:: max(1, len(strong) // 12)].T)
    ratio = S[sample] / J[sample]
    shown = [("", np.ones((1,) * S.ndim)), *case.laid_out()]
    picked = np.array([np.broadcast_to(values, S.shape)[sample] for _, values in shown])
    reach = 1e-4 * np.abs(picked).max(axis=1)
    error = np.abs(S - J) > CLOSE * case.scale
    near = (
        np.abs(ratio[0] * picked[:, :1] - picked[:, 0]) <= reach
    )  # the first of the sample, then all, then everywhere
    for i in np.flatnonzero(near.any(1)):
        pairs = np.flatnonzero(near[i])
        for k in pairs[np.abs(ratio * picked[i] - picked[pairs]).max(axis=1) <= reach[pairs]]:
            (right, full), (wrong, instead) = shown[i], shown[k]
            if i == k or not case.same(S * full, J * instead, case.scale * np.abs(full).max()):
                continue
            if (error & (np.abs(full) <= 1e-9 * np.abs(full).max())).any():
                continue  # 0 = 0, just where S is wrong
            yield worded(right, wrong, {"right": right, "wrong": wrong})


def lacks_mask(case: Case) -> Iterator[Explanation]:
    """S times a known array with zeros is J: a mask that the gradient lacks."""
    S, J = case.joint(case.S), case.joint(case.J)
    for name, values in case.laid_out(plain=True):
        if (values == 0).any() and case.same(S * values, J):
            yield Explanation("factor", "the gradient lacks the factor {name}", {"quantity": f"1/{name}"}, name)


def worded(right: str, wrong: str, evidence: dict) -> Explanation:
    """Say that one array stands where another belongs, or that there is one too many."""
    if not right or not wrong:
        extra = wrong or f"1/({right})"
        return Explanation("factor", "the gradient carries the extra factor {name}", {"quantity": extra}, extra)
    if right.replace(TURNED, "") == wrong.replace(TURNED, ""):
        sentence = "{name} is laid along the wrong axes"
        return Explanation("operand", sentence, evidence, right.replace(TURNED, ""))
    return Explanation("operand", "{name}", evidence, f"{wrong} is used where {right} belongs")


def profile_along(factor: np.ndarray, fixed: np.ndarray, axis: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the factor along one axis if it depends on nothing else."""
    rows, known = np.moveaxis(factor, axis, 0).reshape(factor.shape[axis], -1), fixed
    known = np.moveaxis(known, axis, 0).reshape(factor.shape[axis], -1)
    profile = np.ones(len(rows))
    for i in range(len(rows)):
        values = rows[i][known[i]]
        if values.size:
            if np.ptp(values) > 10 * CLOSE * np.abs(values).max():
                return None, known.any(1)
            profile[i] = values[0]
    return profile, known.any(1)


def geometric(factor: np.ndarray, fixed: np.ndarray, axis: int) -> float | None:
    """Return c if the factor is c to the number of steps that are left along an axis, which may be time."""
    if factor.ndim < 2 or factor.shape[axis] < 3:
        return None
    profile, known = profile_along(factor, fixed, axis)
    if profile is None or not known.all() or np.any(profile <= 0):
        return None
    ratios = profile[:-1] / profile[1:]
    found = np.ptp(ratios) < 1e-3 * ratios[0] and abs(profile[-1] - 1) < CLOSE < abs(ratios[0] - 1)
    return float(ratios[0]) if found else None


def steps_back(case: Case, ratio: float) -> Iterator[Explanation]:
    """Say that every step back through time multiplies by a number too much.

    Parameters
    ----------
    case : Case
    ratio : float
        That number.
    """
    yield from numbered(case, "step-factor", "every step back through time multiplies by {number} too much", ratio)
