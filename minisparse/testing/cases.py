"""What the laws share: small networks, data, and what it means that two things are the same."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import backend
from ..connectivity import Pattern, full
from ..groups import labelled
from ..mlp import MLP
from ..weights.make import STORAGES, make_weights

PAIR = ("dense", "csr")
"""The two storages that every network can be put into."""


def small_pattern(n_post: int = 5, n_pre: int = 6, seed: int = 0) -> Pattern:
    """Return a pattern with a neuron that receives nothing and one that sends nothing; it has groups."""
    rng = np.random.default_rng(seed)
    mask = rng.random((n_post, n_pre)) < 0.6
    mask[0, :2], mask[1, 1], mask[2], mask[:, 3] = True, True, False, False
    return labelled(Pattern.from_mask(mask), (np.arange(n_post) % 2, np.arange(n_pre) % 2))


def each_storage(pattern: Pattern) -> Iterator[Any]:
    """Yield a pattern in every storage."""
    for storage in STORAGES:
        yield make_weights(pattern, storage)


def network(storage: str = "csr") -> MLP:
    """Return a sparse layer of 6 neurons on 7 inputs, and a full readout of 3 classes."""
    layers = [make_weights(small_pattern(6, 7, seed=1), storage), make_weights(full(3, 6), storage)]
    return MLP(layers, "tanh")


def stored(model: Any, storage: str) -> Any:
    """Return a copy of a model with all its weights in one storage."""
    twin = model.copy()
    if twin.weights is model.weights:  # which `a_copy_is_independent` finds
        twin = copy.copy(model)
        twin.weights = dict(model.weights)
    for name, weights in list(twin.weights.items()):
        twin.weights[name] = make_weights(weights.pattern, storage)
    return twin


def noted(weights: Any, used: list) -> Any:
    """Return a copy of a storage that notes the packed numbers which are bound to it or unpacked."""
    twin = copy.copy(weights)

    def noting(method: Callable) -> Callable:
        def call(w: Any, *more: Any) -> Any:
            used.append(w)
            return method(w, *more)

        return call

    vars(twin).update(bind=noting(weights.bind), unpack=noting(weights.unpack))
    return twin


def away(shape: tuple[int, ...], seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    """Return normal numbers at least 0.05 away from 0, where a function may have a kink."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return (values + np.copysign(0.05, values)).astype(dtype)


def fresh(thing: Any) -> Any:
    """Return a copy that shares nothing; functions are copied as they are."""
    return copy.deepcopy(thing)


def bits(thing: Any) -> Any:
    """Return what must be equal for two things to be the same, bit for bit: arrays as dtype, shape and bytes."""
    if isinstance(thing, dict):
        return {key: bits(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [bits(value) for value in thing]
    if isinstance(thing, (SimpleNamespace,)):
        return bits(vars(thing))
    if hasattr(thing, "dtype"):
        array = backend.to_numpy(thing)
        return str(array.dtype), array.shape, array.tobytes()
    return thing


def different(first: dict, second: dict) -> list[str]:
    """Return the keys under which two dicts of arrays are not the same, bit for bit."""
    return [
        k
        for k in first.keys() | second.keys()
        if k not in first or k not in second or bits(first[k]) != bits(second[k])
    ]


def off_pattern(weights: Any, packed: Any) -> bool:
    """Whether packed numbers hold anything but +0.0 where no synapse is."""
    again = weights.from_values(weights.values(packed))
    return bits(again) != bits(packed)


def finite(thing: Any) -> bool:
    """Whether every number is."""
    return bool(np.isfinite(backend.to_numpy(thing)).all())


def said(report: Any) -> str:
    """Return what a gradient check found first, in one sentence."""
    finding = report.findings[0]
    return f"{finding.tensor}: {finding.sentence}" if finding.tensor else finding.sentence
