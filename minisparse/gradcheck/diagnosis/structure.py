"""S holds the numbers of J in other places, too few of them, or sums of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case, Explanation
from .quantities import describe_axes


def zero(case: Case) -> Iterator[Explanation]:
    """S = 0.

    Parameters
    ----------
    case : Case
    """
    if not case.S.any():
        yield Explanation("zero", "the gradient is 0 everywhere; the right one is not")


def swapped(case: Case) -> Iterator[Explanation]:
    """S is the Jacobian of another tensor of the same shape.

    Parameters
    ----------
    case : Case
    """
    for name, other in case.others.items():
        if name != case.name and other.shape == case.S.shape and case.same(case.S, other):
            yield Explanation("swapped", "this is the gradient of {name}", {"other": name}, name)


def handed_through(case: Case) -> Iterator[Explanation]:
    """S is the Jacobian of y = x.

    Parameters
    ----------
    case : Case
    """
    straight = case.straight()
    if straight is not None and case.J.shape[0] > 1 and case.same(case.S, straight):
        handed = "handed through unchanged" if case.in_shape == case.out_shape else "only summed"
        yield Explanation("unchanged", f"dy is {handed}: multiply it by the derivative of the layer first")


def turned_operand(case: Case) -> Iterator[Explanation]:
    """S is the right Jacobian where another input is transposed or turned round, a convolution's kernel for one.

    Parameters
    ----------
    case : Case
    """
    for text, jacobian in case.turned():
        if case.same(case.S, jacobian) and not case.same(case.J, jacobian):
            yield Explanation("operand", "this is the gradient for {name}", {"quantity": text}, text)


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


def diagonal(case: Case) -> Iterator[Explanation]:
    """S keeps of J only what leads from an index of the output to the same index of the tensor."""
    for out_axis, axis, S, J in matched_axes(case):
        own = np.eye(len(S), dtype=bool)[..., None]
        if case.same(S, np.where(own, J, 0)) and not case.same(S, J):
            sentence = (
                f"index by index along axis {axis}, each output reaches its own entry only: the terms between "
                "different entries are missing"
            )
            yield Explanation("diagonal", sentence, {"axis": axis, "of output": out_axis})


def reordered(case: Case) -> Iterator[Explanation]:
    """S is J with axes exchanged, or with slices along an axis in another order.

    Parameters
    ----------
    case : Case
    """
    S, J = case.cube(case.S), case.cube(case.J)
    for axes, text in describe_axes(case.in_shape):
        if case.same(S, J.transpose(0, *(a + 1 for a in axes))):
            yield Explanation("transpose", f"the gradient is the right one with {text} exchanged", {"axes": axes})
    out = case.J.reshape(*case.out_shape, -1)
    for axes, text in describe_axes(case.out_shape):
        if case.same(case.S, out.transpose(*axes, len(axes)).reshape(case.J.shape)):
            yield Explanation("transpose", f"dy is used with {text} exchanged", {"axes": axes, "of": "dy"})
    for jacobian, wrong, shape, offset, what in (
        (J, S, case.in_shape, 1, case.name),
        (out, case.S.reshape(out.shape), case.out_shape, 0, "dy"),
    ):
        for axis, size in enumerate(shape):
            order = describe_order(case, np.moveaxis(wrong, axis + offset, 0), np.moveaxis(jacobian, axis + offset, 0))
            if order:
                yield Explanation("permuted", f"axis {axis} of {what} is {order}", {"axis": axis, "size": size})
    for axes in itertools.permutations(range(len(case.in_shape))):
        if case.same(S, J.transpose(0, *(a + 1 for a in axes)).reshape(S.shape)):
            sentence = "the gradient was reshaped where its axes should be transposed"
            yield Explanation("permuted", sentence, {"axes": axes})


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


def summed(case: Case) -> Iterator[Explanation]:
    """S holds the sum or the mean of J over an axis of the tensor.

    Parameters
    ----------
    case : Case
    """
    S, J = case.cube(case.S), case.cube(case.J)
    for axis, size in enumerate(case.in_shape):
        total = J.sum(axis + 1, keepdims=True)
        for number, word in ((1, "sum"), (size, "mean")):
            if size > 1 and case.same(S, np.broadcast_to(total / number, S.shape)):
                sentence = f"each entry is the {word} of the right gradient over axis {axis}: keep that axis"
                yield Explanation("summed", sentence, {"axis": axis, "by": word})


def mixed(case: Case) -> Iterator[Explanation]:
    """S leads from an index of the output to other indices of the tensor where J does not, as a sum over them would.

    What depends on the sum of dy alone says nothing: any numbers times this sum would do.
    """
    if np.linalg.matrix_rank(case.S, CLOSE * case.scale) < 2:
        return
    for out_axis, axis, S, J in reversed(list(matched_axes(case))):
        apart = ~np.eye(len(S), dtype=bool)
        if np.abs(J[apart]).max() <= 1e-7 * case.scale < CLOSE * case.scale < np.abs(S[apart]).max():
            left = int(np.prod(case.out_shape)) // case.out_shape[out_axis]
            if is_a_sum(S.reshape(*S.shape[:2], left, -1)):
                sentence = (
                    f"what forward keeps apart along axis {axis} is mixed: does a sum, mean or product run over it?"
                )
                yield Explanation("mixed", sentence, {"axis": axis})


def is_a_sum(S: np.ndarray) -> bool:
    """Whether what leads from one index to another goes through few numbers: a sum, a mean.

    Parameters
    ----------
    S : (size, size, outputs, entries) array
        From the first index to the second.

    Returns
    -------
    bool
        Whether most of it is 0 (a sum over one axis keeps the others apart), or its rank is less than that of numbers
        without any order.
    """
    size = len(S)
    apart = S[~np.eye(size, dtype=bool)]
    if min(S.shape[2:]) > 1 and 2 * np.count_nonzero(np.abs(apart) > CLOSE * np.abs(S).max()) <= apart.size:
        return True
    block = S[: size // 2, size // 2 :].transpose(0, 2, 1, 3)
    block = block.reshape(block.shape[0] * block.shape[1], -1)
    return bool(np.linalg.matrix_rank(block, CLOSE * np.abs(S).max()) < min(block.shape))
