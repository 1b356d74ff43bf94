"""Checkpoints: everything a killed run needs to go on bit for bit, in one plain ``.npz`` file; nothing is pickled."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .arguments import expect
from .backend import Array, asarray, to_numpy
from .connectivity import Pattern, full
from .errors import FileError, InputError
from .files import write_aside
from .groups import labelled
from .protocols import Model, Optimiser, Rng, Weights
from .weights.make import make_weights

FORMAT = 1


def save(
    path: str | os.PathLike,
    model: Model,
    params: dict[str, Array],
    opt: Optimiser,
    hooks: Sequence = (),
    generators: dict[str, Rng] | None = None,
    settings: dict | None = None,
    history: Sequence[dict] = (),
) -> None:
    """Write a checkpoint: values in pattern order, patterns, optimiser, hooks, generators, history.

    The file is written aside, synced and renamed, so that a kill at any moment leaves the old or the new one whole.
    It is a plain ``.npz``; nothing is pickled.

    Parameters
    ----------
    path : path
    model, params, opt
    hooks : sequence
        Objects whose ``state`` dict is kept.
    generators : dict of generators
    settings : dict
        Plain values that must agree when the run is resumed.
    history : list of dict

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    expect(path=path, model=model, params=params, opt=opt)
    sparse = model.weights
    arrays = {f"params/{k}": sparse[k].values(v) if k in sparse else v for k, v in params.items()}
    for key, value in opt.state.items():
        name = key.partition(".")[2]
        arrays[f"opt/{key}"] = sparse[name].values(value) if name in sparse else value
    for i, hook in enumerate(hooks):
        arrays |= {f"hook{i}/{k}": v for k, v in getattr(hook, "state", {}).items()}
    storages = {}
    for name, weights in sparse.items():
        storages[name] = weights.storage
        arrays |= {f"pattern/{name}/indptr": weights.pattern.indptr, f"pattern/{name}/shape": np.array(weights.shape)}
        if not weights.pattern.is_full:
            arrays[f"pattern/{name}/indices"] = weights.pattern.indices
        if weights.pattern.groups is not None:
            arrays |= {f"pattern/{name}/groups_{side}": v for side, v in weights.pattern.groups._asdict().items()}
    note = {
        "format": FORMAT,
        "model": model.config(),
        "optimiser": opt.config(),
        "storages": storages,
        "settings": settings or {},
        "generators": {name: _state_of(rng) for name, rng in (generators or {}).items()},
        "history": list(history),
    }
    arrays["note"] = np.array(json.dumps(note, default=lambda a: a.tolist()))
    write_aside(path, lambda file: np.savez(file, **{k: to_numpy(v) for k, v in arrays.items()}))


def load_checkpoint(
    path: str | os.PathLike,
    model: Model,
    params: dict[str, Array],
    opt: Optimiser,
    hooks: Sequence = (),
    generators: dict[str, Rng] | None = None,
    settings: dict | None = None,
) -> list[dict]:
    """Put a checkpoint's state into a model, its parameters, optimiser, hooks and generators.

    Everything is read and checked before the first of them is changed.

    Parameters
    ----------
    path : path
    model, params, opt, hooks, generators, settings
        As handed to `save`.

    Returns
    -------
    list of dict
        The history.

    Raises
    ------
    ValueError
        If the checkpoint belongs to another model, optimiser or setting.
    OSError
        If the file cannot be read or is damaged.
    """
    expect(path=path, model=model, params=params, opt=opt)
    try:
        if Path(path).exists() and not zipfile.is_zipfile(path):
            raise zipfile.BadZipFile("it is no complete .npz file")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        note = json.loads(str(arrays.pop("note")))
        if note["format"] != FORMAT:
            raise InputError(f"checkpoint {path} has format {note['format']}, this version reads {FORMAT}; start again")
        _agree(path, "model", note["model"], model.config())
        _agree(path, "optimiser", note["optimiser"], opt.config())
        if settings is not None:
            _agree(path, "run", note["settings"], settings)
        weights = {name: _stored_weights(arrays, name, kind) for name, kind in note["storages"].items()}
        groups: dict[str, dict] = {}
        for key, value in arrays.items():
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = asarray(value)
        new_params = {k: weights[k].from_values(v) if k in weights else v for k, v in groups["params"].items()}
        if new_params.keys() != params.keys():
            raise InputError(f"checkpoint {path} is of another model: it has the parameters {', '.join(new_params)}")
        for name, w in params.items():
            _agree(path, "model", {f"{name}.dtype": new_params[name].dtype.name}, {f"{name}.dtype": w.dtype.name})
        if generators is not None:
            present = {name: _state_of(rng) for name, rng in generators.items()}
            _agree(path, "run", _kinds(note["generators"]), _kinds(present))
        state = {key: _packed(key, value, weights) for key, value in groups.get("opt", {}).items()}
    except InputError:
        raise
    except FileNotFoundError as error:
        raise FileError(f"checkpoint {path} does not exist; check the path, or start without --resume") from error
    except Exception as error:  # whatever zipfile, NumPy's header parser and JSON make of a damaged file
        raise FileError(f"checkpoint {path} is damaged ({error}); delete it to start again") from error

    model.weights.update(weights)
    params.update(new_params)
    opt.state = state
    for i, hook in enumerate(hooks):
        if f"hook{i}" in groups:
            hook.state = groups[f"hook{i}"]
    for name, rng in (generators or {}).items():
        _restore(rng, note["generators"][name])
    return note["history"]


def _packed(key: str, value: Array, weights: dict) -> Array:
    """Return an optimiser entry in its storage's own shape; the step counter and the rate as plain numbers."""
    name = key.partition(".")[2]
    if not name:
        return value.item()
    return weights[name].from_values(value) if name in weights else value


def _stored_weights(arrays: dict[str, np.ndarray], name: str, storage: str) -> Weights:
    indptr, shape = arrays.pop(f"pattern/{name}/indptr"), arrays.pop(f"pattern/{name}/shape")
    indices = arrays.pop(f"pattern/{name}/indices", None)
    sides = [arrays.pop(f"pattern/{name}/groups_{side}", None) for side in ("post", "pre")]
    pattern = full(*shape) if indices is None else Pattern(indptr, indices, tuple(shape))
    return make_weights(labelled(pattern, None if sides[0] is None else sides), storage)


def _agree(path: str | os.PathLike, what: str, stored: dict, present: dict) -> None:
    for key in sorted(stored.keys() | present.keys()):
        if stored.get(key) != present.get(key):
            raise InputError(
                f"checkpoint {path} is of another {what}: its {key} is {stored.get(key)}, here it is "
                f"{present.get(key)}; use another file, or the same settings"
            )


def _state_of(rng: Rng) -> dict:
    return rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng.get_state(legacy=False)


def _kinds(states: dict[str, dict]) -> dict[str, str]:
    return {f"generator of {name}": state["bit_generator"] for name, state in states.items()}


def _restore(rng: Rng, state: dict) -> None:
    if isinstance(rng, np.random.Generator):
        rng.bit_generator.state = state
    else:
        rng.set_state(state)
