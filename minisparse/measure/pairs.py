"""How pairs of nodes relate: Pearson's correlation, and mutual information from nearest neighbours."""

from __future__ import annotations

import numpy as np

from ..arguments import generator, whole
from ..backend import Array, to_numpy
from ..errors import InputError
from ..protocols import Seed
from .activity import checked_states


def random_pairs(units: int, count: int, rng: Seed) -> np.ndarray:
    """Draw pairs (i, j) of nodes, i != j, each pair independently of the others.

    Parameters
    ----------
    units, count : int
    rng : int, Generator or RandomState

    Returns
    -------
    (count, 2) array of int64

    Raises
    ------
    ValueError
        If there are fewer than 2 units or 1 pair.

    Examples
    --------
    >>> minisparse.random_pairs(2, 3, numpy.random.default_rng(0)).sum(axis=1)
    array([1, 1, 1])
    """
    units, count, rng = whole("units", units), whole("count", count), generator(rng, "pairs")
    if units < 2 or count < 1:
        raise InputError(f"pairs need at least 2 units and a count of at least 1, got {units} and {count}")
    first, second = rng.choice(units, count), rng.choice(units - 1, count)
    return np.stack([first, second + (second >= first)], axis=1)


def correlations(h: Array, pairs: np.ndarray | int | None = None, rng: Seed | None = None) -> tuple:
    """Return Pearson's r between nodes, over samples (Fruengel & Oberlaender 2025, Fig. 6D).

    Parameters
    ----------
    h : (units, samples)
    pairs : (count, 2) integers or int, optional
        Pairs of nodes, or how many to draw; every node with every node if omitted, 16 units² bytes.
    rng : int, Generator or RandomState, optional
        Needed to draw.

    Returns
    -------
    r : (units, units) or (count,) array
        float64 in [-1, 1]; 0 where a node is constant, for which r is not defined.
    constant : (units,) array of bool
        Nodes with the same value for every sample; ``r[~constant[pairs].any(axis=1)]`` leaves them out.

    Raises
    ------
    ValueError
        If h is no finite matrix, a pair names no node, or rng is missing.

    Examples
    --------
    >>> r, constant = minisparse.correlations(numpy.array([[0.0, 1.0], [3.0, 1.0], [0.0, 0.0]]), [[0, 1], [1, 2]])
    >>> r.round(12).tolist(), constant.tolist()
    ([-1.0, 0.0], [False, False, True])
    """
    h = to_numpy(checked_states(h))
    constant = _constant(h)
    if pairs is None:
        z = _standardised(h)
        return np.clip(z @ z.T, -1, 1), constant
    if np.ndim(pairs) == 0:
        if rng is None:
            raise InputError(f"drawing {pairs} pairs needs rng; pass one, or the pairs themselves")
        pairs = random_pairs(len(h), pairs, rng)
    used, places = np.unique(_checked_pairs(pairs, len(h)), return_inverse=True)
    z = _standardised(h[used])
    return np.clip([z[i] @ z[j] for i, j in places.reshape(-1, 2)], -1, 1), constant


