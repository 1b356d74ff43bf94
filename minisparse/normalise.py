"""How a raw parameter v becomes an effective weight w, and the way back from dw to dv.

Every rule has the protocol ``w, cache = forward(weights, v, *extras)`` and ``grads = backward(dw, cache)``, asks a
storage for nothing but row sums and broadcasts, and names its further parameters in ``extras``.

All of Bird & Cuntz's rules are one formula, ``w_i = c_i v_i / size(v_i)``, for neuron i with raw afferents v_i: a rule
is a size, and a scale c that is shared (s) or each neuron's own (g_i). With ``G_i`` the gradient of w_i on the existing
synapses, ``dv_i = c_i/size_i (G_i - (G_i·v_i)/size_i ∂size_i/∂v_i)`` and ``dc_i = G_i·v_i / size_i``.
"""

from __future__ import annotations

import numbers
from typing import ClassVar

from .arguments import number, shown
from .backend import Array, array_module
from .errors import InputError
from .protocols import Normaliser, Weights

PAPER_SCALE = 25.0
"""Initial s and g of Bird & Cuntz's code, dimensionless; the text gives none."""


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

    def __repr__(self) -> str:
        return "Plain"

    def init(self, weights: Weights, v: Array) -> dict[str, Array]:
        """Return the initial values of the further parameters: none."""
        return {}

    def forward(self, weights: Weights, v: Array) -> tuple[Array, None]:
        """Return the effective packed weight and what `backward` needs."""
        return v, None

    def backward(self, dw: Array, cache: None) -> dict[str, Array]:
        """Return the gradient of the raw parameter."""
        return {"v": dw}  # (D1)


