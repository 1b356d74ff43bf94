"""How initial weights are drawn: on the host, from a generator that is passed in, then moved to the current backend."""

from __future__ import annotations

import math

import numpy as np

from .arguments import expect, is_column, shown, whole, within
from .backend import Array, asarray
from .errors import InputError
from .protocols import Rng, Weights


def uniform(rng: Rng, shape: tuple[int, ...], bound: float, dtype: type = np.float32) -> Array:
    """Draw from the uniform distribution in ±bound.

    Parameters
    ----------
    rng : Generator or RandomState
        Advanced by as many numbers as the shape holds, whatever the dtype.
    shape : tuple of int
    bound : float
        Dimensionless.
    dtype : dtype

    Returns
    -------
    array of that shape

    Examples
    --------
    >>> minisparse.initialise.uniform(numpy.random.default_rng(0), (2, 1), 0.1).shape
    (2, 1)
    """
    within("bound, the largest magnitude,", bound, 0)
    return _drawn(_drawing(rng).uniform(-bound, bound, _sides(shape)), dtype)


def normal(rng: Rng, shape: tuple[int, ...], std: float = 1.0, dtype: type = np.float32) -> Array:
    """Draw from the normal distribution with mean 0 and this standard deviation; arguments as for `uniform`."""
    within("std, the standard deviation,", std, 0)
    return _drawn(_drawing(rng).standard_normal(_sides(shape)) * std, dtype)


def he(rng: Rng, weights: Weights, dtype: type = np.float32) -> Array:
    """Draw packed weights by the rule of He et al. (2015), N(0, 2 / fan-in); a neuron's fan-in are its own synapses.

    Parameters
    ----------
    rng : Generator or RandomState
        Advanced by one number for each synapse.
    weights : storage
    dtype : dtype

    Returns
    -------
    array
        Packed.

    Examples
    --------
    >>> weights = minisparse.make_weights(minisparse.full(3, 200))
    >>> w = minisparse.initialise.he(numpy.random.default_rng(0), weights)
    >>> bool(0.08 < w.std() < 0.12)
    True
    """
    expect(weights=weights)
    pattern = weights.pattern
    fan_in = np.maximum(pattern.afferents(), 1)[pattern.rows]
    return weights.from_values(_drawn(_drawing(rng).standard_normal(weights.nnz) * np.sqrt(2 / fan_in), dtype))


def glorot(rng: Rng, shape: tuple[int, ...], fan_in: int, fan_out: int, dtype: type = np.float32) -> Array:
    """Draw by the rule of Glorot & Bengio (2010), uniform in ±√(6 / (fan-in + fan-out)); arguments as for `uniform`."""
    fans = within("fan_in", fan_in, 0) + within("fan_out", fan_out, 0)
    return uniform(rng, shape, math.sqrt(6 / max(1, fans)), dtype)


def one_signed(rng: Rng, weights: Weights, w_max: float, signs: np.ndarray, dtype: type = np.float32) -> Array:
    """Draw packed weights that are uniform in [0, w_max), times the sign (and strength) of the presynaptic neuron.

    Parameters
    ----------
    rng : Generator or RandomState
        Advanced by one number for each synapse.
    weights : storage
    w_max : float
    signs : (n_pre, 1)
        +1 or -1, times a strength if that is not 1.
    dtype : dtype

    Returns
    -------
    array
        Packed.

    Raises
    ------
    ValueError
        If the signs are no column with one number for each presynaptic neuron.
    """
    expect(weights=weights)
    within("w_max, the largest magnitude,", w_max, 0)
    pattern = weights.pattern
    if not is_column(signs, weights.shape[1]):
        raise InputError(f"signs must be a column ({weights.shape[1]}, 1), one per neuron, got {shown(signs)}")
    values, pre = _drawing(rng).uniform(0, w_max, weights.nnz), np.asarray(signs, float)
    if pattern.is_full:  # the same products, without an index for each synapse
        values.reshape(weights.shape)[:] *= pre.T
    else:
        values *= pre[pattern.indices, 0]
    return weights.from_values(_drawn(values, dtype))


def _drawn(values: np.ndarray, dtype: type) -> Array:
    """Move drawn numbers to the current backend."""
    try:
        kind = np.dtype(dtype).kind if dtype is not None else ""
    except TypeError:
        kind = ""
    if kind != "f":
        raise InputError(f"dtype must be a float, such as numpy.float32, got {shown(dtype)}")
    return asarray(values, dtype=dtype)


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of what is drawn, checked."""
    if not isinstance(shape, (tuple, list)):
        raise InputError(f"shape must be a tuple of whole numbers, got {shown(shape)}")
    return tuple(whole("each side of the shape", side, 0) for side in shape)


def _drawing(rng: Rng) -> Rng:
    """Refuse a seed: a model draws its parameters one after another, and each from a seed would be the same numbers."""
    if not isinstance(rng, (np.random.Generator, np.random.RandomState)):
        raise InputError(
            f"one parameter is drawn after another, from a generator, got {shown(rng)}; "
            'make it once with minisparse.generator(seed, "weights")'
        )
    return rng
