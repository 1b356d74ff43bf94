"""Sparse kernels: one module per library, the same five signatures in each; `table` picks by the array.

``spmm(rows, values, x)``    y = W x for W given row by row; x is (n_pre, batch)
``sddmm(rows, dy, x)``       dy xᵀ on the synapses only; stacks (time, units, batch) are summed over time
``row_sum(rows, values)``    (n_post, 1), an empty row gives 0
``adam(w, grad, m, v, ...)`` one optimiser step in place
``sgd(w, grad, [m], ...)``   the same for gradient descent
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from types import ModuleType

import numpy as np

from ..backend import Array, array_module


class Rows:
    """Index arrays of one pattern on one device, row by row.

    Attributes
    ----------
    indptr, indices : array
        Compressed rows, int64 and int32.
    shape : (int, int)
        (n_post, n_pre).
    """

    def __init__(self, indptr: np.ndarray, indices: np.ndarray, shape: tuple[int, int], put: Callable):
        self.indptr, self.indices, self.shape = put(indptr), put(indices), shape
        self._host_indptr, self._put = indptr, put

    @functools.cached_property
    def rows(self) -> Array:
        """Row of each synapse, int32; made when a kernel first asks for it."""
        return self._put(np.repeat(np.arange(self.shape[0], dtype=np.int32), np.diff(self._host_indptr)))


def table(x: Array) -> ModuleType:
    """Return the kernels for the library and dtype of `x`; what has no kernel of its own gets the reference."""
    return _table(array_module(x).__name__, x.dtype)


@functools.cache
def _table(library: str, dtype: np.dtype) -> ModuleType:
    if dtype.kind != "f" or dtype.itemsize not in (4, 8) or not dtype.isnative:
        return _load("reference")
    return _load({"numpy": _numpy_kernels(), "cupy": "with_cupy"}.get(library, "reference"))


@functools.cache
def _numpy_kernels() -> str:
    return "with_numba" if importlib.util.find_spec("numba") else "with_scipy"


@functools.cache
def _load(name: str) -> ModuleType:
    return importlib.import_module(f".{name}", __name__)
