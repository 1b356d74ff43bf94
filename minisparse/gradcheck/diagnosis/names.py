"""Name a number by sizes, single numbers and products of them; name an array by a known one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from .case import CLOSE, Case, Explanation

MANY = 3
"""If more names than this fit a number, none is said."""


def numbers(case: Case) -> Iterator[tuple[int, str, float]]:
    """Yield what a number may be: (rank, name, value); sizes, then products of sizes, then what is in the arrays.

    Parameters
    ----------
    case : Case
    """
    sizes = [(q.name, q.values.item()) for q in case.known if q.kind == "size"]
    single = [q for q in case.known if q.kind != "size" and q.values.size == 1]
    given = [(q.name, q.values.item()) for q in single if q.kind == "array"]
    for name, a in [*sizes, *given]:
        yield 0, name, a
        yield 0, f"1/{name}", 1 / a if a else np.inf
    for name, a in [(name, a) for name, a in [*sizes, *given] if not name.isdigit()]:
        yield 1, f"{name}²", a * a
        yield 1, f"1/{name}²", 1 / (a * a) if a else np.inf
        yield 1, f"√{name}", abs(a) ** 0.5
        yield 1, f"1/√{name}", abs(a) ** -0.5 if a else np.inf
    for (one, a), (two, b) in itertools.combinations([*sizes, *given], 2):
        yield 1, f"{one} times {two}", a * b
        yield 1, f"1/({one} times {two})", 1 / (a * b) if a * b else np.inf
        yield 1, f"{one} / {two}", a / b if b else np.inf
        yield 1, f"{two} / {one}", b / a if a else np.inf
    for three in itertools.combinations_with_replacement(sizes, 3):
        for way in {tuple(three[(k + s) % 3] for s in range(3)) for k in range(3)}:
            (one, a), (two, b), (last, c) = way
            yield 2, f"{one} / ({two} times {last})", a / (b * c)
            yield 2, f"{two} times {last} / {one}", b * c / a
        product = " times ".join(name for name, _ in three)
        value = float(np.prod([a for _, a in three]))
        yield 2, product, value
        yield 2, f"1/({product})", 1 / value
    for quantity in single:
        for rank, (name, value) in enumerate(quantity.transformed()):
            yield (3 if quantity.kind == "array" else 4), name, value.item() if rank < 6 or rank > 9 else np.inf


def names_of(case: Case, number: float) -> list[tuple[int, str]]:
    """Return every (rank, name) of a number, the simplest first; 1 and -1 need none."""
    if not np.isfinite(number) or abs(abs(number) - 1) < CLOSE or not number:
        return []
    minus = "-" if number < 0 else ""
    with np.errstate(all="ignore"):
        found = [(rank, minus + name) for rank, name, value in numbers(case) if abs(value / abs(number) - 1) < CLOSE]
    return sorted({name: (rank, name) for rank, name in sorted(found, reverse=True)}.values())


def numbered(
    case: Case, code: str, sentence: str, number: float, evidence: dict | None = None
) -> Iterator[Explanation]:
    """Yield an explanation with a number in it, once with each of its names and once with none."""
    evidence = {"factor": number, "quantity": "", **(evidence or {})}
    found = names_of(case, number)
    lowest = [name for rank, name in found if rank == found[0][0]]
    for rank, name in found if len(lowest) <= MANY else ():
        yield Explanation(
            code, sentence.replace("{number}", "{number} = {name}"), {**evidence, "quantity": name}, name, rank, number
        )
    yield Explanation(code, sentence, evidence, "", 99, number, 1)


def matches(values: np.ndarray | None, factor: np.ndarray, fixed: np.ndarray) -> bool:
    """Whether an array is a factor, wherever the factor is defined.

    Parameters
    ----------
    values : array or None
        None, or what is not finite there, matches nothing.
    factor : array
        Of the same shape.
    fixed : array of bool
        Where the factor is defined.

    Returns
    -------
    bool
    """
    if values is None or not fixed.any() or not np.isfinite(values[fixed]).all():
        return False
    return bool(np.abs(values - factor)[fixed].max() <= 5 * CLOSE * np.abs(factor[fixed]).max())


def arrays_like(case: Case, factor: np.ndarray, fixed: np.ndarray) -> list[tuple[int, str]]:
    """Return every (rank, name) of a known array, or transform of one, that a factor is, with its sign.

    Parameters
    ----------
    case : Case
    factor : array
    fixed : array of bool
        Where the factor is defined.

    Returns
    -------
    list of (int, str)
    """
    found = []
    for sign, minus in ((1, ""), (-1, "minus ")):
        for quantity in case.known:
            for rank, (text, values) in enumerate(quantity.transformed(factor.shape)):
                if matches(sign * values, factor, fixed):
                    found.append((rank + 100 * (quantity.kind == "reduced"), minus + text))
    return sorted(found)
