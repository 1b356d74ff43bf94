"""The recurrent network: forward through time, and back-propagation through time by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from . import activations
from .activations import Activation
from .arguments import generator, number, parameter_of, whole
from .backend import Array, array_module
from .errors import InputError
from .initialise import one_signed, uniform
from .normalise import rule_of
from .protocols import Bound, Normaliser, Seed, Weights
from .summary import Summary
from .threads import share_threads
from .weights import affine, sum_outer
from .weights.make import as_weights

W_MAX = 1e-3
"""Largest initial recurrent weight of Fruengel & Oberlaender (2025), dimensionless."""


class RNN(Summary):
    """A recurrent layer with a readout of its last state (Fruengel & Oberlaender 2025, Methods).

    ``a_t = W_in x_t + b_in + W_rec h_t + b_rec``, ``h_{t+1} = φ(a_t)``, ``h_0 = 0``, ``logits = W_out h_T + b_out``,
    with t from 0 to T-1, as the arrays count.

    The cache holds the states, as dW needs every h_t, and what the slope of φ is computed from: the arguments a_t are
    not kept where it can be read from the value.

    Parameters
    ----------
    n_in : int
        Inputs per time step.
    weights : storage, or pattern, mask or SciPy sparse matrix
        The recurrent synapses, square; what is no storage goes through `make_weights`. W_in and W_out are plain dense
        matrices.
    n_out : int
        Classes.
    activation : str or Activation
        "relu", "tanh" or "sigmoid".
    normalise : Plain, Dendritic, Joint, LpConstant or LpVariable, optional
        Rule from raw parameter to recurrent weight, `Plain` if omitted.
    biases : {2, 1}
        The reference has two recurrent biases with equal gradients, so their sum moves at twice the learning rate;
        with one bias it is a different model.

    Attributes
    ----------
    weights : dict
        ``{"W_rec": storage}``: the one place that says which synapses are in force.

    Raises
    ------
    ValueError
        If the recurrent pattern is not square, or a name is unknown.

    Examples
    --------
    >>> pattern = minisparse.bernoulli(20, 20, 0.5, numpy.random.default_rng(0))
    >>> model = minisparse.RNN(8, minisparse.make_weights(pattern), 10)
    >>> params = model.init(numpy.random.default_rng(1))
    >>> logits, cache = model.forward(params, numpy.ones((5, 8, 3), numpy.float32))
    >>> logits.shape
    (10, 3)
    """

    def __init__(
        self,
        n_in: int,
        weights: Weights,
        n_out: int,
        activation: str | Activation = "relu",
        normalise: Normaliser | None = None,
        biases: int = 2,
    ):
        weights = as_weights(weights)
        if weights.shape[0] != weights.shape[1]:
            raise InputError(f"a recurrent pattern must be square, got {weights.shape[0]} x {weights.shape[1]}")
        n_in, n_out, biases = whole("n_in", n_in), whole("n_out", n_out), whole("biases", biases)
        if biases not in (1, 2):
            raise InputError(f"biases must be 1 or 2, got {biases}")
        if n_in < 1 or n_out < 1:
            raise InputError(f"n_in and n_out must be at least 1, got {n_in} and {n_out}")
        self.n_in, self.n, self.n_out = n_in, weights.shape[0], n_out
        self.weights = {"W_rec": weights}
        self.activation = activations.get(activation)
        self.normalise = rule_of(normalise)
        self.biases = ("b_in", "b_rec")[:biases]

    def config(self) -> dict:
        """Describe the structure in plain values: two models with equal configs can share parameters."""
        return {
            "model": type(self).__name__,
            "n_in": self.n_in,
            "n": self.n,
            "n_out": self.n_out,
            "synapses": self.weights["W_rec"].nnz,
            "activation": self.activation.name,
            "normalise": repr(self.normalise),
            "biases": len(self.biases),
        }

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix, in the order of `init`."""
        shapes = {"W_in": (self.n, self.n_in), "W_rec": (self.n, self.n), **dict.fromkeys(self.biases, (self.n, 1))}
        shapes |= {"W_out": (self.n_out, self.n), "b_out": (self.n_out, 1)}
        return shapes | {f"{extra}_rec": (1 if extra == "s" else self.n, 1) for extra in self.normalise.extras}

    def copy(self) -> RNN:
        """Return a model that can be rewired on its own; patterns and storages are shared, being immutable."""
        twin = RNN(self.n_in, self.weights["W_rec"], self.n_out, self.activation, self.normalise, len(self.biases))
        twin.weights = dict(self.weights)
        return twin

    def init(
        self, rng: Seed, dtype: type = np.float32, w_max: float | None = None, signs: np.ndarray | None = None
    ) -> dict[str, Array]:
        """Draw parameters on the host and move them to the current backend.

        Everything but W_rec is uniform in ±1/√n (the published code keeps its framework's defaults); W_rec is uniform
        in ±w_max, or with `signs` uniform in [0, w_max) times the sign of the presynaptic neuron.

        Parameters
        ----------
        rng : int, Generator or RandomState
            Advanced by the same amount for every storage, backend and dtype.
        dtype : dtype
        w_max : float, optional
            Largest magnitude of a recurrent weight, 0.001 if omitted.
        signs : (n, 1), optional
            Sign of each neuron's outgoing weights, times its strength where that is not 1.

        Returns
        -------
        dict of arrays
            W_in (n, n_in), W_rec (packed), b_in, b_rec (n, 1), W_out (n_out, n), b_out (n_out, 1), and the rule's own:
            s_rec (1, 1) or g_rec (n, 1).
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
        params["W_out"] = uniform(rng, (self.n_out, self.n), bound, dtype)
        params["b_out"] = uniform(rng, (self.n_out, 1), bound, dtype)
        extras = self.normalise.init(weights, params["W_rec"])
        return params | {f"{name}_rec": value for name, value in extras.items()}

    def weight(self, params: dict[str, Array], name: str = "W_rec") -> Array:
        """Return the effective packed weight of a sparse parameter."""
        return self._effective(params)[0]

    def _effective(self, params: dict[str, Array]) -> tuple[Array, object]:
        extras = [parameter_of(params, f"{extra}_rec") for extra in self.normalise.extras]
        return self.normalise.forward(self.weights["W_rec"], parameter_of(params, "W_rec"), *extras)

    @share_threads
    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, SimpleNamespace]:
        """Run the network over a batch of sequences.

        Parameters
        ----------
        params : dict of arrays
            As `init` makes them.
        x : (time, n_in, batch)

        Returns
        -------
        logits : (n_out, batch)
        cache : namespace
            What `backward` needs: the input, every state ``h`` (time + 1, n, batch) with ``h[0] = 0``, and the
            bound weights.

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        array_module(x, *params.values())
        self._check(params, x)
        w, normalised = self._effective(params)
        W, W_in, W_out = self.weights["W_rec"].bind(w), params["W_in"], params["W_out"]
        b = sum(params[name] for name in self.biases)

        h, kept = states(W, W_in, b, x, self.activation)
        logits = W_out @ h[-1] + params["b_out"]  # (R3) (classes, batch)

        sparse = {"weights": self.weights["W_rec"], "W": W, "normalised": normalised}
        return logits, SimpleNamespace(x=x, h=h, kept=kept, W_in=W_in, W_out=W_out, **sparse, links={})

    @share_threads
    def backward(self, dlogits: Array, cache: SimpleNamespace, wrt_x: bool = False) -> dict[str, Array]:
        """Back-propagate through time, in full.

        Parameters
        ----------
        dlogits : (n_out, batch)
            Gradient of the loss with respect to the logits.
        cache : namespace
            From `forward`; afterwards ``cache.links["W_rec"]`` holds what the recurrent synapses saw,
            (pre, post, dpost), stacks over time.
        wrt_x : bool
            Also return ``"x"``, the gradient of the input.

        Returns
        -------
        dict of arrays
            The keys, shapes and dtypes of the parameters.
        """
        x, h, W_out = cache.x, cache.h, cache.W_out
        if dlogits.shape != (self.n_out, x.shape[2]):
            raise InputError(f"dlogits must be (n_out, batch) = {(self.n_out, x.shape[2])}, got {dlogits.shape}")

        dW_out = dlogits @ h[-1].T  # (R4) (classes, units)
        db_out = dlogits.sum(axis=1, keepdims=True)  # (R5) (classes, 1)
        dh = W_out.T @ dlogits  # (R16) (units, batch)
        da = back_through_time(dh, cache.W, x, h, cache.kept, self.activation)
        dW_in = sum_outer(da, x)  # (R8) (units, inputs)
        db = da.sum(axis=(0, 2))[:, None]  # (R9) (units, 1)
        dw = cache.weights.outer(da[1:], h[1:-1])  # (R10) packed
        dv = self.normalise.backward(dw, cache.normalised)  # (R11)

        grads = {"W_in": dW_in, "W_rec": dv.pop("v"), **{name: db.copy() for name in self.biases}}
        grads |= {"W_out": dW_out, "b_out": db_out, **{f"{name}_rec": extra for name, extra in dv.items()}}
        if wrt_x:
            grads["x"] = cache.W_in.T @ da  # (R12) (time, inputs, batch)
        cache.links["W_rec"] = (h[1:-1], h[2:], da[1:])
        return grads

    def _check(self, params: dict[str, Array], x: Array) -> None:
        if x.ndim != 3 or x.shape[1] != self.n_in or x.shape[0] == 0:
            raise InputError(
                f"W_in expects {self.n_in} inputs per time step but x has shape {tuple(x.shape)}; "
                "x must be (time, units, batch) with at least one time step"
            )
        for name, shape in self.shapes().items():
            if parameter_of(params, name).shape != shape and name != "W_rec":
                raise InputError(f"{name} must have shape {shape}, got {tuple(params[name].shape)}")