class Scaled:
    """A weight that is its raw parameter over a size per neuron, times a scale: ``w_i = c_i v_i / size(v_i)``.

    A rule of your own inherits from it and writes `size`; the page "A normaliser of your own" (docs/own_normaliser.md)
    has an example, and `minisparse.testing.laws` tests it.

    Parameters
    ----------
    init_scale : {"paper", "matched"} or float
        c starts at 25, at the size (which leaves the scale of the weights as it was drawn), or at this number.
    shared : bool
        One scale s for the layer, (1, 1); otherwise each neuron has its g_i, (n_post, 1).

    Examples
    --------
    >>> class Largest(minisparse.normalise.Scaled):
    ...     def size(self, weights, v):
    ...         largest = abs(weights.unpack(v)).max(axis=1, keepdims=True)
    ...         return largest, numpy.sign(v) * (abs(v) == weights.by_row(largest))
    >>> minisparse.testing.laws(Largest(shared=False)).failed
    []
    """

    def __init__(self, init_scale: str | float = "paper", shared: bool = True):
        if isinstance(init_scale, str):
            init_scale, known = init_scale.lower(), init_scale.lower() in ("paper", "matched")
        else:
            known = isinstance(init_scale, numbers.Real) and init_scale > 0
        if not known:
            raise InputError(
                f"init_scale {init_scale!r} is unknown; choose paper (25), matched (no change of scale) or a positive "
                "number"
            )
        self.init_scale, self.shared = init_scale, shared
        self.extras = ("s",) if shared else ("g",)

    def __repr__(self) -> str:
        return type(self).__name__

    def size(self, weights: Weights, v: Array) -> tuple[Array, Array | None]:
        """Return each neuron's size, and how it depends on the raw parameter: what a rule of your own writes.

        Parameters
        ----------
        weights : storage
            For row sums and broadcasts.
        v : array
            Packed raw parameter.

        Returns
        -------
        size : (n_post, 1)
            At least 0; a neuron of size 0 has weights of 0.
        dsize : packed, or None
            ``∂size_i / ∂v_ij`` of each synapse; None if the size does not depend on v.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method size(weights, v)")

    def init(self, weights: Weights, v: Array) -> dict[str, Array]:
        """Return the initial scale: 25 ("paper"), a given number, or one that keeps the raw scale ("matched").

        Parameters
        ----------
        weights : storage
        v : array
            Packed raw parameter.

        Returns
        -------
        dict
            ``{"s": (1, 1)}`` or ``{"g": (n_post, 1)}``, dimensionless.
        """
        size, _ = self.size(weights, v)
        if self.init_scale != "matched":
            value = PAPER_SCALE if self.init_scale == "paper" else self.init_scale
            size = array_module(v).full(size.shape, value, dtype=v.dtype)
        return {"s": size.mean(keepdims=True)} if self.shared else {"g": size}

    def forward(self, weights: Weights, v: Array, scale: Array) -> tuple[Array, tuple]:
        """Return the effective packed weight and what `backward` needs.

        Parameters
        ----------
        weights : storage
        v : array
            Packed raw parameter.
        scale : (1, 1) or (n_post, 1)
            The shared s, or each neuron's g.
        """
        expected = (1, 1) if self.shared else (weights.shape[0], 1)
        if scale.shape != expected:
            raise InputError(f"the scale of {self!r} must be a column {expected}, got shape {tuple(scale.shape)}")
        size, dsize = self.size(weights, v)
        inverse = _inverse(size)
        factor = weights.by_row(scale * inverse)
        w = v * factor  # (D2)
        return w, (weights, v, factor, inverse, dsize)

    def backward(self, dw: Array, cache: tuple) -> dict[str, Array]:
        """Return the gradients of the raw parameter and of the scale; a row without size gets zeros."""
        weights, v, factor, inverse, dsize = cache
        dscale = weights.row_dot(dw, v) * inverse  # (D3)
        across = dw if dsize is None else dw - dsize * weights.by_row(dscale)  # (D4)
        dv = across * factor  # (D5)
        if self.shared:
            return {"v": weights.masked(dv), "s": dscale.sum(keepdims=True)}
        return {"v": weights.masked(dv), "g": dscale}


class Dendritic(Scaled):
    """Dendritic normalisation, ``w_i = s v_i / n_i`` with n_i the number of afferents (Bird & Cuntz, Eq 1 and 2).

    n_i counts existing synapses, whatever their value; it does not change while weights are learnt.

    Parameters
    ----------
    init_scale : {"paper", "matched"} or float
        s starts at 25, at the mean of n_i (which leaves the scale of the weights as it was drawn), or at this number.
    shared : bool
        One s for the layer, (1, 1); otherwise each neuron has its g_i, (n_post, 1).

    Examples
    --------
    >>> weights = minisparse.DenseWeights(minisparse.full(1, 2))
    >>> rule = minisparse.Dendritic()
    >>> w, cache = rule.forward(weights, numpy.array([[3.0, 4.0]]), numpy.array([[10.0]]))
    >>> w, rule.backward(numpy.array([[1.0, 2.0]]), cache)
    (array([[15., 20.]]), {'v': array([[ 5., 10.]]), 's': array([[5.5]])})
    """

    def size(self, weights: Weights, v: Array) -> tuple[Array, None]:
        return weights.afferents(v), None


class LpConstant(Scaled):
    """One norm and one excitability for all, ``w_i = s v_i / ‖v_i‖_p`` (Bird & Cuntz, Eq 5).

    Parameters
    ----------
    p : float
        At least 1, or 0 for the number of afferents. The subgradient of |v| at 0 is 0.
    init_scale : {"paper", "matched"} or float
        As for `Dendritic`.

    Raises
    ------
    ValueError
        If p is neither 0 nor at least 1.

    Examples
    --------
    >>> weights = minisparse.DenseWeights(minisparse.full(1, 2))
    >>> w, _ = minisparse.LpConstant(2).forward(weights, numpy.array([[3.0, 4.0]]), numpy.array([[10.0]]))
    >>> w
    array([[6., 8.]])
    """

    def __init__(self, p: float, init_scale: str | float = "paper", shared: bool = True):
        super().__init__(init_scale, shared)
        if not (number("p", p) == 0 or p >= 1):
            raise InputError(f"p must be at least 1, or 0 for the number of afferents, got {p}")
        self.p = p

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.p:g})"

    def size(self, weights: Weights, v: Array) -> tuple[Array, Array | None]:
        if self.p == 0:
            return weights.afferents(v), None
        size, unit = _norm(weights, v, self.p)
        xp = array_module(v)
        return size, xp.sign(v) * abs(unit) ** (self.p - 1) if self.p > 1 else xp.sign(v)

    def invariants(self, weights: Weights, v: Array, w: Array, scale: Array) -> dict[str, tuple[Array, Array]]:
        """Return what holds for every weight of this rule, as (found, expected): `minisparse.testing.laws` compares."""
        if self.p == 0:
            return {}
        found, given = _norm(weights, w, self.p)[0], _norm(weights, v, self.p)[0] > 0
        return {f"each neuron's norm, with p = {self.p:g}, is its scale": (found, abs(scale) * given)}


class LpVariable(LpConstant):
    """One norm, an excitability for each neuron, ``w_i = g_i v_i / ‖v_i‖_p`` (Bird & Cuntz, Eq 6).

    p = 2 is weight normalisation (Salimans & Kingma 2016); p = 0 is dendritic with a scale for each neuron.

    Parameters
    ----------
    p : float
        At least 1, or 0 for the number of afferents.
    init_scale : {"paper", "matched"} or float
        g_i starts at 25, or at ‖v_i‖_p.
    """

    def __init__(self, p: float, init_scale: str | float = "paper"):
        super().__init__(p, init_scale, shared=False)


class Joint(Scaled):
    """Dendritic and L2 together, ``w_i = g_i v_i / (n_i ‖v_i‖₂)`` (Bird & Cuntz, Eq 3 and 4).

    Parameters
    ----------
    init_scale : {"paper", "matched"} or float
        g_i starts at 25, or at n_i ‖v_i‖₂.

    Examples
    --------
    >>> weights = minisparse.DenseWeights(minisparse.full(1, 2))
    >>> rule = minisparse.Joint()
    >>> w, cache = rule.forward(weights, numpy.array([[3.0, 4.0]]), numpy.array([[10.0]]))
    >>> rule.backward(numpy.array([[1.0, 2.0]]), cache)
    {'v': array([[-0.32,  0.24]]), 'g': array([[1.1]])}
    """

    def __init__(self, init_scale: str | float = "paper"):
        super().__init__(init_scale, shared=False)

    def size(self, weights: Weights, v: Array) -> tuple[Array, Array]:
        norm, unit = _norm(weights, v, 2)
        count = weights.afferents(v)
        return count * norm, unit * weights.by_row(count)


def _norm(weights: Weights, v: Array, p: float) -> tuple[Array, Array]:
    """Return ‖v_i‖_p per neuron and v_i / ‖v_i‖_p (0 where the norm is)."""
    size = weights.row_sum(abs(v) ** p) ** (1 / p)
    return size, v * weights.by_row(_inverse(size))


def _inverse(size: Array) -> Array:
    """Return 1 / size, and 0 where the size is 0: such a row has weights of 0 and gets no gradient."""
    where = array_module(size).where
    return where(size > 0, 1 / where(size > 0, size, 1), 0 * size)


def WeightNorm(init_scale: str | float = "matched") -> LpVariable:
    """Return weight normalisation (Salimans & Kingma 2016), `LpVariable` with p = 2; g_i starts at ‖v_i‖₂.

    Examples
    --------
    >>> minisparse.WeightNorm()
    LpVariable(2)
    """
    return LpVariable(2, init_scale)


def rule_of(normalise: Normaliser | None) -> Normaliser:
    """Return a rule as it is, and `Plain` for none.

    Examples
    --------
    >>> minisparse.normalise.rule_of(None)
    Plain
    """
    if normalise is None:
        return Plain()
    if isinstance(normalise, type) or not all(hasattr(normalise, name) for name in ("extras", "forward", "backward")):
        raise InputError(f"normalise must be a rule, such as minisparse.Dendritic(), got {shown(normalise)}")
    return normalise
