"""S = J + E: the error has a form of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case, Explanation, parallel
from .names import arrays_like, numbered
from .quantities import TURNED
from .regions import name_region
from .through_time import way_back


def confined(case: Case) -> Iterator[Explanation]:
    """S is J except in a region that has a name, or except for what a sequence loses on its way back.

    Parameters
    ----------
    case : Case
    """
    yield from way_back(case)
    error = np.abs(case.S - case.J) > CLOSE * case.scale
    for axis, known in ((0, case.judged), (1, np.ones(case.out_shape, bool))):
        rest = "" if axis == 0 else " (the summands that come from other outputs are right)"
        for name, evidence in name_region(case, error.any(axis).reshape(known.shape), known):
            yield Explanation("confined", f"the gradient is wrong only {{name}}{rest}", evidence, name)


def other_path(case: Case) -> Iterator[Explanation]:
    """S and J differ by dy times a known array, entry by entry, or by the sign of it: one path of several is wrong.

    Parameters
    ----------
    case : Case
    """
    straight = case.straight()
    if straight is None or case.J.shape[0] < 2:
        return
    missing, turned = "the path that adds {} to the gradient is missing", "{} enters the gradient with the wrong sign"
    rest = "all of the gradient but {} has the wrong sign"
    for difference, code, sentence in (
        (case.J - case.S, "path", missing),
        ((case.J - case.S) / 2, "term-sign", turned),
        ((case.J + case.S) / 2, "term-sign", rest),
    ):
        per_output = (difference * straight).sum(1)
        if not case.same(difference, per_output[:, None] * straight) or not per_output.any():
            continue
        factor = per_output.reshape(case.out_shape)
        skip = " (the residual, the way past the layer)" if code == "path" else ""
        if case.same(factor, np.ones(1), 1):
            yield Explanation(code, sentence.format("dy itself") + skip, {"quantity": "dy"})
        elif case.same(factor, -np.ones(1), 1) and code == "path":
            yield Explanation(code, "dy itself is added to the gradient, once too often", {"quantity": "-dy"})
        for rank, name in arrays_like(case, factor, np.ones(factor.shape, bool)):
            yield Explanation(code, sentence.format("dy times {name}"), {"quantity": name}, name, rank)


def penalty(case: Case) -> Iterator[Explanation]:
    """A single number's error is a number times a known array of the tensor's shape: the term of a regulariser.

    Parameters
    ----------
    case : Case
    """
    if case.J.shape[0] > 1 or case.J.shape[1] < 2:
        return
    error = (case.S - case.J).reshape(case.in_shape)
    for quantity in (q for q in case.known if q.kind == "array"):
        for name, values in quantity.transformed(case.in_shape, PLAIN):
            square = (values * values).sum()
            share = float((error * values).sum() / square) if square > 0 else 0.0
            if share and np.abs(error - share * values).max() <= 1e-4 * np.abs(error).max():
                sentence = f"the gradient has {{number}} times {name} too much"
                if share < 0:
                    sentence = f"the gradient lacks {{number}} times {name}"
                yield from numbered(case, "along", sentence, abs(share), {"quantity of error": name})


PLAIN = (("{}", lambda q: q), ("the sign of {}", np.sign), ("|{}|", np.abs), ("{}²", lambda q: q * q))


def extra_term(case: Case) -> Iterator[Explanation]:
    """S - J is a known array, or a product or quotient of two, wherever J is not 0 by structure."""
    error, J = case.joint(case.S - case.J), case.joint(case.J)
    scale = np.abs(error).max()
    places = np.abs(J) > 1e-9 * np.abs(J).max()
    if np.abs(error[~places]).max(initial=0) > 1e-4 * scale:
        return
    wanted = error[places]
    if not wanted.size or np.abs(wanted).min() < 1e-6 * scale:
        return
    shown = [("1", np.ones_like(wanted))]
    shown += [(name, np.broadcast_to(values, J.shape)[places]) for name, values in case.laid_out(plain=True)]
    shown = [(name, values) for name, values in shown if np.abs(values).min() > 0]
    values = np.array([values for _, values in shown])
    few = slice(None, None, max(1, wanted.size // 12))
    for i, (one, a) in enumerate(shown):
        for sign, target in (("·", wanted / a), ("/", a / wanted)):  # the error is a·b, or a/b
            near = np.abs(np.abs(values[:, few] / target[few]) - 1).max(1) < 1e-3
            for k in np.flatnonzero(near):
                two, b = shown[k]
                if (k < i and sign == "·") or one.replace(TURNED, "") == two.replace(TURNED, "") != "1":
                    continue  # x/x is 1 and no name
                if np.abs(np.abs(b / target) - 1).max() < 1e-3 and np.ptp(np.sign(b * target)) == 0:
                    name = f"{one}{sign}{two}".removeprefix("1·").removesuffix("/1")
                    yield Explanation(
                        "along", "the error is {name}: a term too many or missing", {"quantity": name}, name
                    )


def along(case: Case) -> Iterator[Explanation]:
    """The error, for each output, is parallel to something known along one axis of the tensor."""
    error, right = case.joint(case.S - case.J), case.joint(case.J)
    scale = np.abs(error).max()
    first = len(case.out_shape)
    for axis, size in enumerate(case.in_shape):
        ones = np.ones([1] * (first + axis) + [size] + [1] * (len(case.in_shape) - axis - 1))
        if size > 1 and parallel(error, ones, first + axis) and not parallel(right, ones, first + axis):
            sentence = f"the error is one number all along axis {axis}: a sum or mean over it is missing or wrong"
            yield Explanation("along", sentence, {"axis": axis, "quantity": "ones"}, free=lines(error, first + axis))
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
                    sentence = f"the error lies along {{name}}{plus} (axis {axis}): that term is missing or wrong"
                    free = (1 + centred) * lines(error, place)
                    yield Explanation("along", sentence, {"axis": axis, "quantity": name}, name, free=free)


def lines(error: np.ndarray, axis: int) -> int:
    """Return how many lines along an axis are not 0; each takes a number of its own.

    Parameters
    ----------
    error : array
    axis : int
    """
    return int((np.abs(error).max(axis) > 1e-9 * np.abs(error).max()).sum())


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
