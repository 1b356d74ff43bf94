"""Whether the curves of several networks fall on one when they are drawn over a number that each can be given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError


def spread(places: Sequence[Sequence[float]], values: Sequence[Sequence[float]], points: int = 81) -> float:
    """Return how far the curves of several networks lie apart: the mean over a common axis of their deviation.

    The curves are interpolated on a grid that is even in the logarithm. Where at least three of them have values, their
    standard deviation is taken, and averaged over those points.

    Parameters
    ----------
    places : sequence of sequences
        One per network: where its values belong, positive and rising.
    values : sequence of sequences
        One per network, as long as its places.
    points : int
        Of the grid, from the lowest to the highest place of all.

    Returns
    -------
    float
        In the units of the values.

    Raises
    ------
    ValueError
        If there are fewer than three networks, or nowhere three at once.

    Examples
    --------
    >>> minisparse.measure.spread([[1, 10], [1, 10], [1, 10]], [[0, 10], [2, 12], [4, 14]])
    2.0
    """
    logs = [np.log(np.asarray(place, dtype=float)) for place in places]
    if len(logs) < 3:
        raise InputError(f"a spread needs the curves of at least 3 networks, got {len(logs)}")
    grid = np.linspace(min(log[0] for log in logs), max(log[-1] for log in logs), points)
    within = np.array([(grid > log[0] - 1e-9) & (grid < log[-1] + 1e-9) for log in logs])
    curves = np.where(within, [np.interp(grid, log, v) for log, v in zip(logs, values, strict=True)], np.nan)
    common = within.sum(axis=0) >= 3
    if not common.any():
        raise InputError("nowhere on the axis do 3 networks have values; give them places that overlap")
    return float(np.nanstd(curves[:, common], axis=0, ddof=1).mean())


def collapse(
    usual: Sequence[Sequence[float]], factors: Sequence[float], values: Sequence[Sequence[float]],
    shuffles: int = 50, seed: int = 0,
) -> dict:  # fmt: skip
    """Compare how far curves lie apart over a number, over the usual axis, and over the number of another network.

    Parameters
    ----------
    usual : sequence of sequences
        Places on the usual axis, one sequence per network, as for `spread`.
    factors : sequence of float
        What turns a network's place on the usual axis into its number.
    values : sequence of sequences
    shuffles : int
        Draws of the second control, in each of which networks exchange their factors.
    seed : int

    Returns
    -------
    dict
        number, usual, shuffled : spreads, the last one a mean; holds : whether the first is at most half of the others.

    Examples
    --------
    >>> rates, factors = [[1, 10, 100]] * 3, [1.0, 10.0, 100.0]
    >>> values = [[numpy.log10(factor * rate) for rate in (1, 10, 100)] for factor in factors]
    >>> found = minisparse.measure.collapse(rates, factors, values)
    >>> round(found["number"], 9), round(found["usual"], 9), found["holds"]
    (0.0, 1.0, True)
    """
    rng, factors = np.random.default_rng(seed), np.asarray(factors, dtype=float)

    def over(scale: np.ndarray) -> float:
        return spread([np.asarray(place) * s for place, s in zip(usual, scale, strict=True)], values)

    found = {"number": over(factors), "usual": over(np.ones(len(factors)))}
    found["shuffled"] = float(np.mean([over(rng.permutation(factors)) for _ in range(shuffles)]))
    return {**found, "holds": found["number"] <= min(found["usual"], found["shuffled"]) / 2}
