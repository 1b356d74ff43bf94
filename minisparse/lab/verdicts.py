"""What chapters share when they set numbers of several seeds beside a paper's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from ..lab import results


def spread(values: Sequence[float | None], digits: int = 1) -> str:
    """Return the mean and, of two or more values, their standard deviation (n - 1); None is no value.

    Examples
    --------
    >>> [minisparse.lab.verdicts.spread(values) for values in ([1.0, 2.0, None], [3.0], [])]
    ['1.5 ± 0.7', '3.0', 'none']
    """
    found = [value for value in values if value is not None]
    if not found:
        return "none"
    sd = f" ± {statistics.stdev(found):.{digits}f}" if len(found) > 1 else ""
    return f"{statistics.mean(found):.{digits}f}{sd}"


def status(holds: bool | None, full: bool = True) -> str:
    """Return a claim's status.

    Parameters
    ----------
    holds : bool or None
        Whether it is as the paper says; None where the paper gives no gate.
    full : bool
        Whether the setting is the paper's.

    Returns
    -------
    str
        One of `results.STATUSES`.
    """
    if holds is None:
        return "REPORTED"
    if not holds:
        return "NOT REPRODUCED"
    return "REPRODUCED" if full else "REPRODUCED AT REDUCED SIZE"


def near(values: Sequence[float], mean: float, sd: float, seeds: int = 10) -> bool:
    """Whether the mean of some seeds is a paper's: within twice the standard error of their difference, plus 1.

    Parameters
    ----------
    values : sequence of float
        Ours, in percent; without any the answer is no.
    mean, sd : float
        The paper's, over that many seeds.
    seeds : int

    Returns
    -------
    bool

    Examples
    --------
    >>> minisparse.lab.verdicts.near([88.0, 90.0], 90.3, 2.0), minisparse.lab.verdicts.near([80.0, 81.0], 90.3, 2.0)
    (True, False)
    """
    if not values:
        return False
    ours = statistics.variance(values) / len(values) if len(values) > 1 else 0.0
    return abs(statistics.mean(values) - mean) <= 2 * math.sqrt(sd**2 / seeds + ours) + 1


def claim(
    figure: str,
    statement: str,
    setting: str,
    found: dict[str, Sequence[float | None]],
    status: str,
    paper: str = "",
    digits: int = 1,
    note: str = "",
) -> dict:
    """Return a claim whose numbers are the means of some values, one per seed.

    Parameters
    ----------
    figure, statement, setting, status, paper
        As for `results.claim`.
    found : dict of sequences
        The values by name.
    digits : int
        Behind the point.
    note : str
        What else there is to say about ours.

    Returns
    -------
    dict

    Examples
    --------
    >>> row = minisparse.lab.verdicts.claim("6B", "it learns", "digits", {"p = 1": [1.0, 2.0]}, "REPORTED")
    >>> row["ours"], row["numbers"]
    ('p = 1 1.5 ± 0.7', {'p = 1': 1.5})
    """
    ours = "; ".join(
        [*(f"{name} {spread(values, digits)}" for name, values in found.items()), *([note] if note else [])]
    )
    finite = {name: [value for value in values if value is not None] for name, values in found.items()}
    numbers = {name: statistics.mean(values) for name, values in finite.items() if values}
    return results.claim(figure, statement, setting, ours, paper, status, **numbers)
