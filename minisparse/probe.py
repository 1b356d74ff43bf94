"""A function under test, held still: what a gradient check asks of it, and nothing about gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .backend import Array, array_module, to_numpy
from .errors import InputError
from .report import Finding


class Probe:
    """The function under test on protected float64 copies, evaluated relative to its value at the inputs."""

    def __init__(self, forward: Callable, inputs: dict[str, Any], seed: int):
        self._forward, self.findings = forward, []
        self._modules, self._hosts, self._others = {}, {}, {}
        for name, value in inputs.items():
            if hasattr(value, "dtype") and value.dtype.kind == "f":
                self._modules[name] = array_module(value)
                self._hosts[name] = protected(to_numpy(value).astype(float))
            else:
                self._others[name] = value
        self.floats = list(self._hosts)
        given = {name: self._place(name, host) for name, host in self._hosts.items()}
        if not self.floats:
            raise InputError("there is no float array among the inputs, so no gradient to check; pass x.astype(float)")
        y, self.cache = self._first_call(given)
        for name, array in given.items():
            if not np.array_equal(to_numpy(array), self._hosts[name], equal_nan=True):
                self.findings.append(Finding("changed-input", name, "forward changes this input; work on a copy"))
        self._module = array_module(y)
        self._y = to_numpy(y).astype(float)
        if not np.isfinite(self._y).all():
            raise InputError("forward returns nan or inf at these inputs, so no gradient can be judged; use others")
        again = to_numpy(self._call(given))
        if not np.array_equal(again, self._y):
            self.findings.append(Finding("not-deterministic", "y", "two forward calls on the same inputs differ"))
        self._dy = np.random.default_rng(seed).standard_normal(self._y.shape)
        self.size = abs(float((self._dy * self._y).sum()))
        self.rounding = np.finfo(float).eps * float(np.abs(self._dy * self._y).sum())

    def _first_call(self, given: dict[str, Array]) -> tuple[Array, Any]:
        try:
            result = self._forward(**given, **self._others)
        except ValueError as error:
            if "read-only" in str(error):
                raise InputError("forward writes into one of its inputs; make it work on a copy") from error
            raise
        if not (isinstance(result, tuple) and len(result) == 2 and hasattr(result[0], "dtype")):
            raise InputError("forward must return a pair: the output, an array, and the cache that backward needs")
        return result

    def _call(self, given: dict[str, Array]) -> Array:
        return self._forward(**given, **self._others)[0]

    def _place(self, name: str, host: np.ndarray) -> Array:
        xp = self._modules[name]
        return host if xp is np else xp.asarray(host)

    def cotangent_like_output(self) -> Array:
        """Return dy where y lives."""
        return protected(self._dy.copy()) if self._module is np else self._module.asarray(self._dy)

    def value(self, name: str) -> np.ndarray:
        """Return the float64 copy of an input."""
        return self._hosts[name]

    def change(self, name: str, moved: np.ndarray) -> float:
        """Return f(moved) - f(inputs)."""
        given = {k: self._place(k, moved if k == name else host) for k, host in self._hosts.items()}
        return float((self._dy * (to_numpy(self._call(given)) - self._y)).sum())

    def slope(self, name: str, direction: np.ndarray, step: float) -> tuple[float, float]:
        """Return f's central difference along a direction, and its bend f(+) + f(-) - 2f over 2 step."""
        ahead = self.change(name, self._hosts[name] + step * direction)
        behind = self.change(name, self._hosts[name] - step * direction)
        return (ahead - behind) / (2 * step), (ahead + behind) / (2 * step)

    def has_kink(self, name: str, direction: np.ndarray, step: float, disagreement: float) -> bool:
        """Whether a kink within the step explains a disagreement.

        A smooth function's bend shrinks as the square of the step; a kink's does not. Halving and quartering the step
        leaves a kink no place to hide: at least two fifths of what it adds to the difference shows in one of the two.
        """
        bends = [self.slope(name, direction, step / part)[1] / part for part in (1, 2, 4)]
        excess = max(abs(bends[0] - 4 * bends[1]), abs(bends[0] - 16 * bends[2]))
        return excess > 0.3 * disagreement and excess > 40 * self.rounding / step


def protected(array: np.ndarray) -> np.ndarray:
    """Forbid writing to an array."""
    array.flags.writeable = False
    return array
