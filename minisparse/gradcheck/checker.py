"""Check a hand-written backward pass against central differences, entry by entry.

The function differentiated is ``f = Σ dy ∘ y`` for a random cotangent dy (a cotangent of ones misses, say, a softmax
backward that returns zeros). Everything runs in float64 on write-protected copies. Where a nonlinearity has a kink
within reach of the difference step, the entry is *not judged*, and counted. Off a sparse pattern the gradient must be
exactly 0: a forgotten mask shows nowhere else. What is wrong is then explained: for a model of this library by
comparing with every catalogued mistake, for anything else from the numbers alone.

What a difference quotient cannot see: a forward pass that is wrong itself, and a gradient some 1e-11 times smaller
than f, which drowns in rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..arguments import expect, parameter_of
from ..backend import Array, array_module
from ..errors import InputError
from ..losses import softmax_cross_entropy
from ..protocols import Model
from .comparison import TOLERANCE, Compared, compare
from .diagnosis import diagnose
from .recognise import gradients_of, recognise, sizes_of
from .report import Finding, GradientReport


def check(
    model: Model,
    params: dict[str, Array],
    x: Array,
    labels: Array | None = None,
    *,
    mode: str = "entries",
    seed: int = 0,
    tolerance: float = TOLERANCE,
    loss: Callable = softmax_cross_entropy,
) -> GradientReport:
    """Check a model's backward pass: every parameter and the input.

    A wrong gradient is compared with what each catalogued mistake would give (`minisparse.mistakes`); the report's last
    line names the mistakes that could not be seen at the given sizes. Pairwise different sizes of at least 2 show all.

    Parameters
    ----------
    model, params, x
        As handed to ``model.forward``; nothing is changed.
    labels : (batch,) int, optional
        Also checks the loss: a row "logits" at the model's own logits.
    mode, seed, tolerance
        As for `check_pair`.
    loss : callable, optional
        ``loss, dlogits = loss(logits, labels)``.

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
    expect(model=model, params=params, x=x)
    expect(**{f"params[{name!r}]": value for name, value in params.items()})
    if x.ndim < 2:
        raise InputError(f"x must be (units, batch) or (time, units, batch), got shape {tuple(x.shape)}")
    settings = {"mode": mode, "seed": seed, "tolerance": tolerance}
    params, x = {name: value.copy() for name, value in params.items()}, x.copy()  # read again when it is explained
    parts = [(model, lambda model: pair(model, params, x))]
    if labels is not None:
        logits, _ = model.forward(params, x)
        parts.append((loss, lambda loss: of_loss(loss, logits, labels)))
    return _report(parts, sizes_of(model, params, x), settings)


def check_part(
    part: Any, functions: Callable[[Any], dict], *, mode: str = "entries", seed: int = 0, tolerance: float = TOLERANCE
) -> GradientReport:
    """Check a part of this library that is no model: a loss, layer, normaliser, storage, activation or growth rule.

    Parameters
    ----------
    part : object
    functions : callable
        ``functions(part)`` returns the arguments of `check_pair`: forward, backward, inputs, and wrt or support if
        there is need. It is called again with the part under each catalogued mistake, to name one.
    mode, seed, tolerance
        As for `check_pair`.

    Returns
    -------
    GradientReport

    Examples
    --------
    >>> wrong = minisparse.gradcheck.catalogue.find("loss-sign").plant(minisparse.softmax_cross_entropy)
    >>> logits, labels = numpy.array([[1.0, 2.0], [0.0, 4.0], [3.0, 1.0]]), numpy.array([0, 2])
    >>> functions = lambda loss: minisparse.gradcheck.of_loss(loss, logits, labels)
    >>> minisparse.gradcheck.check_part(wrong, functions).codes[0]
    'loss-sign'
    """
    return _report([(part, functions)], None, {"mode": mode, "seed": seed, "tolerance": tolerance})


def _report(parts: list[tuple[Any, Callable]], sizes: dict | None, settings: dict) -> GradientReport:
    """Compare parts with differences; mistakes are named, and mismatches explained, when somebody reads them."""
    compared = [compare(**functions(part), **settings) for part, functions in parts]
    reports = [found.report for found in compared]

    def explain() -> tuple[list[Finding], list[str]]:
        named, others, blind = [], [], []
        for (part, functions), found in zip(parts, compared, strict=True):
            known, unseen = recognise(gradients_of(functions, settings["seed"]), part)
            known = known if not found.report.ok else []
            named += known
            others += found.report.raw if known else _diagnosed(found).findings
            blind += unseen
        return named + others, blind

    rows, findings = ([each for report in reports for each in getattr(report, what)] for what in ("rows", "raw"))
    return GradientReport(
        rows, findings, reports[0].not_checked, settings["mode"], sizes or reports[0].sizes, (), reports[0].notes,
        explain if settings["mode"] == "entries" else None,
    )  # fmt: skip


