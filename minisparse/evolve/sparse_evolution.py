"""SET: the weakest synapses go, as many grow at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import number, signs_of, whole
from ..connectivity import Pattern, check_density, fixed_count
from ..errors import InputError
from ..protocols import Rng, Seed
from .places import senders_signs, smallest
from .routine import Rule
from .schedule import Schedule
from .site import Site


class SET(Rule):
    """Sparse evolutionary training: the weakest synapses go, as many grow anywhere (Mocanu et al. 2018).

    Bird & Cuntz remove the K = round(ζ nnz) synapses of the smallest *effective* weight |w|, one threshold for both
    signs; Mocanu et al. remove the share ζ of the positive and of the negative ones apart. New places are uniform over
    all vacant ones, those just vacated among them; new raw values are N(0, std²). Ties go by pattern order.

    Parameters
    ----------
    zeta : float
        Share removed, 0 < ζ < 1.
    by_sign : bool
        Positive and negative weights apart, as Mocanu et al.
    std : float
        Of new raw values.
    parameters : sequence of str, optional
        Which; all whose pattern is not full if omitted.
    every, unit, decay, stop
        As for `Schedule`; at every call of the hook, ζ constant, to the end if omitted.
    regrow : bool
        False: not where a synapse was just removed.
    signs : (n_pre, 1), optional
        Sign of each presynaptic neuron, for Dale's principle: newcomers are drawn with it, ``s |N(0, std²)|``. Give the
        rule the signs of `Dale`; `parameters` then names the weight that they belong to.
    **where
        scope, groups: as for `Rule`.

    Raises
    ------
    ValueError
        If zeta or std is out of range.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> rule = minisparse.SET.from_density(0.2)
    >>> sparse = minisparse.make_weights(rule.pattern(30, 64, rng))
    >>> model = minisparse.MLP([sparse, minisparse.make_weights(minisparse.full(10, 30))])
    >>> params = model.init(rng)
    >>> event = rule.rewire(model, params, minisparse.SGD(), rng)["W0"]
    >>> len(event.grown), model.weights["W0"].nnz
    (58, 384)
    """

    def __init__(
        self,
        zeta: float = 0.15,
        by_sign: bool = False,
        std: float = 1.0,
        parameters: tuple[str, ...] | None = None,
        every: int = 1,
        unit: str = "steps",
        decay: str | None = None,
        stop: float = 1.0,
        regrow: bool = True,
        signs: np.ndarray | None = None,
        **where: Any,
    ):
        if not 0 < number("zeta", zeta) < 1:
            raise InputError(f"zeta, the share of synapses that is rewired, must lie between 0 and 1, got {zeta}")
        if not number("std", std) > 0:
            raise InputError(f"std, the scale of new weights, must be above 0, got {std}")
        super().__init__(Schedule(zeta, every, unit, decay, stop), regrow=regrow, parameters=parameters, **where)
        self.zeta, self.by_sign, self.std = zeta, by_sign, std
        self.signs = None if signs is None else signs_of(signs)
        self._count: Any = None

    @classmethod
    def from_density(cls, density: float, zeta: float = 0.15, **settings: Any) -> SET:
        """Return Bird & Cuntz's form: patterns of exactly round(density n_post n_pre) synapses, one threshold.

        Examples
        --------
        >>> minisparse.SET.from_density(0.2).pattern(30, 784, numpy.random.default_rng(0)).nnz
        4704
        """
        check_density(density)
        rule = cls(zeta, by_sign=False, **settings)
        rule._count = lambda n_post, n_pre: round(density * n_post * n_pre)
        return rule

    @classmethod
    def from_epsilon(cls, epsilon: float, zeta: float = 0.3, **settings: Any) -> SET:
        """Return Mocanu et al.'s form: patterns of round(epsilon (n_post + n_pre)) synapses, the signs apart.

        Here epsilon is no probability: the density is epsilon (n_post + n_pre) / (n_post n_pre).

        Examples
        --------
        >>> minisparse.SET.from_epsilon(20).pattern(1000, 784, numpy.random.default_rng(0)).nnz
        35680
        """
        if not number("epsilon", epsilon) > 0:
            raise InputError(f"epsilon, synapses per neuron of both layers, must be above 0, got {epsilon}")
        rule = cls(zeta, by_sign=True, **settings)
        rule._count = lambda n_post, n_pre: min(round(epsilon * (n_post + n_pre)), n_post * n_pre)
        return rule

    def pattern(self, n_post: int, n_pre: int, rng: Seed) -> Pattern:
        """Draw a starting pattern of the form this rule was made for."""
        if self._count is None:
            raise InputError("this rule knows no density; make it with SET.from_density or SET.from_epsilon")
        n_post, n_pre = whole("n_post", n_post, 1), whole("n_pre", n_pre, 1)
        return fixed_count(n_post, n_pre, self._count(n_post, n_pre), rng)

    def keeps_signs(self, signs: np.ndarray) -> bool:
        """Whether newcomers are drawn with these signs, one for each presynaptic neuron."""
        return self.signs is not None and np.array_equal(self.signs, signs)

    def keep(self, site: Site, share: float, room: int) -> np.ndarray:
        effective, keep = site.effective, np.ones(site.values.size, bool)
        sides = [effective > 0, effective < 0] if self.by_sign else [keep.copy()]
        for members in map(np.flatnonzero, sides):
            count = min(round(share * members.size), room - int((~keep).sum()))
            keep[members[smallest(np.abs(effective[members]), count)]] = False  # (E1)
        return keep

    def grow(self, site: Site, keep: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        count = int((~keep).sum())
        places = self.random_places(site, keep, count, rng)  # (E2)
        fresh = self.std * rng.standard_normal(count)  # (E3)
        if self.signs is not None:
            fresh = np.abs(fresh) * senders_signs(self.signs, site.name, site.weights.shape, places)
        return places, fresh
