"""What the papers measure, one function each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .backend import Array, array_module, to_numpy
from .errors import InputError


def predicted_gain(n: int, p: float, w_max: float, inhibitory: float = 0.0, inhibition_gain: float = 1.0) -> float:
    """Return the factor by which one time step multiplies a uniform activity, from the mean of the initial weights.

    ``g = p n (w_max / 2) (1 - f - k f)`` with f the inhibitory fraction and k the strength of inhibition; with k = 1
    that is ``p n (w_max / 2) (1 - 2 f)``.

    Parameters
    ----------
    n : int
        Neurons.
    p : float
        Density.
    w_max : float
        Largest initial magnitude of an excitatory weight.
    inhibitory, inhibition_gain : float
        f and k.

    Returns
    -------
    float
        Dimensionless.

    Examples
    --------
    >>> round(minisparse.predicted_gain(10_000, p=1, w_max=0.001, inhibitory=0.115), 3)
    3.85
    """
    return p * n * (w_max / 2) * (1 - inhibitory - inhibition_gain * inhibitory)


def forward_gain(weights: object, w: Array) -> float:
    """Return the mean over neurons of W·1: what one step (no bias, input or nonlinearity) makes of activity 1.

    Parameters
    ----------
    weights : DenseWeights or CsrWeights
    w : packed array

    Returns
    -------
    float
        Dimensionless.

    Examples
    --------
    >>> weights = minisparse.DenseWeights(minisparse.full(2, 2))
    >>> minisparse.forward_gain(weights, numpy.array([[1.0, 2.0], [3.0, 4.0]]))
    5.0
    """
    return float(to_numpy(weights.row_sum(w)).mean(dtype=float))


def backward_gain(weights: object, w: Array, signs: np.ndarray) -> float:
    """Return the factor by which one step back multiplies a gradient along `signs`: ``sᵀ(Wᵀs) / sᵀs``.

    Parameters
    ----------
    weights : DenseWeights or CsrWeights
    w : packed array
    signs : (n, 1)
        Sign of each neuron, times its strength where that is not 1.

    Returns
    -------
    float
        Dimensionless; the same as `forward_gain` for a matrix of rank one, ``w̄ 1 sᵀ``.

    Examples
    --------
    >>> weights = minisparse.DenseWeights(minisparse.full(2, 2))
    >>> minisparse.backward_gain(weights, numpy.array([[1.0, -1.0], [1.0, -1.0]]), numpy.array([[1], [-1]]))
    0.0
    """
    s = array_module(w).asarray(np.asarray(signs, dtype=w.dtype))
    return float((s * weights.bind(w).matmul_t(s)).sum() / (s * s).sum())


def training_delay(accuracies: Sequence[float], threshold: float = 20.0) -> int | None:
    """Return how many epochs pass before the accuracy exceeds a threshold.

    Parameters
    ----------
    accuracies : sequence of float
        Test accuracy (percent) after epoch 1, 2, ...
    threshold : float
        Percent.

    Returns
    -------
    int or None
        The first such epoch minus 1, or None if there is none.

    Raises
    ------
    ValueError
        If there is no epoch.

    Examples
    --------
    >>> minisparse.training_delay([9.8, 11.0, 64.0])
    2
    """
    if not len(accuracies):
        raise InputError("a delay needs the accuracy of at least one epoch")
    above = np.flatnonzero(np.asarray(accuracies) > threshold)
    return int(above[0]) if above.size else None
