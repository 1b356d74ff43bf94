"""How steep a function is along one direction, with an error bar, and whether a gradient agrees with that.

``f = Σ dy ∘ y`` is differenced with a ladder of steps, each a quarter of the one before, and extrapolated to step 0
(Richardson; in this form Ridders 1982). The first step is a share of the entry's own size: gradients of entries that
are a million times smaller than others are seen as well. The bar adds up two things: how far the last extrapolations
lie apart (the bend of the function), and what noise in y makes of the quotient (rounding, or single precision inside).

What looks settled is looked at again with a step a few thousand times smaller: there a kink or a fine structure that
the ladder has stepped over shows. A disagreement must survive down to where rounding would hide it. What survives
neither is *not told*, with the reason: kink, fine structure, rounding, domain or precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .probe import EPS, Probe

FIRST = 1 / 32
"""First step, as a share of the entry's size."""
RATIO = 4.0
"""Between the steps of a ladder."""
FAR = 4096
"""How much smaller the step of the second look is."""
SEEN = 80
"""A slope is told if its bar is at most its size over this: with the truth within four bars, what is 10 % off shows."""
ZERO = 1e-9
"""A slope is told to be 0 if its bar is at most this share of what its parts add up to."""
CLOSE = 1e-7
"""Seven equal digits are no chance: an agreement that close ends the ladder."""
DROWNS = 64 * EPS
"""Share of the slope far away that a rounding inside the function can add or take."""
LEAST = 1e-14
"""The smallest step, as a share of the entry's size."""


class Slope(NamedTuple):
    """What is told about one slope.

    Attributes
    ----------
    verdict : {"agrees", "disagrees", "not told"}
    reason : str
        Why it cannot be told; or "complex step", if that is what told it.
    numeric, bar : float
        The slope, and how far off it may be.
    step : float
        The smallest step of the ladder.
    """

    verdict: str
    reason: str
    numeric: float
    bar: float
    step: float


class _Look(NamedTuple):
    """A central difference.

    `bend` is half of how much the two sides differ, `larger` and `smaller` are how much the outputs move on either
    side, `noise` is how far off the slope may be because y is rounded.
    """

    step: float
    slope: float
    bend: float
    larger: float
    smaller: float
    noise: float


class _Ladder(NamedTuple):
    looks: list[_Look]
    numeric: float
    bar: float
    noise: float


