"""A trained network in one plain ``.npz`` file: structure, patterns, values; nothing is pickled or executed.

Unlike a checkpoint (`checkpoint`) it holds no optimiser and no generator, and is read without a model to put it into.
A file is data from somewhere: what it says is compared with its own length before memory is taken for it.
"""

from __future__ import annotations

import inspect
import json
import math
import os
from typing import Any

import numpy as np

from . import normalise
from .activations import ACTIVATIONS
from .archive import read_arrays, reason
from .backend import Array, asarray, to_numpy
from .connectivity import Pattern, full
from .conv import ConvNet, ConvPool
from .errors import FileError, InputError
from .files import write_aside
from .groups import labelled
from .mlp import MLP
from .patches import PatchConv
from .protocols import Model, Weights
from .recurrent import Recurrent
from .rnn import RNN
from .sequence import SequenceRNN
from .weights.make import STORAGES, make_weights
from .wrappers import Wrapper

FORMAT = "minisparse model 1"
RULES = ("Plain", "Dendritic", "LpConstant", "LpVariable", "Joint")
STEMS = {stem.__name__: stem for stem in (ConvPool, PatchConv)}


def save_model(path: str | os.PathLike, model: Model, params: dict[str, Array]) -> None:
    """Write a network: its structure, patterns and values.

    The file is written aside and renamed, so that a kill at any moment leaves the old or the new one whole.

    Parameters
    ----------
    path : path
        Taken as it is; ``.npz`` says what the file is.
    model : RNN, SequenceRNN, MLP or ConvNet
    params : dict of arrays

    Raises
    ------
    ValueError
        If the model, its activation, normaliser or stem is of a kind that is not in this library: the file could not
        be read again.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(5, 5)), 10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "network.npz"
    ...     minisparse.save_model(path, model, model.init(numpy.random.default_rng(0)))
    ...     model, params = minisparse.load_model(path)
    >>> model.n_in, model.n_out, params["W_rec"].shape
    (8, 10, (5, 5))
    """
    arrays = to_arrays(model, params)
    write_aside(path, lambda file: np.savez(file, **arrays))


def load_model(path: str | os.PathLike) -> tuple[Model, dict[str, Array]]:
    """Read what `save_model` has written, onto the current backend.

    Parameters
    ----------
    path : path

    Returns
    -------
    model, params
        Logits are those of the saved network, bit for bit, on the same kind of machine and backend.

    Raises
    ------
    OSError
        If the file is missing, damaged, or not one that `save_model` has written.

    Examples
    --------
    See `save_model`.
    """
    arrays = read_arrays(path, "model file", damaged="write it again with minisparse.save_model")
    try:
        return from_arrays(arrays)
    except Exception as error:  # whatever a note or an array that nobody has checked yet can be
        said = f"{type(error).__name__}: {reason(error)}" if isinstance(error, KeyError) else reason(error)
        raise FileError(f"{path} is no whole model file ({said}); write one with minisparse.save_model") from error


def to_arrays(model: Model, params: dict[str, Array]) -> dict[str, np.ndarray]:
    """Return a network as plain arrays, under the names that they have in the file.

    Parameters
    ----------
    model : RNN, SequenceRNN, MLP or ConvNet
    params : dict of arrays

    Returns
    -------
    dict of arrays
        "note" (JSON in UTF-8, as bytes), "params/NAME" (packed), and of each pattern that is not full
        "pattern/NAME/indptr" and "pattern/NAME/indices"; of one with groups "pattern/NAME/post" and "pattern/NAME/pre".

    Examples
    --------
    >>> model = minisparse.MLP([minisparse.make_weights(minisparse.full(2, 3))])
    >>> list(minisparse.model_file.to_arrays(model, model.init(numpy.random.default_rng(0))))
    ['note', 'params/W0', 'params/b0']
    """
    note = {"format": FORMAT, "model": _described(model), "weights": {}}
    arrays = {}
    for name, weights in model.weights.items():
        if STORAGES.get(weights.storage) is not type(weights):
            raise InputError(f"{name} has a storage of your own, {type(weights).__name__}, which a file cannot hold")
        note["weights"][name] = {"storage": weights.storage, "shape": list(weights.shape)}
        if not weights.pattern.is_full:
            arrays |= {f"pattern/{name}/{part}": getattr(weights.pattern, part) for part in ("indptr", "indices")}
        if weights.pattern.groups is not None:
            arrays |= {f"pattern/{name}/{side}": ids for side, ids in weights.pattern.groups._asdict().items()}
    text = np.frombuffer(json.dumps(note).encode(), np.uint8)
    return {"note": text, **{f"params/{k}": to_numpy(v) for k, v in params.items()}, **arrays}


