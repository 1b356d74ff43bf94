"""A slope is written down as Python computes it, and worked out in the multiplication with the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import minisparse as ms
from minisparse.kernels.recorded import Factor, Recorded, text_of

ACTIVATIONS = ms.activations.ACTIVATIONS.values()
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1e-42, -1e-42, 2.0, -3.0]


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("h", [-0.5, 0.0, 0.75])
def test_a_slope_is_recorded_in_c_as_python_computes_it(activation, h):
    assert eval(text_of(activation.slope), {"T": float, "h": h}) == activation.slope(np.array(h))


def test_what_does_more_is_not_recorded():
    assert text_of(np.exp) is None
    assert text_of(lambda h: h if h > 0 else 0 * h) is None
    assert text_of(lambda h: np.where(h > 0, h, 0)) is None
    assert text_of(lambda h: h) == "h"
    assert text_of(lambda h: 2 / Recorded("h")) == "(T(2.0) / h)"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(400, 400), (3, 400, 400), (400, 401)])
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_a_factor_is_the_slope_to_the_last_bit(activation, shape, dtype):
    rng = np.random.default_rng(0)
    h, dh = rng.standard_normal((2, *shape)).astype(dtype)
    h.flat[: len(SPECIAL) ** 2], dh.flat[: len(SPECIAL) ** 2] = np.repeat(SPECIAL, 9), SPECIAL * 9
    with ms.threads.one_blas_thread(), np.errstate(invalid="ignore"):
        factor, slope = activation.factor(h), activation.slope(h)
        assert isinstance(factor, Factor) == (activation is ms.relu and _numba())
        for found in (dh * factor, factor * dh, ms.weights.base.scaled(dh.copy(), factor)):
            np.testing.assert_array_equal(found, dh * slope)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(dh * slope))
        turned = np.swapaxes(dh.swapaxes(0, -1).copy(), 0, -1)
        np.testing.assert_array_equal(turned * factor, dh * slope)


def _numba() -> bool:
    return ms.kernels.table(np.empty(0)).__name__.endswith("numba")
