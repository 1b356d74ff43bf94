"""Networks that mistakes are planted in."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.gradcheck import catalogue, recognise, sight, steps

GRADIENTS = [row for row in catalogue.catalogue() if row.family != "optimiser"]


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow, id=f"long-{seed}") for seed in range(1, 20))]


seeds = pytest.mark.parametrize("seed", SEEDS)


def few_mistakes(monkeypatch, *others):
    """Have only every eighth mistake of the catalogue known, and these; for runs of a chapter that plants them all."""
    few = [row for k, row in enumerate(catalogue.catalogue()) if k % 8 == 0 or row.code in others]
    for module in (catalogue, recognise, sight, steps):
        monkeypatch.setattr(
            module, "catalogue", lambda family=None: tuple(m for m in few if family in (None, m.family))
        )


def network(storage, activation, seed):
    """A model at the default sizes: batch 3, time 5, units 7, inputs 2, classes 4."""
    rng = np.random.default_rng(seed)
    mask = rng.random((7, 7)) < 0.5
    mask[np.arange(7), rng.permutation(7)] = True
    model = ms.RNN(2, ms.make_weights(ms.Pattern.from_mask(mask), storage), 4, activation)
    params = model.init(rng, dtype=np.float64, w_max=0.7)
    params["W_in"] *= 2  # so that a rectifier opens and shuts from step to step
    for name in model.biases:
        params[name] *= 0
    return model, params, rng.standard_normal((5, 2, 3)), rng.integers(0, 4, 3)
