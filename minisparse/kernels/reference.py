"""The meaning of every kernel in plain array calls, through a dense matrix: for tests, small nets and odd dtypes."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence

from ..backend import Array, array_module
from ..errors import InputError

own_threads = False


def dense(rows, values: Array) -> Array:
    """Spread packed values over a (n_post, n_pre) matrix of zeros."""
    matrix = array_module(values).zeros(rows.shape, dtype=values.dtype)
    matrix[rows.rows, rows.indices] = values
    return matrix


def spmm(rows, values: Array, x: Array, plus: Array | None = None) -> Array:
    """Return W x + plus, (n_post, batch)."""
    return added(dense(rows, values) @ x, plus)


def added(y: Array, plus: Array | None) -> Array:
    """Return a product that nobody else holds, with what is to be added to it."""
    if plus is None:
        return y
    if plus.shape != y.shape:
        raise InputError(f"plus must have the shape of the product, {tuple(y.shape)}, got {tuple(plus.shape)}")
    if array_module(y, plus).result_type(y, plus) != y.dtype:
        return y + plus
    y += plus
    return y


def product(W: Array, x: Array, plus: Array | None = None) -> Array:
    """Return W x + plus of a full matrix, (n_post, batch)."""
    return added(W @ x, plus)


def sddmm(rows, dy: Array, x: Array) -> Array:
    """Return (nnz,) entries of dy xᵀ, summed over time if the arguments are stacks."""
    xp = array_module(dy, x)
    axes = (-1,) if dy.ndim == 2 else (0, 2)
    return xp.tensordot(dy, x, axes=(axes, axes))[rows.rows, rows.indices]


def row_sum(rows, values: Array) -> Array:
    """Return the sum of each row's values, (n_post, 1)."""
    return dense(rows, values).sum(axis=1, keepdims=True)


def sum_outer(dy: Array, x: Array) -> Array:
    """Return the full matrix dy xᵀ (post, pre), summed over the batch (and over time for stacks)."""
    if dy.ndim == 2:
        return dy @ x.T
    if x.shape[1] < x.shape[2] and len(x):  # a result smaller than the stacks: add it up, without turning them
        return functools.reduce(operator.iadd, (a @ b.T for a, b in zip(dy, x, strict=True)))
    return array_module(dy, x).tensordot(dy, x, axes=((0, 2), (0, 2)))


def affine(W: Array, x: Array, b: Array) -> Sequence[Array]:
    """Return W x_t + b of each time step t, (time, n_post, batch)."""
    drive = W @ x
    drive += b
    return drive


def relu(a: Array, out: Array | None) -> Array:
    """Return max(a, 0), or write it into `out`."""
    return array_module(a).maximum(a, 0, out=out)


def factor(slope: Callable, kept: Array) -> Array:
    """Return slope(kept), to be multiplied with."""
    return slope(kept)


def steps(stack: Array) -> Array:
    """Return a stack (time, units, batch) as it is, to be filled from its last step to its first."""
    return stack


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