def mutual_information(h: Array, pairs: np.ndarray, rng: Seed, neighbours: int = 3, jobs: int = 1) -> tuple:
    """Estimate the mutual information of pairs of nodes, over samples, from distances to nearest neighbours.

    The estimator of Kraskov et al. (2004, I₁) with scikit-learn's scaling and noise; MI is that of Fruengel &
    Oberlaender (2025, Fig. 5C). Pair k is ``mutual_info_regression(h[i][:, None], h[j], random_state=seeds[k])`` for h
    in float64, with ``seeds = numpy.frombuffer(rng.bytes(4 * count), "<u4")``. (Given float32, scikit-learn computes
    h[j] in float32; here all is float64.)

    Parameters
    ----------
    h : (units, samples)
    pairs : (count, 2) integers
        From `random_pairs`, say.
    rng : int, Generator or RandomState
        For the noise that parts equal values.
    neighbours : int
    jobs : int
        Processes, -1 for all cores; the result is the same for any number.

    Returns
    -------
    values : (count,) array
        Nats, at least 0.
    constant : (units,) array of bool
        Nodes with the same value for every sample: they have about 0 with every node and pull the mean down, so state
        ``constant[pairs].any(axis=1).sum()`` as well.

    Raises
    ------
    ValueError
        If h is no finite matrix, a pair names no node, or there are not more samples than neighbours.

    Examples
    --------
    >>> h = numpy.random.default_rng(0).standard_normal((2, 500))
    >>> values, constant = minisparse.mutual_information(h, [[0, 1], [0, 0]], numpy.random.default_rng(1))
    >>> values.round(2).tolist(), constant.tolist()
    ([0.05, 4.96], [False, False])
    """
    from joblib import Parallel, delayed

    h, rng = to_numpy(checked_states(h)), generator(rng, "noise")
    pairs = _checked_pairs(pairs, len(h))
    neighbours = whole("neighbours", neighbours)
    if not 1 <= neighbours < h.shape[1]:
        raise InputError(f"neighbours must lie in 1..{h.shape[1] - 1} for {h.shape[1]} samples, got {neighbours}")
    if jobs == 0:
        raise InputError("jobs must be a number of processes, or -1 for all cores, got 0")
    seeds = np.frombuffer(rng.bytes(4 * len(pairs)), "<u4")
    estimate = delayed(_mutual_information)
    values = Parallel(n_jobs=jobs)(
        estimate(h[i], h[j], seed, neighbours) for (i, j), seed in zip(pairs, seeds, strict=True)
    )
    return np.array(values), _constant(h)


def _mutual_information(x: np.ndarray, y: np.ndarray, seed: int, neighbours: int) -> float:
    """Estimate the mutual information of two vectors; x is a column inside, for bits equal to scikit-learn's."""
    from scipy.special import digamma
    from sklearn.neighbors import KDTree
    from sklearn.preprocessing import scale

    n, random = len(x), np.random.RandomState(seed)
    points = []
    for v in (x.astype(float)[:, None], y.astype(float)):
        v = scale(v, with_mean=False)
        v += 1e-10 * np.maximum(1, np.abs(v).mean(axis=0)) * random.standard_normal(v.shape)
        points.append(v.reshape(n, 1))
    both = np.hstack(points)
    distances, _ = KDTree(both, metric="chebyshev").query(both, k=neighbours + 1)
    radius = np.nextafter(distances[:, -1], 0)
    within = (KDTree(v, metric="chebyshev").query_radius(v, radius, count_only=True) for v in points)
    n_x, n_y = (digamma(count).mean() for count in within)  # each point counts itself: the 1 of ψ(n + 1)
    return max(0.0, digamma(n) + digamma(neighbours) - n_x - n_y)


def _checked_pairs(pairs: np.ndarray, units: int) -> np.ndarray:
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not pairs.size or pairs.dtype.kind not in "iu":
        raise InputError(f"pairs must be (count, 2) integers, got shape {pairs.shape} of {pairs.dtype}")
    if pairs.min() < 0 or pairs.max() >= units:
        raise InputError(f"pairs must name units 0..{units - 1}, got {pairs.min()}..{pairs.max()}")
    return pairs


def _constant(h: np.ndarray) -> np.ndarray:
    return (h == h[:, :1]).all(axis=1)


def _standardised(h: np.ndarray) -> np.ndarray:
    """Return rows of mean 0 and length 1, in float64; a constant row becomes 0."""
    z = h - h.mean(axis=1, dtype=float, keepdims=True)
    z[_constant(h)] = 0
    largest = np.maximum(z.max(axis=1), -z.min(axis=1))
    z /= np.where(largest > 0, largest, 1)[:, None]  # now no square is too small or large
    z /= np.maximum(1, np.sqrt(np.einsum("ij,ij->i", z, z)))[:, None]
    return z
