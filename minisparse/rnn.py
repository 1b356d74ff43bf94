"""The recurrent network of a paper: the recurrent layer, and a readout of its last state."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from .activations import Activation
from .arguments import generator, whole
from .backend import Array, array_module
from .errors import InputError
from .identity import written
from .initialise import uniform
from .protocols import Normaliser, Seed, Weights
from .recurrent import W_MAX, Recurrent, check_shapes
from .summary import Summary
from .threads import share_threads

__all__ = ["RNN", "W_MAX"]


class RNN(Summary):
    """A `Recurrent` layer with a readout of its last state (Fruengel & Oberlaender 2025, Methods).

    ``a_t = W_in x_t + b_in + W_rec h_t + b_rec``, ``h_{t+1} = φ(a_t)``, ``h_0 = 0``, ``logits = W_out h_T + b_out``,
    with t from 0 to T-1, as the arrays count.

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
        self.layer = Recurrent(n_in, weights, activation, normalise, biases)
        self.n_in, self.n, self.n_out = self.layer.n_in, self.layer.n, whole("n_out", n_out, 1)
        self.activation, self.biases = self.layer.activation, self.layer.biases

    @property
    def weights(self) -> dict[str, Weights]:
        """``{"W_rec": storage}``, the layer's."""
        return self.layer.weights

    @property
    def normalise(self) -> Normaliser:
        """The layer's rule from raw parameter to recurrent weight."""
        return self.layer.normalise

    @normalise.setter
    def normalise(self, rule: Normaliser) -> None:
        self.layer.normalise = rule

    def config(self) -> dict:
        """Describe the structure in plain values: two models with equal configs can share parameters."""
        return {
            "model": type(self).__name__,
            "n_in": self.n_in,
            "n": self.n,
            "n_out": self.n_out,
            "synapses": self.weights["W_rec"].nnz,
            "activation": self.activation.name,
            "normalise": written(self.normalise),
            "biases": len(self.biases),
        }

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix, in the order of `init`."""
        return self.layer.shapes() | {"W_out": (self.n_out, self.n), "b_out": (self.n_out, 1)}

    def copy(self) -> RNN:
        """Return a model that can be rewired on its own; patterns and storages are shared, being immutable."""
        return RNN(self.n_in, self.weights["W_rec"], self.n_out, self.activation, self.normalise, len(self.biases))

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
        rng = generator(rng, "weights")
        params = self.layer.init(rng, dtype, w_max, signs)
        params["W_out"] = uniform(rng, (self.n_out, self.n), self.n**-0.5, dtype)
        params["b_out"] = uniform(rng, (self.n_out, 1), self.n**-0.5, dtype)
        return params

    def weight(self, params: dict[str, Array], name: str = "W_rec") -> Array:
        """Return the effective packed weight of a sparse parameter."""
        return self.layer.weight(params, name)

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
        check_shapes(params, self.shapes(), self.weights)
        h, cache = self.layer.forward(params, x)
        W_out = cache.W_out = params["W_out"]
        logits = W_out @ h[-1] + params["b_out"]  # (R3) (classes, batch)
        return logits, cache

    @share_threads
    def backward(
        self, dlogits: Array, cache: SimpleNamespace, wrt_x: bool = False, back: int | None = None
    ) -> dict[str, Array]:
        """Back-propagate through time.

        Parameters
        ----------
        dlogits : (n_out, batch)
            Gradient of the loss with respect to the logits.
        cache : namespace
            From `forward`; afterwards ``cache.links["W_rec"]`` holds what the recurrent synapses saw,
            (pre, post, dpost), stacks over time.
        wrt_x : bool
            Also return ``"x"``, the gradient of the input.
        back : int, optional
            Truncate, see `Recurrent.backward`; with the last state alone read, only the last `back` steps get a
            gradient.

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
        grads = self.layer.backward(dh[None], cache, wrt_x, back)  # the readout hears the last state alone
        grads |= {"W_out": dW_out, "b_out": db_out}
        return dict(sorted(grads.items(), key=lambda item: item[0] == "x"))  # as the parameters, then the input
