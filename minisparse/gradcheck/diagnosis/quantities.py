"""What may stand in an explanation of a wrong gradient: arrays and sizes that the function under test can use."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backend import to_numpy
from ..probe import Probe

TRANSFORMS = (
    ("{}", lambda q: q),
    ("1/{}", lambda q: 1 / q),
    ("{}²", lambda q: q * q),
    ("1/{}²", lambda q: 1 / (q * q)),
    ("√{}", np.sqrt),
    ("1/√{}", lambda q: 1 / np.sqrt(q)),
    ("(1 - {})", lambda q: 1 - q),
    ("1/(1 - {})", lambda q: 1 / (1 - q)),
    ("(1 - {}²)", lambda q: 1 - q * q),
    ("1/(1 - {}²)", lambda q: 1 / (1 - q * q)),
    ("{0}(1 - {0})", lambda q: q * (1 - q)),
    ("1/({0}(1 - {0}))", lambda q: 1 / (q * (1 - q))),
    ("{0}/(1 - {0})", lambda q: q / (1 - q)),
    ("(1 - {0})/{0}", lambda q: (1 - q) / q),
    ("the sign of {}", np.sign),
    ("|{}|", np.abs),
)
FORMS = (
    ("{}²", lambda q: q * q),
    ("(1 - {}²)", lambda q: 1 - q * q),
    ("(1 - {})", lambda q: 1 - q),
    ("{0}(1 - {0})", lambda q: q * (1 - q)),
    ("(1 - tanh({})²)", lambda q: 1 - np.tanh(q) ** 2),
    ("(1 - tanh(tanh({}))²)", lambda q: 1 - np.tanh(np.tanh(q)) ** 2),
    ("σ({0})(1 - σ({0}))", lambda q: np.exp(-np.abs(q)) / (1 + np.exp(-np.abs(q))) ** 2),
)
"""What an array may be laid along axes as; the last three are slopes of an activation."""

TURNED = " along another axis"


@dataclass(frozen=True)
class Quantity:
    """A named array: an input, the output, something in the cache ("array"), a reduction of one, or a size."""

    name: str
    values: np.ndarray
    kind: str

    def broadcast(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the values against an array of this shape, or None if they do not lie along its axes."""
        if self.values.size == 1:
            return None
        theirs = shape[len(shape) - self.values.ndim :] if self.values.ndim <= len(shape) else None
        if theirs is None or any(a not in (1, b) for a, b in zip(self.values.shape, theirs, strict=True)):
            return None
        return np.broadcast_to(self.values, shape)

    def along(self, shape: tuple[int, ...], plain: bool = False) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the quantity and its `FORMS` along every choice of axes of a shape that it fits."""
        axes = [axis for axis, size in enumerate(self.values.shape) if size > 1]
        choices = [[place for place, size in enumerate(shape) if size == self.values.shape[axis]] for axis in axes]
        values = self.values.squeeze()
        for number, places in enumerate(itertools.islice(itertools.product(*choices), 24)):
            if len(set(places)) < len(places):
                continue
            laid = values.transpose(np.argsort(places)).reshape(
                [shape[place] if place in places else 1 for place in range(len(shape))]
            )
            name = f"{self.name}{TURNED}" if number else self.name
            if laid.max() - laid.min() > 1e-6 * np.abs(laid).max():
                yield name, laid
                if plain:
                    continue
                for text, change in FORMS:
                    yield text.format(name), change(laid)

    def transformed(
        self, shape: tuple[int, ...] | None = None, transforms: tuple = TRANSFORMS
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the quantity, its inverse, its square and so on, each with its name."""
        values = self.values if shape is None else self.broadcast(shape)
        if values is None:
            return
        with np.errstate(all="ignore"):
            for text, change in transforms[: 6 if self.kind == "size" else None]:
                yield text.format(self.name), change(values)


