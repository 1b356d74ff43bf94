"""How a recurrent state goes on from one step to the next: at once, or with a leak. Forward and backward, by hand."""

from __future__ import annotations

from collections.abc import Sequence

from .activations import Activation
from .arguments import number
from .backend import Array
from .errors import InputError
from .kernels import stacks
from .protocols import Bound


class Leaky:
    """The state keeps a share of itself: ``h_{t+1} = (1 - alpha) h_t + alpha φ(a_t)``.

    It is an Euler step of ``τ dh/dt = -h + φ(a)``, with ``alpha = Δt / τ`` for a step Δt and a time constant τ.

    Parameters
    ----------
    alpha : float
        Above 0, at most 1. With 1 nothing is kept, and the numbers are those of `minisparse.recurrent.Instant`.

    Examples
    --------
    >>> h, drive = numpy.zeros((2, 1, 1)), numpy.ones((1, 1))
    >>> kept = minisparse.leak.Leaky(0.25).step(drive, h, 0, minisparse.relu)
    >>> h[1]
    array([[0.25]])
    """

    def __init__(self, alpha: float):
        self.alpha = checked(alpha)

    def step(self, a: Array, h: Array, t: int, phi: Activation) -> Array:
        """Write the state after step t into ``h[t + 1]``; returns what the activation's slope is computed from.

        Parameters
        ----------
        a : (units, batch)
            Drive of step t.
        h : (time + 1, units, batch)
        t : int
        phi : Activation
        """
        r = phi(a)
        h[t + 1] = (1 - self.alpha) * h[t] + self.alpha * r  # (R20)
        return phi.kept(a, r)

    def backward(
        self, da: Array, dh: Array, W: Bound, x: Array, h: Array, kept: Sequence[Array], phi: Activation
    ) -> Array:
        """Fill `da` from the last step to the first; arguments as for `minisparse.recurrent.Instant.backward`.

        Returns
        -------
        dh : (units, batch)
            The whole gradient of the state after the first step, ``h[1]``.
        """
        alpha, slope, heard = self.alpha, phi.factor, dh
        dh = stacks.zeros(h, h.shape)
        dh[-len(heard) :] = heard
        for t in reversed(range(len(x))):  # (R21)
            da[t] = alpha * dh[t + 1] * slope(kept[t])  # (R22)
            dh[t] += (1 - alpha) * dh[t + 1] + W.matmul_t(da[t])  # (R23)
        return dh[1]


def checked(alpha: float) -> float:
    """Refuse a leak that is none.

    Examples
    --------
    >>> minisparse.leak.checked(0)
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: alpha, the share of a state that is new at each step, must be above 0 and at most 1, got 0
    """  # noqa: E501
    if not 0 < number("alpha", alpha) <= 1:
        raise InputError(
            f"alpha, the share of a state that is new at each step, must be above 0 and at most 1, got {alpha}"
        )
    return float(alpha)
