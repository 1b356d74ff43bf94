"""The routine every rule shares: which synapses go, where new ones may come, and what follows for the moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..arguments import chosen, expect, generator, number, shown, storage_of
from ..backend import Array, to_numpy
from ..errors import InputError
from ..protocols import Model, Optimiser, Rng, Run, Seed
from .places import flat_places, highest, smallest, vacant
from .schedule import Schedule
from .site import Rewired, Site, exchange, site_of

SCOPES = ("anywhere", "within", "between")


class Rule:
    """A hook of `fit` that rewires; a rule of your own inherits from it and writes one score, or both.

    `prune_score` says what goes, here the smallest effective weights; `growth_score` says what comes, here any place.
    K = floor(f(t) nnz) synapses of the smallest prune score go, at most as many as there are places to grow; the K
    vacant places of the highest growth score come with the raw value 0, ties in a random order. The number of synapses
    is constant. Full patterns have no vacant place and stay as they are. A rule that chooses in another way overrides
    `keep` or `grow`. The page "A rewiring rule of your own" (docs/own_rewiring.md) has an example, and
    `minisparse.testing.laws` tests it.

    Parameters
    ----------
    schedule : Schedule
    scope : {"anywhere", "within", "between"}
        Where synapses may grow: only within, or only between, groups of neurons.
    groups : dict, optional
        ``{"W0": (post, pre)}``: the group of each neuron, two vectors of integers; if omitted those of the pattern.
    regrow : bool
        Whether a synapse may grow where one was pruned in the same rewiring; it, too, starts at 0.
    parameters : sequence of str, optional
        Which; all whose pattern is not full if omitted.

    Attributes
    ----------
    state : dict of arrays
        What checkpoints carry. A new run of `fit` starts it afresh.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> layers = [minisparse.make_weights(p) for p in (minisparse.fixed_count(9, 64, 90, rng), minisparse.full(3, 9))]
    >>> model, rule = minisparse.MLP(layers), minisparse.evolve.Rule(minisparse.evolve.Schedule(0.2))
    >>> event = rule.rewire(model, model.init(rng), minisparse.SGD(), rng)["W0"]
    >>> len(event.pruned), len(event.grown)
    (18, 18)
    """

    def __init__(
        self,
        schedule: Schedule,
        scope: str = "anywhere",
        groups: dict[str, tuple[np.ndarray, np.ndarray]] | None = None,
        regrow: bool = False,
        parameters: tuple[str, ...] | None = None,
    ):
        if not isinstance({} if groups is None else groups, dict):
            raise InputError(f"groups must be a dict, such as {{'W0': (post, pre)}}, got {shown(groups)}")
        scope = chosen("scope", scope, SCOPES)
        self.schedule, self.scope, self.groups, self.regrow = schedule, scope, groups or {}, regrow
        self.parameters = _names_of(parameters)
        self.state: dict[str, Array] = {}

    def __call__(self, run: Run) -> None:
        """Hook of `fit`, for after_step or after_epoch."""
        step = (run.epoch - 1) * run.steps + run.step + 1
        links = getattr(run.cache, "links", {})
        self.observe(run.model, links)
        if self.schedule.due(step - int(to_numpy(self.state.get("last", 0))), run.steps):
            self.state["last"] = np.array(step)
            share = self.schedule(step, run.epochs * run.steps)
            if share > 0:
                self.rewire(run.model, run.params, run.opt, run.rng, links, share)

    @property
    def needs_epochs(self) -> bool:
        """Whether a longer training is another one from its first step on: such a run is not resumed for longer."""
        return self.schedule.needs_total

    def begin(self) -> None:
        """Forget what an earlier run has left: `fit` calls this when a run starts that is not resumed."""
        self.state.clear()

    def keeps_signs(self, signs: np.ndarray) -> bool:
        """Whether no newcomer can have another sign than its presynaptic neuron, (n_pre, 1); here all start at 0.

        `fit` asks this of a rule under Dale's principle (`dale.check_rules`).
        """
        return True

    def observe(self, model: Model, links: dict) -> None:
        """Look at a batch; a rule with memory takes from it what it needs."""

    def rewire(
        self,
        model: Model,
        params: dict[str, Array],
        opt: Optimiser,
        rng: Seed,
        links: dict | None = None,
        share: float | None = None,
    ) -> dict[str, Rewired]:
        """Rewire every sparse parameter of a model, in place.

        Parameters
        ----------
        model, params, opt
            ``model.weights``, the packed parameters and the optimiser's entries are exchanged.
        rng : int, Generator or RandomState
        links : dict, optional
            ``cache.links`` after backward, for rules that look at activity or gradients.
        share : float, optional
            Of the synapses; the schedule's first if omitted.

        Returns
        -------
        dict of Rewired
        """
        expect(model=model, params=params, opt=opt)
        rng = generator(rng, "rewiring")
        events, share = {}, self.schedule.fraction if share is None else share
        if not 0 <= number("share", share) <= 1:
            raise InputError(f"share, of the synapses, must lie in 0..1, got {share}")
        for name in self.names(model):
            site = site_of(model, params, name, links)
            keep = self.keep(site, share, self.room(site))
            places, fresh = self.grow(site, keep, rng)
            events[name] = exchange(model, params, opt, name, keep, places, fresh)
        return events

    def scores(self, model: Model, params: dict[str, Array], links: dict | None = None) -> dict[str, Array]:
        """Return the growth score of every place, also where a synapse is, as full matrices: for small networks.

        Parameters
        ----------
        model, params, links
            As for `rewire`; nothing is changed.

        Returns
        -------
        dict of arrays
            (post, pre), for each parameter that the rule rewires.

        Raises
        ------
        ValueError
            If the rule has no growth score.
        """
        sites = [site_of(model, params, name, links) for name in self.names(model)]
        found = {site.name: self._by_rows(site, np.ones(site.values.size, bool)) for site in sites}
        if None in found.values():
            raise InputError(f"{type(self).__name__} has no growth_score: it grows anywhere")
        return {site.name: found[site.name](slice(0, site.weights.shape[0])) for site in sites}

    def names(self, model: Model) -> list[str]:
        """Return the parameters that are rewired: those asked for, or all whose pattern is not full."""
        names = self.parameters or [name for name, w in model.weights.items() if not w.pattern.is_full]
        for name in names:
            storage_of(model, name)
        return list(names)

    def keep(self, site: Site, share: float, room: int) -> np.ndarray:
        """Return which synapses stay, (nnz,) bool; at most `room` may go."""
        keep = np.ones(site.values.size, bool)
        count = min(math.floor(share * keep.size), room)  # (E5)
        if count:
            keep[smallest(self._checked(self.prune_score(site), "prune_score", keep.shape, site), count)] = False
        return keep

    def _checked(self, score: Array, name: str, shape: tuple, site: Site) -> Array:
        """Refuse a score that is not one number for each place."""
        if np.shape(score) != shape:
            what = "a number per synapse, (nnz,)" if len(shape) == 1 else "a matrix (post, pre)"
            got = f"{what} = {shape} for {site.name}, got shape {tuple(np.shape(score))}"
            raise InputError(f"{type(self).__name__}.{name} must return {got}")
        if isinstance(score, np.ndarray) and score.dtype.kind == "f" and np.isnan(score).any():
            raise InputError(f"{type(self).__name__}.{name} holds nan for {site.name}: nothing is the smallest then")
        return score

    def prune_score(self, site: Site) -> np.ndarray:
        """Return the prune score of each synapse, (nnz,): the smallest go. Here the effective weight's magnitude."""
        return np.abs(site.effective)

    def growth_score(self, site: Site, keep: np.ndarray) -> Array | Callable[[slice], Array] | None:
        """Return the growth score of every place: the highest vacant ones come.

        Parameters
        ----------
        site : Site
        keep : (nnz,) bool
            The synapses that stay.

        Returns
        -------
        (post, pre) array, or callable, or None
            For large layers a function from a slice of rows to (rows, n_pre), so that no matrix of all places is made.
            None, as here, for places that are drawn at random.
        """
        return None

    def _by_rows(self, site: Site, keep: np.ndarray) -> Callable[[slice], Array] | None:
        """Return the growth score as a function of a slice of rows."""
        score = self.growth_score(site, keep)
        if score is None or callable(score):
            return score
        score = self._checked(score, "growth_score", site.weights.shape, site)
        return lambda rows: score[rows]

    def grow(self, site: Site, keep: np.ndarray, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
        """Return the places (post * n_pre + pre, ascending) and raw values of the new synapses."""
        count = int((~keep).sum())
        score = self._by_rows(site, keep) if count else None
        if count and score is None:
            return self.random_places(site, keep, count, rng), np.zeros(count)
        return highest(site.weights.shape, count, score, self._open(site, keep), rng), np.zeros(count)

    def random_places(self, site: Site, keep: np.ndarray, count: int, rng: Rng) -> np.ndarray:
        """Draw `count` of the places where synapses may grow, uniformly."""
        if self.scope == "anywhere":
            return vacant(site.weights.pattern, keep if self.regrow else np.ones_like(keep), count, rng)
        n_pre = site.weights.shape[1]
        chance = lambda rows: rng.random((rows.stop - rows.start, n_pre))  # noqa: E731
        return highest(site.weights.shape, count, chance, self._open(site, keep), rng)

    def _labels(self, site: Site) -> tuple[np.ndarray, np.ndarray]:
        known = self.groups.get(site.name, site.weights.pattern.groups or ((), ()))
        post, pre = (np.asarray(labels) for labels in known)
        if (post.size, pre.size) != site.weights.shape:
            raise InputError(
                f"scope={self.scope!r} needs groups[{site.name!r}] = (post, pre), the group of each of the "
                f"{site.weights.shape[0]} and {site.weights.shape[1]} neurons, got {post.size} and {pre.size}"
            )
        return post, pre

    def room(self, site: Site) -> int:
        """Return how many synapses can grow at a site."""
        pattern = site.weights.pattern
        if self.scope == "anywhere":
            return pattern.nnz if self.regrow else pattern.shape[0] * pattern.shape[1] - pattern.nnz
        post, pre = self._labels(site)
        names, counts = np.unique(pre, return_counts=True)
        within = int(sum(count * (post == name).sum() for name, count in zip(names, counts, strict=True)))
        held = int((post[pattern.rows] == pre[pattern.indices]).sum())
        if self.scope == "within":
            return within - held
        return (pattern.shape[0] * pattern.shape[1] - within) - (pattern.nnz - held)

    def _open(self, site: Site, keep: np.ndarray) -> Callable[[slice], np.ndarray]:
        """Return where synapses may grow: from a slice of rows to (rows, n_pre) bool."""
        n_pre, held = site.weights.shape[1], flat_places(site.weights.pattern)
        held = held[keep] if self.regrow else held
        post, pre = (None, None) if self.scope == "anywhere" else self._labels(site)

        def is_open(rows: slice) -> np.ndarray:
            allowed = np.ones((rows.stop - rows.start, n_pre), bool)
            first, last = np.searchsorted(held, (rows.start * n_pre, rows.stop * n_pre))
            allowed.ravel()[held[first:last] - rows.start * n_pre] = False
            if post is not None:
                allowed &= (post[rows, None] == pre) == (self.scope == "within")
            return allowed

        return is_open


def _names_of(parameters: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return names of parameters; one alone may be written without a list."""
    if parameters is None or isinstance(parameters, str):
        return parameters and (parameters,)
    if not isinstance(parameters, Sequence) or not all(isinstance(name, str) for name in parameters):
        raise InputError(f"parameters must be names, such as ('W_rec',), got {shown(parameters)}")
    return tuple(parameters)
