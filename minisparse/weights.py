"""The three linear maps ``y = W x``, ``dx = Wᵀ dy`` and ``dW = dy xᵀ`` (on the synapses), over a storage.

A storage object holds structure only; the numbers travel as one *packed* array whose shape is the storage's own:
(post, pre) for dense, (nnz,) for CSR. Every pass of the library sees just these maps and never asks which it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import numpy as np

from . import kernels
from .backend import Array, array_module
from .connectivity import Pattern
from .errors import InputError
from .kernels.reference import added
from .kernels.reference import dense as spread

STACKS = {2: "(units, batch)", 3: "(time, units, batch)"}


class _Weights:
    """What every storage shares: the pattern, its index arrays per device, and checks of shape."""

    storage: ClassVar[str]
    own_threads = False
    _complete = True
    """Whether every stored number belongs to a synapse."""

    def __init__(self, pattern: Pattern):
        self.pattern = pattern
        self.shape = pattern.shape
        self.nnz = pattern.nnz
        self._on_device: dict = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pattern!r})"

    def _device(self, x: Array, name: Hashable, make: Callable) -> Any:
        """Keep one copy of an index structure per library."""
        xp = array_module(x)
        if (xp, name) not in self._on_device:
            self._on_device[xp, name] = make(xp.asarray)
        return self._on_device[xp, name]

    def _rows(self, x: Array) -> kernels.Rows:
        p = self.pattern
        return self._device(x, "rows", lambda put: kernels.Rows(p.indptr, p.indices, p.shape, put))

    def _columns(self, x: Array) -> tuple[kernels.Rows, Array]:
        """Return the transposed structure and the order that sorts row-wise values into it."""

        def make(put):
            indptr, indices, order = self.pattern.transposed
            return kernels.Rows(indptr, indices, self.shape[::-1], put), put(order)

        return self._device(x, "columns", make)

    def afferents(self, like: Array) -> Array:
        """Return the number of each neuron's synapses, at least 1, (n_post, 1), in the dtype and library of `like`."""

        def make(put):
            return put(np.maximum(self.pattern.afferents(), 1)[:, None].astype(like.dtype))

        return self._device(like, ("afferents", like.dtype), make)

    def row_dot(self, a: Array, b: Array) -> Array:
        """Return each neuron's sum of products of two packed arrays, (n_post, 1)."""
        return self.row_sum(a * b)

    def _expect(self, array: Array, shape: tuple, what: str) -> Array:
        if array.shape != shape:
            raise InputError(f"{what} must have shape {shape} for {self!r}, got {tuple(array.shape)}")
        return array

    def _expect_matrix(self, matrix: Array) -> Array:
        return self._expect(matrix, self.shape, "a matrix (post, pre)")

    def _expect_values(self, values: Array) -> Array:
        return self._expect(values, (self.nnz,), "values, one per synapse,")

    def _kept(self) -> np.ndarray:
        """Return which of the stored numbers belong to a synapse, bool; asked for unless all do."""
        raise NotImplementedError

    def _zero_off_pattern(self, stored: Array) -> Array:
        """Clear every entry off the pattern, in place, whatever it holds: the bits are ANDed with 0 or ~0."""
        if self._complete:
            return stored
        if stored.dtype.kind != "f" or stored.dtype.itemsize > 8:
            stored[...] = array_module(stored).where(self._keep(stored, np.dtype(np.int8)) != 0, stored, 0)
            return stored
        integer = np.dtype(f"i{stored.dtype.itemsize}")
        bits = stored.view(integer)
        bits &= self._keep(stored, integer)
        return stored

    def _keep(self, x: Array, integer: np.dtype) -> Array:
        """-1 (all bits set) on the pattern and 0 off it, as integers as wide as the numbers they are ANDed with."""
        return self._device(x, integer, lambda put: put(-self._kept().astype(integer)))

    def _expect_stacks(self, dy: Array, x: Array) -> None:
        check_units(dy, self.shape[0], "dy", "post", STACKS)
        check_units(x, self.shape[1], "x", "pre", STACKS)
        if dy.ndim != x.ndim or dy.shape[-1] != x.shape[-1] or dy.shape[:-2] != x.shape[:-2]:
            raise InputError(
                f"dy {tuple(dy.shape)} and x {tuple(x.shape)} must agree in time and batch: (units, batch) or "
                "(time, units, batch)"
            )


