"""The catalogue of classic gradient mistakes: each is one line of this library, exchanged; a module per family."""

from __future__ import annotations

from ..mistakes import Mistake, restored
from . import (
    activation,
    affine,
    convolution,
    feedforward,
    growth,
    loss,
    normalisation,
    optimiser,
    patches,
    recurrent,
    sequence,
    sparse,
)

__all__ = ["Mistake", "catalogue", "find", "restored"]

CATALOGUE = (
    *affine.ROWS, *loss.ROWS, *recurrent.ROWS, *sequence.ROWS, *activation.ROWS, *sparse.ROWS, *feedforward.ROWS,
    *convolution.ROWS, *patches.ROWS, *normalisation.ROWS, *growth.ROWS, *optimiser.ROWS,
)  # fmt: skip

_ALWAYS_1 = "a ReLU's value is never below 0, so a slope that is 1 from 0 on is no slope at all"
SYNONYMS = {
    ("slope-always-1", "mlp-no-slope"): _ALWAYS_1,
    ("slope-always-1", "conv-no-slope"): _ALWAYS_1,
    ("slope-always-1", "patch-no-slope"): _ALWAYS_1,
    ("slope-always-1", "leak-no-slope"): _ALWAYS_1,
    ("bptt-last-step-only", "heard-overwritten"): "what comes from later is lost, the readout of each step is left",
    ("bptt-rule-skipped", "norm-factor-forgotten"): "a size that does not depend on v leaves the factor alone to pass",
}
"""Mistakes in two lines that give equal gradients in some networks, and why."""


def catalogue(family: str | None = None) -> tuple[Mistake, ...]:
    """Return every catalogued mistake, or those of one family.

    Examples
    --------
    >>> len(minisparse.gradcheck.catalogue.catalogue()) >= 100
    True
    """
    return tuple(mistake for mistake in CATALOGUE if family in (None, mistake.family))


def find(code: str) -> Mistake:
    """Return one mistake by its code.

    Raises
    ------
    KeyError
        If there is none.
    """
    return {mistake.code: mistake for mistake in CATALOGUE}[code]
