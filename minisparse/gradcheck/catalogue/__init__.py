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
    sparse,
)

__all__ = ["Mistake", "catalogue", "find", "restored"]

CATALOGUE = (
    *affine.ROWS, *loss.ROWS, *recurrent.ROWS, *activation.ROWS, *sparse.ROWS, *feedforward.ROWS, *convolution.ROWS,
    *patches.ROWS, *normalisation.ROWS, *growth.ROWS, *optimiser.ROWS,
)  # fmt: skip


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
