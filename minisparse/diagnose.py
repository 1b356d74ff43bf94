"""Say what is wrong with a gradient, from numbers alone: no source is read, nothing about the layer is known.

Central differences give the whole Jacobian J of the output by each input, and a backward pass, called once per output
entry, gives the Jacobian S that it computes. Each function below tries one explanation of S by J; the first that holds
to rounding is reported. They stand in the order of simplicity: one number, a number per entry, an error of some form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backend import to_numpy
from .probe import Probe
from .quantities import TURNED, Quantity, describe_axes, quantities
from .report import Finding

LARGEST = 2_000_000
"""Entries of a Jacobian up to which a diagnosis is tried."""
CLOSE = 2e-5
"""Two arrays are equal if they differ by at most this share of the larger magnitude."""


@dataclass(frozen=True)
class Case:
    """One wrong gradient: S, J (outputs x entries) and what may explain them."""

    name: str
    S: np.ndarray
    J: np.ndarray
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    known: list[Quantity]
    others: dict[str, np.ndarray]
    judged: np.ndarray

    @property
    def scale(self) -> float:
        return float(max(np.abs(self.J).max(), np.abs(self.S).max()))

    def same(self, a: np.ndarray, b: np.ndarray, scale: float | None = None) -> bool:
        return bool(np.abs(a - b).max(initial=0) <= CLOSE * (scale or self.scale))

    def cube(self, jacobian: np.ndarray) -> np.ndarray:
        return jacobian.reshape(jacobian.shape[0], *self.in_shape)

    def joint(self, jacobian: np.ndarray) -> np.ndarray:
        """Return a Jacobian with all the axes of the output, then all the axes of the tensor."""
        return jacobian.reshape(*self.out_shape, *self.in_shape)

    def laid_out(self) -> list[tuple[str, np.ndarray]]:
        """Return every known array along every choice of axes that it fits."""
        shape = (*self.out_shape, *self.in_shape)
        return [entry for quantity in self.known if quantity.kind != "size" for entry in quantity.along(shape)]


def diagnose(
    probe: Probe,
    backward: Callable,
    names: list[str],
    support: dict[str, np.ndarray],
    judged: dict[str, np.ndarray],
) -> dict[str, Finding]:
    """Explain the wrong gradients among the named inputs; what has no simple explanation is left out.

    Parameters
    ----------
    probe : Probe
        With `grads`, what `backward` gave for the probe's cotangent.
    backward : callable
    names : list of str
        Inputs whose gradient is wrong.
    support : dict of bool arrays
        Where a synapse exists.
    judged : dict of bool arrays
        What can be compared: an entry at a kink or off the support is left out of everything.

    Returns
    -------
    dict of Finding
    """
    total = sum(probe.value(name).size for name in probe.floats)
    if not names or probe.y.size * total > LARGEST:
        return {}
    calls = [backward(probe.cotangent(unit.reshape(probe.y.shape)), probe.cache) for unit in np.eye(probe.y.size)]
    double, nothing = (backward(probe.cotangent(factor * probe.dy), probe.cache) for factor in (2, 0))
    right = {name: probe.jacobian(name) for name in probe.floats}
    known = quantities(probe, support)
    found = {}
    for name in names:
        S = np.array([to_numpy(grads[name]).ravel() for grads in calls], float)
        grad, twice, zero = (to_numpy(grads[name]).ravel().astype(float) for grads in (probe.grads, double, nothing))
        J = right[name]
        on = judged[name].ravel()
        if not on.all():
            J, S, grad, twice, zero = J * on, S * on, grad * on, twice * on, zero * on
        case = Case(name, S, J, probe.value(name).shape, probe.y.shape, known, right, judged[name])
        if not case.same(S.T @ probe.dy.ravel(), grad, np.abs(grad).max() or 1.0):
            explained = _not_linear(case, grad, twice, zero)
        else:
            explained = next(filter(None, (attempt(case) for attempt in _ATTEMPTS)), None)
        if explained:
            code, sentence, evidence = explained
            found[name] = Finding(code, name, sentence, evidence)
    return _shared_cause(found, names)


def _shared_cause(found: dict[str, Finding], names: list[str]) -> dict[str, Finding]:
    """Let what is wrong together, and is not explained on its own, take the one explanation there is.

    Where time runs through the output, a parameter's gradient is a sum over steps in which a wrong way back shows as no
    more than "wrong from some output on"; the input's gradient, step by step, shows the cause.
    """
    clear = {name: f for name, f in found.items() if not (f.code == "confined" and f.evidence.get("of") == "output")}
    if len({finding.code for finding in clear.values()}) != 1:
        return found
    source, cause = next(iter(clear.items()))
    for name in names:
        if name not in clear:
            sentence = f"probably the same cause as in {source}: {cause.sentence}"
            found[name] = Finding(cause.code, name, sentence, {**cause.evidence, "as": source})
    return found


def _not_linear(case: Case, grad: np.ndarray, twice: np.ndarray, zero: np.ndarray) -> tuple:
    scale = np.abs(grad).max() or 1.0
    if case.same(twice, grad, scale) and case.same(zero, grad, scale):
        return "ignores-dy", "the gradient does not depend on dy; multiply the local derivative by it", {}
    return "not-linear", "the gradient is not linear in dy: twice the cotangent must give twice the gradient", {}


def _zero(case: Case) -> tuple | None:
    if not case.S.any():
        return "zero", "the gradient is 0 everywhere; the right one is not", {}
    return None


def _one_number(case: Case) -> tuple | None:
    factor = float((case.S * case.J).sum() / max((case.J * case.J).sum(), 1e-300))
    if not case.same(case.S, factor * case.J):
        return None
    if abs(factor + 1) < CLOSE:
        return "sign", "the gradient is minus the right one", {"factor": -1.0}
    name = _name_number(case, factor)
    sentence = f"the gradient is the right one times {factor:.6g}" + (f" = {name}" if name else "")
    return "factor", sentence, {"factor": factor, "quantity": name}


def _name_number(case: Case, factor: float) -> str:
    names = []
    for quantity in case.known:
        if quantity.values.size == 1:
            names += [text for text, value in quantity.transformed() if abs(value.item() / factor - 1) < CLOSE]
    sizes = [q for q in case.known if q.kind == "size"]
    for k, a in enumerate(sizes):
        for b in sizes[k:]:
            product = a.values.item() * b.values.item()
            names += [f"{a.name} times {b.name}"] if abs(product / factor - 1) < CLOSE else []
            names += [f"1/({a.name} times {b.name})"] if abs(factor * product - 1) < CLOSE else []
    return " or ".join(dict.fromkeys(names[:3]))


def _per_entry(case: Case) -> tuple | None:
    """S = F J with a number F for every entry of the tensor."""
    factor, fixed = _ratio(case.S, case.J, axis=0)
    if not case.same(case.S, factor * case.J):
        return None
    factor, fixed = factor.reshape(case.in_shape), fixed.reshape(case.in_shape)
    return _explain_factor(case, factor, fixed, case.name)


def _per_output(case: Case) -> tuple | None:
    """S = F J with a number F for every entry of the output."""
    factor, fixed = _ratio(case.S, case.J, axis=1)
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
    return _explain_factor(case, factor, fixed, "the output")


def _ratio(S: np.ndarray, J: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor that fits best along an axis, and where it is defined (1 elsewhere)."""
    weight = (J * J).sum(axis)
    fixed = weight > (1e-7 * np.abs(J).max()) ** 2
    return np.where(fixed, (S * J).sum(axis) / np.where(fixed, weight, 1), 1.0), fixed


