"""Which synapses exist: index structure, random generators, the sign of each neuron. Host only, no weights.

A pattern is (post, pre): row i lists the neurons that neuron i receives from, its afferents.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .arguments import generator, number, shown, whole
from .errors import InputError
from .protocols import Rng, Seed


class Pattern:
    """The set of synapses of one layer, in compressed rows; immutable.

    Parameters
    ----------
    indptr : (n_post + 1,) int
        Row i's synapses are at ``indptr[i]:indptr[i + 1]``.
    indices : (nnz,) int
        Presynaptic neuron of each synapse, ascending within a row.
    shape : (int, int)
        (n_post, n_pre).

    Attributes
    ----------
    groups : Groups or None
        Labels of the neurons, (post, pre), if the pattern is modular; no part of equality.

    Raises
    ------
    ValueError
        If the structure is not sorted, unique and in range.

    Examples
    --------
    >>> pattern = minisparse.Pattern([0, 2, 3], [0, 2, 1], (2, 3))
    >>> pattern.nnz, pattern.density
    (3, 0.5)
    >>> pattern.mask()
    array([[ True, False,  True],
           [False,  True, False]])
    """

    groups: Any = None

    def __init__(self, indptr: np.ndarray, indices: np.ndarray, shape: tuple[int, int]):
        if not isinstance(shape, Sequence) or isinstance(shape, str) or len(shape) != 2:
            raise InputError(f"shape must be (n_post, n_pre), got {shown(shape)}")
        self.shape = _check_shape(*shape)
        self.indptr = _frozen(indptr, np.int64, "indptr")
        self._indices = _frozen(indices, np.int32, "indices")
        self._check()

    def _check(self) -> None:
        n_post, n_pre = self.shape
        indptr, indices = self.indptr, self._indices
        if indptr.shape != (n_post + 1,) or indptr[0] != 0 or indptr[-1] != indices.size or np.any(np.diff(indptr) < 0):
            raise InputError(
                f"indptr must be {n_post + 1} ascending integers from 0 to the number of synapses ({indices.size})"
            )
        if indices.size and (indices.min() < 0 or indices.max() >= n_pre):
            raise InputError(f"indices must lie in 0..{n_pre - 1} (pre), found {indices.min()}..{indices.max()}")
        steps = np.diff(indices) > 0
        starts = indptr[1:-1]
        steps[starts[(starts > 0) & (starts < indices.size)] - 1] = True
        if not steps.all():
            raise InputError("indices must be strictly ascending within each row; sort them and drop repeats")

    @property
    def is_full(self) -> bool:
        """Whether every possible synapse exists."""
        return self.nnz == self.shape[0] * self.shape[1]

    @property
    def indices(self) -> np.ndarray:
        """(nnz,) int32, presynaptic neuron of each synapse."""
        if self._indices is None:
            return np.tile(np.arange(self.shape[1], dtype=np.int32), self.shape[0])
        return self._indices

    @property
    def rows(self) -> np.ndarray:
        """(nnz,) int32, postsynaptic neuron of each synapse."""
        return np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self.indptr))

    @property
    def nnz(self) -> int:
        """Number of synapses."""
        return int(self.indptr[-1])

    @property
    def density(self) -> float:
        """Synapses over possible synapses (the diagonal counts as possible)."""
        return self.nnz / (self.shape[0] * self.shape[1])

    def afferents(self) -> np.ndarray:
        """Return how many synapses each neuron receives, (n_post,) int64."""
        return np.diff(self.indptr)

    def efferents(self) -> np.ndarray:
        """Return how many synapses each neuron sends, (n_pre,) int64."""
        if self.is_full:
            return np.full(self.shape[1], self.shape[0], np.int64)
        return np.bincount(self.indices, minlength=self.shape[1]).astype(np.int64)

    def mask(self) -> np.ndarray:
        """Return the pattern as a boolean matrix (n_post, n_pre): for small networks, tests and pictures."""
        mask = np.zeros(self.shape, bool)
        mask[self.rows, self.indices] = True
        return mask

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> Pattern:
        """Make a pattern from a boolean matrix (n_post, n_pre).

        Examples
        --------
        >>> minisparse.Pattern.from_mask([[1, 0], [1, 1]]).afferents()
        array([1, 2])
        """
        mask = np.asarray(mask)
        if mask.ndim != 2:
            raise InputError(f"a mask must be a matrix (post, pre), got shape {mask.shape}")
        if mask.dtype.kind not in "biuf" or (mask.dtype.kind == "f" and np.isnan(mask).any()):
            raise InputError(f"a mask must hold truth values or numbers, not nan, got {mask.dtype}")
        return _from_rows((np.flatnonzero(row) for row in mask), mask.shape)

    @functools.cached_property
    def transposed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``(indptr, indices, order)`` of the same synapses column by column; ``values[order]`` sorts values so."""
        integer = np.int32 if self.nnz < 2**31 else np.int64
        if self.nnz < 1 << 20 or not importlib.util.find_spec("scipy"):  # SciPy is faster, but is loaded in 0.1 s
            fits = self.shape[1] <= 1 << 16  # NumPy sorts 16 bits in linear time
            order = np.argsort(self.indices.astype(np.uint16) if fits else self.indices, kind="stable").astype(integer)
            indptr = np.concatenate([[0], np.cumsum(np.bincount(self.indices, minlength=self.shape[1]))])
            return _read_only(indptr), _read_only(self.rows[order]), _read_only(order)
        from scipy.sparse import csr_array

        numbers, indptr = np.arange(self.nnz, dtype=integer), self.indptr.astype(integer)
        columns = csr_array((numbers, self.indices, indptr), self.shape).tocsc()
        indptr, indices = columns.indptr.astype(np.int64), columns.indices.astype(np.int32)
        return _read_only(indptr), _read_only(indices), _read_only(columns.data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pattern):
            return NotImplemented
        same_rows = self.shape == other.shape and np.array_equal(self.indptr, other.indptr)
        return same_rows and (self.is_full or np.array_equal(self.indices, other.indices))

    __hash__ = None

    def __repr__(self) -> str:
        return f"Pattern({self.shape[0]} x {self.shape[1]}, {self.nnz} synapses, density {self.density:.3g})"


