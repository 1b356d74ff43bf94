"""What a backward pass answers by itself, before any explanation is tried: does it use dy, is it linear, is b used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..probe import Probe
from .case import Case, Explanation
from .draws import ask


def keeps_state(probe: Probe, backward: Callable, names: list[str]) -> list[str]:
    """Return the inputs whose gradient changes when forward and backward are called once more.

    Parameters
    ----------
    probe : Probe
    backward : callable
    names : list of str

    Returns
    -------
    list of str
    """
    one, two = (ask(probe, backward, names, probe.dy) for _ in range(2))
    return [name for name in names if not np.array_equal(one[name], two[name])]


def is_unused(probe: Probe, name: str) -> bool:
    """Whether the output stays as it is wherever an input goes (that of a rectifier, say, stays for a while only).

    Parameters
    ----------
    probe : Probe
    name : str

    Returns
    -------
    bool
    """
    rng, value, outputs = np.random.default_rng(3), probe.value(name), []
    for size in (1, 1, 10, 10):
        try:
            outputs.append(probe.elsewhere({name: value + size * rng.standard_normal(value.shape)}).y)
        except Exception:  # outside the domain, which is a use
            return False
    return all(np.array_equal(y, probe.y) for y in outputs)


def fact(probe: Probe, backward: Callable, case: Case) -> Explanation | None:
    """Say what is wrong with a gradient as a function of dy, or that forward does not use the input.

    Parameters
    ----------
    probe : Probe
    backward : callable
    case : Case

    Returns
    -------
    Explanation or None
        Its code is "mismatch" where it is no explanation.
    """
    if not case.J.any():
        used = f"the output does not depend on {case.name} at all, but its gradient is not 0: does forward use it?"
        return Explanation("unused", used) if case.S.any() and is_unused(probe, case.name) else None
    grad, twice, none = (ask(probe, backward, [case.name], k * probe.dy)[case.name].ravel() for k in (1, 2, 0))
    on, scale = case.judged.ravel(), np.abs(grad).max() or 1.0
    grad, twice, none = grad * on, twice * on, none * on
    if case.same(case.S.T @ probe.dy.ravel(), grad, scale):
        return None
    if not (case.same(twice, grad, scale) and case.same(none, grad, scale)):
        sentence = "the gradient is not linear in dy: that of a sum of cotangents must be the sum of theirs"
        return Explanation("not-linear", sentence)
    if case.same(grad, case.J.sum(0), scale):
        return Explanation("ignores-dy", "the gradient does not depend on dy; multiply the local derivative by it")
    return Explanation("mismatch", "the gradient does not depend on dy, and is not that for dy = 1 either")
