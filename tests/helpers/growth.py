"""Every rule of growth, and networks for it."""

import numpy as np

import minisparse as ms


def toy(steps=4, samples=60):
    rng = np.random.default_rng(3)
    x, labels = rng.standard_normal((samples, steps, 6)).astype(np.float32), rng.integers(0, 3, samples)
    return ms.Dataset("toy", x[:40], labels[:40], x[40:], labels[40:], 3)
