"""Laws of an activation and of a loss: functions with a slope of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..activations import Activation
from ..arguments import chosen
from ..errors import InputError
from ..gradcheck import check, check_pair, of_loss
from ..rnn import RNN
from .cases import PAIR, away, bits, finite, said, small_pattern, stored

LARGE = 100.0
"""A drive or an answer that a network may well meet; exp(100) is no float32."""


class ActivationCase:
    """An activation."""

    def __init__(self, rule: Activation):
        if not isinstance(rule, Activation):
            raise InputError("an activation must be a minisparse.Activation(name, value, slope)")
        self.phi = rule

    def both(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return value and slope at a copy of the argument: that it may not be changed is a law of its own."""
        a = a.copy()
        h = self.phi(a)
        return h, self.phi.slope(self.phi.kept(a, h))


def it_keeps_the_shape(case: ActivationCase) -> Iterator[str]:
    """Value and slope run, for arrays of any shape, and have the shape of the argument."""
    for shape in ((3,), (2, 3), (2, 3, 4), (3, 0)):
        for what, found in zip(("value", "slope"), case.both(away(shape)), strict=True):
            if getattr(found, "shape", None) != shape:
                yield f"the {what} of an argument of shape {shape} has shape {getattr(found, 'shape', None)}"


def the_slope_is_the_derivative(case: ActivationCase) -> Iterator[str]:
    """At each argument the slope is the difference quotient of the value."""
    phi = case.phi

    def forward(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        h = phi(a.copy())
        return h, phi.kept(a, h)

    report = check_pair(forward, lambda dy, kept: {"a": dy * phi.slope(kept.copy())}, {"a": 2 * away((3, 5))})
    if not report.ok:
        yield f"{said(report)}; slope is given the {phi.keeps}, as keeps= says"


def each_entry_stands_alone(case: ActivationCase) -> Iterator[str]:
    """The value of an entry does not hang on other entries: softmax, say, is no activation."""
    a = away((4, 5))
    for what, whole, part in zip(("value", "slope"), case.both(a), case.both(a[1:2, 2:]), strict=True):
        if not np.allclose(whole[1:2, 2:], part, rtol=1e-9):
            yield f"the {what} of an entry changes with the other entries of the array"


def float32_stays_float32(case: ActivationCase) -> Iterator[str]:
    """Value and slope have the dtype of the argument."""
    for dtype in (np.float32, np.float64):
        for what, found in zip(("value", "slope"), case.both(away((4, 5), dtype=dtype)), strict=True):
            if found.dtype != dtype:
                how = "plain constants, and .astype(a.dtype) after np.where or a comparison"
                yield f"the {what} of a {np.dtype(dtype)} argument is {found.dtype}; take {how}"


def large_arguments_stay_finite(case: ActivationCase) -> Iterator[str]:
    """At ±100 neither value nor slope is nan or inf."""
    a = np.array([-LARGE, 0, LARGE], np.float32)
    for what, found in zip(("value", "slope"), case.both(a), strict=True):
        for k in np.flatnonzero(~np.isfinite(found)):
            yield f"the {what} at {a[k]:g} is {found[k]}; write it so that exp does not overflow"


def it_changes_nothing(case: ActivationCase) -> Iterator[str]:
    """The argument is left as it was, and the same argument gives the same value again."""
    a = away((4, 5))
    before = bits(a)
    h = case.phi(a)
    if bits(a) != before:
        yield "value(a) writes into a; make a new array"
    value = bits(h)
    s = case.phi.slope(case.phi.kept(a, h))
    kept = value, bits(s)
    if bits(a) != before or bits(h) != value:
        yield f"slope writes into what it is given, the {case.phi.keeps}; make a new array"
    again = case.both(a)
    if bits(h) != value:
        yield "a second call writes into what the first has returned; make a new array"
    if bits(again) != list(kept):
        yield "it gives another value the second time"


def out_is_written(case: ActivationCase) -> Iterator[str]:
    """With out= the value is written there, and that array is returned."""
    a = away((4, 5))
    out = np.full((4, 5), np.nan)
    found, h = case.phi(a.copy(), out=out), case.phi(a.copy())
    if bits(out) != bits(h):
        yield "value(a, out) does not write its value into out, though it has that argument"
    if found is not out:
        yield "value(a, out) returns another array than out"


def a_network_with_it_passes_the_gradient_check(case: ActivationCase) -> Iterator[str]:
    """In a recurrent network, dense and sparse, every gradient agrees."""
    rng = np.random.default_rng(0)
    model = RNN(2, small_pattern(5, 5), 3, case.phi)
    for storage in PAIR:
        twin = stored(model, storage)
        params = twin.init(rng, dtype=np.float64, w_max=0.5)
        report = check(twin, params, rng.standard_normal((3, 2, 4)), mode="direction")
        if not report.ok:
            cause = next((each for law in (it_changes_nothing, out_is_written) for each in law(case)), None)
            yield cause or f"{storage}: {said(report)}"


ACTIVATION: tuple[Callable, ...] = (
    it_keeps_the_shape, the_slope_is_the_derivative, each_entry_stands_alone, float32_stays_float32,
    large_arguments_stay_finite, it_changes_nothing, out_is_written, a_network_with_it_passes_the_gradient_check,
)  # fmt: skip


class LossCase:
    """A loss, with an output of 3 units for 5 examples and what it is compared with."""

    def __init__(self, rule: Callable, target: str | None = None):
        self.loss = rule
        self.output = 1.5 * away((3, 5), seed=1)
        labels, numbers = np.array([2, 0, 1, 1, 0]), away((3, 5), seed=2)
        if target is None:
            try:
                rule(self.output, labels)
            except Exception:  # it does not take labels
                target = "numbers"
        target = chosen("target", target or "classes", ("classes", "numbers"))
        self.target: Any = labels if target == "classes" else numbers
        self.masks = _takes_mask(rule)

    def __call__(self, output: np.ndarray, target: Any = None, *mask: np.ndarray) -> tuple[Any, Any]:
        return self.loss(output, self.target if target is None else target, *mask)


def _takes_mask(rule: Callable) -> bool:
    """Whether a loss has a third argument that is a mask: one that must be given, or is None if it is not."""
    parameters = list(inspect.signature(rule).parameters.values())
    return len(parameters) > 2 and parameters[2].default in (None, parameters[2].empty)


def it_returns_a_value_and_a_gradient(case: LossCase) -> Iterator[str]:
    """The loss runs and returns a number, and a gradient of the output's shape."""
    found = case(case.output)
    if not isinstance(found, tuple) or len(found) != 2:
        yield "it must return two things, the value and the gradient with respect to the output"
        return
    value, doutput = found
    if np.ndim(value) != 0:
        yield f"the value has shape {np.shape(value)}; a loss is one number"
    elif np.shape(doutput) != case.output.shape:
        yield f"the gradient has shape {np.shape(doutput)}, the output {case.output.shape}"


def the_gradient_is_the_derivative(case: LossCase) -> Iterator[str]:
    """Each entry of the gradient is the difference quotient of the value."""
    report = check_pair(**of_loss(case.loss, case.output, case.target))
    if not report.ok:
        yield said(report)


def it_is_a_mean_over_the_batch(case: LossCase) -> Iterator[str]:
    """With every example twice the value is the same, and each gradient half: the batch divides once, in the loss."""
    value, doutput = case(case.output)
    twice, dtwice = case(np.tile(case.output, (1, 2)), np.concatenate([case.target] * 2, axis=-1))
    if not np.allclose(value, twice, rtol=1e-9):
        yield f"with every example twice the value is {twice / value:.3g} times as large; divide by the batch, once"
    elif not np.allclose(np.tile(doutput, (1, 2)), 2 * dtwice, rtol=1e-9):
        yield "with every example twice the gradient of one is not halved; divide it by the batch, once"


def float32_stays_float32_in_the_gradient(case: LossCase) -> Iterator[str]:
    """The gradient has the dtype of the output."""
    for dtype in (np.float32, np.float64):
        _, doutput = case(case.output.astype(dtype))
        if doutput.dtype != dtype:
            yield f"the gradient of a {np.dtype(dtype)} output is {doutput.dtype}; give target and mask its dtype"


def large_outputs_stay_finite(case: LossCase) -> Iterator[str]:
    """At outputs of ±100 neither value nor gradient is nan or inf."""
    value, doutput = case((LARGE * np.sign(case.output)).astype(np.float32))
    if not finite(value) or not finite(doutput):
        yield f"at outputs of ±{LARGE:g} the value is {value}; subtract the largest output before exp"


def it_leaves_its_arguments_alone(case: LossCase) -> Iterator[str]:
    """Output, target and mask are left as they were, and the same arguments give the same numbers again."""
    output, target = case.output.copy(), case.target.copy()
    first = bits(case(output, target))
    if bits(output) != bits(case.output) or bits(target) != bits(case.target):
        yield "it writes into its output or target; make a new array"
    if bits(case(case.output)) != first:
        yield "it gives other numbers the second time"


def a_mask_of_ones_changes_nothing(case: LossCase) -> Iterator[str]:
    """Where every answer counts alike, the mask may be left out."""
    for found, expected in zip(case(case.output, None, np.ones(5)), case(case.output), strict=True):
        if not np.allclose(found, expected, rtol=1e-9):
            yield "with a mask of ones it is another loss than without a mask"


def what_is_masked_does_not_count(case: LossCase) -> Iterator[str]:
    """An answer of mask 0 has a gradient of exactly 0, and the value is that of the others alone."""
    mask = np.array([1.0, 0.0, 1.0, 0.0, 1.0])
    seen = mask > 0
    value, doutput = case(case.output, None, mask)
    alone, dalone = case(case.output[:, seen], case.target[..., seen])
    if np.any(doutput[:, ~seen] != 0):
        yield "an answer that is masked out has a gradient; multiply by the mask"
    for what, found, right in (("value", value, alone), ("gradient", doutput[:, seen], dalone)):
        if not np.allclose(found, right, rtol=1e-9):
            yield f"the {what} is not that of the answers that count; divide by the sum of the mask, not by the batch"


for _law in (a_mask_of_ones_changes_nothing, what_is_masked_does_not_count):
    _law.applies = lambda case: case.masks  # type: ignore[attr-defined]

LOSS: tuple[Callable, ...] = (
    it_returns_a_value_and_a_gradient, the_gradient_is_the_derivative, it_is_a_mean_over_the_batch,
    float32_stays_float32_in_the_gradient, large_outputs_stay_finite, it_leaves_its_arguments_alone,
    a_mask_of_ones_changes_nothing, what_is_masked_does_not_count,
)  # fmt: skip
