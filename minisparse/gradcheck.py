"""Check a hand-written backward pass against central differences, entry by entry.

The function differentiated is ``f = Σ dy ∘ y`` for a random cotangent dy (a cotangent of ones misses, say, a softmax
backward that returns zeros). Everything runs in float64 on write-protected copies. Where a nonlinearity has a kink
within reach of the difference step, the entry is *not judged*, and counted. Off a sparse pattern the gradient must be
exactly 0: a forgotten mask shows nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .backend import Array, array_module, to_numpy
from .errors import InputError

STEP = 1e-5
"""Difference step, as a share of the tensor's largest magnitude."""
TOLERANCE = 1e-6
FLOOR = 1e-8
"""Share of |f| that is added to the largest numeric gradient in the denominator of the error."""


@dataclass(frozen=True)
class Row:
    """The verdict on one tensor.

    Attributes
    ----------
    tensor : str
    shape : tuple of int
    judged, not_judged : int
        Entries compared, and entries left out for `reason`.
    reason : str
        Why some entries could not be judged, or "".
    worst : tuple of int or None
        Index of the largest disagreement (None in directional mode).
    analytic, numeric : float
        The two gradients there.
    error : float
        ``max|analytic - numeric| / (max|numeric| + 1e-8 |f|)``, dimensionless.
    """

    tensor: str
    shape: tuple[int, ...]
    judged: int
    not_judged: int
    reason: str
    worst: tuple[int, ...] | None
    analytic: float
    numeric: float
    error: float


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: a stable code, the tensor, and a sentence."""

    code: str
    tensor: str
    sentence: str


class GradientReport:
    """What a gradient check found, as data; printing it is one rendering.

    Attributes
    ----------
    rows : tuple of Row
        One per tensor checked.
    findings : tuple of Finding
        Everything that is wrong; empty if all is well. Codes: missing, extra, shape, aliased, changed-input,
        not-deterministic, not-finite, off-pattern, mismatch, unjudged.
    not_checked : tuple of str
        Inputs left out.
    mode : str
        "entries" or "direction".

    Examples
    --------
    >>> def forward(x):
    ...     return x * x, x
    >>> report = minisparse.check_pair(forward, lambda dy, x: {"x": dy * x}, {"x": numpy.array([1.0, 3.0])})
    >>> report.ok, [finding.code for finding in report.findings]
    (False, ['mismatch'])
    """

    def __init__(
        self, rows: Iterable[Row], findings: Iterable[Finding], not_checked: Iterable[str] = (), mode: str = "entries"
    ):
        self.rows, self.findings, self.not_checked = tuple(rows), tuple(findings), tuple(not_checked)
        self.mode = mode

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def assert_ok(self) -> None:
        """Raise AssertionError with the whole report if anything is wrong."""
        if not self.ok:
            raise AssertionError(str(self))

    def to_dict(self) -> dict:
        """Return the report in plain values."""
        return {
            "ok": self.ok,
            "mode": self.mode,
            "rows": [asdict(row) for row in self.rows],
            "findings": [asdict(finding) for finding in self.findings],
            "not_checked": list(self.not_checked),
        }

    def __add__(self, other: GradientReport) -> GradientReport:
        return GradientReport(
            self.rows + other.rows, self.findings + other.findings, self.not_checked + other.not_checked, self.mode
        )

    def __str__(self) -> str:
        lines = [
            f"{'tensor':10s}{'shape':>14s}{'judged':>9s}{'worst at':>12s}{'analytic':>14s}{'numeric':>14s}{'error':>9s}"
        ]
        for row in self.rows:
            judged = f"{row.judged}/{row.judged + row.not_judged}"
            worst = "-" if row.worst is None else ",".join(map(str, row.worst))
            shape = " x ".join(map(str, row.shape)) or "scalar"
            lines.append(
                f"{row.tensor:10s}{shape:>14s}{judged:>9s}{worst:>12s}"
                f"{row.analytic:14.6e}{row.numeric:14.6e}{row.error:9.1e}"
            )
            if row.not_judged:
                lines.append(f"{'':10s}{row.not_judged} not judged here: {row.reason}")
        lines += [f"NOT CHECKED: {', '.join(self.not_checked)}"] if self.not_checked else []
        lines += [f"{finding.tensor}: {finding.sentence} [{finding.code}]" for finding in self.findings]
        return "\n".join([*lines, "gradients agree" if self.ok else "GRADIENTS DISAGREE"])

    __repr__ = __str__


def check(
    model: object,
    params: dict[str, Array],
    x: Array,
    labels: Array | None = None,
    *,
    mode: str = "entries",
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> GradientReport:
    """Check a model's backward pass: every parameter and the input.

    Parameters
    ----------
    model, params, x
        As handed to ``model.forward``; nothing is changed.
    labels : (batch,) int, optional
        Also checks the loss: a row "logits" for `softmax_cross_entropy` at the model's own logits.
    mode, seed, tolerance
        As for `check_pair`.

    Returns
    -------
    GradientReport

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> model = minisparse.RNN(2, minisparse.make_weights(minisparse.bernoulli(7, 7, 0.5, rng)), 4, "tanh")
    >>> params = model.init(rng, w_max=0.5)
    >>> minisparse.check(model, params, rng.standard_normal((5, 2, 3)), numpy.array([0, 3, 1])).ok
    True
    """
    settings = {"mode": mode, "seed": seed, "tolerance": tolerance}
    report = check_pair(**pair(model, params, x), **settings)
    if labels is not None:
        from .losses import softmax_cross_entropy

        logits, _ = model.forward(params, x)
        loss = check_pair(
            lambda logits: softmax_cross_entropy(logits, labels),
            lambda dy, dlogits: {"logits": dy * dlogits},
            {"logits": logits},
            **settings,
        )
        report += loss
    return report


def pair(model: object, params: dict[str, Array], x: Array) -> dict[str, Any]:
    """Turn a model into the arguments of `check_pair`: forward, backward, inputs and support.

    Examples
    --------
    >>> model = minisparse.RNN(2, minisparse.make_weights(minisparse.full(3, 3)), 4, "tanh")
    >>> params = model.init(numpy.random.default_rng(0))
    >>> minisparse.check_pair(**minisparse.pair(model, params, numpy.ones((2, 2, 1))), wrt=["W_rec"]).ok
    True
    """
    if "x" in params:
        raise InputError("a parameter may not be called x: that is the name of the input")

    def forward(x: Array, **params: Array) -> tuple[Array, Any]:
        return model.forward(params, x)

    def backward(dy: Array, cache: Any) -> dict[str, Array]:
        return model.backward(dy, cache, wrt_x=True)

    support = {
        name: weights.from_values(array_module(params[name]).ones(weights.nnz)) != 0
        for name, weights in model.weights.items()
    }
    return {"forward": forward, "backward": backward, "inputs": {**params, "x": x}, "support": support}


def check_pair(
    forward: Callable,
    backward: Callable,
    inputs: dict[str, Any],
    wrt: Iterable[str] | None = None,
    support: dict[str, Array] | None = None,
    *,
    mode: str = "entries",
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> GradientReport:
    """Check a pair of functions: ``y, cache = forward(**inputs)`` and ``grads = backward(dy, cache)``.

    Parameters
    ----------
    forward, backward : callable
        `grads` is a dict with the names of `inputs`.
    inputs : dict
        Float arrays are checked (as float64 copies that cannot be written to); all else is passed on as it is.
    wrt : names, optional
        What to check; every float array if omitted.
    support : dict of bool arrays, optional
        Where a tensor's gradient may differ from 0; elsewhere it must be exactly 0 and is not differenced.
    mode : {"entries", "direction"}
        Every entry, or one random direction per tensor (cheap, but it cannot say which entry is wrong).
    seed : int
        Of the random cotangent and directions.
    tolerance : float
        Largest error per tensor that passes.

    Returns
    -------
    GradientReport

    Raises
    ------
    ValueError
        If a name or a shape in the arguments does not fit.

    Examples
    --------
    >>> def forward(x):
    ...     return numpy.tanh(x), numpy.tanh(x)
    >>> minisparse.check_pair(forward, lambda dy, y: {"x": dy * (1 - y * y)}, {"x": numpy.ones((2, 3))}).ok
    True
    """
    if mode not in ("entries", "direction"):
        raise InputError(f"mode {mode!r} is unknown; choose entries or direction")
    probe = _Probe(forward, inputs, seed)
    names = probe.floats if wrt is None else list(wrt)
    for name in names:
        if name not in probe.floats:
            raise InputError(f"wrt names {name!r}, but the float arrays among the inputs are {', '.join(probe.floats)}")
    findings = probe.findings
    grads = backward(probe.cotangent_like_output(), probe.cache)
    findings += _structure(grads, names, probe, backward)
    broken = {finding.tensor for finding in findings}

    rows = []
    rng = np.random.default_rng([seed, 1])
    for name in names:
        if name in broken:
            continue
        analytic = to_numpy(grads[name]).astype(float)
        allowed = np.ones(analytic.shape, bool)
        if support and name in support:
            allowed = to_numpy(support[name])
            if allowed.shape != analytic.shape:
                raise InputError(f"support[{name!r}] must have shape {analytic.shape}, got {allowed.shape}")
        off = np.argwhere(~allowed & ((analytic != 0) | np.signbit(analytic)))
        if off.size:
            where = ", ".join(map(str, off[0]))
            findings.append(
                Finding(
                    "off-pattern",
                    name,
                    f"{len(off)} entries off the pattern are not exactly 0, the first at ({where}): "
                    f"{analytic[tuple(off[0])]:.3g}; apply the mask to the gradient",
                )
            )
        row = (_by_entry if mode == "entries" else _by_direction)(probe, name, analytic, allowed, tolerance, rng)
        rows.append(row)
        findings += _verdict(row, tolerance)
    rest = [name for name in inputs if name not in names]
    return GradientReport(rows, findings, rest, mode)


class _Probe:
    """The function under test on protected float64 copies, evaluated relative to its value at the inputs."""

    def __init__(self, forward: Callable, inputs: dict[str, Any], seed: int):
        self._forward, self.findings = forward, []
        self._modules, self._hosts, self._others = {}, {}, {}
        for name, value in inputs.items():
            if hasattr(value, "dtype") and value.dtype.kind == "f":
                self._modules[name] = array_module(value)
                self._hosts[name] = _protected(to_numpy(value).astype(float))
            else:
                self._others[name] = value
        self.floats = list(self._hosts)
        given = {name: self._place(name, host) for name, host in self._hosts.items()}
        y, self.cache = forward(**given, **self._others)
        for name, array in given.items():
            if not np.array_equal(to_numpy(array), self._hosts[name], equal_nan=True):
                self.findings.append(Finding("changed-input", name, "forward changes this input; work on a copy"))
        self._module = array_module(y)
        self._y = to_numpy(y).astype(float)
        if not np.isfinite(self._y).all():
            raise InputError("forward returns nan or inf at these inputs, so no gradient can be judged; use others")
        again = to_numpy(self._call(given))
        if not np.array_equal(again, self._y):
            self.findings.append(Finding("not-deterministic", "y", "two forward calls on the same inputs differ"))
        self._dy = np.random.default_rng(seed).standard_normal(self._y.shape)
        self.size = abs(float((self._dy * self._y).sum()))
        self.rounding = np.finfo(float).eps * float(np.abs(self._dy * self._y).sum())

    def _call(self, given: dict[str, Array]) -> Array:
        return self._forward(**given, **self._others)[0]

    def _place(self, name: str, host: np.ndarray) -> Array:
        xp = self._modules[name]
        return host if xp is np else xp.asarray(host)

    def cotangent_like_output(self) -> Array:
        """Return dy where y lives."""
        return _protected(self._dy.copy()) if self._module is np else self._module.asarray(self._dy)

    def value(self, name: str) -> np.ndarray:
        """Return the float64 copy of an input."""
        return self._hosts[name]

    def change(self, name: str, moved: np.ndarray) -> float:
        """Return f(moved) - f(inputs)."""
        given = {k: self._place(k, moved if k == name else host) for k, host in self._hosts.items()}
        return float((self._dy * (to_numpy(self._call(given)) - self._y)).sum())

    def slope(self, name: str, direction: np.ndarray, step: float) -> tuple[float, float]:
        """Return f's central difference along a direction, and its bend f(+) + f(-) - 2f over 2 step."""
        ahead = self.change(name, self._hosts[name] + step * direction)
        behind = self.change(name, self._hosts[name] - step * direction)
        return (ahead - behind) / (2 * step), (ahead + behind) / (2 * step)

    def has_kink(self, name: str, direction: np.ndarray, step: float, disagreement: float) -> bool:
        """Whether a kink within the step explains a disagreement.

        A smooth function's bend shrinks as the square of the step; a kink's does not. Halving and quartering the step
        leaves a kink no place to hide: at least two fifths of what it adds to the difference shows in one of the two.
        """
        bends = [self.slope(name, direction, step / part)[1] / part for part in (1, 2, 4)]
        excess = max(abs(bends[0] - 4 * bends[1]), abs(bends[0] - 16 * bends[2]))
        return excess > 0.3 * disagreement and excess > 40 * self.rounding / step