def states(W: Bound, W_in: Array, b: Array, x: Array, phi: Activation) -> tuple[Array, list[Array]]:
    """Run the recurrent layer: a sequence in, the state after every step out.

    ``a_t = W_in x_t + b + W h_t``, ``h_{t+1} = φ(a_t)``, ``h_0 = 0``, for t = 0..T-1.

    Parameters
    ----------
    W : bound recurrent weights
    W_in : (units, inputs)
    b : (units, 1)
    x : (time, inputs, batch)
    phi : Activation

    Returns
    -------
    h : (time + 1, units, batch)
    kept : list of (units, batch)
        Of each step, what the activation's slope is computed from.
    """
    h = array_module(x, W_in).empty((len(x) + 1, len(W_in), x.shape[2]), dtype=W_in.dtype)
    kept = []
    drive = affine(W_in, x, b)  # (R14) W_in x_t + b (time, units, batch)
    h[0] = 0  # (R1)
    for t in range(len(x)):
        a = W.matmul(h[t], plus=drive[t])  # (R2) (units, batch)
        phi(a, out=h[t + 1])  # (R15)
        kept.append(phi.kept(a, h[t + 1]))
    return h, kept


def back_through_time(dh: Array, W: Bound, x: Array, h: Array, kept: list[Array], phi: Activation) -> Array:
    """Carry the gradient of the last state back through the recurrent layer, in full.

    Parameters
    ----------
    dh : (units, batch)
        Gradient of the last state.
    W, x, h, kept, phi
        As for `states`.

    Returns
    -------
    da : (time, units, batch)
        Gradient of ``a_t`` for every step.
    """
    slope = phi.slope
    da = array_module(h).zeros(h[1:].shape, dtype=h.dtype)
    da[-1] = dh * slope(kept[-1])  # (R6)
    for t in reversed(range(len(x) - 1)):  # (R13)
        da[t] = W.matmul_t(da[t + 1], times=slope(kept[t]))  # (R7)
    return da
