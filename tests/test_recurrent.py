"""The recurrent layer: against differences and automatic differentiation, heard at every step, leaky, cut, noisy."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rnn import SLOPES, error

import minisparse as ms
from minisparse import testing
from minisparse.exercises import bench
from minisparse.weights.make import STORAGES


@st.composite
def layers(draw, storage):
    """Draw a layer with parameters, input, noise, and a cotangent of the last states, of one at least."""
    steps, batch, n, n_in = draw(testing.sizes(4, distinct=False, high=6))
    rng = draw(testing.generators())
    options = {"activation": draw(testing.choices(*SLOPES)), "biases": draw(testing.choices(1, 2))}
    alpha, start = draw(testing.choices(1, 0.2, 0.9)), draw(st.booleans())
    layer = ms.Recurrent(n_in, STORAGES[storage](draw(testing.patterns(n, n))), alpha=alpha, start=start, **options)
    params = layer.init(rng, float, w_max=0.7)
    params |= {name: rng.standard_normal((n, 1)) for name in layer.initial}
    x, noise = rng.standard_normal((steps, n_in, batch)), rng.standard_normal((steps, n, batch))
    return layer, params, x, noise, rng.standard_normal((draw(st.integers(1, steps)), n, batch))


def expected(layer, params, x, noise, dh):
    """The gradients by automatic differentiation, on a plain dense matrix."""
    mask, alpha = layer.weights["W_rec"].pattern.mask(), layer.dynamics.alpha

    def f(p):
        h, states = anp.zeros((layer.n, x.shape[2])) + sum(p[name] for name in layer.initial), []
        for t in range(len(x)):
            a = anp.dot(p["W_in"], p["x"][t]) + anp.dot(p["W_rec"] * mask, h) + noise[t]
            r = SLOPES[layer.activation.name](a + sum(p[name] for name in layer.biases))
            h = (1 - alpha) * h + alpha * r
            states.append(h)
        return sum(anp.sum(c * h) for c, h in zip(dh[::-1], states[::-1], strict=False))

    return autograd.value_and_grad(f)({**params, "x": x, "W_rec": layer.weights["W_rec"].unpack(params["W_rec"])})


@pytest.mark.parametrize(
    ("storage", "examples"),
    [("dense", 4), ("csr", 4), *(pytest.param(kind, 120, marks=pytest.mark.slow) for kind in ("dense", "csr"))],
)
def test_a_layer_agrees_with_both_oracles(storage, examples):
    @settings(max_examples=examples)
    @given(layers(storage))
    def holds(drawn):
        layer, params, x, noise, dh = drawn
        _, cache = layer.forward(params, x, noise)
        grads = layer.backward(dh, cache, wrt_x=True)
        assert list(grads) == [*params, "x"]
        size, by_autograd = expected(*drawn)
        for name, grad in grads.items():
            full = layer.weights[name].unpack(grad) if name in layer.weights else grad
            assert error(full, by_autograd[name], size) <= 1e-10, name
        weights = layer.weights["W_rec"]
        report = ms.check_pair(
            lambda x, **params: ((found := layer.forward(params, x, noise))[0][-len(dh) :], found[1]),
            lambda dh, cache: layer.backward(dh, cache, wrt_x=True),
            {**params, "x": x},
            support={"W_rec": weights.from_values(np.ones(weights.nnz)) != 0},
            dy=dh,
        )
        assert report.codes in ((), ("unjudged",)), str(report)

    holds()


def test_a_cut_gradient_is_that_of_windows_whose_first_states_are_held_still():
    for place in bench.benches("R27"):
        assert place.check().ok, place.name


@pytest.mark.parametrize("alpha", [1, 0.3])
def test_back_says_how_far_a_gradient_goes(alpha):
    layer = ms.Recurrent(2, ms.make_weights(ms.full(5, 5)), "tanh", alpha=alpha)
    params, x = layer.init(np.random.default_rng(0), float, w_max=0.5), np.ones((7, 2, 3))
    h, cache = layer.forward(params, x)
    dh = np.zeros_like(h)
    dh[-1] = 1
    in_full = layer.backward(dh, cache, wrt_x=True)["x"]
    for back in (1, 3, 7, 9):
        dx = layer.backward(dh, cache, wrt_x=True, back=back)["x"]
        assert np.array_equal(dx[-back:], in_full[-back:])
        assert not dx[:-back].any()
    with pytest.raises(ms.UserError, match="back, how many steps a gradient goes back at most, must be a whole number"):
        layer.backward(dh, cache, back=0)


def test_fewer_cotangents_than_steps_are_those_of_the_last_states():
    layer = ms.Recurrent(2, ms.make_weights(ms.full(5, 5)), "tanh", alpha=0.5, start=True)
    params, x = layer.init(np.random.default_rng(0), float, w_max=0.5), np.ones((4, 2, 3))
    _, cache = layer.forward(params, x)
    dh = np.random.default_rng(1).standard_normal((2, 5, 3))
    padded = layer.backward(np.concatenate([np.zeros_like(dh), dh]), cache)
    for name, grad in layer.backward(dh, cache).items():
        assert np.array_equal(grad, padded[name]), name
    with pytest.raises(ms.UserError, match=r"dh must be \(time, units, batch\) = \(4, 5, 3\), got \(5, 5, 3\)"):
        layer.backward(np.ones((5, 5, 3)), cache)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_array_keeps_its_dtype_and_a_copy_rewires_on_its_own(dtype):
    layer = ms.Recurrent(2, ms.make_weights(ms.full(5, 5), "csr"), alpha=0.5, start=True)
    params = layer.init(np.random.default_rng(0), dtype)
    h, cache = layer.forward(params, np.ones((3, 2, 4), dtype))
    assert h.dtype == dtype
    assert {grad.dtype for grad in layer.backward(h, cache, wrt_x=True).values()} == {np.dtype(dtype)}
    twin = layer.copy()
    twin.weights["W_rec"] = ms.make_weights(ms.bernoulli(5, 5, 0.5, np.random.default_rng(1)), "csr")
    assert layer.config() != twin.config()
    assert layer.config() == layer.copy().config()
