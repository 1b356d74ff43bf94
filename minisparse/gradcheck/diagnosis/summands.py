"""A sum of which one summand is left: the last output, window, step or example."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case, Explanation
from .factors import ratio


def one_summand(case: Case) -> Iterator[Explanation]:
    """S is J at one index of some axes of the output, and 0 at all others."""
    factor, fixed = ratio(case.S, case.J, axis=1)
    if not case.same(case.S, factor[:, None] * case.J):
        return
    factor, fixed = factor.reshape(case.out_shape), fixed.reshape(case.out_shape)
    zeros, ones = fixed & (np.abs(factor) < CLOSE), fixed & (np.abs(factor - 1) < CLOSE)
    if not zeros.any() or not ones.any() or not (zeros | ones)[fixed].all():
        return
    place, axes = np.ones(case.out_shape, bool), []
    for axis, size in enumerate(case.out_shape):
        kept = [i for i in range(size) if np.take(ones, i, axis).any()]
        if len(kept) == 1 and size > 1:
            axes.append((axis, size, kept[0]))
            place &= (np.arange(size) == kept[0]).reshape([-1 if k == axis else 1 for k in range(place.ndim)])
    inside = place.ravel()
    several = (case.J[inside].any(0) & case.J[~inside].any(0)).any()  # else nothing is summed
    if not axes or (zeros & place).any() or not several:
        return
    where = " and ".join(
        f"the { {0: 'first', size - 1: 'last'}.get(index, f'number {index}') } of the {size} summands along axis {axis}"
        for axis, size, index in axes
    )
    sentence = f"only {where} of the output counts: sum over all of them (is a += written as =, or an index left over?)"
    yield Explanation("summand", sentence, {"axis": axes[0][0], "index": axes[0][2]})


def shared(case: Case) -> Iterator[Explanation]:
    """Each entry keeps what comes from one of the places of the output that it reaches: the last, or the first."""
    S, J = (np.where(np.abs(A) > 1e-7 * case.scale, A, 0) for A in (case.S, case.J))
    reached = J != 0
    if not (reached.sum(0) > 1).any():
        return
    said = set()
    for number in range(len(case.out_shape), 0, -1):
        for axes in itertools.combinations(range(len(case.out_shape)), number):
            shape = [size if axis in axes else 1 for axis, size in enumerate(case.out_shape)]
            places = np.broadcast_to(np.arange(np.prod(shape)).reshape(shape), case.out_shape).reshape(-1, 1)
            last = np.where(reached, places, -1).max(0)
            first = np.where(reached, places, len(J)).min(0)
            for word, place in (("last", last), ("first", first)) if (last > first).any() else ():
                if word not in said and case.same(S, np.where(places == place, J, 0)):
                    said.add(word)
                    sentence = (
                        "where an entry reaches several places of the output (windows that overlap, an index that "
                        f"comes twice), only the {word} of them counts: add up with += and not with ="
                    )
                    yield Explanation("summand", sentence, {"kept": word})
