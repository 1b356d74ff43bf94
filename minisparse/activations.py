"""Nonlinearities: the value and its slope side by side.

The slope takes the *value* h, not the argument a: the backward pass needs nothing but what the forward pass kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .backend import Array, array_module
from .errors import InputError


@dataclass(frozen=True)
class Activation:
    """A nonlinearity φ, called on arrays of any shape.

    Attributes
    ----------
    name : str
    value : callable
        a -> h = φ(a).
    slope : callable
        h -> φ'(a), from the value.

    Examples
    --------
    >>> h = minisparse.relu(numpy.array([-1.0, 0.0, 2.0]))
    >>> h, minisparse.relu.slope(h)
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]

    def __call__(self, a: Array) -> Array:
        return self.value(a)

    def __repr__(self) -> str:
        return self.name


def _logistic(a: Array) -> Array:
    xp = array_module(a)
    return 0.5 * (1 + xp.tanh(0.5 * a))


relu = Activation(
    "relu",
    value=lambda a: array_module(a).maximum(a, 0),
    slope=lambda h: (h > 0).astype(h.dtype),  # (N1) the subgradient at a = 0 is 0
)
tanh = Activation(
    "tanh",
    value=lambda a: array_module(a).tanh(a),
    slope=lambda h: 1 - h * h,  # (N2)
)
sigmoid = Activation(
    "sigmoid",
    value=_logistic,
    slope=lambda h: h * (1 - h),  # (N3)
)

ACTIVATIONS = {activation.name: activation for activation in (relu, tanh, sigmoid)}


def get(activation: str | Activation) -> Activation:
    """Look a nonlinearity up by name; an `Activation` is returned as it is."""
    if isinstance(activation, Activation):
        return activation
    if activation not in ACTIVATIONS:
        raise InputError(f"activation {activation!r} is unknown; choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[activation]
