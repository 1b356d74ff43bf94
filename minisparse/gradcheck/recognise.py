"""Which catalogued mistake gives just these gradients, and which could not be seen at these sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array, array_module, to_numpy
from ..protocols import Model
from .catalogue import Mistake, catalogue, restored
from .report import Finding

SAME = 1e-7
"""Two gradients are equal if they differ by at most this share of the larger one: rounding."""


Gradients = Callable[..., dict[str, np.ndarray]]


def recognise(gradients: Gradients, *parts: Any, family: str | None = None) -> tuple[list[Finding], list[str]]:
    """Compare what parts of the library compute with what they would under every catalogued mistake.

    Parameters
    ----------
    gradients : callable
        ``gradients(*parts)`` returns named arrays; called with the parts as they are, with their lines restored, and
        with each mistake planted.
    *parts : models, losses, rules, activations, storages, optimisers or hooks
    family : str, optional
        Of the mistakes; all if omitted.

    Returns
    -------
    findings : list of Finding
        At most one: the mistake recognised, with those that cannot be told from it.
    blind : list of str
        Codes of the mistakes that change nothing at these sizes.
    """
    rows = [row for row in catalogue(family) if row.concerns(*parts)]
    if not rows:
        return [], []
    found = {}
    with np.errstate(all="ignore"):
        own, right = gradients(*parts), gradients(*map(restored, parts))
        for row in rows:
            try:
                found[row] = gradients(*map(row.plant, parts))
            except (ValueError, LookupError, TypeError):  # a wrong line that does not even run at these sizes
                continue
    blind = [row for row, grads in found.items() if same(right, grads)]
    equal = [row for row, grads in found.items() if row not in blind and same(own, grads)]
    first = next((name for name in {**own, **right} if not _alike(own, right, name)), "")
    return [_named(equal, first)] if equal else [], [row.code for row in blind]


def _named(rows: list[Mistake], tensor: str) -> Finding:
    """Turn the mistakes that give the same numbers into one finding."""
    first, others = rows[0], [row.code for row in rows[1:]]
    sentence = f"{first.sentence} The line ({first.tag}) reads: {first.right}"
    if others:
        sentence += f" (at these sizes this cannot be told from {', '.join(others)})"
    evidence = {"tag": first.tag, "right": first.right, "wrong": first.wrong, "alternatives": others}
    return Finding(first.code, tensor, sentence, evidence)


def gradients_of(functions: Callable[[Any], dict], seed: int) -> Gradients:
    """Return what `recognise` asks for, of a part that `functions` turns into the arguments of `check_pair`."""

    def gradients(part: Any) -> dict[str, np.ndarray]:
        pair = functions(part)
        y, cache = pair["forward"](**pair["inputs"])
        dy = array_module(y).asarray(np.random.default_rng(seed).standard_normal(y.shape), dtype=y.dtype)
        return {name: to_numpy(grad) for name, grad in pair["backward"](dy, cache).items()}

    return gradients


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Whether two dicts of arrays are equal to rounding, keys and shapes included."""
    return a.keys() == b.keys() and all(_alike(a, b, name) for name in a)


def _alike(a: dict[str, np.ndarray], b: dict[str, np.ndarray], name: str) -> bool:
    return name in a and name in b and _close(a[name], b[name])


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return bool(np.array_equal(a, b, equal_nan=True))
    return bool(np.abs(a - b).max(initial=0) <= SAME * max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)))


def sizes_of(model: Model, params: dict[str, Array], x: Array) -> dict[str, int]:
    """Return the named sizes of a model and its input."""
    sizes = {"batch": x.shape[-1], "inputs": x.shape[-2]}
    if x.ndim == 3:
        sizes["time"] = x.shape[0]
    layers = [weights.shape[0] for weights in model.weights.values()]
    sizes |= {"units" if not k else f"units {k + 1}": size for k, size in enumerate(layers)}
    classes = [value.shape[0] for name, value in params.items() if name == "b_out"]
    return sizes | ({"classes": classes[0]} if classes else {})
