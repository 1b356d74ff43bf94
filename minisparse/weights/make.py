"""Which storage a pattern gets: by name, or by recorded tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import chosen
from ..backend import current_module
from ..connectivity import Pattern
from ..patterns import as_pattern
from .csr import CsrWeights
from .dense import DenseWeights
from .grouped import GroupedWeights, within_groups

Weights = DenseWeights | CsrWeights | GroupedWeights
STORAGES = {storage.storage: storage for storage in (DenseWeights, CsrWeights, GroupedWeights)}
CSR_AT_MOST = {"numpy": 0.25, "cupy": 0.02}
"""Density up to which CSR takes over from dense, per backend (``python -m benchmarks crossover``; that of the GPU is
predicted from its memory traffic against dense float32 products, and not measured; products in TF32 are faster, so with
``CUPY_TF32=1`` dense storage wins down to fewer synapses)."""
CSR_FROM = {"numpy": 1 << 16, "cupy": 2500**2}
"""Possible synapses from which CSR is considered: below, a dense product is over before a sparse one starts (that of
the GPU is predicted from the cost of a launch, and not measured)."""
GROUPED_AT_MOST = {"numpy": 0.4}
"""Density up to which blocks and CSR together beat dense, per backend (``python -m benchmarks crossover``); of a GPU
nothing is predicted, so "auto" takes no blocks there."""
GROUPED_FROM, BLOCK_FROM = 1 << 18, 1 << 12
"""Possible synapses of the layer, and synapses per block, from which blocks beat CSR (the same benchmark)."""
BLOCK_FULL = 0.75
"""Share of the blocks that must be synapses: a block costs the same however few it holds (ours, on the safe side)."""


def make_weights(pattern: Pattern | np.ndarray | Any, storage: str = "auto", backend: str | None = None) -> Weights:
    """Choose a storage for a pattern.

    Parameters
    ----------
    pattern : Pattern, mask (n_post, n_pre) or SciPy sparse matrix
        Of a matrix, what is not 0 is a synapse; its values are not taken over (`pack` packs a matrix of values).
    storage : {"auto", "dense", "csr", "grouped"}
        "auto" is a pure function of the pattern and the backend, by recorded tables; nothing is timed.
    backend : {"numpy", "cupy"}, optional
        Where the weights will live, by default the current backend; only "auto" reads it.

    Returns
    -------
    DenseWeights, CsrWeights or GroupedWeights

    Raises
    ------
    ValueError
        For an unknown storage, or "grouped" for a pattern that knows no groups.

    Examples
    --------
    >>> pattern = minisparse.bernoulli(500, 500, 0.1, numpy.random.default_rng(0))
    >>> minisparse.make_weights(pattern).storage
    'csr'
    >>> minisparse.make_weights(numpy.eye(3), "csr")
    CsrWeights(Pattern(3 x 3, 3 synapses, density 0.333))
    """
    pattern, storage = as_pattern(pattern), _named(storage)
    backend = backend if backend is None else chosen("backend", backend, ("numpy", "cupy"))
    if storage == "auto" and _wins_in_groups(pattern, backend or current_module().__name__):
        storage = "grouped"
    return STORAGES[choose_storage(pattern.shape, pattern.density, storage, backend)](pattern)


def choose_storage(shape: tuple[int, int], density: float, storage: str = "auto", backend: str | None = None) -> str:
    """Return the storage that `make_weights` takes for a pattern without groups, before there is one.

    Examples
    --------
    >>> minisparse.weights.make.choose_storage((500, 500), 0.1)
    'csr'
    """
    storage = _named(storage)
    if storage == "auto":
        backend = backend or current_module().__name__
        large = shape[0] * shape[1] >= CSR_FROM.get(backend, 0)
        storage = "csr" if large and density <= CSR_AT_MOST.get(backend, 0) else "dense"
    return storage


def as_weights(thing: Weights | Pattern | np.ndarray | Any) -> Weights:
    """Return a storage as it is, and `make_weights` of anything else: what a model does with what it is given.

    Examples
    --------
    >>> minisparse.weights.make.as_weights(numpy.eye(3)).storage
    'dense'
    """
    return thing if hasattr(thing, "bind") else make_weights(thing)


def _named(storage: str) -> str:
    return chosen("storage", storage, ("auto", *STORAGES))


def _wins_in_groups(pattern: Pattern, backend: str) -> bool:
    """Look the pattern up in the tables above."""
    large = pattern.shape[0] * pattern.shape[1] >= GROUPED_FROM
    return large and pattern.density <= GROUPED_AT_MOST.get(backend, 0) and _has_full_blocks(pattern)


def _has_full_blocks(pattern: Pattern) -> bool:
    """Whether the groups' blocks are large and hardly padded or masked."""
    if pattern.groups is None:
        return False
    post, pre = pattern.groups.sizes
    stored = pattern.groups.count * int(post.max()) * int(pre.max())
    return int(within_groups(pattern).sum()) >= max(BLOCK_FROM * pattern.groups.count, BLOCK_FULL * stored)
