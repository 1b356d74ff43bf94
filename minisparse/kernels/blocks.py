"""Dense blocks of a matrix, multiplied panel by panel: each by BLAS, on one of Numba's threads."""

from __future__ import annotations

import numpy as np
from numba import prange

from .compiled import compiled
from .products import OPTIONS, float_setting, take_over

PANEL = 128
"""Rows of a block that one thread multiplies at a time; fixed, so that sums do not depend on the number of threads."""


def add_blocks(blocks, values: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """Add W x, (n_post, batch), for W made of dense blocks."""
    dtype = out.dtype.newbyteorder("=")
    post, pre = blocks
    x = np.ascontiguousarray(x, dtype=dtype)
    _add_blocks(post.order, post.starts, pre.order, pre.starts, values.astype(dtype, copy=False), x, out)


def put_outer(blocks, dy: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """Write the blocks of dy xᵀ, summed over time if the arguments are stacks; padding is left as it is."""
    dy, x = (np.ascontiguousarray(a if a.ndim == 3 else a[None], dtype=out.dtype) for a in (dy, x))
    post, pre = blocks
    _put_outer(post.order, post.starts, pre.order, pre.starts, dy, x, out)


@compiled(**OPTIONS)
def _add_blocks(post, post_starts, pre, pre_starts, values, x, out):
    panels, setting = (values.shape[1] + PANEL - 1) // PANEL, float_setting()
    for task in prange(values.shape[0] * panels):
        own = take_over(setting)
        g, first = task // panels, task % panels * PANEL
        rows = post[post_starts[g] + first : post_starts[g + 1]][:PANEL]
        columns = pre[pre_starts[g] : pre_starts[g + 1]]
        if rows.size and columns.size:
            block = values[g, first : first + rows.size, : columns.size].copy()
            y = np.dot(block, _taken(x, columns))
            for r in range(rows.size):
                o = out[rows[r]]
                for b in range(o.size):
                    o[b] += y[r, b]
        take_over(own)


@compiled(**OPTIONS)
def _put_outer(post, post_starts, pre, pre_starts, dy, x, out):
    panels, setting = (out.shape[1] + PANEL - 1) // PANEL, float_setting()
    for task in prange(out.shape[0] * panels):
        own = take_over(setting)
        g, first = task // panels, task % panels * PANEL
        rows = post[post_starts[g] + first : post_starts[g + 1]][:PANEL]
        columns = pre[pre_starts[g] : pre_starts[g + 1]]
        block = out[g, first : first + rows.size, : columns.size]
        block[:] = 0
        for t in range(dy.shape[0]):
            if rows.size and columns.size and dy.shape[2]:
                block += np.dot(_taken(dy[t], rows), _taken(x[t], columns).T)
        take_over(own)


@compiled(nogil=True)
def _taken(x, rows):
    """Return some rows of x, one after another."""
    out = np.empty((rows.size, x.shape[1]), x.dtype)
    for r in range(rows.size):
        out[r] = x[rows[r]]
    return out
