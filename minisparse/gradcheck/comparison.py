"""Analytic gradients against difference quotients, entry by entry; what is found is not explained here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, to_numpy
from ..errors import InputError
from ..protocols import Rng
from .adapt import adapted
from .probe import Probe, is_float
from .report import Entry, Finding, GradientReport, Row
from .slopes import SEEN, Line

TOLERANCE = 1e-6
"""Share of an entry's own slope by which its gradient may be off, besides the error bar."""
ALL_OF = 64
"""Entries of a tensor up to which each is judged."""
SAMPLE, GROUP = 32, 32
"""Of a larger tensor so many entries; the others in groups of so many, which move together along a random direction."""
DOUBTS = 3
"""Groups that do not agree before the other groups are taken entry by entry, too."""
ENOUGH = 12
"""Entries that disagree before the rest of a tensor is left alone."""


class Compared(NamedTuple):
    """A report without diagnosis, and what a diagnosis needs."""

    report: GradientReport
    probe: Probe
    backward: Callable
    support: dict[str, Array]
    judged: dict[str, np.ndarray]


def compare(
    forward: Callable,
    backward: Callable,
    inputs: dict[str, Any],
    wrt: Iterable[str] | None = None,
    support: dict[str, Array] | None = None,
    mode: str = "entries",
    seed: int = 0,
    tolerance: float = TOLERANCE,
    dy: Array | None = None,
) -> Compared:
    """Do what `check_pair` does, but leave a mismatch without explanation."""
    if mode not in ("entries", "direction"):
        raise InputError(f"mode {mode!r} is unknown; choose entries or direction")
    wrt = [wrt] if isinstance(wrt, str) else None if wrt is None else list(wrt)
    if wrt == []:
        raise InputError("wrt names nothing, so nothing would be checked; leave it out to check every float array")
    forward, backward, inputs = adapted(forward, backward, inputs, wrt)
    support = {
        name: to_numpy(np.asarray(mask) if isinstance(mask, list) else mask) for name, mask in (support or {}).items()
    }
    support = {name: mask != 0 for name, mask in support.items()}
    if set(support) - set(inputs):
        raise InputError(f"support names {', '.join(set(support) - set(inputs))}, but there is no such input")
    convert = set(wrt or ())
    if not convert and not any(map(is_float, inputs.values())):
        convert = {name for name, value in inputs.items() if _is_numeric(value)}
    probe = Probe(forward, inputs, seed, convert, dy)
    grads = _gradients(backward, probe)
    meant = [name for name in grads if name in probe.others and _is_numeric(probe.others[name])]
    if meant:
        probe = Probe(forward, inputs, seed, {*convert, *meant}, dy)
        grads = _gradients(backward, probe)
    probe.grads = grads
    names = probe.floats if wrt is None else list(wrt)
    for name in names:
        if name not in probe.floats:
            raise InputError(f"wrt names {name!r}, but the float arrays among the inputs are {', '.join(probe.floats)}")
    findings = probe.findings
    findings += _structure(grads, names, probe, backward)
    broken = {finding.tensor for finding in findings}

    rows, off_pattern, verdicts, judged = [], [], [], {}
    rng = np.random.default_rng([seed, 1])
    for name in names:
        if name in broken:
            continue
        analytic = as_gradient(grads[name])
        allowed = np.ones(analytic.shape, bool)
        if name in support:
            allowed = support[name]
            if allowed.shape != analytic.shape:
                raise InputError(f"support[{name!r}] must have shape {analytic.shape}, got {allowed.shape}")
        off_pattern += _off_pattern(name, analytic, allowed)
        measure = _by_entry if mode == "entries" else _by_direction
        row, judged[name] = measure(probe, name, analytic, allowed, tolerance, rng)
        rows.append(row)
        verdicts += _verdict(row)
    rest = [name for name in inputs if name not in names]
    sizes = {**{name: probe.value(name).shape for name in probe.floats}, "output": probe.y.shape}
    report = GradientReport(rows, [*findings, *off_pattern, *verdicts], rest, mode, sizes, _blind(sizes), probe.notes)
    return Compared(report, probe, backward, support, judged)


def _is_numeric(value: Any) -> bool:
    if hasattr(value, "dtype"):
        return value.dtype.kind in "iuf"
    return isinstance(value, (list, tuple, int, float)) and not isinstance(value, bool)


def _gradients(backward: Callable, probe: Probe) -> dict[str, Any]:
    try:
        grads = backward(probe.cotangent(), probe.cache)
    except ValueError as error:
        if "read-only" in str(error):
            raise InputError("backward writes into dy or into an input; make it work on a copy") from error
        raise
    if not isinstance(grads, dict):
        raise InputError(f"backward must return a dict of gradients by input name, got {type(grads).__name__}")
    return grads


