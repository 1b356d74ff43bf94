"""Initial weights have the published spread, and a seed gives the same ones on every storage and dtype."""

import numpy as np
import pytest

import minisparse as ms
from minisparse import initialise


def test_he_scales_each_neuron_by_its_own_afferents():
    mask = np.zeros((2, 4000), bool)
    mask[0], mask[1, :40] = True, True
    weights = ms.CsrWeights(ms.Pattern.from_mask(mask))
    w = weights.unpack(initialise.he(np.random.default_rng(0), weights, np.float64))
    assert w[0].std() == pytest.approx(np.sqrt(2 / 4000), rel=0.05)
    assert w[1, :40].std() == pytest.approx(np.sqrt(2 / 40), rel=0.3)
    assert not w[1, 40:].any()


def test_glorot_is_uniform_within_its_bound():
    w = initialise.glorot(np.random.default_rng(0), (50, 50), 30, 20)
    bound = np.sqrt(6 / 50)
    assert bound * 0.95 < abs(w).max() <= bound


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_signs_are_those_of_the_neuron_that_sends(storage, dtype):
    weights = ms.make_weights(ms.bernoulli(9, 6, 0.6, np.random.default_rng(1)), storage)
    signs = np.array([[1], [-1], [1], [-2], [1], [-1]])
    w = weights.unpack(initialise.one_signed(np.random.default_rng(2), weights, 0.5, signs, dtype))
    twin = ms.make_weights(weights.pattern, "csr")
    same = twin.unpack(initialise.one_signed(np.random.default_rng(2), twin, 0.5, signs))
    np.testing.assert_allclose(w, same, rtol=1e-6)
    assert w.dtype == dtype
    assert (w * np.sign(signs).T >= 0).all()
    assert abs(w[:, 3]).max() > 0.5
    with pytest.raises(ms.errors.InputError, match=r"signs must be a column \(6, 1\), one per neuron, got \(6,\)"):
        initialise.one_signed(np.random.default_rng(2), weights, 0.5, signs[:, 0])