class DenseWeights(_Weights):
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
        self._complete = pattern.is_full

    def _kept(self) -> np.ndarray:
        return self.pattern.mask()

    def from_values(self, values: Array) -> Array:
        """Pack (nnz,) values in pattern order."""
        if self.pattern.is_full:
            return self._expect_values(values).reshape(self.shape).copy()
        return spread(self._rows(values), self._expect_values(values))

    def values(self, w: Array) -> Array:
        """Return the packed weights as (nnz,) values in pattern order: row by row, columns ascending."""
        rows = self._rows(self._expect_matrix(w))
        return w[rows.rows, rows.indices]

    def pack(self, matrix: Array) -> Array:
        """Pack a matrix (post, pre); entries off the pattern become +0.0."""
        return self._zero_off_pattern(self._expect_matrix(matrix).copy())

    def unpack(self, w: Array) -> Array:
        """Return the packed weights as a matrix (post, pre)."""
        return self._expect_matrix(w).copy()

    def bind(self, w: Array) -> _BoundDense:
        """Prepare packed weights for the products of one forward and backward pass."""
        return _BoundDense(self._expect_matrix(w))

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


class _BoundDense:
    def __init__(self, w: Array):
        self._w = w

    def matmul(self, x: Array, out: Array | None = None) -> Array:
        """Return W x, or add it to `out`."""
        check_units(x, self._w.shape[1], "x", "pre")
        return added(self._w @ x, out)  # (S1)

    def matmul_t(self, dy: Array) -> Array:
        """Return Wᵀ dy."""
        check_units(dy, self._w.shape[0], "dy", "post")
        return self._w.T @ dy  # (S2)


class CsrWeights(_Weights):
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
        """Whether the kernels run a thread pool of their own beside BLAS's."""
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

    def bind(self, w: Array) -> _BoundCsr:
        """Prepare packed weights for the products of one forward and backward pass; leave them alone meanwhile."""
        return _BoundCsr(self, self._expect_values(w))

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


class _BoundCsr:
    def __init__(self, weights: CsrWeights, w: Array):
        self._weights, self._w = weights, w

    @functools.cached_property
    def _transposed(self) -> tuple[kernels.Rows, Array]:
        columns, order = self._weights._columns(self._w)
        return columns, self._w[order]

    def matmul(self, x: Array, out: Array | None = None) -> Array:
        """Return W x, or add it to `out`."""
        check_units(x, self._weights.shape[1], "x", "pre")
        return kernels.table(x, self._w).spmm(self._weights._rows(x), self._w, x, out)  # (S4)

    def matmul_t(self, dy: Array) -> Array:
        """Return Wᵀ dy."""
        check_units(dy, self._weights.shape[0], "dy", "post")
        return kernels.table(dy, self._w).spmm(*self._transposed, dy)  # (S5)


def sum_outer(dy: Array, x: Array) -> Array:
    """Return the full matrix dy xᵀ (post, pre), summed over the batch (and over time for stacks)."""
    return kernels.table(dy).sum_outer(dy, x)


def check_units(x: Array, units: int, name: str, side: str, layouts: dict = {2: "(units, batch)"}) -> None:  # noqa: B006
    """Refuse activity that is not laid out as expected or whose rows are not this layer's neurons."""
    if x.ndim not in layouts or x.shape[-2] != units:
        raise InputError(
            f"W expects {units} {'inputs' if side == 'pre' else 'outputs'} ({side}) but {name} has shape "
            f"{tuple(x.shape)}; {name} must be {' or '.join(layouts.values())}"
        )
