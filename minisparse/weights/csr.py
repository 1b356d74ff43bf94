"""The second storage: the synapses alone, row by row."""

from __future__ import annotations

import functools

import numpy as np

from .. import kernels
from ..backend import Array
from ..kernels.reference import dense as spread
from .base import Storage, check_units, scaled


class CsrWeights(Storage):
    """Only the synapses, row by row: memory and time grow with their number, not with post x pre.

    Parameters
    ----------
    pattern : Pattern

    Notes
    -----
    Packed arrays have the shape (nnz,), in pattern order.

    Examples
    --------
    >>> weights = minisparse.CsrWeights(minisparse.Pattern.from_mask([[1, 0], [1, 1]]))
    >>> weights.unpack(weights.from_values(numpy.array([1.0, 2.0, 3.0])))
    array([[1., 0.],
           [2., 3.]])
    """

    storage = "csr"

    @functools.cached_property
    def own_threads(self) -> bool:
        """Whether the kernels run a thread pool of their own."""
        return kernels.table(np.empty(0)).own_threads

    def from_values(self, values: Array) -> Array:
        """Pack (nnz,) values in pattern order."""
        return self._expect_values(values).copy()

    def values(self, w: Array) -> Array:
        """Return the packed weights as (nnz,) values in pattern order: row by row, columns ascending."""
        return self._expect_values(w).copy()

    def pack(self, matrix: Array) -> Array:
        """Pack a matrix (post, pre); entries off the pattern are dropped."""
        rows = self._rows(self._expect_matrix(matrix))
        return matrix[rows.rows, rows.indices]

    def unpack(self, w: Array) -> Array:
        """Return the packed weights as a matrix (post, pre)."""
        return spread(self._rows(w), self._expect_values(w))

    def bind(self, w: Array) -> BoundCsr:
        """Prepare packed weights for the products of one forward and backward pass; leave them alone meanwhile."""
        return BoundCsr(self, self._expect_values(w))

    def outer(self, dy: Array, x: Array) -> Array:
        """Return the packed gradient dy xᵀ, summed over the batch (and over time for stacks)."""
        self._expect_stacks(dy, x)
        return kernels.table(dy, x).sddmm(self._rows(dy), dy, x)  # (S6)

    def masked(self, w: Array) -> Array:
        """Return packed values as they are: there are none off the pattern."""
        return w

    def row_sum(self, w: Array) -> Array:
        """Return each neuron's summed afferent values, (n_post, 1)."""
        return kernels.table(w).row_sum(self._rows(w), self._expect_values(w))

    def by_row(self, g: Array) -> Array:
        """Shape one number per postsynaptic neuron (n_post, 1) so that it broadcasts against packed weights."""
        return self._expect(g, (self.shape[0], 1), "a number per postsynaptic neuron")[self._rows(g).rows, 0]

    def by_col(self, s: Array) -> Array:
        """Shape one number per presynaptic neuron (n_pre, 1) so that it broadcasts against packed weights."""
        return self._expect(s, (self.shape[1], 1), "a number per presynaptic neuron")[self._rows(s).indices, 0]


class BoundCsr:
    """The values row by row, and column by column from the first product with Wᵀ on."""

    def __init__(self, weights: CsrWeights, w: Array):
        self._weights, self._w = weights, w

    @functools.cached_property
    def _transposed(self) -> tuple[kernels.Rows, Array]:
        columns, order = self._weights._columns(self._w)
        return columns, self._w[order]

    def matmul(self, x: Array, plus: Array | None = None) -> Array:
        """Return W x + plus, a new array (n_post, batch)."""
        check_units(x, self._weights.shape[1], "x", "pre")
        return kernels.table(x, self._w).spmm(self._weights._rows(x), self._w, x, plus)  # (S4)

    def matmul_t(self, dy: Array, times: Array | None = None) -> Array:
        """Return Wᵀ dy ∘ times, a new array (n_pre, batch)."""
        check_units(dy, self._weights.shape[0], "dy", "post")
        return scaled(kernels.table(dy, self._w).spmm(*self._transposed, dy), times)  # (S5)