def quantities(probe: Probe, support: dict[str, Any]) -> list[Quantity]:
    """List what the function under test can use; equal arrays are listed once, under their first name."""
    arrays = {name: probe.value(name) for name in probe.floats}
    arrays |= {name: to_numpy(v) for name, v in probe.others.items() if hasattr(v, "dtype") and v.dtype.kind in "iub"}
    arrays["the output"] = probe.y
    arrays.update(_arrays_in(probe.cache, "cache"))
    found: list[Quantity] = []
    for name, values in arrays.items():
        _add(found, name, values, "array")
    for name, mask in support.items():
        if mask.ndim != 2:
            continue
        for axis, word in ((1, "row"), (0, "column")):
            counts = np.maximum(to_numpy(mask).sum(axis=axis, keepdims=True), 1)
            _add(found, f"the number of synapses in each {word} of {name}", counts, "reduced")
    for name in probe.others:
        for size in {shape[1] for shape in (probe.value(other).shape for other in probe.floats) if len(shape) == 2}:
            if name in arrays and _are_indices(arrays[name], size):
                _add(found, f"the one-hot of {name}", np.eye(size)[arrays[name]], "array")
    for quantity in list(found):
        if quantity.values.ndim == 2 and quantity.kind == "array":
            _add_reductions(found, quantity)
    for size in sorted({size for values in (*arrays.values(),) for size in values.shape if size > 1}):
        axes = [f"{name}.shape[{axis}]" for name in [*probe.floats, "the output"] for axis in _axes(arrays[name], size)]
        axes = axes or [f"{name}.shape[{axis}]" for name in arrays for axis in _axes(arrays[name], size)][:1]
        if axes:
            named = " = ".join(axes).replace("the output", "y")
            found.append(Quantity(f"{size} ({named})", np.array(float(size)), "size"))
    taken = {quantity.values.item() for quantity in found if quantity.kind == "size"}
    found += [Quantity(str(k), np.array(float(k)), "size") for k in (2, 3) if k not in taken]
    return found


def _axes(values: np.ndarray, size: int) -> list[int]:
    return [axis for axis, length in enumerate(values.shape) if length == size]


def _add(found: list[Quantity], name: str, values: np.ndarray, kind: str) -> None:
    values = np.asarray(values, float)
    if not values.size or not np.isfinite(values).all():
        return
    room = 1e-9 * np.abs(values)
    if not any(q.values.shape == values.shape and (np.abs(q.values - values) <= room).all() for q in found):
        found.append(Quantity(name, values, kind))


def _add_reductions(found: list[Quantity], quantity: Quantity) -> None:
    values, name = quantity.values, quantity.name
    for axis in (0, 1, None):
        over = {0: "over each column of", 1: "over each row of", None: "over all of"}[axis]
        settings = {"axis": axis, "keepdims": True}
        _add(found, f"the number of nonzeros {over} {name}", np.count_nonzero(values, **settings), "reduced")
        _add(found, f"the norm {over} {name}", np.sqrt((values * values).sum(**settings)), "reduced")
        _add(found, f"the sum {over} {name}", values.sum(**settings), "reduced")
        _add(found, f"the standard deviation {over} {name}", values.std(**settings), "reduced")


def _are_indices(labels: np.ndarray, size: int) -> bool:
    return labels.ndim == 1 and labels.dtype.kind in "iu" and bool(((labels >= 0) & (labels < size)).all())


def _is_stack(values: list | tuple) -> bool:
    return all(map(_is_numeric, values)) and len({value.shape for value in values}) == 1


def _is_numeric(value: Any) -> bool:
    return hasattr(value, "dtype") and getattr(value.dtype, "kind", "") in "fiub"


def _arrays_in(cache: Any, name: str, depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Find the arrays in a cache, down three levels; what is a list of equal arrays, one per step, is stacked."""
    if _is_numeric(cache):
        yield name, np.asarray(to_numpy(cache))
    elif isinstance(cache, float):
        yield name, np.asarray(cache)
    if _is_numeric(cache) or depth > 2:
        return
    by_step = isinstance(cache, dict) and all(isinstance(key, int) for key in cache)
    steps = list(cache.values()) if by_step else cache
    if isinstance(steps, (list, tuple)) and len(steps) and depth and _is_stack(steps):
        yield name, np.stack([to_numpy(v) for v in steps])
        return
    if isinstance(steps, (list, tuple)) and len(steps) > 1 and all(isinstance(v, (dict, tuple)) for v in steps):
        records = [v if isinstance(v, dict) else dict(enumerate(v)) for v in steps]
        for key in records[0] if all(record.keys() == records[0].keys() for record in records) else ():
            yield from _arrays_in([record[key] for record in records], f"{name}[:][{key!r}]", depth + 1)
        return
    if isinstance(cache, dict):
        parts = ((f"{name}[{key!r}]", value) for key, value in cache.items())
    elif isinstance(cache, (tuple, list)):
        parts = ((f"{name}[{number}]", value) for number, value in enumerate(cache))
    else:
        parts = ((f"{name}.{key}", value) for key, value in getattr(cache, "__dict__", {}).items())
    for label, value in parts:
        yield from _arrays_in(value, label, depth + 1)


def describe_axes(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield every exchange of two axes of equal length."""
    for a, b in itertools.combinations(range(len(shape)), 2):
        if shape[a] == shape[b] > 1:
            axes = list(range(len(shape)))
            axes[a], axes[b] = b, a
            yield tuple(axes), f"axes {a} and {b}"