def full(n_post: int, n_pre: int) -> Pattern:
    """Connect every neuron to every neuron; no indices are stored.

    Examples
    --------
    >>> minisparse.full(3, 2)
    Pattern(3 x 2, 6 synapses, density 1)
    """
    pattern = Pattern.__new__(Pattern)
    pattern.shape = n_post, n_pre = _check_shape(n_post, n_pre)
    pattern.indptr = _frozen(np.arange(n_post + 1, dtype=np.int64) * n_pre, np.int64, "indptr")
    pattern._indices = None
    return pattern


def bernoulli(n_post: int, n_pre: int, p: float, rng: Seed) -> Pattern:
    """Draw every synapse independently with probability `p`, one row of uniform numbers at a time.

    With ``numpy.random.RandomState(seed)`` this is the published mask of Fruengel & Oberlaender (2025), edge for
    edge; with one seed, a smaller `p` gives a subset of a larger one.

    Parameters
    ----------
    n_post, n_pre : int
        Neurons receiving and sending.
    p : float
        Probability, 0 < p <= 1.
    rng : int, Generator or RandomState
        Advanced by ``n_post * n_pre`` uniform numbers.

    Returns
    -------
    Pattern

    Raises
    ------
    ValueError
        If `p` is not in (0, 1].

    Examples
    --------
    >>> minisparse.bernoulli(1000, 1000, 0.1, numpy.random.RandomState(42)).nnz
    99829
    """
    n_post, n_pre = _check_shape(n_post, n_pre)
    check_density(p)
    rng = generator(rng, "pattern")
    return _from_rows((np.flatnonzero(rng.random(n_pre) < p) for _ in range(n_post)), (n_post, n_pre))


def fixed_count(n_post: int, n_pre: int, count: int, rng: Seed) -> Pattern:
    """Choose exactly `count` synapses, all sets of that size equally likely.

    Memory is O(count); no ``n_post * n_pre`` array is made while at most half of the synapses exist.

    Parameters
    ----------
    n_post, n_pre : int
        Neurons receiving and sending.
    count : int
        Number of synapses, 0 <= count <= n_post * n_pre.
    rng : int, Generator or RandomState

    Returns
    -------
    Pattern

    Raises
    ------
    ValueError
        If `count` is out of range.

    Examples
    --------
    >>> minisparse.fixed_count(10, 784, 1568, numpy.random.default_rng(0)).density
    0.2
    """
    n_post, n_pre = _check_shape(n_post, n_pre)
    places, count = n_post * n_pre, whole("count", count)
    if not 0 <= count <= places:
        raise InputError(f"count must lie in 0..{places} for a {n_post} x {n_pre} layer, got {count}")
    flat = subset(places, count, generator(rng, "pattern"))
    indptr = np.searchsorted(flat, np.arange(n_post + 1, dtype=np.int64) * n_pre)
    return Pattern(indptr, (flat % n_pre).astype(np.int32), (n_post, n_pre))


