"""Laws of a normaliser: from the raw parameter v to the weight w, and back from dw to dv."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import backend
from ..gradcheck import check, check_pair
from ..mlp import MLP
from ..protocols import Normaliser, Weights
from ..weights.make import make_weights
from .cases import PAIR, away, bits, each_storage, finite, fresh, network, off_pattern, said, small_pattern


class Case:
    """A normaliser on a pattern of 5 neurons with 6 inputs, one of which neurons has no synapse."""

    def __init__(self, rule: Normaliser):
        self.rule, self.pattern = rule, small_pattern()

    def numbers(self, weights: Weights, dtype: type = np.float64) -> tuple[Any, list, Any]:
        """Return a raw parameter, the rule's further ones, moved a little off their start, and a gradient of w."""
        v, dw = (weights.from_values(away((weights.nnz,), seed, dtype)) for seed in (3, 4))
        return v, [value * dtype(1.25) for value in self.init(weights, v).values()], dw

    def init(self, weights: Weights, v: Any) -> dict:
        """Return the further parameters, in the order of extras."""
        found = fresh(self.rule).init(weights, v)
        return {name: found[name] for name in self.rule.extras}


def it_has_the_shapes_of_its_parameters(case: Case) -> Iterator[str]:
    """It runs; init makes what `extras` names, s (1, 1) and all else (n_post, 1), and backward returns their shapes."""
    for weights in each_storage(case.pattern):
        rule = fresh(case.rule)
        v, dw = (weights.from_values(away((weights.nnz,), seed)) for seed in (3, 4))
        made = rule.init(weights, v)
        if set(made) != set(rule.extras):
            yield f"extras names {tuple(rule.extras)}, but init makes {tuple(made)}"
            return
        for name, value in made.items():
            expected = (1, 1) if name == "s" else (weights.shape[0], 1)
            if value.shape != expected:
                yield f"init makes {name} of shape {value.shape}; it must be {expected}"
        w, cache = rule.forward(weights, v, *(made[name] for name in rule.extras))
        grads = rule.backward(dw, cache)
        for name, value in {"v": v, **made}.items():
            if name not in grads or grads[name].shape != value.shape:
                found = grads[name].shape if name in grads else "missing"
                yield f"{weights.storage}: the gradient of {name} is {found}, {name} has shape {value.shape}"
        if w.shape != v.shape:
            yield f"{weights.storage}: the weight has shape {w.shape}, the raw parameter {v.shape}"


def the_gradient_is_right_in_every_storage(case: Case) -> Iterator[str]:
    """Central differences agree with backward, for v and every further parameter, in float64."""
    for weights in each_storage(case.pattern):
        rule = fresh(case.rule)
        v, extras, _ = case.numbers(weights)
        names = list(rule.extras)

        def forward(v: Any, rule: Any = rule, weights: Any = weights, **extras: Any) -> tuple[Any, Any]:
            return rule.forward(weights, v, *(extras[name] for name in rule.extras))

        def backward(dw: Any, cache: Any, rule: Any = rule, weights: Any = weights) -> dict:
            return rule.backward(weights.masked(np.array(dw)), cache)

        support = {"v": weights.from_values(np.ones(weights.nnz)) != 0}
        report = check_pair(forward, backward, {"v": v, **dict(zip(names, extras, strict=True))}, support=support)
        if not report.ok:
            yield f"{weights.storage}: {said(report)}"


def storages_agree(case: Case) -> Iterator[str]:
    """Weights and gradients are the same numbers in every storage."""
    found = []
    for weights in each_storage(case.pattern):
        rule = fresh(case.rule)
        v, extras, dw = case.numbers(weights)
        w, cache = rule.forward(weights, v, *extras)
        grads = rule.backward(dw, cache)
        found.append({"w": weights.values(w), "dv": weights.values(grads.pop("v")), **grads})
        for name, value in found[-1].items():
            if not np.allclose(value, found[0][name], rtol=1e-9, atol=1e-12):
                yield f"{name} is not the same in {weights.storage} as in dense; ask weights for sums, not the arrays"


def absent_synapses_stay_exactly_0(case: Case) -> Iterator[str]:
    """Off the pattern the weight and the gradient of v are +0.0, whatever stands there in memory."""
    for weights in each_storage(case.pattern):
        rule = fresh(case.rule)
        v, extras, dw = case.numbers(weights)
        w, cache = rule.forward(weights, v, *extras)
        for name, packed in {"the weight": w, "the gradient of v": rule.backward(dw, cache)["v"]}.items():
            if off_pattern(weights, packed + 0.0):  # -0.0 is 0
                yield f"{weights.storage}: {name} is not 0 where no synapse is; use weights.masked"


