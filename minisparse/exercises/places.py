"""The small networks and functions in which tagged lines run, at sizes that are pairwise different."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS, Activation
from ..connectivity import Pattern, dale_signs, full
from ..conv import ConvNet, ConvPool
from ..dale import Dale
from ..evolve import RigL
from ..gradcheck import GradientReport, check, check_part, check_steps, of_loss
from ..groups import labelled
from ..losses import softmax_cross_entropy
from ..mlp import MLP
from ..normalise import Dendritic, Joint, LpConstant, LpVariable, Plain
from ..optim import SGD, Adam
from ..patches import PatchConv
from ..rnn import RNN
from ..weights import make_weights


@dataclass(frozen=True)
class Bench:
    """One place where a tagged line runs and can be judged.

    Attributes
    ----------
    name : str
        Such as "dense, tanh".
    parts : tuple
        What is used: a model, a loss, a rule, or an optimiser and a hook.
    judge : callable
        ``judge(*parts)`` returns the report on these parts.

    Examples
    --------
    >>> bench = minisparse.exercises.bench.benches("R7")[0]
    >>> bench.name, bench.check().ok
    ('dense, tanh', True)
    >>> bench.check(minisparse.gradcheck.catalogue.find("bptt-no-slope").plant).codes[0]
    'bptt-no-slope'
    """

    name: str
    parts: tuple[Any, ...]
    judge: Callable[..., GradientReport]

    def check(self, plant: Callable[[Any], Any] | None = None) -> GradientReport:
        """Judge the parts, or what `plant` makes of each: differences, exact zeros, and steps where there are some."""
        return self.judge(*(map(plant, self.parts) if plant else self.parts))


Place = Callable[[int], tuple[Bench, ...]]
"""From a seed to benches; the same ones each time."""


def sparse_weights(post: int, pre: int, storage: str, rng: np.random.Generator):
    """Return a sparse storage with synapses within and between groups, one at least in each row and column."""
    mask = rng.random((post, pre)) < 0.5
    k = np.arange(max(post, pre))
    mask[k % post, rng.permutation(k) % pre] = True
    pattern = Pattern.from_mask(mask)
    groups = tuple(np.arange(n) * 2 // n for n in (post, pre))
    return make_weights(labelled(pattern, groups) if storage == "grouped" else pattern, storage)


def network(name: str, model: Any, x_shape: tuple[int, ...], seed: int, w_max: float = 0.7) -> Bench:
    """Return a model at random parameters; biases are small, so that a rectifier opens and shuts."""
    rng = np.random.default_rng([seed, 1])
    params = drawn_params(model, rng, w_max)
    x = rng.standard_normal(x_shape)
    return Bench(name, (model,), lambda model: check(model, params, x, seed=seed))


def drawn_params(model: Any, rng: np.random.Generator, w_max: float, **more: Any) -> dict[str, np.ndarray]:
    params = model.init(rng, dtype=np.float64, w_max=w_max, **more)
    for name, value in params.items():
        if name.startswith(("b", "c")):
            value *= 0.1
        elif name.startswith(("s", "g")):
            value[...] = rng.uniform(1.5, 3, value.shape)
        elif name == "W_in":
            value *= 2
    return params


@functools.cache
def recurrent(seed: int) -> tuple[Bench, ...]:
    """Recurrent networks on each storage, with each activation."""
    rng = np.random.default_rng(seed)
    kinds = (("dense", "tanh"), ("csr", "relu"), ("grouped", "sigmoid"))
    return tuple(
        network(f"{storage}, {phi}", RNN(2, sparse_weights(6, 6, storage, rng), 4, phi), (5, 2, 3), seed)
        for storage, phi in kinds
    )


@functools.cache
def recurrent_by_rules(seed: int) -> tuple[Bench, ...]:
    """Recurrent networks whose weights are normalised."""
    rng = np.random.default_rng(seed)
    kinds = (("dense", "tanh", LpVariable(2)), ("csr", "tanh", Dendritic()))
    return tuple(
        network(f"{storage}, {phi}, {rule}", RNN(2, sparse_weights(6, 6, storage, rng), 4, phi, rule), (5, 2, 3), seed)
        for storage, phi, rule in kinds
    )


def _layers(storage: str, rng: np.random.Generator) -> list:
    return [sparse_weights(7, 5, storage, rng), sparse_weights(6, 7, storage, rng), make_weights(full(4, 6), "dense")]


@functools.cache
def feedforward(seed: int) -> tuple[Bench, ...]:
    """Feedforward networks on each storage, with each activation."""
    rng = np.random.default_rng(seed)
    kinds = (("dense", "tanh"), ("csr", "relu"), ("grouped", "sigmoid"))
    return tuple(network(f"{s}, {phi}", MLP(_layers(s, rng), phi), (5, 3), seed, 1.0) for s, phi in kinds)


@functools.cache
def feedforward_by_rules(seed: int) -> tuple[Bench, ...]:
    """Feedforward networks with another rule in each layer."""
    rng = np.random.default_rng(seed)
    kinds = (("dense", [LpVariable(2), Joint()]), ("csr", [Dendritic(), LpConstant(3)]))
    return tuple(
        network(f"{s}, tanh, {rules[0]} and {rules[1]}", MLP(_layers(s, rng), "tanh", rules), (5, 3), seed, 1.0)
        for s, rules in kinds
    )


@functools.cache
def shared_scale(seed: int) -> tuple[Bench, ...]:
    """Feedforward networks whose layers share one scale."""
    rng = np.random.default_rng(seed)
    return tuple(
        network(f"{s}, one scale", MLP(_layers(s, rng), "tanh", Dendritic(), shared_scale=True), (5, 3), seed, 1.0)
        for s in ("dense", "csr")
    )


def paired(name: str, part: Any, functions: Callable[[Any], dict], seed: int) -> Bench:
    return Bench(name, (part,), lambda part: check_part(part, functions, seed=seed))


def _layer(name: str, layer: Any, seed: int) -> Bench:
    """Return a layer with `forward(params, x)` on its own."""
    rng = np.random.default_rng([seed, 2])
    params = {key: value + 0.1 * rng.standard_normal(value.shape) for key, value in layer.init(rng, float).items()}
    inputs = {**params, "x": rng.standard_normal((layer.n_in, 5))}

    def functions(layer: Any) -> dict:
        return {
            "forward": lambda x, **params: layer.forward(params, x),
            "backward": lambda dy, cache: layer.backward(dy, cache, wrt_x=True),
            "inputs": inputs,
        }

    return paired(name, layer, functions, seed)


def _stem(kind: type, seed: int, *shape: Any) -> tuple[Bench, ...]:
    stem = kind(*shape, activation="relu")
    whole = ConvNet(stem, MLP([sparse_weights(4, stem.n_out, "csr", np.random.default_rng(seed))], "relu"))
    return (
        _layer("alone, sigmoid", kind(*shape, activation="sigmoid"), seed),
        network("before a network, relu", whole, (stem.n_in, 3), seed),
    )


@functools.cache
def convolution(seed: int) -> tuple[Bench, ...]:
    """Convolution with pooling, alone and before a network."""
    return _stem(ConvPool, seed, (2, 5, 7), 3, 2, 2)


@functools.cache
def patches(seed: int) -> tuple[Bench, ...]:
    """Filters on separate patches, alone and before a network."""
    return _stem(PatchConv, seed, (2, 6, 8), 2, 3)


@functools.cache
def rules(seed: int) -> tuple[Bench, ...]:
    """The rules of normalisation on their own."""
    rules = (Dendritic(), LpVariable(2), Joint(), LpConstant(3))
    storages = ("dense", "csr", "grouped", "csr")
    return tuple(_rule(rule, storage, seed) for rule, storage in zip(rules, storages, strict=True))


@functools.cache
def plain(seed: int) -> tuple[Bench, ...]:
    """The rule that leaves weights as they are."""
    return tuple(_rule(Plain(), storage, seed) for storage in ("dense", "csr"))


def _rule(rule: Any, storage: str, seed: int) -> Bench:
    rng = np.random.default_rng([seed, 3])
    weights = sparse_weights(7, 5, storage, rng)
    v = weights.from_values(rng.choice((-1, 1), weights.nnz) * rng.uniform(0.2, 1.5, weights.nnz))
    scales = {key: rng.uniform(1.5, 3, value.shape) for key, value in rule.init(weights, v).items()}
    support = {"v": weights.from_values(np.ones(weights.nnz)) != 0}

    def functions(rule: Any) -> dict:
        return {
            "forward": lambda v, **scales: rule.forward(weights, v, *scales.values()),
            "backward": lambda dw, cache: rule.backward(weights.masked(dw.copy()), cache),
            "inputs": {"v": v, **scales},
            "support": support,
        }

    return paired(f"{rule}, {storage}", rule, functions, seed)


def maps(storage: str) -> Place:
    """Return the three linear maps on their own, and in networks."""

    @functools.cache
    def place(seed: int) -> tuple[Bench, ...]:
        rng = np.random.default_rng([seed, 4])
        weights = sparse_weights(7, 5, storage, rng)
        w = weights.from_values(rng.standard_normal(weights.nnz))
        x, support = rng.standard_normal((5, 3)), {"w": weights.from_values(np.ones(weights.nnz)) != 0}

        def functions(weights: Any) -> dict:
            def forward(w: np.ndarray, x: np.ndarray) -> tuple:
                W = weights.bind(w)
                return W.matmul(x), (W, x)

            def backward(dy: np.ndarray, cache: tuple) -> dict:
                W, x = cache
                return {"w": weights.outer(dy, x), "x": W.matmul_t(dy)}

            return {"forward": forward, "backward": backward, "inputs": {"w": w, "x": x}, "support": support}

        recurrent = RNN(2, sparse_weights(6, 6, storage, rng), 4, "tanh")
        return paired(f"{storage}, alone", weights, functions, seed), network(
            f"{storage}, recurrent", recurrent, (5, 2, 3), seed
        )

    return place


def nonlinearity(name: str) -> Place:
    """Return where one activation runs: alone, and in networks."""

    @functools.cache
    def place(seed: int) -> tuple[Bench, ...]:
        rng = np.random.default_rng([seed, 5])
        a = rng.standard_normal((7, 3))

        def functions(phi: Activation) -> dict:
            def forward(a: np.ndarray) -> tuple:
                h = phi(a)
                return h, phi.kept(a, h)

            return {
                "forward": forward,
                "backward": lambda dh, kept: {"a": dh * phi.slope(kept)},
                "inputs": {"a": a},
            }

        return (
            paired("alone", ACTIVATIONS[name], functions, seed),
            network("dense, recurrent", RNN(2, sparse_weights(6, 6, "dense", rng), 4, name), (5, 2, 3), seed),
            network("csr, feedforward", MLP(_layers("csr", rng), name), (5, 3), seed, 1.0),
        )

    return place


@functools.cache
def loss(seed: int) -> tuple[Bench, ...]:
    """The loss on its own."""
    rng = np.random.default_rng([seed, 6])
    logits, labels = 2 * rng.standard_normal((4, 3)), rng.integers(0, 4, 3)
    return (paired("4 classes, 3 examples", softmax_cross_entropy, lambda loss: of_loss(loss, logits, labels), seed),)


@functools.cache
def growth(seed: int) -> tuple[Bench, ...]:
    """Return the growth score against differences by every weight of the network that has all synapses."""
    rng = np.random.default_rng([seed, 7])

    def bench(storage: str) -> Bench:
        readout = make_weights(full(4, 7), "dense")
        sparse = MLP([sparse_weights(7, 5, storage, rng), readout], "tanh")
        complete = MLP([make_weights(full(7, 5), "dense"), readout], "tanh")
        params, x = drawn_params(sparse, rng, 1.0), rng.standard_normal((5, 3))
        W = sparse.weights["W0"].unpack(params["W0"])

        def functions(rule: RigL) -> dict:
            def forward(W0: np.ndarray) -> tuple:
                logits, cache = complete.forward({**params, "W0": W0}, x)
                return logits, cache

            def backward(dlogits: np.ndarray, cache: Any) -> dict:
                sign = np.sign(complete.backward(dlogits, cache)["W0"])  # a score is a magnitude
                own = sparse.forward(params, x)[1]
                sparse.backward(dlogits, own)
                return {"W0": sign * rule.scores(sparse, params, own.links)["W0"]}

            return {"forward": forward, "backward": backward, "inputs": {"W0": W}}

        return paired(f"{storage}, absent synapses too", RigL(), functions, seed)

    return tuple(bench(storage) for storage in ("dense", "csr"))


def steps(*optimisers: Callable[[], Any], storages: Iterable[str] = ("dense", "csr")) -> Place:
    """Return two training steps of a small recurrent network under Dale's principle."""

    @functools.cache
    def place(seed: int) -> tuple[Bench, ...]:
        return tuple(_training(opt(), storage, seed) for opt in optimisers for storage in storages)

    return place


def _training(opt: Any, storage: str, seed: int) -> Bench:
    rng = np.random.default_rng([seed, 8])
    model, signs = RNN(2, sparse_weights(5, 5, storage, rng), 3, "tanh"), dale_signs(5, 0.4, rng)
    params = drawn_params(model, rng, 0.05, signs=signs)  # small weights, so that the first step carries some over 0
    x, labels = rng.standard_normal((3, 2, 4)), rng.integers(0, 3, 4)

    def judge(model: RNN, opt: Any, dale: Dale) -> GradientReport:
        return check_steps(model, params, x, labels, opt, [dale], seed=seed)

    return Bench(f"{storage}, {type(opt).__name__}", (model, opt, Dale(signs)), judge)


adam = steps(lambda: Adam(lr=0.05, eps=0.01, decay=0.1))
with_memory = steps(lambda: Adam(lr=0.05, eps=0.01, decay=0.1), lambda: SGD(lr=0.1, momentum=0.5, decay=0.1))
