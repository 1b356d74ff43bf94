"""The convolution over patches: against a loop over patches, automatic differentiation and differences."""

import itertools

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile

import minisparse as ms
from minisparse import testing

PHI = {"sigmoid": lambda a: 1 / (1 + anp.exp(-a)), "tanh": anp.tanh, "relu": lambda a: anp.maximum(a, 0)}
SHAPES = {
    "one channel": ((4, 6), 2, 3),
    "three channels": ((3, 6, 6), 3, 2),
    "single pixels": ((2, 3, 3), 3, 2),
    "one patch": ((4, 5), 1, 3),
}


def slow(stem, K, c, x):
    """Return the units as a loop over patches says them, in operations that autograd can follow."""
    (channels, height, width), (rows, columns) = stem.image, stem.size
    planes = anp.swapaxes(anp.reshape(x, (height, channels, width, -1)), 0, 1)
    filters = anp.reshape(K, (stem.filters, rows, columns, channels))
    units = []
    for y, z in itertools.product(range(stem.patches_per_side), repeat=2):
        patch = planes[:, y * rows : (y + 1) * rows, z * columns : (z + 1) * columns]
        for f in range(stem.filters):
            units.append(anp.sum(patch * anp.transpose(filters[f], (2, 0, 1))[..., None], axis=(0, 1, 2)) + c[f])
    return anp.array(units)


@pytest.mark.parametrize("activation", PHI)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_agrees_with_a_loop_over_patches_and_with_automatic_differentiation(shape, activation):
    image, side, filters = SHAPES[shape]
    stem = ms.PatchConv(image, side, filters, activation)
    rng = np.random.default_rng(3)
    params = stem.init(rng, dtype=np.float64)
    params["c"] += rng.standard_normal(params["c"].shape)
    x = rng.standard_normal((stem.image[1], stem.image[0] * stem.image[2], 4))
    h, cache = stem.forward(params, x)
    assert h.shape == (stem.n_out, 4)
    np.testing.assert_allclose(h, PHI[activation](slow(stem, params["K"], params["c"], x)), rtol=0, atol=1e-13)
    np.testing.assert_array_equal(h, stem.forward(params, x.reshape(stem.n_in, 4))[0])
    dh = rng.standard_normal(h.shape)
    grads = stem.backward(dh, cache, wrt_x=True)
    oracle = autograd.grad(lambda K, c, x: anp.sum(dh * PHI[activation](slow(stem, K, c, x))), argnum=[0, 1, 2])
    for key, right in zip(("K", "c", "x"), oracle(params["K"], params["c"], x), strict=True):
        np.testing.assert_allclose(grads[key], right, rtol=0, atol=1e-10 * max(abs(right).max(), 1e-3))
    assert list(stem.backward(dh, cache)) == ["K", "c"]


@profile(max_examples=15)
@given(testing.generators(), testing.choices("sigmoid", "tanh", "relu"), testing.choices("dense", "csr", "grouped"))
def test_a_whole_network_behind_patches_passes_the_check(rng, activation, storage):
    side, channels = rng.integers(1, 4), rng.integers(1, 4)
    rows, columns = rng.integers(1, 3, 2) * side
    stem = ms.PatchConv((channels, rows, columns), side, rng.integers(2, 4), activation)
    pattern = ms.group_to_group(5, stem.n_out, 2, p_between=0.3, rng=rng)
    head = ms.MLP([ms.make_weights(pattern, storage), ms.make_weights(ms.full(3, 5))], activation)
    model = ms.ConvNet(stem, head)
    params = model.init(rng, dtype=np.float64)
    params["c"] += rng.standard_normal(params["c"].shape)
    x, labels = rng.standard_normal((rows, channels * columns, 3)), rng.integers(0, 3, 3)
    report = ms.check(model, params, x, labels)
    assert report.codes in ((), ("unjudged",)), str(report)


def test_contiguous_groups_of_units_are_whole_patches():
    stem = ms.PatchConv((28, 28))
    params = stem.init(np.random.default_rng(0))
    x = np.zeros((28, 28, 1), np.float32)
    x[7:14, 14:21] = 1  # second row, third column: patch 6
    h, _ = stem.forward(params, x)
    assert set(np.flatnonzero(h) // 32) == {6}
    assert set(ms.groups.group_labels(512, 8)[6 * 32 : 7 * 32]) == {3}


def test_filters_are_drawn_by_hes_rule_whatever_the_dtype():
    stem = ms.PatchConv((3, 32, 32), filters=512)
    one, other = (stem.init(np.random.default_rng(1), dtype) for dtype in (np.float32, np.float64))
    assert one["K"].dtype == np.float32
    np.testing.assert_array_equal(one["K"], other["K"].astype(np.float32))
    assert other["K"].std() == pytest.approx((2 / 192) ** 0.5, rel=0.01)
    assert not other["c"].any()


def test_it_trains_rewires_and_resumes(tmp_path):
    digits, rng = ms.load("digits"), np.random.default_rng(0)
    stem = ms.PatchConv((8, 8), filters=6)
    pattern = ms.group_to_group(20, stem.n_out, 4, rng=rng)
    model = ms.ConvNet(stem, ms.MLP([ms.make_weights(pattern), ms.make_weights(ms.full(10, 20))], "relu"))
    params = model.init(rng)
    for name in ("W0", "W1"):
        params[name] *= 0.2
    hooks = [ms.Cosine(), ms.Hebbian(fraction=0.1)]
    settings = {"after_step": hooks, "checkpoint": tmp_path / "run.npz", "batch_size": 20, "quiet": True}
    history = ms.fit(model, params, ms.Adam(lr=0.01), digits, 3, rng, **settings)
    assert history[-1]["test_accuracy"] > 70
    assert model.weights["W0"].pattern != pattern
    again = {key: value.copy() for key, value in params.items()}
    ms.fit(model, again, ms.Adam(lr=0.01), digits, 3, rng, **settings, resume=True)
    assert np.array_equal(again["K"], params["K"])


def test_what_does_not_fit_is_said():
    with pytest.raises(ms.UserError, match="28 x 30 pixels cannot be cut into 4 x 4 equal patches"):
        ms.PatchConv((28, 30))
    with pytest.raises(ms.UserError, match="for 0 filters; all must be at least 1"):
        ms.PatchConv((8, 8), filters=0)
    stem = ms.PatchConv((8, 8), filters=2)
    params = stem.init(np.random.default_rng(0))
    with pytest.raises(ms.UserError, match="must hold 64 pixels"):
        stem.forward(params, np.ones((35, 2)))
    with pytest.raises(ms.UserError, match=r"c must have shape \(2, 1\)"):
        stem.forward({**params, "c": np.zeros(2)}, np.ones((64, 2)))
    with pytest.raises(ms.UserError, match="params has no 'K'"):
        stem.forward({"c": params["c"]}, np.ones((64, 2)))
    with pytest.raises(ms.UserError, match="the head expects 5 inputs"):
        ms.ConvNet(stem, ms.MLP([ms.make_weights(ms.full(3, 5))]))
