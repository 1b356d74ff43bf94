"""The recurrent layer: a sequence in, the state after every step out, and back-propagation through time by hand."""

from __future__ import annotations

from collections.abc import Container, Sequence
from types import SimpleNamespace

import numpy as np

from . import activations, kernels
from .activations import Activation
from .arguments import expect, generator, number, parameter_of, switch, whole
from .backend import Array
from .errors import InputError
from .identity import written
from .initialise import one_signed, uniform
from .kernels import stacks
from .leak import Leaky, checked
from .normalise import rule_of
from .protocols import Bound, Normaliser, Seed, Weights
from .summary import Summary
from .weights import affine, sum_outer
from .weights.make import as_weights

W_MAX = 1e-3
"""Largest initial recurrent weight of Fruengel & Oberlaender (2025), dimensionless."""


class Recurrent(Summary):
    """A recurrent layer, the part that the recurrent models are made of.

    ``a_t = W_in x_t + b_in + W_rec h_t + b_rec``, plus noise if it is handed in, and
    ``h_{t+1} = (1 - alpha) h_t + alpha φ(a_t)``, with t from 0 to T-1, as the arrays count.

    The cache holds the states, as dW needs every h_t, and what the slope of φ is computed from: the arguments a_t are
    not kept where it can be read from the value.

    Parameters
    ----------
    n_in : int
        Inputs per time step.
    weights : storage, or pattern, mask or SciPy sparse matrix
        The recurrent synapses, square. W_in is a plain dense matrix.
    activation, normalise, biases
        As for `minisparse.RNN`.
    alpha : float
        Share of a state that is new at each step, above 0 and at most 1: the time step over the time constant. With 1
        a state is the activity of its step alone.
    start : bool
        Whether the state before the first step, h_0, is a parameter ``h_init``; else it is 0.

    Examples
    --------
    >>> layer = minisparse.Recurrent(8, minisparse.make_weights(minisparse.full(20, 20)), alpha=0.2)
    >>> params = layer.init(numpy.random.default_rng(1))
    >>> h, cache = layer.forward(params, numpy.ones((5, 8, 3), numpy.float32))
    >>> h.shape
    (5, 20, 3)
    >>> grads = layer.backward(numpy.ones_like(h), cache)
    """

    def __init__(
        self,
        n_in: int,
        weights: Weights,
        activation: str | Activation = "relu",
        normalise: Normaliser | None = None,
        biases: int = 2,
        alpha: float = 1,
        start: bool = False,
    ):
        weights = as_weights(weights)
        if weights.shape[0] != weights.shape[1]:
            raise InputError(f"a recurrent pattern must be square, got {weights.shape[0]} x {weights.shape[1]}")
        biases = whole("biases", biases)
        if biases not in (1, 2):
            raise InputError(f"biases must be 1 or 2, got {biases}")
        self.n_in, self.n = whole("n_in", n_in, 1), weights.shape[0]
        self.weights = {"W_rec": weights}
        self.activation = activations.get(activation)
        self.normalise = rule_of(normalise)
        self.biases = ("b_in", "b_rec")[:biases]
        self.dynamics = Leaky(alpha) if checked(alpha) < 1 else Instant()
        self.start = switch("start", start)
        self.initial = ("h_init",)[: self.start]

    def config(self) -> dict:
        """Describe the structure in plain values."""
        return {
            "n_in": self.n_in,
            "n": self.n,
            "synapses": self.weights["W_rec"].nnz,
            "activation": self.activation.name,
            "normalise": written(self.normalise),
            "biases": len(self.biases),
            "alpha": self.dynamics.alpha,
            "start": self.start,
        }

    def copy(self) -> Recurrent:
        """Return a layer that can be rewired on its own; patterns and storages are shared, being immutable."""
        weights, alpha = self.weights["W_rec"], self.dynamics.alpha
        return Recurrent(self.n_in, weights, self.activation, self.normalise, len(self.biases), alpha, self.start)

    def init(
        self, rng: Seed, dtype: type = np.float32, w_max: float | None = None, signs: np.ndarray | None = None
    ) -> dict[str, Array]:
        """Draw parameters on the host and move them to the current backend; arguments as for `minisparse.RNN.init`.

        Returns
        -------
        dict of arrays
            W_in (n, n_in), W_rec (packed), b_in, b_rec (n, 1), the rule's own (s_rec (1, 1) or g_rec (n, 1)), and
            h_init (n, 1), which is 0, if the layer has it.
        """
        w_max = W_MAX if w_max is None else w_max
        if not number("w_max", w_max) > 0:
            raise InputError(f"w_max, the largest initial weight, must be above 0, got {w_max}")
        rng = generator(rng, "weights")
        bound, weights = self.n**-0.5, self.weights["W_rec"]
        params = {"W_in": uniform(rng, (self.n, self.n_in), bound, dtype)}
        if signs is None:
            params["W_rec"] = weights.from_values(uniform(rng, (weights.nnz,), w_max, dtype))
        else:
            params["W_rec"] = one_signed(rng, weights, w_max, signs, dtype)
        for name in self.biases:
            params[name] = uniform(rng, (self.n, 1), bound, dtype)
        extras = self.normalise.init(weights, params["W_rec"])
        params |= {f"{name}_rec": value for name, value in extras.items()}
        return params | {name: 0 * params["b_in"] for name in self.initial}

    def weight(self, params: dict[str, Array], name: str = "W_rec") -> Array:
        """Return the effective packed weight of a sparse parameter."""
        return self._effective(params)[0]

    def _effective(self, params: dict[str, Array]) -> tuple[Array, object]:
        extras = [parameter_of(params, f"{extra}_rec") for extra in self.normalise.extras]
        return self.normalise.forward(self.weights["W_rec"], parameter_of(params, "W_rec"), *extras)

    def forward(self, params: dict[str, Array], x: Array, noise: Array | None = None) -> tuple[Array, SimpleNamespace]:
        """Run the layer over a batch of sequences.

        Parameters
        ----------
        params : dict of arrays
            As `init` makes them.
        x : (time, n_in, batch)
        noise : (time, n, batch), optional
            Added to the drives; drawn outside, so that a pass with the same noise can be repeated.

        Returns
        -------
        h : (time, n, batch)
            The state after every step.
        cache : namespace
            What `backward` needs: the input, every state ``h`` (time + 1, n, batch) from h_0 on, the bound weights.

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        self.check(params, x, noise)
        w, normalised = self._effective(params)
        W, W_in = self.weights["W_rec"].bind(w), params["W_in"]
        b = sum(params[name] for name in self.biases)
        h = stacks.empty(W_in, (len(x) + 1, self.n, x.shape[2]))

        drive = affine(W_in, x, b)  # (R14) W_in x_t + b (time, units, batch)
        if noise is not None:
            drive = [drive[t] + noise[t] for t in range(len(x))]  # (R19)
        h[0] = 0  # (R1)
        for name in self.initial:
            h[0] = params[name]  # (R18)
        kept = []
        for t in range(len(x)):
            a = W.matmul(h[t], plus=drive[t])  # (R2) (units, batch)
            kept.append(self.dynamics.step(a, h, t, self.activation))

        sparse = {"weights": self.weights["W_rec"], "W": W, "normalised": normalised}
        return h[1:], SimpleNamespace(x=x, h=h, kept=kept, W_in=W_in, **sparse, links={})

    def backward(
        self, dh: Array, cache: SimpleNamespace, wrt_x: bool = False, back: int | None = None
    ) -> dict[str, Array]:
        """Back-propagate through time.

        Parameters
        ----------
        dh : (time, n, batch)
            Gradient of the loss with respect to the state after every step; or fewer, of the last steps alone, if
            nobody hears the states before.
        cache : namespace
            From `forward`; afterwards ``cache.links["W_rec"]`` holds what the recurrent synapses saw,
            (pre, post, dpost), stacks over time.
        wrt_x : bool
            Also return ``"x"``, the gradient of the input.
        back : int, optional
            Truncate: the steps are cut into windows of so many, counted from the last step, and no gradient crosses
            from a window into the one before. In full if omitted.

        Returns
        -------
        dict of arrays
            The keys, shapes and dtypes of the parameters.
        """
        da, dh1 = self.through_time(dh, cache, back)
        x, h, W, first = cache.x, cache.h, cache.W, 1 - len(self.initial)
        dW_in = sum_outer(da, x)  # (R8) (units, inputs)
        db = da.sum(axis=(0, 2))[:, None]  # (R9) (units, 1)
        dw = cache.weights.outer(da[1:], h[1:-1])  # (R10) packed
        start = {}
        for name in self.initial:
            dw += cache.weights.outer(da[:1], h[:1])  # (R24) packed
            dh0 = (1 - self.dynamics.alpha) * dh1 + W.matmul_t(da[0])  # (R25) (units, batch)
            start[name] = dh0.sum(axis=1, keepdims=True)  # (R26) (units, 1)
        dv = self.normalise.backward(dw, cache.normalised)  # (R11)

        grads = {"W_in": dW_in, "W_rec": dv.pop("v"), **{name: db.copy() for name in self.biases}}
        grads |= {**{f"{name}_rec": extra for name, extra in dv.items()}, **start}
        if wrt_x:
            grads["x"] = cache.W_in.T @ da  # (R12) (time, inputs, batch)
        cache.links["W_rec"] = (h[first:-1], h[first + 1 :], da[first:])
        return grads

    def through_time(self, dh: Array, cache: SimpleNamespace, back: int | None = None) -> tuple[Array, Array]:
        """Carry the gradients of the states back to the drives; arguments as for `backward`.

        Returns
        -------
        da : (time, n, batch)
            Gradient of the drive ``a_t`` of every step.
        dh1 : (n, batch)
            Gradient of ``h[1]``, the state after the first step.
        """
        expect(dh=dh, cache=cache)
        x, h, kept = cache.x, cache.h, cache.kept
        if dh.shape[1:] != h.shape[1:] or not 0 < len(dh) <= len(x):
            raise InputError(f"dh must be (time, units, batch) = {tuple(h[1:].shape)}, got {tuple(dh.shape)}")
        quiet = len(x) - len(dh)  # the first states, that nobody hears
        da, dh1 = stacks.zeros(h, h[1:].shape), stacks.zeros(h, h[0].shape)
        steps = kernels.table(h).steps(da)
        for start, stop in windows(len(x), back):  # (R27)
            part, heard = slice(start, stop), dh[max(start - quiet, 0) : max(stop - quiet, 0)]
            sequence = x[part], h[start : stop + 1], kept[part], self.activation
            dh1 = self.dynamics.backward(steps[part], heard, cache.W, *sequence) if len(heard) else 0 * dh1
        return da, dh1

    def check(self, params: dict[str, Array], x: Array, noise: Array | None = None) -> None:
        """Refuse parameters, inputs and noise that do not fit."""
        expect(params=params, x=x, **({} if noise is None else {"noise": noise}))
        if x.ndim != 3 or x.shape[1] != self.n_in or x.shape[0] == 0:
            raise InputError(
                f"W_in expects {self.n_in} inputs per time step but x has shape {tuple(x.shape)}; "
                "x must be (time, units, batch) with at least one time step"
            )
        check_shapes(params, self.shapes(), self.weights)
        wanted = len(x), self.n, x.shape[2]
        if noise is not None and noise.shape != wanted:
            raise InputError(f"noise must be (time, units, batch) = {wanted}, got {tuple(noise.shape)}")

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix, in the order of `init`."""
        columns = dict.fromkeys(self.biases, self.n) | {f"{extra}_rec": self.n for extra in self.normalise.extras}
        columns |= {"s_rec": 1} if "s_rec" in columns else {}
        shapes = {"W_in": (self.n, self.n_in), "W_rec": (self.n, self.n)}
        return shapes | {name: (rows, 1) for name, rows in (columns | dict.fromkeys(self.initial, self.n)).items()}


