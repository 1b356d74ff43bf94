"""Checkpoints: everything a killed run needs to go on bit for bit, in one plain ``.npz`` file; nothing is pickled.

A file is data from somewhere: `read` looks at all of it, and compares it with the run that it is to serve, before
anything is changed. It holds a hash of its content, so what was altered is never gone on from.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .archive import KINDS, SHOWN, read_arrays, reason
from .arguments import expect
from .backend import Array, asarray, to_numpy
from .connectivity import Pattern, full
from .errors import FileError, InputError
from .files import write_aside
from .groups import labelled
from .identity import digest, name_of
from .protocols import Model, Optimiser, Rng, Weights
from .weights.make import STORAGES, make_weights

FORMAT = 2
NOTE = {"format": int, "model": dict, "optimiser": dict, "storages": dict, "settings": dict, "generators": dict,
        "hooks": list, "history": list}  # fmt: skip
"""What the note of a checkpoint holds, all that is no array, and of which type."""
AGAIN = "start again without resume, or use another file"


class Disagreement(InputError):
    """A checkpoint that belongs to something else."""


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
    ValueError
        If a hook's state, or the optimiser's, is no array of numbers.
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
    for name, weights in sparse.items():
        arrays |= {f"pattern/{name}/indptr": weights.pattern.indptr, f"pattern/{name}/shape": np.array(weights.shape)}
        if not weights.pattern.is_full:
            arrays[f"pattern/{name}/indices"] = weights.pattern.indices
        if weights.pattern.groups is not None:
            arrays |= {f"pattern/{name}/groups_{side}": v for side, v in weights.pattern.groups._asdict().items()}
    note = {
        "format": FORMAT,
        "model": model.config(),
        "optimiser": opt.config(),
        "storages": {name: weights.storage for name, weights in sparse.items()},
        "settings": settings or {},
        "generators": {name: _state_of(rng) for name, rng in (generators or {}).items()},
        "hooks": [name_of(hook) for hook in hooks],
        "memories": [sorted(getattr(hook, "state", {})) for hook in hooks],
        "history": list(history),
    }
    arrays["note"] = np.array(_json(note))
    arrays = {name: to_numpy(value) for name, value in arrays.items()}
    if odd := [name for name, value in arrays.items() if value.dtype.kind not in KINDS]:
        raise InputError(f"a checkpoint keeps arrays of numbers, but {odd[0]} is none; keep numbers in a hook's state")
    arrays["sha256"] = np.array(digest(arrays))
    write_aside(path, lambda file: np.savez(file, **arrays))


def load_checkpoint(
    path: str | os.PathLike,
    model: Model,
    params: dict[str, Array],
    opt: Optimiser,
    hooks: Sequence | None = None,
    generators: dict[str, Rng] | None = None,
    settings: dict | None = None,
) -> list[dict]:
    """Put a checkpoint's state into a model, its parameters, optimiser, hooks and generators.

    Everything is read and checked before the first of them is changed.

    Parameters
    ----------
    path : path
    model, params, opt, hooks, generators, settings
        As handed to `save`; what is left out of the last three is neither compared nor changed.

    Returns
    -------
    list of dict
        The history.

    Raises
    ------
    ValueError
        If the checkpoint belongs to another model, optimiser, hook or setting, or to an earlier version.
    OSError
        If the file cannot be read, is damaged or was altered.
    """
    stored = read(path, model, params, opt, hooks, generators, settings)
    stored.put()
    return stored.history


@dataclass(frozen=True)
class Stored:
    """A checkpoint that was read and fits; `put` sets the run to it.

    Attributes
    ----------
    history : list of dict
    put : callable
        Changes the model, parameters, optimiser, hooks and generators that `read` was given.
    """

    history: list[dict]
    put: Callable[[], None]


def read(
    path: str | os.PathLike,
    model: Model,
    params: dict[str, Array],
    opt: Optimiser,
    hooks: Sequence | None = None,
    generators: dict[str, Rng] | None = None,
    settings: dict | None = None,
) -> Stored:
    """Read a checkpoint and compare it with what it is for; nothing is changed.

    Parameters and errors are those of `load_checkpoint`.

    Returns
    -------
    Stored
    """
    expect(path=path, model=model, params=params, opt=opt)
    remedy = {"missing": "check the path, or start without resume", "damaged": "delete it to start again"}
    arrays = read_arrays(path, "checkpoint", **remedy)
    try:
        note = _note(path, arrays)
        _agree(path, "model", note["model"], model.config())
        _agree(path, "optimiser", note["optimiser"], opt.config())
        if settings is not None:
            _agree(path, "run", note["settings"], settings)
        if hooks is not None:
            _agree(path, "run", {"hooks": note["hooks"]}, {"hooks": [name_of(hook) for hook in hooks]})
        weights = _weights(arrays, note["storages"], model)
        new_params = _params(path, arrays, weights, params)
        state = _moments(arrays, weights, params, opt)
        memories = _memories(arrays, note)
        new_generators = _generators(path, note["generators"], generators or {})
        if arrays:
            raise ValueError(f"it holds {next(iter(arrays))}, which belongs to no part of a run")
    except (Disagreement, FileError):
        raise
    except MemoryError as error:
        raise FileError(f"checkpoint {path} does not fit into memory; free some, or use a smaller one") from error
    except Exception as error:  # whatever a note or an array that nobody has checked yet can be
        said = f"{type(error).__name__}: {reason(error)}" if isinstance(error, KeyError) else reason(error)
        raise FileError(f"checkpoint {path} is no whole state of this run ({said}); {AGAIN}") from error

    def put() -> None:
        model.weights.update(weights)
        params.update(new_params)
        opt.state = state
        for hook, memory in zip(hooks or (), memories, strict=False):
            if memory or hasattr(hook, "state"):
                hook.state = memory
        for name, rng in (generators or {}).items():
            _restore(rng, new_generators[name])

    return Stored(note["history"], put)


def _note(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> dict:
    """Return what is no array, after it was seen that the content is the one that was written."""
    note = json.loads(str(arrays["note"]))
    form = note.get("format") if isinstance(note, dict) else None
    if isinstance(form, int) and form != FORMAT:
        raise Disagreement(f"checkpoint {path} has format {form}, this version reads {FORMAT}; {AGAIN}")
    if str(arrays.pop("sha256")) != digest(arrays):
        raise FileError(f"checkpoint {path} was altered after it was written: its hash is another; {AGAIN}")
    del arrays["note"]
    for name, kind in NOTE.items():
        if not isinstance(note[name], kind):
            raise TypeError(f"its {name} is {type(note[name]).__name__}, not {kind.__name__}")
    if not all(isinstance(row, dict) for row in note["history"]):
        raise TypeError("its history has a row that is none")
    return note


def _weights(arrays: dict[str, np.ndarray], storages: dict[str, str], model: Model) -> dict[str, Weights]:
    """Return the storages; shapes and groups must be the model's, so none takes more memory than its own."""
    if storages.keys() != model.weights.keys():
        raise ValueError(f"it has storages of {', '.join(storages) or 'nothing'}")
    found = {}
    for name, present in model.weights.items():
        part = {key.split("/", 2)[2]: arrays.pop(key) for key in list(arrays) if key.startswith(f"pattern/{name}/")}
        if storages[name] not in STORAGES or tuple(part.pop("shape")) != tuple(present.shape):
            raise ValueError(f"its {name} has another storage or shape")
        indptr, indices = part.pop("indptr"), part.pop("indices", None)
        pattern = full(*present.shape) if indices is None else Pattern(indptr, indices, tuple(present.shape))
        if not np.array_equal(pattern.indptr, indptr):
            raise ValueError(f"its {name} is no full pattern")
        groups = present.pattern.groups
        sides = None if groups is None else [part.pop(f"groups_{side}", ()) for side in ("post", "pre")]
        if part or (groups is not None and not all(map(np.array_equal, sides, groups))):
            raise ValueError(f"its {name} has other groups of neurons")
        found[name] = make_weights(labelled(pattern, sides), storages[name])
    return found


