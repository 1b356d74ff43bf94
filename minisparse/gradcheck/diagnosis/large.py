"""What can be read off the gradients alone where there are too many outputs to ask for each."""

from __future__ import annotations

import itertools

import numpy as np

from ...backend import to_numpy
from ..probe import Probe
from ..report import Finding

ENTRIES = 5000
"""Of a tensor, up to which it is differenced whole."""
CLOSE = 1e-5
"""Share of the largest entry up to which two gradients are the same; a difference quotient is that good."""


def large(probe: Probe, names: list[str], most: int) -> dict[str, Finding]:
    """Explain wrong gradients by one number, a sign, a turned matrix, a factor for each row, or not at all.

    Parameters
    ----------
    probe : Probe
    names : list of str
        Inputs whose gradient is wrong.
    most : int
        Outputs times inputs up to which a real diagnosis is tried; said where nothing is found.

    Returns
    -------
    dict of Finding
    """
    found = {}
    for name in names:
        wrong = np.asarray(to_numpy(probe.grads[name]), float)
        said = None if wrong.size > ENTRIES else _read(wrong, _differenced(probe, name), probe)
        sizes = f"too large to explain: use sizes so small that outputs times inputs are below {most:,}"
        found[name] = Finding(said[0] if said else "mismatch", name, said[1] if said else sizes)
    return found


def _differenced(probe: Probe, name: str) -> np.ndarray:
    value, step = probe.value(name), probe.step(name)
    right = np.zeros(value.shape)
    for place in np.ndindex(value.shape):
        unit = np.zeros(value.shape)
        unit[place] = 1
        right[place] = probe.slope(name, unit, step)[0]
    return right


def _read(wrong: np.ndarray, right: np.ndarray, probe: Probe) -> tuple[str, str] | None:
    """Return a code and a sentence."""

    def same(a: np.ndarray, b: np.ndarray) -> bool:
        return bool(np.abs(a - b).max(initial=0) <= CLOSE * max(np.abs(a).max(initial=0), np.abs(b).max(initial=0)))

    if not right.any() or right.size < 4 or same(wrong, right):
        return None
    if not wrong.any():
        return "zero", "the gradient is 0 everywhere"
    factor = float((wrong * right).sum() / (right * right).sum())
    if same(wrong, factor * right):
        if abs(factor + 1) < CLOSE:
            return "sign", "the gradient has the wrong sign"
        return "factor", f"the gradient is the right one times {_named(factor, probe)}"
    if right.ndim == 2 and right.shape[0] == right.shape[1] > 1 and same(wrong, right.T):
        return "transpose", "the gradient is transposed"
    for axis in range(right.ndim):
        others = tuple(k for k in range(right.ndim) if k != axis)
        if right.shape[axis] < 2 or right.size < 4 * right.shape[axis]:
            continue
        factors = (wrong * right).sum(axis=others, keepdims=True) / (right * right).sum(axis=others, keepdims=True)
        if same(wrong, factors * right):
            return "factor", f"each index of axis {axis} carries a factor of its own"
    return None


def _named(factor: float, probe: Probe) -> str:
    """Call a number a size, one over a size, or a product of two, if it is one."""
    shapes = {**{name: probe.value(name).shape for name in probe.floats}, "y": probe.y.shape}
    sizes: dict[int, str] = {}
    for name, shape in shapes.items():
        for axis, size in enumerate(shape):
            if size > 1:
                sizes[size] = f"{sizes[size]} = {name}.shape[{axis}]" if size in sizes else f"{name}.shape[{axis}]"
    for many in (1, 2):
        for chosen in itertools.combinations_with_replacement(sizes, many):
            number, said = int(np.prod(chosen)), " x ".join(f"{size} ({sizes[size]})" for size in chosen)
            for text, value in ((said, number), (f"1 / {said}" if many == 1 else f"1 / ({said})", 1 / number)):
                if abs(factor - value) <= CLOSE * value:
                    return text
    return f"{factor:.6g}"
