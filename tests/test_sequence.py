"""Stacked layers with a readout: against differences and automatic differentiation, rewired, trained, saved."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rnn import SLOPES, error

import minisparse as ms
from minisparse import testing
from minisparse.weights.make import STORAGES


@st.composite
def models(draw, storage):
    """Draw one to three layers, parameters, a batch of sequences, noise and a cotangent of the logits."""
    steps, batch, n_in, n_out = draw(testing.sizes(4, distinct=False, high=5))
    rng, below, layers = draw(testing.generators()), n_in, []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 5))
        settings = {"alpha": draw(testing.choices(1, 0.3)), "start": draw(st.booleans())}
        weights = STORAGES[storage](draw(testing.patterns(n, n)))
        layers.append(ms.Recurrent(below, weights, draw(testing.choices(*SLOPES)), **settings))
        below = n
    model = ms.SequenceRNN(layers, n_out, draw(st.booleans()))
    params = model.init(rng, float, w_max=0.7)
    params |= {name: rng.standard_normal(w.shape) for name, w in params.items() if name.startswith("h_init")}
    noise = [rng.standard_normal((steps, layer.n, batch)) for layer in layers]
    x, shape = rng.standard_normal((steps, n_in, batch)), (steps, n_out, batch)
    return model, params, x, noise, rng.standard_normal(shape if model.every else shape[1:])


def expected(model, params, x, noise, dlogits):
    """The gradients by automatic differentiation, on plain dense matrices."""

    def f(p):
        below = [p["x"][t] for t in range(len(x))]
        for k, layer in enumerate(model.layers):
            W = p[f"W_rec{k}"] * layer.weights["W_rec"].pattern.mask()
            h, states = anp.zeros((layer.n, x.shape[2])) + sum(p[f"{name}{k}"] for name in layer.initial), []
            for t in range(len(x)):
                b = p[f"b_in{k}"] + p[f"b_rec{k}"]
                a = anp.dot(p[f"W_in{k}"], below[t]) + anp.dot(W, h) + b + noise[k][t]
                alpha = layer.dynamics.alpha
                h = (1 - alpha) * h + alpha * SLOPES[layer.activation.name](a)
                states.append(h)
            below = states
        logits = [anp.dot(p["W_out"], h) + p["b_out"] for h in below]
        pairs = zip(dlogits, logits, strict=True) if model.every else [(dlogits, logits[-1])]
        return sum(anp.sum(dz * z) for dz, z in pairs)

    dense = {name: model.weights[name].unpack(w) if name in model.weights else w for name, w in params.items()}
    return autograd.value_and_grad(f)({**dense, "x": x})


@pytest.mark.parametrize(
    ("storage", "examples"),
    [("dense", 3), ("csr", 3), *(pytest.param(kind, 120, marks=pytest.mark.slow) for kind in ("dense", "csr"))],
)
def test_gradients_agree_with_both_oracles(storage, examples):
    @settings(max_examples=examples)
    @given(models(storage))
    def holds(drawn):
        model, params, x, noise, dlogits = drawn
        logits, cache = model.forward(params, x, noise)
        assert logits.shape == dlogits.shape
        grads = model.backward(dlogits, cache, wrt_x=True)
        assert list(grads) == [*params, "x"]
        size, by_autograd = expected(*drawn)
        for name, grad in grads.items():
            full = model.weights[name].unpack(grad) if name in model.weights else grad
            assert error(full, by_autograd[name], size) <= 1e-10, name
        report = ms.check(model, params, x)
        assert report.codes in ((), ("unjudged",)), str(report)

    holds()


def small(every=True, storage="dense", **settings):
    rng = np.random.default_rng(0)
    weights = [ms.make_weights(ms.bernoulli(n, n, 0.5, rng), storage) for n in (9, 7)]
    layers = [ms.Recurrent(n_in, w, "tanh", **settings) for n_in, w in zip((2, 9), weights, strict=True)]
    model = ms.SequenceRNN(layers, 3, every)
    return model, model.init(rng, float, w_max=0.5)


def test_one_layer_that_answers_last_is_the_recurrent_network():
    weights = ms.make_weights(ms.bernoulli(9, 9, 0.5, np.random.default_rng(0)), "csr")
    plain, model = ms.RNN(2, weights, 3, "tanh"), ms.SequenceRNN([ms.Recurrent(2, weights, "tanh")], 3, every=False)
    params = plain.init(np.random.default_rng(1), float, w_max=0.5)
    given = {name if name.endswith("_out") else f"{name}0": value for name, value in params.items()}
    x, dlogits = np.random.default_rng(2).standard_normal((5, 2, 4)), np.random.default_rng(3).standard_normal((3, 4))
    (logits, cache), (other, twin) = plain.forward(params, x), model.forward(given, x)
    assert np.array_equal(logits, other)
    found = model.backward(dlogits, twin)
    for name, grad in plain.backward(dlogits, cache).items():
        assert found[name if name.endswith("_out") else f"{name}0"] == pytest.approx(grad, rel=1e-13), name


def test_mistakes_in_every_part_are_named():
    model, params = small(alpha=0.4, start=True)
    x = np.random.default_rng(1).standard_normal((5, 2, 4))
    for code in ("readout-states-of-last-step", "layers-time-reversed", "leak-own-path-forgotten", "start-mean"):
        wrong = ms.gradcheck.catalogue.find(code).plant(model)
        report = ms.check(wrong, params, x)
        assert report.codes[0] == code


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_layers_are_rewired_clamped_and_saved_by_the_names_of_the_model(storage, tmp_path):
    model, params = small(storage=storage)
    twin, other = model.copy(), {name: value.copy() for name, value in params.items()}
    signs = ms.dale_signs(9, 0.3, np.random.default_rng(2))
    params = model.init(np.random.default_rng(3), float, w_max=0.5, signs=[signs, None])
    dale, opt, before = ms.Dale(signs, parameter="W_rec0"), ms.Adam(), dict(model.weights)
    assert dale.violations(model, params) == 0
    event = ms.SET(0.3, std=0.1).rewire(model, params, opt, np.random.default_rng(4))
    assert set(event) == {"W_rec0", "W_rec1"}
    assert all(model.weights[name] is not weights for name, weights in before.items())
    assert all(twin.weights[name] is weights for name, weights in before.items())
    ms.save(tmp_path / "a.npz", model, params, opt)
    with pytest.raises(ms.UserError, match="params has no 'W_in1'"):
        twin.forward({name: value for name, value in other.items() if name != "W_in1"}, np.ones((3, 2, 1)))
    again = model.copy()
    ms.load_checkpoint(tmp_path / "a.npz", again, other, ms.Adam())
    x = np.ones((3, 2, 4))
    assert np.array_equal(model.forward(params, x)[0], again.forward(other, x)[0])


def test_what_does_not_fit_is_said():
    weights = ms.make_weights(ms.full(5, 5))
    with pytest.raises(ms.UserError, match="layer 1 expects 4 inputs, layer 0 has 5 units"):
        ms.SequenceRNN([ms.Recurrent(2, weights), ms.Recurrent(4, weights)], 3)
    with pytest.raises(ms.UserError, match="a SequenceRNN needs a layer at least"):
        ms.SequenceRNN([], 3)
    model, params = small()
    logits, cache = model.forward(params, np.ones((4, 2, 3)))
    with pytest.raises(ms.UserError, match=r"dlogits must have the shape of the logits, \(4, 3, 3\), got \(3, 3\)"):
        model.backward(logits[0], cache)