def _explain_factor(case: Case, factor: np.ndarray, fixed: np.ndarray, what: str) -> tuple | None:
    """Explain a factor by where it differs from 1, or by a quantity."""
    changed = fixed & (np.abs(factor - 1) > CLOSE)
    region = _region(case, changed, fixed) if (fixed & ~changed).any() else None
    if region:
        wrong = factor[changed]
        if np.abs(wrong).max() < CLOSE:
            if _is_cut(case, what, region[1]):
                kept = case.in_shape[0] - region[1]["count"]
                steps = "time step" if kept == 1 else f"{kept} time steps"
                return "truncated", f"the gradient is right for the last {steps} and 0 before", region[1]
            does = "0"
        else:
            same = np.ptp(wrong) <= CLOSE * np.abs(wrong).max()
            times = "minus the right one" if abs(wrong[0] + 1) < CLOSE else f"the right one times {wrong[0]:.6g}"
            does = times if same else "wrong"
        return "confined", f"the gradient is {does} {region[0]}, and right elsewhere", region[1]
    name = _name_array(case, factor, fixed)
    if name:
        return "factor", f"each entry of {what} carries the extra factor {name}", {"quantity": name, "per": what}
    steps = _geometric(factor, fixed)
    return _steps_back(case, steps) if steps else None


