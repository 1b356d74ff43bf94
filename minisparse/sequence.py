"""Recurrent layers on top of each other, and a readout of every step or of the last: the passes, by composition."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, MutableMapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from .arguments import expect, generator, shown, storage_of, switch, whole
from .backend import Array, array_module
from .errors import InputError
from .initialise import uniform
from .protocols import Seed, Weights
from .recurrent import Recurrent, check_shapes
from .summary import Summary
from .threads import share_threads
from .weights import sum_outer


class SequenceRNN(Summary):
    """Recurrent layers, each of which hears the states of the one below, and a linear readout of the topmost states.

    ``logits_t = W_out h_{t+1} + b_out`` for every step t, or for the last one alone.

    Parameters
    ----------
    layers : list of Recurrent
        From the input on; each has as many inputs as the one below has units. They are copied.
    n_out : int
        Outputs of a step: classes, or numbers.
    every : bool
        Answer at every step; else after the last one.

    Attributes
    ----------
    weights : mapping
        ``{"W_rec0": storage, ...}``, of all layers: what says which synapses are in force.

    Raises
    ------
    ValueError
        If sizes do not fit.

    Examples
    --------
    >>> units = minisparse.make_weights(minisparse.bernoulli(20, 20, 0.5, numpy.random.default_rng(0)))
    >>> layers = [minisparse.Recurrent(3, units, "tanh", alpha=0.2), minisparse.Recurrent(20, units, "tanh")]
    >>> model = minisparse.SequenceRNN(layers, 2)
    >>> params = model.init(numpy.random.default_rng(1), w_max=0.1)
    >>> logits, cache = model.forward(params, numpy.ones((5, 3, 4), numpy.float32))
    >>> logits.shape, list(model.weights)
    ((5, 2, 4), ['W_rec0', 'W_rec1'])
    """

    def __init__(self, layers: Sequence[Recurrent], n_out: int, every: bool = True):
        if not isinstance(layers, (list, tuple)) or not all(isinstance(layer, Recurrent) for layer in layers):
            raise InputError(f"layers must be a list of Recurrent layers, got {shown(layers)}")
        if not layers:
            raise InputError("a SequenceRNN needs a layer at least; pass a list of Recurrent layers")
        for k, (below, above) in enumerate(itertools.pairwise(layers)):
            if above.n_in != below.n:
                raise InputError(f"layer {k + 1} expects {above.n_in} inputs, layer {k} has {below.n} units")
        self.layers = [layer.copy() for layer in layers]
        self.n_in, self.n, self.n_out, self.every = (
            layers[0].n_in,
            layers[-1].n,
            whole("n_out", n_out, 1),
            switch("every", every),
        )

    @property
    def weights(self) -> MutableMapping[str, Weights]:
        """The storage of each layer's recurrent synapses, by the name of the parameter."""
        return _LayerWeights(self.layers)

    def config(self) -> dict:
        """Describe the structure in plain values: two models with equal configs can share parameters."""
        layers = [layer.config() for layer in self.layers]
        return {"model": type(self).__name__, "layers": layers, "n_out": self.n_out, "every": self.every}

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the shape of each parameter as a matrix, in the order of `init`."""
        layers = enumerate(self.layers)
        shapes = {f"{name}{k}": shape for k, layer in layers for name, shape in layer.shapes().items()}
        return shapes | {"W_out": (self.n_out, self.n), "b_out": (self.n_out, 1)}

    def copy(self) -> SequenceRNN:
        """Return a model that can be rewired on its own; patterns and storages are shared, being immutable."""
        return SequenceRNN(self.layers, self.n_out, self.every)

    def init(
        self,
        rng: Seed,
        dtype: type = np.float32,
        w_max: float | None = None,
        signs: Sequence[np.ndarray | None] | None = None,
    ) -> dict[str, Array]:
        """Draw parameters on the host and move them to the current backend.

        Parameters
        ----------
        rng, dtype, w_max
            As for `minisparse.RNN.init`.
        signs : list of (n, 1), optional
            For each layer the signs of its neurons, or None.

        Returns
        -------
        dict of arrays
            Those of each layer with its number at the end of their names (W_in0, W_rec0, ..., W_in1, ...), then W_out
            (n_out, n) and b_out (n_out, 1).
        """
        rng, signs = generator(rng, "weights"), self._for_layers("signs", signs)
        params: dict[str, Array] = {}
        for k, (layer, own) in enumerate(zip(self.layers, signs, strict=True)):
            params |= {f"{name}{k}": value for name, value in layer.init(rng, dtype, w_max, own).items()}
        params["W_out"] = uniform(rng, (self.n_out, self.n), self.n**-0.5, dtype)
        params["b_out"] = uniform(rng, (self.n_out, 1), self.n**-0.5, dtype)
        return params

    def weight(self, params: dict[str, Array], name: str) -> Array:
        """Return the effective packed weight of a sparse parameter."""
        expect(params=params)
        storage_of(self, name)
        k = _number(name)
        return self.layers[k].weight(of_layer(params, k))

    @share_threads
    def forward(
        self, params: dict[str, Array], x: Array, noise: Sequence[Array | None] | None = None
    ) -> tuple[Array, SimpleNamespace]:
        """Run the network over a batch of sequences.

        Parameters
        ----------
        params : dict of arrays
            As `init` makes them.
        x : (time, n_in, batch)
        noise : list of (time, n, batch), optional
            For each layer what is added to its drives, or None: see `Recurrent.forward`.

        Returns
        -------
        logits : (time, n_out, batch), or (n_out, batch) if the last step alone is answered
        cache : namespace
            What `backward` needs.

        Raises
        ------
        ValueError
            If a shape does not fit.
        """
        array_module(x, *params.values())
        check_shapes(params, self.shapes(), self.weights)
        caches, h = {}, x
        for k, (layer, own) in enumerate(zip(self.layers, self._for_layers("noise", noise), strict=True)):
            h, caches[f"layer{k}"] = layer.forward(of_layer(params, k), h, own)
        W_out, b_out = params["W_out"], params["b_out"]
        h = h[-self._answers(h) :]
        logits = W_out @ h + b_out  # (R28) (answers, outputs, batch)
        states = caches[f"layer{k}"].h
        return logits if self.every else logits[0], SimpleNamespace(**caches, h=states, W_out=W_out, links={})

    @share_threads
    def backward(
        self, dlogits: Array, cache: SimpleNamespace, wrt_x: bool = False, back: int | None = None
    ) -> dict[str, Array]:
        """Back-propagate through the layers and through time.

        Parameters
        ----------
        dlogits : as the logits
        cache : namespace
            From `forward`; afterwards ``cache.links`` holds what each layer's recurrent synapses saw.
        wrt_x : bool
            Also return ``"x"``, the gradient of the input.
        back : int, optional
            Truncate, see `Recurrent.backward`.

        Returns
        -------
        dict of arrays
            The keys, shapes and dtypes of the parameters.
        """
        W_out = cache.W_out
        dlogits, h = self._heard(dlogits, cache)
        dW_out = sum_outer(dlogits, h)  # (R29) (outputs, units)
        db_out = dlogits.sum(axis=(0, 2))[:, None]  # (R30) (outputs, 1)
        dh = W_out.T @ dlogits  # (R31) (answers, units, batch)
        found = {}
        for k in reversed(range(len(self.layers))):
            own, wanted = getattr(cache, f"layer{k}"), wrt_x or k > 0
            grads = self.layers[k].backward(dh, own, wanted, back)
            if wanted:
                dh = grads["x"]  # (R32) (time, units of the layer below, batch)
            found = {**{f"{name}{k}": grad for name, grad in grads.items() if name != "x"}, **found}
            cache.links[f"W_rec{k}"] = own.links["W_rec"]
        found |= {"W_out": dW_out, "b_out": db_out}
        return {**found, "x": dh} if wrt_x else found

    def _for_layers(self, name: str, given: Any) -> list:
        """Return what is given for each layer; nothing, if nothing is."""
        count = len(self.layers)
        if given is None:
            return [None] * count
        if not isinstance(given, (list, tuple)) or len(given) != count:
            raise InputError(
                f"{name} must be a list with an array, or None, for each of {count} layers, got {shown(given)}"
            )
        return list(given)

    def _answers(self, h: Array) -> int:
        return len(h) if self.every else 1

    def _heard(self, dlogits: Array, cache: SimpleNamespace) -> tuple[Array, Array]:
        """Return the gradient as a stack over the steps that are answered, and the states that were read in them."""
        h = cache.h[-self._answers(cache.h[1:]) :]
        shape = (len(h), self.n_out, h.shape[2])
        wanted = shape if self.every else shape[1:]
        if dlogits.shape != wanted:
            raise InputError(f"dlogits must have the shape of the logits, {wanted}, got {tuple(dlogits.shape)}")
        return dlogits.reshape(shape), h


class _LayerWeights(MutableMapping):
    """The weights of all layers under the names of the model's parameters; a new storage goes to its layer."""

    def __init__(self, layers: list[Recurrent]):
        self._layers = layers

    def _place(self, name: str) -> dict[str, Weights]:
        if name not in list(self):
            raise KeyError(name)
        return self._layers[_number(name)].weights

    def __getitem__(self, name: str) -> Weights:
        return self._place(name)["W_rec"]

    def __setitem__(self, name: str, weights: Weights) -> None:
        self._place(name)["W_rec"] = weights

    def __delitem__(self, name: str) -> None:
        raise InputError("a layer cannot be without its weights; put others in their place")

    def __iter__(self) -> Iterator[str]:
        return (f"W_rec{k}" for k in range(len(self._layers)))

    def __len__(self) -> int:
        return len(self._layers)


def _number(name: str) -> int:
    return int(name.removeprefix("W_rec"))


def of_layer(params: dict[str, Array], k: int) -> dict[str, Array]:
    """Return the parameters of layer k under the layer's own names.

    Examples
    --------
    >>> minisparse.sequence.of_layer({"W_in0": 0.0, "W_in1": 1.0, "W_out": 2.0}, 1)
    {'W_in': 1.0}
    """
    end = str(k)
    return {name.removesuffix(end): value for name, value in params.items() if name.rstrip("0123456789") + end == name}