def empty_rows_and_zeros_stay_finite(case: Case) -> Iterator[str]:
    """A neuron without synapses, or whose raw weights are all 0, gives no nan and no inf."""
    for weights in each_storage(case.pattern):
        rule = fresh(case.rule)
        v, extras, dw = case.numbers(weights)
        for what, raw in (("a neuron without synapses", v), ("a neuron whose weights are 0", v * 0)):
            w, cache = rule.forward(weights, raw, *extras)
            arrays = {"weight": w, **{f"gradient of {k}": g for k, g in rule.backward(dw, cache).items()}}
            for name, array in arrays.items():
                if not finite(array):
                    yield f"{what} makes the {name} nan or inf; divide by nothing that is 0, in a derivative neither"


def float32_stays_float32(case: Case) -> Iterator[str]:
    """Weight, further parameters and gradients have the dtype of v."""
    for dtype in (np.float32, np.float64):
        for weights in each_storage(case.pattern):
            rule = fresh(case.rule)
            v, extras, dw = case.numbers(weights, dtype)
            w, cache = rule.forward(weights, v, *extras)
            found = {"the weight": w, **{f"the gradient of {k}": g for k, g in rule.backward(dw, cache).items()}}
            found |= {f"{name}, as init makes it,": value for name, value in case.init(weights, v).items()}
            for name, array in found.items():
                if array.dtype != dtype:
                    yield f"{name} of a {np.dtype(dtype)} parameter is {array.dtype}"


def it_keeps_no_state(case: Case) -> Iterator[str]:
    """Nothing handed in is changed; a second call gives the same, and backward reads its own cache alone."""
    for weights in each_storage(case.pattern):
        rule = fresh(case.rule)
        v, extras, dw = case.numbers(weights)
        before = bits([v, extras, dw])
        w, cache = rule.forward(weights, v, *extras)
        kept = bits(w)
        grads = bits(rule.backward(dw, cache))
        if bits([v, extras, dw]) != before or bits(w) != kept:
            yield "it writes into v, a further parameter, dw or the weight; make new arrays"
        rule.forward(weights, weights.masked(2 * v + 1), *extras)
        if bits(rule.backward(dw, cache)) != grads:
            yield "after another forward, backward gives another gradient for the same cache; keep nothing on self"
        if bits(rule.forward(weights, v, *extras)[0]) != bits(w):
            yield "it gives another weight the second time"


def its_declared_invariants_hold(case: Case) -> Iterator[str]:
    """What `invariants(weights, v, w, *extras)` returns, {"sentence": (found, expected)}, is equal in every storage."""
    for weights in each_storage(case.pattern):
        for dtype, rtol in ((np.float64, 1e-9), (np.float32, 1e-4)):
            rule = fresh(case.rule)
            v, extras, _ = case.numbers(weights, dtype)
            w, _ = rule.forward(weights, v, *extras)
            for sentence, (found, expected) in rule.invariants(weights, v, w, *extras).items():
                apart = np.abs(np.asarray(found) - np.asarray(expected))
                if not np.all(apart <= rtol * (1 + np.abs(expected))):
                    yield f"{weights.storage}: it declares that {sentence}; they are up to {apart.max():.3g} apart"


its_declared_invariants_hold.applies = lambda case: hasattr(case.rule, "invariants")  # type: ignore[attr-defined]


def its_repr_is_its_settings(case: Case) -> Iterator[str]:
    """Two equal rules are written alike: a checkpoint compares what is written."""
    if repr(case.rule) != repr(fresh(case.rule)) or " object at 0x" in repr(case.rule):
        yield f"it is written as {repr(case.rule)!r}, so no run can be resumed; write __repr__ with its settings"


def a_network_with_it_passes_the_gradient_check(case: Case) -> Iterator[str]:
    """In a network, dense and sparse, every gradient agrees, and the backend is the one that was in use."""
    before = backend.current_module()
    for storage in PAIR:
        plain = network(storage)
        model = MLP([make_weights(w.pattern, storage) for w in plain.weights.values()], "tanh", fresh(case.rule))
        params = model.init(np.random.default_rng(0), dtype=np.float64)
        report = check(model, params, away((7, 4)), mode="direction")
        if not report.ok:
            yield f"{storage}: {said(report)}"
    if backend.current_module() is not before:
        yield "it has switched the backend"


LAWS: tuple[Callable, ...] = (
    it_has_the_shapes_of_its_parameters, the_gradient_is_right_in_every_storage, storages_agree,
    absent_synapses_stay_exactly_0, empty_rows_and_zeros_stay_finite, float32_stays_float32, it_keeps_no_state,
    its_declared_invariants_hold, its_repr_is_its_settings, a_network_with_it_passes_the_gradient_check,
)  # fmt: skip
