"""Read the curve: which of four curves belongs to which gain, and to which gain step? Drawn anew for every seed."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ..connectivity import full
from ..errors import InputError
from ..measure import predicted_gain
from ..optim import Adam
from ..rnn import RNN
from ..weights import make_weights
from . import small

UNITS, STEPS, TIME = 80, 400, 10
"""Of the network: neurons, steps of training, time steps of a sequence."""
LETTERS = "ABCD"


class Curves(NamedTuple):
    """Four curves in an order that the seed decides.

    Attributes
    ----------
    what : str
        The number that differs, in words.
    numbers : tuple of float
        That of each curve, A to D.
    losses : tuple of list
        The loss before each step.
    why : str
        What decides the order.
    """

    what: str
    numbers: tuple[float, ...]
    losses: tuple[list[float], ...]
    why: str


KINDS = {
    "gain": (
        "gain of the recurrence at the start, g = w̄ N: the factor by which one time step multiplies a uniform activity",
        np.array([0.4, 1.3, 1.7, 2.5]),
        "Above 1 activity and gradient grow with every time step, by g each. Adam remembers the squares of these first "
        "gradients for about 1 / (1 - β₂) = 1,000 steps and divides by their root: the larger g, the longer it waits.",
    ),
    "step": (
        "gain step, η p N: the most by which one step of Adam can change that gain",
        np.array([0.01, 0.1, 1.0, 10.0]),
        "Each of its first steps moves every weight by η, and a neuron has pN of them, which may all move one way. "
        "Far below 1 learning is slow, near 1 it is fast, far above 1 one step ends where nothing can be learnt.",
    ),
}
"""By name: what the number is, the four numbers, and why the curves differ."""


@functools.lru_cache(maxsize=4)
def curves(kind: str, seed: int) -> Curves:
    """Return four curves.

    Parameters
    ----------
    kind : {"gain", "step"}
    seed : int

    Raises
    ------
    ValueError
        If the kind is unknown.

    Examples
    --------
    >>> from minisparse.exercises.read_curve import curves
    >>> len(curves("step", 0).numbers)
    4
    """
    if kind not in KINDS:
        raise InputError(f"there are no curves of {kind!r}; choose one of {', '.join(KINDS)}")
    rng = np.random.default_rng(seed)
    told, chosen, why = KINDS[kind]
    numbers = rng.permutation(chosen * rng.uniform(0.9, 1.1))
    x, labels = small.signs_of_sums(rng, steps=TIME)
    losses = []
    for number in numbers:
        gain, lr = (number, 1e-3) if kind == "gain" else (0.5, number / UNITS)
        model = RNN(2, make_weights(full(UNITS, UNITS), "dense"), 4)
        start = {"w_max": gain / predicted_gain(UNITS, 1.0, 1.0), "signs": np.ones((UNITS, 1))}
        params = model.init(np.random.default_rng(seed), dtype=np.float64, **start)
        losses.append(small.learning(model, params, Adam(lr=lr), x, labels, STEPS))
    return Curves(told, tuple(float(f"{number:.2g}") for number in numbers), tuple(losses), why)
