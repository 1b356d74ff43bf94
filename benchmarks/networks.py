"""One step of training: networks as sides, and the same start handed to PyTorch, scikit-learn and plain NumPy."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import minisparse as ms
from minisparse import kernels
from minisparse.backend import cpu_count, current_module
from minisparse.threads import held_for

from .peers import Peer, lacking
from .timing import Call, compare, not_run

STEPS, INPUTS, CLASSES, BATCH = 28, 28, 10, 100
"""Of the recurrent task: an image read row by row."""


class Network:
    """A model, its optimiser and one batch; `step` trains on it and returns the loss.

    Like `fit`, a `side` holds BLAS at one thread for small products: once, however many steps it takes.
    """

    def __init__(self, model: Any, opt: Any, x: np.ndarray, labels: np.ndarray, w_max: float):
        kernels.table(np.empty(0, np.float32))  # its BLAS is loaded before anyone lists what there is to limit
        self.model, self.opt = model, opt
        self.params = model.init(np.random.default_rng(1), w_max=w_max)
        self.x, self.labels = ms.asarray(x), ms.asarray(labels)

    def train(self, x: Any, labels: Any) -> Any:
        """Take one step on a batch and return its loss."""
        logits, cache = self.model.forward(self.params, x)
        loss, dlogits = ms.softmax_cross_entropy(logits, labels)
        self.opt.step(self.params, self.model.backward(dlogits, cache))
        return loss

    def threads(self) -> contextlib.AbstractContextManager:
        """Return the context that `fit` trains in."""
        return held_for(self.model, len(self.labels))

    def side(self, count: int = 1) -> Call:
        """Return its steps as a side of a comparison."""
        return Call(self.step, count, around=self.threads)

    def step(self) -> float:
        """Take one step and wait until it is done: on a GPU that takes a look at what it has changed."""
        loss = self.train(self.x, self.labels)
        ms.to_numpy(next(reversed(self.params.values())))
        return float(loss)

    def host(self, name: str) -> np.ndarray:
        """Return a copy of a parameter in host memory."""
        return np.array(ms.to_numpy(self.params[name]))

    def matrix(self, name: str) -> np.ndarray:
        """Return a copy of a sparse parameter as a matrix (post, pre), in host memory."""
        return np.array(ms.to_numpy(self.model.weights[name].unpack(self.params[name])))

    def mask(self, name: str) -> np.ndarray:
        """Return where a parameter has synapses, 0 or 1, float32."""
        return self.model.weights[name].pattern.mask().astype(np.float32)


def recurrent(
    pattern: ms.Pattern, storage: str, steps: int = STEPS, batch: int = BATCH, w_max: float | None = None
) -> Network:
    """Return a recurrent network with Adam.

    Unless `w_max` is given, weights are drawn so wide that the gradient reaches the first step in time: narrow ones let
    it die away into denormal numbers, which some processors add up slowly. The learning rate is so small that the
    losses of two sides stay together: Adam divides by the size of a gradient, and so blows up differences in rounding.
    """
    rng, afferents = np.random.default_rng(2), pattern.nnz / pattern.shape[0]
    x, labels = rng.random((steps, INPUTS, batch), dtype=np.float32), rng.integers(0, CLASSES, batch)
    model = ms.RNN(INPUTS, ms.make_weights(pattern, storage), CLASSES)
    return Network(model, ms.Adam(lr=1e-3 / afferents), x, labels, w_max=w_max or math.sqrt(3 / afferents))


def feedforward(
    patterns: list, storage: str, opt: Any, batch: int, activation: str = "sigmoid", rule: Any = None
) -> Network:
    """Return a feedforward network; its readout is full."""
    rng = np.random.default_rng(2)
    readout = ms.make_weights(ms.full(CLASSES, patterns[-1].shape[0]), "dense")
    model = ms.MLP([*(ms.make_weights(pattern, storage) for pattern in patterns), readout], activation, rule)
    x = rng.random((patterns[0].shape[1], batch), dtype=np.float32)
    return Network(model, opt, x, rng.integers(0, CLASSES, batch), w_max=0.05)


def random_pattern(n: int, p: float) -> ms.Pattern:
    """Return a square pattern, the same one at every call."""
    return ms.full(n, n) if p == 1 else ms.fixed_count(n, n, round(p * n * n), np.random.default_rng(0))


def elsewhere(module: str) -> str:
    """Say why a reference that needs a module cannot be compared with, or nothing."""
    if current_module() is not np:
        return "the reference runs on the CPU"
    return lacking(module)


def rnn(quick: bool) -> Iterator[dict]:
    """Training step of a recurrent network against the published recipe in PyTorch (pruned nn.RNN, Adam)."""
    for n in (500,) if quick else (500, 1000, 2000, 4000):
        for p in (0.1,) if quick else (1, 0.1, 0.01):
            yield from _rnn(n, p)


def _rnn(n: int, p: float) -> Iterator[dict]:
    storages = {"CSR": "csr"} if p < 1 or n <= 500 else {}
    if p == 1 or n <= 1000 or (n, p) == (2000, 0.1):  # a masked matrix takes what a full one does
        storages["dense"] = "dense"
    yield from _beside_recipe(f"N = {n}, p = {p:g}", n, p, storages)


def _beside_recipe(case: str, n: int, p: float, storages: dict[str, str], w_max: float | None = None) -> Iterator[dict]:
    pattern = random_pattern(n, p)
    numbers = {"n": n, "p": p, "synapses": pattern.nnz}
    count = 3 if n <= 2000 else 1  # the same for all: they must end at the same loss
    sides: dict[str, Callable] = {
        name: recurrent(pattern, each, w_max=w_max).side(count) for name, each in storages.items()
    }
    base = next(iter(sides))
    with contextlib.ExitStack() as stack:
        if reason := elsewhere("torch"):
            yield not_run(case, f"PyTorch / {base}", reason)
        else:
            start = recurrent_start(recurrent(pattern, "dense", w_max=w_max))
            sides["PyTorch"] = stack.enter_context(Peer("torch_published_rnn.py", cpu_count(), count, **start))
        if current_module() is np and p == 0.1 and n <= 1000 and not w_max:
            sides["NumPy"] = Call(masked_numpy(recurrent(pattern, "dense")), count)
        if len(sides) > 1:
            yield from compare(case, sides, base, **numbers)


def vanishing(quick: bool) -> Iterator[dict]:
    """From the published start (w_max = 0.001), whose gradient vanishes: a step against the recipe, passes alone."""
    for n, p in ((500, 0.1),) if quick else ((2000, 0.1), (2000, 0.01), (4000, 0.01)):
        yield from _beside_recipe(f"N = {n}, p = {p:g}, published start", n, p, {"CSR": "csr"}, w_max=1e-3)
    for n, p in ((500, 0.1),) if quick else ((2000, 0.1), (2000, 0.01), (1000, 0.01)):
        pattern = random_pattern(n, p)
        sides = {
            "vanishing": Call(_backward(pattern, 1e-3), 3),
            "ordinary": Call(_backward(pattern, math.sqrt(6 / (p * n))), 3),  # gain 1: half of the neurons are silent
            "not flushed": Call(_backward(pattern, 1e-3, flushed=False), 3),
        }
        yield from compare(f"N = {n}, p = {p:g}, backward", sides, "ordinary", same=(), n=n, p=p)
    rng = np.random.default_rng(2)
    x, labels = rng.random((784, BATCH), dtype=np.float32), rng.integers(0, CLASSES, BATCH)
    steps = {}
    for name, done in (("after 50 steps", 50), ("first steps", 0)):
        net = feedforward(layers((784, 100), 1), "dense", ms.SGD(lr=0.1, momentum=0.9), BATCH, "relu")
        for _ in range(done):
            net.train(x, labels)
        steps[name] = Call(lambda net=net: net.train(x, labels), 3)
    yield from compare("784-100-10, ReLU, confident", steps, "first steps", same=())


def _backward(pattern: ms.Pattern, w_max: float, flushed: bool = True) -> Callable[[], Any]:
    """Return the backward pass of a recurrent network; not flushed, its products and slopes alone."""
    rng = np.random.default_rng(2)
    model = ms.RNN(INPUTS, ms.make_weights(pattern, "csr"), CLASSES)
    params = model.init(np.random.default_rng(3), w_max=w_max)
    logits, cache = model.forward(params, rng.random((STEPS, INPUTS, BATCH), dtype=np.float32))
    dlogits = ms.softmax_cross_entropy(logits, rng.integers(0, CLASSES, BATCH))[1]

    def bare() -> dict:
        with held_for(model):
            return type(model).backward.__wrapped__(model, dlogits, cache)

    return (lambda: model.backward(dlogits, cache)) if flushed else bare


def recurrent_start(network: Network) -> dict:
    """Return what a recurrent network starts from, as the frozen references read it."""
    names = {"w_in": "W_in", "b_in": "b_in", "b_rec": "b_rec", "w_out": "W_out", "b_out": "b_out"}
    start = {theirs: network.host(ours) for theirs, ours in names.items()}
    start |= {"w_rec": network.matrix("W_rec"), "x": network.x, "labels": network.labels, "lr": network.opt.lr}
    full = network.model.weights["W_rec"].pattern.is_full
    return start if full else start | {"mask": network.mask("W_rec")}


def masked_numpy(network: Network) -> Callable[[], float]:
    """Return the step of the frozen reference in plain NumPy."""
    from .reference.numpy_masked_step import Reference

    start = recurrent_start(network)
    x, labels, lr = (start.pop(name) for name in ("x", "labels", "lr"))
    reference = Reference(**start)
    return lambda: reference.step(x, labels, lr)


def mlp(quick: bool) -> Iterator[dict]:
    """Training step of two feedforward networks against masked PyTorch, and an epoch against scikit-learn."""
    threads = [cpu_count()] if quick else sorted({1, cpu_count()})
    yield from _mlp((784, 100), 0.2, batch=10, momentum=0.0, threads=threads, count=20 if quick else 100)
    wide = (784, 300, 300) if quick else (784, 1000, 1000, 1000)
    yield from _mlp(wide, 0.04, batch=100, momentum=0.9, threads=[cpu_count()], count=10)
    yield from _epochs((784, 100), 0.2, batch=10)
    yield from _epochs(wide, 0.04, batch=100)


def layers(units: tuple, p: float) -> list[ms.Pattern]:
    """Return the patterns of consecutive layers, the same ones at every call."""
    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(units)
    return [
        ms.full(post, pre) if p == 1 else ms.fixed_count(post, pre, round(p * post * pre), rng) for pre, post in pairs
    ]


def _mlp(units: tuple, p: float, batch: int, momentum: float, threads: list, count: int) -> Iterator[dict]:
    case, patterns = f"{shown(units)}, p = {p:g}, batch {batch}", layers(units, p)

    def ours(storage: str, rule: Any = None) -> Network:
        return feedforward(patterns, storage, ms.SGD(lr=0.05, momentum=momentum), batch, rule=rule)

    sides: dict[str, Callable] = {"CSR": ours("csr").side(count), "dense": ours("dense").side(count)}
    same = list(sides)
    sides["CSR, dendritic"] = ours("csr", ms.Dendritic()).side(count)
    with contextlib.ExitStack() as stack:
        reason = elsewhere("torch")
        for number in threads:
            name = f"PyTorch ({number} thread{'s' * (number > 1)})"
            if reason:
                yield not_run(case, f"{name} / CSR", reason)
                continue
            start = feedforward_start(ours("dense"))
            sides[name] = stack.enter_context(Peer("torch_masked_mlp.py", number, count, **start))
            same.append(name)
        synapses = sum(pattern.nnz for pattern in patterns)
        yield from compare(case, sides, "CSR", same, p=p, synapses=synapses)


def feedforward_start(network: Network) -> dict:
    """Return what a feedforward network starts from, as the frozen reference reads it."""
    start = {"x": np.array(network.x.T), "labels": network.labels, **network.opt.settings}
    for k, name in enumerate(network.model.names):
        start |= {f"W{k}": network.matrix(name), f"b{k}": network.host(f"b{k}")[:, 0], f"mask{k}": network.mask(name)}
    del start[f"mask{k}"]
    return start


def _epochs(units: tuple, p: float, batch: int, samples: int = 1000) -> Iterator[dict]:
    case, rng = f"{shown(units)}, {samples} samples, batch {batch}", np.random.default_rng(3)
    if reason := elsewhere("sklearn"):
        yield not_run(case, "scikit-learn / dense", reason)
        return
    x, labels = rng.random((samples, units[0]), dtype=np.float32), rng.permutation(np.arange(samples) % CLASSES)

    def epoch(network: Network) -> Callable[[], float]:
        def run() -> float:
            with network.threads():
                return float(np.mean([network.train(*each) for each in ms.batches(x, labels, batch)]))

        return run

    full = feedforward(layers(units, 1), "dense", ms.SGD(lr=0.05), batch)
    sparse = feedforward(layers(units, p), "csr", ms.SGD(lr=0.05), batch)
    sides = {"full dense": Call(epoch(full)), f"CSR, p = {p:g}": Call(epoch(sparse))}
    sides["scikit-learn"] = Call(sklearn_epoch(full, units[1:], batch, x, labels))
    yield from compare(case, sides, "full dense", ["full dense", "scikit-learn"])


def sklearn_epoch(network: Network, hidden: tuple, batch: int, x: np.ndarray, labels: np.ndarray) -> Callable:
    """Return an epoch of scikit-learn's MLPClassifier that starts from a full network's parameters."""
    from sklearn.neural_network import MLPClassifier

    plain = {"solver": "sgd", "alpha": 0.0, "momentum": 0.0, "nesterovs_momentum": False, "shuffle": False}
    lr = network.opt.lr
    theirs = MLPClassifier(hidden, activation="logistic", batch_size=batch, learning_rate_init=lr, **plain)
    theirs.partial_fit(x[:batch], labels[:batch], classes=range(CLASSES))  # makes the arrays that are filled here
    for k, (coef, intercept) in enumerate(zip(theirs.coefs_, theirs.intercepts_, strict=True)):
        coef[...], intercept[...] = network.matrix(f"W{k}").T, network.host(f"b{k}")[:, 0]

    def run() -> float:
        theirs.partial_fit(x, labels)
        return theirs.loss_

    return run


def grouped(quick: bool) -> Iterator[dict]:
    """Adam step of a modular network: grouped storage against CSR on the same pattern and against a full network."""
    width, batch = (256, 64) if quick else (1024, 256)
    units, rng = (512, *[width] * 3), np.random.default_rng(0)
    patterns = [
        ms.groups.from_sparsity(post, pre, 8, 0.75, rng=rng, grouping="mixer", layer=k)
        for k, (pre, post) in enumerate(itertools.pairwise(units))
    ]
    sides = {name: modular(patterns, name, batch).side(5) for name in ("grouped", "csr")}
    sides["full dense"] = modular(layers(units, 1), "dense", batch).side(5)
    case = f"{shown(units)}, 8 groups, batch {batch}"
    synapses = sum(pattern.nnz for pattern in patterns)
    yield from compare(case, sides, "grouped", ["grouped", "csr"], synapses=synapses)


def modular(patterns: list, storage: str, batch: int) -> Network:
    """Return a feedforward network of ReLU units with Adam."""
    return feedforward(patterns, storage, ms.Adam(lr=1e-4), batch, "relu")


def crossover(quick: bool) -> Iterator[dict]:
    """The tables behind storage="auto": storages side by side over size, density, groups and batch; takes long."""
    for n in (128, 300) if quick else (128, 256, 300, 512, 1000, 2000):
        for p in (0.2,) if quick else (0.5, 0.3, 0.2, 0.1, 0.05):
            yield from storages_side_by_side(n, p)
    for n in (256,) if quick else (256, 512, 1024):
        for count in (4,) if quick else (4, 8, 32):
            for p in (0.15,) if quick else (0.0, 0.05, 0.15, 0.3):
                pattern = ms.group_to_group(n, n, count, 1.0, p, rng=np.random.default_rng(0))
                for batch in (16,) if quick else (16, 256):
                    names = ("grouped", "csr", "dense")
                    sides = {name: modular([pattern], name, batch).side(10) for name in names}
                    case = f"{n} x {n}, {count} groups, p' = {p:g}, batch {batch}"
                    yield from compare(case, sides, "grouped", n=n, groups=count, p_between=p, batch=batch)


def storages_side_by_side(n: int, p: float) -> Iterator[dict]:
    """Yield the recurrent step under dense storage over the same under CSR."""
    pattern = random_pattern(n, p)
    sides = {name: recurrent(pattern, each).side() for name, each in (("CSR", "csr"), ("dense", "dense"))}
    yield from compare(f"N = {n}, p = {p:g}", sides, "CSR", n=n, p=p, synapses=pattern.nnz)


def shown(units: tuple) -> str:
    """Write a network's sizes as 784-100-10."""
    return "-".join(map(str, (*units, CLASSES)))
