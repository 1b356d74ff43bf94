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
    with pytest.raises(ms.errors.InputError, match=r"signs must be a column \(6, 1\), .* of shape \(6,\)"):
        initialise.one_signed(np.random.default_rng(2), weights, 0.5, signs[:, 0])


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "much", None])
def test_a_size_of_weights_that_makes_no_sense_is_refused_by_name(wrong):
    rng, weights = np.random.default_rng(0), ms.make_weights(ms.full(3, 3))
    for name, call in {
        "bound": lambda: initialise.uniform(rng, (2, 2), wrong),
        "std": lambda: initialise.normal(rng, (2, 2), wrong),
        "fan_in": lambda: initialise.glorot(rng, (2, 2), wrong, 3),
        "fan_out": lambda: initialise.glorot(rng, (2, 2), 3, wrong),
        "w_max": lambda: initialise.one_signed(rng, weights, wrong, np.ones((3, 1))),
    }.items():
        with pytest.raises(ms.UserError, match=f"^{name}.* must be a"):
            call()
