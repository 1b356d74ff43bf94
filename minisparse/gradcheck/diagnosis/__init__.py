"""Say what is wrong with a gradient, from numbers alone: no source is read, nothing about the layer is known.

Central differences give the whole Jacobian J of the output by each input, and a backward pass, called once per output
entry, gives the Jacobian S that it computes. Each function below tries one explanation of S by J; the first that holds
to rounding is reported. They stand in the order of simplicity: one number, a number per entry, an error of some form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...backend import to_numpy
from ..probe import Probe
from ..report import Finding
from .case import Case
from .factors import extra_factor, one_number, own_number, per_entry, per_output
from .products import contracted
from .quantities import quantities
from .smaller import first_that_holds, last_step, peeled
from .structure import diagonal, mixed, not_linear, reordered, summed, swapped, zero
from .terms import along, confined, extra_term
from .through_time import through_time

LARGEST = 2_000_000
"""Entries of a Jacobian up to which a diagnosis is tried."""

ATTEMPTS: tuple[Callable[[Case], Any], ...] = (
    zero, one_number, swapped, per_entry, per_output, extra_factor, through_time, diagonal, own_number,
    reordered, contracted, summed, mixed, confined, extra_term, along, peeled, last_step,
)  # fmt: skip

SHARED = {"step-factor", "truncated", "confined", "mixed", "diagonal", "operand"}
"""Causes that lie on the way to several inputs; a factor or an exchanged axis is one gradient's own."""

__all__ = ["diagnose"]


def as_float(gradient: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a gradient as float64 on the host; refuse another shape."""
    array = np.asarray(to_numpy(gradient) if hasattr(gradient, "dtype") else gradient, float)
    if array.shape != shape:
        raise ValueError(f"a gradient of shape {array.shape} for an input of shape {shape}")
    return array


def diagnose(
    probe: Probe,
    backward: Callable,
    names: list[str],
    support: dict[str, np.ndarray],
    judged: dict[str, np.ndarray],
) -> dict[str, Finding]:
    """Explain the wrong gradients among the named inputs; what has no simple explanation is left out.

    Parameters
    ----------
    probe : Probe
        With `grads`, what `backward` gave for the probe's cotangent.
    backward : callable
    names : list of str
        Inputs whose gradient is wrong.
    support : dict of bool arrays
        Where a synapse exists.
    judged : dict of bool arrays
        What can be compared: an entry at a kink or off the support is left out of everything.

    Returns
    -------
    dict of Finding
    """
    total = sum(probe.value(name).size for name in probe.floats)
    if not names or probe.y.size * total > LARGEST:
        return {}
    cotangents = [*np.eye(probe.y.size).reshape(-1, *probe.y.shape), 2 * probe.dy, 0 * probe.dy]
    try:
        answers = [backward(probe.cotangent(dy), probe.cache) for dy in cotangents]
        answers = [{name: as_float(grads[name], probe.value(name).shape) for name in names} for grads in answers]
    except Exception:  # a backward pass that cannot be asked about single outputs stays a plain mismatch
        return {}
    *calls, double, nothing = answers
    right = {name: probe.jacobian(name) for name in probe.floats}
    known = quantities(probe, support)
    found = {}
    for name in names:
        S = np.array([grads[name].ravel() for grads in calls])
        grad = as_float(probe.grads[name], probe.value(name).shape).ravel()
        twice, zero = double[name].ravel(), nothing[name].ravel()
        J = right[name]
        on = judged[name].ravel()
        if not on.all():
            J, S, grad, twice, zero = J * on, S * on, grad * on, twice * on, zero * on
        case = Case(name, S, J, probe.value(name).shape, probe.y.shape, known, right, judged[name])
        if not np.isfinite(S).all() or not np.isfinite(J).all():
            continue
        if not case.same(S.T @ probe.dy.ravel(), grad, np.abs(grad).max() or 1.0):
            explained = not_linear(case, grad, twice, zero)
        else:
            with np.errstate(all="ignore"):
                explained = first_that_holds(case, ATTEMPTS)
        if explained:
            code, sentence, evidence = explained
            found[name] = Finding(code, name, sentence, evidence)
    return _shared_cause(found, names)


def _shared_cause(found: dict[str, Finding], names: list[str]) -> dict[str, Finding]:
    """Let what is wrong together, and is not explained on its own, take the one explanation there is.

    Where time runs through the output, a parameter's gradient is a sum over steps in which a wrong way back shows as no
    more than "wrong from some output on"; the input's gradient, step by step, shows the cause.
    """
    clear = {name: f for name, f in found.items() if f.evidence.get("of") != "output"} or found
    if len({finding.code for finding in clear.values()}) != 1:
        return found
    source, cause = next(iter(clear.items()))
    if cause.code not in SHARED:
        return found
    for name in names:
        if name not in clear:
            sentence = f"probably the same cause as in {source}: {cause.sentence}"
            found[name] = Finding(cause.code, name, sentence, {**cause.evidence, "as": source})
    return found
