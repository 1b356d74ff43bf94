"""RigL grows where a gradient would be largest."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.evolve import places


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(places, "BLOCK", 11)


def loss(model, params, x, labels):
    return ms.softmax_cross_entropy(model.forward(params, x)[0], labels)[0]


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("kind", ["MLP", "RNN"])
def test_rigl_grows_the_top_of_a_finite_difference_gradient(kind, storage):
    """The vacant places are filled with 0 in a fuller network, and each is moved in turn."""
    rng = np.random.default_rng(2)
    n_post, n_pre = (7, 7) if kind == "RNN" else (5, 8)
    name, pattern = ("W_rec" if kind == "RNN" else "W0"), ms.fixed_count(n_post, n_pre, 18, rng)

    def network(pattern):
        if kind == "RNN":
            return ms.RNN(3, ms.make_weights(pattern, storage), 4, "tanh")
        return ms.MLP([ms.make_weights(pattern, storage), ms.make_weights(ms.full(4, n_post))], "tanh")

    model = network(pattern)
    params = model.init(rng, dtype=np.float64, w_max=0.6)
    x = rng.standard_normal((5, 3, 6) if kind == "RNN" else (n_pre, 6))
    labels = rng.integers(0, 4, 6)
    logits, cache = model.forward(params, x)
    model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache)

    fuller = network(ms.full(n_post, n_pre))
    matrix, numeric = model.weights[name].unpack(params[name]), np.zeros((n_post, n_pre))
    for place in np.ndindex(n_post, n_pre):
        ends = []
        for step in (1e-5, -1e-5):
            moved = matrix.copy()
            moved[place] += step
            ends.append(loss(fuller, params | {name: fuller.weights[name].pack(moved)}, x, labels))
        numeric[place] = (ends[0] - ends[1]) / 2e-5

    event = ms.RigL(0.4, parameters=(name,)).rewire(model, params, ms.SGD(), rng, cache.links)[name]
    numeric[pattern.mask()] = 0
    best = np.sort(np.argsort(-np.abs(numeric).ravel())[:7])
    assert (event.grown @ [n_pre, 1]).tolist() == best.tolist()
