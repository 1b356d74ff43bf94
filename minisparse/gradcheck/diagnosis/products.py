"""J = G a: the last product before the tensor."""

from __future__ import annotations

import itertools
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


def step_states(case: Case, length: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield what may be a state at every step: (name, before the step, after it), each (time, examples, units).

    Parameters
    ----------
    case : Case
    length : int
        The number of units.
    """
    for quantity in case.known:
        shape = quantity.values.shape
        if quantity.kind != "array" or len(shape) not in (2, 3):
            continue
        for time, units in itertools.permutations(range(len(shape)), 2):
            if shape[units] == length and shape[time] > 2 and time < 2:
                states = np.moveaxis(quantity.values, (time, units), (0, -1)).reshape(shape[time], -1, length)
                yield quantity.name, states[:-1], states[1:]
                states = np.concatenate([np.zeros_like(states[:1]), states])
                yield quantity.name, states[:-1], states[1:]


def one_step_off(case: Case) -> Iterator[Explanation]:
    """J = Σ g(t) h(t - 1) and S = Σ g(t) h(t) with the same g: the state after the step stands for that before it.

    Each output has a g of its own, with as many numbers as there are steps before it, and J and S give it twice as many
    equations as there are units. Outputs with too many steps are left out, as any S would fit.
    """
    for axis in (1, 0) if len(case.in_shape) == 2 else ():
        length = case.in_shape[axis]
        J, S = (np.moveaxis(case.cube(A), axis + 1, -1).reshape(len(A), -1, length) for A in (case.J, case.S))
        wanted = np.concatenate([J, S], -1)
        for name, before, after in step_states(case, length):
            told = [_told(case, wanted, before, after, reach) for reach in _reaches(case, len(before))]
            told = max(told, key=lambda rows: -1 if rows is None else rows.size) if told else None
            if told is not None and told.all():
                sentence = "{name} after each step is used where {name} before it belongs: h[t + 1] for h[t]"
                yield Explanation("operand", sentence, {"quantity": name}, name)
                return


def _reaches(case: Case, steps: int) -> Iterator[np.ndarray]:
    """Yield how many steps lie before each output, for each axis of it that may be time, and if none is."""
    yield np.full(case.out_shape, steps).ravel()
    for axis, size in enumerate(case.out_shape[:2]):
        if size == steps:
            shape = [size if k == axis else 1 for k in range(len(case.out_shape))]
            yield np.broadcast_to(np.arange(1, size + 1).reshape(shape), case.out_shape).ravel()


def _told(
    case: Case, wanted: np.ndarray, before: np.ndarray, after: np.ndarray, reach: np.ndarray
) -> np.ndarray | None:
    """Return which outputs fit one g, of those where that says something: a third of them at least, or None."""
    fits, told = np.zeros(len(wanted), bool), np.zeros(len(wanted), bool)
    for example in [slice(k, k + 1) for k in range(before.shape[1])] + [slice(None)]:
        for steps in np.unique(reach):
            both = np.hstack([A[:steps, example].reshape(-1, wanted.shape[-1] // 2) for A in (before, after)])
            here = reach == steps
            if 4 * np.linalg.matrix_rank(both) <= 3 * both.shape[1]:
                apart = wanted[here] - wanted[here] @ np.linalg.pinv(both) @ both
                fits[here] |= np.abs(apart).max((1, 2)) <= 1e-4 * case.scale
                told[here] = True
    return fits[told] if 3 * told.sum() >= len(told) else None
