"""The published networks of Fruengel & Oberlaender (2025), from plain settings: their sizes, initial values and data.

One seed gives independent streams: synapses, signs, initial weights, order of the batches. So two networks of one seed
differ only in what their settings say.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass
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


def on_canvas(small: data.Dataset, mean_square: float, box: int = 20, side: int = 28) -> data.Dataset:
    """Draw small grey images as MNIST's are drawn: in a box in the middle of a larger canvas of zeros.

    A unit that reads such images has as many afferents, and as large a sum, as one that reads MNIST.

    Parameters
    ----------
    small : Dataset
        Square images without channels.
    mean_square : float
        Of a pixel of the training images on the canvas: they are multiplied by one number to have it.
    box, side : int
        Pixels of a side of the image and of the canvas. Each pixel of the box shows the one of the image below it.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> digits = minisparse.lab.recipes.on_canvas(minisparse.load("digits"), 0.112)
    >>> digits.sample_shape, round(float((digits.x_train**2).mean()), 3)
    ((28, 28), 0.112)
    """
    lines, edge = np.arange(box) * small.sample_shape[0] // box, (side - box) // 2
    frame = ((0, 0), *[(edge, side - box - edge)] * 2)
    train, test = (np.pad(x[:, lines][:, :, lines], frame) for x in (small.x_train, small.x_test))
    by = np.float32(math.sqrt(mean_square / np.mean(np.square(train, dtype=float))))
    return dataclasses.replace(small, x_train=by * train, x_test=by * test)


def pattern(nodes: int, density: float, rng: Rng) -> Pattern:
    """Return all connections, or each one with probability `density`, a neuron's with itself among them."""
    return full(nodes, nodes) if density == 1 else bernoulli(nodes, nodes, density, rng)


@dataclass(frozen=True)
class Replica:
    """A small network each of whose neurons stands for `copies` equal ones of a large network.

    Give each of `nodes` neurons ``copies - 1`` twins with the same weights: ``size = copies · nodes``. Twins see the
    same, do the same and, under Adam, learn the same, so they act as one neuron. Its weight from another group of twins
    is the *sum* of ``copies`` weights: it moves by ``copies`` times the learning rate per step of Adam. The same holds
    for the readout. What a neuron gets from outside, its input weights and biases, is no sum: its rate stays. (The
    gradient of a twin's weight is that of the group's over ``copies``; Adam divides by the root of the square, so its
    steps do not see that.) Sums of ``copies`` independent weights have ``√copies`` times the standard deviation.

    So the small network with these rates *is* a network of the large size, up to Adam's eps: not any one, but one
    whose neurons are alike in groups. Its change of gain per step, ``(copies · lr) p nodes``, is ``lr p N``.
    """

    size: int
    nodes: int

    @property
    def copies(self) -> float:
        """Neurons of the large network that one neuron stands for."""
        return self.size / self.nodes

    def rates(self, lr: float = 1e-3, names: tuple[str, ...] = ("W_rec", "W_out")) -> dict[str, float]:
        """Return the learning rates of the parameters that are sums over neurons, for `Adam`.

        Examples
        --------
        >>> minisparse.lab.recipes.replica_of(10_000, nodes=200).rates(0.001)
        {'W_rec': 0.05, 'W_out': 0.05}
        """
        return {name: lr * self.copies for name in names}


def replica_of(size: int, nodes: int) -> Replica:
    """Return how a network of `nodes` neurons stands for one of `size`.

    Parameters
    ----------
    size, nodes : int
        Neurons of the large network and of the small one.

    Returns
    -------
    Replica

    Raises
    ------
    ValueError
        If the small network is larger, or there is no neuron.

    Examples
    --------
    >>> minisparse.lab.recipes.replica_of(10_000, nodes=200).copies
    50.0
    """
    if not 1 <= nodes <= size:
        raise InputError(f"a replica has 1 to {size:,} neurons, as many as the network it stands for; got {nodes:,}")
    return Replica(size, nodes)


def recurrent(
    sizes: data.Dataset, nodes: int, density: float, seed: int, activation: str = "relu", storage: str = "auto",
    w_max: float = W_MAX, inhibitory: float | None = None, inhibition_gain: float = 1.0,
    published_draw: bool = False, clamp: str = "enforced", copies: float = 1.0,
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
    copies : float
        Neurons of the published network that each one stands for (`Replica`), which gives the ranges of the draws.

    Returns
    -------
    namespace
        model, params, rng (for the batches), after_step (list of hooks), dale, strengths (n, 1).
    """
    synapses, whose, values, order = streams(seed)
    weights = make_weights(pattern(nodes, density, synapses), storage)
    model = RNN(sizes.sample_shape[1], weights, sizes.n_classes, activation)
    if inhibitory is None:
        params = model.init(values, w_max=w_max * math.sqrt(copies))
        _draw_as_of_more(params, ("W_in", "b_in", "b_rec", "b_out"), copies)
        return SimpleNamespace(model=model, params=params, rng=order, after_step=[], dale=None, strengths=None)
    if copies != 1:
        raise InputError("a replica has no Dale's principle here: leave out copies, or inhibitory")
    signs = dale_signs(nodes, inhibitory, whose, replacement=published_draw)
    strengths = np.where(signs < 0, -inhibition_gain, 1.0)
    params, dale = model.init(values, w_max=w_max, signs=strengths), Dale(signs, clamp)
    return SimpleNamespace(model=model, params=params, rng=order, after_step=[dale], dale=dale, strengths=strengths)


def feedforward(
    sizes: data.Dataset, nodes: int, density: float, seed: int, activation: str = "relu", storage: str = "auto",
    w_max: float = W_MAX, copies: float = 1.0,
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
    copies : float
        As for `recurrent`; the sums over neurons are W1 and W2.

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
        bound = w_max * math.sqrt(copies) if weights is between else fan_in
        params[f"W{k}"] = weights.from_values(uniform(values, (weights.nnz,), bound))
        params[f"b{k}"] = uniform(values, (weights.shape[0], 1), fan_in)
    _draw_as_of_more(params, ("b1", "b2"), copies)
    return SimpleNamespace(model=model, params=params, rng=order, after_step=[], dale=None, strengths=None)


def _draw_as_of_more(params: dict[str, Any], names: tuple[str, ...], copies: float) -> None:
    """Give parameters that are drawn from ±1/√(neurons) the range of a network of `copies` times as many."""
    for name in names:
        params[name] *= params[name].dtype.type(copies**-0.5)


MODELS = {"recurrent": recurrent, "feedforward": feedforward}
