"""A function under test, held still: what a gradient check asks of it, and nothing about gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array, array_module, to_numpy
from ..errors import InputError
from .report import Finding

FLOOR = 1e-8
"""Share of |f| that is added to the largest numeric gradient in the denominator of the error."""
STEP = 1e-5
"""Difference step, as a share of the tensor's largest magnitude."""
BESIDE = 1e-9
"""How far, as a share of each number, the inputs move to see how large the terms are that add up to the output."""


class Probe:
    """The function under test on protected float64 copies, evaluated relative to its value at the inputs.

    Parameters
    ----------
    forward : callable
    inputs : dict
    seed : int
        Of the random cotangent.
    dy : array, optional
        A cotangent instead of the random one.
    convert : collection of str
        Inputs to differentiate although they are not float arrays: whole numbers, lists, Python numbers.
    """

    def __init__(
        self, forward: Callable, inputs: dict[str, Any], seed: int, convert: Any = (), dy: np.ndarray | None = None
    ):
        self._forward, self.findings, self.notes = forward, [], []
        self._modules, self._hosts, self.others = {}, {}, {}
        for name, value in inputs.items():
            if is_float(value):
                self._modules[name] = array_module(value)
                self._hosts[name] = protected(to_numpy(value).astype(float))
            elif name in convert or is_table(value):
                self._modules[name] = array_module(value) if hasattr(value, "dtype") else np
                self._hosts[name] = protected(_as_float(name, value))
                kind = value.dtype if hasattr(value, "dtype") else type(value).__name__
                self.notes.append(f"{name} was given as {kind} and is checked as float64")
            else:
                self.others[name] = value
        self.floats = list(self._hosts)
        given = {name: self._place(name, host) for name, host in self._hosts.items()}
        if not self.floats:
            raise InputError("there is no float array among the inputs, so no gradient to check; pass x.astype(float)")
        y, self.cache = self._first_call(given)
        for name, array in given.items():
            if not np.array_equal(to_numpy(array), self._hosts[name], equal_nan=True):
                self.findings.append(Finding("changed-input", name, "forward changes this input; work on a copy"))
        self._module = array_module(y)
        if y.dtype.kind not in "fiub":
            raise InputError(f"forward returns {y.dtype}; a gradient check needs real numbers")
        self.y = to_numpy(y).astype(float)
        if not self.y.size:
            raise InputError(
                f"the output has no entries (its shape is {self.y.shape}), so no gradient can be judged; pass at least "
                "one example"
            )
        if not np.isfinite(self.y).all():
            raise InputError("forward returns nan or inf at these inputs, so no gradient can be judged; use others")
        beside = self._beside()
        if _single(self.y) and _single(beside):
            raise InputError(
                "forward computes in float32 although its inputs are float64, too coarse for a difference quotient; "
                "keep the dtype of the inputs"
            )
        again = to_numpy(self._call(given))
        if not np.array_equal(again, self.y):
            self.findings.append(Finding("not-deterministic", "y", "two forward calls on the same inputs differ"))
        self.dy = np.random.default_rng(seed).standard_normal(self.y.shape) if dy is None else _like(dy, self.y)
        if not self.dy.any():
            raise InputError("dy is 0, so every gradient is; pass another one or none")
        terms = np.abs(self.dy * (beside - self.y)).sum() / BESIDE  # large beside y where what adds up to y cancels
        self.size = float(max(abs((self.dy * self.y).sum()), terms))
        self._steps: dict = {}
        self.rounding = np.finfo(float).eps * float(max(np.abs(self.dy * self.y).sum(), terms))

    def _first_call(self, given: dict[str, Array]) -> tuple[Array, Any]:
        try:
            result = self._forward(**given, **self.others)
        except ValueError as error:
            if "read-only" in str(error):
                raise InputError("forward writes into one of its inputs; make it work on a copy") from error
            raise
        if not (isinstance(result, tuple) and len(result) == 2 and hasattr(result[0], "dtype")):
            raise InputError("forward must return a pair: the output, an array, and the cache that backward needs")
        return result

    def _call(self, given: dict[str, Array]) -> Array:
        return self._forward(**given, **self.others)[0]

    def _beside(self) -> np.ndarray:
        """Return the output a few roundings away, where no input is a float32 by chance."""
        rng = np.random.default_rng(0)
        moved = {name: host * (1 + BESIDE * rng.random(host.shape)) for name, host in self._hosts.items()}
        return to_numpy(self._call({name: self._place(name, host) for name, host in moved.items()}))

    def _place(self, name: str, host: np.ndarray) -> Array:
        xp = self._modules[name]
        return host if xp is np else xp.asarray(host)

    def cotangent(self, dy: np.ndarray | None = None) -> Array:
        """Return the random cotangent, or a given one, where y lives."""
        dy = self.dy if dy is None else dy
        return protected(np.array(dy)) if self._module is np else self._module.asarray(dy)

    def value(self, name: str) -> np.ndarray:
        """Return the float64 copy of an input."""
        return self._hosts[name]

    def call(self) -> tuple[Array, Any]:
        """Run forward once more at the inputs, as for a layer that keeps its cache on self."""
        return self._forward(**{name: self._place(name, host) for name, host in self._hosts.items()}, **self.others)

    def elsewhere(self, values: dict[str, np.ndarray], seed: int = 0) -> Probe:
        """Return the same function held still where some inputs have other values."""
        given = {name: self._place(name, values.get(name, host)) for name, host in self._hosts.items()}
        return Probe(self._forward, {**given, **self.others}, seed)

    def step(self, name: str) -> float:
        """Return the difference step that suits an input's magnitude."""
        return STEP * (np.abs(self.value(name)).max(initial=0) or 1.0)

    def floor(self, name: str) -> float:
        """Return what is added to the denominator of an input's error: 1e-8 of |f| or of the terms that add up to it,
        per unit where the input is large.
        """
        return FLOOR * self.size / max(1.0, float(np.abs(self.value(name)).max(initial=0)))

    def refined(self, name: str, place: tuple[int, ...], exact: float, numeric: float) -> tuple[float, float]:
        """Shrink the step at one entry while the difference quotient still moves towards or past the exact value.

        Where the function bends within the step, a quarter of the step has a sixteenth of the error; where it does
        not, nothing changes and the first quotient stands. Returns the quotient and its step.
        """
        unit, step = np.zeros(self.value(name).shape), self.step(name)
        unit[place] = 1
        for _ in range(16):
            with np.errstate(all="ignore"):
                finer = self.slope(name, unit, step / 4)[0]
            settled = abs(finer - numeric) <= 0.1 * abs(exact - finer)
            if settled or not self.rounding / (step / 4) < abs(exact - finer):
                break
            step, numeric = step / 4, finer
        self._steps[name, place] = step
        return numeric, step

    def _moved(self, name: str, moved: np.ndarray) -> np.ndarray:
        given = {k: self._place(k, moved if k == name else host) for k, host in self._hosts.items()}
        with np.errstate(all="ignore"):  # a step may leave the domain; the check then takes a smaller one
            return to_numpy(self._call(given)) - self.y

    def change(self, name: str, moved: np.ndarray) -> float:
        """Return f(moved) - f(inputs)."""
        return float((self.dy * self._moved(name, moved)).sum())

    def slope(self, name: str, direction: np.ndarray, step: float) -> tuple[float, float]:
        """Return f's central difference along a direction, and its bend f(+) + f(-) - 2f over 2 step."""
        ahead = self.change(name, self._hosts[name] + step * direction)
        behind = self.change(name, self._hosts[name] - step * direction)
        return (ahead - behind) / (2 * step), (ahead + behind) / (2 * step)

    def jacobian(self, name: str) -> np.ndarray:
        """Return the central differences of every output entry by every entry of an input, (y.size, entries)."""
        value, columns = self.value(name), []
        for place, unit in zip(np.ndindex(value.shape), np.eye(value.size).reshape(-1, *value.shape), strict=True):
            step = self._steps.get((name, place), self.step(name))
            ahead, behind = self._moved(name, value + step * unit), self._moved(name, value - step * unit)
            columns.append((ahead - behind).ravel() / (2 * step))
        return np.array(columns).reshape(value.size, self.y.size).T

    def has_kink(self, name: str, direction: np.ndarray, step: float, disagreement: float) -> bool:
        """Whether a kink within the step explains a disagreement.

        A smooth function's bend shrinks as the square of the step; a kink's does not. Halving and quartering the step
        leaves a kink no place to hide: at least two fifths of what it adds to the difference shows in one of the two.
        """
        bends = [self.slope(name, direction, step / part)[1] / part for part in (1, 2, 4)]
        excess = max(abs(bends[0] - 4 * bends[1]), abs(bends[0] - 16 * bends[2]))
        return excess > 0.3 * disagreement and excess > 40 * self.rounding / step