def subset(places: int, count: int, rng: Rng) -> np.ndarray:
    """Draw `count` distinct integers below `places`, sorted; above half, those left out are drawn."""
    if 2 * count <= places:
        return distinct(places, count, rng)
    return np.setdiff1d(np.arange(places), distinct(places, places - count, rng), assume_unique=True)


def distinct(places: int, count: int, rng: Rng) -> np.ndarray:
    """Draw `count` distinct integers below `places`, sorted; drawn with repeats, repeats dropped, surplus removed."""
    integers = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    chosen = np.zeros(0, np.int64)
    while chosen.size < count:
        missing = count - chosen.size
        fresh = integers(0, places, size=missing + missing // 8 + 8, dtype=np.int64)
        chosen = np.concatenate([chosen, fresh])
        chosen.sort()
        chosen = chosen[np.concatenate([[True], chosen[1:] != chosen[:-1]])]
    return chosen[rng.permutation(chosen.size) < count]


def dale_signs(n: int, fraction: float, rng: Seed, replacement: bool = False) -> np.ndarray:
    """Decide which neurons are inhibitory: -1 for them, +1 for the excitatory ones.

    Parameters
    ----------
    n : int
        Number of neurons.
    fraction : float
        Share of inhibitory neurons, 0 <= fraction <= 1.
    rng : int, Generator or RandomState
    replacement : bool
        False: exactly ``round(fraction * n)`` neurons. True: the published draw of Fruengel & Oberlaender (2025),
        ``int(fraction * n)`` draws *with* replacement, which leaves fewer (10.9 % for 11.5 %, 39 % for 50 %).

    Returns
    -------
    (n, 1) int8

    Raises
    ------
    ValueError
        If `fraction` is not in [0, 1].

    Examples
    --------
    >>> int((minisparse.dale_signs(200, 0.115, numpy.random.default_rng(0)) < 0).sum())
    23
    """
    (n, _), rng = _check_shape(whole("n, the number of neurons,", n, 1), 1), generator(rng, "signs")
    if not 0 <= number("the inhibitory fraction", fraction) <= 1:
        raise InputError(f"the inhibitory fraction must lie in [0, 1], got {fraction}")
    if replacement:
        inhibitory = rng.choice(n, int(fraction * n))
    else:
        inhibitory = rng.permutation(n)[: round(fraction * n)]
    signs = np.ones((n, 1), np.int8)
    signs[inhibitory] = -1
    return signs


def _from_rows(rows: Iterable[np.ndarray], shape: tuple[int, int]) -> Pattern:
    """Collect one array of column indices per row."""
    _check_shape(*shape)
    pieces = [row.astype(np.int32) for row in rows]
    indptr = np.concatenate([[0], np.cumsum([piece.size for piece in pieces])])
    return Pattern(indptr, np.concatenate(pieces), shape)


def _frozen(values: np.ndarray, dtype: type, name: str) -> np.ndarray:
    """Return a read-only copy, a vector of the wanted integer type."""
    try:
        values = np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} must be a vector of integers ({error})") from error
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise InputError(f"{name} must be a vector of integers, got shape {values.shape} of {values.dtype}")
    if values.size and not np.can_cast(values.dtype, dtype):
        widest = max(values.max(), -int(values.min()))
        if widest > np.iinfo(dtype).max:
            raise InputError(f"{name} holds {widest}, more than {np.dtype(dtype).name} can hold")
    return _read_only(values.astype(dtype))


def _read_only(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values


def _check_shape(n_post: int, n_pre: int) -> tuple[int, int]:
    sides = tuple(whole(name, n) for name, n in (("n_post", n_post), ("n_pre", n_pre)))
    if min(sides) < 1 or max(sides) > np.iinfo(np.int32).max:
        few = "at least one neuron" if min(sides) < 1 else f"at most {np.iinfo(np.int32).max:,} neurons"
        raise InputError(f"a layer needs {few} on each side, got {n_post} x {n_pre}")
    return sides


def check_density(p: float) -> None:
    """Refuse a density that is not in (0, 1]."""
    if not 0 < number("density", p) <= 1:
        raise InputError(f"density must be above 0 and at most 1, got {p}")
