"""A network as a PyTorch module, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..activations import ACTIVATIONS
from ..backend import Array, asarray, to_numpy
from ..connectivity import Pattern, full
from ..errors import InputError
from ..mlp import MLP
from ..protocols import Model, Weights
from ..recurrent import Recurrent
from ..rnn import RNN
from ..sequence import SequenceRNN, of_layer
from ..weights.make import make_weights
from .needed import needed

CLASSES = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid"}
"""PyTorch's class of each activation."""
NAMES = {kind: name for name, kind in CLASSES.items()}


def to_torch(model: Model, params: dict[str, Array]) -> Any:
    """Return the network as a PyTorch module with the same logits.

    Weights are dense matrices (post, pre); a sparse one is pruned as `torch.nn.utils.prune` does it, its mask a buffer,
    so that training in PyTorch leaves absent synapses absent. A normaliser is applied once, here: the module has the
    effective weights as its parameters.

    Parameters
    ----------
    model : RNN, SequenceRNN or MLP
    params : dict of arrays

    Returns
    -------
    torch.nn.Module
        (batch, time, inputs) -> logits (batch, classes), or (batch, time, outputs) of a model that answers at every
        step; one of an MLP takes (batch, units), too. An RNN is ``recurrent`` (an `nn.RNN`, or of the same form for
        "sigmoid") and ``readout``; of a SequenceRNN ``recurrent`` is a list of layers of that form, each with its
        ``alpha`` and ``h_init``. An MLP is an `nn.Sequential`.

    Raises
    ------
    ValueError
        For another kind of model, or an activation of your own.

    Examples
    --------
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(5, 5)), 10)
    >>> params = model.init(numpy.random.default_rng(0))
    >>> import torch  # doctest: +SKIP
    >>> minisparse.to_torch(model, params)(torch.zeros(3, 20, 8)).shape  # doctest: +SKIP
    torch.Size([3, 10])
    """
    if type(model) not in MAKERS:
        raise InputError(
            f"to_torch takes an RNN, a SequenceRNN or an MLP, not a {type(model).__name__}; take its parts over by hand"
        )
    for part in getattr(model, "layers", [model]):
        phi = part.activation
        if ACTIVATIONS.get(phi.name) is not phi or phi.name not in CLASSES:
            raise InputError(f"PyTorch has no activation {phi.name!r} that is known here; write the module")
    params = {name: to_numpy(value) for name, value in params.items()}
    matrices = {name: to_numpy(w.unpack(model.weight(params, name))) for name, w in model.weights.items()}
    return MAKERS[type(model)](model, params, matrices)


def from_torch(
    *modules: Any, activation: str | None = None, storage: str = "auto", every: bool | None = None
) -> tuple[Model, dict[str, Array]]:
    """Return the network of PyTorch modules: `nn.RNN` and the `nn.Linear` that reads its states, or Linears.

    Weights that `torch.nn.utils.prune` has masked become sparse, with the mask as pattern; all others are full. What a
    forward function of your own does is not looked at: layers and Linears are a chain.

    Parameters
    ----------
    *modules : torch.nn.Module
        One that holds the parts, as `to_torch` makes it, or the parts in their order.
    activation : {"relu", "tanh", "sigmoid"}, optional
        Of a chain of Linears whose nonlinearity is no module of its own.
    storage : str
        As for `make_weights`.
    every : bool, optional
        Whether the Linear reads the state after every step; if omitted, what `to_torch` has noted, else the last one
        alone.

    Returns
    -------
    model : RNN, SequenceRNN or MLP
        An RNN, if one layer is read after the last step.
    params : dict of arrays
        With the bits of the modules' weights. A bias that a module lacks is 0.

    Raises
    ------
    ValueError
        If the parts are others, or an RNN has two directions.

    Examples
    --------
    >>> x = numpy.ones((64, 3), numpy.float32)
    >>> from torch.nn import Linear, Sequential, Tanh  # doctest: +SKIP
    >>> model, params = minisparse.from_torch(Sequential(Linear(64, 30), Tanh(), Linear(30, 10)))  # doctest: +SKIP
    >>> model.forward(params, x)[0].shape  # doctest: +SKIP
    (10, 3)
    """
    for module in modules:
        if not hasattr(module, "named_modules"):
            raise InputError(f"from_torch takes modules of PyTorch, got a {type(module).__name__}")
    parts = [p for module in modules for _, p in module.named_modules(remove_duplicate=False) if not any(p.children())]
    kinds = [_kind(part) for part in parts]
    if len(kinds) > 1 and kinds == ["RNN"] * (len(kinds) - 1) + ["Linear"]:
        every = getattr(modules[0], "every", False) if every is None else every
        return _sequence_of(parts[:-1], parts[-1], storage, every)
    chain = [kind for kind in kinds if kind not in ("Flatten", "Identity")]
    between = chain[1] if len(chain) > 1 and chain[1] in NAMES else "Linear"
    linears = [part for part, kind in zip(parts, kinds, strict=True) if kind == "Linear"]
    expected = ["Linear", between] * len(linears) if between in NAMES else ["Linear"] * (len(linears) + 1)
    if not linears or chain != expected[:-1]:
        raise InputError(
            "from_torch takes RNNs and a Linear, or Linears with one of ReLU, Tanh and Sigmoid between them, the "
            f"same everywhere, got {', '.join(kinds) or 'no such part'}"
        )
    name = NAMES.get(between, activation)
    if len(linears) > 1 and (name is None or activation not in (None, name)):
        raise InputError(f"name what stands between the Linears, as in activation='relu', got {activation} and {name}")
    params, layers = {}, []
    for k, linear in enumerate(linears):
        weights, params[f"W{k}"] = _layer(linear, "weight", storage)
        params[f"b{k}"] = _column(linear.bias, params[f"W{k}"], weights.shape[0])
        layers.append(weights)
    return MLP(layers, name or "relu"), params


