"""Cannistraci-Hebb growth: links are predicted from the pattern alone, by paths of length 3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arguments import chosen
from ..backend import Array
from ..connectivity import Pattern
from .places import at_places, flat_places, row_blocks
from .routine import Rule
from .schedule import Schedule
from .site import Site

DIGITS = 9
"""Scores are rounded to this many digits, so that sums of the same terms in another order are ties."""


class CannistraciHebb(Rule):
    """Topological growth: the smallest |w| go, the highest CH3-L3 of vacant places come (Zhang et al. 2024).

    A layer is a graph of two sides. A vacant pair (u, v) is bridged by paths u-z1-z2-v; e(z) counts z's neighbours
    outside the pair and what bridges it. A neuron with few links to elsewhere makes a strong bridge. The score is taken
    on the synapses that survived the pruning; ties, of which there are many, go by a random order. Not Hebb's rule:
    activity plays no part. The chain removal and soft sampling of the published code are left out.

    Parameters
    ----------
    form : {"paths", "nodes"}
        "paths" sums 1/√((1 + e(z1)) (1 + e(z2))) over the paths, one postsynaptic neuron after the other.
        "nodes" sums 1/(1 + e(z)) over the neurons z on either side that a path leads through, once each, a score of
        its own (the published code's matrix form); it is the one for large layers.
    fraction, every, unit, decay, stop
        As for `Schedule`: 0.3 each epoch, constant, to the end.
    **where
        scope, groups, regrow, parameters: as for `Rule`.

    Raises
    ------
    ValueError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> layers = [minisparse.make_weights(p) for p in (minisparse.fixed_count(9, 64, 90, rng), minisparse.full(3, 9))]
    >>> model = minisparse.MLP(layers)
    >>> params = model.init(rng)
    >>> len(minisparse.CannistraciHebb().rewire(model, params, minisparse.SGD(), rng)["W0"].grown)
    27
    """

    def __init__(
        self,
        form: str = "paths",
        fraction: float = 0.3,
        every: int = 1,
        unit: str = "epochs",
        decay: str | None = None,
        stop: float = 1.0,
        **where: Any,
    ):
        form = chosen("form", form, FORMS)
        super().__init__(Schedule(fraction, every, unit, decay, stop), **where)
        self.form = form

    def growth_score(self, site: Site, keep: np.ndarray) -> Callable[[slice], Array]:
        score = FORMS[self.form](at_places(flat_places(site.weights.pattern)[keep], site.weights.shape))
        return lambda rows: score(rows).round(DIGITS)


def by_paths(pattern: Pattern) -> Callable[[slice], np.ndarray]:
    """Return CH3-L3 of the vacant pairs of a pattern: from a slice of rows (post) to (rows, n_pre)."""
    graph, senders = _graph(pattern), _graph(pattern).T.tocsr()
    receives, sends = pattern.afferents(), pattern.efferents()

    def row(v: int) -> np.ndarray:
        z2 = graph.indices[graph.indptr[v] : graph.indptr[v + 1]]
        bridges = senders[z2]
        outside1 = np.maximum(receives - bridges.sum(axis=0) - 1, 0)  # (E14)
        outside2 = np.maximum(sends[z2, None] - (bridges @ graph).toarray() - 1, 0)  # (E15)
        bridges.data = (1 + outside1[bridges.indices]) ** -0.5
        return ((bridges @ graph).toarray() * (1 + outside2) ** -0.5).sum(axis=0)  # (E16)

    return lambda rows: np.array([row(v) for v in range(rows.start, rows.stop)])


def by_nodes(pattern: Pattern) -> Callable[[slice], np.ndarray]:
    """Return CH3-L3n of the vacant pairs of a pattern: from a slice of rows (post) to (rows, n_pre)."""
    graph, senders = _graph(pattern), _graph(pattern).T.tocsr()
    receives, sends = pattern.afferents(), pattern.efferents()

    def score(rows: slice) -> np.ndarray:
        mine = graph[rows]
        shared = (mine @ senders).tocsr()
        shared.data = 1 / (1 + np.maximum(receives[shared.indices] - shared.data - 1, 0))  # (E17)
        total = (shared @ graph).toarray()
        for part in row_blocks((pattern.shape[1], pattern.shape[1])):
            shared = (senders[part] @ graph).tocsr()
            degree = np.repeat(sends[part], np.diff(shared.indptr))
            shared.data = 1 / (1 + np.maximum(degree - shared.data - 1, 0))  # (E18)
            total += (mine[:, part] @ shared).toarray()
        return total

    return score


FORMS = {"paths": by_paths, "nodes": by_nodes}


def _graph(pattern: Pattern) -> Any:
    """Return a pattern as a sparse matrix of ones."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(pattern.nnz), pattern.indices, pattern.indptr), pattern.shape)
