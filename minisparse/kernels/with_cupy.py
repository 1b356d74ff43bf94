"""Sparse kernels for CuPy arrays: cuSPARSE for the products, a raw kernel for the sampled product (cuSPARSE's
wrapper has none), and one kernel for what would be several passes over memory.

A launch takes microseconds, however small the array, so a training step is built of few. A product is written where its
result will be kept, if it is known: arrays that a stack has lent (`Lending`) carry that place along.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..backend import Array, array_module, uses_tf32
from ..errors import InputError
from . import reference
from .recorded import Factor, text_of
from .reference import add_blocks, put_outer, relu

__all__ = [
    "SDDMM_SOURCE", "adam", "add_blocks", "affine", "factor", "own_threads", "product", "put_outer", "relu", "row_sum",
    "sddmm", "sgd", "spmm", "steps", "sum_outer",
]  # fmt: skip

own_threads = False
WARP, WARPS_PER_BLOCK = 32, 8
SAMPLED_BELOW = 0.04
"""Density up to which the sampled product is taken: predicted from its memory traffic, not measured on a GPU."""
CUDA_R_32F, CUDA_R_64F, INT32, BY_ROWS, CSR_ALG3 = 0, 1, 2, 2, 12
"""Of cuSPARSE: kinds of number, of index and of layout, and an algorithm."""
ALIGNED = 16
"""Bytes: cuSPARSE reads and writes so many at once, and fails at addresses between."""
TF32_MATH = 3
"""Of cuBLAS: float32 products may round their factors."""
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
    """Return W x + plus, (n_post, batch): cuSPARSE, by rows as they lie in memory, in one launch.

    Its third algorithm for compressed rows (CSR_ALG3) sums in one order: the same bits every time. The default one does
    not.
    """
    from cupy.cuda.device import get_cusparse_handle
    from cupy_backends.cuda.libs import cusparse

    xp = array_module(values, x)
    dtype = xp.result_type(values, x)
    if plus is not None and plus.dtype != dtype:
        return reference.added(spmm(rows, values, x), plus)
    (n_post, n_pre), batch = rows.shape, x.shape[1]
    y, onto = _place(x, plus, (n_post, batch), dtype)
    values, x = (_aligned(xp.ascontiguousarray(a, dtype=dtype)) for a in (values, x))
    if not values.size or not y.size:
        if not onto:
            y[...] = 0
        return y
    kind, handle = {"f": CUDA_R_32F, "d": CUDA_R_64F}[dtype.char], get_cusparse_handle()
    pointers = rows.short_indptr.data.ptr, rows.indices.data.ptr, values.data.ptr
    W = cusparse.createCsr(n_post, n_pre, values.size, *pointers, INT32, INT32, 0, kind)
    X, Y = (cusparse.createDnMat(len(a), batch, batch, a.data.ptr, kind, BY_ROWS) for a in (x, y))
    alpha, beta = np.array(1, dtype), np.array(onto, dtype)
    call = handle, 0, 0, alpha.ctypes.data, W, X, beta.ctypes.data, Y, kind, CSR_ALG3
    try:
        buffer = xp.empty(max(1, cusparse.spMM_bufferSize(*call)), dtype=np.int8)
        cusparse.spMM(*call, buffer.data.ptr)
    finally:
        cusparse.destroySpMat(W)
        cusparse.destroyDnMat(X)
        cusparse.destroyDnMat(Y)
    return y


def product(W: Array, x: Array, plus: Array | None = None) -> Array:
    """Return W x + plus of a full matrix, (n_post, batch), in one launch."""
    from cupy.cublas import gemm

    if W.dtype != x.dtype or W.ndim != 2 or x.ndim != 2 or (plus is not None and plus.dtype != x.dtype):
        return reference.product(W, x, plus)
    y, onto = _place(x, plus, (W.shape[0], x.shape[1]), x.dtype)
    with _math_mode():
        return gemm("N", "N", W, x, out=y, beta=float(onto))


def _aligned(a: Array) -> Array:
    """Return an array that begins where cuSPARSE can read: a part of another one may not, and is copied then."""
    return a.copy() if a.data.ptr % ALIGNED else a


def _place(x: Array, plus: Array | None, shape: tuple[int, int], dtype: np.dtype) -> tuple[Array, bool]:
    """Return where to write a product, and whether it is to be added to what is there."""
    if plus is not None and plus.shape != shape:
        raise InputError(f"plus must have the shape of the product, {shape}, got {tuple(plus.shape)}")
    room = getattr(x if plus is None else plus, "room", None)
    fits = room is not None and (room.shape, room.dtype, room.flags.c_contiguous) == (shape, dtype, True)
    if fits and room.data.ptr % ALIGNED == 0:
        return room, plus is not None
    xp = array_module(x)
    if plus is None:
        return xp.empty(shape, dtype=dtype), False
    return plus.copy(order="C").view(xp.ndarray), True


@contextlib.contextmanager
def _math_mode() -> Iterator[None]:
    """Multiply as CuPy's own products do: in TF32 if the environment says so, else in full precision."""
    from cupy.cuda.device import get_cublas_handle
    from cupy_backends.cuda.libs import cublas

    if not uses_tf32():
        yield
        return
    handle = get_cublas_handle()
    before = cublas.getMathMode(handle)
    cublas.setMathMode(handle, TF32_MATH)
    try:
        yield
    finally:
        cublas.setMathMode(handle, before)


