"""Gains, gradients, delays and changes of sign, one function each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..arguments import expect, is_column, number, shown, within
from ..backend import Array, array_module, to_numpy
from ..errors import InputError
from ..protocols import Weights


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
    within("n, the number of neurons,", n, 1), within("p, the density,", p, 0, 1), within("w_max", w_max, 0)
    within("inhibitory, a fraction,", inhibitory, 0, 1), within("inhibition_gain", inhibition_gain, 0)
    return p * n * (w_max / 2) * (1 - inhibitory - inhibition_gain * inhibitory)


def gain_step(lr: float, p: float, n: int) -> float:
    """Return the most by which one step of Adam can change the gain of a recurrent network: ``lr p n``.

    Adam divides a gradient by the root of its own running square, so each of its first steps moves every weight by the
    learning rate, whatever the gradient's size. A neuron has ``p n`` afferents. If all of them move one way, its
    summed input at activity 1, which is the gain, changes by ``lr p n``. (A step of SGD has no such bound: it is
    proportional to the gradient.)

    Parameters
    ----------
    lr : float
        Learning rate of the recurrent weights.
    p : float
        Density.
    n : int
        Neurons.

    Returns
    -------
    float
        Dimensionless.

    Examples
    --------
    >>> [round(minisparse.gain_step(0.001, p, 10_000), 9) for p in (1, 0.1)]
    [10.0, 1.0]
    """
    return within("lr", lr, 0) * within("p, the density,", p, 0, 1) * within("n, the number of neurons,", n, 1)


def input_sd(std: float, afferents: float, x: np.ndarray) -> float:
    """Return the standard deviation of a unit's summed input over draws of its weights: ``std √(afferents <x²>)``.

    The sum has `afferents` terms ``w x``; with weights independent of each other and of mean 0, its variance is the
    sum of the ``std² x²``. The mean is over the entries of `x`: over inputs and examples. A sigmoid unit whose summed
    input is far above 1 is saturated, and its slope is near 0.

    Parameters
    ----------
    std : float
        Standard deviation of one weight.
    afferents : float
        Synapses of a unit.
    x : array or number
        Inputs, any shape; or what the root of their mean square is.

    Returns
    -------
    float
        In the units of x times those of a weight.

    Examples
    --------
    >>> minisparse.input_sd(0.5, 16, numpy.array([[1.0, -1.0], [1.0, 1.0]]))
    2.0
    """
    x = np.float64(x) if isinstance(x, (int, float)) else x
    expect(x=x)
    real = x.size and x.dtype.kind in "fiub"
    mean_square = np.mean(np.square(to_numpy(x), dtype=float)) if real else math.nan
    if not math.isfinite(mean_square):
        raise InputError(f"x must hold at least one number, and real and finite ones alone, got {shown(x)}")
    return float(within("std", std, 0) * np.sqrt(within("afferents", afferents, 0) * mean_square))


def dendritic_step(scale: float, afferents: float) -> float:
    """Return the step of a weight under dendritic normalisation over that of a plain weight: ``(scale / afferents)²``.

    With ``w = (s / n) v`` the gradient of v is ``(s / n) dw``, and a step of gradient descent of that size on v moves w
    by ``(s / n)`` times itself: once for the chain rule, once for the way back to w (Bird & Cuntz, Eq 4).

    Parameters
    ----------
    scale : float
        s.
    afferents : float
        n, synapses of the unit.

    Returns
    -------
    float

    Examples
    --------
    >>> minisparse.dendritic_step(25.0, 100)
    0.0625
    """
    return (within("scale", scale, 0) / within("afferents", afferents, 1)) ** 2


def forward_gain(weights: Weights, w: Array) -> float:
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
    expect(weights=weights, w=w)
    return float(weights.row_sum(w).mean(dtype=float))


def backward_gain(weights: Weights, w: Array, signs: np.ndarray) -> float:
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
    expect(weights=weights, w=w)
    if not is_column(signs, weights.shape[0]) or weights.shape[0] != weights.shape[1]:
        raise InputError(
            f"signs must be a column ({weights.shape[0]}, 1), one per neuron of a square pattern, got {shown(signs)}"
        )
    s = array_module(w).asarray(np.asarray(signs, dtype=w.dtype))
    return float((s * weights.bind(w).matmul_t(s)).sum() / (s * s).sum())


def training_delay(accuracies: Sequence[float], threshold: float = 20.0, for_good: bool = False) -> int | None:
    """Return how many epochs pass before the accuracy exceeds a threshold.

    Parameters
    ----------
    accuracies : sequence of float
        Test accuracy (percent) after epoch 1, 2, ...
    threshold : float
        Percent.
    for_good : bool
        Whether it must stay above to the end: an accuracy that falls back to the threshold or below has not left it.

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
    >>> minisparse.training_delay([9.8, 22.0, 11.0, 64.0]), minisparse.training_delay([9.8, 22.0, 11.0, 64.0], 20, True)
    (1, 3)
    """
    accuracies = np.asarray(accuracies)
    if accuracies.ndim != 1 or accuracies.dtype.kind not in "fiu" or not accuracies.size:
        raise InputError(f"a delay needs the accuracy of at least one epoch, in a list of numbers, got {accuracies!r}")
    above = accuracies > number("threshold", threshold)
    if for_good:
        above = np.logical_and.accumulate(above[::-1])[::-1]  # at an epoch and at all that follow
    first = np.flatnonzero(above)
    return int(first[0]) if first.size else None


def gradient_statistics(grads: Array, quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> dict:
    """Describe how large the entries of a gradient are (Fruengel & Oberlaender 2025, Fig. 6E).

    Parameters
    ----------
    grads : array
        One number per synapse: for masked-dense storage ``weights.values(grads["W_rec"])``, or the zeros off the
        pattern count too.
    quantiles : sequence of float
        In [0, 1].

    Returns
    -------
    dict
        mean, median : of |g|, exact zeros included; quantiles : {q: |g|}; zeros : share of exact zeros in [0, 1];
        decades : {k: number of g with 10^k <= |g| < 10^(k + 1)}, all k from the smallest to the largest.

    Raises
    ------
    ValueError
        If there is no entry, one is nan or inf, or a quantile is outside [0, 1].

    Examples
    --------
    >>> found = minisparse.gradient_statistics(numpy.array([0.0, 0.02, -0.03, 4.0]))
    >>> found["median"], found["zeros"], found["decades"]
    (0.025, 0.25, {-2: 2, -1: 0, 0: 1})
    """
    expect(**{"grads, of one parameter,": grads})
    xp = array_module(grads)
    size = abs(grads).ravel()
    if not size.size:
        raise InputError("grads holds no entry; pass the packed gradient of a layer with synapses")
    if wrong := size.size - int(xp.count_nonzero(xp.isfinite(size))):
        raise InputError(f"grads holds nan or inf in {wrong} of {size.size} entries; leave them out, or use float64")
    if not all(0 <= q <= 1 for q in quantiles):
        raise InputError(f"quantiles must lie in [0, 1], got {list(quantiles)}")
    values = xp.quantile(size, xp.asarray([0.5, *quantiles])).tolist()
    decades, zeros = {}, size.size - int(xp.count_nonzero(size))
    if zeros < size.size:
        some = xp.where(size > 0, size, size.max())  # an exact 0 has no decade: it counts with the largest, and is off
        powers = xp.floor(xp.log10(some, dtype=float)).astype(int)
        lowest = int(powers.min())
        counts = xp.bincount(powers - lowest).tolist()
        counts[-1] -= zeros
        decades = {lowest + k: count for k, count in enumerate(counts)}
    return {
        "mean": float(size.mean(dtype=float)),
        "median": values[0],
        "quantiles": dict(zip(map(float, quantiles), values[1:], strict=True)),
        "zeros": zeros / size.size,
        "decades": decades,
    }


def sign_changes(before: Array, after: Array) -> dict:
    """Compare weights with what training made of them, by their first sign (Fruengel & Oberlaender 2025, Fig. S5A).

    Parameters
    ----------
    before, after : packed arrays
        Of one shape; weights that began at 0, as those off a pattern, count nowhere.

    Returns
    -------
    dict
        positive, negative : how many began so; positive_to_negative, negative_to_positive : how many of them changed
        (to become 0 is no change); positive_growth, negative_growth : mean of ``|after| - |before|``, None without any.

    Raises
    ------
    ValueError
        If the shapes differ, or a weight is nan or inf.

    Examples
    --------
    >>> found = minisparse.sign_changes(numpy.array([1.0, 2.0, -1.0]), numpy.array([-1.5, 2.0, -3.0]))
    >>> found["positive_to_negative"], found["positive_growth"], found["negative_growth"]
    (1, 0.25, 2.0)
    """
    expect(before=before, after=after)
    xp = array_module(before, after)
    if before.shape != after.shape:
        raise InputError(f"before and after must have one shape, got {before.shape} and {after.shape}")
    if not (xp.isfinite(before).all() and xp.isfinite(after).all()):
        raise InputError("before or after holds nan or inf; compare weights of a run that stayed finite")
    growth = xp.subtract(abs(after), abs(before), dtype=float)
    found = {}
    for name, other, sign in (("positive", "negative", 1), ("negative", "positive", -1)):
        began = before * sign > 0
        found[name] = int(began.sum())
        found[f"{name}_to_{other}"] = int((began & (after * sign < 0)).sum())
        found[f"{name}_growth"] = _mean(growth, began) if found[name] else None
    return found


def _mean(values: Array, chosen: Array) -> float:
    """Return the mean of some entries; a GPU sums all, because to count out the chosen ones it would have to wait."""
    if isinstance(values, np.ndarray):
        return float(values[chosen].mean())
    return float((values * chosen).sum()) / int(chosen.sum())
