"""Masked dense storage, and what a mask has to keep: exact zeros where there is no synapse."""

import numpy as np
import pytest
from helpers.layers import bits, layers

import minisparse as ms


@layers
def test_pack_drops_what_lies_off_the_pattern(weights, dtype, rng):
    mask = weights.pattern.mask()
    matrix = rng.choice([-1.5, -0.0, np.nan, np.inf, 2.5], weights.shape).astype(dtype)
    kept = matrix.copy()
    back = weights.unpack(weights.pack(matrix))
    assert bits(back[mask]) == bits(matrix[mask])
    assert bits(back[~mask]) == [0] * int((~mask).sum())
    assert bits(matrix) == bits(kept)


@layers
def test_off_the_pattern_a_gradient_is_plus_zero_even_beside_nan(weights, dtype, rng):
    mask = weights.pattern.mask()
    stacked, batch = rng.integers(2), rng.integers(1, 4)
    x, dy = (
        rng.choice([-1.0, -0.0, 1.0, np.nan, np.inf, -np.inf], (2,) * stacked + (n, batch)).astype(dtype)
        for n in weights.shape[::-1]
    )
    with np.errstate(invalid="ignore"):
        dw = weights.outer(dy, x)
        expected = np.einsum("tib,tjb->ij", *(a if stacked else a[None] for a in (dy, x)))
    dw = weights.unpack(dw)
    assert bits(dw[~mask]) == [0] * int((~mask).sum())
    np.testing.assert_array_equal(dw[mask], expected[mask])


@pytest.mark.parametrize("pattern", [ms.full(3, 4), ms.Pattern.from_mask(np.eye(3, 4))])
def test_the_values_of_a_matrix_are_a_copy_in_pattern_order(pattern):
    weights = ms.DenseWeights(pattern)
    w = weights.pack(np.arange(1.0, 13.0).reshape(3, 4))
    values = weights.values(w)
    np.testing.assert_array_equal(values, w[pattern.mask()])
    np.testing.assert_array_equal(weights.values(np.asfortranarray(w)), values)
    values[:] = 0
    assert w.any()
