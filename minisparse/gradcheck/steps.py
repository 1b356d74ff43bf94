"""Check consecutive training steps: the gradient at each, the optimiser against its closed form, and the hooks.

A buffer that is reused, a moment that does not live on, a count that starts at 0 or a clamp on a copy give right
gradients; they show only in what a second step does.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable
from types import SimpleNamespace

import numpy as np

from ..backend import Array, to_numpy
from ..errors import InputError
from ..losses import softmax_cross_entropy
from ..optim import decays
from ..protocols import Model, Optimiser
from .checker import check
from .comparison import TOLERANCE
from .recognise import recognise
from .report import Finding, GradientReport, Row

STEP_TOLERANCE = 1e-9
"""Largest deviation from the closed form, as a share of the largest change of that tensor: rounding."""


def _adam(gradients: list[np.ndarray], lr: float, beta1: float, beta2: float, eps: float) -> np.ndarray:
    """Return Adam's step from all gradients so far; no recursion, so no state that could go wrong."""
    k = len(gradients)
    age = [k - 1 - i for i in range(k)]
    mean = sum((1 - beta1) * beta1**a * g for a, g in zip(age, gradients, strict=True)) / (1 - beta1**k)
    square = sum((1 - beta2) * beta2**a * g * g for a, g in zip(age, gradients, strict=True)) / (1 - beta2**k)
    return lr * mean / (np.sqrt(square) + eps)


def _sgd(gradients: list[np.ndarray], lr: float, momentum: float) -> np.ndarray:
    return lr * sum(momentum**a * g for a, g in enumerate(reversed(gradients)))


def _decayed(opt: Optimiser, name: str, state: SimpleNamespace) -> np.ndarray:
    decay = getattr(opt, "decay", 0.0) if decays(name) else 0.0
    return _rate(opt, name) * decay * state.old[name]


def _rate(opt: Optimiser, name: str) -> float:
    return getattr(opt, "rates", {}).get(name, opt.settings["lr"])


CLOSED_FORMS = {"Adam": _adam, "SGD": _sgd}


def check_steps(
    model: Model,
    params: dict[str, Array],
    x: Array,
    labels: Array,
    opt: Optimiser,
    after_step: Iterable[Callable] = (),
    *,
    steps: int = 2,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> GradientReport:
    """Check a model, its optimiser and its hooks over consecutive training steps on one batch.

    Parameters
    ----------
    model, params, x, labels
        As for `check`; nothing is changed, the steps are taken on copies.
    opt : SGD or Adam
        A new optimiser. Its steps are compared with the closed form of its update, a sum over all gradients so far.
    after_step : hooks, optional
        Such as `Dale`: called after each step. One that can count violations must leave none in what forward uses.
    steps : int
        At least 2, or a wrong memory cannot show.
    seed, tolerance
        As for `check`.

    Returns
    -------
    GradientReport
        Rows and findings of every step. Codes of its own: "step" (the update is not the closed form's), "constraint"
        (a hook's rule does not hold), and those of the optimiser's mistakes in the catalogue.

    Raises
    ------
    ValueError
        If the optimiser has taken steps already.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> model = minisparse.RNN(2, minisparse.make_weights(minisparse.full(7, 7)), 4, "tanh")
    >>> params, x = model.init(rng, dtype=float, w_max=0.5), rng.standard_normal((5, 2, 3))
    >>> minisparse.check_steps(model, params, x, numpy.array([0, 3, 1]), minisparse.Adam()).ok
    True
    """
    if getattr(opt, "state", None):
        raise InputError("the optimiser has taken steps already, so its memory is not known; pass a new one")
    if steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}")
    hooks, params = tuple(after_step), {name: value.astype(float) for name, value in params.items()}
    x = x.astype(float)
    rows, findings, notes = [], [], []
    form = CLOSED_FORMS.get(type(opt).__name__)
    if form is None:
        notes.append(f"no closed form of {type(opt).__name__} is known: its steps are not checked")
    gradients: dict[str, list[np.ndarray]] = {name: [] for name in params}
    for number, state in enumerate(_train(model, params, x, labels, opt, hooks, steps), 1):
        at = f"step {number}"
        report = check(model, state.before, x, labels, seed=seed, tolerance=tolerance)
        rows += report.rows
        findings += [
            Finding(f.code, f.tensor, f"before {at}: {f.sentence}", f.evidence)
            for f in (() if report.ok else report.findings)
        ]
        for name in params:
            gradients[name].append(state.grads[name])
            if form:
                given = {**opt.settings, "lr": _rate(opt, name)}
                row = _compare_step(name, state, form(gradients[name], **given) + _decayed(opt, name, state))
                rows.append(row)
                if not row.error <= STEP_TOLERANCE:
                    sentence = (
                        f"{at} changes an entry by {row.analytic:.6g}, the closed form of {type(opt).__name__} says "
                        f"{row.numeric:.6g}"
                    )
                    findings.append(Finding("step", name, sentence, {"step": number, "worst": row.worst}))
        findings += [
            Finding("constraint", parameter, f"{count} weights that forward uses break the rule after {at}")
            for parameter, count in state.violations
        ]
    known = _recognised(model, params, x, labels, opt, hooks, steps) if findings else []
    report = GradientReport(rows, known + findings, ("x",), "entries", {"steps": steps}, (), notes)
    if report.ok and steps == 1:
        report.blind = ("whether moments and buffers live on from one step to the next",)
    return report