class Lending(Sequence):
    """A stack (time, units, batch) whose parts lend memory: a product with part t is written over part ``t + there``.

    Only for a stack where nobody needs what is in that place: the drives, each of which is read once to be added to
    (``there = 0``), and gradients that are filled from the last step to the first (``there = -1``).
    """

    def __init__(self, stack: Array, there: int):
        self._stack, self._there = stack, there

    def __len__(self) -> int:
        return len(self._stack)

    def __getitem__(self, t: int | slice) -> Array | Lending:
        if isinstance(t, slice):
            return Lending(self._stack[t], self._there)
        part, place = self._stack[t].view(_lent()), t + self._there + (len(self) if t < 0 else 0)
        part.room = self._stack[place] if place >= 0 else None
        return part

    def __setitem__(self, t: int, value: Array) -> None:
        part = self._stack[t]
        if value.data.ptr != part.data.ptr:  # else it was written here at once
            part[...] = value


@functools.cache
def _lent() -> type:
    """Return the type of arrays that say where a product with them may be written."""
    import cupy

    return type("Lent", (cupy.ndarray,), {"room": None, "__doc__": _lent.__doc__})


def steps(stack: Array) -> Lending:
    """Return a stack (time, units, batch) to be filled from its last step to its first, without copies."""
    return Lending(stack, -1)


def affine(W: Array, x: Array, b: Array) -> Sequence[Array]:
    """Return W x_t + b of each time step t, (time, n_post, batch), to be read once each."""
    return Lending(reference.affine(W, x, b), 0)


def factor(slope: Callable, kept: Array) -> Array | Factor:
    """Return slope(kept), to be multiplied with: worked out there, if a kernel can be made from it."""
    kernel = _times_slope(slope)
    return slope(kept) if kernel is None else Factor(kernel, kept)


@functools.cache
def _times_slope(slope: Callable) -> Callable | None:
    """Return the kernel (dh, h) -> dh ∘ slope(h), or None for a slope that cannot be recorded."""
    import cupy

    text = text_of(slope)
    return text and cupy.ElementwiseKernel("T dh, T h", "T dx", f"dx = dh * {text}", "times_slope")


def row_sum(rows, values: Array) -> Array:
    """Return the sum of each row's values, (n_post, 1)."""
    xp = array_module(values)
    return spmm(rows, values, xp.ones((rows.shape[1], 1), dtype=values.dtype))


def sum_outer(dy: Array, x: Array) -> Array:
    """Return the full matrix dy xᵀ (post, pre), summed over the batch (and over time for stacks): one product."""
    return dy @ x.T if dy.ndim == 2 else array_module(dy, x).tensordot(dy, x, axes=((0, 2), (0, 2)))


def sddmm(rows, dy: Array, x: Array) -> Array:
    """Return (nnz,) entries of dy xᵀ, summed over time if the arguments are stacks.

    Above a density of `SAMPLED_BELOW` the whole product is computed and the entries are taken from it.
    """
    xp = array_module(dy, x)
    dtype = xp.result_type(dy, x)
    if rows.indices.size > SAMPLED_BELOW * rows.shape[0] * rows.shape[1]:
        return _entries()(rows.rows, rows.indices, np.int64(rows.shape[1]), sum_outer(dy, x).astype(dtype, copy=False))
    dy, x = (xp.ascontiguousarray(a if a.ndim == 3 else a[None], dtype=dtype) for a in (dy, x))
    steps, n_post, batch = dy.shape
    nnz = rows.indices.size
    out = xp.empty(nnz, dtype=dy.dtype)
    if nnz:
        grid = ((nnz + WARPS_PER_BLOCK - 1) // WARPS_PER_BLOCK,)
        sizes = (xp.int64(nnz), xp.int32(steps), xp.int32(n_post), xp.int32(x.shape[1]), xp.int32(batch))
        _sddmm_kernel(dy.dtype.name)(grid, (WARP * WARPS_PER_BLOCK,), (rows.rows, rows.indices, dy, x, out, *sizes))
    return out


@functools.cache
def _entries() -> Callable:
    import cupy

    arguments = "int32 row, int32 column, int64 width, raw T matrix", "T value"
    return cupy.ElementwiseKernel(*arguments, "value = matrix[row * width + column]", "entries")


@functools.cache
def _adam_kernel() -> Callable:
    import cupy

    numbers = "T lr, T beta1, T rest1, T beta2, T rest2, T eps, T correct1, T correct2"
    return cupy.ElementwiseKernel(
        f"T grad, {numbers}",
        "T w, T m, T v",
        """
        m = beta1 * m + rest1 * grad;
        v = beta2 * v + rest2 * (grad * grad);
        w -= lr * (m / correct1) / (sqrt(v / correct2) + eps);
        """,
        "adam",
    )


def adam(w, grad, m, v, lr, beta1, beta2, eps, step) -> None:
    """Update w, m and v in place, in one pass over memory; eps is added after the bias correction."""
    numbers = (lr, beta1, 1 - beta1, beta2, 1 - beta2, eps, 1 - beta1**step, 1 - beta2**step)
    _adam_kernel()(grad.astype(w.dtype, copy=False), *map(w.dtype.type, numbers), w, m, v)


@functools.cache
def _sgd_kernel(momentum: bool) -> Callable:
    import cupy

    if momentum:
        return cupy.ElementwiseKernel(
            "T grad, T lr, T momentum", "T w, T m", "m = momentum * m + grad; w -= lr * m", "sgd_with_momentum"
        )
    return cupy.ElementwiseKernel("T grad, T lr", "T w", "w -= lr * grad", "sgd")


def sgd(w, grad, *moments, lr, momentum) -> None:
    """Update w, and its running sum of gradients if there is one, in place, in one pass over memory."""
    numbers = (lr, momentum) if moments else (lr,)
    _sgd_kernel(bool(moments))(grad.astype(w.dtype, copy=False), *map(w.dtype.type, numbers), w, *moments)
