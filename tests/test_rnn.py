"""The recurrent passes: against central differences, against automatic differentiation, and by hand."""

from collections import Counter

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import event, given, settings

import minisparse as ms
from minisparse import testing

SLOPES = {
    "relu": lambda a: anp.maximum(a, 0),
    "tanh": anp.tanh,
    "sigmoid": lambda a: 1 / (1 + anp.exp(-a)),
}


def oracle(network, params):
    """Loss and gradients of the same network by automatic differentiation, on a plain dense matrix."""
    model, mask = network.model, network.model.weights["W_rec"].pattern.mask()

    def loss(p):
        h = anp.zeros((model.n, network.x.shape[2]))
        for t in range(len(network.x)):
            x_t = p["x"][t]
            a = anp.dot(p["W_in"], x_t) + anp.dot(p["W_rec"] * mask, h)
            h = SLOPES[model.activation.name](a + sum(p[name] for name in model.biases))
        z = anp.dot(p["W_out"], h) + p["b_out"]
        z = z - anp.max(z, axis=0, keepdims=True)
        log_softmax = z - anp.log(anp.sum(anp.exp(z), axis=0, keepdims=True))
        return -anp.mean(log_softmax[network.labels, anp.arange(len(network.labels))])

    dense = {**params, "x": network.x, "W_rec": model.weights["W_rec"].unpack(params["W_rec"])}
    return autograd.value_and_grad(loss)(dense)


def error(analytic, other, size):
    apart = np.abs(analytic - other).max(initial=0)
    return apart / (np.abs(other).max(initial=0) + 1e-8 * abs(size)) if apart else 0.0


@pytest.mark.parametrize(
    ("storage", "examples"),
    [("dense", 10), ("csr", 10), *(pytest.param(storage, 200, marks=pytest.mark.slow) for storage in ("dense", "csr"))],
)
def test_gradients_agree_with_both_oracles_at_two_training_steps(storage, examples):
    judged = Counter()

    @settings(max_examples=examples)
    @given(testing.networks(storage))
    def holds(network):
        model, params = network.model, network.params
        opt = ms.Adam(lr=1e-2)
        event(model.activation.name)
        for _ in range(2):
            report = ms.check(model, params, network.x, network.labels)
            assert report.codes in ((), ("unjudged",)), str(report)
            judged["yes"] += sum(row.judged for row in report.rows)
            judged["no"] += sum(row.not_judged for row in report.rows)
            logits, cache = model.forward(params, network.x)
            loss, dlogits = ms.softmax_cross_entropy(logits, network.labels)
            grads = model.backward(dlogits, cache, wrt_x=True)
            expected_loss, expected = oracle(network, params)
            assert loss == pytest.approx(expected_loss, rel=1e-12)
            assert list(grads) == [*params, "x"]
            for name, grad in grads.items():
                full = model.weights[name].unpack(grad) if name in model.weights else grad
                assert error(full, expected[name], expected_loss) <= 1e-10, name
                assert grad.shape == {**params, "x": network.x}[name].shape
            grads.pop("x")
            opt.step(params, grads)

    holds()
    assert judged["no"] <= 0.02 * judged["yes"], judged


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("p", [0.1, 1.0])
def test_dense_and_csr_train_to_the_same_numbers(p, activation):
    n = 64
    rng = np.random.default_rng(3)
    pattern = ms.full(n, n) if p == 1 else ms.bernoulli(n, n, p, rng)
    x, labels = rng.standard_normal((9, 5, 20)), rng.integers(0, 4, 20)
    trained, moved = {}, {}
    for storage in ("dense", "csr"):
        model = ms.RNN(5, ms.make_weights(pattern, storage), 4, activation)
        params, opt = model.init(np.random.default_rng(5), dtype=np.float64, w_max=0.1), ms.Adam(lr=1e-3)
        start = model.weights["W_rec"].values(params["W_rec"])
        for _ in range(20):
            logits, cache = model.forward(params, x)
            _, dlogits = ms.softmax_cross_entropy(logits, labels)
            opt.step(params, model.backward(dlogits, cache))
        weights = model.weights["W_rec"]
        trained[storage] = {**params, "W_rec": weights.values(params["W_rec"])}
        moved[storage] = np.abs(trained[storage]["W_rec"] - start).max()
        if storage == "dense":
            off = params["W_rec"][~pattern.mask()]
            assert np.all(off == 0)
            assert not np.signbit(off).any()
    for name in trained["dense"]:
        assert np.abs(trained["dense"][name] - trained["csr"][name]).max() <= 1e-10, name
    assert min(moved.values()) > 1e-3


