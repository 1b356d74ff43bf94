"""The published networks of Fruengel & Oberlaender (2025), from plain settings: their sizes, initial values and data.

One seed gives independent streams: synapses, signs, initial weights, order of the batches. So two networks of one seed
differ only in what their settings say.
"""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import data
from ..connectivity import Pattern, Rng, bernoulli, dale_signs, full
from ..dale import Dale
from ..errors import InputError
from ..initialise import uniform
from ..mlp import MLP
from ..rnn import RNN, W_MAX
from ..weights.make import make_weights


def streams(seed: int, count: int = 4) -> list[np.random.Generator]:
    """Return independent generators of one seed.

    Examples
    --------
    >>> [rng.integers(1000) for rng in minisparse.lab.recipes.streams(0, 2)] == [
    ...     rng.integers(1000) for rng in minisparse.lab.recipes.streams(0, 4)[:2]
    ... ]
    True
    """
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)]


@functools.lru_cache(maxsize=2)
def dataset(name: str, root: str | None = None, per_class: int = 0, seed: int = 0) -> data.Dataset:
    """Load a data set once per process; with `per_class` only that many training samples of each class."""
    whole = data.load(name, root=root) if per_class == 0 else dataset(name, root)
    return data.subset_per_class(whole, per_class, np.random.default_rng(seed)) if per_class else whole


def pattern(nodes: int, density: float, rng: Rng) -> Pattern:
    """Return all connections, or each one with probability `density`, a neuron's with itself among them."""
    return full(nodes, nodes) if density == 1 else bernoulli(nodes, nodes, density, rng)


def recurrent(
    sizes: data.Dataset, nodes: int, density: float, seed: int, activation: str = "relu", storage: str = "auto",
    w_max: float = W_MAX, inhibitory: float | None = None, inhibition_gain: float = 1.0,
    published_draw: bool = False, clamp: str = "enforced",
) -> SimpleNamespace:  # fmt: skip
    """Make the recurrent network, and with `inhibitory` its Dale clamp.

    Parameters
    ----------
    sizes : Dataset
        Says how many inputs and classes there are.
    nodes : int
    density : float
    seed : int
    activation, storage : str
    w_max : float
        Largest magnitude of an initial recurrent weight.
    inhibitory : float, optional
        Share of inhibitory neurons; without it weights have both signs.
    inhibition_gain : float
        Initial strength of inhibition over excitation.
    published_draw : bool
        Draw inhibitory neurons with replacement, as the published notebook does: 39.3 % where 50 % are asked for.
    clamp : {"enforced", "init_only"}

    Returns
    -------
    namespace
        model, params, rng (for the batches), after_step (list of hooks), dale, strengths (n, 1).
    """
    synapses, whose, values, order = streams(seed)
    weights = make_weights(pattern(nodes, density, synapses), storage)
    model = RNN(sizes.sample_shape[1], weights, sizes.n_classes, activation)
    if inhibitory is None:
        params = model.init(values, w_max=w_max)
        return SimpleNamespace(model=model, params=params, rng=order, after_step=[], dale=None, strengths=None)
    signs = dale_signs(nodes, inhibitory, whose, replacement=published_draw)
    strengths = np.where(signs < 0, -inhibition_gain, 1.0)
    params, dale = model.init(values, w_max=w_max, signs=strengths), Dale(signs, clamp)
    return SimpleNamespace(model=model, params=params, rng=order, after_step=[dale], dale=dale, strengths=strengths)


def feedforward(
    sizes: data.Dataset, nodes: int, density: float, seed: int, activation: str = "relu", storage: str = "auto",
    w_max: float = W_MAX,
) -> SimpleNamespace:  # fmt: skip
    """Make the feedforward control: the nodes in two layers of half the size, sparse between the two.

    Every parameter is uniform in ±1/√(fan-in), but the weights between the layers are uniform in ±w_max.

    Parameters
    ----------
    sizes : Dataset
    nodes : int
        Of both layers together.
    density : float
        Of the connections between them.
    seed : int
    activation, storage : str
    w_max : float

    Returns
    -------
    namespace
        As `recurrent`.
    """
    if nodes < 2:
        raise InputError(f"two layers need at least 2 nodes, got {nodes}")
    synapses, _, values, order = streams(seed)
    n_in, half = math.prod(sizes.sample_shape), nodes // 2
    between = make_weights(pattern(half, density, synapses), storage)
    layers = [make_weights(full(half, n_in), "dense"), between, make_weights(full(sizes.n_classes, half), "dense")]
    model = MLP(layers, activation)
    params: dict[str, Any] = {}
    for k, weights in enumerate(layers):
        fan_in = weights.shape[1] ** -0.5
        bound = w_max if weights is between else fan_in
        params[f"W{k}"] = weights.from_values(uniform(values, (weights.nnz,), bound))
        params[f"b{k}"] = uniform(values, (weights.shape[0], 1), fan_in)
    return SimpleNamespace(model=model, params=params, rng=order, after_step=[], dale=None, strengths=None)


MODELS = {"recurrent": recurrent, "feedforward": feedforward}
