"""Name a set of entries by the sign of a known quantity, or by its place."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .case import Case


def name_region(case: Case, inside: np.ndarray, fixed: np.ndarray) -> Iterator[tuple[str, dict]]:
    """Yield the names of a set of entries: by the sign of each quantity that fits, or else by its place.

    Parameters
    ----------
    case : Case
    inside, fixed : array of bool
        The set, and the entries that are known to be in it or not.

    Yields
    ------
    (name, evidence)
    """
    if not inside.any() or not (fixed & ~inside).any():
        return
    signed = list(_by_sign(case, inside, fixed))
    yield from signed or _by_place(case, inside, fixed)


def _by_sign(case: Case, inside: np.ndarray, fixed: np.ndarray) -> Iterator[tuple[str, dict]]:
    for quantity in (q for q in case.known if q.kind == "array"):
        values = quantity.broadcast(inside.shape)
        if values is None:
            continue
        signs = {"negative": values < 0, "positive": values > 0, "zero": values == 0}
        for sign, where in (*signs.items(), ("not positive", values <= 0), ("not negative", values >= 0)):
            if np.array_equal(where & fixed, inside & fixed):
                yield f"where {quantity.name} is {sign}", {"quantity": quantity.name, "sign": sign}
                break


def _by_place(case: Case, inside: np.ndarray, fixed: np.ndarray) -> Iterator[tuple[str, dict]]:
    for axis, size in enumerate(inside.shape):
        hit = [i for i in range(size) if np.take(inside, i, axis).any()]
        full = all(2 * np.take(inside, i, axis).sum() >= np.take(fixed, i, axis).sum() for i in hit)
        if len(hit) == size or not full:
            continue
        if hit == list(range(hit[0], hit[-1] + 1)):
            span = f"index {hit[0]}" if len(hit) == 1 else f"indices {hit[0]} to {hit[-1]}"
            of = "output" if inside.shape == case.out_shape != case.in_shape else case.name
            evidence = {"axis": axis, "first": hit[0] == 0, "count": len(hit), "indices": hit, "of": of}
            where = "of the output" if of == "output" else f"of {case.name}"
            yield f"at {span} along axis {axis} {where}", evidence
            return
    if inside.sum() == 1:
        place = tuple(map(int, np.argwhere(inside)[0]))
        yield f"at entry {place}", {"entry": place}