def _params(path: Any, arrays: dict[str, np.ndarray], weights: dict[str, Weights], params: dict) -> dict[str, Array]:
    """Return the parameters, of the same names, shapes and types as the present ones."""
    stored = {key.partition("/")[2]: arrays.pop(key) for key in list(arrays) if key.startswith("params/")}
    if stored.keys() != params.keys():
        raise Disagreement(f"checkpoint {path} is of another model: it has the parameters {_short(', '.join(stored))}")
    for name, present in params.items():
        _agree(path, "model", {f"{name}.dtype": stored[name].dtype.name}, {f"{name}.dtype": present.dtype.name})
        _expect_shape(name, stored[name], (weights[name].nnz,) if name in weights else present.shape)
    return {name: _packed(stored[name], weights.get(name)) for name in params}


def _moments(arrays: dict[str, np.ndarray], weights: dict[str, Weights], params: dict, opt: Optimiser) -> dict:
    """Return the optimiser's state; its step counter and rate as plain numbers."""
    state: dict[str, Any] = {}
    moments = getattr(opt, "moments", ())
    for key in [key for key in arrays if key.startswith("opt/")]:
        value, (moment, _, name) = arrays.pop(key), key.removeprefix("opt/").partition(".")
        if value.dtype.kind not in "biuf":
            raise TypeError(f"its {key} holds no numbers")
        if name in weights or (name in params and moment in moments):
            _expect_shape(key, value, (weights[name].nnz,) if name in weights else params[name].shape)
            if moment in moments and value.dtype != params[name].dtype:
                raise TypeError(f"its {key} is {value.dtype}, not {params[name].dtype}")
        if not name:
            _expect_shape(key, value, ())
            if moment == "step" and not (value.dtype.kind in "iu" and value > 0):
                raise ValueError("its number of steps is none")
        state[key.removeprefix("opt/")] = _packed(value, weights.get(name)) if name else value.item()
    wanted = {f"{moment}.{name}" for moment in moments for name in params} if "step" in state else set()
    found = {key for key in state if key.partition(".")[0] in moments}
    if lacking := sorted(wanted - found) or ["its number of steps"] * (bool(found) and not wanted):
        raise ValueError(f"its optimiser has taken steps, but {lacking[0]} is missing")  # before them it has neither
    return state