def _kind(part: Any) -> str:
    """Return the name of a part's class; what has an RNN's form is one."""
    name = type(part).__name__
    return "RNN" if name == "LayerOfRNN" else name


def _sequence_of(parts: list, readout: Any, storage: str, every: bool) -> tuple[Model, dict[str, Array]]:
    """Return a network of all layers of the parts: an RNN if that is enough."""
    if any(getattr(part, "bidirectional", False) for part in parts):
        raise InputError("from_torch takes an RNN of one direction; take two over one by one")
    layers, own = [], []
    for part in parts:
        for k in range(getattr(part, "num_layers", 1)):
            layer, values = _recurrent_of(part, k, storage)
            layers.append(layer)
            own.append(values)
    _, W_out = _layer(readout, "weight", "dense")
    read = {"W_out": W_out, "b_out": _column(readout.bias, W_out, len(W_out))}
    first = layers[0]
    if len(layers) == 1 and not every and first.dynamics.alpha == 1 and not first.start:
        rnn = RNN(first.n_in, first.weights["W_rec"], len(W_out), first.activation, biases=len(first.biases))
        return rnn, own[0] | read
    numbered = {f"{name}{k}": value for k, values in enumerate(own) for name, value in values.items()}
    return SequenceRNN(layers, len(W_out), every), numbered | read


def _recurrent_of(rnn: Any, k: int, storage: str) -> tuple[Recurrent, dict[str, Array]]:
    """Return layer k of a module of an RNN's form."""
    weights, W_rec = _layer(rnn, f"weight_hh_l{k}", storage)
    _, W_in = _layer(rnn, f"weight_ih_l{k}", "dense")
    b_in, b_rec = (getattr(rnn, f"bias_{side}_l{k}", None) for side in ("ih", "hh"))
    frozen = b_rec is None or not (b_rec.requires_grad or b_rec.any())  # as `to_torch` leaves what a model has not
    params = {"W_in": W_in, "W_rec": W_rec, "b_in": _column(b_in, W_in, len(W_in))}
    params |= {} if frozen else {"b_rec": _column(b_rec, W_in, len(W_in))}
    start = "h_init" in dict(rnn.named_parameters())
    params |= {"h_init": _column(rnn.h_init, W_in, len(W_in))} if start else {}
    settings = {"biases": 1 if frozen else 2, "alpha": getattr(rnn, "alpha", 1), "start": start}
    return Recurrent(W_in.shape[1], weights, rnn.nonlinearity, **settings), params


def _layer(part: Any, name: str, storage: str) -> tuple[Weights, Array]:
    """Return the storage and the packed weights of one matrix; a mask of `torch.nn.utils.prune` is its pattern."""
    mask = getattr(part, f"{name}_mask", None)
    matrix = getattr(part, name if mask is None else f"{name}_orig").detach().cpu()
    if not str(matrix.dtype).endswith(("float32", "float64")):
        raise InputError(f"{name} is {matrix.dtype}; convert the module by .float() before")
    pattern = full(*matrix.shape) if mask is None else Pattern.from_mask(mask.cpu().numpy() != 0)
    weights = make_weights(pattern, storage)
    return weights, weights.pack(asarray(matrix.numpy().copy()))


def _column(bias: Any, like: Array, n: int) -> Array:
    values = np.zeros(n) if bias is None else bias.detach().cpu().numpy().copy()
    return asarray(values[:, None], dtype=like.dtype)


