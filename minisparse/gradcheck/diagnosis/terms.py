"""S = J + E: the error has a form of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case, parallel
from .regions import name_region
from .through_time import way_back


def confined(case: Case) -> tuple | None:
    """S is J except in a region that has a name, or except for what a sequence loses on its way back.

    Parameters
    ----------
    case : Case

    Returns
    -------
    (code, sentence, evidence) or None
        None if it is not.
    """
    error = np.abs(case.S - case.J) > CLOSE * case.scale
    back = way_back(case, error)
    if back:
        return back
    for axis, known in ((0, case.judged), (1, np.ones(case.out_shape, bool))):
        region = name_region(case, error.any(axis).reshape(known.shape), known)
        if region:
            rest = "" if axis == 0 else " (the summands that come from other outputs are right)"
            return "confined", f"the gradient is wrong only {region[0]}{rest}", region[1]
    return None


def extra_term(case: Case) -> tuple | None:
    """S - J is a known array, or a product or quotient of two, wherever J is not 0 by structure."""
    error, J = case.joint(case.S - case.J), case.joint(case.J)
    scale = np.abs(error).max()
    places = np.abs(J) > 1e-9 * np.abs(J).max()
    if np.abs(error[~places]).max(initial=0) > 1e-4 * scale:
        return None
    shown = [(name, np.broadcast_to(values, J.shape)[places]) for name, values in case.laid_out(plain=True)]
    shown = [(name, values) for name, values in shown if np.abs(values).max() > 0]
    wanted = error[places]

    def fits(values: np.ndarray) -> bool:
        return bool(np.isfinite(values).all() and np.abs(np.abs(values / wanted) - 1).max() < 1e-3)

    if np.abs(wanted).min() < 1e-6 * scale:
        return None
    candidates = list(shown)
    for a, b in itertools.permutations(shown, 2):
        candidates += [(f"{a[0]}·{b[0]}", a[1] * b[1]), (f"{a[0]}/{b[0]}", a[1] / b[1])]
    for name, values in candidates:
        if fits(values) and np.ptp(np.sign(values * wanted)) == 0:
            return "along", f"the error is {name}: a term too many or missing", {"quantity": name}
    return None


def along(case: Case) -> tuple | None:
    """The error, for each output, is parallel to something known along one axis of the tensor."""
    error, right = case.joint(case.S - case.J), case.joint(case.J)
    scale = np.abs(error).max()
    first = len(case.out_shape)
    for axis, size in enumerate(case.in_shape):
        ones = np.ones([1] * (first + axis) + [size] + [1] * (len(case.in_shape) - axis - 1))
        if size > 1 and parallel(error, ones, first + axis) and not parallel(right, ones, first + axis):
            sentence = f"the error is one number all along axis {axis}: a sum or mean over it is missing or wrong"
            return "along", sentence, {"axis": axis, "quantity": "ones"}
    directions = [*case.laid_out(plain=True), *products(case)]
    for centred in (False, True):
        for axis, size in enumerate(case.in_shape):
            place = first + axis
            against = error - error.mean(place, keepdims=True) if centred else error
            judged = right - right.mean(place, keepdims=True) if centred else right
            if size < 2 + centred or np.abs(against).max() <= 1e-3 * scale:
                continue
            for name, values in directions:
                if values.shape[place] != size:
                    continue
                direction = values - values.mean(place, keepdims=True) if centred else values
                if parallel(against, direction, place) and not parallel(judged, direction, place):
                    plus = " plus a constant" if centred else ""
                    sentence = f"the error lies along {name}{plus} (axis {axis}): that term is missing or wrong"
                    return "along", sentence, {"axis": axis, "quantity": name}
    return None


def products(case: Case) -> Iterator[tuple[str, np.ndarray]]:
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
