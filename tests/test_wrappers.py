"""Noise in training and truncation in training, by models around a model."""

import numpy as np
import pytest

import minisparse as ms

RNG = np.random.default_rng(0)
X = RNG.standard_normal((20, 5, 2)).astype(np.float32)
DATA = ms.Dataset("sums", X[:12], (X[:12, :, :1] > 0)[..., 0].astype(int), X[12:], (X[12:, :, 0] > 0).astype(int), 2)


def network(alpha=0.7, sizes=(6, 4), **settings):
    layers = [
        ms.Recurrent(n_in, ms.make_weights(ms.bernoulli(n, n, 0.6, n), "dense"), "tanh", alpha=alpha)
        for n_in, n in zip((2, *sizes), sizes, strict=False)
    ]
    return ms.SequenceRNN(layers, 2, **settings)


def trained(model, epochs, path=None, resume=False, rng=3):
    params, opt = model.init(1, w_max=0.3), ms.Adam(1e-2)
    given = {"batch_size": 5, "loss": ms.cross_entropy_per_step, "quiet": True}
    history = ms.fit(model, params, opt, DATA, epochs, rng, checkpoint=path, resume=resume, **given)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history]
    return rows, {name: value.tobytes() for name, value in params.items()}


def test_noise_is_that_of_a_pass_with_the_same_numbers():
    model, x = network(), X.transpose(1, 2, 0)
    noisy = ms.Noisy(model, [0.5, 0.1], rng=7)
    params, drawn = noisy.init(1, w_max=0.3), ms.generator(7, "noise")
    noise = [np.float32(sd * drawn.standard_normal((5, n, 20))) for sd, n in ((0.5, 6), (0.1, 4))]
    (logits, cache), (expected, other) = noisy.forward(params, x), model.forward(params, x, noise)
    assert np.array_equal(logits, expected)
    grads = model.backward(logits, other)
    assert all(np.array_equal(grad, grads[name]) for name, grad in noisy.backward(logits, cache).items())
    assert not np.array_equal(noisy.forward(params, x)[0], logits)
    assert np.array_equal(ms.Noisy(model, 0, rng=7).forward(params, x)[0], model.forward(params, x)[0])


@pytest.mark.parametrize("alpha", [1, 0.2])
def test_noise_moves_a_leaky_state_by_as_much_as_is_said(alpha):
    identity = ms.Activation("identity", lambda a: a, np.ones_like, keeps="value")
    layer, sigma = ms.Recurrent(1, ms.full(1, 1), identity, alpha=alpha), 0.3
    noisy = ms.Noisy(ms.SequenceRNN([layer], 1), sigma * (2 / alpha) ** 0.5, rng=0)
    params = {name: 0 * value for name, value in noisy.init(0, float).items()} | {"W_out": np.ones((1, 1))}
    states, _ = noisy.forward(params, np.zeros((100, 1, 400)))
    assert states[30:].std() == pytest.approx(sigma * (2 / (2 - alpha)) ** 0.5, rel=0.02)


def test_a_gradient_goes_back_as_far_as_is_said_and_a_long_way_is_the_whole():
    model, x = network(), X.transpose(1, 2, 0)
    params = model.init(1, w_max=0.3)
    logits, cache = model.forward(params, x)
    for back in (1, 2, 5):
        cut, expected = ms.Truncated(model, back).backward(logits, cache), model.backward(logits, cache, back=back)
        assert all(np.array_equal(cut[name], grad) for name, grad in expected.items())
    runs = [trained(wrap(network()), 2) for wrap in (lambda m: m, lambda m: ms.Truncated(m, 5))]
    assert runs[0] == runs[1] != trained(ms.Truncated(network(), 1), 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ms.Noisy(network(), 0.2, 5),
        lambda: ms.Truncated(ms.Noisy(network(), 0.2, np.random.RandomState(5)), 2),
        lambda: ms.Noisy(ms.Truncated(network(every=True), 2), 0.2, 5),
    ],
)
def test_a_run_with_noise_that_is_resumed_is_the_undisturbed_run(make, tmp_path):
    whole = trained(make(), 4)
    trained(make(), 2, tmp_path / "run.npz")
    assert trained(make(), 4, tmp_path / "run.npz", resume=True) == whole
    assert trained(make().innermost, 4) != whole
    with pytest.raises(ms.UserError, match=r"is of another model: its (noise|back) is"):
        trained(make().innermost, 4, tmp_path / "run.npz", resume=True)


def test_a_model_around_a_model_shows_its_structure_and_is_rewired_on_its_own():
    noisy = ms.Truncated(ms.Noisy(network(), 0.2, 5), 2)
    params, twin, before = noisy.init(1), noisy.copy(), dict(noisy.weights)
    ms.SET(0.3, std=0.1).rewire(noisy, params, ms.Adam(), np.random.default_rng(4))
    assert all(noisy.weights[name] is not weights for name, weights in before.items())
    assert all(twin.weights[name] is weights for name, weights in before.items())
    assert repr(noisy).startswith("Truncated: 2 inputs, 2 outputs\n  parameter")
    assert noisy.weight(params, "W_rec1").shape == params["W_rec1"].shape
    x = X.transpose(1, 2, 0)
    other = twin.copy()
    assert np.array_equal(other.forward(twin.init(1), x)[0], twin.forward(twin.init(1), x)[0])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ms.Noisy(ms.RNN(2, ms.full(3, 3), 2), 0.1, 0), "Noisy takes a SequenceRNN without noise, not a RNN"),
        (lambda: ms.Noisy(ms.Noisy(network(), 0.1, 0), 0.1, 0), "without noise, not a Noisy; an RNN is SequenceRNN"),
        (lambda: ms.Noisy(network(), [0.1], 0), "sd must be a number of at least 0, or one for each of 2 layers"),
        (lambda: ms.Noisy(network(), -0.1, 0), "sd must be a number of at least 0"),
        (lambda: ms.Noisy(network(), "much", 0), "sd must be a number, got 'much'"),
        (lambda: ms.Noisy(network(), 0.1, None), "rng must be a seed"),
        (lambda: ms.Noisy("model", 0.1, 0), "model must be a network"),
        (lambda: ms.Truncated(ms.MLP([ms.full(2, 2)]), 2), "Truncated takes a recurrent network"),
        (lambda: ms.Truncated(network(), 0), "back must be a whole number of at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_said(make, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        make()
