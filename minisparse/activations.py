"""Nonlinearities: the value and its slope side by side.

An activation says what a forward pass should keep for its slope: here always the value h, since 1[h > 0], 1 - h² and
h (1 - h) can be read from it; one whose slope needs its argument keeps a.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import kernels
from .backend import Array, array_module
from .errors import InputError


@dataclass(frozen=True)
class Activation:
    """A nonlinearity φ, called on arrays of any shape.

    Attributes
    ----------
    name : str
    value : callable
        a -> h = φ(a), or into `out`.
    slope : callable
        kept -> φ'(a), from what `kept` says.
    keeps : {"value", "argument"}
        What the slope is computed from: h = φ(a), or a.

    Examples
    --------
    >>> h = minisparse.relu(numpy.array([-1.0, 0.0, 2.0]))
    >>> h, minisparse.relu.slope(h)
    (array([0., 0., 2.]), array([0., 0., 1.]))
    """

    name: str
    value: Callable[[Array, Array | None], Array]
    slope: Callable[[Array], Array]
    keeps: str = "value"

    def kept(self, a: Array, h: Array) -> Array:
        """Return what `slope` needs, the argument or the value, for a forward pass to keep."""
        return h if self.keeps == "value" else a

    def __call__(self, a: Array, out: Array | None = None) -> Array:
        return self.value(a, out)

    def __repr__(self) -> str:
        return self.name


def _logistic(a: Array, out: Array | None = None) -> Array:
    h = array_module(a).tanh(0.5 * a, out=out)
    h += 1
    h *= 0.5
    return h


relu = Activation(
    "relu",
    value=lambda a, out: kernels.table(a).relu(a, out),
    slope=lambda h: (h > 0).astype(h.dtype),  # (N1) the subgradient at a = 0 is 0
)
tanh = Activation(
    "tanh",
    value=lambda a, out: array_module(a).tanh(a, out=out),
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
