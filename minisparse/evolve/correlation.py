"""Hebbian growth: those neurons are wired whose activity was correlated over the last mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import chosen, number, whole
from ..backend import Array, array_module, to_numpy
from ..errors import InputError
from ..protocols import Model
from .places import row_blocks
from .routine import Rule
from .schedule import Schedule
from .site import Site

FLAT = 1e-8
"""A unit whose spread is at most this share of its activity (root mean squares) is constant: its C is 0."""


class Hebbian(Rule):
    """Correlation growth: the smallest |w| go, the highest C of vacant places come (Konstantaropoulos et al. 2025).

    ``C_ji = Σ_s (a_is - ā_i)(h_js - h̄_j) / (S σ_i σ_j)`` of presynaptic activity a and postsynaptic h over S samples
    (examples, and time steps of a sequence); a constant unit has C = 0. The paper's own formula was not at hand: this
    one and its defaults are a reading of its abstract.

    The last `batches` mini-batches are kept as they are, S (n_pre + n_post) numbers, which checkpoints carry, and C is
    made from them a block of rows at a time: sums would need Σ h aᵀ, an n_post x n_pre array, at every step. The
    running form keeps that array and forgets smoothly; it is for small layers. Hang the rule on after_step to see every
    batch: after_epoch it sees the last of each epoch.

    Parameters
    ----------
    score : {"pearson", "cosine"}
        "cosine" leaves out the means: ``Σ_s a_is h_js / (‖a_i‖ ‖h_j‖)``; neurons that are always active win then.
    absolute : bool
        Grow the largest |C|.
    batches : int
        Mini-batches remembered.
    ema : float, optional
        Running moments with this decay instead of the last batches: ``E[x] ← ema E[x] + (1 - ema) x̄``, 0 < ema < 1.
    prune : {"magnitude", "correlation"}
        "correlation" removes the lowest signed C, as an experiment: it costs accuracy.
    fraction, every, unit, decay, stop
        As for `Schedule`: 0.1 each epoch, along a cosine that ends after three quarters of the training.
    **where
        scope, groups, regrow, parameters: as for `Rule`.

    Raises
    ------
    ValueError
        If a setting is unknown or out of range; if nothing was observed before a rewiring.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> layers = [minisparse.make_weights(p) for p in (minisparse.fixed_count(9, 64, 90, rng), minisparse.full(3, 9))]
    >>> model, rule = minisparse.MLP(layers), minisparse.Hebbian(fraction=0.2)
    >>> params = model.init(rng)
    >>> logits, cache = model.forward(params, rng.random((64, 5), numpy.float32))
    >>> grads = model.backward(logits, cache)
    >>> rule.observe(model, cache.links)
    >>> len(rule.rewire(model, params, minisparse.SGD(), rng)["W0"].grown)
    18
    """

    def __init__(
        self,
        score: str = "pearson",
        absolute: bool = False,
        batches: int = 5,
        ema: float | None = None,
        prune: str = "magnitude",
        fraction: float = 0.1,
        every: int = 1,
        unit: str = "epochs",
        decay: str | None = "cosine",
        stop: float = 0.75,
        **where: Any,
    ):
        score = chosen("score", score, ("pearson", "cosine"))
        prune = chosen("prune", prune, ("magnitude", "correlation"))
        batches = whole("batches", batches)
        if batches < 1 or (ema is not None and not 0 < number("ema", ema) < 1):
            raise InputError(f"batches must be at least 1 and ema between 0 and 1, got {batches} and {ema}")
        super().__init__(Schedule(fraction, every, unit, decay, stop), **where)
        self.centred, self.absolute = score == "pearson", absolute
        self.batches, self.ema, self.prune = batches, ema, prune

    def observe(self, model: Model, links: dict) -> None:
        """Take in one mini-batch, ``cache.links`` after backward."""
        for name in self.names(model):
            pre, post = (_samples(activity) for activity in links[name][:2])
            if pre.shape[1]:
                (self._push if self.ema is None else self._average)(name, pre, post)

    def _push(self, name: str, pre: Array, post: Array) -> None:
        for k in range(self.batches - 1, 0, -1):
            for side in ("pre", "post"):
                if f"{side}{k - 1}.{name}" in self.state:
                    self.state[f"{side}{k}.{name}"] = self.state[f"{side}{k - 1}.{name}"]
        self.state |= {f"pre0.{name}": pre, f"post0.{name}": post}

    def _average(self, name: str, pre: Array, post: Array) -> None:
        a, h = pre.astype(np.float64), post.astype(np.float64)
        xp, count = array_module(a, h), a.shape[1]
        means = {"one": xp.ones((1, 1)), "ha": h @ a.T / count}
        for key, unit in {"a": a, "h": h, "aa": a * a, "hh": h * h}.items():
            means[key] = unit.mean(axis=1, keepdims=True)
        for key, value in means.items():
            old = self.state.get(f"{key}.{name}", 0 * value)
            self.state[f"{key}.{name}"] = self.ema * old + (1 - self.ema) * value  # (E9)

    def correlation(self, name: str) -> Callable[[slice], Array]:
        """Return C of what was observed: from a slice of rows (post) to (rows, n_pre)."""
        if f"pre0.{name}" not in self.state and f"ha.{name}" not in self.state:
            raise InputError(
                f"Hebbian has seen no activity of {name}; hang it on after_step, or call observe(model, cache.links) "
                "after a backward pass (sequences need two steps or more)"
            )
        return self._from_batches(name) if self.ema is None else self._from_moments(name)

    def _from_batches(self, name: str) -> Callable[[slice], Array]:
        def remembered(side: str) -> Array:
            found = [self.state[key] for k in range(self.batches) if (key := f"{side}{k}.{name}") in self.state]
            return array_module(*found).concatenate(found, axis=1)

        a, h = (_standard(remembered(side), self.centred) for side in ("pre", "post"))
        return lambda rows: (h[rows] @ a.T / a.shape[1]).clip(-1, 1)  # (E8)

    def _from_moments(self, name: str) -> Callable[[slice], Array]:
        moments = {key: self.state[f"{key}.{name}"] for key in ("a", "h", "aa", "hh", "ha")}
        a, h, aa, hh, ha = (value / self.state[f"one.{name}"] for value in moments.values())
        if not self.centred:
            a, h = 0 * a, 0 * h
        inverse_a, inverse_h = _inverse(aa - a * a, aa), _inverse(hh - h * h, hh)
        return lambda rows: ((ha[rows] - h[rows] @ a.T) * inverse_h[rows] * inverse_a.T).clip(-1, 1)  # (E10)

    def growth_score(self, site: Site, keep: np.ndarray) -> Callable[[slice], Array]:
        score = self.correlation(site.name)
        return (lambda rows: abs(score(rows))) if self.absolute else score

    def prune_score(self, site: Site) -> np.ndarray:
        if self.prune == "magnitude":
            return super().prune_score(site)
        score, pattern = self.correlation(site.name), site.weights.pattern
        rows, columns, indptr = pattern.rows, pattern.indices, pattern.indptr
        found = []
        for block in row_blocks(pattern.shape):
            part = slice(indptr[block.start], indptr[block.stop])
            found.append(to_numpy(score(block))[rows[part] - block.start, columns[part]])
        return np.concatenate(found)


def _samples(activity: Array) -> Array:
    """Lay (units, batch) or (time, units, batch) out as (units, samples), row by row in memory as a checkpoint does."""
    if activity.ndim == 3:
        activity = activity.transpose(1, 0, 2).reshape(activity.shape[1], -1)
    return array_module(activity).ascontiguousarray(activity)


def _standard(activity: Array, centred: bool) -> Array:
    """Return each unit's activity with mean square 1 (and mean 0 if centred), 0 for a constant unit."""
    x = activity.astype(np.float64)
    d = x - x.mean(axis=1, keepdims=True) if centred else x
    z = d * _inverse((d * d).mean(axis=1, keepdims=True), (x * x).mean(axis=1, keepdims=True), FLAT**2)  # (E7)
    return z.astype(activity.dtype)


def _inverse(variance: Array, square: Array, flat: float = 1e-12) -> Array:
    """Return 1/σ, 0 where the variance is at most the share `flat` of the mean square."""
    xp = array_module(variance)
    alive = variance > flat * square
    return xp.where(alive, 1 / xp.sqrt(xp.where(alive, variance, 1)), 0)
