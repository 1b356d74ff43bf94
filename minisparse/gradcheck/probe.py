"""A function under test, held still: what a gradient check asks of it, and nothing about gradients."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array, array_module, to_numpy
from ..errors import InputError
from .report import Finding

EPS = float(np.finfo(float).eps)
PAIR = "forward must return a pair: the output (an array, a number, a tuple of arrays) and the cache for backward"
COARSE = 1e-10
"""Noise, as a share of an output, that no cancelling in float64 makes."""
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
        again = to_numpy(self._call(given))
        if not np.array_equal(again, self.y):
            self.findings.append(Finding("not-deterministic", "y", "two forward calls on the same inputs differ"))
        self.dy = np.random.default_rng([seed, 3]).standard_normal(self.y.shape) if dy is None else _like(dy, self.y)
        if not self.dy.any():
            raise InputError("dy is 0, so every gradient is; pass another one or none")
        terms = np.abs(self.dy * (beside - self.y)).sum() / BESIDE  # large beside y where what adds up to y cancels
        self.size = float(max(abs((self.dy * self.y).sum()), terms))
        self._seed, self.steps = seed, {}
        self.stuck = np.zeros(self.y.size, bool)  # outputs that no small move moves: nobody knows how fine they are
        if self.coarse.any():
            digits = -np.log10(np.median((self.noise / np.abs(self.dy * self.y).ravel())[self.coarse]))
            half = "; in half precision even a gradient of 0 may pass, so check a float64 version"
            if digits < 9:
                self.notes.append(
                    f"forward computes with about {digits:.0f} digits inside, not 16; what drowns in that is not told"
                    + (half if digits < 5 else "")
                )

    def _first_call(self, given: dict[str, Array]) -> tuple[Array, Any]:
        try:
            result = self._forward(**given, **self.others)
        except ValueError as error:
            if "read-only" in str(error):
                raise InputError("forward writes into one of its inputs; make it work on a copy") from error
            raise
        if not (isinstance(result, tuple) and len(result) == 2 and hasattr(result[0], "dtype")):
            raise InputError(PAIR)
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
            own = max(abs(value[place]) / 8, 1e-9 * self.step(name)) if value[place] else np.inf
            step = min(self.steps.get((name, place), self.step(name)), own)
            ahead, behind = self._moved(name, value + step * unit), self._moved(name, value - step * unit)
            columns.append((ahead - behind).ravel() / (2 * step))
        return np.array(columns).reshape(value.size, self.y.size).T

    def changes(self, moved: dict[str, np.ndarray]) -> np.ndarray | None:
        """Return dy ∘ (y(moved) - y) of every output, (y.size,), where some inputs are replaced; None if not finite."""
        given = {name: self._place(name, moved.get(name, host)) for name, host in self._hosts.items()}
        with np.errstate(all="ignore"):  # a step may leave the domain
            y = to_numpy(self._call(given))
            return (self.dy * (y - self.y)).ravel() if np.isfinite(y).all() else None

    def _together(self, trial: int = 0) -> dict[str, np.ndarray]:
        """Return a direction that moves all entries, each by a share of its own size; 0 stays, being often a kink."""
        rng, moves = np.random.default_rng([self._seed, 2, trial]), {}
        for name, host in self._hosts.items():
            size = np.abs(host) if host.any() else 1.0
            moves[name] = size * rng.uniform(0.3, 1, host.shape) * rng.choice([-1, 1], host.shape)
        return moves

    def _along(self, direction: dict[str, np.ndarray], step: float) -> np.ndarray | None:
        return self.changes({name: host + step * direction.get(name, 0) for name, host in self._hosts.items()})

    @functools.cached_property
    def noise(self) -> np.ndarray:
        """How far each dy ∘ y is off because it is rounded, (y.size,).

        The stairs of single precision show in most directions that one goes. So where two of three show none there are
        none, and the least counts; elsewhere the most.
        """
        looks = [self.noise_along(self._together(trial)) for trial in range(3)]
        found, stuck = (np.array(each) for each in zip(*looks, strict=True))
        self.stuck = stuck.all(axis=0)
        stairs = np.median(found, axis=0) > COARSE * np.abs(self.dy * self.y).ravel()
        return np.where(stairs, found.max(axis=0), found.min(axis=0))

    def noise_along(self, direction: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Move inputs further and further, until the outputs follow in proportion: what is off before is noise.

        The three moves have no common measure, so that stairs cannot hide. What is off by the same share twice, while
        the outputs move 64 times further, is no noise but a kink.

        Returns the noise, and which outputs have hardly moved.
        """
        exact = EPS * np.abs(self.dy * self.y).ravel()
        noise, searching = exact.copy(), self.y.ravel() != 0
        stuck = np.zeros(noise.shape, bool)
        earlier, share, far = noise, np.zeros(noise.shape), np.zeros(noise.shape)
        for exponent in range(-50, -7, 6):
            looks = [self._along(direction, f * 2.0**exponent) for f in (1, 2.7, -1.6)] if searching.any() else [None]
            if any(look is None for look in looks):
                break
            one, two, back = looks
            off = np.maximum(np.abs(two - 2.7 * one), np.abs(back + 1.6 * one))
            before, nearer = share, far
            with np.errstate(divide="ignore", invalid="ignore"):
                share, far = off / np.abs(one), np.abs(one)
                kink = (before > 0.05) & (np.abs(share / before - 1) < 0.02) & (np.abs(far / nearer / 64 - 1) < 0.02)
            found = np.where(searching, np.where(kink, earlier, np.maximum(noise, off)), noise)
            earlier, noise = noise, found
            searching &= ~kink & ((off > 0.05 * far) | (far <= 8 * exact))
            stuck = searching & (np.abs(two) <= 8 * exact)
        return noise, stuck

    @functools.cached_property
    def coarse(self) -> np.ndarray:
        """Which outputs are computed with less than the precision of float64, bool (y.size,)."""
        return self.noise > COARSE * np.abs(self.dy * self.y).ravel()

    @functools.cached_property
    def half(self) -> bool:
        """Whether an output is computed with less than five digits, as in half precision."""
        return bool((self.noise > 6e-6 * np.abs(self.dy * self.y).ravel()).any())

    @functools.cached_property
    def analytic(self) -> bool:
        """Whether forward takes complex inputs, and its derivative there is that of the real function."""
        with np.errstate(all="ignore"):
            together = self._together()
            ahead, behind = self._along(together, 1e-5), self._along(together, -1e-5)
            exact = self.complex_slope(together, 1e-30)
            if ahead is None or behind is None or self.coarse.any():
                return False
            return bool(np.all(np.abs((ahead - behind) / 2e-5 - exact) <= 1e-5 * np.abs(exact) + 1e6 * self.noise))

    def complex_slope(self, direction: dict[str, np.ndarray], step: float) -> np.ndarray:
        """Return dy ∘ Im y / step after a step into the complex plane, (y.size,); nan if forward does not take one."""
        moved = {name: host + 1j * step * direction.get(name, 0) for name, host in self._hosts.items()}
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                y = to_numpy(self._call({name: self._place(name, host) for name, host in moved.items()}))
            return self.dy.ravel() * y.imag.ravel() / step
        except Exception:  # whatever a function that was not made for complex numbers does
            return np.full(self.dy.size, np.nan)


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


def protected(array: np.ndarray) -> np.ndarray:
    """Forbid writing to an array."""
    array.flags.writeable = False
    return array


def _as_float(name: str, value: Any) -> np.ndarray:
    try:
        return np.array(to_numpy(value) if hasattr(value, "dtype") else value, float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be differentiated: it is no array of numbers ({error})") from error