def _is_cut(case: Case, what: str, region: dict) -> bool:
    """Whether a sequence's gradient vanishes before some step although only its end is an output."""
    stacked = len(case.out_shape) == 3 and case.out_shape[0] == case.in_shape[0]
    return what == case.name and bool(region.get("first")) and len(case.in_shape) == 3 and not stacked


def _own_number(case: Case) -> tuple | None:
    """A factor per index of one axis that has no name."""
    for S, J, shape, axis, what in (
        (case.S, case.J, case.in_shape, 0, case.name),
        (case.S, case.J, case.out_shape, 1, "the output"),
    ):
        factor, fixed = _ratio(S, J, axis)
        fitted = factor * J if axis == 0 else factor[:, None] * J
        if not case.same(S, fitted):
            continue
        factor, fixed = factor.reshape(shape), fixed.reshape(shape)
        for along, size in enumerate(shape):
            profile, known = _profile(factor, fixed, along)
            if size > 1 and profile is not None and known.sum() > 1:
                numbers = ", ".join(f"{v:.4g}" for v in profile[known][:4]) + (", ..." if known.sum() > 4 else "")
                sentence = f"each index along axis {along} of {what} carries a factor of its own ({numbers})"
                return "factor", sentence, {"per": what, "axis": along, "quantity": ""}
    return None


