"""Rules that rewire: after an epoch some synapses are removed and as many grown elsewhere; nothing is differentiated.

Host only. What survives keeps its value and the optimiser's moments bit for bit; a new synapse's moments are 0. No
array of all possible synapses is made: vacancies are counted, not listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .backend import Array, array_module, to_numpy
from .connectivity import Pattern, Rng, distinct, fixed_count
from .errors import InputError
from .groups import labelled


@dataclass(frozen=True)
class Rewired:
    """What one rewiring did to one parameter.

    Attributes
    ----------
    pruned, grown : (count, 2) int64
        (post, pre) of the synapses that went and came, in pattern order. A place may be in both.
    """

    pruned: np.ndarray
    grown: np.ndarray


class _Rewiring:
    """Which synapses go and which come is a rule's own; what follows for weights and moments is the same for all."""

    parameters: tuple[str, ...] | None

    def __call__(self, run: Any) -> None:
        """Hook of `fit`, for after_epoch."""
        self.rewire(run.model, run.params, run.opt, run.rng)

    def rewire(self, model: Any, params: dict[str, Array], opt: Any, rng: Rng) -> dict[str, Rewired]:
        """Rewire every sparse parameter of a model, in place.

        Parameters
        ----------
        model, params, opt
            ``model.weights``, the packed parameters and the optimiser's entries are exchanged.
        rng : Generator or RandomState

        Returns
        -------
        dict of Rewired
        """
        events = {}
        for name in self.parameters or [name for name, w in model.weights.items() if not w.pattern.is_full]:
            if name not in model.weights:
                raise InputError(f"the model has no sparse parameter {name!r}; it has {', '.join(model.weights)}")
            weights = model.weights[name]
            values = to_numpy(weights.values(params[name]))
            effective = to_numpy(weights.values(model.weight(params, name)))
            keep = self._keep(values, effective, rng)
            places, fresh = self._grow(weights.pattern, keep, rng)
            events[name] = _exchange(model, params, opt, name, keep, places, fresh)
        return events

    def _keep(self, values: np.ndarray, effective: np.ndarray, rng: Rng) -> np.ndarray:
        """Return which synapses stay, (nnz,) bool."""
        raise NotImplementedError

    def _grow(self, pattern: Pattern, keep: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """Return the places (post * n_pre + pre, ascending) and raw values of the new synapses."""
        raise NotImplementedError


class SET(_Rewiring):
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
        self, zeta: float = 0.15, by_sign: bool = False, std: float = 1.0, parameters: tuple[str, ...] | None = None
    ):
        if not 0 < zeta < 1:
            raise InputError(f"zeta, the share of synapses that is rewired, must lie between 0 and 1, got {zeta}")
        if not std > 0:
            raise InputError(f"std, the scale of new weights, must be above 0, got {std}")
        self.zeta, self.by_sign, self.std = zeta, by_sign, std
        self.parameters = tuple(parameters) if parameters is not None else None
        self._count: Any = None

    @classmethod
    def from_density(cls, density: float, zeta: float = 0.15, **settings: Any) -> SET:
        """Return Bird & Cuntz's form: patterns of exactly round(density n_post n_pre) synapses, one threshold.

        Examples
        --------
        >>> minisparse.SET.from_density(0.2).pattern(30, 784, numpy.random.default_rng(0)).nnz
        4704
        """
        if not 0 < density <= 1:
            raise InputError(f"density must be above 0 and at most 1, got {density}")
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
        if not epsilon > 0:
            raise InputError(f"epsilon, synapses per neuron of both layers, must be above 0, got {epsilon}")
        rule = cls(zeta, by_sign=True, **settings)
        rule._count = lambda n_post, n_pre: min(round(epsilon * (n_post + n_pre)), n_post * n_pre)
        return rule

    def pattern(self, n_post: int, n_pre: int, rng: Rng) -> Pattern:
        """Draw a starting pattern of the form this rule was made for."""
        if self._count is None:
            raise InputError("this rule knows no density; make it with SET.from_density or SET.from_epsilon")
        return fixed_count(n_post, n_pre, self._count(n_post, n_pre), rng)

    def _keep(self, values: np.ndarray, effective: np.ndarray, rng: Rng) -> np.ndarray:
        keep = np.ones(values.size, bool)
        sides = [effective > 0, effective < 0] if self.by_sign else [keep.copy()]
        for side in sides:
            members = np.flatnonzero(side)
            keep[members[smallest(np.abs(effective[members]), round(self.zeta * members.size))]] = False  # (E1)
        return keep

    def _grow(self, pattern: Pattern, keep: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        count = int((~keep).sum())
        places = vacant(pattern, keep, count, rng)  # (E2)
        return places, self.std * rng.standard_normal(count)  # (E3)


def smallest(magnitudes: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the `count` smallest magnitudes, ascending; ties go to the first.

    Examples
    --------
    >>> minisparse.evolve.smallest(numpy.array([3.0, 1.0, 2.0, 1.0, 1.0]), 2)
    array([1, 3])
    """
    if count == 0:
        return np.zeros(0, np.int64)
    threshold = np.partition(magnitudes, count - 1)[count - 1]
    below = np.flatnonzero(magnitudes < threshold)
    ties = np.flatnonzero(magnitudes == threshold)[: count - below.size]
    return np.sort(np.concatenate([below, ties]))


def flat_places(pattern: Pattern) -> np.ndarray:
    """Return post * n_pre + pre of every synapse, ascending, int64."""
    return pattern.rows.astype(np.int64) * pattern.shape[1] + pattern.indices


def vacant(pattern: Pattern, keep: np.ndarray, count: int, rng: Rng) -> np.ndarray:
    """Draw `count` distinct places that no kept synapse holds, uniformly, ascending.

    The r-th vacant place is r plus the number of kept synapses before it, so only ranks are drawn.

    Examples
    --------
    >>> full = minisparse.full(2, 2)
    >>> minisparse.evolve.vacant(full, numpy.array([True, False, True, False]), 2, numpy.random.default_rng(0))
    array([1, 3])
    """
    held = flat_places(pattern)[keep]
    ranks = distinct(pattern.shape[0] * pattern.shape[1] - held.size, count, rng)
    return ranks + np.searchsorted(held - np.arange(held.size), ranks, side="right")


def _exchange(
    model: Any,
    params: dict[str, Array],
    opt: Any,
    name: str,
    keep: np.ndarray,
    places: np.ndarray,
    fresh: np.ndarray,
) -> Rewired:
    """Put a new pattern in force: survivors keep value and moments, newcomers get `fresh` and moments of 0."""
    weights = model.weights[name]
    (n_post, n_pre), old = weights.shape, flat_places(weights.pattern)
    merged = np.concatenate([old[keep], places])
    order = np.argsort(merged, kind="stable")
    merged = merged[order]
    indptr = np.searchsorted(merged, np.arange(n_post + 1, dtype=np.int64) * n_pre)
    pattern = Pattern(indptr, (merged % n_pre).astype(np.int32), weights.shape)
    rewired = type(weights)(labelled(pattern, weights.pattern.groups))

    def carried(packed: Array, newcomers: np.ndarray) -> Array:
        values = to_numpy(weights.values(packed))
        values = np.concatenate([values[keep], newcomers.astype(values.dtype)])[order]
        return rewired.from_values(array_module(packed).asarray(values))

    params[name] = carried(params[name], fresh)
    for key, value in opt.state.items():
        if key.partition(".")[2] == name:
            opt.state[key] = carried(value, np.zeros(places.size))
    model.weights[name] = rewired
    return Rewired(np.stack(np.divmod(old[~keep], n_pre), axis=1), np.stack(np.divmod(places, n_pre), axis=1))