def from_arrays(arrays: dict[str, np.ndarray]) -> tuple[Model, dict[str, Array]]:
    """Return the network that `to_arrays` has described; every size is checked before it is used.

    Examples
    --------
    >>> model = minisparse.MLP([minisparse.make_weights(minisparse.full(2, 3))])
    >>> arrays = minisparse.model_file.to_arrays(model, model.init(numpy.random.default_rng(0)))
    >>> minisparse.model_file.from_arrays(arrays)[0].config() == model.config()
    True
    """
    note = json.loads(arrays["note"].tobytes())
    if note["format"] != FORMAT:
        raise InputError(f"its format is {note['format']}, this version reads {FORMAT}")
    params = {name.partition("/")[2]: value for name, value in arrays.items() if name.startswith("params/")}
    kinds = sorted({value.dtype.str for value in params.values()})
    if len(kinds) != 1 or np.dtype(kinds[0]).kind != "f":
        raise InputError(f"its parameters are of {', '.join(kinds) or 'no type'}; they must be floats of one type")
    parts = {f"pattern/{name}/{part}" for name in note["weights"] for part in ("indptr", "indices", "post", "pre")}
    if odd := [name for name in arrays if name != "note" and not name.startswith("params/") and name not in parts]:
        raise InputError(f"it holds {odd[0]}, which belongs to no part of a network")
    weights = {name: _weights(name, kind, arrays, params) for name, kind in note["weights"].items()}
    model = _made(note["model"], weights, params)
    shapes = model.shapes() | {name: params[name].shape for name in weights}
    if shapes != {name: value.shape for name, value in params.items()}:
        odd = sorted(k for k in shapes.keys() | params.keys() if k not in params or params[k].shape != shapes.get(k))
        raise InputError(f"its {', '.join(odd)} does not fit its structure")
    return model, {name: asarray(value) for name, value in params.items()}


def _described(model: Any) -> dict:
    """Describe a model in plain values, enough to make it again around its storages."""
    kind = {"model": type(model).__name__}
    if type(model) is RNN:
        return kind | _recurrent(model.layer)
    if type(model) is SequenceRNN and {type(layer) for layer in model.layers} == {Recurrent}:
        layers = [_recurrent(k) | {"alpha": k.dynamics.alpha, "start": k.start} for k in model.layers]
        return kind | {"layers": layers, "every": model.every}
    if type(model) is MLP:
        rules = [_rule(rule) for rule in model.rules[:-1]]
        return kind | {"activation": _activation(model), "normalise": rules, "shared_scale": bool(model.shared_scale)}
    if type(model) is ConvNet and type(model.head) is MLP and STEMS.get(type(model.stem).__name__) is type(model.stem):
        stem = {"stem": type(model.stem).__name__, **_settings(model.stem), "activation": _activation(model.stem)}
        return kind | {"stem": stem, "head": _described(model.head)}
    if isinstance(model, Wrapper):
        raise InputError(f"a file holds what is inside of a {kind['model']}: save its .innermost, the parameters fit")
    raise InputError(
        "a file holds an RNN, a SequenceRNN, an MLP, or a ConvNet of a stem and an MLP of this library, not a "
        f"{kind['model']} of your own; keep its parameters with numpy.savez"
    )


def _recurrent(layer: Recurrent) -> dict:
    """Describe a recurrent layer without a leak."""
    return {"activation": _activation(layer), "normalise": _rule(layer.normalise), "biases": len(layer.biases)}