class Line:
    """One entry of an input, or a direction in it, along which the function is differenced.

    Parameters
    ----------
    probe : Probe
    name : str
        The input.
    place : tuple of int, optional
        The entry; or else
    direction : array, optional
        Of the input's shape: how far a step of 1 moves each entry.
    tolerance : float
        Share of the slope by which a gradient may be off, besides the bar.
    """

    def __init__(
        self,
        probe: Probe,
        name: str,
        place: tuple[int, ...] | None = None,
        direction: np.ndarray | None = None,
        tolerance: float = CLOSE,
    ):
        self._probe, self._name, self._place, self._tolerance = probe, name, place, tolerance
        self._value = probe.value(name)
        self._size = float(np.abs(self._value).max(initial=0)) or 1.0
        self._direction = direction
        self._scale = 1.0 if place is None else float(abs(self._value[place])) or self._size
        self._widest = 4 * max(self._scale, 1.0 if place is None else max(self._size, 1.0))
        self._heard = np.zeros(probe.y.size, bool)  # outputs that move, so that their noise counts
        self._noise = probe.noise
        self._wakes = False  # nothing moves here, but would far away on one side, as with a dead unit

    def judge(self, exact: float) -> Slope:
        """Say whether a gradient is the slope.

        Parameters
        ----------
        exact : float

        Returns
        -------
        Slope
        """
        slope = self._judged(exact)
        if slope.reason not in ("rounding", "precision") or self._probe.half or not self._heard.any():
            return slope
        unit = np.zeros(self._value.shape) if self._place is not None else self._direction
        if self._place is not None:
            unit[self._place] = self._scale
        with np.errstate(all="ignore"):
            own, _ = self._probe.noise_along({self._name: unit})  # what other inputs add to the noise stands still here
        if not (own < self._noise)[self._heard].any():
            return slope
        self._noise = np.where(self._heard, np.minimum(own, self._noise), self._noise)
        return self._judged(exact)

    def _judged(self, exact: float) -> Slope:
        slope = self._found(exact)
        if slope.verdict == "disagrees" and abs(slope.numeric) <= 4 * slope.bar and self._drowns(exact):
            return slope._replace(verdict="not told", reason="rounding")
        return slope

    def _found(self, exact: float) -> Slope:
        look, bend, ladder = self._first_look(), np.inf, None
        reason = "rounding" if look else "domain"
        if look and not look.larger:
            return self._unmoved(exact, look)
        while look and look.step > 8 * EPS * self._scale:
            if not look.larger and not self._probe.coarse.any():  # only a wide step has moved anything
                return self._unmoved(exact, look)
            if reason == "kink" and look.bend > bend / 2:  # the kink is still within the step
                look = self._look(look.step / 16)
                continue
            ladder = self._climb(look, exact)
            finer = ladder.looks[-1].step / RATIO
            if self._resolved(look, ladder, exact):
                if abs(exact - ladder.numeric) <= CLOSE * abs(ladder.numeric) and ladder.bar <= CLOSE * abs(exact):
                    return Slope("agrees", "", ladder.numeric, ladder.bar, ladder.looks[-1].step)
                hitch, far = self._second_look(ladder, exact)
                verdict = self._decided(exact, ladder.numeric, ladder.bar)
                hidden = self._noise[~self._heard].sum() / look.step  # outputs that do not move may hide as much
                if hitch == "rounding" or (verdict == "disagrees" and abs(exact - ladder.numeric) <= 4 * hidden):
                    break
                if not hitch:
                    return Slope(verdict, "", ladder.numeric, ladder.bar, ladder.looks[-1].step)
                reason, finer, bend = (hitch, far.step / 16, far.bend) if far else (hitch, finer / FAR, bend)
            elif look.step <= self._scale and ladder.noise > min(
                ladder.bar / 4, max(abs(ladder.numeric) / SEEN, ZERO * look.larger)
            ):
                break  # finer steps only drown
            look = self._look(finer)
        return self._by_complex_step(exact, reason, ladder)

    def _drowns(self, slope: float) -> bool:
        """Whether the function, or its gradient, may round such a slope away, as a softmax does that is sure."""
        far = self._look(self._widest)
        return bool(far and abs(slope) <= DROWNS * far.larger)

    def _resolved(self, look: _Look, ladder: _Ladder, exact: float) -> bool:
        if ladder.bar <= abs(ladder.numeric) / SEEN:
            return True
        flat = ladder.bar <= ZERO * look.larger and abs(ladder.numeric) <= 4 * ladder.bar
        stairs = self._probe.half or (exact and self._probe.stuck.any())  # wide ones look flat
        return bool(flat and look.step <= self._scale and not stairs)

    def _moved(self, step: float) -> tuple[float, np.ndarray | None]:
        """Return the step that was really taken, and what it adds to each output."""
        moved = self._value.copy()
        if self._place is None:
            moved += step * self._direction
            return step, self._probe.changes({self._name: moved})
        moved[self._place] += step
        return float(moved[self._place] - self._value[self._place]), self._probe.changes({self._name: moved})

    def _look(self, step: float) -> _Look | None:
        """Return the central difference with a step, None outside the domain."""
        (right, ahead), (left, behind) = self._moved(step), self._moved(-step)
        if ahead is None or behind is None or not right or not left:
            return None
        self._heard |= (ahead != 0) | (behind != 0)
        sides = np.abs(ahead).sum() / right, np.abs(behind).sum() / -left
        outputs = self._noise[self._heard if self._heard.any() else ...].sum()
        slope, bend = ((ahead - behind) / (right - left)).sum(), np.abs(ahead / right - behind / left).sum() / 2
        return _Look(step, slope, bend, max(sides), min(sides), (outputs + EPS * self._scale * sum(sides)) / step)

    def _first_look(self) -> _Look | None:
        """Look with a smaller step outside the domain, with a larger one where rounding hides the change."""
        step = FIRST * self._scale
        while (first := self._look(step)) is None and step > LEAST * self._scale:
            step /= 16
        while first and step < self._widest:
            if first.larger > 0 and first.noise <= max(abs(first.slope) / 300, 1e-10 * first.larger):
                break
            step = min(16 * step, self._widest)
            wider = self._look(step)
            self._wakes = bool(wider and not first.larger and wider.larger and not wider.smaller)
            if wider is None or self._wakes:
                break
            first = wider
        return first

    def _unmoved(self, exact: float, look: _Look) -> Slope:
        """Say what is told where no output moves."""
        found = self._by_complex_step(exact, "rounding", _Ladder([look], 0.0, look.noise, look.noise))
        hidden = 0 < abs(exact) <= 4 * look.noise or (self._wakes and self._probe.coarse.any())
        hidden = hidden or (exact and self._probe.stuck.any())
        if found.verdict != "not told" or hidden:
            return found
        return Slope("disagrees" if exact else "agrees", "nothing moves", 0.0, look.noise, look.step)

    def _climb(self, first: _Look, exact: float) -> _Ladder:
        """Extrapolate two to four steps to step 0."""
        looks, rows, best = [first], [[(first.slope, first.noise)]], (first.slope, np.inf, first.noise)
        for k in (1, 2, 3):
            look = self._look(first.step / RATIO**k)
            if look is None:
                break
            looks.append(look)
            rows.append([(look.slope, look.noise)])
            for j in range(1, k + 1):
                (a, noise_a), (b, noise_b), factor = rows[k][j - 1], rows[k - 1][j - 1], RATIO ** (2 * j)
                value, noise = b + (a - b) * factor / (factor - 1), (factor * noise_a + noise_b) / (factor - 1)
                rows[k].append((value, noise))
                best = min(best, (value, max(abs(value - a), abs(value - b)) + noise, noise), key=lambda row: row[1])
            numeric, bar, noise = best
            if abs(exact - numeric) <= CLOSE * abs(numeric) + 4 * noise and noise <= 1e-6 * abs(numeric):
                best = numeric, min(bar, abs(exact - numeric) + noise), noise
                break
            if k >= 2 and bar - noise <= max(noise, 1e-8 * abs(numeric)):
                break
        return _Ladder(looks, *best)

    def _second_look(self, ladder: _Ladder, exact: float) -> tuple[str, _Look | None]:
        """Look with far smaller steps; return the hitch that shows there, and the look that shows it."""
        (first, *_), (before, last), numeric, bar = ladder.looks, ladder.looks[-2:], ladder.numeric, ladder.bar
        noise, disagrees = last.noise * last.step, self._decided(exact, numeric, bar) == "disagrees"
        steps = [max(first.step / FAR, SEEN * noise / max(abs(numeric), 1e-5 * first.larger))]
        if disagrees:  # this has to stand down to where rounding would hide it
            least = max(8 * noise / abs(exact - numeric), LEAST * self._scale)
            steps = [steps[0], np.sqrt(steps[0] * least), least] if least < steps[0] else [least]
            if least >= last.step:
                return "rounding", None
        for step in [last.step, *(step for step in steps if step < last.step)]:
            far = self._look(step) if step < last.step else last
            if far is None:
                return "domain", None
            smooth = before.bend * np.sqrt(step / before.step)  # a smooth bend shrinks as the step, a kink's does not
            if far.bend > max(8 * far.noise + smooth, 4 * bar + 1e-6 * abs(numeric)):
                return "kink", far
            off = abs(far.slope - numeric) if step < last.step else 0
            if off > 4 * (bar + far.noise) + CLOSE * abs(numeric) or (disagrees and off > abs(far.slope - exact) / 2):
                return "fine structure", far
            before = far
        return "", None

    def _by_complex_step(self, exact: float, reason: str, ladder: _Ladder | None) -> Slope:
        """Say what a complex step tells, which sees what rounding hides from differences; else that it is not told."""
        numeric, bar, step = (ladder.numeric, ladder.bar, ladder.looks[-1].step) if ladder else (np.nan, np.inf, 0.0)
        if reason in ("rounding", "fine structure") and self._probe.analytic:
            direction = self._direction
            if self._place is not None:
                direction = np.zeros(self._value.shape)
                direction[self._place] = self._scale
            tiny, small = (self._probe.complex_slope({self._name: direction}, size) for size in (1e-30, 1e-6))
            value, spread = tiny.sum() / self._scale, (abs(tiny - small) + 1e-5 * abs(tiny)).sum() / self._scale
            verdict, off = self._decided(exact, value, spread), abs(exact - value)
            # the gradient is rounded as well, though the complex step is not
            rounded = verdict == "disagrees" and ladder and (off <= 4 * ladder.noise or self._drowns(off))
            if value and spread <= abs(value) / SEEN and not rounded:
                return Slope(verdict, "complex step", value, spread, step)
        coarse = reason == "rounding" and ((self._probe.coarse & self._heard).any() or self._probe.stuck.any())
        return Slope("not told", "precision" if coarse else reason, numeric, bar, step)

    def _decided(self, exact: float, numeric: float, bar: float) -> str:
        near = abs(exact - numeric) <= 4 * bar + self._tolerance * abs(numeric)
        return "agrees" if near else "disagrees"
