"""The meaning of every kernel in plain array calls, through a dense matrix: for tests, small nets and odd dtypes."""

from __future__ import annotations

from ..backend import Array, array_module

own_threads = False


def dense(rows, values: Array) -> Array:
    """Spread packed values over a (n_post, n_pre) matrix of zeros."""
    matrix = array_module(values).zeros(rows.shape, dtype=values.dtype)
    matrix[rows.rows, rows.indices] = values
    return matrix


def spmm(rows, values: Array, x: Array) -> Array:
    """Return W x, (n_post, batch)."""
    return dense(rows, values) @ x


def sddmm(rows, dy: Array, x: Array) -> Array:
    """Return (nnz,) entries of dy xᵀ, summed over time if the arguments are stacks."""
    xp = array_module(dy, x)
    axes = (-1,) if dy.ndim == 2 else (0, 2)
    return xp.tensordot(dy, x, axes=(axes, axes))[rows.rows, rows.indices]


def row_sum(rows, values: Array) -> Array:
    """Return the sum of each row's values, (n_post, 1)."""
    return dense(rows, values).sum(axis=1, keepdims=True)


def add_blocks(blocks, values: Array, x: Array, out: Array) -> None:
    """Add W x, (n_post, batch), for W made of dense blocks; padding in `values` is 0."""
    out += blocks.post.gathered(values @ blocks.pre.padded(x))


def put_outer(blocks, dy: Array, x: Array, out: Array) -> None:
    """Write the blocks of dy xᵀ, summed over time if the arguments are stacks."""
    pairs = [(dy, x)] if dy.ndim == 2 else zip(dy, x, strict=True)
    out[...] = sum(blocks.post.padded(d) @ blocks.pre.padded(h).swapaxes(1, 2) for d, h in pairs)


def adam(w, grad, m, v, lr, beta1, beta2, eps, step) -> None:
    """Update w, m and v in place; eps is added after the bias correction."""
    xp = array_module(w, grad)
    m *= beta1
    m += (1 - beta1) * grad  # (O1)
    v *= beta2
    v += (1 - beta2) * (grad * grad)  # (O2)
    w -= lr * (m / (1 - beta1**step)) / (xp.sqrt(v / (1 - beta2**step)) + eps)  # (O3)


def sgd(w, grad, *moments, lr, momentum) -> None:
    """Update w, and its running sum of gradients if there is one, in place."""
    for m in moments:
        m *= momentum
        m += grad
        grad = m
    w -= lr * grad
