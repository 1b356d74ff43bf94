"""The third storage: dense blocks within groups, CSR for everything else.

A modular layer is cheapest as what it is: its groups are multiplied block by block at the speed of dense products, and
only the synapses between groups one by one.
"""

from __future__ import annotations

import numpy as np

from ..backend import Array, array_module
from ..connectivity import Pattern
from ..errors import InputError
from ..kernels import Blocks, Members, table
from ..kernels.reference import dense as spread
from .base import Storage, scaled
from .csr import BoundCsr, CsrWeights


class GroupedWeights(Storage):
    """One dense block per pair of matched groups, and the synapses between other groups in compressed rows.

    Parameters
    ----------
    pattern : Pattern
        One that knows its groups, as `group_to_group` and `groups.labelled` make it. A rewired layer keeps its labels;
        where synapses within a group are missing its block is masked, as a `DenseWeights` is.

    Raises
    ------
    ValueError
        If the pattern knows no groups.

    Notes
    -----
    Packed arrays are vectors: the blocks, (groups, post, pre) padded to the largest group, one after another; then the
    other synapses in pattern order. Padding and absent synapses must be 0, as `pack` and `from_values` make them;
    `outer` returns exactly +0.0 there (even where dy or x is inf or nan).

    Examples
    --------
    >>> pattern = minisparse.group_to_group(4, 4, 2, p_between=0.25, rng=numpy.random.default_rng(0))
    >>> weights = minisparse.GroupedWeights(pattern)
    >>> weights.from_values(numpy.arange(10.0))
    array([0., 1., 3., 4., 5., 6., 8., 9., 2., 7.])
    """

    storage = "grouped"

    def __init__(self, pattern: Pattern):
        super().__init__(pattern)
        pattern = self.pattern
        if pattern.groups is None:
            raise InputError(
                f"grouped storage needs a pattern that knows its groups, {pattern!r} does not; make it with "
                "group_to_group, label it with groups.labelled, or choose another storage"
            )
        sides = Blocks(*(Members(side, pattern.groups.count, np.asarray) for side in pattern.groups))
        self._block_shape = (sides.post.count, sides.post.width, sides.pre.width)
        self._stored = int(np.prod(self._block_shape, dtype=np.int64))
        rows, within = pattern.rows, within_groups(pattern)
        self._complete = int(within.sum()) == self._stored
        indptr = np.concatenate([[0], np.cumsum(~within)])[pattern.indptr]
        self._rest = CsrWeights(Pattern(indptr, pattern.indices[~within], pattern.shape))
        post, pre = sides.post.slots[rows], sides.pre.slots[pattern.indices]
        self._places = np.where(within, post * sides.pre.width + pre % sides.pre.width, 0)
        self._places[~within] = self._stored + np.arange(self._rest.nnz)
        self.size = self._stored + self._rest.nnz

    @property
    def own_threads(self) -> bool:
        """Whether the kernels run a thread pool of their own."""
        return self._rest.own_threads

    @property
    def stored(self) -> int:
        """How many numbers a packed array holds, padding among them."""
        return self.size

    def _kept(self) -> np.ndarray:
        kept = np.zeros(self._stored, bool)
        kept[self._places[self._places < self._stored]] = True
        return kept.reshape(self._block_shape)

    def _blocks(self, x: Array) -> Blocks:
        """Return who belongs to which block, on the device of `x`."""
        groups = self.pattern.groups
        return self._device(x, "blocks", lambda put: Blocks(*(Members(side, groups.count, put) for side in groups)))

    def _places_in_packed(self, x: Array) -> Array:
        """Return where each synapse is in the packed array, (nnz,), in pattern order."""
        return self._device(x, "places", lambda put: put(self._places))

    def _split(self, w: Array) -> tuple[Array, Array]:
        """Return views of a packed array: its blocks (groups, post, pre) and its other synapses."""
        self._expect(w, (self.size,), "packed weights")
        return w[: self._stored].reshape(self._block_shape), w[self._stored :]

    def from_values(self, values: Array) -> Array:
        """Pack (nnz,) values in pattern order."""
        w = array_module(values).zeros(self.size, dtype=self._expect_values(values).dtype)
        w[self._places_in_packed(values)] = values
        return w

    def values(self, w: Array) -> Array:
        """Return the packed weights as (nnz,) values in pattern order: row by row, columns ascending."""
        return self._expect(w, (self.size,), "packed weights")[self._places_in_packed(w)]

    def pack(self, matrix: Array) -> Array:
        """Pack a matrix (post, pre); entries off the pattern are dropped."""
        rows = self._rows(self._expect_matrix(matrix))
        return self.from_values(matrix[rows.rows, rows.indices])

    def unpack(self, w: Array) -> Array:
        """Return the packed weights as a matrix (post, pre)."""
        return spread(self._rows(w), self.values(w))

    def bind(self, w: Array) -> BoundGrouped:
        """Prepare packed weights for the products of one forward and backward pass."""
        blocks, rest = self._split(w)
        return BoundGrouped(self, blocks, self._rest.bind(rest))

    def outer(self, dy: Array, x: Array) -> Array:
        """Return the packed gradient dy xᵀ, summed over the batch (and over time for stacks)."""
        self._expect_stacks(dy, x)
        xp = array_module(dy, x)
        dw = xp.empty(self.size, dtype=xp.result_type(dy, x))
        blocks, rest = self._split(dw)
        table(dy).put_outer(self._blocks(dy), dy, x, blocks)
        self._zero_off_pattern(blocks)
        rest[...] = self._rest.outer(dy, x)
        return dw

    def masked(self, w: Array) -> Array:
        """Set packed values off the pattern to +0.0, in place, whatever they are; returns them."""
        self._zero_off_pattern(self._split(w)[0])
        return w

    def row_sum(self, w: Array) -> Array:
        """Return each neuron's summed afferent values, (n_post, 1)."""
        blocks, rest = self._split(w)
        return self._blocks(w).post.gathered(blocks.sum(axis=2))[:, None] + self._rest.row_sum(rest)

    def by_row(self, g: Array) -> Array:
        """Shape one number per postsynaptic neuron (n_post, 1) so that it broadcasts against packed weights."""
        rest = self._rest.by_row(g)
        return self._joined(self._blocks(g).post.padded(g), rest)

    def by_col(self, s: Array) -> Array:
        """Shape one number per presynaptic neuron (n_pre, 1) so that it broadcasts against packed weights."""
        rest = self._rest.by_col(s)
        return self._joined(self._blocks(s).pre.padded(s).swapaxes(1, 2), rest)

    def _joined(self, blocks: Array, rest: Array) -> Array:
        """Return the packed form of blocks that are the same along one axis, and of the other synapses."""
        xp = array_module(blocks)
        return xp.concatenate([xp.broadcast_to(blocks, self._block_shape).reshape(-1), rest])


class BoundGrouped:
    """Views of the blocks, and the other synapses bound as CSR."""

    def __init__(self, weights: GroupedWeights, blocks: Array, rest: BoundCsr):
        self._weights, self._blocks, self._rest = weights, blocks, rest

    def matmul(self, x: Array, plus: Array | None = None) -> Array:
        """Return W x + plus, a new array (n_post, batch)."""
        y = self._rest.matmul(x, plus)
        table(x, y).add_blocks(self._weights._blocks(x), self._blocks, x, y)
        return y

    def matmul_t(self, dy: Array, times: Array | None = None) -> Array:
        """Return Wᵀ dy ∘ times, a new array (n_pre, batch)."""
        dx = self._rest.matmul_t(dy)
        table(dy).add_blocks(self._weights._blocks(dy).turned, self._blocks.swapaxes(1, 2), dy, dx)
        return scaled(dx, times)


def within_groups(pattern: Pattern) -> np.ndarray:
    """Return which synapses join matched groups, (nnz,) bool in pattern order."""
    post, pre = pattern.groups
    return post[pattern.rows] == pre[pattern.indices]
