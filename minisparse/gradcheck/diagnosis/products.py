"""J = G a: the last product before the tensor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import Case, Explanation
from .quantities import Quantity


def linear_maps(case: Case) -> Iterator[tuple[Quantity, int, int]]:
    """Yield arrays that may be the last linear map before the tensor: (array, the tensor's axis, the array's).

    The array's remaining axis is summed over; a third axis, if it has one, is the last one and shared with the tensor.
    """
    for quantity in case.known:
        shape = quantity.values.shape
        if quantity.kind != "array" or len(shape) not in (2, 3):
            continue
        if len(shape) == 3 and (len(case.in_shape) != 3 or shape[-1] != case.in_shape[-1]):
            continue
        for axis in range(len(case.in_shape) - (len(shape) == 3)):
            for theirs in (0, 1):
                if shape[theirs] == case.in_shape[axis] and 1 < shape[1 - theirs] <= shape[theirs]:
                    yield quantity, axis, theirs


def coefficients(case: Case, jacobian: np.ndarray, values: np.ndarray, axis: int, theirs: int) -> np.ndarray | None:
    """Solve jacobian = G values for G (outputs x the tensor's axes, `axis` summed over), or say that there is none."""
    array = values if theirs == 1 else np.swapaxes(values, 0, 1)
    array = np.moveaxis(array, -1, 0) if values.ndim == 3 else array[None]
    cube = np.moveaxis(case.cube(jacobian), axis + 1, -1)  # what is left of the tensor, then the contracted axis
    stack = np.moveaxis(cube, -2, 0) if values.ndim == 3 else cube[None]
    rows = stack.reshape(len(stack), -1, stack.shape[-1])
    G = rows @ np.linalg.pinv(array)
    if not case.same(G @ array, rows):
        return None
    G = G.reshape(*stack.shape[:-1], -1)
    return np.moveaxis(np.moveaxis(G, 0, -2) if values.ndim == 3 else G[0], -1, axis + 1)


def contracted(case: Case) -> Iterator[Explanation]:
    """J = G a and S = G b for two arrays of one shape: b is used where a belongs."""
    for right, axis, theirs in linear_maps(case):
        G = coefficients(case, case.J, right.values, axis, theirs)
        if G is None:
            continue
        for wrong, *place in linear_maps(case):
            if wrong is right or place != [axis, theirs] or wrong.values.shape != right.values.shape:
                continue
            made = coefficients(case, case.S, wrong.values, axis, theirs)
            if made is not None and case.same(made, G, np.abs(G).max()):
                evidence = {"right": right.name, "wrong": wrong.name}
                yield Explanation("operand", f"{{name}} is used where {right.name} belongs", evidence, wrong.name)
