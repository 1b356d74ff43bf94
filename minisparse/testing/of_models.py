"""Laws of a layer and of a model: pure passes, right gradients, and weights that can be exchanged."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import backend
from ..evolve.places import flat_places, vacant
from ..evolve.site import exchange
from ..gradcheck import check_layer, check_pair, compare
from ..optim import SGD
from . import of_hooks
from .cases import PAIR, away, bits, different, finite, fresh, noted, off_pattern, said, stored

BATCH = 4
EACH = 1000
"""Numbers in an array up to which each entry of its gradient is compared with a difference."""
READ = "does forward read self.weights?"


class Case:
    """A layer or a model, and an input for it. One that keeps its parameters on itself is checked as it is."""

    def __init__(self, rule: Any, x: np.ndarray | None = None):
        self.rule, self.x = rule, x
        self.pure = hasattr(rule, "init")
        self.storages: tuple[str, ...] = PAIR if getattr(rule, "weights", None) else ("as it is",)

    def stored(self, storage: str) -> Any:
        """Return a copy whose weights are all in one storage."""
        return stored(self.rule, storage) if storage in PAIR else fresh(self.rule)

    def init(self, model: Any, dtype: type = np.float64) -> dict:
        """Draw parameters; weights that start too small for a check are made larger."""
        wide = {"w_max": 0.5} if "w_max" in inspect.signature(model.init).parameters else {}
        return model.init(np.random.default_rng(0), dtype=dtype, **wide)

    def input(self, model: Any, params: dict, dtype: type = np.float64, seed: int = 1) -> np.ndarray:
        """Return an input of the form that the model takes."""
        if self.x is not None:
            return (self.x if seed == 1 else away(self.x.shape, seed)).astype(dtype)
        return away((*of_hooks.sample_shape(model, params), BATCH), seed, dtype)

    def ready(self, storage: str, dtype: type = np.float64) -> tuple[Any, dict, np.ndarray]:
        """Return model, parameters and an input."""
        model = self.stored(storage)
        params = self.init(model, dtype)
        return model, params, self.input(model, params, dtype)


def it_runs_forward_and_back(case: Case) -> Iterator[str]:
    """Forward returns an output and a cache; backward the gradients, under the names and in the shapes of params."""
    for storage in case.storages:
        model, params, x = case.ready(storage)
        try:
            found = model.forward(params, x)
            if not isinstance(found, tuple) or len(found) != 2:
                yield "forward must return two things, the output and what backward needs"
                return
            grads = model.backward(away(found[0].shape, 2), found[1])
        except Exception as error:
            if storage not in PAIR or not _runs_as_it_is(case):
                raise
            yield f"with its weights put into {storage} storage it raises {type(error).__name__}: {error}; {READ}"
            return
        for name in sorted(params.keys() | grads.keys()):
            shapes = [each[name].shape if name in each else "missing" for each in (params, grads)]
            if shapes[0] != shapes[1]:
                yield f"{storage}: the parameter {name} is {shapes[0]}, its gradient {shapes[1]}"


def _runs_as_it_is(case: Case) -> bool:
    """Whether a model runs with the weights that it was made with."""
    model = case.rule.copy() if hasattr(case.rule, "copy") else fresh(case.rule)
    try:
        params = case.init(model)
        y, cache = model.forward(params, case.input(model, params))
        model.backward(y, cache)
    except Exception:
        return False
    return True


def every_gradient_is_right_in_both_storages(case: Case) -> Iterator[str]:
    """Central differences agree with backward, for every parameter and the input; absent synapses get exactly 0.

    Of an array of more than 1000 numbers all are moved at once, along three random directions.
    """
    for storage in case.storages:
        model, params, x = case.ready(storage)
        pair = _pair(model, params, x)
        small = [name for name, value in pair["inputs"].items() if value.size <= EACH]
        reports = [check_pair(**pair, wrt=small)] if small else []
        if len(small) < len(pair["inputs"]):
            large = [name for name in pair["inputs"] if name not in small]
            reports += [check_pair(**pair, wrt=large, mode="direction", seed=seed) for seed in range(3)]
        for report in reports:
            if not report.ok:
                more = "; a smaller network shows which entries" if report.mode == "direction" else ""
                yield f"{storage}: {said(report)}{more}"


def _pair(model: Any, params: dict, x: np.ndarray) -> dict[str, Any]:
    weights = getattr(model, "weights", {})
    support = {k: w.from_values(np.ones(w.nnz)) != 0 for k, w in weights.items()}
    return {
        "forward": lambda x, **params: model.forward(params, x),
        "backward": lambda dy, cache: model.backward(dy, cache, wrt_x=True),
        "inputs": {**params, "x": x},
        "support": support,
    }


def float32_stays_float32(case: Case) -> Iterator[str]:
    """init makes the dtype that it is asked for; output and gradients have it, and are finite."""
    for dtype in (np.float32, np.float64):
        for storage in case.storages:
            model, params, x = case.ready(storage, dtype)
            y, cache = model.forward(params, x)
            grads = model.backward(y, cache)
            arrays = {**params, "the output": y, **{f"the gradient of {k}": g for k, g in grads.items()}}
            for name, array in arrays.items():
                if array.dtype != dtype:
                    yield f"{name} is {array.dtype}, where {np.dtype(dtype)} was asked for"
                elif not finite(array):
                    yield f"{name} holds nan or inf"


def it_keeps_no_state(case: Case) -> Iterator[str]:
    """Nothing handed in is changed; a second call gives the same, and backward reads its own cache alone."""
    for storage in case.storages:
        model, params, x = case.ready(storage)
        before = bits([params, x])
        y, cache = model.forward(params, x)
        kept, dy = bits(y), away(y.shape, 2)
        grads = {name: bits(grad) for name, grad in model.backward(dy, cache).items()}
        if bits([params, x]) != before or bits(y) != kept:
            yield "it writes into the parameters, the input or the output; make new arrays"
        other = case.input(model, params, seed=3)
        model.forward({name: 0.5 * value for name, value in params.items()}, other)
        if {name: bits(grad) for name, grad in model.backward(dy, cache).items()} != grads:
            yield "after another forward, backward gives other gradients for the same cache; keep nothing on self"
        if bits(model.forward(params, x)[0]) != kept:
            yield "it gives another output the second time"


def each_example_stands_alone(case: Case) -> Iterator[str]:
    """The output of an example, a column, does not hang on the others in the batch."""
    model, params, x = case.ready(case.storages[0])
    whole, _ = model.forward(params, x)
    part, _ = model.forward(params, x[..., 1:3])
    if whole.shape[-1] != x.shape[-1] or not np.allclose(whole[..., 1:3], part, rtol=1e-9):
        yield "the output of an example changes with the others in its batch; examples are columns, the last axis"


def the_same_seed_makes_the_same_parameters(case: Case) -> Iterator[str]:
    """init draws the same numbers in every storage and dtype, and the same again."""
    found = []
    for storage in case.storages:
        for dtype in (np.float32, np.float64):
            model = case.stored(storage)
            params = case.init(model, dtype)
            if different(params, case.init(model, dtype)):
                yield "init makes other parameters from the same seed; draw from the generator that is handed in"
            weights = getattr(model, "weights", {})
            found.append({k: weights[k].values(v) if k in weights else v for k, v in params.items()})
            for name, value in found[-1].items():
                if not np.allclose(value, found[0][name], rtol=1e-6, atol=1e-7):
                    yield f"{name} starts with other numbers in {storage} or {np.dtype(dtype)}; draw (nnz,) values"


def its_config_is_plain(case: Case) -> Iterator[str]:
    """config() holds numbers, text, lists and dicts alone, and is that of a copy: checkpoints compare it."""
    config = case.rule.config()
    try:
        json.dumps(config)
    except TypeError as error:
        yield f"config() holds something that is no plain value ({error})"
    if " object at 0x" in str(config):
        yield "config() names a place in memory, so no run can be resumed; write the settings"
    if hasattr(case.rule, "copy") and case.rule.copy().config() != config:
        yield "a copy has another config()"


def a_copy_is_independent(case: Case) -> Iterator[str]:
    """A copy gives the same output, and rewiring it leaves the original as it was."""
    model, params, x = case.ready(case.storages[0])
    y, _ = model.forward(params, x)
    patterns = {name: w.pattern for name, w in getattr(model, "weights", {}).items()}
    twin = model.copy()
    if bits(twin.forward(params, x)[0]) != bits(y):
        yield "a copy gives another output"
    _rewire(twin, {name: value.copy() for name, value in params.items()})
    if any(model.weights[name].pattern is not pattern for name, pattern in patterns.items()):
        yield "rewiring a copy has rewired the original; copy the dict of weights"


def _rewire(model: Any, params: dict) -> bool:
    """Exchange a synapse of every parameter that has a vacant place; whether there was one."""
    done = False
    for name, weights in list(model.weights.items()):
        if 0 < weights.nnz < weights.shape[0] * weights.shape[1]:
            keep = np.ones(weights.nnz, bool)
            places = vacant(weights.pattern, keep, 1, np.random.default_rng(0))
            keep[0] = False
            exchange(model, params, SGD(), name, keep, places, np.full(1, 0.7))
            done = True
    return done


def the_weights_in_force_are_used(case: Case) -> Iterator[str]:
    """After another pattern is put into `weights`, forward and backward work with it."""
    for storage in case.storages:
        model, params, x = case.ready(storage)
        right = compare(**_pair(model, params, x), mode="direction").report.ok
        old = {name: flat_places(w.pattern) for name, w in model.weights.items()}
        if not _rewire(model, params):
            continue
        try:
            report = compare(**_pair(model, params, x), mode="direction").report
        except Exception as error:
            yield f"{storage}: after a rewiring it raises {type(error).__name__}: {error}; {READ}"
            return
        if not report.ok:
            yield f"{storage}: after a rewiring {said(report)}" + (f"; {READ}" if right else ", and so before it")
        y, cache = model.forward(params, x)
        for name, weights in model.weights.items():
            if off_pattern(weights, model.backward(y, cache)[name] + 0.0):
                yield f"{storage}: after a rewiring {name} has gradients off its pattern of {len(old[name])} synapses"


def weight_is_what_the_passes_use(case: Case) -> Iterator[str]:
    """weight(params, name) returns, packed, the numbers that forward multiplies with, for every sparse parameter.

    They are those that forward binds to the storage, or unpacks; of a forward that does neither the packing is tested.
    """
    for storage in case.storages:
        model, params, x = case.ready(storage)
        used: dict[str, list] = {name: [] for name in model.weights}
        for name, weights in list(model.weights.items()):
            packed = model.weight(params, name)
            if packed.shape != params[name].shape or off_pattern(weights, packed + 0.0):
                yield f"weight(params, {name!r}) is not packed as params[{name!r}] is"
            model.weights[name] = noted(weights, used[name])
        model.forward(params, x)
        for name, seen in {name: list(each) for name, each in used.items()}.items():
            packed = model.weight(params, name)
            if seen and not any(w.shape == packed.shape and np.allclose(w, packed, rtol=1e-9) for w in seen):
                yield f"weight(params, {name!r}) has other numbers than those that forward multiplies with"


def links_are_what_the_synapses_saw(case: Case) -> Iterator[str]:
    """cache.links[name] = (pre, post, dpost) after backward: their product is the gradient of the weight."""
    for storage in case.storages:
        model, params, x = case.ready(storage)
        y, cache = model.forward(params, x)
        grads = model.backward(away(y.shape, 2), cache)
        for name, weights in model.weights.items():
            if name not in getattr(cache, "links", {}):
                yield f"after backward cache.links has no {name!r}; rules that look at activity or gradients need it"
                return
            pre, post, dpost = cache.links[name]
            plain = model.weight(params, name) is params[name]
            if plain and not np.allclose(weights.outer(dpost, pre), grads[name], rtol=1e-6, atol=1e-9):
                yield f"dpost preᵀ of cache.links[{name!r}] is not the gradient of {name}"
            if post.shape != dpost.shape:
                yield f"post and dpost of cache.links[{name!r}] have the shapes {post.shape} and {dpost.shape}"


links_are_what_the_synapses_saw.applies = lambda case: case.pure and _has_links(case)  # type: ignore[attr-defined]


def _has_links(case: Case) -> bool:
    """Whether a model offers links at all; one that is never rewired by such a rule need not."""
    try:
        model, params, x = case.ready(case.storages[0])
        return hasattr(model.forward(params, x)[1], "links")
    except Exception:  # the first law says what is wrong
        return False


def a_resumed_run_is_the_same(case: Case) -> Iterator[str]:
    """`fit` trains it, and a run that was killed and goes on ends as one that was not, bit for bit."""
    yield from of_hooks.a_resumed_run_is_the_same(of_hooks.Case(_nothing, case.rule))


def _nothing(run: Any) -> None:
    """Do nothing: a hook for a run in which the model alone is tested."""


def the_backend_is_left_alone(case: Case) -> Iterator[str]:
    """The library that computes is the same before and after."""
    before = backend.current_module()
    model, params, x = case.ready(case.storages[0])
    y, cache = model.forward(params, x)
    model.backward(y, cache)
    if backend.current_module() is not before:
        yield "it has switched the backend"


def the_layer_passes_the_gradient_check(case: Case) -> Iterator[str]:
    """For a layer with its parameters, cache and gradients on itself: every gradient agrees."""
    if case.x is None:
        yield "a layer that keeps its parameters on itself needs an input: laws(layer, x=...)"
        return
    report = check_layer(case.rule, case.x.astype(np.float64))
    if not report.ok:
        yield said(report)


STATEFUL = (the_layer_passes_the_gradient_check,)
PURE = (
    it_runs_forward_and_back, every_gradient_is_right_in_both_storages, float32_stays_float32, it_keeps_no_state,
    each_example_stands_alone, the_same_seed_makes_the_same_parameters, its_config_is_plain, the_backend_is_left_alone,
)  # fmt: skip
SPARSE = (
    a_copy_is_independent, the_weights_in_force_are_used, weight_is_what_the_passes_use,
    links_are_what_the_synapses_saw,
)  # fmt: skip
for _law in STATEFUL:
    _law.applies = lambda case: not case.pure  # type: ignore[attr-defined]
for _law in PURE:
    _law.applies = lambda case: case.pure  # type: ignore[attr-defined]
for _law in SPARSE[:3]:
    _law.applies = lambda case: case.pure and hasattr(case.rule, "weights")  # type: ignore[attr-defined]
LAYER: tuple[Callable, ...] = (*STATEFUL, *PURE, *SPARSE)
MODEL: tuple[Callable, ...] = (*LAYER, a_resumed_run_is_the_same)
