"""Hypothesis strategies for gradient checks of your own, and the ones this library is tested with.

Shapes are drawn, values come from a drawn seed: examples are fast and shrink to small shapes. Needs the extra ``test``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from .backend import Array
from .connectivity import Pattern, full
from .rnn import RNN
from .weights import STORAGES


@dataclass(frozen=True)
class Network:
    """A model with parameters, a batch of sequences and labels, all in float64."""

    model: RNN
    params: dict[str, Array]
    x: np.ndarray
    labels: np.ndarray


def generators() -> st.SearchStrategy[np.random.Generator]:
    """Draw a seeded ``numpy.random.Generator``."""
    return st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def patterns(draw: st.DrawFn, n_post: int, n_pre: int) -> Pattern:
    """Draw the synapses of a layer, the degenerate cases among them: one synapse, an empty row, an empty column, full.

    Parameters
    ----------
    n_post, n_pre : int

    Returns
    -------
    strategy of Pattern
    """
    kind = draw(st.sampled_from(["random", "full", "one synapse", "an empty row", "an empty column"]))
    if kind == "full":
        return full(n_post, n_pre)
    rng = draw(generators())
    mask = rng.random((n_post, n_pre)) < draw(st.floats(0.1, 0.9))
    place = rng.integers(n_post), rng.integers(n_pre)
    if kind == "one synapse":
        mask[:] = False
    mask[place] = True
    if kind == "an empty row":
        mask[rng.integers(n_post)] = False
    if kind == "an empty column":
        mask[:, rng.integers(n_pre)] = False
    return Pattern.from_mask(mask)


@st.composite
def networks(draw: st.DrawFn, storage: str | None = None, activation: str | None = None) -> Network:
    """Draw a recurrent network ready for a gradient check.

    Sizes reach down to one time step, one example and one class; signs may be free, mixed, or all inhibitory.

    Parameters
    ----------
    storage : {"dense", "csr"}, optional
        Drawn if omitted.
    activation : {"relu", "tanh", "sigmoid"}, optional
        Drawn if omitted.

    Returns
    -------
    strategy of Network

    Examples
    --------
    >>> from hypothesis import find
    >>> find(networks("csr"), lambda network: len(network.x) > 2).x.shape[0]
    3
    """
    steps, batch, n, n_in, n_out = (draw(st.integers(1, high)) for high in (6, 4, 8, 4, 5))
    pattern = draw(patterns(n, n))
    kind = STORAGES[storage or draw(st.sampled_from(sorted(STORAGES)))]
    name = activation or draw(st.sampled_from(["relu", "tanh", "sigmoid"]))
    model = RNN(n_in, kind(pattern), n_out, name, biases=draw(st.sampled_from([2, 1])))
    rng = draw(generators())
    signs = draw(st.sampled_from(["free", "mixed", "all inhibitory"]))
    column = {"free": None, "mixed": rng.choice([-1, 1], (n, 1)), "all inhibitory": -np.ones((n, 1))}[signs]
    params = model.init(rng, dtype=np.float64, w_max=draw(st.sampled_from([1.0, 0.3])), signs=column)
    x = rng.standard_normal((steps, n_in, batch))
    return Network(model, params, x, rng.integers(0, n_out, batch))
