"""The same wrong gradient at several draws of the inputs: what holds at one of them only was a coincidence."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from ...backend import to_numpy
from ..probe import Probe
from .case import CLOSE, Case
from .quantities import quantities

FEW = 24
"""Equations that two draws should give together; where they give fewer, there are four draws."""


def as_float(gradient: object, shape: tuple[int, ...]) -> np.ndarray:
    """Return a gradient as float64 on the host; refuse another shape."""
    array = np.array(to_numpy(gradient) if hasattr(gradient, "dtype") else gradient, float)
    if array.shape != shape:
        raise ValueError(f"a gradient of shape {array.shape} for an input of shape {shape}")
    return array


def ask(probe: Probe, backward: Callable, names: list[str], dy: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gradients for a cotangent, after one forward at the inputs: a layer may keep its cache on self."""
    _, cache = probe.call()
    grads = backward(probe.cotangent(dy), cache)
    return {name: as_float(grads[name], probe.value(name).shape) for name in names}


def moved(probe: Probe, support: dict[str, np.ndarray], seed: int, amount: float) -> dict[str, np.ndarray]:
    """Return fresh inputs: each entry times a number of its own about 1, so that signs and zeros stay; what is all 0
    gets numbers.
    """
    rng = np.random.default_rng([seed, 17])
    fresh = {}
    for name in probe.floats:
        value = probe.value(name)
        factors = rng.uniform(1 - amount, 1 + amount, value.shape)
        filled = amount * rng.standard_normal(value.shape) * np.broadcast_to(support.get(name, True), value.shape)
        fresh[name] = value * factors if value.any() else filled
    return fresh


def draws(
    probe: Probe, backward: Callable, names: list[str], support: dict[str, np.ndarray], judged: dict[str, np.ndarray]
) -> Iterator[dict[str, Case]]:
    """Yield the wrong gradients as cases, at the inputs and then at fresh ones; nothing more where forward fails there.

    Parameters
    ----------
    probe, backward, names, support, judged
        As `diagnose` takes them.
    """
    yield cases_at(probe, backward, names, support, judged)
    smallest = min(probe.y.size * probe.value(name).size for name in names)
    for seed in range(1 if 2 * smallest >= FEW else 3):
        for amount in (0.3, 0.03):
            try:
                other = probe.elsewhere(moved(probe, support, seed, amount), seed + 1)
                cases = cases_at(other, backward, names, support, judged) if other.y.shape == probe.y.shape else {}
            except Exception:  # outside the domain
                continue
            if cases and all(np.isfinite(case.J).all() and np.isfinite(case.S).all() for case in cases.values()):
                yield cases
                break


def cases_at(
    probe: Probe, backward: Callable, names: list[str], support: dict[str, np.ndarray], judged: dict[str, np.ndarray]
) -> dict[str, Case]:
    """Return each wrong gradient as a case, at the inputs of a probe.

    Parameters
    ----------
    probe, backward, names, support, judged
        As `diagnose` takes them.

    Returns
    -------
    dict of Case
    """
    units = np.eye(probe.y.size).reshape(-1, *probe.y.shape)
    calls = [ask(probe, backward, names, dy) for dy in units]
    right = {name: probe.jacobian(name) for name in probe.floats}
    known = quantities(probe, support)
    cases = {}
    for name in names:
        on, shape = judged[name].ravel(), probe.value(name).shape
        S, J = np.array([grads[name].ravel() for grads in calls]), right[name]
        S, J = (S, J) if on.all() else (S * on, J * on)
        turned = _turned(probe, name, S, J)
        cases[name] = Case(name, S, J, shape, probe.y.shape, known, right, judged[name], turned)
    return cases


def _turned(probe: Probe, name: str, S: np.ndarray, J: np.ndarray) -> Callable[[], Iterator[tuple[str, np.ndarray]]]:
    """Return a function that yields the right Jacobian where another input is turned round or transposed."""

    def turned() -> Iterator[tuple[str, np.ndarray]]:
        differ = np.abs(S - J).max(1) > CLOSE * np.abs(J).max()
        sizes = [((A * A)[differ].sum(1), (A * A).sum(keepdims=True)) for A in (S, J)]
        if not any(np.isclose(a, b, rtol=1e-4, atol=0).any() for a, b in zip(*sizes, strict=True)):
            return  # the numbers of J in another order keep their size
        for other in probe.floats:
            for text, change in _turns(probe.value(other).shape) if other != name else ():
                at = probe.elsewhere({other: change(probe.value(other))})
                if at.y.shape == probe.y.shape:
                    yield f"{other} {text}", at.jacobian(name)

    return turned


def _turns(shape: tuple[int, ...]) -> Iterator[tuple[str, Callable]]:
    long = [axis for axis, size in enumerate(shape) if size > 1]
    for axes in [*itertools.combinations(long, 1), *itertools.combinations(long, 2)] if len(shape) > 1 else ():
        text = "axis " + str(axes[0]) if len(axes) == 1 else f"axes {axes[0]} and {axes[1]}"
        yield f"flipped along {text}", lambda value, axes=axes: np.flip(value, axes).copy()
        if len(axes) == 2 and shape[axes[0]] == shape[axes[1]]:
            yield f"with {text} exchanged", lambda value, axes=axes: np.swapaxes(value, *axes).copy()
