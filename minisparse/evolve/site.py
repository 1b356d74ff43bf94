"""One parameter of a network, for a rule to look at, and the exchange of its synapses for others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arguments import parameter_of
from ..backend import Array, array_module, to_numpy
from ..groups import labelled
from ..protocols import Model, Optimiser, Weights
from .places import at_places, flat_places


@dataclass(frozen=True)
class Rewired:
    """What one rewiring did to one parameter.

    Attributes
    ----------
    pruned, grown : (count, 2) int64
        (post, pre) of the synapses that went and came, in pattern order. A place may be in both.
    """

    pruned: np.ndarray
    grown: np.ndarray


@dataclass(frozen=True)
class Site:
    """What a rule may look at: a parameter, its raw and effective values in pattern order, what its synapses saw."""

    name: str
    weights: Weights
    values: np.ndarray
    effective: np.ndarray
    link: tuple[Array, Array, Array] | None


def site_of(model: Model, params: dict[str, Array], name: str, links: dict | None) -> Site:
    """Return what a rule may look at in one parameter."""
    weights = model.weights[name]
    values, effective = (to_numpy(weights.values(w)) for w in (parameter_of(params, name), model.weight(params, name)))
    return Site(name, weights, values, effective, (links or {}).get(name))


def exchange(
    model: Model,
    params: dict[str, Array],
    opt: Optimiser,
    name: str,
    keep: np.ndarray,
    places: np.ndarray,
    fresh: np.ndarray,
) -> Rewired:
    """Put a new pattern in force: survivors keep value and moments, newcomers get `fresh` and moments of 0.

    Parameters
    ----------
    model, params, opt
        Changed in place.
    name : str
        Of a sparse parameter.
    keep : (nnz,) bool
        Which synapses stay, in pattern order.
    places : (count,) int64
        Of the new ones, post * n_pre + pre, ascending; none of them held by a synapse that stays.
    fresh : (count,)
        Their raw values.

    Returns
    -------
    Rewired

    Examples
    --------
    >>> model = minisparse.MLP([minisparse.make_weights(numpy.eye(2))])
    >>> params, keep = model.init(0), numpy.array([True, False])
    >>> minisparse.evolve.exchange(model, params, minisparse.SGD(), "W0", keep, numpy.array([1]), numpy.zeros(1)).grown
    array([[0, 1]])
    """
    weights = model.weights[name]
    n_pre, old = weights.shape[1], flat_places(weights.pattern)
    event = Rewired(np.stack(np.divmod(old[~keep], n_pre), axis=1), np.stack(np.divmod(places, n_pre), axis=1))
    if keep.all() and not places.size:
        return event
    merged = np.concatenate([old[keep], places])
    order = np.argsort(merged, kind="stable")
    rewired = type(weights)(labelled(at_places(merged[order], weights.shape), weights.pattern.groups))

    def carried(packed: Array, newcomers: np.ndarray) -> Array:
        values = to_numpy(weights.values(packed))
        values = np.concatenate([values[keep], newcomers.astype(values.dtype)])[order]
        return rewired.from_values(array_module(packed).asarray(values))

    params[name] = carried(params[name], fresh)
    for key, value in opt.state.items():
        if key.partition(".")[2] == name:
            opt.state[key] = carried(value, np.zeros(places.size))
    model.weights[name] = rewired
    return event
