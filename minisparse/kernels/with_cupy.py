"""Sparse kernels for CuPy arrays: cuSPARSE for the products, a raw kernel for the sampled product (cuSPARSE's
wrapper has none).
"""

from __future__ import annotations

import functools

from ..backend import Array, array_module
from .reference import adam, add_blocks, added, affine, put_outer, relu, sgd, sum_outer

__all__ = [
    "SDDMM_SOURCE", "adam", "add_blocks", "affine", "own_threads", "put_outer", "relu", "row_sum", "sddmm", "sgd",
    "spmm", "sum_outer"
]  # fmt: skip

own_threads = False
WARP, WARPS_PER_BLOCK = 32, 8
SDDMM_SOURCE = r"""
template<typename number>
__device__ void sddmm(const int* rows, const int* indices, const number* dy, const number* x, number* out,
                      long long nnz, int steps, int n_post, int n_pre, int batch) {
    long long k = (long long)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (k >= nnz) return;                                   // a whole warp leaves together
    int lane = threadIdx.x % 32;
    number sum = 0;
    for (int t = 0; t < steps; ++t) {
        const number* d = dy + ((long long)t * n_post + rows[k]) * batch;
        const number* h = x + ((long long)t * n_pre + indices[k]) * batch;
        for (int b = lane; b < batch; b += 32) sum += d[b] * h[b];
    }
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_down_sync(0xffffffffu, sum, offset);
    if (lane == 0) out[k] = sum;
}
extern "C" __global__ void sddmm_float32(const int* rows, const int* indices, const float* dy, const float* x,
    float* out, long long nnz, int steps, int n_post, int n_pre, int batch) {
    sddmm<float>(rows, indices, dy, x, out, nnz, steps, n_post, n_pre, batch);
}
extern "C" __global__ void sddmm_float64(const int* rows, const int* indices, const double* dy, const double* x,
    double* out, long long nnz, int steps, int n_post, int n_pre, int batch) {
    sddmm<double>(rows, indices, dy, x, out, nnz, steps, n_post, n_pre, batch);
}
"""
"""One warp per synapse: its lanes run along the batch, so both operands are read in order."""


@functools.cache
def _sddmm_kernel(name: str):
    import cupy

    return cupy.RawKernel(SDDMM_SOURCE, f"sddmm_{name}", options=("--std=c++11",))


def spmm(rows, values: Array, x: Array, plus: Array | None = None) -> Array:
    """Return W x + plus, (n_post, batch)."""
    from cupyx.scipy.sparse import csr_matrix

    xp = array_module(values, x)
    matrix = csr_matrix(rows.shape, dtype=values.dtype)  # given three arrays, it would read indptr back to the host
    matrix.data, matrix.indices, matrix.indptr = values, rows.indices, rows.indptr.astype(xp.int32)
    matrix.has_canonical_format = True
    return added(xp.ascontiguousarray(matrix @ xp.asfortranarray(x)), plus)


def row_sum(rows, values: Array) -> Array:
    """Return the sum of each row's values, (n_post, 1)."""
    xp = array_module(values)
    return spmm(rows, values, xp.ones((rows.shape[1], 1), dtype=values.dtype))


def sddmm(rows, dy: Array, x: Array) -> Array:
    """Return (nnz,) entries of dy xᵀ, summed over time if the arguments are stacks."""
    xp = array_module(dy, x)
    dtype = xp.result_type(dy, x)
    dy, x = (xp.ascontiguousarray(a if a.ndim == 3 else a[None], dtype=dtype) for a in (dy, x))
    steps, n_post, batch = dy.shape
    nnz = rows.indices.size
    out = xp.zeros(nnz, dtype=dy.dtype)
    if nnz:
        grid = ((nnz + WARPS_PER_BLOCK - 1) // WARPS_PER_BLOCK,)
        sizes = (xp.int64(nnz), xp.int32(steps), xp.int32(n_post), xp.int32(x.shape[1]), xp.int32(batch))
        _sddmm_kernel(dy.dtype.name)(grid, (WARP * WARPS_PER_BLOCK,), (rows.rows, rows.indices, dy, x, out, *sizes))
    return out
