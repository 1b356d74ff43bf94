"""Which places of a layer are taken, vacant, weakest or best; a place is post * n_pre + pre. Host only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..backend import Array, to_numpy
from ..connectivity import Pattern, distinct
from ..errors import InputError
from ..protocols import Rng

BLOCK = 1 << 22
"""Places that are looked at together: rows of about 32 MB of scores."""


def flat_places(pattern: Pattern) -> np.ndarray:
    """Return post * n_pre + pre of every synapse, ascending, int64."""
    return pattern.rows.astype(np.int64) * pattern.shape[1] + pattern.indices


def at_places(places: np.ndarray, shape: tuple[int, int]) -> Pattern:
    """Return the pattern of the given ascending places."""
    indptr = np.searchsorted(places, np.arange(shape[0] + 1, dtype=np.int64) * shape[1])
    return Pattern(indptr, (places % shape[1]).astype(np.int32), shape)


def row_blocks(shape: tuple[int, int]) -> Iterator[slice]:
    """Cut a layer's rows into slices of about `BLOCK` places."""
    height = max(1, BLOCK // shape[1])
    for first in range(0, shape[0], height):
        yield slice(first, min(first + height, shape[0]))


def smallest(magnitudes: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the `count` smallest magnitudes, ascending; ties go to the first.

    Examples
    --------
    >>> minisparse.evolve.smallest(numpy.array([3.0, 1.0, 2.0, 1.0, 1.0]), 2)
    array([1, 3])
    """
    if count == 0:
        return np.zeros(0, np.int64)
    threshold = np.partition(magnitudes, count - 1)[count - 1]
    below = np.flatnonzero(magnitudes < threshold)
    ties = np.flatnonzero(magnitudes == threshold)[: count - below.size]
    return np.sort(np.concatenate([below, ties]))


def vacant(pattern: Pattern, keep: np.ndarray, count: int, rng: Rng) -> np.ndarray:
    """Draw `count` distinct places that no kept synapse holds, uniformly, ascending.

    The r-th vacant place is r plus the number of kept synapses before it, so only ranks are drawn.

    Examples
    --------
    >>> full = minisparse.full(2, 2)
    >>> minisparse.evolve.vacant(full, numpy.array([True, False, True, False]), 2, numpy.random.default_rng(0))
    array([1, 3])
    """
    held = flat_places(pattern)[keep]
    ranks = distinct(pattern.shape[0] * pattern.shape[1] - held.size, count, rng)
    return ranks + np.searchsorted(held - np.arange(held.size), ranks, side="right")


def highest(
    shape: tuple[int, int],
    count: int,
    score: Callable[[slice], Array],
    is_open: Callable[[slice], np.ndarray],
    rng: Rng,
) -> np.ndarray:
    """Return the `count` open places of the highest score, ascending; the best so far are kept, block by block.

    Parameters
    ----------
    shape : (int, int)
    count : int
    score, is_open : callables
        From a slice of rows to its scores and whether each place may be taken, (rows, n_pre). NaN is the lowest score.
    rng : Generator or RandomState
        Orders ties; advanced by one number.
    """
    best, places, seed = np.zeros(0), np.zeros(0, np.int64), draw_seed(rng)
    for rows in row_blocks(shape) if count else ():
        scores, allowed = to_numpy(score(rows)), is_open(rows)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        if best.size == count:
            allowed &= scores >= best.min()
        best = np.concatenate([best, scores[allowed]])
        places = np.concatenate([places, rows.start * shape[1] + np.flatnonzero(allowed)])
        if best.size > count:
            threshold = np.partition(best, best.size - count)[best.size - count]
            above, ties = np.flatnonzero(best > threshold), np.flatnonzero(best == threshold)
            ties = ties[np.argsort(mixed(places[ties], seed), kind="stable")[: count - above.size]]
            chosen = np.sort(np.concatenate([above, ties]))
            best, places = best[chosen], places[chosen]
    return places


def senders_signs(signs: np.ndarray, name: str, shape: tuple[int, int], places: np.ndarray) -> np.ndarray:
    """Return the sign of each place's presynaptic neuron, +1 or -1, int8.

    Parameters
    ----------
    signs : (n_pre, 1)
    name : str
        Of the parameter, for the sentence of an error.
    shape : (int, int)
        (n_post, n_pre).
    places : (count,) int64

    Examples
    --------
    >>> signs = numpy.array([[1], [-1]])
    >>> minisparse.evolve.places.senders_signs(signs, "W_rec", (2, 2), numpy.array([0, 1, 3]))
    array([ 1, -1, -1], dtype=int8)
    """
    signs = np.asarray(signs)
    if signs.shape != (shape[1], 1) or not signs.all():
        raise InputError(
            f"signs must be a column ({shape[1]}, 1) of +1 and -1, one per neuron that sends through {name}, "
            f"got shape {signs.shape}"
        )
    return np.sign(signs[places % shape[1], 0]).astype(np.int8)


def draw_seed(rng: Rng) -> int:
    """Draw a seed for `mixed`."""
    integers = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    return int(integers(0, 2**62, dtype=np.int64))


def mixed(places: np.ndarray, seed: int) -> np.ndarray:
    """Return 64 random-looking bits per place, a function of seed and place alone: SplitMix64 (Steele et al. 2014).

    Examples
    --------
    >>> minisparse.evolve.places.mixed(numpy.arange(2), 0) >> numpy.uint64(60)
    array([ 0, 14], dtype=uint64)
    """
    z = places.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
