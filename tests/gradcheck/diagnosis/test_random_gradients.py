"""A random wrong gradient has no explanation: what the diagnosis says could have been false."""

from collections import Counter

import numpy as np
import pytest

import minisparse as ms


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def scan(x, w):
    h = [np.zeros(x.shape[1:])]
    for step in x:
        h.append(np.tanh(step + h[-1] @ w))
    return np.stack(h[1:])


def soft(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def normal(*shape):
    return lambda rng: rng.standard_normal(shape)


def zeros_and_ones(*shape):
    return lambda rng: (np.arange(np.prod(shape)) % 2 == rng.integers(2)).astype(float).reshape(shape)


def positive(*shape):
    return lambda rng: rng.uniform(0.5, 2, shape)


FORWARDS = {
    "scalar times scalar": (lambda a, x: a * x, {"a": normal(), "x": normal()}),
    "scalar of scalar": (lambda x: np.sin(x), {"x": normal()}),
    "sum": (lambda x: x.sum(), {"x": normal(3)}),
    "sum of squares": (lambda x: (x * x).sum(), {"x": normal(4)}),
    "mean squared error": (lambda x, t: ((x - t) ** 2).mean(), {"x": normal(2, 3), "t": normal(2, 3)}),
    "regularised": (
        lambda w, x, lam: (w @ x).sum() + lam * (w * w).sum(),
        {"w": normal(2, 2), "x": normal(2), "lam": positive()},
    ),
    "elementwise": (lambda x: np.tanh(x), {"x": normal(5)}),
    "rectifier": (lambda x: np.maximum(x, 0), {"x": normal(3, 3)}),
    "mask": (lambda x, mask: x * (1 - mask), {"x": normal(2, 3), "mask": zeros_and_ones(2, 3)}),
    "0/1 factor": (lambda x, mask: np.exp(x) * mask, {"x": normal(4), "mask": zeros_and_ones(4)}),
    "square product": (lambda W, x: W @ x, {"W": normal(3, 3), "x": normal(3, 3)}),
    "square layer": (lambda W, x, b: np.tanh(x @ W + b), {"W": normal(2, 2), "x": normal(2, 2), "b": normal(2)}),
    "layer": (lambda W, x, b: sigmoid(x @ W + b), {"W": normal(2, 4), "x": normal(3, 2), "b": normal(4)}),
    "recurrence": (scan, {"x": normal(3, 2, 2), "w": normal(2, 2)}),
    "recurrence of equal sizes": (scan, {"x": normal(3, 3, 3), "w": normal(3, 3)}),
    "softmax": (soft, {"z": normal(3, 3)}),
    "attention": (lambda q, k: soft(q @ k.T), {"q": normal(2, 2), "k": normal(2, 2)}),
    "row norm": (
        lambda v: v / np.sqrt((v * v).sum(1, keepdims=True)),
        {"v": normal(3, 3)},
    ),
    "centred": (lambda x: x - x.mean(0), {"x": normal(4, 2)}),
    "dot": (lambda a, b: a @ b, {"a": normal(2), "b": normal(2)}),
}
KINDS = (
    "fixed numbers",
    "numbers that change with the inputs",
    "numbers without dy",
    "dy times numbers",
    "numbers times the sum of dy",
)


def random_backward(kind, inputs, rng):
    """A backward pass of random numbers: linear in dy, if it uses it."""
    numbers = {}

    def of(name, outputs, moved):
        if name not in numbers:
            numbers[name] = rng.standard_normal((2, outputs, inputs[name].size))
        fixed, phase = numbers[name]
        return np.sin(9 * moved + phase) if kind == "numbers that change with the inputs" else fixed

    def backward(dy, cache):
        moved = sum(float(np.sum(value)) for value in cache.values())
        if kind == "numbers without dy":
            return {name: of(name, 1, 0)[0].reshape(value.shape) for name, value in inputs.items()}
        if kind == "numbers times the sum of dy":
            return {name: dy.sum() * of(name, 1, 0)[0].reshape(value.shape) for name, value in inputs.items()}
        if kind == "dy times numbers" and all(value.shape == dy.shape for value in inputs.values()):
            return {name: dy * of(name, 1, 0)[0].reshape(value.shape) for name, value in inputs.items()}
        return {name: (dy.ravel() @ of(name, dy.size, moved)).reshape(value.shape) for name, value in inputs.items()}

    return backward


def explained(name, kind, seed):
    """Return (tensor, code, sentence) of every explanation that a random gradient gets."""
    function, shapes = FORWARDS[name]
    rng = np.random.default_rng([seed, 11])
    inputs = {key: np.asarray(make(rng)) for key, make in shapes.items()}
    backward = random_backward(kind, inputs, rng)
    report = ms.check_pair(lambda **given: (np.asarray(function(**given)), given), backward, inputs, seed=seed)
    assert not report.ok
    return [(f.tensor, f.code, f.sentence) for f in report.findings if f.code not in ("mismatch", "unjudged")]


@pytest.mark.parametrize("draws", [40, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_random_gradient_is_not_explained(draws):
    causes, rows = Counter(), [(name, kind) for name in FORWARDS for kind in KINDS]
    for number in range(draws):
        name, kind = rows[number % len(rows)]
        found = explained(name, kind, number)
        causes[found[0][1] if found else "none"] += 1
        for tensor, code, sentence in found:
            print(f"{name}, {kind}, seed {number}: {tensor} {code}: {sentence}")
    print(dict(causes))
    assert draws - causes["none"] <= 0.01 * draws
