"""Scores of all places at once."""

import numpy as np

from minisparse.evolve import places


def whole(score, shape):
    """Put the blocks of a score together."""
    return np.concatenate([score(rows) for rows in places.row_blocks(shape)])
