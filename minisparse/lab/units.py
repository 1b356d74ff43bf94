"""How a time and a number of bytes are said."""

from __future__ import annotations

import math

UNITS = (("s", 1, 100, 0), ("min", 60, 6000, 0), ("h", 3600, 172_800, 1), ("days", 86400, math.inf, 1))
"""Name, seconds, seconds up to which it is used, digits."""


def duration(seconds: float) -> str:
    """Say a time in the unit that suits it.

    Examples
    --------
    >>> [minisparse.lab.cost.duration(s) for s in (0.2, 59, 600, 7560, 250_000)]
    ['under 1 s', '59 s', '10 min', '2.1 h', '2.9 days']
    """
    if seconds < 1:
        return "under 1 s"
    name, one, _, digits = next(unit for unit in UNITS if seconds < unit[2])
    return f"{seconds / one:.{digits}f} {name}"


def size(count: float) -> str:
    """Say a number of bytes in decimal units, to two digits.

    Examples
    --------
    >>> minisparse.lab.cost.size(1_234_567)
    '1.2 MB'
    """
    unit, one = ("GB", 1e9) if count >= 1e9 else ("MB", 1e6)
    return f"{float(f'{count / one:.2g}'):,g} {unit}"