def test_whole_numbers_by_hand():
    # W = [[1, -1], [2, -1]], U = (1, -1), x_t = 1, three steps, ReLU, cotangent (1, -1) on the last state.
    identity = np.array([[1, 0], [0, 1]], dtype=object)
    for storage in ("dense", "csr"):
        weights = ms.make_weights(ms.full(2, 2), storage)
        model = ms.RNN(1, weights, 2, "relu")
        column = np.zeros((2, 1), dtype=object)
        params = {
            "W_in": np.array([[1], [-1]], dtype=object),
            "W_rec": weights.pack(np.array([[1, -1], [2, -1]], dtype=object)),
            "b_in": column,
            "b_rec": column,
            "W_out": identity,
            "b_out": column,
        }
        logits, cache = model.forward(params, np.ones((3, 1, 1), dtype=object))
        assert logits.tolist() == [[2], [2]]
        grads = model.backward(np.array([[1], [-1]], dtype=object), cache)
        assert weights.unpack(grads["W_rec"]).tolist() == [[1, 1], [-2, -1]]
        assert grads["W_in"].tolist() == [[-1], [-1]]


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_array_keeps_its_dtype(storage, dtype):
    rng = np.random.default_rng(0)
    model = ms.RNN(3, ms.make_weights(ms.bernoulli(9, 9, 0.4, rng), storage), 4)
    params, opt = model.init(rng, dtype=dtype), ms.Adam()
    x = rng.standard_normal((5, 3, 2)).astype(dtype)
    logits, cache = model.forward(params, x)
    loss, dlogits = ms.softmax_cross_entropy(logits, np.array([0, 3]))
    grads = model.backward(dlogits, cache, wrt_x=True)
    dx = grads.pop("x")
    opt.step(params, grads)
    ms.Dale(np.ones((9, 1))).project(model, params)
    arrays = [logits, loss, dlogits, dx, cache.h, *grads.values(), *params.values()]
    arrays += [value for key, value in opt.state.items() if key != "step"]
    assert {np.asarray(a).dtype for a in arrays} == {np.dtype(dtype)}


def test_a_seed_gives_the_same_network_on_every_storage_and_dtype():
    pattern = ms.bernoulli(12, 12, 0.3, np.random.default_rng(0))
    signs, drawn = ms.dale_signs(12, 0.25, np.random.default_rng(2)), []
    for storage in ("dense", "csr"):
        for dtype in (np.float32, np.float64):
            model = ms.RNN(2, ms.make_weights(pattern, storage), 3)
            params = model.init(np.random.default_rng(1), dtype=dtype, signs=signs)
            params["W_rec"] = model.weights["W_rec"].values(params["W_rec"])
            drawn.append({name: value.astype(np.float32) for name, value in params.items()})
    assert list(drawn[0]) == ["W_in", "W_rec", "b_in", "b_rec", "W_out", "b_out"]
    for other in drawn[1:]:
        for name, value in other.items():
            np.testing.assert_array_equal(value, drawn[0][name])


def test_initial_values_have_the_published_ranges():
    n = 400
    model = ms.RNN(28, ms.make_weights(ms.full(n, n)), 10)
    params = model.init(np.random.default_rng(0), dtype=np.float64)
    for name, value in params.items():
        bound = 1e-3 if name == "W_rec" else n**-0.5
        assert 0.8 * bound < np.abs(value).max() <= bound, name
        assert abs(value.mean()) < 2.4 * bound / value.size**0.5, name
    signs = ms.dale_signs(n, 0.115, np.random.default_rng(1))
    w = model.init(np.random.default_rng(0), signs=signs)["W_rec"]
    assert np.all(w * signs.T >= 0)
    assert np.abs(w).max() <= 1e-3


