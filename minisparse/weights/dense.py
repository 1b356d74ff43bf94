"""The first storage: a full matrix, zero off the pattern."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..backend import Array
from ..connectivity import Pattern
from ..kernels.reference import dense as spread
from .base import Storage, check_units, scaled, sum_outer


class DenseWeights(Storage):
    """A full matrix that is zero off the pattern; fastest for dense and small networks.

    Parameters
    ----------
    pattern : Pattern

    Notes
    -----
    Packed arrays have the shape (post, pre) and must be 0 off the pattern, as `pack` and `from_values` make them;
    `outer` returns exactly +0.0 there (even where dy or x is inf or nan), so that no optimiser ever moves them.

    Examples
    --------
    >>> weights = minisparse.DenseWeights(minisparse.Pattern.from_mask([[1, 0], [1, 1]]))
    >>> weights.outer(numpy.ones((2, 3)), numpy.ones((2, 3)))
    array([[3., 0.],
           [3., 3.]])
    """

    storage = "dense"

    def __init__(self, pattern: Pattern):
        super().__init__(pattern)
        self._complete = self.pattern.is_full

    @property
    def stored(self) -> int:
        """How many numbers a packed array holds."""
        return self.shape[0] * self.shape[1]

    def _kept(self) -> np.ndarray:
        return self.pattern.mask()

    def from_values(self, values: Array) -> Array:
        """Pack (nnz,) values in pattern order."""
        if self.pattern.is_full:
            return self._expect_values(values).reshape(self.shape).copy()
        return spread(self._rows(values), self._expect_values(values))

    def values(self, w: Array) -> Array:
        """Return the packed weights as (nnz,) values in pattern order: row by row, columns ascending."""
        if self.pattern.is_full:
            return self._expect_matrix(w).flatten()
        rows = self._rows(self._expect_matrix(w))
        return w[rows.rows, rows.indices]

    def pack(self, matrix: Array) -> Array:
        """Pack a matrix (post, pre); entries off the pattern become +0.0."""
        return self._zero_off_pattern(self._expect_matrix(matrix).copy())

    def unpack(self, w: Array) -> Array:
        """Return the packed weights as a matrix (post, pre)."""
        return self._expect_matrix(w).copy()

    def bind(self, w: Array) -> BoundDense:
        """Prepare packed weights for the products of one forward and backward pass."""
        return BoundDense(self._expect_matrix(w))

    def outer(self, dy: Array, x: Array) -> Array:
        """Return the packed gradient dy xᵀ, summed over the batch (and over time for stacks)."""
        self._expect_stacks(dy, x)
        return self._zero_off_pattern(sum_outer(dy, x))  # (S3)

    def masked(self, w: Array) -> Array:
        """Set packed values off the pattern to +0.0, in place, whatever they are; returns them."""
        return self._zero_off_pattern(w)

    def row_sum(self, w: Array) -> Array:
        """Return each neuron's summed afferent values, (n_post, 1)."""
        return self._expect_matrix(w).sum(axis=1, keepdims=True)

    def row_dot(self, a: Array, b: Array) -> Array:
        """Return each neuron's sum of products of two packed arrays, (n_post, 1)."""
        return (self._expect_matrix(a)[:, None, :] @ self._expect_matrix(b)[:, :, None])[:, 0]

    def by_row(self, g: Array) -> Array:
        """Shape one number per postsynaptic neuron (n_post, 1) so that it broadcasts against packed weights."""
        return self._expect(g, (self.shape[0], 1), "a number per postsynaptic neuron")

    def by_col(self, s: Array) -> Array:
        """Shape one number per presynaptic neuron (n_pre, 1) so that it broadcasts against packed weights."""
        return self._expect(s, (self.shape[1], 1), "a number per presynaptic neuron").T


class BoundDense:
    """The matrix itself: BLAS takes it as it is, or turned."""

    def __init__(self, w: Array):
        self._w, self._product = w, kernels.table(w).product

    def matmul(self, x: Array, plus: Array | None = None) -> Array:
        """Return W x + plus, a new array (n_post, batch)."""
        check_units(x, self._w.shape[1], "x", "pre")
        return self._product(self._w, x, plus)  # (S1)

    def matmul_t(self, dy: Array, times: Array | None = None) -> Array:
        """Return Wᵀ dy ∘ times, a new array (n_pre, batch)."""
        check_units(dy, self._w.shape[0], "dy", "post")
        return scaled(self._product(self._w.T, dy), times)  # (S2)
