"""What is saved, a checkpoint and a model file, and its fields changed at random."""

import copy
import io
import json

import numpy as np
from helpers.runs import Run

import minisparse as ms
from minisparse.identity import digest

ODD = [None, True, -1, 0, 2.5, 10**30, "text", "", [], [1], {}, {"a": 1}, [[]], float("nan")]
DTYPES = ["<f4", "<f8", "<i4", "<i8", "?", "<c8", "<U3", "|u1"]


class Checkpoint:
    """What a checkpoint is loaded into, with all that must not change if it is refused."""

    def __init__(self):
        self.run = Run("csr", seed=5)
        self.rng = {"batches": np.random.default_rng(1), "old": np.random.RandomState(1)}

    def load(self, path):
        return ms.load_checkpoint(path, self.run.model, self.run.params, self.run.opt, [self.run.memory], self.rng)

    def bits(self):
        return self.run.bits(), [str(rng.__getstate__()) for rng in self.rng.values()], id(self.run.opt.state)

    @classmethod
    def written(cls, path):
        made = cls()
        made.run.fit(1)
        ms.save(
            path, made.run.model, made.run.params, made.run.opt, [made.run.memory], made.rng, {"a": 1}, [{"epoch": 0}]
        )
        return path.read_bytes()


class Model:
    """The same of a model file, which is loaded into nothing."""

    def load(self, path):
        model, params = ms.load_model(path)
        x = np.ones((2, model.n_in, 3) if isinstance(model, ms.RNN) else (model.n_in, 3), np.float32)
        model.forward(params, x)

    def bits(self):
        return None

    @classmethod
    def written(cls, path):
        model = ms.RNN(
            3, ms.make_weights(ms.bernoulli(6, 6, 0.5, np.random.default_rng(0)), "csr"), 2, normalise=ms.Dendritic()
        )
        ms.save_model(path, model, model.init(np.random.default_rng(0)))
        return path.read_bytes()


def arrays_of(content):
    with np.load(io.BytesIO(content)) as file:
        return {name: file[name] for name in file.files}


def fields(value, way=()):
    """Give the way to every value of a note, the containers too."""
    yield way
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from fields(inner, (*way, key))


def with_note(arrays, note):
    old = arrays["note"]
    text = json.dumps(note)
    return {**arrays, "note": np.array(text) if old.dtype.kind == "U" else np.frombuffer(text.encode(), np.uint8)}


def changed_note(arrays, rng):
    raw = arrays["note"]
    note = json.loads(str(raw) if raw.dtype.kind == "U" else raw.tobytes())
    ways = list(fields(note))
    way = ways[rng.integers(len(ways))]
    if not way:
        return with_note(arrays, ODD[rng.integers(len(ODD))])
    place = note
    for key in way[:-1]:
        place = place[key]
    kind = rng.integers(4)
    if kind == 0 and isinstance(place, dict):
        del place[way[-1]]
    elif kind == 1 and isinstance(place, dict):
        place[f"{way[-1]}x"] = place.pop(way[-1])
    elif kind == 2 and isinstance(place[way[-1]], int):
        place[way[-1]] += int(rng.integers(-3, 4))
    else:
        place[way[-1]] = ODD[rng.integers(len(ODD))]
    return with_note(arrays, note)


def changed_array(arrays, rng):
    names = sorted(arrays)
    name = names[rng.integers(len(names))]
    array, rest = arrays[name], {key: value for key, value in arrays.items() if key != name}
    kind = rng.integers(9)
    if kind == 0:
        return rest
    if kind == 1:
        return {**rest, f"{name}x": array}
    if kind == 2:
        return {**rest, name: arrays[names[rng.integers(len(names))]]}
    if kind == 3:
        return {**rest, name: array.astype("<U9" if array.dtype.kind == "U" else DTYPES[rng.integers(len(DTYPES))])}
    if kind == 4:
        return {**rest, name: array[..., None]}
    if kind == 5:
        return {**rest, name: array.ravel()[: rng.integers(array.size + 1)]}
    if kind == 6 and array.dtype.kind in "iuf" and array.size:
        new = array.copy().reshape(-1)
        odd = (0, -1, 1, new.max(), 100) if array.dtype.kind != "u" else (0, 1, new.max())
        new[rng.integers(new.size)] = odd[rng.integers(len(odd))]
        return {**rest, name: new.reshape(array.shape)}
    if kind == 7 and array.dtype.kind in "iuf":
        return {**rest, name: np.zeros_like(array)}
    return {**rest, name: np.concatenate([array.ravel(), array.ravel()])}


def signed(arrays):
    """Return arrays with their hash made anew."""
    if "sha256" not in arrays:
        return arrays
    return {**arrays, "sha256": np.array(digest({name: array for name, array in arrays.items() if name != "sha256"}))}


def changed(arrays, rng):
    """Return arrays of which one, or a field of the note, is another."""
    arrays = {name: array.copy() for name, array in arrays.items()}
    return (changed_note if rng.random() < 0.5 else changed_array)(arrays, rng)


def load_or_leave(target, path):
    """Load; a refusal must leave everything as it was."""
    before = copy.deepcopy(target.bits())
    try:
        target.load(path)
    except ms.UserError:
        assert target.bits() == before, "it was refused, and something has changed"
        raise