def _train(
    model: Model, params: dict[str, Array], x: Array, labels: Array, opt: Optimiser, hooks: tuple, steps: int
) -> Iterable[SimpleNamespace]:
    """Take steps on copies; yield parameters before, after and at the end of each, gradients, broken constraints."""
    params = {name: value.copy() for name, value in params.items()}
    opt = copy.copy(opt)
    opt.state = {}
    for number in range(steps):
        before = {name: to_numpy(value).copy() for name, value in params.items()}
        start = {name: value.copy() for name, value in params.items()}
        logits, cache = model.forward(params, x)
        _, dlogits = softmax_cross_entropy(logits, labels)
        grads = model.backward(dlogits, cache)
        kept = {name: to_numpy(grad).copy() for name, grad in grads.items()}
        opt.step(params, grads)
        after = {name: to_numpy(value).copy() for name, value in params.items()}
        run = SimpleNamespace(
            model=model, params=params, opt=opt, rng=None, epoch=1, step=number + 1, cache=cache, grads=grads
        )
        for hook in hooks:
            hook(run)
        broken = [
            (getattr(hook, "parameter", "parameters"), hook.violations(model, params))
            for hook in hooks
            if hasattr(hook, "violations") and getattr(hook, "mode", "enforced") == "enforced"
        ]
        end = {name: to_numpy(value).copy() for name, value in params.items()}
        broken = [(name, n) for name, n in broken if n]
        yield SimpleNamespace(before=start, old=before, after=after, end=end, grads=kept, violations=broken)
        if not all(np.isfinite(value).all() for value in after.values()):
            return


def _compare_step(name: str, state: SimpleNamespace, expected: np.ndarray) -> Row:
    moved, wanted = state.after[name] - state.old[name], -expected
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.abs(moved - wanted), nan=np.inf)
    if not apart.size:
        return Row(name, moved.shape, 0, 0, "", None, 0.0, 0.0, 0.0)
    worst = tuple(map(int, np.unravel_index(apart.argmax(), apart.shape)))
    scale = np.abs(wanted).max() + np.finfo(float).eps / STEP_TOLERANCE * np.abs(state.old[name]).max()
    error = float(apart[worst] / scale) if apart[worst] else 0.0
    return Row(name, moved.shape, apart.size, 0, "", worst, float(moved[worst]), float(wanted[worst]), error)


def _recognised(
    model: Model, params: dict[str, Array], x: Array, labels: Array, opt: Optimiser, hooks: tuple, steps: int
) -> list[Finding]:
    """Take the same steps with each of the optimiser's catalogued mistakes."""

    def outcome(opt: Optimiser, *hooks: Callable) -> dict[str, np.ndarray]:
        states = _train(model, params, x, labels, opt, hooks, steps)
        return {
            f"{name}, {when} step {number}": value
            for number, state in enumerate(states, 1)
            for when, values in (("after", state.after), ("at the end of", state.end))
            for name, value in values.items()
        }

    findings, _ = recognise(outcome, opt, *hooks, family="optimiser")
    return [dataclasses.replace(finding, tensor=finding.tensor.partition(",")[0]) for finding in findings]
