"""Modular connectivity: neurons fall into groups, dense within matched groups and sparse between them. Host only.

The scheme is that of G2GNet (Konstantaropoulos et al. 2025, arXiv 2508.14140); group counts, probabilities, the exact
sampler and the rules for unequal sizes are ours.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .arguments import chosen, generator, number, shown, whole
from .connectivity import Pattern, subset
from .errors import InputError
from .patterns import as_pattern
from .protocols import Rng, Seed

GROUPINGS = ("index", "stride", "random")
SAMPLERS = ("exact", "bernoulli")


class Groups(NamedTuple):
    """Which group each neuron of a layer belongs to; synapses within matched groups join equal labels.

    Attributes
    ----------
    post, pre : (n_post,) and (n_pre,) int32
    """

    post: np.ndarray
    pre: np.ndarray

    @property
    def count(self) -> int:
        """Number of groups, those that have neurons on one side only among them."""
        return 1 + int(max(self.post.max(), self.pre.max()))

    @property
    def sizes(self) -> tuple[np.ndarray, np.ndarray]:
        """Neurons of each group, on the post and on the pre side, (count,) int64."""
        return tuple(np.bincount(side, minlength=self.count).astype(np.int64) for side in self)


def labelled(pattern: Pattern, groups: tuple[np.ndarray, np.ndarray] | None) -> Pattern:
    """Return the same synapses, knowing their groups (None: as they are).

    Examples
    --------
    >>> pattern = minisparse.groups.labelled(minisparse.full(2, 3), ([0, 1], [0, 0, 1]))
    >>> pattern == minisparse.full(2, 3), pattern.groups.pre
    (True, array([0, 0, 1], dtype=int32))
    """
    pattern = as_pattern(pattern)
    if groups is None:
        return pattern
    if not isinstance(groups, Sequence) or isinstance(groups, str) or len(groups) != 2:
        raise InputError(f"groups must be (post, pre), a label for each neuron of both sides, got {shown(groups)}")
    twin = copy.copy(pattern)
    twin.groups = Groups(*(_labels(side, n) for side, n in zip(groups, pattern.shape, strict=True)))
    return twin


def group_labels(n: int, groups: int, grouping: str = "index", rng: Seed | None = None) -> np.ndarray:
    """Divide neurons into groups whose sizes differ by at most 1.

    Parameters
    ----------
    n, groups : int
    grouping : {"index", "stride", "random"}
        Neuron i belongs to group ``floor(i groups / n)``, to ``i mod groups``, or to what a random permutation of the
        first gives it.
    rng : int, Generator or RandomState, optional
        Only "random" draws.

    Returns
    -------
    (n,) int32

    Examples
    --------
    >>> minisparse.groups.group_labels(5, 2), minisparse.groups.group_labels(5, 2, "stride")
    (array([0, 0, 0, 1, 1], dtype=int32), array([0, 1, 0, 1, 0], dtype=int32))
    """
    n, groups = whole("n, the number of neurons,", n, 1), whole("groups", groups)
    if not 1 <= groups <= n:
        raise InputError(f"groups must lie in 1..{n} for a layer side of {n} neurons, got {groups}")
    grouping = chosen("grouping", grouping, GROUPINGS, ", mixer, or labels")
    neurons = np.arange(n, dtype=np.int64)
    if grouping == "stride":
        return (neurons % groups).astype(np.int32)
    labels = (neurons * groups // n).astype(np.int32)
    if grouping == "index":
        return labels
    if rng is None:
        raise InputError("random groups need rng; pass a seed or a numpy.random.Generator")
    return labels[generator(rng, "pattern").permutation(n)]


def group_to_group(
    n_post: int,
    n_pre: int,
    groups: int,
    p_within: float = 1.0,
    p_between: float = 0.15,
    *,
    rng: Seed,
    grouping: str | tuple = "index",
    layer: int = 0,
    sampler: str = "exact",
) -> Pattern:
    """Connect matched groups with probability `p_within` and all others with `p_between` (G2GNet 2025; constants ours).

    Memory is O(synapses): no ``n_post * n_pre`` array is made.

    Parameters
    ----------
    n_post, n_pre, groups : int
    p_within, p_between : float
        Each in [0, 1].
    rng : int, Generator or RandomState
        Draws random groups, post before pre, then the synapses.
    grouping : str or (post, pre)
        "index", "stride" or "random" as in `group_labels`; "mixer" is "index" where `layer` is even and "stride" where
        it is odd. A pair names each side on its own, by such a word or by labels: the post labels of one layer given
        as the pre labels of the next let an ensemble keep its identity.
    layer : int
        Read by "mixer" only.
    sampler : {"exact", "bernoulli"}
        Exactly ``round(p * places)`` synapses within and between, or every synapse on its own.

    Returns
    -------
    Pattern
        Its ``groups`` are the labels, (post, pre).

    Raises
    ------
    ValueError
        If a probability, a label or a name is out of range.

    Examples
    --------
    >>> pattern = minisparse.group_to_group(512, 1024, 8, rng=numpy.random.default_rng(0))
    >>> pattern.nnz == 8 * 64 * 128 + round(0.15 * 7 * 64 * 1024), pattern.density
    (True, 0.25625038146972656)
    """
    rng = generator(rng, "pattern")
    return _draw(_sides(n_post, n_pre, groups, grouping, layer, rng), p_within, p_between, sampler, rng)


def from_sparsity(
    n_post: int,
    n_pre: int,
    groups: int,
    sparsity: float,
    p_within: float = 1.0,
    *,
    rng: Seed,
    grouping: str | tuple = "index",
    layer: int = 0,
    sampler: str = "exact",
) -> Pattern:
    """Connect groups as `group_to_group` does, with the `p_between` that leaves out a given share of all synapses.

    Raises
    ------
    ValueError
        If no `p_between` in [0, 1] gives that sparsity.

    Examples
    --------
    >>> minisparse.groups.from_sparsity(1024, 1024, 8, 0.75, rng=numpy.random.default_rng(0)).density
    0.25
    """
    rng = generator(rng, "pattern")
    sides = _sides(n_post, n_pre, groups, grouping, layer, rng)
    return _draw(sides, p_within, p_between_of(sparsity, *sides.sizes, p_within), sampler, rng)


def group_density(
    post_sizes: Sequence[int], pre_sizes: Sequence[int], p_within: float = 1.0, p_between: float = 0.15
) -> float:
    """Return the expected density, ``[p Σ a_g b_g + p' (n m - Σ a_g b_g)] / (n m)`` for groups of a_g and b_g neurons.

    With equal sizes that is ``p / G + p' (1 - 1 / G)``.

    Examples
    --------
    >>> minisparse.groups.group_density([64] * 8, [128] * 8)
    0.25625
    """
    within, between = _places(post_sizes, pre_sizes)
    return (p_within * within + p_between * between) / (within + between)


def p_between_of(sparsity: float, post_sizes: Sequence[int], pre_sizes: Sequence[int], p_within: float = 1.0) -> float:
    """Return the `p_between` that gives a sparsity: `group_density` solved, ``[(1 - s) n m - p Σ a_g b_g] / N_cross``.

    Examples
    --------
    >>> minisparse.groups.p_between_of(0.75, [64] * 5, [128] * 5)
    0.0625
    """
    number("sparsity", sparsity), number("p_within", p_within)
    within, between = _places(post_sizes, pre_sizes)
    places, fixed = within + between, p_within * within
    wanted = (1 - sparsity) * places - fixed
    rounding = 1e-12 * places
    if not -rounding <= wanted <= between + rounding:
        least, most = 1 - (fixed + between) / places, 1 - fixed / places
        raise InputError(
            f"sparsity must lie in {least:.6g}..{most:.6g} for these groups and p_within = {p_within:g}, "
            f"got {sparsity:g}; change p_within or the number of groups"
        )
    return min(max(wanted / between, 0.0), 1.0) if between else 0.0


def reachability(patterns: Sequence[Pattern]) -> np.ndarray:
    """Return which inputs can reach which outputs through consecutive layers, the input layer first.

    Returns
    -------
    (n_out, n_in) bool
        Entry (i, j): some path of synapses leads from input j to output i.

    Examples
    --------
    >>> one = minisparse.group_to_group(4, 4, 2, p_between=0, rng=numpy.random.default_rng(0))
    >>> minisparse.groups.reachability([one, one]).sum().item()
    8
    """
    if isinstance(patterns, Pattern) or not isinstance(patterns, Iterable):
        raise InputError(f"reachability needs a list of patterns, the input layer first, got {shown(patterns)}")
    patterns = [as_pattern(pattern) for pattern in patterns]
    if not patterns:
        raise InputError("reachability needs at least one layer; pass a list of patterns")
    reached = np.eye(patterns[0].shape[1], dtype=np.float32)
    for pattern in patterns:
        if pattern.shape[1] != len(reached):
            raise InputError(f"a layer of {pattern.shape[1]} inputs cannot follow one of {len(reached)} outputs")
        reached = (pattern.mask().astype(np.float32) @ reached > 0).astype(np.float32)
    return reached > 0


def _labels(labels: np.ndarray, n: int) -> np.ndarray:
    """Return a read-only copy of one label per neuron."""
    labels = np.array(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or not labels.size or labels.min() < 0:
        raise InputError(f"group labels must be {n} integers from 0 on, one per neuron of that side of the layer")
    labels = labels.astype(np.int32)
    labels.flags.writeable = False
    return labels


def _sides(n_post: int, n_pre: int, groups: int, grouping: str | tuple, layer: int, rng: Rng) -> Groups:
    """Resolve the grouping of both sides to labels."""
    if isinstance(grouping, str):
        grouping = ("stride" if layer % 2 else "index") if grouping.lower() == "mixer" else grouping
        grouping = (grouping, grouping)
    if not isinstance(grouping, Sequence) or len(grouping) != 2:
        raise InputError(f"grouping must be one word or a pair (post, pre) of words or labels, got {shown(grouping)}")
    sides = [
        group_labels(n, groups, rule, rng) if isinstance(rule, str) else _labels(rule, n)
        for n, rule in zip((n_post, n_pre), grouping, strict=True)
    ]
    highest = max(int(side.max()) for side in sides)
    if highest >= groups:
        raise InputError(f"group labels must lie in 0..{groups - 1} for {groups} groups, found {highest}")
    return Groups(*sides)


def _places(post_sizes: Sequence[int], pre_sizes: Sequence[int]) -> tuple[int, int]:
    """Count the possible synapses within matched groups and between others."""
    within = sum(int(a) * int(b) for a, b in zip(post_sizes, pre_sizes, strict=True))
    return within, sum(map(int, post_sizes)) * sum(map(int, pre_sizes)) - within


def _draw(groups: Groups, p_within: float, p_between: float, sampler: str, rng: Rng) -> Pattern:
    for name, p in (("p_within", p_within), ("p_between", p_between)):
        if not 0 <= number(name, p) <= 1:
            raise InputError(f"{name} must lie in [0, 1], got {p}")
    sampler = chosen("sampler", sampler, SAMPLERS)
    post, pre = groups
    if sampler == "bernoulli":
        rows = [np.flatnonzero(rng.random(pre.size) < np.where(pre == g, p_within, p_between)) for g in post]
        indptr, indices = np.cumsum([0, *map(len, rows)]), np.concatenate(rows)
    else:
        flat = np.concatenate([_exactly(groups, p_within, True, rng), _exactly(groups, p_between, False, rng)])
        flat.sort()
        indptr = np.searchsorted(flat, np.arange(post.size + 1, dtype=np.int64) * pre.size)
        indices = flat % pre.size
    return labelled(Pattern(indptr, indices.astype(np.int32), (post.size, pre.size)), groups)


def _exactly(groups: Groups, p: float, within: bool, rng: Rng) -> np.ndarray:
    """Draw round(p places) places, post * n_pre + pre, all within matched groups or all between others.

    Places are counted row by row. In the order of the groups, the columns of a row's own group are together: the
    q-th column within is the q-th of them, the q-th outside is q, or beyond them by their number.
    """
    post, pre = groups
    order, sizes = np.argsort(pre, kind="stable"), groups.sizes[1]
    start, own = (np.cumsum(sizes) - sizes)[post], sizes[post]
    ends = np.cumsum(own if within else pre.size - own)
    ranks = subset(int(ends[-1]), round(p * int(ends[-1])), rng)
    rows = np.searchsorted(ends, ranks, side="right")
    column = ranks - (ends[rows] - (own[rows] if within else pre.size - own[rows]))
    column += start[rows] if within else own[rows] * (column >= start[rows])
    return rows * pre.size + order[column]
