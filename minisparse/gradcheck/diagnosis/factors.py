"""S = F J: the gradient is the right one times a number, or times a number per entry, row, output or time step."""

from __future__ import annotations

import itertools

import numpy as np

from .case import CLOSE, Case
from .quantities import TURNED
from .regions import name_region
from .structure import is_kept_apart


def one_number(case: Case) -> tuple | None:
    """S = F J with one number F, -1 among them.

    Parameters
    ----------
    case : Case

    Returns
    -------
    (code, sentence, evidence) or None
        None if there is no such number.
    """
    factor = float((case.S * case.J).sum() / max((case.J * case.J).sum(), 1e-300))
    if not case.same(case.S, factor * case.J):
        return None
    if abs(factor + 1) < CLOSE:
        return "sign", "the gradient is minus the right one", {"factor": -1.0}
    name = name_number(case, factor)
    sentence = f"the gradient is the right one times {factor:.6g}" + (f" = {name}" if name else "")
    return "factor", sentence, {"factor": factor, "quantity": name}


def name_number(case: Case, factor: float) -> str:
    """Name a number by the sizes and single numbers at hand, the simplest names first."""
    ranked = []
    for quantity in case.known:
        if quantity.values.size == 1:
            for rank, (text, value) in enumerate(quantity.transformed()):
                ranked += [(rank, text)] if abs(value.item() / factor - 1) < CLOSE else []
    sizes = [q for q in case.known if q.kind == "size"]
    for a, b in itertools.combinations_with_replacement(sizes, 2):
        product = a.values.item() * b.values.item()
        ranked += [(20, f"{a.name} times {b.name}")] if abs(product / factor - 1) < CLOSE else []
        ranked += [(20, f"1/({a.name} times {b.name})")] if abs(factor * product - 1) < CLOSE else []
    simplest = min((rank for rank, _ in ranked), default=0)
    return " or ".join(dict.fromkeys(text for rank, text in ranked if rank == simplest))


def per_entry(case: Case) -> tuple | None:
    """S = F J with a number F for every entry of the tensor."""
    factor, fixed = ratio(case.S, case.J, axis=0)
    if not case.same(case.S, factor * case.J):
        return None
    factor, fixed = factor.reshape(case.in_shape), fixed.reshape(case.in_shape)
    return explain_factor(case, factor, fixed, case.name)


def per_output(case: Case) -> tuple | None:
    """S = F J with a number F for every entry of the output."""
    factor, fixed = ratio(case.S, case.J, axis=1)
    if not case.same(case.S, factor[:, None] * case.J):
        return None
    factor, fixed = factor.reshape(case.out_shape), fixed.reshape(case.out_shape)
    zeros = fixed & (np.abs(factor) < CLOSE)
    ones = fixed & (np.abs(factor - 1) < CLOSE)
    if zeros.any() and (zeros | ones)[fixed].all():
        for axis, size in enumerate(case.out_shape):
            kept = [i for i in range(size) if np.take(ones, i, axis).any()]
            if len(kept) == 1 and size > 1 and not np.take(zeros, kept[0], axis).any():
                what = {0: "first", size - 1: "last"}.get(kept[0], f"number {kept[0]}")
                sentence = (
                    f"only the {what} of the {size} summands along axis {axis} of the output counts: sum over all of "
                    "them (is a += written as =, or an index left over?)"
                )
                return "summand", sentence, {"axis": axis, "index": kept[0]}
    return explain_factor(case, factor, fixed, "the output")


