"""Which catalogued mistake gives just these gradients, and which could not be seen at these sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array, array_module, to_numpy
from ..protocols import Model
from .catalogue import Mistake, catalogue, restored
from .report import Finding, GradientReport

SAME = 1e-7
"""Two gradients are equal if they differ by at most this share of the larger one: rounding."""


def recognise(
    subject: Any, given: Any, data: Array, report: GradientReport, seed: int
) -> tuple[list[Finding], list[str]]:
    """Compare the gradients of a model, or of a loss, with those of every catalogued mistake.

    Parameters
    ----------
    subject : model or loss function
    given, data
        params and x of a model, or logits and labels of a loss.
    report : GradientReport
        What the check of this subject found.
    seed : int
        Of the cotangent.

    Returns
    -------
    findings : list of Finding
        At most one: the mistake recognised, with those that cannot be told from it.
    blind : list of str
        Codes of the mistakes whose gradients are the right ones at these sizes.
    """
    gradients = _of_loss if not hasattr(subject, "forward") else _of_model
    rows = [row for row in catalogue() if row.family != "optimiser" and row.concerns(subject)]
    if not rows:
        return [], []
    found = {}
    with np.errstate(all="ignore"):
        own, right = (gradients(part, given, data, seed) for part in (subject, restored(subject)))
        for row in rows:
            try:
                found[row] = gradients(row.plant(subject), given, data, seed)
            except (ValueError, IndexError):  # a wrong line that does not even run at these sizes
                continue
    blind = [row for row, grads in found.items() if same(right, grads)]
    equal = [row for row, grads in found.items() if row not in blind and same(own, grads)]
    return ([named(equal)] if equal and not report.ok else []), [row.code for row in blind]


def named(rows: list[Mistake]) -> Finding:
    """Turn the mistakes that give the same numbers into one finding."""
    first, others = rows[0], [row.code for row in rows[1:]]
    sentence = f"{first.sentence} The line ({first.tag}) reads: {first.right}"
    if others:
        sentence += f" (at these sizes this cannot be told from {', '.join(others)})"
    evidence = {"tag": first.tag, "right": first.right, "wrong": first.wrong, "alternatives": others}
    return Finding(first.code, first.visible[0], sentence, evidence)


def _of_model(model: Model, params: dict[str, Array], x: Array, seed: int) -> dict[str, np.ndarray]:
    logits, cache = model.forward(params, x)
    dy = np.random.default_rng(seed).standard_normal(logits.shape)
    grads = model.backward(_beside(logits, dy), cache, wrt_x=True)
    return {name: to_numpy(grad) for name, grad in grads.items()}


def _of_loss(loss: Callable, logits: Array, labels: Array, seed: int) -> dict[str, np.ndarray]:
    return {"logits": to_numpy(loss(logits, labels)[1])}


def _beside(logits: Array, dy: np.ndarray) -> Array:
    return array_module(logits).asarray(dy, dtype=logits.dtype)


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Whether two dicts of arrays are equal to rounding, keys and shapes included."""
    if a.keys() != b.keys():
        return False
    return all(_close(a[name], b[name]) for name in a)


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