def _made(note: dict, weights: dict[str, Weights], params: dict[str, np.ndarray]) -> Model:
    """Make a model around its storages."""
    if note["model"] == "ConvNet":
        stem = dict(note["stem"])
        made = STEMS[stem.pop("stem")](**stem)
        return ConvNet(made, _made(note["head"], weights, params))
    if note["model"] == "MLP":
        if list(weights) != [f"W{k}" for k in range(len(weights))]:
            raise InputError("its layers are not W0, W1 and so on")
        rules = [_rule_of(rule) for rule in note["normalise"]]
        return MLP(list(weights.values()), note["activation"], rules, note["shared_scale"])
    if note["model"] == "RNN":
        return RNN(params["W_in"].shape[1], weights["W_rec"], len(params["W_out"]), **_settings_of(note))
    if note["model"] != "SequenceRNN":
        raise InputError(f"its model {note['model']!r} is unknown to this version")
    if list(weights) != [f"W_rec{k}" for k in range(len(note["layers"]))]:
        raise InputError("its layers are not W_rec0, W_rec1 and so on")
    parts = zip(note["layers"], weights.values(), strict=True)
    layers = [Recurrent(params[f"W_in{k}"].shape[1], w, **_settings_of(own)) for k, (own, w) in enumerate(parts)]
    return SequenceRNN(layers, len(params["W_out"]), note["every"])


def _settings_of(note: dict) -> dict:
    """Return the settings of a recurrent layer, its normaliser made."""
    rule = _rule_of(note["normalise"])
    return {**{name: value for name, value in note.items() if name != "model"}, "normalise": rule}


def _activation(part: Any) -> str:
    name = part.activation.name
    if ACTIVATIONS.get(name) is not part.activation:
        raise InputError(f"a file names an activation of this library ({', '.join(ACTIVATIONS)}), not your own {name}")
    return name


def _settings(part: Any) -> dict:
    """Return the plain settings that a part was made with: its constructor's arguments, kept under their names."""
    found = {name: getattr(part, name) for name in inspect.signature(type(part)).parameters if name != "activation"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _rule(rule: Any) -> dict:
    name = type(rule).__name__
    if name not in RULES or getattr(normalise, name) is not type(rule):
        raise InputError(f"a file names a normaliser of this library ({', '.join(RULES)}), not your own {name}")
    return {"rule": name, **_settings(rule)}


def _rule_of(note: dict) -> Any:
    settings = dict(note)
    if (name := settings.pop("rule")) not in RULES:
        raise InputError(f"its normaliser {name!r} is unknown to this version")
    return getattr(normalise, name)(**settings)


def _weights(name: str, note: dict, arrays: dict[str, np.ndarray], params: dict[str, np.ndarray]) -> Weights:
    """Make a storage; the packed numbers, which the file holds, say how much memory it may take."""
    packed, (n_post, n_pre) = params[name], note["shape"]
    parts = {part: arrays.get(f"pattern/{name}/{part}") for part in ("indptr", "indices", "post", "pre")}
    is_full = parts["indptr"] is None
    stored = n_post * n_pre if note["storage"] == "dense" or is_full else len(parts["indices"])
    if note["storage"] != "grouped" and packed.size != stored:
        raise InputError(f"its {name} has {packed.size} numbers but a pattern for {stored}")
    if packed.size < stored if is_full else len(parts["indptr"]) != n_post + 1:
        raise InputError(f"its {name} does not fit its pattern")
    pattern = full(n_post, n_pre) if is_full else Pattern(parts["indptr"], parts["indices"], (n_post, n_pre))
    if parts["post"] is not None:
        counts = 1 + int(max(parts["post"].max(), parts["pre"].max()))
        if counts > n_post + n_pre:
            raise InputError(f"its {name} has more groups than neurons")
        pattern = labelled(pattern, (parts["post"], parts["pre"]))
        blocks = pattern.groups.count * math.prod(int(side.max()) for side in pattern.groups.sizes)
        if note["storage"] == "grouped" and blocks > packed.size:
            raise InputError(f"its {name} has fewer numbers than its groups")
    weights = make_weights(pattern, note["storage"])
    if packed.dtype.kind != "f" or not np.array_equal(weights.from_values(weights.values(packed)), packed, True):
        raise InputError(f"its {name} has numbers off its pattern")
    return weights
