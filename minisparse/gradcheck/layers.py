"""Check a layer that keeps its parameters, its cache and its gradients on itself."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError
from .checker import TOLERANCE, check_pair
from .probe import is_float
from .report import GradientReport

NAMES = ("d{}", "d_{}", "grad_{}", "{}_grad", "g{}")
"""How the gradient of a parameter may be called."""
DICTS = ("grads", "gradients", "grad")
"""Dicts of gradients by the parameter's name."""


def check_layer(layer: Any, *inputs: Any, seed: int = 0, tolerance: float = TOLERANCE) -> GradientReport:
    """Check a layer with methods forward and backward, and parameters on self.

    ``layer.forward(*inputs)`` returns the output, ``layer.backward(dy)`` the gradient of the input (of several: a
    tuple). A parameter is a float array on the layer, or in its dict ``params``, whose gradient is there after
    backward: ``dW``, ``d_W``, ``grad_W`` or ``W_grad`` for ``W``, or ``layer.grads["W"]``. All else on the layer is
    left alone and listed. The layer itself is not changed: a copy of it runs, made anew for each question.

    Parameters
    ----------
    layer : object
    *inputs : arrays
        Float arrays are checked, as ``x0``, ``x1``, ...; all else is passed on.
    seed, tolerance
        As for `check_pair`.

    Returns
    -------
    GradientReport
        Parameters are called ``self.W``.

    Raises
    ------
    ValueError
        If the layer lacks a method.

    Examples
    --------
    >>> class Scale:
    ...     def __init__(self):
    ...         self.w = numpy.array([1.0, 2.0])
    ...     def forward(self, x):
    ...         self.x = x
    ...         return self.w * x
    ...     def backward(self, dy):
    ...         self.dw = dy * self.x
    ...         return dy * self.w
    >>> report = minisparse.check_layer(Scale(), numpy.array([3.0, 4.0]))
    >>> report.ok, [row.tensor for row in report.rows]
    (True, ['self.w', 'x0'])
    """
    for method in ("forward", "backward"):
        if not callable(getattr(layer, method, None)):
            raise InputError(f"{type(layer).__name__} has no method {method}; check_pair takes two functions")
    trial = copy.deepcopy(layer)
    y = trial.forward(*inputs)
    trial.backward(np.ones_like(y))
    params = {name: value for name, value in _arrays(layer) if _gradient(trial, name) is not None}
    data = {f"x{k}": value for k, value in enumerate(inputs)}

    def run(values: dict[str, Any]) -> tuple[Any, Any]:
        twin = copy.deepcopy(layer)
        for name in params:
            _put(twin, name, values[f"self.{name}"].copy())
        return twin.forward(*(values[name] for name in data)), twin

    def forward(**values: Any) -> tuple[Any, Any]:
        return run(values)[0], values

    def backward(dy: Any, values: dict[str, Any]) -> dict[str, Any]:
        _, twin = run(values)
        back = twin.backward(dy)
        back = back if isinstance(back, (tuple, list)) else (back,)
        floats = [name for name, value in data.items() if is_float(value)]
        grads = {name: grad for name, grad in zip(floats, back, strict=False) if grad is not None}
        return {**{f"self.{name}": _gradient(twin, name) for name in params}, **grads}

    given = {**{f"self.{name}": value for name, value in params.items()}, **data}
    report = check_pair(forward, backward, given, seed=seed, tolerance=tolerance)
    rest = [f"self.{name}" for name, _ in _arrays(layer) if name not in params]
    report.not_checked = (*report.not_checked, *rest)
    return report


def _arrays(layer: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the float arrays on a layer, and in its dict of parameters, by name."""
    for name, value in {**vars(layer), **_dict(layer, "params")}.items():
        if is_float(value):
            yield name, value


def _dict(layer: Any, name: str) -> dict[str, Any]:
    found = getattr(layer, name, None)
    return found if isinstance(found, dict) else {}


def _put(layer: Any, name: str, value: np.ndarray) -> None:
    if name in _dict(layer, "params"):
        layer.params[name] = value
    else:
        setattr(layer, name, value)


def _gradient(layer: Any, name: str) -> Any:
    """Return the gradient of a parameter, by one of the names that it may have."""
    for text in NAMES:
        found = getattr(layer, text.format(name), None)
        if is_float(found):
            return found
    keys = (name, *(text.format(name) for text in NAMES))
    return next((_dict(layer, where)[key] for where in DICTS for key in keys if key in _dict(layer, where)), None)