def _put(part: Any, name: str, value: np.ndarray, mask: np.ndarray | None = None) -> None:
    """Give a module's parameter these numbers, and a mask if there is one."""
    torch, prune = needed("torch"), needed("torch.nn.utils.prune")
    setattr(part, name, torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(value).copy())))
    if mask is not None:
        prune.custom_from_mask(part, name, torch.from_numpy(mask))


def _mask(weights: Weights) -> np.ndarray | None:
    return None if weights.pattern.is_full else weights.pattern.mask()


def _torch_mlp(model: MLP, params: dict[str, np.ndarray], matrices: dict[str, np.ndarray]) -> Any:
    nn = needed("torch.nn")
    parts: list[Any] = [nn.Flatten()]
    for k, (name, weights) in enumerate(model.weights.items()):
        linear = nn.Linear(*weights.shape[::-1])
        _put(linear, "weight", matrices[name], _mask(weights))
        _put(linear, "bias", params[f"b{k}"][:, 0])
        parts += [linear, getattr(nn, CLASSES[model.activation.name])()]
    return nn.Sequential(*parts[:-1])


def _torch_rnn(model: RNN, params: dict[str, np.ndarray], matrices: dict[str, np.ndarray]) -> Any:
    nn, name = needed("torch.nn"), model.activation.name
    plain = nn.RNN(model.n_in, model.n, nonlinearity=name, batch_first=True) if name != "sigmoid" else None
    return _read(_torch_layer(model.layer, params, matrices["W_rec"], plain), model.n, params, every=False)


def _torch_sequence(model: SequenceRNN, params: dict[str, np.ndarray], matrices: dict[str, np.ndarray]) -> Any:
    layers = enumerate(model.layers)
    made = [_torch_layer(layer, of_layer(params, k), matrices[f"W_rec{k}"]) for k, layer in layers]
    return _read(needed("torch.nn").ModuleList(made), model.n, params, model.every)


def _torch_layer(layer: Recurrent, params: dict[str, np.ndarray], W_rec: np.ndarray, module: Any = None) -> Any:
    """Return a module of an RNN's form with the numbers of a layer; that module, if one is given."""
    torch, nn = needed("torch"), needed("torch.nn")

    class LayerOfRNN(nn.Module):
        """What `nn.RNN` is with one layer, with a leak, a first state, and any nonlinearity."""

        nonlinearity, alpha = layer.activation.name, layer.dynamics.alpha

        def forward(self, x: Any) -> tuple[Any, Any]:
            h, phi, states = self.h_init.expand(len(x), -1), getattr(torch, self.nonlinearity), []
            for drive in (x @ self.weight_ih_l0.T + self.bias_ih_l0 + self.bias_hh_l0).unbind(1):
                h = (1 - self.alpha) * h + self.alpha * phi(drive + h @ self.weight_hh_l0.T)
                states.append(h)
            return torch.stack(states, 1), h[None]

    if module is None:
        module = LayerOfRNN()
        module.register_buffer("h_init", torch.from_numpy(0 * params["b_in"][:, 0]))
    if layer.start:
        del module.h_init
        _put(module, "h_init", params["h_init"][:, 0])
    _put(module, "weight_ih_l0", params["W_in"])
    _put(module, "bias_ih_l0", params["b_in"][:, 0])
    _put(module, "bias_hh_l0", params.get("b_rec", 0 * params["b_in"])[:, 0])
    _put(module, "weight_hh_l0", W_rec, _mask(layer.weights["W_rec"]))
    module.bias_hh_l0.requires_grad_("b_rec" in params)
    return module


def _read(recurrent: Any, n: int, params: dict[str, np.ndarray], every: bool) -> Any:
    """Return a module of one recurrent layer, or of a list of them, and a readout of its states."""
    nn = needed("torch.nn")

    class Readout(nn.Module):
        """Recurrent layers and the readout of their states: of every one, or of the last."""

        def __init__(self, recurrent: Any, readout: Any):
            super().__init__()
            self.recurrent, self.readout, self.every = recurrent, readout, every

        def forward(self, x: Any) -> Any:
            for layer in self.recurrent if isinstance(self.recurrent, nn.ModuleList) else [self.recurrent]:
                x, _ = layer(x)
            return self.readout(x if self.every else x[:, -1])

    readout = nn.Linear(n, len(params["W_out"]))
    _put(readout, "weight", params["W_out"])
    _put(readout, "bias", params["b_out"][:, 0])
    return Readout(recurrent, readout)


MAKERS = {RNN: _torch_rnn, SequenceRNN: _torch_sequence, MLP: _torch_mlp}
"""What makes the module of each kind of model."""