def test_the_passes_change_nothing_they_are_given():
    rng = np.random.default_rng(0)
    model = ms.RNN(3, ms.make_weights(ms.bernoulli(9, 9, 0.4, rng), "csr"), 4)
    params, x = model.init(rng), rng.standard_normal((5, 3, 2)).astype(np.float32)
    for array in (*params.values(), x):
        array.flags.writeable = False
    logits, cache = model.forward(params, x)
    logits.flags.writeable = False
    first, again = model.backward(logits, cache), model.backward(logits, cache)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert len({id(grad) for grad in first.values()}) == len(first)


def test_the_two_recurrent_biases_move_their_sum_at_twice_the_rate():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((4, 3, 5)), rng.integers(0, 2, 5)
    sums = {}
    for biases in (2, 1):
        model = ms.RNN(3, ms.make_weights(ms.full(6, 6)), 2, "tanh", biases=biases)
        params = model.init(np.random.default_rng(1), dtype=np.float64)
        params.update({name: np.zeros((6, 1)) for name in model.biases})
        logits, cache = model.forward(params, x)
        _, dlogits = ms.softmax_cross_entropy(logits, labels)
        grads = model.backward(dlogits, cache)
        ms.SGD(lr=0.1).step(params, grads)
        sums[biases] = sum(params[name] for name in model.biases), grads["b_in"]
    np.testing.assert_allclose(sums[2][0], -0.2 * sums[2][1])
    np.testing.assert_allclose(sums[1][0], -0.1 * sums[1][1])


def test_links_hold_what_the_recurrent_synapses_saw():
    rng = np.random.default_rng(0)
    model = ms.RNN(3, ms.make_weights(ms.full(6, 6)), 2)
    params, x = model.init(rng, dtype=np.float64), rng.standard_normal((4, 3, 5))
    logits, cache = model.forward(params, x)
    grads = model.backward(np.ones_like(logits), cache)
    pre, post, dpost = cache.links["W_rec"]
    assert pre.shape == post.shape == dpost.shape == (3, 6, 5)
    np.testing.assert_allclose(sum(d @ h.T for d, h in zip(dpost, pre, strict=True)), grads["W_rec"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"x": np.ones((4, 28, 2))}, r"W_in expects 3 inputs per time step but x has shape \(4, 28, 2\)"),
        ({"x": np.ones((3, 2))}, r"x must be \(time, units, batch\)"),
        ({"x": np.ones((0, 3, 2))}, "at least one time step"),
        ({"b_in": np.ones(6)}, r"b_in must have shape \(6, 1\), got \(6,\)"),
        ({"W_rec": np.ones((6, 5))}, r"a matrix \(post, pre\) must have shape \(6, 6\)"),
        ({"W_out": np.ones((6, 2))}, r"W_out must have shape \(2, 6\)"),
    ],
)
def test_wrong_shapes_are_refused_in_one_sentence(change, sentence):
    model = ms.RNN(3, ms.make_weights(ms.full(6, 6)), 2)
    given = {**model.init(np.random.default_rng(0)), "x": np.ones((4, 3, 2)), **change}
    x = given.pop("x")
    with pytest.raises(ms.UserError, match=sentence):
        model.forward(given, x)


def test_structure_is_checked_when_the_model_is_made():
    square = ms.make_weights(ms.full(6, 6))
    for arguments, sentence in [
        ((3, ms.make_weights(ms.full(6, 5)), 2), "must be square, got 6 x 5"),
        ((3, square, 2, "relo"), "activation 'relo' is unknown; choose one of relu, tanh, sigmoid"),
        ((0, square, 2), "n_in must be a whole number of at least 1, got 0"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.RNN(*arguments)
    with pytest.raises(ms.UserError, match="biases must be 1 or 2"):
        ms.RNN(3, square, 2, biases=3)
    with pytest.raises(ms.UserError, match=r"signs must be a column \(6, 1\)"):
        ms.RNN(3, square, 2).init(np.random.default_rng(0), signs=np.ones(6))
