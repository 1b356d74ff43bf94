"""The convolution by hand: against differences, automatic differentiation and a loop over pixels."""

import itertools

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as profile

import minisparse as ms
from minisparse import testing


def slow(stem, K, c, x):
    """Return the pooled units as a loop over pixels says them, in operations that autograd can follow."""
    channels, height, width = stem.image
    planes = anp.swapaxes(anp.reshape(x, (height, channels, width, -1)), 0, 1)
    filters = anp.reshape(K, (stem.filters, stem.size, stem.size, channels))
    out = []
    for f, row, column in itertools.product(range(stem.filters), *map(range, stem.squares)):
        square = []
        for y, z in itertools.product(range(stem.pool), repeat=2):
            top, left = row * stem.pool + y, column * stem.pool + z
            patch = planes[:, top : top + stem.size, left : left + stem.size]
            square.append(anp.sum(patch * anp.transpose(filters[f], (2, 0, 1))[..., None], axis=(0, 1, 2)) + c[f])
        out.append(anp.max(anp.array(square), axis=0))
    return out


SHAPES = {
    "one channel": ((6, 7), 2, 3, 2),
    "three channels": ((3, 6, 6), 3, 5, 2),
    "rows left over": ((5, 8), 2, 2, 3),
    "single pixels": ((2, 3, 3), 2, 1, 1),
    "one patch": ((4, 4), 1, 3, 2),
}
PHI = {"sigmoid": lambda a: 1 / (1 + anp.exp(-a)), "tanh": anp.tanh, "relu": lambda a: anp.maximum(a, 0)}


@pytest.mark.parametrize("activation", PHI)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_agrees_with_a_loop_over_pixels_and_with_automatic_differentiation(shape, activation):
    image, filters, size, pool = SHAPES[shape]
    stem = ms.ConvPool(image, filters, size, pool, activation)
    rng = np.random.default_rng(3)
    params = stem.init(rng, dtype=np.float64)
    params["c"] += rng.standard_normal(params["c"].shape)
    x = rng.standard_normal((stem.image[1], stem.image[0] * stem.image[2], 4))
    h, cache = stem.forward(params, x)
    expected = PHI[activation](np.array(slow(stem, params["K"], params["c"], x)))
    assert h.shape == (stem.n_out, 4) == expected.shape
    np.testing.assert_allclose(h, expected, rtol=0, atol=1e-13)
    dh = rng.standard_normal(h.shape)
    grads = stem.backward(dh, cache, wrt_x=True)

    def loss(K, c, x):
        return sum(anp.sum(d * PHI[activation](a)) for d, a in zip(dh, slow(stem, K, c, x), strict=True))

    oracle = autograd.grad(loss, argnum=[0, 1, 2])(params["K"], params["c"], x)
    for key, right in zip(("K", "c", "x"), oracle, strict=True):
        np.testing.assert_allclose(grads[key], right, rtol=0, atol=1e-10 * max(abs(right).max(), 1e-3))


@profile(max_examples=20)
@given(testing.generators(), testing.choices("sigmoid", "tanh", "relu"), testing.choices(None, ms.Dendritic("matched")))
def test_a_whole_convolutional_network_passes_the_check(rng, activation, rule):
    channels, height, width = rng.integers(1, 3), *rng.integers(4, 8, 2)
    stem = ms.ConvPool(
        (channels, height, width), rng.integers(1, 4), rng.integers(1, 4), rng.integers(1, 3), activation
    )
    sparse = ms.make_weights(ms.bernoulli(4, stem.n_out, 0.6, rng), ["dense", "csr"][rng.integers(2)])
    model = ms.ConvNet(stem, ms.MLP([sparse, ms.make_weights(ms.full(3, 4))], activation, rule))
    params = model.init(rng, dtype=np.float64)
    params["c"] += rng.standard_normal(params["c"].shape)
    x, labels = rng.standard_normal((height, channels * width, 3)), rng.integers(0, 3, 3)
    report = ms.check(model, params, x, labels)
    assert report.codes in ((), ("unjudged",)), str(report)
    logits, cache = model.forward(params, x)
    assert list(model.backward(logits, cache, wrt_x=True)) == [*params, "x"]


def test_of_equal_values_in_a_square_the_first_is_the_winner():
    stem = ms.ConvPool((2, 2), 1, size=1, pool=2, activation="relu")
    params = {"K": np.ones((1, 1)), "c": np.zeros((1, 1))}
    _, cache = stem.forward(params, np.ones((2, 2, 1)))
    dx = stem.backward(np.ones((1, 1)), cache, wrt_x=True)["x"]
    assert dx.ravel().tolist() == [1, 0, 0, 0]


def test_it_trains_rewires_and_keeps_the_filters(tmp_path):
    digits = ms.load("digits")
    rng = np.random.default_rng(0)
    stem, rule = ms.ConvPool((8, 8), 6, activation="tanh"), ms.SET.from_density(0.3, std=0.2)
    sparse = ms.make_weights(rule.pattern(20, stem.n_out, rng))
    model = ms.ConvNet(stem, ms.MLP([sparse, ms.make_weights(ms.full(10, 20))], "tanh", ms.Dendritic("matched")))
    params, settings = model.init(rng), {"after_epoch": [rule], "checkpoint": tmp_path / "run.npz", "batch_size": 20}
    history = ms.fit(model, params, ms.Adam(lr=0.01), digits, 4, rng, **settings, quiet=True)
    assert history[-1]["test_accuracy"] > 80
    assert model.weights["W0"].pattern != sparse.pattern
    again = {key: value.copy() for key, value in params.items()}
    more = ms.fit(model, again, ms.Adam(lr=0.01), digits, 4, rng, **settings, resume=True, quiet=True)
    assert more[-1]["test_accuracy"] == history[-1]["test_accuracy"]
    assert np.array_equal(again["K"], params["K"])


def test_what_does_not_fit_is_said():
    with pytest.raises(ms.UserError, match="4 x 9 pixels is too small for filters of 5 x 5"):
        ms.ConvPool((4, 9), 2)
    stem = ms.ConvPool((6, 6), 2)
    with pytest.raises(ms.UserError, match="must hold 36 pixels"):
        stem.forward(stem.init(np.random.default_rng(0)), np.ones((35, 2)))
    with pytest.raises(ms.UserError, match=r"c must have shape \(2, 1\)"):
        stem.forward({**stem.init(np.random.default_rng(0)), "c": np.zeros(2)}, np.ones((36, 2)))
    with pytest.raises(ms.UserError, match="the head expects 5 inputs"):
        ms.ConvNet(stem, ms.MLP([ms.make_weights(ms.full(3, 5))]))