def _off_pattern(name: str, analytic: np.ndarray, allowed: np.ndarray) -> list[Finding]:
    off = np.argwhere(~allowed & (analytic != 0))
    if not off.size:
        return []
    where = ", ".join(map(str, off[0]))
    sentence = (
        f"{len(off)} entries off the pattern are not exactly 0, the first at ({where}): "
        f"{analytic[tuple(off[0])]:.3g}; apply the mask to the gradient"
    )
    return [Finding("off-pattern", name, sentence, {"entries": len(off)})]


def _blind(sizes: dict[str, tuple[int, ...]]) -> list[str]:
    single = [f"{name}.shape[{axis}]" for name, shape in sizes.items() for axis, k in enumerate(shape) if k == 1]
    if "output" not in "".join(single):
        return []
    return [f"whether a sum over an axis of length 1 is a mean, or one summand ({', '.join(single)})"]


def _structure(grads: Any, names: list[str], probe: Probe, backward: Callable) -> list[Finding]:
    """Look at the dict of gradients before any number in it."""
    findings = []
    for name in names:
        if name not in grads:
            found = ", ".join(map(str, grads)) or "nothing"
            hint = "; if it is data, leave it out: wrt=[...] names what is checked" if grads else ""
            said = f"backward returns no gradient of this name; it returns {found}{hint}"
            findings.append(Finding("missing", name, said))
        elif isinstance(kind := _kind(grads[name]), str):
            findings.append(Finding("type", name, f"its gradient is {kind}; return an array of floats"))
        elif as_gradient(grads[name]).shape != probe.value(name).shape:
            found, right = as_gradient(grads[name]).shape, probe.value(name).shape
            hint = ""
            if found == right[::-1]:
                hint = "; it is transposed"
            elif [k for k in found if k > 1] == [k for k in right if k > 1]:
                few = "; an axis is missing: sum with keepdims=True, or add [:, None]"
                hint = few if len(found) < len(right) else "; an axis too many: without keepdims=True, or reshape"
            findings.append(Finding("shape", name, f"its gradient has shape {found}, not {right}{hint}"))
        elif not np.isfinite(as_gradient(grads[name])).all():
            findings.append(Finding("not-finite", name, "its gradient holds nan or inf"))
    for name in grads:
        if name not in probe.floats:
            findings.append(Finding("extra", str(name), "backward returns it, but no float input has this name"))
    seen: dict[int, str] = {}
    for name, value in grads.items():
        if id(value) in seen and getattr(value, "ndim", 0):
            probe.notes.append(
                f"the gradient of {name} is the same array as that of {seen[id(value)]}: right, as long as nobody "
                "changes one in place"
            )
        seen[id(value)] = name
    return findings + _repeated(grads, names, probe, backward)


def _repeated(grads: Any, names: list[str], probe: Probe, backward: Callable) -> list[Finding]:
    """Call backward again, on the same cache and after another forward: the gradients must be the same."""
    usable = {name: as_gradient(grads[name]).copy() for name in names if name in grads and not _kind(grads[name])}

    def differing(cache: Any) -> list[str]:
        again = backward(probe.cotangent(), cache)
        return [name for name in usable if not np.array_equal(usable[name], as_gradient(again[name]), equal_nan=True)]

    code, sentence = "not-deterministic", "two backward calls on the same cache differ; leave the cache as it is"
    try:
        differ = differing(probe.cache)
        if differ and differing(probe.call()[1]):
            code = "state"
            sentence = (
                "backward keeps state: after the same forward it gives another gradient when it is called once more "
                "(does it add to what the last call left?)"
            )
    except Exception as error:
        differ = [next(iter(names))]
        sentence = f"a second backward call on the same cache fails ({error!r}); leave the cache as it is"
    return [Finding(code, name, sentence) for name in differ]


def as_gradient(value: Any) -> np.ndarray:
    """Return a gradient as float64 on the host."""
    return np.asarray(to_numpy(value) if hasattr(value, "dtype") else value, float)


def _kind(value: Any) -> str | None:
    """Say what a gradient is if it is no array of floats."""
    try:
        kind = (value if hasattr(value, "dtype") else np.asarray(value)).dtype
    except ValueError:
        return "no array of numbers"
    if kind.kind == "f":
        return None
    known = {"c": "complex", "i": "of whole numbers", "u": "of whole numbers", "b": "of truth values"}
    return f"{known[kind.kind]} ({kind})" if kind.kind in known else f"no array of numbers ({type(value).__name__})"


def _by_entry(
    probe: Probe, name: str, analytic: np.ndarray, allowed: np.ndarray, tolerance: float, rng: Rng
) -> tuple[Row, np.ndarray]:
    """Judge entries one by one; of a large tensor a sample, and what is in a group that does not agree."""
    places = [tuple(map(int, place)) for place in np.argwhere(allowed)]
    chosen = places
    if len(places) > ALL_OF:
        doubted = _doubted(probe, name, analytic, allowed, tolerance, rng)
        sample = {places[k] for k in rng.choice(len(places), SAMPLE, replace=False)}
        chosen = [place for place in places if doubted[place] or place in sample]
    sampled = len(chosen) < len(places)
    entries, wrong, judged = [], 0, np.ones(analytic.shape, bool)
    for place in chosen:
        exact = float(analytic[place])
        slope = Line(probe, name, place, tolerance=tolerance).judge(exact)
        if slope.step:
            probe.steps[name, place] = min(probe.step(name), slope.step)
        entries.append(Entry(place, exact, *slope[:4]))
        judged[place] = slope.verdict != "not told"
        wrong += slope.verdict == "disagrees"
        if wrong >= ENOUGH:
            break
    return _row(name, analytic.shape, entries, len(places), sampled, probe), judged & allowed