def _structure(grads: Any, names: list[str], probe: _Probe, backward: Callable) -> list[Finding]:
    """Look at the dict of gradients before any number in it."""
    if not isinstance(grads, dict):
        raise InputError(f"backward must return a dict of gradients by input name, got {type(grads).__name__}")
    findings = []
    for name in names:
        if name not in grads:
            found = ", ".join(map(str, grads)) or "nothing"
            findings.append(Finding("missing", name, f"backward returns no gradient of this name; it returns {found}"))
        elif np.shape(grads[name]) != probe.value(name).shape:
            findings.append(
                Finding("shape", name, f"its gradient has shape {np.shape(grads[name])}, not {probe.value(name).shape}")
            )
        elif not np.isfinite(to_numpy(grads[name])).all():
            findings.append(Finding("not-finite", name, "its gradient holds nan or inf"))
    for name in grads:
        if name not in probe.floats:
            findings.append(Finding("extra", str(name), "backward returns it, but no float input has this name"))
    seen: dict[int, str] = {}
    for name, value in grads.items():
        if id(value) in seen and getattr(value, "ndim", 0):
            findings.append(
                Finding(
                    "aliased", name, f"is the same array as {seen[id(value)]}: an in-place update of one moves both"
                )
            )
        seen[id(value)] = name
    first = {name: to_numpy(value).copy() for name, value in grads.items()}
    again = backward(probe.cotangent_like_output(), probe.cache)
    for name in first:
        if not np.array_equal(first[name], to_numpy(again[name]), equal_nan=True):
            findings.append(Finding("not-deterministic", name, "two backward calls on the same cache differ"))
    return findings


