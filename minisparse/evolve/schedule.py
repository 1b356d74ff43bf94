"""When to rewire, and how much."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..arguments import chosen, number, whole
from ..errors import InputError


@dataclass(frozen=True)
class Schedule:
    """When to rewire, and which share of a layer's synapses.

    Parameters
    ----------
    fraction : float
        Share rewired at the start, 0 < fraction < 1.
    every : int
        Steps or epochs between two rewirings, at least. A hook after_epoch is asked at the end of an epoch only.
    unit : {"steps", "epochs"}
        Of `every`.
    decay : {"cosine", None}
        ``f(t) = fraction/2 (1 + cos(π t/T))``, from fraction down to 0 at T (Evci et al. 2020), or constant.
    stop : float
        T, after which nothing is rewired: a share of the training asked of `fit` up to 1, a number of steps above.

    Raises
    ------
    ValueError
        If a setting is out of range.

    Examples
    --------
    >>> schedule = minisparse.evolve.Schedule(0.3, decay="cosine", stop=0.5)
    >>> [round(schedule(step, 100), 3) for step in (0, 25, 50, 75)]
    [0.3, 0.15, 0.0, 0.0]
    """

    fraction: float
    every: int = 1
    unit: str = "steps"
    decay: str | None = "cosine"
    stop: float = 0.75

    def __post_init__(self) -> None:
        if not 0 < number("fraction", self.fraction) < 1:
            raise InputError(
                f"fraction, the share of synapses that is rewired, must lie between 0 and 1, got {self.fraction}"
            )
        if whole("every", self.every) < 1 or not number("stop", self.stop) > 0:
            raise InputError(f"every must be at least 1 and stop above 0, got {self.every} and {self.stop}")
        object.__setattr__(self, "unit", chosen("unit", self.unit, ("steps", "epochs")))
        if self.decay is not None:
            object.__setattr__(self, "decay", chosen("decay", self.decay, ("cosine",), " or None"))

    def __call__(self, step: int, total: int) -> float:
        """Return the share to rewire after `step` of `total` steps."""
        end = self.stop * total if self.stop <= 1 else self.stop
        if step > end:
            return 0.0
        if self.decay is None:
            return self.fraction
        return self.fraction / 2 * (1 + math.cos(math.pi * step / end))  # (E4)

    @property
    def needs_total(self) -> bool:
        """Whether the number of steps of the whole training changes what is rewired before its end."""
        return self.stop <= 1 and (self.decay is not None or self.stop < 1)

    def due(self, elapsed: int, steps: int) -> bool:
        """Whether it is time again, `elapsed` steps after the last rewiring, with `steps` in an epoch."""
        return elapsed >= self.every * (steps if self.unit == "epochs" else 1)
