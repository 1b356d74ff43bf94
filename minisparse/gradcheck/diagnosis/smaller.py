"""Explain a part of a wrong gradient: before its last product, or at its last time step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from .case import Attempt, Case, Explanation, parallel
from .factors import extra_factor, lacks_mask, one_number, per_entry, per_output
from .products import coefficients, linear_maps
from .structure import diagonal, is_kept_apart, mixed
from .terms import along

INNER: tuple[Attempt, ...] = (one_number, per_entry, per_output, diagonal, extra_factor, lacks_mask, mixed, along)


def peeled(case: Case) -> Iterator[Explanation]:
    """Take off the last product, if S and J share it, and explain what is left."""
    for quantity, axis, theirs in linear_maps(case):
        G, wrong = (coefficients(case, A, quantity.values, axis, theirs) for A in (case.J, case.S))
        if G is None or wrong is None:
            continue
        inner = dataclasses.replace(
            case, J=G.reshape(len(G), -1), S=wrong.reshape(len(G), -1), in_shape=G.shape[1:], others={},
            judged=np.ones(G.shape[1:], bool),
        )  # fmt: skip
        yield from _before(quantity.name, inner)
    S, J = case.joint(case.S), case.joint(case.J)
    first = len(case.out_shape)
    for axis, size in enumerate(case.in_shape):
        for name, values in case.laid_out(plain=True) if len(case.in_shape) > 1 < size else ():
            place = first + axis
            if values.shape[place] != size or not (parallel(S, values, place) and parallel(J, values, place)):
                continue
            square = (values * values).sum(place, keepdims=True)
            left = [(A * values).sum(place, keepdims=True) / np.where(square > 0, square, 1) for A in (S, J)]
            shape = tuple(1 if k == axis else n for k, n in enumerate(case.in_shape))
            inner = dataclasses.replace(
                case, S=left[0].reshape(len(case.S), -1), J=left[1].reshape(len(case.S), -1), in_shape=shape,
                others={}, judged=np.ones(shape, bool),
            )  # fmt: skip
            yield from _before(name, inner)


def _before(name: str, inner: Case) -> Iterator[Explanation]:
    for found in explanations(inner, INNER):
        yield dataclasses.replace(found, sentence=f"before the product with {name}, {found.sentence}")


def last_step(case: Case) -> Iterator[Explanation]:
    """Explain a sequence's gradient at its last time step, which no way back through time has touched."""
    for axis in (0, 1):
        inner = _at_last_step(case, axis)
        if inner and np.abs(inner.J).max() and not inner.same(inner.S, inner.J):
            for found in explanations(inner, INNER):
                evidence = {**found.evidence, "step": "last"}
                sentence = f"at the last time step, {found.sentence}"
                yield dataclasses.replace(found, sentence=sentence, evidence=evidence)


def _at_last_step(case: Case, axis: int) -> Case | None:
    if len(case.in_shape) != 3 or case.in_shape[axis] < 3 or is_kept_apart(case, axis):
        return None
    steps, out_shape = case.in_shape[axis], case.out_shape
    S, J = (np.take(case.joint(A), -1, len(out_shape) + axis) for A in (case.S, case.J))
    if len(out_shape) == 3 and out_shape[axis] == steps:
        S, J = np.take(S, -1, axis), np.take(J, -1, axis)
        out_shape = (*out_shape[:axis], *out_shape[axis + 1 :])
    known = [
        dataclasses.replace(q, name=f"{q.name}[-1]", values=np.take(q.values, -1, axis))
        if q.kind == "array" and q.values.ndim == 3 and q.values.shape[axis] in (steps, steps + 1)
        else q
        for q in case.known
    ]
    shape = (*case.in_shape[:axis], *case.in_shape[axis + 1 :])
    outputs = int(np.prod(out_shape))
    S, J = S.reshape(outputs, -1), J.reshape(outputs, -1)
    return Case(case.name, S, J, shape, out_shape, known, {}, np.take(case.judged, -1, axis))


def explanations(case: Case, attempts: Iterable[Attempt]) -> Iterator[Explanation]:
    """Yield what each attempt has to say, in their order.

    Parameters
    ----------
    case : Case
    attempts : functions
        Each takes the case and yields explanations; the simplest come first.
    """
    if np.abs(case.J).max() > 0:
        for attempt in attempts:
            yield from attempt(case)
