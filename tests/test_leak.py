"""The leak: an Euler step of a time constant, and nothing at all when alpha is 1."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.leak import Leaky


def layer(alpha, storage="dense", **settings):
    weights = ms.make_weights(ms.bernoulli(7, 7, 0.5, np.random.default_rng(0)), storage)
    made = ms.Recurrent(2, weights, "tanh", alpha=alpha, **settings)
    return made, made.init(np.random.default_rng(1), float, w_max=0.7)


def test_a_state_without_input_decays_by_the_share_that_it_keeps():
    made, params = layer(0.25, start=True, biases=1)
    params = {name: 0 * value for name, value in params.items()} | {"h_init": np.ones((7, 1))}
    h, _ = made.forward(params, np.zeros((4, 2, 1)))
    assert h[:, 3, 0] == pytest.approx(0.75 ** np.arange(1, 5), rel=1e-15)


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_with_alpha_1_it_gives_the_numbers_of_the_layer_without_a_leak(storage):
    plain, params = layer(1, storage, start=True)
    leaky, _ = layer(0.5, storage, start=True)
    leaky.dynamics = Leaky(1)
    rng = np.random.default_rng(2)
    x, dh = rng.standard_normal((5, 2, 3)), rng.standard_normal((5, 7, 3))
    (h, cache), (expected, other) = leaky.forward(params, x), plain.forward(params, x)
    assert np.array_equal(h, expected)
    grads, wanted = leaky.backward(dh, cache, wrt_x=True), plain.backward(dh, other, wrt_x=True)
    for name, grad in wanted.items():
        assert grads[name] == pytest.approx(grad, rel=1e-12, abs=1e-14), name


@pytest.mark.parametrize("alpha", [0, -0.1, 1.5, float("nan")])
def test_a_leak_that_is_none_is_refused(alpha):
    with pytest.raises(ms.UserError, match="alpha, the share of a state that is new at each step, must be above 0"):
        layer(alpha)