def _by_entry(probe: _Probe, name: str, analytic: np.ndarray, allowed: np.ndarray, tolerance: float, rng: Any) -> Row:
    value = probe.value(name)
    step = STEP * (np.abs(value).max(initial=0) or 1.0)
    places = [tuple(map(int, place)) for place in np.argwhere(allowed)]
    numeric, exact = np.zeros(len(places)), np.array([analytic[place] for place in places])

    def along(place: tuple[int, ...]) -> np.ndarray:
        unit = np.zeros(value.shape)
        unit[place] = 1
        return unit

    for k, place in enumerate(places):
        numeric[k] = probe.slope(name, along(place), step)[0]
    judged, examined = np.ones(len(places), bool), np.zeros(len(places), bool)
    while True:
        scale = np.abs(numeric[judged]).max(initial=0) + FLOOR * probe.size
        apart = np.abs(exact - numeric)
        suspects = np.flatnonzero(judged & ~examined & (apart > tolerance * scale))
        if not suspects.size:
            break
        for k in suspects:
            examined[k] = True
            judged[k] = not (
                apart[k] < 4 * probe.rounding / step or probe.has_kink(name, along(places[k]), step, apart[k])
            )
    return _row(name, places, exact, numeric, judged, probe, value.shape)


def _by_direction(
    probe: _Probe, name: str, analytic: np.ndarray, allowed: np.ndarray, tolerance: float, rng: Any
) -> Row:
    value = probe.value(name)
    step = STEP * (np.abs(value).max(initial=0) or 1.0)
    if not allowed.any():
        return _row(name, [], np.zeros(0), np.zeros(0), np.ones(0, bool), probe, value.shape)
    for _ in range(3):
        direction = rng.standard_normal(value.shape) * allowed
        direction /= np.abs(direction).max()
        numeric, exact = probe.slope(name, direction, step)[0], float((analytic * direction).sum())
        apart, scale = abs(exact - numeric), abs(numeric) + FLOOR * probe.size
        judged = apart <= tolerance * scale or not (
            apart < 4 * probe.rounding / step or probe.has_kink(name, direction, step, apart)
        )
        if judged:
            break
    return _row(name, [None], np.array([exact]), np.array([numeric]), np.array([judged]), probe, value.shape)


def _row(name: str, places: list, exact: Any, numeric: Any, judged: Any, probe: _Probe, shape: tuple) -> Row:
    left_out = int((~judged).sum())
    reason = "a kink, or rounding, within the difference step" if left_out else ""
    if not judged.any():
        return Row(name, shape, 0, left_out, reason, None, 0.0, 0.0, 0.0)
    apart = np.where(judged, np.abs(exact - numeric), -1)
    k = int(apart.argmax())
    scale = np.abs(numeric[judged]).max() + FLOOR * probe.size
    error = float(apart[k] / scale) if apart[k] else 0.0
    return Row(
        name, shape, int(judged.sum()), left_out, reason, places[k], float(exact[k]), float(numeric[k]), error
    )  # fmt: skip


def _verdict(row: Row, tolerance: float) -> list[Finding]:
    findings = []
    if not row.error <= tolerance:
        where = "along a random direction" if row.worst is None else f"at ({', '.join(map(str, row.worst))})"
        findings.append(
            Finding(
                "mismatch",
                row.tensor,
                f"the gradient {where} is {row.analytic:.6g}, the difference quotient says {row.numeric:.6g}",
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


def _protected(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