def of_loss(loss: Callable, logits: Array, labels: Array) -> dict[str, Any]:
    """Turn a loss into the arguments of `check_pair`.

    Examples
    --------
    >>> logits, labels = numpy.array([[1.0, 2.0], [0.0, 4.0], [3.0, 1.0]]), numpy.array([0, 2])
    >>> minisparse.check_pair(**minisparse.gradcheck.of_loss(minisparse.softmax_cross_entropy, logits, labels)).ok
    True
    """
    return {
        "forward": lambda logits: loss(logits, labels),
        "backward": lambda dy, dlogits: {"logits": dy * dlogits},
        "inputs": {"logits": logits},
    }


def pair(model: Model, params: dict[str, Array], x: Array) -> dict[str, Any]:
    """Turn a model into the arguments of `check_pair`: forward, backward, inputs and support.

    Examples
    --------
    >>> model = minisparse.RNN(2, minisparse.make_weights(minisparse.full(3, 3)), 4, "tanh")
    >>> params = model.init(numpy.random.default_rng(0))
    >>> minisparse.check_pair(**minisparse.pair(model, params, numpy.ones((2, 2, 1))), wrt=["W_rec"]).ok
    True
    """
    expect(model=model, params=params, x=x)
    if "x" in params:
        raise InputError("a parameter may not be called x: that is the name of the input")

    def forward(x: Array, **params: Array) -> tuple[Array, Any]:
        return model.forward(params, x)

    def backward(dy: Array, cache: Any) -> dict[str, Array]:
        return model.backward(dy, cache, wrt_x=True)

    support = {
        name: weights.from_values(array_module(parameter_of(params, name)).ones(weights.nnz)) != 0
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
    dy: Array | None = None,
) -> GradientReport:
    """Check a pair of functions: ``y, cache = forward(**inputs)`` and ``grads = backward(dy, cache)``.

    Other forms are taken, too: inputs by position (a list), parameters as dicts in a dict (their arrays get dotted
    names), a number or a tuple of arrays as y (dy then is a tuple as well), and gradients as a tuple.

    Parameters
    ----------
    forward, backward : callable
        `grads` is a dict with the names of `inputs`, or a tuple in the order of `wrt`.
    inputs : dict, list or tuple
        Float arrays are checked (as float64 copies that cannot be written to), and so are lists of
        fractions. Whole numbers are converted if `wrt` names them or `backward` returns their gradient. The report says
        what was converted; all else is passed on as it is.
    wrt : names, optional
        What to check; every float array if omitted. The rest is listed as not checked.
    support : dict of bool arrays, optional
        Where a tensor's gradient may differ from 0; elsewhere it must be exactly 0 and is not differenced.
    mode : {"entries", "direction"}
        Every entry, or one random direction per tensor (cheap, but it cannot say which entry is wrong).
    seed : int
        Of the random cotangent and directions.
    tolerance : float
        Largest error per tensor that passes.
    dy : array, optional
        The cotangent, random if omitted. (Ones are a poor choice: they miss mistakes that cancel in a sum.)

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
    wrt = wrt if wrt is None or isinstance(wrt, str) else list(wrt)
    found = compare(forward, backward, inputs, wrt, support, mode, seed, tolerance, dy)
    report = _diagnosed(found) if mode == "entries" else found.report
    settings = {"wrt": wrt, "seed": seed}
    report.case = forward, backward, inputs, {name: value for name, value in settings.items() if value}
    return report


def _diagnosed(found: Compared) -> GradientReport:
    """Have the mismatches of a report explained, where they can be, when somebody reads them."""
    report, probe, backward, support, judged = found
    wrong = [finding.tensor for finding in report.raw if finding.code == "mismatch"]
    if not wrong or "not-deterministic" in report.codes:
        return report

    def explain() -> tuple[Iterable[Finding], Iterable[str]]:
        with np.errstate(all="ignore"):
            why = diagnose(probe, backward, wrong, support, judged)
        return [_explained(finding, why) for finding in report.raw], report.blind

    return GradientReport(
        report.rows, report.raw, report.not_checked, report.mode, report.sizes, report.blind, report.notes, explain
    )


def _explained(finding: Finding, explained: dict[str, Finding]) -> Finding:
    if finding.code != "mismatch" or finding.tensor not in explained:
        return finding
    why = explained[finding.tensor]
    evidence = {**finding.evidence, **why.evidence}
    return Finding(why.code, finding.tensor, f"{why.sentence} ({finding.sentence})", evidence)
