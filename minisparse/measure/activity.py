"""The last hidden states of a network: how many nodes are active, and what the readout makes of fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..arguments import expect, generator, shown, whole
from ..backend import Array, array_module, to_numpy
from ..data.dataset import batches
from ..errors import InputError
from ..protocols import Model, Seed


def last_states(
    model: Model,
    params: dict[str, Array],
    x: Array,
    batch_size: int = 100,
    of: Callable[[Array], Array] = lambda h: h,
) -> np.ndarray:
    """Return what the readout reads of each sample: h_T of a recurrent network, an MLP's last hidden layer.

    Parameters
    ----------
    model, params
    x : (samples, ...) array
    batch_size : int
    of : callable
        What to return of the states (units, batch) of each batch, the samples along the last axis, as `active_share`.
        On a GPU it is worked out there, and no more than that comes to the host.

    Returns
    -------
    (units, samples) array
        On the host, in the dtype of the parameters; or what `of` returns.

    Raises
    ------
    ValueError
        If there is no sample, or no hidden layer.

    Examples
    --------
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(5, 5)), 10)
    >>> params = model.init(numpy.random.default_rng(0))
    >>> minisparse.last_states(model, params, minisparse.load("digits").x_test).shape
    (5, 360)
    """
    expect(model=model, params=params, x=x)
    labels = array_module(x).zeros(x.shape[:1])
    return np.concatenate([to_numpy(of(h)) for h, _ in _last_states(model, params, x, labels, batch_size)], axis=-1)


def _last_states(
    model: Model, params: dict[str, Array], x: Array, labels: Array, batch_size: int
) -> Iterator[tuple[Array, Array]]:
    """Yield the last hidden state (units, batch) and the labels of one batch after the other."""
    expect(model=model, params=params, x=x, labels=labels)
    if not x.shape or not len(x):
        raise InputError("x holds no sample; pass at least one")
    for x_batch, y_batch in batches(x, labels, batch_size):
        _, cache = model.forward(params, x_batch)
        if len(cache.h) < 2:
            raise InputError("the model has no hidden layer; give it one before its readout")
        yield cache.h[-1], y_batch


def active_share(h: Array) -> np.ndarray:
    """Return the share of nodes that are not 0, for each sample (Fruengel & Oberlaender 2025, Fig. 5B).

    Parameters
    ----------
    h : (units, samples)

    Returns
    -------
    (samples,) array
        In [0, 1].

    Examples
    --------
    >>> minisparse.active_share(numpy.array([[0.0, 2.0], [0.0, 0.0]]))
    array([0. , 0.5])
    """
    return to_numpy((checked_states(h) != 0).mean(axis=0))


def dropout_accuracy(
    model: Model,
    params: dict[str, Array],
    x: Array,
    labels: Array,
    shares: Sequence[float],
    rng: Seed,
    batch_size: int = 100,
    copies: int = 1,
) -> np.ndarray:
    """Return the accuracy with some nodes silenced at the readout (Fruengel & Oberlaender 2025, Fig. 5E).

    The last state is multiplied by a 0/1 mask, drawn again for each sample; the run before it is undisturbed, and what
    is left is not rescaled. A node silenced at one share is silenced at every larger one.

    Parameters
    ----------
    model, params
    x : (samples, ...) array
    labels : (samples,) array
    shares : sequence of float
        Probability, in [0, 1], that a node is silenced.
    rng : int, Generator or RandomState
        Draws the same masks whatever `batch_size` is.
    batch_size : int
    copies : int
        Equal neurons that each node stands for (`lab.recipes.Replica`), silenced one by one: what is left of a node's
        state is the share of them that is not.

    Returns
    -------
    (len(shares),) array
        Percent.

    Raises
    ------
    ValueError
        If a share is outside [0, 1], copies is below 1, or there is no sample or no hidden layer.

    Examples
    --------
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(5, 5)), 10)
    >>> params, digits = model.init(numpy.random.default_rng(0)), minisparse.load("digits")
    >>> rng = numpy.random.default_rng(1)
    >>> minisparse.dropout_accuracy(model, params, digits.x_test, digits.y_test, [0, 0.5, 0.9], rng).shape
    (3,)
    """
    expect(model=model, params=params, x=x, labels=labels)
    try:
        shares = np.asarray(shares, float)
    except (TypeError, ValueError):
        raise InputError(f"shares must be a sequence of numbers in [0, 1], got {shown(shares)}") from None
    if shares.ndim != 1 or not ((shares >= 0) & (shares <= 1)).all():
        raise InputError(f"shares must be a sequence of numbers in [0, 1], got {shares.tolist()}")
    if x.shape[:1] != labels.shape[:1] or not labels.shape:
        raise InputError(
            f"there must be one label per sample, got {np.size(labels)} labels for {len(x) if x.ndim else 0} samples"
        )
    copies, rng = whole("copies", copies, 1), generator(rng, "noise")
    xp = array_module(x, labels)
    correct = xp.zeros(len(shares))
    for h, y in _last_states(model, params, x, labels, batch_size):
        drawn = xp.asarray(rng.uniform(size=(*h.shape[::-1], copies)))
        for k, share in enumerate(shares.tolist()):
            left = (drawn >= share).mean(axis=2, dtype=h.dtype).T
            correct[k] += (_readout(model, params, h * left).argmax(axis=0) == y).sum()
    return 100 * to_numpy(correct) / len(x)


def _readout(model: Model, params: dict[str, Array], h: Array) -> Array:
    """Return the logits of a last hidden state."""
    if "W_out" in params:
        return params["W_out"] @ h + params["b_out"]
    last = len(model.weights) - 1
    return model.weights[f"W{last}"].bind(model.weight(params, f"W{last}")).matmul(h) + params[f"b{last}"]


def checked_states(h: Array) -> Array:
    """Return states as they are, a matrix (units, samples) of finite numbers."""
    expect(h=h)
    if h.ndim != 2 or not h.size:
        raise InputError(f"h must be (units, samples) with at least one of each, got shape {h.shape}")
    finite = array_module(h).isfinite(h).all(axis=1)
    if not finite.all():
        wrong = np.flatnonzero(~to_numpy(finite))
        raise InputError(f"h holds nan or inf in {wrong.size} of {len(h)} units, unit {wrong[0]} first; leave them out")
    return h
