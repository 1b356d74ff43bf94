"""A pattern from what people have: a mask, a matrix of weights, a SciPy sparse matrix. Host only."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import shown
from .connectivity import Pattern
from .errors import InputError


def as_pattern(thing: Any) -> Pattern:
    """Return the pattern that something says: a pattern itself, a mask, or a SciPy sparse matrix.

    Parameters
    ----------
    thing : Pattern, matrix (n_post, n_pre) or SciPy sparse matrix of that shape
        Of a matrix, a synapse is what is not 0; the values are not looked at.

    Returns
    -------
    Pattern

    Raises
    ------
    ValueError
        If it is none of these.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> matrix = numpy.array([[0.5, 0.0], [-1.0, 2.0]])
    >>> minisparse.patterns.as_pattern(matrix) == minisparse.patterns.as_pattern(csr_array(matrix))
    True
    """
    if isinstance(thing, Pattern):
        return thing
    if hasattr(thing, "tocsr") and len(thing.shape) == 2:
        rows = thing.tocsr(copy=True)
        rows.sum_duplicates()
        rows.eliminate_zeros()
        return Pattern(rows.indptr, rows.indices, rows.shape)
    try:
        if isinstance(thing, (np.ndarray, list, tuple)) or hasattr(thing, "__array__"):
            return Pattern.from_mask(thing)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{shown(thing)} is no pattern: {error}") from error
    raise InputError(
        f"a pattern must be a Pattern, a matrix (post, pre) of truth values, or a SciPy sparse matrix, "
        f"got {shown(thing)}; minisparse.bernoulli and minisparse.full make one"
    )
