"""A slope, written down as text by running it once on a number that records: kernels are made from the line that Python
runs, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ..backend import Array

GATE = "T((h > T(0.0)))"
"""What ReLU's slope 1[h > 0] reads."""


class Recorded:
    """A number that records what is done to it, in C; T is the type of the array's numbers."""

    dtype = "T"

    def __init__(self, text: str):
        self.text = text

    def __bool__(self) -> bool:
        raise TypeError("a slope whose line depends on the number cannot be recorded")

    def astype(self, dtype: str) -> Recorded:
        return Recorded(f"{dtype}({self.text})")


def _recording(sign: str, turned: bool) -> Callable:
    def method(self: Recorded, other: Recorded | float) -> Recorded:
        pair = self.text, other.text if isinstance(other, Recorded) else f"T({float(other)!r})"
        return Recorded(f" {sign} ".join(pair[::-1] if turned else pair).join("()"))

    return method


for _name, _sign in {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "gt": ">", "lt": "<"}.items():
    setattr(Recorded, f"__{_name}__", _recording(_sign, turned=False))
    setattr(Recorded, f"__r{_name}__", _recording(_sign, turned=True))


@functools.cache
def text_of(slope: Callable) -> str | None:
    """Return slope(h) in C, or None for a slope that does more than `Recorded` can record.

    Examples
    --------
    >>> text_of(lambda h: 1 - h * h)
    '(T(1.0) - (h * h))'
    """
    try:
        return slope(Recorded("h")).text
    except Exception:
        return None


class Factor:
    """A slope that is worked out where it is multiplied with, in one pass.

    Parameters
    ----------
    kernel : callable
        (dh, kept) -> dh ∘ slope(kept), a new array, or written to a third argument.
    kept : array
        What the slope is computed from.
    """

    __array_priority__ = 1000  # above that of an array, which then leaves the multiplication to this class
    __array_ufunc__ = None

    def __init__(self, kernel: Callable, kept: Array):
        self._kernel, self._kept = kernel, kept

    def __rmul__(self, dh: Array) -> Array:
        return self._kernel(dh, self._kept)

    __mul__ = __rmul__

    def onto(self, dx: Array) -> Array:
        """Multiply an array in place, and return it."""
        return self._kernel(dx, self._kept, dx)
