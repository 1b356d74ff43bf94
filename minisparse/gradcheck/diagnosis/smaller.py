"""Explain a part of a wrong gradient: before its last product, or at its last time step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Case, parallel
from .factors import extra_factor, one_number, per_entry, per_output
from .products import coefficients, linear_maps
from .structure import diagonal, is_kept_apart, mixed
from .terms import along

INNER: tuple[Callable[[Case], Any], ...] = (
    one_number, per_entry, per_output, diagonal, extra_factor, mixed, along,
)  # fmt: skip


def peeled(case: Case) -> tuple | None:
    """Take off the last product, if S and J share it, and explain what is left."""
    for quantity, axis, theirs in linear_maps(case):
        G, wrong = (coefficients(case, A, quantity.values, axis, theirs) for A in (case.J, case.S))
        if G is None or wrong is None:
            continue
        inner = dataclasses.replace(
            case, J=G.reshape(len(G), -1), S=wrong.reshape(len(G), -1), in_shape=G.shape[1:], others={},
            judged=np.ones(G.shape[1:], bool),
        )  # fmt: skip
        explained = first_that_holds(inner, INNER)
        if explained:
            return explained[0], f"before the product with {quantity.name}, {explained[1]}", explained[2]
    S, J = case.joint(case.S), case.joint(case.J)
    first = len(case.out_shape)
    for axis, size in enumerate(case.in_shape):
        for name, values in case.laid_out(plain=True) if len(case.in_shape) > 1 < size else ():
            place = first + axis
            if values.shape[place] != size or not (parallel(S, values, place) and parallel(J, values, place)):
                continue
            square = (values * values).sum(place, keepdims=True)
            outputs = case.J.shape[0]
            left = [(A * values).sum(place, keepdims=True) / np.where(square > 0, square, 1) for A in (S, J)]
            shape = tuple(1 if k == axis else n for k, n in enumerate(case.in_shape))
            inner = dataclasses.replace(
                case, S=left[0].reshape(outputs, -1), J=left[1].reshape(outputs, -1), in_shape=shape, others={},
                judged=np.ones(shape, bool),
            )  # fmt: skip
            explained = first_that_holds(inner, INNER)
            if explained:
                return explained[0], f"before the product with {name}, {explained[1]}", explained[2]
    return None


def last_step(case: Case) -> tuple | None:
    """Explain a sequence's gradient at its last time step, which no way back through time has touched."""
    if len(case.in_shape) != 3 or case.in_shape[0] < 3 or is_kept_apart(case, 0):
        return None
    steps = case.in_shape[0]
    S, J = case.cube(case.S)[:, -1], case.cube(case.J)[:, -1]
    out_shape = case.out_shape
    if len(out_shape) == 3 and out_shape[0] == steps:
        last = slice(-(S.shape[0] // steps), None)
        S, J, out_shape = S[last], J[last], out_shape[1:]
    known = [
        dataclasses.replace(q, name=f"{q.name}[-1]", values=q.values[-1])
        if q.kind == "array" and q.values.ndim == 3 and q.values.shape[0] in (steps, steps + 1)
        else q
        for q in case.known
    ]
    shape = case.in_shape[1:]
    S, J = S.reshape(len(S), -1), J.reshape(len(J), -1)
    inner = Case(case.name, S, J, shape, out_shape, known, {}, case.judged[-1])
    if not np.abs(J).max() or inner.same(S, J):
        return None
    explained = first_that_holds(inner, INNER)
    return explained and (explained[0], f"at the last time step, {explained[1]}", {**explained[2], "step": "last"})


def first_that_holds(case: Case, attempts: tuple) -> tuple | None:
    """Return the explanation by the first attempt that has one.

    Parameters
    ----------
    case : Case
    attempts : tuple of callables
        Each takes the case and returns (code, sentence, evidence) or None; the simplest come first.

    Returns
    -------
    (code, sentence, evidence) or None
        None if nobody has one, or if the right gradient is 0 everywhere.
    """
    if not np.abs(case.J).max() > 0:
        return None
    return next(filter(None, (attempt(case) for attempt in attempts)), None)
