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
from ..rnn import RNN
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
    model : RNN or MLP
    params : dict of arrays

    Returns
    -------
    torch.nn.Module
        (batch, time, inputs) -> logits (batch, classes); one of an MLP takes (batch, units), too. An RNN is
        ``recurrent`` (an `nn.RNN`, or of the same form for "sigmoid") and ``readout``, an MLP is an `nn.Sequential`.

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
    if type(model) not in (RNN, MLP):
        raise InputError(f"to_torch takes an RNN or an MLP, not a {type(model).__name__}; take its parts over by hand")
    if ACTIVATIONS.get(model.activation.name) is not model.activation or model.activation.name not in CLASSES:
        raise InputError(f"PyTorch has no activation {model.activation.name!r} that is known here; write the module")
    params = {name: to_numpy(value) for name, value in params.items()}
    matrices = {name: to_numpy(w.unpack(model.weight(params, name))) for name, w in model.weights.items()}
    return (_torch_rnn if type(model) is RNN else _torch_mlp)(model, params, matrices)


def from_torch(*modules: Any, activation: str | None = None, storage: str = "auto") -> tuple[Model, dict[str, Array]]:
    """Return the network of PyTorch modules: an `nn.RNN` and the `nn.Linear` that reads its last state, or Linears.

    Weights that `torch.nn.utils.prune` has masked become sparse, with the mask as pattern; all others are full. What a
    forward function of your own does is not looked at: an RNN's last state is read by the Linear, Linears are a chain.

    Parameters
    ----------
    *modules : torch.nn.Module
        One that holds the parts, as `to_torch` makes it, or the parts in their order.
    activation : {"relu", "tanh", "sigmoid"}, optional
        Of a chain of Linears whose nonlinearity is no module of its own.
    storage : str
        As for `make_weights`.

    Returns
    -------
    model : RNN or MLP
    params : dict of arrays
        With the bits of the modules' weights. A bias that a module lacks is 0.

    Raises
    ------
    ValueError
        If the parts are others, or an RNN has several layers or two directions.

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
    if kinds == ["RNN", "Linear"]:
        return _rnn_of(*parts, storage)
    chain = [kind for kind in kinds if kind not in ("Flatten", "Identity")]
    between = chain[1] if len(chain) > 1 and chain[1] in NAMES else "Linear"
    linears = [part for part, kind in zip(parts, kinds, strict=True) if kind == "Linear"]
    expected = ["Linear", between] * len(linears) if between in NAMES else ["Linear"] * (len(linears) + 1)
    if not linears or chain != expected[:-1]:
        raise InputError(
            "from_torch takes an RNN and a Linear, or Linears with one of ReLU, Tanh and Sigmoid between them, the "
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
    return (
        "RNN" if type(part).__name__ == "RNN" or getattr(part, "nonlinearity", "") == "sigmoid" else type(part).__name__
    )


def _rnn_of(rnn: Any, readout: Any, storage: str) -> tuple[RNN, dict[str, Array]]:
    if getattr(rnn, "num_layers", 1) != 1 or getattr(rnn, "bidirectional", False):
        raise InputError("from_torch takes an RNN of one layer and one direction; take several over one by one")
    weights, W_rec = _layer(rnn, "weight_hh_l0", storage)
    _, W_in = _layer(rnn, "weight_ih_l0", "dense")
    _, W_out = _layer(readout, "weight", "dense")
    b_in, b_rec = (getattr(rnn, f"bias_{side}_l0", None) for side in ("ih", "hh"))
    frozen = b_rec is None or not (b_rec.requires_grad or b_rec.any())  # as `to_torch` leaves what a model has not
    params = {"W_in": W_in, "W_rec": W_rec, "b_in": _column(b_in, W_in, len(W_in))}
    params |= {} if frozen else {"b_rec": _column(b_rec, W_in, len(W_in))}
    params |= {"W_out": W_out, "b_out": _column(readout.bias, W_out, len(W_out))}
    return RNN(W_in.shape[1], weights, len(W_out), rnn.nonlinearity, biases=1 if frozen else 2), params


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
    torch, nn = needed("torch"), needed("torch.nn")

    class LastState(nn.Module):
        """A recurrent layer and the readout of its last state."""

        def __init__(self, recurrent: Any, readout: Any):
            super().__init__()
            self.recurrent, self.readout = recurrent, readout

        def forward(self, x: Any) -> Any:
            return self.readout(self.recurrent(x)[0][:, -1])

    class SigmoidRNN(nn.Module):
        """What `nn.RNN` is, with the nonlinearity that it does not have."""

        nonlinearity = "sigmoid"

        def forward(self, x: Any) -> tuple[Any, Any]:
            h, states = x.new_zeros(len(x), len(self.weight_hh_l0)), []
            for drive in (x @ self.weight_ih_l0.T + self.bias_ih_l0 + self.bias_hh_l0).unbind(1):
                h = torch.sigmoid(drive + h @ self.weight_hh_l0.T)
                states.append(h)
            return torch.stack(states, 1), h[None]

    name, sizes = model.activation.name, (model.n_in, model.n)
    recurrent = SigmoidRNN() if name == "sigmoid" else nn.RNN(*sizes, nonlinearity=name, batch_first=True)
    readout = nn.Linear(model.n, model.n_out)
    for part, key, value in (
        (recurrent, "weight_ih_l0", params["W_in"]), (recurrent, "bias_ih_l0", params["b_in"][:, 0]),
        (recurrent, "bias_hh_l0", params.get("b_rec", 0 * params["b_in"])[:, 0]),
        (readout, "weight", params["W_out"]), (readout, "bias", params["b_out"][:, 0]),
    ):  # fmt: skip
        _put(part, key, value)
    _put(recurrent, "weight_hh_l0", matrices["W_rec"], _mask(model.weights["W_rec"]))
    recurrent.bias_hh_l0.requires_grad_("b_rec" in params)
    return LastState(recurrent, readout)