def _doubted(
    probe: Probe, name: str, analytic: np.ndarray, allowed: np.ndarray, tolerance: float, rng: Rng
) -> np.ndarray:
    """Return which entries are in groups that do not agree along a random direction.

    A group has gradients of like size, large ones moved less, and agrees
    if the bar is small beside one contribution: so one wrong entry shows, however small it is beside other groups.
    """
    value, doubts = probe.value(name), 0
    shares = np.abs(analytic) * np.where(value == 0, np.abs(value).max(initial=0) or 1.0, np.abs(value))
    order = np.flatnonzero(allowed)[np.argsort(shares[allowed], kind="stable")]
    zeros, doubted = int((shares[allowed] == 0).sum()), np.zeros(analytic.shape, bool)
    starts = [*range(0, zeros, GROUP), *range(zeros, order.size, GROUP)]
    for first, last in itertools.pairwise([*starts, order.size]):
        group = np.zeros(analytic.shape, bool)
        group.flat[order[first:last]] = True
        if doubts < DOUBTS:
            entry = _along(probe, name, analytic, group, tolerance, rng)
            smallest = shares[group].min() / 2
            if entry.verdict == "agrees" and (not smallest or entry.bar <= smallest / SEEN):
                continue
            doubts += 1
        doubted |= group
    return doubted


def _by_direction(
    probe: Probe, name: str, analytic: np.ndarray, allowed: np.ndarray, tolerance: float, rng: Rng
) -> tuple[Row, np.ndarray]:
    entries = []
    for _ in range(3 if allowed.any() else 0):
        entries = [_along(probe, name, analytic, allowed, tolerance, rng)]
        if entries[0].verdict != "not told":
            break
    return _row(name, analytic.shape, entries, len(entries), False, probe), allowed


def _along(probe: Probe, name: str, analytic: np.ndarray, allowed: np.ndarray, tolerance: float, rng: Rng) -> Entry:
    """Judge a random direction, in which no entry drowns: those of a large gradient move less than others."""
    value = probe.value(name)
    sizes = np.where(value == 0, np.abs(value).max(initial=0) or 1.0, np.abs(value)) * allowed
    shares = np.abs(analytic) * sizes
    usual = np.median(shares[shares > 0]) if (shares > 0).any() else 1.0
    sizes *= rng.uniform(0.5, 1, value.shape) * rng.choice([-1, 1], value.shape) / np.maximum(1, shares / usual)
    exact = float((analytic * sizes).sum())
    return Entry(None, exact, *Line(probe, name, direction=sizes, tolerance=tolerance).judge(exact)[:4])


def _row(name: str, shape: tuple, entries: list[Entry], total: int, sampled: bool, probe: Probe) -> Row:
    told = [entry for entry in entries if entry.verdict != "not told"]
    hidden = [entry.reason for entry in entries if entry.verdict == "not told"]
    reason = ", ".join(f"{hidden.count(what)} for {what}" for what in dict.fromkeys(hidden))
    numbers = {"judged": len(told), "not_judged": len(hidden), "reason": reason, "total": total, "sampled": sampled}
    if not told:
        return Row(name, shape, **numbers, worst=None, analytic=0.0, numeric=0.0, error=0.0, entries=tuple(entries))
    wrong = [entry for entry in told if entry.verdict == "disagrees"]
    worst = max(wrong or told, key=lambda entry: abs(entry.analytic - entry.numeric))
    scale = max(abs(entry.numeric) for entry in told) + probe.floor(name)
    apart = abs(worst.analytic - worst.numeric)
    return Row(
        name, shape, **numbers, worst=worst.place, analytic=worst.analytic, numeric=worst.numeric,
        error=float(apart / (scale or 1.0)), entries=tuple(entries),
    )  # fmt: skip


def _verdict(row: Row) -> list[Finding]:
    findings = []
    if any(entry.verdict == "disagrees" for entry in row.entries):
        where = "along a random direction" if row.worst is None else f"at ({', '.join(map(str, row.worst))})"
        findings.append(
            Finding(
                "mismatch",
                row.tensor,
                f"the gradient {where} is {row.analytic:.6g}, the difference quotient says {row.numeric:.6g}",
                {"worst": row.worst, "analytic": row.analytic, "numeric": row.numeric},
            )
        )
    if row.not_judged > row.judged:
        findings.append(
            Finding(
                "unjudged",
                row.tensor,
                f"only {row.judged} of {row.judged + row.not_judged} entries could be judged ({row.reason}); "
                "check at other inputs",
            )
        )
    return findings
