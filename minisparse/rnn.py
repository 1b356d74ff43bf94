"""The recurrent network: forward through time, and back-propagation through time by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from . import activations, kernels
from .activations import Activation
from .backend import Array, array_module, asarray
from .connectivity import Rng
from .errors import InputError
from .normalise import Plain
from .threads import share_threads
from .weights import CsrWeights, DenseWeights, sum_outer

W_MAX = 1e-3
"""Largest initial recurrent weight of Fruengel & Oberlaender (2025), dimensionless."""


class RNN:
    """A recurrent layer with a readout of its last state (Fruengel & Oberlaender 2025, Methods).

    ``a_t = W_in x_t + b_in + W_rec h_{t-1} + b_rec``, ``h_t = φ(a_t)``, ``h_0 = 0``, ``logits = W_out h_T + b_out``.

    Parameters
    ----------
    n_in : int
        Inputs per time step.
    weights : DenseWeights or CsrWeights
        Square storage of the recurrent synapses. W_in and W_out are plain dense matrices.
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
        weights: DenseWeights | CsrWeights,
        n_out: int,
        activation: str | Activation = "relu",
        normalise: Plain | None = None,
        biases: int = 2,
    ):
        if weights.shape[0] != weights.shape[1]:
            raise InputError(f"a recurrent pattern must be square, got {weights.shape[0]} x {weights.shape[1]}")
        if biases not in (1, 2):
            raise InputError(f"biases must be 1 or 2, got {biases}")
        if n_in < 1 or n_out < 1:
            raise InputError(f"n_in and n_out must be at least 1, got {n_in} and {n_out}")
        self.n_in, self.n, self.n_out = int(n_in), weights.shape[0], int(n_out)
        self.weights = {"W_rec": weights}
        self.activation = activations.get(activation)
        self.normalise = normalise or Plain()
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

    def copy(self) -> RNN:
        """Return a model that can be rewired on its own; patterns and storages are shared, being immutable."""
        twin = RNN(self.n_in, self.weights["W_rec"], self.n_out, self.activation, self.normalise, len(self.biases))
        twin.weights = dict(self.weights)
        return twin

    def init(
        self, rng: Rng, dtype: type = np.float32, w_max: float | None = None, signs: np.ndarray | None = None
    ) -> dict[str, Array]:
        """Draw parameters on the host and move them to the current backend.

        Everything but W_rec is uniform in ±1/√n (the published code keeps its framework's defaults); W_rec is uniform
        in ±w_max, or with `signs` uniform in [0, w_max) times the sign of the presynaptic neuron.

        Parameters
        ----------
        rng : Generator or RandomState
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
        if not w_max > 0:
            raise InputError(f"w_max, the largest initial weight, must be above 0, got {w_max}")
        bound = self.n**-0.5
        weights = self.weights["W_rec"]

        def uniform(*shape: int) -> Array:
            return asarray(rng.uniform(-bound, bound, shape), dtype=dtype)

        params = {"W_in": uniform(self.n, self.n_in)}
        if signs is None:
            values = rng.uniform(-w_max, w_max, weights.nnz)
        else:
            if np.shape(signs) != (self.n, 1):
                raise InputError(f"signs must be a column ({self.n}, 1), one per neuron, got {np.shape(signs)}")
            values = rng.uniform(0, w_max, weights.nnz)
            pre = np.asarray(signs, float)
            if weights.pattern.is_full:  # the same products, without a number per synapse beside the values
                values.reshape(weights.shape)[:] *= pre.T
            else:
                values *= pre[weights.pattern.indices, 0]
        params["W_rec"] = weights.from_values(asarray(values, dtype=dtype))
        for name in self.biases:
            params[name] = uniform(self.n, 1)
        params["W_out"] = uniform(self.n_out, self.n)
        params["b_out"] = uniform(self.n_out, 1)
        extras = self.normalise.init(weights, params["W_rec"])
        return params | {f"{name}_rec": value for name, value in extras.items()}

    def weight(self, params: dict[str, Array], name: str = "W_rec") -> Array:
        """Return the effective packed weight of a sparse parameter."""
        return self._effective(params)[0]

    def _effective(self, params: dict[str, Array]) -> tuple[Array, object]:
        extras = [params[f"{extra}_rec"] for extra in self.normalise.extras]
        return self.normalise.forward(self.weights["W_rec"], params["W_rec"], *extras)

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
        xp = array_module(x, *params.values())
        self._check(params, x)
        phi = self.activation
        steps, _, batch = x.shape
        w, normalised = self._effective(params)
        W = self.weights["W_rec"].bind(w)
        b = sum(params[name] for name in self.biases)
        W_in, W_out, b_out = (params[name] for name in ("W_in", "W_out", "b_out"))
        h = xp.empty((steps + 1, self.n, batch), dtype=W_in.dtype)

        h[0] = 0  # (R1)
        drive = kernels.table(h).affine(W_in, b, x, out=h[1:])
        for t, a in enumerate(drive):  # W_in x_t + b
            phi(W.matmul(h[t], out=a), out=h[t + 1])  # (R2)
        logits = W_out @ h[steps] + b_out  # (R3)

        sparse = {"weights": self.weights["W_rec"], "W": W, "normalised": normalised}
        return logits, SimpleNamespace(x=x, h=h, W_in=W_in, W_out=W_out, **sparse, links={})

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
        xp = array_module(dlogits, cache.h)
        x, h, W, slope = cache.x, cache.h, cache.W, self.activation.slope
        if dlogits.shape != (self.n_out, x.shape[2]):
            raise InputError(f"dlogits must be (n_out, batch) = {(self.n_out, x.shape[2])}, got {dlogits.shape}")
        da = xp.zeros(h[1:].shape, dtype=h.dtype)

        dW_out = dlogits @ h[-1].T  # (R4)
        db_out = dlogits.sum(axis=1, keepdims=True)  # (R5)
        da[-1] = (cache.W_out.T @ dlogits) * slope(h[-1])  # (R6)
        for t in range(len(x) - 1, 0, -1):  # (R13)
            da[t - 1] = W.matmul_t(da[t]) * slope(h[t])  # (R7)
        dW_in = sum_outer(da, x)  # (R8)
        db = da.sum(axis=(0, 2))[:, None]  # (R9)
        dw = cache.weights.outer(da[1:], h[1:-1])  # (R10)
        dv = self.normalise.backward(dw, cache.normalised)  # (R11)

        grads = {"W_in": dW_in, "W_rec": dv.pop("v"), **{name: db.copy() for name in self.biases}}
        grads |= {"W_out": dW_out, "b_out": db_out, **{f"{name}_rec": extra for name, extra in dv.items()}}
        if wrt_x:
            grads["x"] = cache.W_in.T @ da  # (R12)
        cache.links["W_rec"] = (h[1:-1], h[2:], da[1:])
        return grads

    def _check(self, params: dict[str, Array], x: Array) -> None:
        if x.ndim != 3 or x.shape[1] != self.n_in or x.shape[0] == 0:
            raise InputError(
                f"W_in expects {self.n_in} inputs per time step but x has shape {tuple(x.shape)}; "
                "x must be (time, units, batch) with at least one time step"
            )
        shapes = {"W_in": (self.n, self.n_in), "W_out": (self.n_out, self.n), "b_out": (self.n_out, 1)}
        for name, shape in (shapes | dict.fromkeys(self.biases, (self.n, 1))).items():
            if name not in params:
                raise InputError(f"params has no {name!r}; model.init makes every parameter")
            if params[name].shape != shape:
                raise InputError(f"{name} must have shape {shape}, got {tuple(params[name].shape)}")
