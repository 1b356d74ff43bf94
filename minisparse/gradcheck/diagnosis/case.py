"""One wrong gradient as data: the Jacobian S it computes, the right one J, and what may explain the difference."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .quantities import Quantity

CLOSE = 2e-5
"""Two arrays are equal if they differ by at most this share of the larger magnitude."""


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What one attempt says of one wrong gradient.

    Attributes
    ----------
    code : str
    sentence : str
        "{name}" and "{number}" in it stand for the next two.
    evidence : dict
    name : str
        One of the names that fit; the attempt gives an explanation for each of them.
    rank : int
        Names of the lowest rank are said, all of them.
    number : float or array, optional
        What was fitted and has no name.
    free : int
        How many numbers were fitted.
    """

    code: str
    sentence: str
    evidence: dict[str, Any] = dataclasses.field(default_factory=dict)
    name: str = ""
    rank: int = 0
    number: Any = None
    free: int = 0


@dataclasses.dataclass(frozen=True)
class Case:
    """One wrong gradient: S, J (outputs x entries) and what may explain them."""

    name: str
    S: np.ndarray
    J: np.ndarray
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    known: list[Quantity]
    others: dict[str, np.ndarray]
    judged: np.ndarray
    turned: Callable[[], Iterator[tuple[str, np.ndarray]]] = lambda: iter(())
    """Yields the right Jacobian where another input is turned round or transposed, and says how."""
    layouts: dict = dataclasses.field(default_factory=dict)
    """What `laid_out` has returned, by shape; a part of a case shares it."""

    @property
    def scale(self) -> float:
        return float(max(np.abs(self.J).max(), np.abs(self.S).max()))

    @property
    def equations(self) -> int:
        """How many numbers an explanation has to give."""
        return int(((np.abs(self.S) + np.abs(self.J)) > 1e-9 * self.scale).sum())

    def same(self, a: np.ndarray, b: np.ndarray, scale: float | None = None) -> bool:
        return bool(np.abs(a - b).max(initial=0) <= CLOSE * (scale or self.scale))

    def cube(self, jacobian: np.ndarray) -> np.ndarray:
        return jacobian.reshape((jacobian.shape[0], *self.in_shape))

    def joint(self, jacobian: np.ndarray) -> np.ndarray:
        """Return a Jacobian with all the axes of the output, then all the axes of the tensor."""
        return jacobian.reshape((*self.out_shape, *self.in_shape))

    def straight(self) -> np.ndarray | None:
        """Return the Jacobian of y = x, x repeated along the output's axes where it has to be; None if it cannot be."""
        number = np.arange(self.J.shape[1]).reshape(self.in_shape)
        try:
            return np.eye(self.J.shape[1])[np.broadcast_to(number, self.out_shape).ravel()]
        except ValueError:
            return None

    def laid_out(self, plain: bool = False) -> list[tuple[str, np.ndarray]]:
        """Return every known array along every choice of axes that it fits, and unless `plain` its transforms."""
        shape = (*self.out_shape, *self.in_shape)
        if (shape, plain) not in self.layouts:
            arrays = [quantity for quantity in self.known if quantity.kind != "size"]
            self.layouts[shape, plain] = [entry for quantity in arrays for entry in quantity.along(shape, plain)]
        return self.layouts[shape, plain]


Attempt = Callable[[Case], Iterator[Explanation]]


def parallel(array: np.ndarray, direction: np.ndarray, axis: int) -> bool:
    """Whether an array is a multiple of a direction along one axis, a multiple of its own at every other place."""
    square = (direction * direction).sum(axis, keepdims=True)
    share = (array * direction).sum(axis, keepdims=True) / np.where(square > 0, square, 1)
    return bool(np.abs(array - share * direction).max() <= 1e-4 * np.abs(array).max())
