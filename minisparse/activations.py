"""Nonlinearities: the value and its slope side by side.

An activation says what a forward pass should keep for its slope: here always the value h, since 1[h > 0], 1 - h² and
h (1 - h) can be read from it; one whose slope needs its argument (GELU, swish) keeps a. The page "An activation of your
own" (docs/own_activation.md) has an example, and `minisparse.testing.laws` tests it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from . import kernels
from .arguments import chosen, shown
from .backend import Array, array_module
from .errors import InputError


@dataclass(frozen=True)
class Activation:
    """A nonlinearity φ, called on arrays of any shape.

    Attributes
    ----------
    name : str
    value : callable
        a -> h = φ(a). If it has a second argument called `out`, that is where it writes.
    slope : callable
        kept -> φ'(a), from what `kept` says.
    keeps : {"value", "argument"}
        What the slope is computed from: h = φ(a), or a.

    Examples
    --------
    >>> h = minisparse.relu(numpy.array([-1.0, 0.0, 2.0]))
    >>> h, minisparse.relu.slope(h)
    (array([0., 0., 2.]), array([0., 0., 1.]))

    One of your own: swish, whose slope needs the argument a. The gradient check sees the slope.

    >>> def slope(a):
    ...     q = minisparse.sigmoid(a)
    ...     return q * (1 + a * (1 - q))
    >>> swish = minisparse.Activation("swish", lambda a: a * minisparse.sigmoid(a), slope, keeps="argument")
    >>> model = minisparse.RNN(2, minisparse.bernoulli(4, 4, 0.5, rng=0), 3, activation=swish)
    >>> params = model.init(rng=0, dtype=float, w_max=0.5)
    >>> minisparse.check(model, params, numpy.random.default_rng(0).standard_normal((3, 2, 5))).ok
    True
    """

    name: str
    value: Callable[..., Array]
    slope: Callable[[Array], Array]
    keeps: str = "value"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not callable(self.value) or not callable(self.slope):
            raise InputError(
                "an Activation needs a name and two functions, value and slope, got "
                f"{shown(self.name)}, {shown(self.value)} and {shown(self.slope)}"
            )
        object.__setattr__(self, "keeps", chosen("keeps", self.keeps, ("value", "argument")))
        object.__setattr__(self, "_writes", _has_out(self.value))

    def kept(self, a: Array, h: Array) -> Array:
        """Return what `slope` needs, the argument or the value, for a forward pass to keep."""
        return h if self.keeps == "value" else a

    def factor(self, kept: Array) -> Array:
        """Return the slope, for a gradient to be multiplied with.

        Where a kernel can work it out within the multiplication, it is no array.
        """
        return kernels.table(kept).factor(self.slope, kept)

    def __call__(self, a: Array, out: Array | None = None) -> Array:
        if self._writes:
            return self.value(a, out=out)
        h = self.value(a)
        if out is None:
            return h
        out[...] = h
        return out

    def __repr__(self) -> str:
        return self.name


def _has_out(value: Callable) -> bool:
    """Whether a function has an argument called out, to write into."""
    try:
        return "out" in inspect.signature(value).parameters
    except (TypeError, ValueError):  # NumPy's own do not say
        return False


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
    """Look a nonlinearity up by name, in upper or lower case; an `Activation` is returned as it is."""
    if isinstance(activation, Activation):
        return activation
    if callable(activation):
        raise InputError(
            f"an activation must be a name or a minisparse.Activation, with its slope, got {shown(activation)}"
        )
    return ACTIVATIONS[chosen("activation", activation, ACTIVATIONS)]
