"""Deep rewiring: a synapse that would change its sign goes dormant, another wakes."""

from __future__ import annotations

import zlib

import numpy as np

from ..arguments import expect, generator, number, signs_of, whole
from ..backend import Array, array_module, to_numpy
from ..errors import InputError
from ..protocols import Model, Optimiser, Rng, Run, Seed
from .places import flat_places, mixed, senders_signs, vacant
from .routine import Rule
from .schedule import Schedule
from .site import Rewired, Site

BIRTH = 1e-12
"""Magnitude of a synapse that wakes, dimensionless (Bellec et al.'s code)."""


class DeepRewiring(Rule):
    """DEEP R: every place has a sign s for ever, a weight is v = sθ, and θ <= 0 is dormant (Bellec et al. 2018).

    After every step of the optimiser, which moves θ by the gradient already, each active θ loses η l1 and gains
    η noise ν, ν ~ N(0, 1), η the learning rate; a θ at or below 0 goes dormant, and as many dormant places, uniformly
    drawn, wake with θ = 1e-12. The paper writes the noise √(2ηT) ν: noise = √(2T/η). θ belongs to the raw parameter. A
    sign is a function of seed, parameter and place, so none is stored. A step in which a synapse goes dormant makes new
    index arrays: a rule for small and middle-sized layers.

    A hook for after_step. Its first call gives every weight the sign of its place; `align` does so before training.

    Parameters
    ----------
    l1, noise : float
        λ and σ, in units of θ per learning rate.
    seed : int
        Of the signs.
    signs : (n_pre, 1), optional
        Sign of each presynaptic neuron's synapses instead of random ones: Dale's principle.
    regrow : bool
        Whether a synapse may wake in the step in which it went dormant, as in the published code. It may in any case
        where there are too few other dormant places.
    parameters : sequence of str, optional
        Which; all whose pattern is not full if omitted.

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> layers = [minisparse.make_weights(p) for p in (minisparse.fixed_count(9, 64, 90, rng), minisparse.full(3, 9))]
    >>> model, opt, rule = minisparse.MLP(layers), minisparse.SGD(lr=0.1), minisparse.DeepRewiring(l1=0.5)
    >>> params = model.init(rng)
    >>> rule.align(model, params)
    >>> event = rule.rewire(model, params, opt, rng)["W0"]
    >>> len(event.pruned) == len(event.grown), model.weights["W0"].nnz
    (True, 90)
    """

    def __init__(
        self,
        l1: float = 1e-5,
        noise: float = 1e-5,
        seed: int = 0,
        signs: np.ndarray | None = None,
        regrow: bool = False,
        parameters: tuple[str, ...] | None = None,
    ):
        seed = whole("seed", seed)
        if not (number("l1", l1) >= 0 and number("noise", noise) >= 0 and seed >= 0):
            raise InputError(f"l1, noise and seed must be at least 0, got {l1}, {noise} and {seed}")
        super().__init__(Schedule(0.5, decay=None, stop=1.0), regrow=regrow, parameters=parameters)
        self.l1, self.noise, self.seed = l1, noise, seed
        self.signs = None if signs is None else signs_of(signs)

    def keeps_signs(self, signs: np.ndarray) -> bool:
        """Whether no weight can have another sign than these, one for each presynaptic neuron."""
        return self.signs is not None and np.array_equal(self.signs, signs)

    def __call__(self, run: Run) -> None:
        """Hook of `fit`, for after_step."""
        self.rewire(run.model, run.params, run.opt, run.rng)
        self.state["aligned"] = np.array(0)

    def begin(self) -> None:
        """Forget what an earlier run has left, but not that `align` was called for this one."""
        ready = int(to_numpy(self.state.get("aligned", 0)))
        super().begin()
        if ready:
            self.state["aligned"] = np.array(1)

    def align(self, model: Model, params: dict[str, Array]) -> None:
        """Give every weight the sign of its place, in place; magnitudes stay."""
        for name in self.names(model):
            weights, packed = model.weights[name], params[name]
            values = np.abs(to_numpy(weights.values(packed)))
            signs = self.sign(name, weights.shape, flat_places(weights.pattern))
            params[name] = weights.from_values(array_module(packed).asarray(signs.astype(values.dtype) * values))
        self.state["aligned"] = np.array(1)

    def sign(self, name: str, shape: tuple[int, int], places: np.ndarray) -> np.ndarray:
        """Return the sign, +1 or -1, of places (post * n_pre + pre) of a parameter, int8."""
        if self.signs is None:
            bits = mixed(places, (self.seed + (zlib.crc32(name.encode()) << 20)) % 2**63)
            return (1 - 2 * (bits & np.uint64(1)).astype(np.int8)).astype(np.int8)
        return senders_signs(self.signs, name, shape, places)

    def rewire(
        self,
        model: Model,
        params: dict[str, Array],
        opt: Optimiser,
        rng: Seed,
        links: dict | None = None,
        share: float | None = None,
    ) -> dict[str, Rewired]:
        """Move θ by l1 and noise, and exchange what went dormant, in place; links and share are not looked at."""
        expect(model=model, params=params, opt=opt)
        rng = generator(rng, "rewiring")
        if "aligned" not in self.state:
            self.align(model, params)
        for name in self.names(model):
            lr, weights, packed = opt.rate(name), model.weights[name], params[name]
            values = to_numpy(weights.values(packed))
            s = self.sign(name, weights.shape, flat_places(weights.pattern)).astype(values.dtype)
            nu = rng.standard_normal(values.size).astype(values.dtype)
            theta = s * values - lr * self.l1 + lr * self.noise * nu  # (E11)
            params[name] = weights.from_values(array_module(packed).asarray(s * theta))
        return super().rewire(model, params, opt, rng)

    def keep(self, site: Site, share: float, room: int) -> np.ndarray:
        s = self.sign(site.name, site.weights.shape, flat_places(site.weights.pattern))
        return s * site.values > 0  # (E12)

    def grow(self, site: Site, keep: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        count = int((~keep).sum())
        if count > self.room(site):
            places = vacant(site.weights.pattern, keep, count, rng)
        else:
            places = self.random_places(site, keep, count, rng)
        return places, BIRTH * self.sign(site.name, site.weights.shape, places)  # (E13)
