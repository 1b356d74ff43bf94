"""Hypothesis strategies for gradient checks of your own, and the ones this library is tested with.

Shapes are drawn, values come from a drawn seed: examples are fast and shrink to small shapes. Needs the extra ``test``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from ..backend import Array
from ..connectivity import Pattern, full
from ..errors import InputError
from ..groups import labelled
from ..rnn import RNN
from ..weights.make import STORAGES, Weights

KINK = 0.05
"""How far `activities` stays away from 0: many times any difference step."""


@dataclass(frozen=True)
class Network:
    """A model with parameters, a batch of sequences and labels, all in float64."""

    model: RNN
    params: dict[str, Array]
    x: np.ndarray
    labels: np.ndarray


def load_profile(ci: bool | None = None) -> None:
    """Load the Hypothesis profile for numerical code: no deadline (kernels compile), the same examples each time in CI.

    Parameters
    ----------
    ci : bool, optional
        Whether to derandomize; by default if the environment variable CI is "true".

    Examples
    --------
    >>> minisparse.testing.load_profile()
    """
    fixed = os.environ.get("CI", "").lower() == "true" if ci is None else ci
    settings.register_profile("minisparse", deadline=None, print_blob=True, derandomize=fixed)
    settings.load_profile("minisparse")


def seeds() -> st.SearchStrategy[int]:
    """Draw a seed."""
    return st.integers(0, 2**32 - 1)


def generators() -> st.SearchStrategy[np.random.Generator]:
    """Draw a seeded ``numpy.random.Generator``."""
    return seeds().map(np.random.default_rng)


def sizes(
    count: int, distinct: bool = True, low: int | None = None, high: int = 7
) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw sizes of axes.

    Parameters
    ----------
    count : int
    distinct : bool
        Pairwise different and at least 2, so that a transposed matrix or a wrong divisor cannot hide; otherwise the
        degenerate case 1 and equal sizes are drawn too.
    low, high : int, optional
        Smallest (2 if distinct, else 1) and largest.

    Returns
    -------
    strategy of tuples of int

    Examples
    --------
    >>> from hypothesis import find
    >>> find(minisparse.testing.sizes(3), lambda found: True)
    (2, 3, 4)
    """
    low = (2 if distinct else 1) if low is None else low
    if distinct and high - low + 1 < count:
        raise InputError(f"there are no {count} different sizes from {low} to {high}; raise high")
    if not distinct:
        return st.tuples(*[st.integers(low, high)] * count)
    return st.permutations(range(low, high + 1)).map(lambda order: tuple(order[:count]))


def densities() -> st.SearchStrategy[float]:
    """Draw a density, above 0 and at most 1."""
    return st.floats(0.01, 1)


def fractions() -> st.SearchStrategy[float]:
    """Draw a share, from 0 to 1."""
    return st.floats(0, 1)


def storages() -> st.SearchStrategy[str]:
    """Draw the name of a storage."""
    return st.sampled_from(sorted(STORAGES))


def dtypes() -> st.SearchStrategy[type]:
    """Draw float32 or float64."""
    return st.sampled_from([np.float32, np.float64])


def choices(*options: object) -> st.SearchStrategy:
    """Draw one of the options."""
    return st.sampled_from(options)


@st.composite
def activities(draw: st.DrawFn, *shape: int, away_from_kinks: bool = True) -> np.ndarray:
    """Draw an array of normal values, float64.

    Parameters
    ----------
    *shape : int
        Such as (units, batch) or (time, units, batch).
    away_from_kinks : bool
        Keep every value at least 0.05 away from 0, where a rectifier has its kink.
    """
    values = draw(generators()).standard_normal(shape)
    return values + np.copysign(KINK, values) if away_from_kinks else values


def cotangents(*shape: int) -> st.SearchStrategy[np.ndarray]:
    """Draw the gradient of a loss by an output of this shape: random, because a cotangent of ones misses mistakes."""
    return generators().map(lambda rng: rng.standard_normal(shape))


def labels(classes: int, batch: int) -> st.SearchStrategy[np.ndarray]:
    """Draw the class of each example, (batch,) whole numbers from 0 to classes - 1."""
    return generators().map(lambda rng: rng.integers(0, classes, batch))


@st.composite
def patterns(draw: st.DrawFn, n_post: int | None = None, n_pre: int | None = None) -> Pattern:
    """Draw the synapses of a layer, the degenerate cases among them: one synapse, an empty row, an empty column, full.

    Neurons carry arbitrary group labels, whatever the synapses: so every storage takes the pattern.

    Parameters
    ----------
    n_post, n_pre : int, optional
        Drawn from 1 to 9 if omitted.

    Returns
    -------
    strategy of Pattern
    """
    n_post, n_pre = n_post or draw(st.integers(1, 9)), n_pre or draw(st.integers(1, 9))
    kind = draw(st.sampled_from(["random", "full", "one synapse", "an empty row", "an empty column"]))
    rng = draw(generators())
    groups = [rng.integers(0, rng.integers(1, 5), n) for n in (n_post, n_pre)]
    if kind == "full":
        return labelled(full(n_post, n_pre), groups)
    mask = rng.random((n_post, n_pre)) < draw(st.floats(0.1, 0.9))
    place = rng.integers(n_post), rng.integers(n_pre)
    if kind == "one synapse":
        mask[:] = False
    mask[place] = True
    if kind == "an empty row":
        mask[rng.integers(n_post)] = False
    if kind == "an empty column":
        mask[:, rng.integers(n_pre)] = False
    return labelled(Pattern.from_mask(mask), groups)


@st.composite
def weights(draw: st.DrawFn, n_post: int | None = None, n_pre: int | None = None) -> Weights:
    """Draw a weights object: a storage over a drawn pattern; sizes as for `patterns`."""
    return STORAGES[draw(storages())](draw(patterns(n_post, n_pre)))


@st.composite
def networks(
    draw: st.DrawFn, storage: str | None = None, activation: str | None = None, distinct: bool = False
) -> Network:
    """Draw a recurrent network ready for a gradient check.

    Sizes reach down to one time step, one example and one class; signs may be free, mixed, or all inhibitory.

    Parameters
    ----------
    storage : {"dense", "csr", "grouped"}, optional
        Drawn if omitted.
    activation : {"relu", "tanh", "sigmoid"}, optional
        Drawn if omitted.
    distinct : bool
        Draw sizes that show every mistake: pairwise different and at least 2.

    Returns
    -------
    strategy of Network

    Examples
    --------
    >>> from hypothesis import find
    >>> find(networks("csr"), lambda network: len(network.x) > 2).x.shape[0]
    3
    """
    steps, batch, n, n_in, n_out = draw(sizes(5, distinct, high=7 if distinct else 6))
    pattern = draw(patterns(n, n))
    kind = STORAGES[storage or draw(storages())]
    name = activation or draw(st.sampled_from(["relu", "tanh", "sigmoid"]))
    model = RNN(n_in, kind(pattern), n_out, name, biases=draw(st.sampled_from([2, 1])))
    rng = draw(generators())
    signs = draw(st.sampled_from(["free", "mixed", "all inhibitory"]))
    column = {"free": None, "mixed": rng.choice([-1, 1], (n, 1)), "all inhibitory": -np.ones((n, 1))}[signs]
    params = model.init(rng, dtype=np.float64, w_max=draw(st.sampled_from([1.0, 0.3])), signs=column)
    x = rng.standard_normal((steps, n_in, batch))
    return Network(model, params, x, rng.integers(0, n_out, batch))
