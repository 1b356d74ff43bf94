"""The feedforward network: any number of sparse layers, each followed by a nonlinearity, then a readout."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import activations
from .activations import Activation
from .arguments import generator, number, parameter_of, shown, storage_of
from .backend import Array, array_module
from .errors import InputError
from .identity import written
from .initialise import normal, uniform
from .normalise import rule_of
from .protocols import Normaliser, Seed, Weights
from .summary import Summary
from .threads import share_threads
from .weights.make import as_weights


class MLP(Summary):
    """Layers ``h_k = φ(W_k h_{k-1} + b_k)`` on a flattened input, and a linear readout (Bird & Cuntz, Methods).

    The cache holds every layer's input, which its dW needs, and what the slope of φ is computed from.

    Parameters
    ----------
    weights : list of storages
        One per layer, the last is the readout; each receives as many units as the one before has.
    activation : str or Activation
        "sigmoid", "relu" or "tanh"; the readout has none.
    normalise : rule or list of rules, optional
        From raw parameter to weight, for the layers before the readout: one for all or one for each; `Plain` if
        omitted. The readout is never normalised.
    shared_scale : bool
        One s for all layers (of rules that have a shared s) instead of one for each.

    Attributes
    ----------
    weights : dict
        ``{"W0": storage, ...}``: the one place that says which synapses are in force.

    Raises
    ------
    ValueError
        If sizes do not fit, or a name is unknown.

    Examples
    --------
    >>> rng = numpy.random.default_rng(0)
    >>> hidden = minisparse.make_weights(minisparse.fixed_count(30, 64, 384, rng))
    >>> model = minisparse.MLP([hidden, minisparse.make_weights(minisparse.full(10, 30))])
    >>> params = model.init(rng)
    >>> logits, cache = model.forward(params, numpy.ones((64, 3), numpy.float32))
    >>> list(params), logits.shape
    (['W0', 'b0', 'W1', 'b1'], (10, 3))
    """

    def __init__(
        self,
        weights: Sequence[Weights],
        activation: str | Activation = "sigmoid",
        normalise: Normaliser | Sequence[Normaliser | None] | None = None,
        shared_scale: bool = False,
    ):
        if not isinstance(weights, Sequence) or isinstance(weights, str) or not weights:
            raise InputError(
                "an MLP needs a list of its layers' weights, at least those of the readout, such as "
                f"[make_weights(pattern)], got {shown(weights)}"
            )
        weights = [as_weights(layer) for layer in weights]
        for k, (below, above) in enumerate(itertools.pairwise(weights)):
            if above.shape[1] != below.shape[0]:
                raise InputError(
                    f"layer {k + 1} expects {above.shape[1]} inputs (pre), layer {k} has {below.shape[0]} units (post)"
                )
        hidden = len(weights) - 1
        rules = list(normalise) if isinstance(normalise, (list, tuple)) else [normalise] * hidden
        if len(rules) != hidden:
            raise InputError(f"normalise must be one rule, or a list of {hidden}, one per layer before the readout")
        self.names = tuple(f"W{k}" for k in range(len(weights)))
        self.weights = dict(zip(self.names, weights, strict=True))
        self.rules = [rule_of(rule) for rule in [*rules, None]]
        self.shared_scale = shared_scale
        layers = [name for k in range(len(weights)) for name in (f"W{k}", f"b{k}")]
        extras = {self._key(extra, k) for k, rule in enumerate(self.rules) for extra in rule.extras}
        self._keys = (*layers, *sorted(extras))
        self.activation = activations.get(activation)
        self.n_in, self.n_out = weights[0].shape[1], weights[-1].shape[0]

    def config(self) -> dict:
        """Describe the structure in plain values: two models with equal configs can share parameters."""
        return {
            "model": type(self).__name__,
            "units": [self.n_in, *(weights.shape[0] for weights in self.weights.values())],
            "synapses": [weights.nnz for weights in self.weights.values()],
            "activation": self.activation.name,
            "normalise": [written(rule) for rule in self.rules],
            "shared_scale": self.shared_scale,
        }

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix, in the order of `init`."""
        shapes: dict[str, tuple[int, int]] = {}
        for k, weights in enumerate(self.weights.values()):
            shapes |= {f"W{k}": weights.shape, f"b{k}": (weights.shape[0], 1)}
        for k, (weights, rule) in enumerate(zip(self.weights.values(), self.rules, strict=True)):
            for extra in rule.extras:
                shapes.setdefault(self._key(extra, k), (1 if extra == "s" else weights.shape[0], 1))
        return shapes

    def copy(self) -> MLP:
        """Return a model that can be rewired on its own; patterns and storages are shared, being immutable."""
        return MLP(list(self.weights.values()), self.activation, self.rules[:-1], self.shared_scale)

    def init(
        self, rng: Seed, dtype: type = np.float32, w_max: float | None = None, signs: np.ndarray | None = None
    ) -> dict[str, Array]:
        """Draw parameters on the host and move them to the current backend.

        Raw weights and biases are N(0, 1), as in the code of Bird & Cuntz; with `w_max` weights are uniform in ±w_max.

        Parameters
        ----------
        rng : int, Generator or RandomState
            Advanced by the same amount for every storage, backend and dtype.
        dtype : dtype
        w_max : float, optional
            Largest magnitude of a weight.
        signs : not supported
            Dale's principle is a matter of recurrent networks here.

        Returns
        -------
        dict of arrays
            W0 (packed), b0 (n, 1), W1, b1, ..., then the rules' own: s0 (1, 1) or g0 (n, 1), ..., or one shared s.
        """
        if signs is not None:
            raise InputError("an MLP has no signs; use a recurrent network, or multiply the weights after init")
        rng = generator(rng, "weights")
        if w_max is not None and not number("w_max", w_max) > 0:
            raise InputError(f"w_max, the largest initial weight, must be above 0, got {w_max}")
        params: dict[str, Array] = {}
        for k, weights in enumerate(self.weights.values()):
            size = (weights.nnz,)
            values = normal(rng, size, dtype=dtype) if w_max is None else uniform(rng, size, w_max, dtype)
            params[f"W{k}"] = weights.from_values(values)
            params[f"b{k}"] = normal(rng, (weights.shape[0], 1), dtype=dtype)
        for k, (weights, rule) in enumerate(zip(self.weights.values(), self.rules, strict=True)):
            for extra, value in rule.init(weights, params[f"W{k}"]).items():
                params.setdefault(self._key(extra, k), value)
        return params

    def _key(self, extra: str, layer: int) -> str:
        return "s" if self.shared_scale and extra == "s" else f"{extra}{layer}"

    def weight(self, params: dict[str, Array], name: str) -> Array:
        """Return the effective packed weight of a sparse parameter."""
        storage_of(self, name)
        return self._effective(params, self.names.index(name))[0]

    def _effective(self, params: dict[str, Array], layer: int) -> tuple[Array, Any]:
        rule = self.rules[layer]
        extras = [parameter_of(params, self._key(extra, layer)) for extra in rule.extras]
        return rule.forward(self.weights[f"W{layer}"], parameter_of(params, f"W{layer}"), *extras)

    @share_threads
    def forward(self, params: dict[str, Array], x: Array) -> tuple[Array, SimpleNamespace]:
        """Run the network over a batch.

        Parameters
        ----------
        params : dict of arrays
            As `init` makes them.
        x : (units, batch)
            A stack of rows (time, units, batch) is flattened, row after row.

        Returns
        -------
        logits : (n_out, batch)
        cache : namespace
            What `backward` needs: the activity ``h`` of every layer, the input first, and the bound weights.
        """
        array_module(x, *params.values())
        phi, layers = self.activation, list(self.weights.values())
        h, kept, bound, normalised = [self._flat(x)], [], [], []
        self._check(params, h[0])
        for k, weights in enumerate(layers):
            w, cache = self._effective(params, k)
            W, b = weights.bind(w), params[f"b{k}"]
            a = W.matmul(h[k]) + b  # (A1) (units, batch)
            h.append(phi(a) if k < len(layers) - 1 else a)  # (A2)
            kept.append(phi.kept(a, h[-1]))
            bound.append(W)
            normalised.append(cache)
        logits = h.pop()
        held = {"weights": layers, "W": bound, "normalised": normalised}
        return logits, SimpleNamespace(x=x, h=h, kept=kept[:-1], logits=logits, **held, links={})

    @share_threads
    def backward(self, dlogits: Array, cache: SimpleNamespace, wrt_x: bool = False) -> dict[str, Array]:
        """Back-propagate.

        Parameters
        ----------
        dlogits : (n_out, batch)
            Gradient of the loss with respect to the logits.
        cache : namespace
            From `forward`; afterwards ``cache.links["W0"]`` and so on hold what the synapses saw, (pre, post, dpost).
        wrt_x : bool
            Also return ``"x"``, the gradient of the input.

        Returns
        -------
        dict of arrays
            The keys, shapes and dtypes of the parameters.
        """
        if dlogits.shape != (self.n_out, cache.h[0].shape[1]):
            raise InputError(
                f"dlogits must be (n_out, batch) = {(self.n_out, cache.h[0].shape[1])}, got {dlogits.shape}"
            )
        slope, h, kept, last = self.activation.factor, cache.h, cache.kept, len(cache.h) - 1
        grads: dict[str, Array] = {}
        da, above = dlogits, cache.logits
        for k in reversed(range(last + 1)):
            weights, W, rule = cache.weights[k], cache.W[k], self.rules[k]
            dw = weights.outer(da, h[k])  # (A3) packed
            db = da.sum(axis=1, keepdims=True)  # (A4) (units, 1)
            dv = rule.backward(dw, cache.normalised[k])  # (A5)
            cache.links[f"W{k}"] = (h[k], above, da)
            self._collect(grads, k, db, dv)
            if k or wrt_x:
                dh = W.matmul_t(da)  # (A7) (units below, batch)
            if k:
                da, above = dh * slope(kept[k - 1]), h[k]  # (A8)
        if wrt_x:
            grads["x"] = dh.reshape(cache.x.shape)
        return {name: grads[name] for name in (*self._keys, "x") if name in grads}

    def _collect(self, grads: dict[str, Array], k: int, db: Array, dv: dict[str, Array]) -> None:
        """Put a layer's gradients under the keys of their parameters; those of a shared scale add up."""
        grads |= {f"W{k}": dv.pop("v"), f"b{k}": db}
        for extra, dextra in dv.items():
            key = self._key(extra, k)
            grads[key] = grads[key] + dextra if key in grads else dextra  # (A6)

    def _flat(self, x: Array) -> Array:
        if x.ndim == 3:
            return x.reshape(x.shape[0] * x.shape[1], x.shape[2])
        if x.ndim != 2:
            raise InputError(f"x must be (units, batch) or (time, units, batch), got shape {tuple(x.shape)}")
        return x

    def _check(self, params: dict[str, Array], x: Array) -> None:
        if x.shape[0] != self.n_in:
            raise InputError(
                f"W0 expects {self.n_in} inputs (pre) but x has {x.shape[0]} units; x must be (units, batch)"
            )
        for name in self._keys:
            parameter_of(params, name)
        for k, weights in enumerate(self.weights.values()):
            b = params[f"b{k}"]
            if b.shape != (weights.shape[0], 1):
                raise InputError(f"b{k} must have shape {(weights.shape[0], 1)}, got {tuple(b.shape)}")