def _like(dy: np.ndarray, y: np.ndarray) -> np.ndarray:
    dy = np.asarray(to_numpy(dy), float)
    if dy.shape != y.shape:
        raise InputError(f"dy must have the shape of the output, {y.shape}, got {dy.shape}")
    return dy


def is_float(value: Any) -> bool:
    """Whether a value is an array of floats."""
    return hasattr(value, "dtype") and value.dtype.kind == "f"


def is_table(value: Any) -> bool:
    """Whether a value is an array of fractions written as lists."""
    try:
        array = np.array(value) if isinstance(value, list) else None
    except ValueError:
        return False
    return array is not None and array.dtype.kind == "f"


def _single(y: np.ndarray) -> bool:
    """Whether numbers have just the precision of float32: more than 17 bits, none beyond 24."""
    with np.errstate(all="ignore"):
        fits = np.array_equal(y.astype(np.float32).astype(float), y)
        fraction = np.frexp(y)[0] * 2.0**17
    return bool(fits and np.any(fraction != np.round(fraction)))


def protected(array: np.ndarray) -> np.ndarray:
    """Forbid writing to an array."""
    array.flags.writeable = False
    return array


def _as_float(name: str, value: Any) -> np.ndarray:
    try:
        return np.array(to_numpy(value) if hasattr(value, "dtype") else value, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be differentiated: it is no array of numbers ({error})") from error
