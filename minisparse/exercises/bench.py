"""Temporary: the recurrent lines."""

from types import SimpleNamespace

import numpy as np

import minisparse as ms


def network(storage, activation, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((7, 7)) < 0.5
    mask[np.arange(7), rng.permutation(7)] = True
    model = ms.RNN(2, ms.make_weights(ms.Pattern.from_mask(mask), storage), 4, activation)
    params = model.init(rng, dtype=np.float64, w_max=0.7)
    params["W_in"] *= 2
    for name in model.biases:
        params[name] *= 0
    return model, params, rng.standard_normal((5, 2, 3)), rng.integers(0, 4, 3)


def benches(tag):
    def make(storage, act):
        model, params, x, labels = network(storage, act, 0)

        def check(plant=None):
            plant = plant or (lambda p: p)
            return ms.check(plant(model), params, x, labels, loss=plant(ms.softmax_cross_entropy))

        return SimpleNamespace(name=f"{storage}, {act}", check=check)

    return tuple(make(s, a) for s in ("dense", "csr") for a in ("tanh", "relu"))


def warm():
    for b in benches("R7"):
        b.check()
