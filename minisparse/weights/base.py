"""What every storage shares: the pattern, its index arrays on each device, and checks of shape."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .. import kernels
from ..arguments import expect, shown
from ..backend import Array, array_module
from ..connectivity import Pattern
from ..errors import InputError
from ..patterns import as_pattern

MATRIX = {2: "(units, batch)"}
STACKS = {2: "(units, batch)", 3: "(time, units, batch)"}


class Storage:
    """What every storage shares: the pattern, its index arrays per device, and checks of shape."""

    storage: ClassVar[str]
    own_threads = False
    _complete = True
    """Whether every stored number belongs to a synapse."""

    def __init__(self, pattern: Pattern):
        self.pattern = pattern = as_pattern(pattern)
        self.shape = pattern.shape
        self.nnz = pattern.nnz
        self._on_device: dict = {}

    @property
    def stored(self) -> int:
        """How many numbers a packed array holds, absent synapses that are stored as 0 among them."""
        return self.nnz

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
        if getattr(array, "shape", None) != shape:
            found = tuple(array.shape) if hasattr(array, "shape") else shown(array)
            raise InputError(f"{what} must have shape {shape} for {self!r}, got {found}")
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


def affine(W: Array, x: Array, b: Array) -> Sequence[Array]:
    """Return W x_t + b of a full matrix for every time step t, (time, post, batch); to be indexed, nothing else."""
    return kernels.table(W, x, b).affine(W, x, b)


def sum_outer(dy: Array, x: Array) -> Array:
    """Return the full matrix dy xᵀ (post, pre), summed over the batch (and over time for stacks)."""
    return kernels.table(dy).sum_outer(dy, x)


def scaled(dx: Array, times: Array | None) -> Array:
    """Return a product that nobody else holds, times what the nonlinearity says (its slope, or its factor)."""
    if times is None:
        return dx
    if hasattr(times, "onto"):
        return times.onto(dx)
    dx *= times
    return dx


def check_units(x: Array, units: int, name: str, side: str, layouts: Mapping[int, str] = MATRIX) -> None:
    """Refuse activity that is not laid out as expected or whose rows are not this layer's neurons."""
    if getattr(x, "ndim", None) not in layouts or x.shape[-2] != units:
        expect(**{name: x})
        raise InputError(
            f"W expects {units} {'inputs' if side == 'pre' else 'outputs'} ({side}) but {name} has shape "
            f"{tuple(x.shape)}; {name} must be {' or '.join(layouts.values())}"
        )
