"""Clipping of gradients, a hook of `fit` for before_step."""

from __future__ import annotations

from .arguments import number
from .backend import Array
from .errors import InputError
from .protocols import Run


class ClipNorm:
    """Shorten the gradient to a length, all parameters together, if it is longer; its direction stays.

    ``g ← g · min(1, max_norm / |g|)`` with the root |g| of the sum of squares (Pascanu, Mikolov & Bengio 2013). A
    recurrent network's gradient may explode: one such step throws the weights far off, and an optimiser with a memory
    of squares, as Adam has, takes short steps for long afterwards.

    Parameters
    ----------
    max_norm : float
        Above 0, in units of the gradient.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> run = SimpleNamespace(grads={"W": numpy.array([3.0]), "b": numpy.array([4.0])})
    >>> minisparse.ClipNorm(1.0)(run)
    >>> run.grads
    {'W': array([0.6]), 'b': array([0.8])}
    """

    def __init__(self, max_norm: float):
        if not number("max_norm", max_norm) > 0:
            raise InputError(f"max_norm, the largest length of a gradient, must be above 0, got {max_norm}")
        self.max_norm = max_norm

    def __call__(self, run: Run) -> None:
        """Shorten ``run.grads``, if they are too long."""
        grads = run.grads or {}
        length = norm(grads)
        if length > self.max_norm:
            run.grads = {name: grad * (self.max_norm / length) for name, grad in grads.items()}


def norm(grads: dict[str, Array]) -> float:
    """Return the length of a gradient, all parameters together.

    Examples
    --------
    >>> minisparse.clip.norm({"W": numpy.array([3.0]), "b": numpy.array([4.0])})
    5.0
    """
    return float(sum((grad.astype(float) ** 2).sum() for grad in grads.values()) ** 0.5)