def _memories(arrays: dict[str, np.ndarray], note: dict) -> list[dict[str, Array]]:
    """Return the state of each hook, with all that the note says it had (older files do not say it)."""
    found = [
        {key.partition("/")[2]: asarray(arrays.pop(key)) for key in list(arrays) if key.startswith(f"hook{i}/")}
        for i in range(len(note["hooks"]))
    ]
    if note.get("memories", now := [sorted(memory) for memory in found]) != now:
        raise ValueError("the memory of a hook is not whole")
    return found


def _generators(path: Any, stored: dict[str, dict], present: dict[str, Rng]) -> dict[str, dict]:
    """Return the states of generators, after copies of the present ones have taken them."""
    if not present:
        return {}
    _agree(path, "run", _kinds(stored), _kinds({name: _state_of(rng) for name, rng in present.items()}))
    for name, rng in present.items():
        trial = copy.deepcopy(rng)
        _restore(trial, stored[name])
        if json.loads(_json(_state_of(trial))) != stored[name]:
            raise ValueError(f"the generator of {name} cannot take its state")
    return stored


def _expect_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != tuple(shape):
        raise ValueError(f"its {name} has shape {array.shape}, not {tuple(shape)}")


def _packed(value: np.ndarray, weights: Weights | None) -> Array:
    return asarray(value) if weights is None else weights.from_values(asarray(value))


def _agree(path: str | os.PathLike, what: str, stored: dict, present: dict) -> None:
    present = json.loads(_json(present))
    for key in sorted(stored.keys() | present.keys()):
        if stored.get(key) != present.get(key):
            raise Disagreement(
                f"checkpoint {path} is of another {what}: its {_short(key)} is {_short(stored.get(key))}, here it is "
                f"{_short(present.get(key))}; use another file, or the same settings"
            )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _json(note: Any) -> str:
    return json.dumps(note, default=lambda array: array.tolist())


def _state_of(rng: Rng) -> dict:
    return rng.bit_generator.state if isinstance(rng, np.random.Generator) else rng.get_state(legacy=False)


def _kinds(states: dict[str, dict]) -> dict[str, str]:
    return {f"generator of {name}": state["bit_generator"] for name, state in states.items()}


def _restore(rng: Rng, state: dict) -> None:
    if isinstance(rng, np.random.Generator):
        rng.bit_generator.state = state
    else:
        rng.set_state(state)