def ratio(S: np.ndarray, J: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor that fits best along an axis, and where it is defined (1 elsewhere)."""
    weight = (J * J).sum(axis)
    fixed = weight > (1e-7 * np.abs(J).max()) ** 2
    return np.where(fixed, (S * J).sum(axis) / np.where(fixed, weight, 1), 1.0), fixed


def explain_factor(case: Case, factor: np.ndarray, fixed: np.ndarray, what: str) -> tuple | None:
    """Explain a factor by where it differs from 1, or by a quantity."""
    changed = fixed & (np.abs(factor - 1) > CLOSE)
    region = name_region(case, changed, fixed) if (fixed & ~changed).any() else None
    if region:
        wrong = factor[changed]
        if np.abs(wrong).max() < CLOSE:
            if is_cut(case, what, region[1]):
                kept = case.in_shape[0] - region[1]["count"]
                steps = "time step" if kept == 1 else f"{kept} time steps"
                return "truncated", f"the gradient is right for the last {steps} and 0 before", region[1]
            does = "0"
        else:
            same = np.ptp(wrong) <= CLOSE * np.abs(wrong).max()
            times = "minus the right one" if abs(wrong[0] + 1) < CLOSE else f"the right one times {wrong[0]:.6g}"
            does = times if same else "wrong"
        return "confined", f"the gradient is {does} {region[0]}, and right elsewhere", region[1]
    name = name_array(case, factor, fixed)
    if name:
        return "factor", f"each entry of {what} carries the extra factor {name}", {"quantity": name, "per": what}
    steps = geometric(factor, fixed)
    return steps_back(case, steps) if steps else None


def is_cut(case: Case, what: str, region: dict) -> bool:
    """Whether a sequence's gradient vanishes before some step although only its end is an output."""
    stacked = len(case.out_shape) == 3 and case.out_shape[0] == case.in_shape[0]
    sequence = len(case.in_shape) == 3 and not stacked and not is_kept_apart(case, 0)
    return what == case.name and bool(region.get("first")) and sequence


def own_number(case: Case) -> tuple | None:
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
                numbers = ", ".join(f"{v:.4g}" for v in profile[known][:4]) + (", ..." if known.sum() > 4 else "")
                sentence = f"each index along axis {along} of {what} carries a factor of its own ({numbers})"
                return "factor", sentence, {"per": what, "axis": along, "quantity": ""}
    return None


def extra_factor(case: Case) -> tuple | None:
    """S a = J b for two known arrays (or a = 1) laid along axes of the output and of the tensor."""
    S, J = case.joint(case.S), case.joint(case.J)
    strong = np.argwhere(np.abs(J) > 1e-3 * np.abs(J).max())
    sample = tuple(strong[:: max(1, len(strong) // 150)].T)
    ratio = S[sample] / J[sample]
    shown = [("", np.ones((1,) * S.ndim)), *case.laid_out()]
    picked = np.array([np.broadcast_to(values, S.shape)[sample] for _, values in shown])
    reach = np.abs(picked).max(axis=1)
    if np.abs(S[np.abs(J) <= 1e-9 * np.abs(J).max()]).max(initial=0) > CLOSE * case.scale:
        return None
    for i, a in enumerate(picked):
        for k in np.flatnonzero(np.abs(ratio * a - picked).max(axis=1) <= 1e-4 * reach):
            if i == k:
                continue
            (right, full), (wrong, instead) = shown[i], shown[k]
            if not case.same(S * full, J * instead, case.scale * np.abs(full).max()):
                continue
            evidence = {"right": right, "wrong": wrong}
            if right and wrong:
                if right.replace(TURNED, "") == wrong.replace(TURNED, ""):
                    return "operand", f"{right.replace(TURNED, '')} is laid along the wrong axes", evidence
                return "operand", f"{wrong} is used where {right} belongs", evidence
            extra = wrong or f"1/({right})"
            return "factor", f"the gradient carries the extra factor {extra}", {"quantity": extra}
    return None


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


def geometric(factor: np.ndarray, fixed: np.ndarray) -> float | None:
    """Return c if the factor is c to the number of steps that are left along axis 0."""
    if factor.ndim < 2 or factor.shape[0] < 3:
        return None
    profile, known = profile_along(factor, fixed, 0)
    if profile is None or not known.all() or np.any(profile <= 0):
        return None
    ratios = profile[:-1] / profile[1:]
    return float(ratios[0]) if np.ptp(ratios) < 1e-3 * ratios[0] and abs(profile[-1] - 1) < CLOSE else None


def steps_back(case: Case, ratio: float) -> tuple:
    """Say that every step back through time multiplies by a number too much.

    Parameters
    ----------
    case : Case
    ratio : float
        That number.

    Returns
    -------
    (code, sentence, evidence)
    """
    name = name_number(case, ratio)
    shown = f"{ratio:.6g}" + (f" = {name}" if name else "")
    return "step-factor", f"every step back through time multiplies by {shown} too much", {"factor": ratio}


def matches(values: np.ndarray | None, factor: np.ndarray, fixed: np.ndarray) -> bool:
    """Whether an array is a factor, wherever the factor is defined.

    Parameters
    ----------
    values : array or None
        None, or what is not finite there, matches nothing.
    factor : array
        Of the same shape.
    fixed : array of bool
        Where the factor is defined.

    Returns
    -------
    bool
    """
    if values is None or not fixed.any() or not np.isfinite(values[fixed]).all():
        return False
    return bool(np.abs(values - factor)[fixed].max() <= 5 * CLOSE * np.abs(factor[fixed]).max())


def name_array(case: Case, factor: np.ndarray, fixed: np.ndarray) -> str:
    """Name a factor by the known array, or transform of one, that it is, with its sign.

    Parameters
    ----------
    case : Case
    factor : array
    fixed : array of bool
        Where the factor is defined.

    Returns
    -------
    str
        "" if no array matches.
    """
    for sign, minus in ((1, ""), (-1, "minus ")):
        for quantity in case.known:
            for text, values in quantity.transformed(factor.shape):
                if matches(sign * values, factor, fixed):
                    return minus + text
    return ""
