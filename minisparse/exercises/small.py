"""Small networks that learn in a second, and their curves in a terminal and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..losses import softmax_cross_entropy

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60
HIGHEST = 1.5 * math.log(4)
"""Top of a drawn curve: half as much again as a guess among four classes costs."""


def signs_of_sums(rng: np.random.Generator, examples: int = 60, steps: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences (time, 2, examples), and which signs their two sums over time have: a class from 0 to 3."""
    x = rng.standard_normal((steps, 2, examples))
    sums = x.sum(axis=0) > 0
    return x, 2 * sums[0] + sums[1]


def learning(model: Any, params: dict, opt: Any, x: np.ndarray, labels: np.ndarray, steps: int) -> list[float]:
    """Train on one batch, in place, and return the loss before each step; it ends where the loss is no number."""
    losses = []
    for _ in range(steps):
        logits, cache = model.forward(params, x)
        value, dlogits = softmax_cross_entropy(logits, labels)
        losses.append(float(value))
        if not math.isfinite(losses[-1]):
            break
        opt.step(params, model.backward(dlogits, cache))
    return losses


def drawn(losses: Sequence[float], highest: float = HIGHEST) -> str:
    """Draw a curve, one letter per point, on a scale of logarithms: from `highest`, or more, down to a thousandth."""
    parts = np.array_split(np.nan_to_num(np.asarray(losses), nan=np.inf, posinf=np.inf), min(WIDTH, len(losses)))
    shares = [1 + math.log10(max(min(float(part.mean()), highest), 1e-3 * highest) / highest) / 3 for part in parts]
    return "".join(BARS[round(share * (len(BARS) - 1))] for share in shares)
