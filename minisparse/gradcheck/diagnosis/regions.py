"""Name a set of entries by the sign of a known quantity, or by its place."""

from __future__ import annotations

import numpy as np

from .case import Case


def name_region(case: Case, inside: np.ndarray, fixed: np.ndarray) -> tuple[str, dict] | None:
    """Name a set of entries by the sign of a quantity or by its place."""
    if not inside.any() or not (fixed & ~inside).any():
        return None
    for quantity in (q for q in case.known if q.kind == "array"):
        values = quantity.broadcast(inside.shape)
        if values is None:
            continue
        signs = {"negative": values < 0, "positive": values > 0, "zero": values == 0}
        for sign, where in (*signs.items(), ("not positive", values <= 0), ("not negative", values >= 0)):
            if np.array_equal(where & fixed, inside & fixed):
                return f"where {quantity.name} is {sign}", {"quantity": quantity.name, "sign": sign}
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
            return f"at {span} along axis {axis} {where}", evidence
    if inside.sum() == 1:
        place = tuple(map(int, np.argwhere(inside)[0]))
        return f"at entry {place}", {"entry": place}
    return None
