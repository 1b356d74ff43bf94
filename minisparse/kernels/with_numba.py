"""Sparse kernels for NumPy arrays, compiled by Numba and cached on disk: rows in parallel, the batch contiguous.

Each synapse is one multiply-add over a row of activity; the sums of an output row stay in registers meanwhile
(`products`). Every output is summed by one thread in one order: results do not depend on the number of threads. Dense
blocks are multiplied panel by panel, each by BLAS on one of Numba's threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numba
import numpy as np
from numba import prange

from ..kernels import reference
from ..threads import add_pool, blas_is_limited, load_blas
from .blocks import PANEL, add_blocks, put_outer  # noqa: F401 - as they are
from .compiled import compiled, has_threads
from .products import (
    LINE,
    OPTIONS,
    SERIAL,
    add_rows_of_samples,
    add_samples,
    float_setting,
    take_over,
    write_product,
    write_rows,
)
from .recorded import GATE, Factor, text_of
from .reference import product, steps  # noqa: F401 - as they are

load_blas()  # before its threads are limited
numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
own_threads = True
SMALL = 1 << 15
"""Entries below which one elementwise pass is faster without a parallel region."""
TINY = 1 << 12
"""Entries below which calling compiled code costs more than it saves."""
PARALLEL = 1 << 19
"""Multiply-adds below which a product stays on one thread. On an idle machine a second one would still save a little;
on a busy one, every parallel region waits until the other thread has its turn, for milliseconds."""
WIDE = 1 << 17
"""Entries from which an elementwise pass between products goes by rows, as they do: each thread finds its own in its
cache."""


def spmm(rows, values: np.ndarray, x: np.ndarray, plus: np.ndarray | None = None) -> np.ndarray:
    """Return W x + plus, (n_post, batch)."""
    y = np.empty((rows.shape[0], x.shape[1]), np.result_type(values, x).newbyteorder("="))
    values, x = _laid_out(values, y.dtype), _laid_out(x, y.dtype)
    fused = plus is not None and plus.shape == y.shape and plus.dtype == y.dtype and plus.flags.c_contiguous
    first = plus if fused else y[:0]
    given = rows.indptr, rows.indices.view(np.uint32), values, x, first, y
    if values.size * x.shape[1] < PARALLEL:
        write_rows(*given, 0, len(y))
    else:
        write_product(*given)
    return y if fused else reference.added(y, plus)


def sddmm(rows, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return (nnz,) entries of dy xᵀ, summed over time if the arguments are stacks."""
    out = np.zeros(rows.indices.size, np.result_type(dy, x).newbyteorder("="))
    dy, x = (_laid_out(a if a.ndim == 3 else a[None], out.dtype) for a in (dy, x))
    given = rows.indptr, rows.indices.view(np.uint32), dy, x, out
    if out.size * x.shape[0] * x.shape[2] < PARALLEL:
        add_rows_of_samples(*given, 0, rows.shape[0])
    else:  # each thread takes its rows through all time steps
        add_samples(*given, max(1, -(-rows.shape[0] // numba.get_num_threads())))
    return out


def pool_settings() -> np.ndarray:
    """Return how each thread of Numba's pool computes with floats, (threads,); the first call starts the pool.

    After a fork there is no pool, and no threads to tell of.
    """
    if not has_threads():
        return np.zeros(0, np.uint64)
    found = np.zeros(numba.get_num_threads(), np.uint64)
    _settings(found)
    return found


threads, use_threads = numba.get_num_threads, numba.set_num_threads
"""How many threads the next kernel takes; and how many are to be taken, of those of the pool."""


def _laid_out(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """Return an array as compiled code wants it: contiguous, in the machine's own byte order."""
    return np.ascontiguousarray(array, dtype=dtype or array.dtype.newbyteorder("="))


def row_sum(rows, values: np.ndarray) -> np.ndarray:
    """Return the sum of each row's values, (n_post, 1)."""
    out = np.empty((rows.shape[0], 1), values.dtype)
    _row_sum(rows.indptr, values, out)
    return out


def affine(W: np.ndarray, x: np.ndarray, b: np.ndarray) -> Sequence[np.ndarray]:
    """Return W x_t + b of each time step t, (time, n_post, batch).

    Where BLAS leaves the threads to Numba, a large one is computed when it is read, and so is in the cache then.
    """
    fits = b.shape == (len(W), 1) and x.shape[1] == W.shape[1]
    if not (fits and blas_is_limited() and _compilable(W, b, x)):
        return reference.affine(W, x, b)
    work = W.size * x.shape[2] // 4
    if work >= PARALLEL:
        return _Affine(W, x, b)
    out = np.empty((len(x), len(W), x.shape[2]), W.dtype)
    (_affine if work * len(x) >= PARALLEL else _affine_small)(W, b, x, out, len(W))
    return out


class _Affine(Sequence):
    """W x_t + b of each time step, computed when it is read."""

    def __init__(self, W: np.ndarray, x: np.ndarray, b: np.ndarray):
        self._W, self._x, self._b = W, x, b

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, t: int) -> np.ndarray:
        out = np.empty((1, len(self._W), self._x.shape[2]), self._W.dtype)
        _affine(self._W, self._b, self._x[t : t + 1] if t != -1 else self._x[t:], out, PANEL)
        return out[0]


def sum_outer(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy xᵀ of stacks, summed over time: rows in parallel, where BLAS leaves the threads to Numba."""
    fits = dy.ndim == x.ndim == 3 and dy.shape[::2] == x.shape[::2] and x.shape[1] < x.shape[2]
    if not (fits and blas_is_limited() and _compilable(dy, x)):
        return reference.sum_outer(dy, x)
    out, x = np.zeros((dy.shape[1], x.shape[1]), dy.dtype), np.ascontiguousarray(x.transpose(0, 2, 1))
    (_sum_outer if out.size * x.shape[0] * x.shape[1] >= 4 * PARALLEL else _sum_outer_small)(dy, x, out)
    return out


def _compilable(*arrays: np.ndarray) -> bool:
    """Whether compiled code can hand these to BLAS: one dtype, nothing empty, no gaps."""
    return all(a.flags.c_contiguous and a.dtype == arrays[0].dtype and a.dtype.isnative and a.size for a in arrays)


def relu(a: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """Return max(a, 0), or write it into `out`: rows in parallel, where BLAS leaves the threads to Numba."""
    if out is None or a.size < WIDE or a.shape != out.shape or not (blas_is_limited() and _compilable(a, out)):
        return reference.relu(a, out)
    same = a.__array_interface__["data"][0] == out.__array_interface__["data"][0]
    if not out.flags.writeable or (np.may_share_memory(a, out) and not same):
        return reference.relu(a, out)
    _relu(a.reshape(len(a), -1), out.reshape(len(a), -1))
    return out


def factor(slope: Callable, kept: np.ndarray) -> np.ndarray | Factor:
    """Return slope(kept), to be multiplied with: that of ReLU is worked out there, for a large array."""
    if kept.size < WIDE or text_of(slope) != GATE or not (blas_is_limited() and _compilable(kept)):
        return slope(kept)
    return Factor(_gated, kept)


def _gated(dh: np.ndarray, h: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return dh where h > 0 and 0 elsewhere (exactly, dh times 1 or 0), or write it into `out`."""
    given = dh, h, np.empty(dh.shape, dh.dtype) if out is None else out
    if dh.shape != h.shape or not _compilable(*given):
        return np.multiply(dh, h > 0, out=out)
    _times_gate(*(a.reshape(len(a), -1) for a in given))
    return given[2]


def adam(w, grad, m, v, lr, beta1, beta2, eps, step) -> None:
    """Update w, m and v in place; eps is added after the bias correction."""
    if not (w.flags.c_contiguous and m.flags.c_contiguous and v.flags.c_contiguous):
        return reference.adam(w, grad, m, v, lr, beta1, beta2, eps, step)
    number = w.dtype.type
    numbers = [number(a) for a in (lr, beta1, 1 - beta1, beta2, 1 - beta2, eps, 1 - beta1**step, 1 - beta2**step)]
    update = _adam if w.size >= SMALL and blas_is_limited() else _adam_small  # else its threads would be in BLAS's way
    return update(*(a.reshape(-1) for a in (w, _laid_out(grad), m, v)), *numbers)


def sgd(w, grad, *moments, lr, momentum) -> None:
    """Update w, and its running sum of gradients if there is one, in place."""
    if w.size < TINY:
        return reference.sgd(w, grad, *moments, lr=lr, momentum=momentum)
    arrays = (w, grad, *moments)
    flat = [a.reshape(-1) for a in arrays if a.flags.c_contiguous and a.dtype == w.dtype]
    if len(flat) < len(arrays):
        return reference.sgd(w, grad, *moments, lr=lr, momentum=momentum)
    number = w.dtype.type
    return _sgd_momentum(*flat, number(lr), number(momentum)) if moments else _sgd(*flat, number(lr))


@compiled(**OPTIONS)
def _settings(out):
    for i in prange(len(out)):
        out[i] = float_setting()


@compiled(**OPTIONS)
def _row_sum(indptr, values, out):
    setting = float_setting()
    for i in prange(out.shape[0]):
        own = take_over(setting)
        s = values.dtype.type(0)
        for k in range(indptr[i], indptr[i + 1]):
            s += values[k]
        out[i, 0] = s
        take_over(own)


def _affine_loop(W, b, x, out, height):
    panels, setting = (len(W) + height - 1) // height, float_setting()
    for task in prange(len(x) * panels):
        own = take_over(setting)
        t, first = task // panels, task % panels * height
        part = out[t][first : first + height]
        np.dot(W[first : first + height], x[t], part)
        for i in range(len(part)):
            o, offset = part[i], b[first + i, 0]
            for k in range(o.size):
                o[k] += offset
        take_over(own)


_affine = compiled(**OPTIONS)(_affine_loop)
_affine_small = compiled(**SERIAL)(_affine_loop)


@compiled(**SERIAL)
def _brought_near(a):
    """Read a number of each line of the cache, in order: BLAS, which reads in another one, would wait for each."""
    s, apart = a.dtype.type(0), LINE // a.itemsize
    for i in range(len(a)):
        for k in range(0, a.shape[1], apart):
            s += a[i, k]
    return s


def _sum_outer_loop(dy, x, out):
    """Add dy xᵀ to out; x is (time, batch, units): with rows as they lie, BLAS is twice as fast."""
    setting = float_setting()
    for task in prange((len(out) + PANEL - 1) // PANEL):
        own, first = take_over(setting), task * PANEL
        part = out[first : first + PANEL]
        y = np.empty(part.shape, out.dtype)
        for t in range(len(dy)):
            d = dy[t, first : first + len(part)]
            y[0, 0] = _brought_near(d)
            np.dot(d, x[t], y)
            for i in range(len(part)):
                o, row = part[i], y[i]
                for k in range(o.size):
                    o[k] += row[k]
        take_over(own)


_sum_outer = compiled(**OPTIONS)(_sum_outer_loop)
_sum_outer_small = compiled(**SERIAL)(_sum_outer_loop)


@compiled(**OPTIONS)
def _relu(a, out):
    setting = float_setting()
    for i in prange(len(a)):
        own = take_over(setting)
        for b in range(a.shape[1]):
            out[i, b] = a.dtype.type(0) if a[i, b] <= 0 else a[i, b]  # nan stays nan
        take_over(own)


@compiled(**OPTIONS)
def _times_gate(dh, h, out):
    setting = float_setting()
    for i in prange(len(h)):
        own = take_over(setting)
        for b in range(h.shape[1]):
            out[i, b] = dh[i, b] * h.dtype.type(h[i, b] > 0)
        take_over(own)


@compiled(**SERIAL)
def _adam_small(w, grad, m, v, lr, beta1, rest1, beta2, rest2, eps, correct1, correct2):
    for i in range(w.size):
        m[i] = beta1 * m[i] + rest1 * grad[i]
        v[i] = beta2 * v[i] + rest2 * (grad[i] * grad[i])
        w[i] -= lr * (m[i] / correct1) / (np.sqrt(v[i] / correct2) + eps)


@compiled(**OPTIONS)
def _adam(w, grad, m, v, lr, beta1, rest1, beta2, rest2, eps, correct1, correct2):
    setting = float_setting()
    for task in prange((w.size + TINY - 1) // TINY):
        own, part = take_over(setting), slice(task * TINY, (task + 1) * TINY)
        _adam_small(w[part], grad[part], m[part], v[part], lr, beta1, rest1, beta2, rest2, eps, correct1, correct2)
        take_over(own)


@compiled(**SERIAL)
def _sgd(w, grad, lr):
    for i in range(w.size):
        w[i] -= lr * grad[i]


@compiled(**SERIAL)
def _sgd_momentum(w, grad, m, lr, momentum):
    for i in range(w.size):
        m[i] = momentum * m[i] + grad[i]
        w[i] -= lr * m[i]


add_pool(pool_settings)
