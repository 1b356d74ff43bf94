"""RigL: the weakest synapses go, those grow that the last batch's gradient asks for most."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array, array_module
from ..errors import InputError
from ..weights import sum_outer
from .routine import Rule
from .schedule import Schedule
from .site import Site


class RigL(Rule):
    """Gradient growth: the smallest |w| go, the largest |∂L/∂w| among vacant places come, at 0 (Evci et al. 2020).

    w is the effective weight; ∂L/∂w is the gradient of the last batch at *every* place, from what the synapses saw,
    a block of rows at a time. K = floor(f(t) nnz) with f a cosine from `fraction` to 0. The published code skips the
    optimiser's step at a rewiring; here it has been taken.

    Parameters
    ----------
    fraction, every, unit, decay, stop
        As for `Schedule`: 0.3 every 100 steps, along a cosine that ends after three quarters of the training.
    **where
        scope, groups, regrow, parameters: as for `Rule`.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> layers = [minisparse.make_weights(p) for p in (minisparse.fixed_count(9, 64, 90, rng), minisparse.full(3, 9))]
    >>> model, opt = minisparse.MLP(layers), minisparse.SGD()
    >>> params = model.init(rng)
    >>> logits, cache = model.forward(params, numpy.ones((64, 5), numpy.float32))
    >>> grads = model.backward(logits, cache)
    >>> len(minisparse.RigL(0.2).rewire(model, params, opt, rng, cache.links)["W0"].grown)
    18
    """

    def __init__(
        self,
        fraction: float = 0.3,
        every: int = 100,
        unit: str = "steps",
        decay: str | None = "cosine",
        stop: float = 0.75,
        **where: Any,
    ):
        super().__init__(Schedule(fraction, every, unit, decay, stop), **where)

    def growth_score(self, site: Site, keep: np.ndarray) -> Callable[[slice], Array]:
        if site.link is None:
            raise InputError(
                f"RigL needs the gradient at {site.name}'s vacant places; pass links=cache.links, after backward"
            )
        pre, _, dpost = site.link
        xp = array_module(pre, dpost)
        return lambda rows: xp.abs(sum_outer(dpost[..., rows, :], pre))  # (E6)
