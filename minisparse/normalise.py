"""How a raw parameter v becomes an effective weight w, and the way back from dw to dv.

Every rule has the protocol ``w, cache = forward(weights, v, *extras)`` and ``grads = backward(dw, cache)``, asks a
storage for nothing but row sums and broadcasts, and names its further parameters in ``extras``.
"""

from __future__ import annotations

from typing import ClassVar

from .backend import Array


class Plain:
    """No normalisation: the raw parameter is the weight, ``w = v`` and ``dv = dw``.

    Examples
    --------
    >>> weights = minisparse.DenseWeights(minisparse.full(1, 2))
    >>> w, cache = minisparse.Plain().forward(weights, numpy.array([[1.0, 2.0]]))
    >>> minisparse.Plain().backward(w, cache)
    {'v': array([[1., 2.]])}
    """

    extras: ClassVar[tuple[str, ...]] = ()

    def forward(self, weights: object, v: Array) -> tuple[Array, None]:
        """Return the effective packed weight and what `backward` needs."""
        return v, None

    def backward(self, dw: Array, cache: None) -> dict[str, Array]:
        """Return the gradient of the raw parameter."""
        return {"v": dw}  # (D1)
