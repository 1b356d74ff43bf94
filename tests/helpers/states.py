"""Small networks whose states are looked at."""

import numpy as np

import minisparse as ms


def rng(seed=0):
    return np.random.default_rng(seed)


def recurrent(storage="dense", activation="relu", n=30):
    model = ms.RNN(4, ms.make_weights(ms.bernoulli(n, n, 0.5, rng(1)), storage), 3, activation)
    return model, model.init(rng(2), dtype=np.float64, w_max=0.3)


def task(samples=23):
    return rng(4).standard_normal((samples, 5, 4)), rng(5).integers(0, 3, samples)
