"""Say what is wrong with a gradient, from numbers alone: no source is read, nothing about the layer is known.

Central differences give the whole Jacobian J of the output by each input, and a backward pass, called once per output
entry, gives the Jacobian S that it computes. Each attempt tries one form of explanation of S by J; `proven` takes the
first one that holds and could have failed. They stand in the order of simplicity: one number, a number per entry, an
error of some form.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..probe import Probe
from ..report import Finding
from .case import CLOSE, Attempt, Case, Explanation
from .draws import draws
from .factors import extra_factor, lacks_mask, one_number, own_number, per_entry, per_output
from .facts import fact, keeps_state
from .large import large
from .products import contracted
from .smaller import last_step, peeled
from .steps import by_state
from .structure import diagonal, handed_through, mixed, reordered, summed, swapped, turned_operand, zero
from .summands import one_summand, shared
from .terms import along, confined, extra_term, other_path, penalty
from .through_time import through_time

LARGEST = 2_000_000
"""Entries of a Jacobian up to which a diagnosis is tried."""

ATTEMPTS: tuple[Attempt, ...] = (
    zero, one_number, swapped, handed_through, one_summand, through_time, shared, per_entry, per_output, extra_factor,
    lacks_mask, diagonal, penalty, other_path, own_number, reordered, turned_operand, contracted, by_state, summed,
    mixed, confined, extra_term, along, peeled, last_step,
)  # fmt: skip

SHARED = {"step-factor", "truncated", "confined", "mixed", "diagonal", "operand", "summand"}
"""Causes that lie on the way to several inputs; a factor or an exchanged axis is one gradient's own."""

__all__ = ["diagnose"]


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
    if probe.y.size * total > LARGEST:
        return large(probe, names, LARGEST)
    try:
        restless = keeps_state(probe, backward, names)
        at = [] if restless else list(draws(probe, backward, names, support, judged))
    except Exception:  # a backward pass that cannot be asked about single outputs stays a plain mismatch
        return {}
    sentence = (
        "backward keeps state: the same forward and backward give another gradient when they are called once more"
    )
    found = {name: Finding("state", name, sentence) for name in restless}
    for name in names if at else ():
        cases = [cases[name] for cases in at]
        if not np.isfinite(cases[0].S).all() or not np.isfinite(cases[0].J).all():
            continue
        with np.errstate(all="ignore"):
            explained = fact(probe, backward, cases[0]) or first_proven(cases)
        if explained:
            found[name] = Finding(explained.code, name, explained.sentence, explained.evidence)
    return _shared_cause(found, names)


MOST = 3
"""Names of one quantity that a sentence tells, if several are equal; of clauses one alone."""


def first_proven(cases: list[Case]) -> Explanation | None:
    """Return the first explanation that is proven."""
    if len(cases) < 2 or any(not case.J.any() for case in cases):
        return None
    if cases[0].same(cases[0].S, cases[0].J):  # wrong is what is too small next to other entries to be explained
        return None
    attempts = ATTEMPTS if cases[0].S.size > 1 else ATTEMPTS[:3]  # one number by one number
    return next(filter(None, (proven(attempt, cases) for attempt in attempts)), None)


def proven(attempt: Attempt, cases: list[Case]) -> Explanation | None:
    """Return what an attempt says, if it says it at every draw of the inputs and could not say it of any gradient.

    An explanation is proven if it fits fewer numbers than it explains, if it is the same at fresh inputs, and if it
    does not explain random numbers: as a gradient everywhere, where the right one is not 0, and as factors of dy. If
    several names fit equally well, all are said.

    Parameters
    ----------
    attempt : function
    cases : list of Case
        One wrong gradient, at each draw.

    Returns
    -------
    Explanation or None
    """
    found = list(attempt(cases[0]))
    for case in cases[1:]:
        if not found:
            return None
        again = {(e.code, e.sentence, e.name): e for e in attempt(case)}
        found = [_at_both(e, again.get((e.code, e.sentence, e.name))) for e in found]
        found = [e for e in found if e and e.free < min(case.equations, cases[0].equations)]
    if not found:
        return None
    anything, *sparse = ([*attempt(placebo)] for placebo in _placebos(cases[0]))
    vacuous = {(e.code, e.sentence) for e in anything}
    vacuous |= {(e.code, e.sentence, e.name) for said in sparse for e in said}
    found = [e for e in found if not vacuous & {(e.code, e.sentence), (e.code, e.sentence, e.name)}]
    if not found:
        return None
    best = found[0]
    named = [e.name for e in found if (e.code, e.sentence, e.rank) == (best.code, best.sentence, best.rank)]
    names = list(dict.fromkeys(named))
    most = 1 if " where " in names[0] else MOST
    rest = f" (or one of {len(names) - most} others that are equal here)" if len(names) > most else ""
    sentence = best.sentence.replace("{name}", " or ".join(names[:most]) + rest)
    return dataclasses.replace(best, sentence=sentence.replace("{number}", _written(best.number)))


def _at_both(one: Explanation, two: Explanation | None) -> Explanation | None:
    """Return an explanation that holds at both draws; what changes between them is not given as a number."""
    if two is None:
        return None
    if not one.name and isinstance(one.number, float) and abs(one.number - two.number) > CLOSE * abs(one.number):
        return dataclasses.replace(one, number=f"a number that changes with the inputs ({one.number:.6g} here)")
    return one


def _placebos(case: Case) -> Iterator[Case]:
    rng = np.random.default_rng(5)
    straight = case.straight()
    for places in (np.ones_like(case.J), case.J != 0, *([] if straight is None else [straight])):
        yield dataclasses.replace(case, S=case.scale * rng.standard_normal(case.J.shape) * places)


def _written(number: Any) -> str:
    if isinstance(number, np.ndarray):
        return ", ".join(f"{v:.4g}" for v in number[:4]) + (", ..." if number.size > 4 else "")
    return f"{number:.6g}" if isinstance(number, float) else str(number)


def _shared_cause(found: dict[str, Finding], names: list[str]) -> dict[str, Finding]:
    """Let what is wrong together, and is not explained on its own, take the one explanation there is.

    Where time runs through the output, a parameter's gradient is a sum over steps in which a wrong way back shows as no
    more than "wrong from some output on"; the input's gradient, step by step, shows the cause.
    """
    clear = {name: f for name, f in found.items() if f.evidence.get("of") != "output"} or found
    clear = {name: f for name, f in clear.items() if f.code != "zero"} or clear
    source, cause = next(iter(clear.items()), ("", None))
    by_place = cause and cause.code == "confined" and "quantity" not in cause.evidence
    if not cause or cause.code not in SHARED or by_place or len({finding.code for finding in clear.values()}) > 1:
        return found
    for name in names:
        if name not in clear and (name not in found or found[name].code != "zero"):
            sentence = f"probably the same cause as in {source}: {cause.sentence}"
            found[name] = Finding(cause.code, name, sentence, {**cause.evidence, "as": source})
    return found