def _extra_factor(case: Case) -> tuple | None:
    """S a = J b for two known arrays (or a = 1) laid along axes of the output and of the tensor."""
    S, J = case.joint(case.S), case.joint(case.J)
    strong = np.argwhere(np.abs(J) > 1e-3 * np.abs(J).max())
    sample = tuple(strong[:: max(1, len(strong) // 150)].T)
    ratio = S[sample] / J[sample]
    shown = [("", np.ones((1,) * S.ndim)), *case.laid_out()]
    picked = [np.broadcast_to(values, S.shape)[sample] for _, values in shown]
    if np.abs(S[np.abs(J) <= 1e-9 * np.abs(J).max()]).max(initial=0) > CLOSE * case.scale:
        return None
    for i, a in enumerate(picked):
        for k, b in enumerate(picked):
            if i == k or np.abs(ratio * a - b).max() > 1e-4 * np.abs(b).max():
                continue
            (right, full), (wrong, instead) = shown[i], shown[k]
            if not case.same(S * full, J * instead, case.scale * np.abs(full).max()):
                continue
            evidence = {"right": right, "wrong": wrong}
            if right and wrong:
                if right.replace(TURNED, "") == wrong.replace(TURNED, ""):
                    return "operand", f"{right.replace(TURNED, '')} is laid along the wrong axes", evidence
                return "operand", f"{wrong} stands where {right} belongs", evidence
            extra = wrong or f"1/({right})"
            return "factor", f"the gradient carries the extra factor {extra}", {"quantity": extra}
    return None


def _contracted(case: Case) -> tuple | None:
    """J = G a and S = G b for two arrays of one shape, summed over an axis of theirs that the tensor does not have."""
    S, J = case.cube(case.S), case.cube(case.J)
    arrays = [q for q in case.known if q.kind == "array" and q.values.ndim == len(case.in_shape) >= 2]
    for right in arrays:
        for wrong in arrays:
            if right is wrong or right.values.shape != wrong.values.shape:
                continue
            for axis, size in enumerate(case.in_shape):
                for summed in range(len(case.in_shape)):
                    if summed == axis or right.values.shape[axis] != size or right.values.shape[summed] > size:
                        continue
                    if _same_weights(case, S, J, right.values, wrong.values, axis, summed):
                        evidence = {"right": right.name, "wrong": wrong.name}
                        return "operand", f"{wrong.name} stands where {right.name} belongs", evidence
    return None


def _same_weights(
    case: Case, S: np.ndarray, J: np.ndarray, a: np.ndarray, b: np.ndarray, axis: int, summed: int
) -> bool:
    """Whether the weights that make J of a's vectors make S of b's."""
    a, b = (np.moveaxis(v, (summed, axis), (-2, -1)) for v in (a, b))
    J, S = (np.moveaxis(v, axis + 1, -1) for v in (J, S))
    if a.ndim == 3:  # the remaining axis is shared with the tensor
        shared = ({0, 1, 2} - {axis, summed}).pop()
        place = shared + 1 if shared < axis else shared
        J, S = (np.moveaxis(v, place, 0) for v in (J, S))
        if len(J) != len(a):
            return False
    else:
        a, b, J, S = a[None], b[None], J[None], S[None]
    for a_, b_, J_, S_ in zip(a, b, J, S, strict=True):
        weights = J_.reshape(-1, J_.shape[-1]) @ np.linalg.pinv(a_)
        if not case.same(weights @ a_, J_.reshape(-1, J_.shape[-1])):
            return False
        if not case.same(weights @ b_, S_.reshape(-1, S_.shape[-1]), 10 * case.scale):
            return False
    return True


def _steps_back(case: Case, ratio: float) -> tuple:
    name = _name_number(case, ratio)
    shown = f"{ratio:.6g}" + (f" = {name}" if name else "")
    return "step-factor", f"every step back through time multiplies by {shown} too much", {"factor": ratio}


def _profile(factor: np.ndarray, fixed: np.ndarray, axis: int) -> tuple[np.ndarray | None, np.ndarray]:
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


def _geometric(factor: np.ndarray, fixed: np.ndarray) -> float | None:
    """Return c if the factor is c to the number of steps that are left along axis 0."""
    if factor.ndim < 2 or factor.shape[0] < 3:
        return None
    profile, known = _profile(factor, fixed, 0)
    if profile is None or not known.all() or np.any(profile <= 0):
        return None
    ratios = profile[:-1] / profile[1:]
    return float(ratios[0]) if np.ptp(ratios) < 1e-3 * ratios[0] and abs(profile[-1] - 1) < CLOSE else None


def _region(case: Case, inside: np.ndarray, fixed: np.ndarray) -> tuple[str, dict] | None:
    """Name a set of entries by the sign of a quantity or by its place."""
    if not inside.any() or not (fixed & ~inside).any():
        return None
    for quantity in case.known:
        values = quantity.broadcast(inside.shape)
        if values is None:
            continue
        signs = {"negative": values < 0, "positive": values > 0, "zero": values == 0}
        for sign, where in (*signs.items(), ("not positive", values <= 0), ("not negative", values >= 0)):
            if np.array_equal(where & fixed, inside & fixed):
                return f"where {quantity.name} is {sign}", {"quantity": quantity.name, "sign": sign}
    for axis, size in enumerate(inside.shape):
        hit = [i for i in range(size) if np.take(inside, i, axis).any()]
        full = all(2 * np.take(inside, i, axis).sum() >= np.take(fixed, i, axis).sum() for i in hit)
        if len(hit) == size or not full:
            continue
        if hit == list(range(hit[0], hit[-1] + 1)):
            span = f"index {hit[0]}" if len(hit) == 1 else f"indices {hit[0]} to {hit[-1]}"
            of = "output" if inside.shape == case.out_shape != case.in_shape else case.name
            evidence = {"axis": axis, "first": hit[0] == 0, "count": len(hit), "indices": hit, "of": of}
            where = "of the output" if of == "output" else f"of {case.name}"
            return f"at {span} along axis {axis} {where}", evidence
    if inside.sum() == 1:
        place = tuple(map(int, np.argwhere(inside)[0]))
        return f"at entry {place}", {"entry": place}
    return None


def _matches(values: np.ndarray | None, factor: np.ndarray, fixed: np.ndarray) -> bool:
    if values is None or not fixed.any() or not np.isfinite(values[fixed]).all():
        return False
    return bool(np.abs(values - factor)[fixed].max() <= 5 * CLOSE * np.abs(factor[fixed]).max())


def _name_array(case: Case, factor: np.ndarray, fixed: np.ndarray) -> str:
    for sign, minus in ((1, ""), (-1, "minus ")):
        for quantity in case.known:
            for text, values in quantity.transformed(factor.shape):
                if _matches(sign * values, factor, fixed):
                    return minus + text
    return ""


def _through_time(case: Case) -> tuple | None:
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
        return _steps_back(case, float(growth[0, 0]))
    per_unit = growth[0].reshape(case.out_shape[1:])
    name = _name_array(case, per_unit, np.ones(per_unit.shape, bool)) or "a number that differs from unit to unit"
    return "step-factor", f"every step back through time carries the extra factor {name}", {"quantity": name}


def _reordered(case: Case) -> tuple | None:
    S, J = case.cube(case.S), case.cube(case.J)
    for axes, text in describe_axes(case.in_shape):
        if case.same(S, J.transpose(0, *(a + 1 for a in axes))):
            return "transpose", f"the gradient is the right one with {text} exchanged", {"axes": axes}
    out = case.J.reshape(*case.out_shape, -1)
    for axes, text in describe_axes(case.out_shape):
        turned = out.transpose(*axes, len(axes)).reshape(case.J.shape)
        if case.same(case.S, turned):
            return "transpose", f"dy is used with {text} exchanged", {"axes": axes, "of": "dy"}
    for jacobian, wrong, shape, offset, what in (
        (J, S, case.in_shape, 1, case.name),
        (out, case.S.reshape(out.shape), case.out_shape, 0, "dy"),
    ):
        for axis, size in enumerate(shape):
            order = _order(case, np.moveaxis(wrong, axis + offset, 0), np.moveaxis(jacobian, axis + offset, 0))
            if order:
                return "permuted", f"axis {axis} of {what} is {order}", {"axis": axis, "size": size}
    return None


def _order(case: Case, wrong: np.ndarray, right: np.ndarray) -> str:
    """Describe how the slices of `wrong` are those of `right` in another order, or say nothing."""
    size = len(right)
    if size < 2:
        return ""
    if case.same(wrong, right[::-1]):
        return "reversed"
    for k in (1, -1):
        if case.same(wrong, np.roll(right, k, 0)):
            return f"rolled by {k}"
        shifted = np.zeros_like(right)
        shifted[max(k, 0) : size + min(k, 0)] = right[max(-k, 0) : size - max(k, 0)]
        if size > 2 and case.same(wrong, shifted):
            return f"shifted by {k}"
    order = [next((j for j in range(size) if case.same(slice_, right[j])), None) for slice_ in wrong]
    return f"in the order {order}" if None not in order and len(set(order)) == size else ""


def _swapped(case: Case) -> tuple | None:
    for name, other in case.others.items():
        if name != case.name and other.shape == case.S.shape and case.same(case.S, other):
            return "swapped", f"this is the gradient of {name}", {"other": name}
    return None


def _summed(case: Case) -> tuple | None:
    S, J = case.cube(case.S), case.cube(case.J)
    for axis, size in enumerate(case.in_shape):
        total = J.sum(axis + 1, keepdims=True)
        for number, word in ((1, "sum"), (size, "mean")):
            if size > 1 and case.same(S, np.broadcast_to(total / number, S.shape)):
                sentence = f"each entry is the {word} of the right gradient over axis {axis}: keep that axis"
                return "summed", sentence, {"axis": axis, "by": word}
    return None


def _confined(case: Case) -> tuple | None:
    error = np.abs(case.S - case.J) > CLOSE * case.scale
    for axis, known in ((0, case.judged), (1, np.ones(case.out_shape, bool))):
        region = _region(case, error.any(axis).reshape(known.shape), known)
        if region:
            rest = "" if axis == 0 else " (the summands that come from other outputs are right)"
            return "confined", f"the gradient is wrong only {region[0]}{rest}", region[1]
    return None


def _along(case: Case) -> tuple | None:
    """The error, for each output, is parallel to something known along one axis of the tensor."""
    error, right = case.joint(case.S - case.J), case.joint(case.J)
    scale = np.abs(error).max()
    first = len(case.out_shape)
    for axis, size in enumerate(case.in_shape):
        ones = np.ones([1] * (first + axis) + [size] + [1] * (len(case.in_shape) - axis - 1))
        if size > 1 and _parallel(error, ones, first + axis) and not _parallel(right, ones, first + axis):
            sentence = f"the error is one number all along axis {axis}: a sum or mean over it is missing or wrong"
            return "along", sentence, {"axis": axis, "quantity": "ones"}
    directions = [*case.laid_out(), *_products(case)]
    for centred in (False, True):
        for axis, size in enumerate(case.in_shape):
            place = first + axis
            against = error - error.mean(place, keepdims=True) if centred else error
            if size < 2 + centred or np.abs(against).max() <= 1e-3 * scale:
                continue
            for name, values in directions:
                if values.shape[place] != size:
                    continue
                direction = values - values.mean(place, keepdims=True) if centred else values
                if _parallel(against, direction, place) and not _parallel(right, values, place):
                    plus = " plus a constant" if centred else ""
                    sentence = f"the error lies along {name}{plus} (axis {axis}): that term is missing or wrong"
                    return "along", sentence, {"axis": axis, "quantity": name}
    return None


def _parallel(array: np.ndarray, direction: np.ndarray, axis: int) -> bool:
    """Whether an array is a multiple of a direction along one axis, a multiple of its own at every other place."""
    square = (direction * direction).sum(axis, keepdims=True)
    share = (array * direction).sum(axis, keepdims=True) / np.where(square > 0, square, 1)
    return bool(np.abs(array - share * direction).max() <= 1e-4 * np.abs(array).max())


def _products(case: Case) -> Iterator[tuple[str, np.ndarray]]:
    """Yield products of two known arrays, example by example for sequences, that have the tensor's shape."""
    arrays = [q for q in case.known if q.kind == "array" and q.values.ndim == len(case.in_shape)]
    if len(case.in_shape) not in (2, 3):
        return
    batch = "b" if len(case.in_shape) == 3 else ""
    for a in arrays:
        for b in arrays:
            for left, right, text in (("ij", "jk", "{} @ {}"), ("ji", "jk", "{}ᵀ @ {}"), ("ij", "kj", "{} @ {}ᵀ")):
                try:
                    product = np.einsum(f"{left}{batch},{right}{batch}->ik{batch}", a.values, b.values)
                except ValueError:
                    continue
                if product.shape == case.in_shape:
                    yield text.format(a.name, b.name), product.reshape((1,) * len(case.out_shape) + product.shape)


_ATTEMPTS: tuple[Callable[[Case], Any], ...] = (
    _zero, _one_number, _swapped, _per_entry, _per_output, _extra_factor, _through_time, _own_number, _reordered,
    _contracted, _summed, _confined, _along,
)  # fmt: skip
