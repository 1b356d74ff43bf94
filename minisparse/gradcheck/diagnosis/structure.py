"""S holds the numbers of J in other places, too few of them, or sums of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case
from .quantities import describe_axes


def not_linear(case: Case, grad: np.ndarray, twice: np.ndarray, zero: np.ndarray) -> tuple:
    """Say in which way a gradient is not linear in dy.

    Parameters
    ----------
    case : Case
    grad, twice, zero : array
        The gradient for dy, for 2 dy and for dy = 0.

    Returns
    -------
    (code, sentence, evidence)
    """
    scale = np.abs(grad).max() or 1.0
    if case.same(twice, grad, scale) and case.same(zero, grad, scale):
        return "ignores-dy", "the gradient does not depend on dy; multiply the local derivative by it", {}
    return "not-linear", "the gradient is not linear in dy: that of a sum of cotangents must be the sum of theirs", {}


def zero(case: Case) -> tuple | None:
    """S = 0.

    Parameters
    ----------
    case : Case

    Returns
    -------
    (code, sentence, evidence) or None
        None if S is not 0 everywhere.
    """
    if not case.S.any():
        return "zero", "the gradient is 0 everywhere; the right one is not", {}
    return None


def swapped(case: Case) -> tuple | None:
    """S is the Jacobian of another tensor of the same shape.

    Parameters
    ----------
    case : Case

    Returns
    -------
    (code, sentence, evidence) or None
        None if it is not.
    """
    for name, other in case.others.items():
        if name != case.name and other.shape == case.S.shape and case.same(case.S, other):
            return "swapped", f"this is the gradient of {name}", {"other": name}
    return None


def matched_axes(case: Case) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Yield each pair of an output axis and a tensor axis of one length, with S and J as (own, own, all the rest)."""
    first = len(case.out_shape)
    for out_axis, size in enumerate(case.out_shape):
        for axis, length in enumerate(case.in_shape):
            if size == length > 1:
                S, J = (
                    np.moveaxis(case.joint(A), (out_axis, first + axis), (0, 1)).reshape(size, size, -1)
                    for A in (case.S, case.J)
                )
                yield out_axis, axis, S, J


def is_kept_apart(case: Case, axis: int) -> bool:
    """Whether the output has an axis each of whose indices depends on one index of this axis alone: no time axis."""
    apart = [np.abs(J[~np.eye(len(J), dtype=bool)]).max() for _, a, _, J in matched_axes(case) if a == axis]
    return any(value <= 1e-7 * case.scale for value in apart)


def diagonal(case: Case) -> tuple | None:
    """S keeps of J only what leads from an index of the output to the same index of the tensor."""
    for out_axis, axis, S, J in matched_axes(case):
        own = np.eye(len(S), dtype=bool)[..., None]
        if case.same(S, np.where(own, J, 0)) and not case.same(S, J):
            sentence = (
                f"index by index along axis {axis}, each output reaches its own entry only: the terms between "
                "different entries are missing"
            )
            return "diagonal", sentence, {"axis": axis, "of output": out_axis}
    return None


def reordered(case: Case) -> tuple | None:
    """S is J with axes exchanged, or with slices along an axis in another order.

    Parameters
    ----------
    case : Case

    Returns
    -------
    (code, sentence, evidence) or None
        None if it is not.
    """
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
            order = describe_order(case, np.moveaxis(wrong, axis + offset, 0), np.moveaxis(jacobian, axis + offset, 0))
            if order:
                return "permuted", f"axis {axis} of {what} is {order}", {"axis": axis, "size": size}
    for axes in itertools.permutations(range(len(case.in_shape))):
        if case.same(S, J.transpose(0, *(a + 1 for a in axes)).reshape(S.shape)):
            return "permuted", "the gradient was reshaped where its axes should be transposed", {"axes": axes}
    return None


def describe_order(case: Case, wrong: np.ndarray, right: np.ndarray) -> str:
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


def summed(case: Case) -> tuple | None:
    """S holds the sum or the mean of J over an axis of the tensor.

    Parameters
    ----------
    case : Case

    Returns
    -------
    (code, sentence, evidence) or None
        None if it does not.
    """
    S, J = case.cube(case.S), case.cube(case.J)
    for axis, size in enumerate(case.in_shape):
        total = J.sum(axis + 1, keepdims=True)
        for number, word in ((1, "sum"), (size, "mean")):
            if size > 1 and case.same(S, np.broadcast_to(total / number, S.shape)):
                sentence = f"each entry is the {word} of the right gradient over axis {axis}: keep that axis"
                return "summed", sentence, {"axis": axis, "by": word}
    return None


def mixed(case: Case) -> tuple | None:
    """S leads from an index of the output to other indices of the tensor (examples, rows) where J does not."""
    for _, axis, S, J in reversed(list(matched_axes(case))):
        apart = ~np.eye(len(S), dtype=bool)
        if np.abs(J[apart]).max() <= 1e-7 * case.scale < CLOSE * case.scale < np.abs(S[apart]).max():
            last = " (the examples, if that is the batch)" if axis == len(case.in_shape) - 1 > 0 else ""
            sentence = (
                f"what forward keeps apart along axis {axis}{last} is mixed: does a sum, mean or product run over it?"
            )
            return "mixed", sentence, {"axis": axis}
    return None