class Instant:
    """Without a leak the state after a step is its activity: ``h_{t+1} = φ(a_t)``."""

    alpha = 1

    def step(self, a: Array, h: Array, t: int, phi: Activation) -> Array:
        """Write the state after step t into ``h[t + 1]``; returns what the activation's slope is computed from."""
        phi(a, out=h[t + 1])  # (R15)
        return phi.kept(a, h[t + 1])

    def backward(
        self, da: Array, dh: Array, W: Bound, x: Array, h: Array, kept: Sequence[Array], phi: Activation
    ) -> Array:
        """Fill `da`, the gradients of the drives, from the last step to the first.

        Parameters
        ----------
        da : (time, units, batch)
            Zeros, written to.
        dh : (up to time, units, batch)
            Gradient of the states by what reads them outside of the layer: of the last states, one at least; nobody
            hears the others.
        W : bound recurrent weights
        x : (time, inputs, batch)
        h : (time + 1, units, batch)
        kept : list of (units, batch)
            Of each step, what the activation's slope is computed from.
        phi : Activation

        Returns
        -------
        dh : (units, batch)
            Gradient of ``h[1]`` as far as `minisparse.Recurrent` needs it: without a leak, not at all.
        """
        *heard, dh = dh
        slope = phi.factor
        da[-1] = dh * slope(kept[-1])  # (R6)
        for t in reversed(range(len(x) - 1)):  # (R13)
            da[t] = W.matmul_t(da[t + 1], times=slope(kept[t]))  # (R7)
            if len(x) - t - 1 <= len(heard):
                da[t] += heard[t - len(x) + 1] * slope(kept[t])  # (R17)
        return 0 * da[0]


def windows(steps: int, back: int | None) -> list[tuple[int, int]]:
    """Cut steps into windows of `back`, counted from the last step; as (start, stop), the last window first.

    Examples
    --------
    >>> minisparse.recurrent.windows(7, 3), minisparse.recurrent.windows(7, None)
    ([(4, 7), (1, 4), (0, 1)], [(0, 7)])
    """
    size = steps if back is None else whole("back, how many steps a gradient goes back at most,", back, 1)
    return [(max(stop - size, 0), stop) for stop in range(steps, 0, -size)]


def check_shapes(params: dict[str, Array], shapes: dict[str, tuple], packed: Container[str]) -> None:
    """Refuse parameters that are missing or of another shape; of those whose values are packed, the storage judges."""
    for name, shape in shapes.items():
        if parameter_of(params, name).shape != shape and name not in packed:
            raise InputError(f"{name} must have shape {shape}, got {tuple(params[name].shape)}")
