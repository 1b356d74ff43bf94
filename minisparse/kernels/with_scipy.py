"""Sparse kernels for NumPy arrays where Numba is not installed."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from .reference import adam, add_blocks, added, affine, factor, product, put_outer, relu, sgd, steps, sum_outer

__all__ = [
    "adam", "add_blocks", "affine", "factor", "own_threads", "product", "put_outer", "relu", "row_sum", "sddmm", "sgd",
    "spmm", "steps", "sum_outer",
]  # fmt: skip

own_threads = False
GATHER_BELOW = 0.02
"""Density under which gathering both operands beats a dense product of a block of rows."""
BLOCK_BYTES = 1 << 25


def _matrix(rows, values: np.ndarray) -> csr_array:
    matrix = csr_array(rows.shape, dtype=values.dtype)
    matrix.indptr, matrix.indices, matrix.data = rows.indptr, rows.indices, values
    return matrix


def spmm(rows, values: np.ndarray, x: np.ndarray, plus: np.ndarray | None = None) -> np.ndarray:
    """Return W x + plus, (n_post, batch)."""
    return added(_matrix(rows, values) @ x, plus)


def row_sum(rows, values: np.ndarray) -> np.ndarray:
    """Return the sum of each row's values, (n_post, 1)."""
    return spmm(rows, values, np.ones((rows.shape[1], 1), values.dtype))


def sddmm(rows, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return (nnz,) entries of dy xᵀ, summed over time if the arguments are stacks."""
    if dy.ndim == 3:
        dy, x = (np.ascontiguousarray(a.transpose(1, 0, 2)).reshape(a.shape[1], -1) for a in (dy, x))
    n_post, n_pre = rows.shape
    product = _gathered if rows.indices.size < GATHER_BELOW * n_post * n_pre else _by_dense_block
    return product(rows, dy, x)


def _gathered(rows, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = np.empty(rows.indices.size, np.result_type(dy, x))
    size = max(1, BLOCK_BYTES // max(1, dy.shape[1] * dy.itemsize))
    for start in range(0, out.size, size):
        part = slice(start, start + size)
        np.einsum("kb,kb->k", dy[rows.rows[part]], x[rows.indices[part]], out=out[part])
    return out


def _by_dense_block(rows, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    out = np.empty(rows.indices.size, np.result_type(dy, x))
    n_post, n_pre = rows.shape
    height = max(1, BLOCK_BYTES // (n_pre * dy.itemsize))
    for first in range(0, n_post, height):
        last = min(first + height, n_post)
        part = slice(rows.indptr[first], rows.indptr[last])
        out[part] = (dy[first:last] @ x.T)[rows.rows[part] - first, rows.indices[part]]
    return out
