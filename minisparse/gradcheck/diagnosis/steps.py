"""A weight's gradient as a sum over time: with the state of the wrong step, or with one step only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .case import Case, Explanation

LATE = "{name} after each step is used where {name} before it belongs: h[t + 1] for h[t]"
EARLY = "{name} before each step is used where {name} after it belongs: h[t - 1] for h[t]"
ONE = "of the {steps} steps in {name} only the {word} counts: add up over time with += and not with ="


def by_state(case: Case) -> Iterator[Explanation]:
    """J = Σ g(t) a(t) and S = Σ g(t) b(t) with the same g, where b is the state of the next step or of one step only.

    Each output has a g of its own, with as many numbers as there are steps before it. If these are no more than the
    units, J gives g and g gives S; outputs with so many steps that J leaves most of S open are left out.
    """
    for axis in (1, 0) if len(case.in_shape) == 2 else ():
        length = case.in_shape[axis]
        J, S = (np.moveaxis(case.cube(A), axis + 1, -1).reshape(len(A), -1, length) for A in (case.J, case.S))
        wanted = np.concatenate([J, S], -1)
        for code, sentence, name, right, wrong in hypotheses(case, length):
            found = [told(case, wanted, right, wrong, reach) for reach in reaches(case, len(right))]
            best = max(found, key=lambda rows: -1 if rows is None else rows.size)
            if best is not None and best.all():
                yield Explanation(code, sentence, {"quantity": name}, name)


def hypotheses(case: Case, length: int) -> Iterator[tuple[str, str, str, np.ndarray, np.ndarray]]:
    """Yield what a(t) and b(t) may be: (code, sentence, name, a, b), both (time, examples, units).

    Parameters
    ----------
    case : Case
    length : int
        The number of units.
    """
    for quantity in case.known:
        shape = quantity.values.shape
        if quantity.kind != "array" or len(shape) not in (2, 3) or shape == case.in_shape:
            continue
        for time, units in itertools.permutations(range(len(shape)), 2):
            if shape[units] == length and shape[time] > 2 and time < 2:
                states = np.moveaxis(quantity.values, (time, units), (0, -1)).reshape(shape[time], -1, length)
                started = np.concatenate([np.zeros_like(states[:1]), states])
                for before, after in ((states[:-1], states[1:]), (started[:-1], started[1:])):
                    yield "operand", LATE, quantity.name, before, after
                    yield "operand", EARLY, quantity.name, after, before
                sums = states, states[:-1], states[1:]
                for a, (word, kept) in itertools.product(sums, (("first", 0), ("last", -1))):
                    only = np.zeros_like(a)
                    only[kept] = a[kept]
                    sentence = ONE.replace("{steps}", str(len(a))).replace("{word}", word)
                    yield "summand", sentence, quantity.name, a, only


def reaches(case: Case, steps: int) -> Iterator[np.ndarray]:
    """Yield how many steps lie before each output: all, or for an axis of it that may be time, those up to it.

    Parameters
    ----------
    case : Case
    steps : int
    """
    yield np.full(case.out_shape, steps).ravel()
    for axis, size in enumerate(case.out_shape[:2]):
        if size == steps:
            shape = [size if k == axis else 1 for k in range(len(case.out_shape))]
            yield np.broadcast_to(np.arange(1, size + 1).reshape(shape), case.out_shape).ravel()


def told(case: Case, wanted: np.ndarray, right: np.ndarray, wrong: np.ndarray, reach: np.ndarray) -> np.ndarray | None:
    """Return which outputs fit one g, among those where this says something; None if they are less than a third.

    Parameters
    ----------
    case : Case
    wanted : (outputs, rest, 2 units) array
        J and S side by side.
    right, wrong : (time, examples, units) array
    reach : (outputs,) array
    """
    fits, looked = np.zeros(len(wanted), bool), np.zeros(len(wanted), bool)
    for steps in np.unique(reach):
        here = reach == steps
        for a, b in _by_example_and_together(right[:steps], wrong[:steps]):
            both = np.concatenate([a, b], -1)
            of_a, of_b = np.linalg.matrix_rank(np.stack([a, b]))
            says = 2 * (np.linalg.matrix_rank(both) - of_a) <= of_b  # few numbers of S are left open by J
            if not says.any():
                continue
            looked[here] = True
            for projection in np.linalg.pinv(both[says]) @ both[says]:
                apart = wanted[here] - wanted[here] @ projection
                fits[here] |= np.abs(apart).max((1, 2)) <= 1e-4 * case.scale
    return fits[looked] if 3 * looked.sum() >= len(looked) else None


def _by_example_and_together(*states: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Yield the states (time, examples, units) as one matrix for each example, and then as one of all, in stacks."""
    yield [np.moveaxis(A, 1, 0) for A in states]
    if states[0].shape[1] > 1:
        yield [A.reshape(1, -1, A.shape[-1]) for A in states]
