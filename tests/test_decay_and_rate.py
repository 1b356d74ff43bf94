"""Decoupled weight decay and the cosine of the learning rate: closed forms, exact zeros, and resumed runs."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import minisparse as ms

OPTIMISERS = {"Adam": ms.Adam, "SGD": ms.SGD, "momentum": lambda **s: ms.SGD(momentum=0.9, **s)}


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_without_a_gradient_the_decay_is_a_power_and_only_weights_decay(make):
    opt, lr, decay = make(lr=0.1, decay=0.5), 0.1, 0.5
    params = {name: np.array([[1.0, -2.0]]) for name in ("W0", "W_rec", "K", "b0", "c", "s0", "g0")}
    for _ in range(100):
        opt.step(params, {name: np.zeros((1, 2)) for name in params})
    left = np.array([[1.0, -2.0]]) * (1 - lr * decay) ** 100
    for name, w in params.items():
        expected = left if name in ("W0", "W_rec", "K") else [[1.0, -2.0]]
        np.testing.assert_allclose(w, expected, rtol=1e-12)


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_the_step_is_the_one_without_decay_plus_the_decay(make):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((4, 3)), rng.standard_normal((6, 4, 3))
    with_decay, without = {"W0": start.copy()}, {"W0": start.copy()}
    one, other = make(lr=0.1, decay=0.2), make(lr=0.1)
    for g in gradients:
        before, moved = with_decay["W0"].copy(), without["W0"].copy()
        one.step(with_decay, {"W0": g})
        other.step(without, {"W0": g})
        np.testing.assert_allclose(
            with_decay["W0"] - before, without["W0"] - moved - 0.1 * 0.2 * before, rtol=0, atol=1e-14
        )


@pytest.mark.parametrize("storage", ["dense", "csr", "grouped"])
@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_after_100_steps_absent_synapses_are_plus_zero(make, storage):
    rng = np.random.default_rng(0)
    pattern = ms.group_to_group(7, 6, 3, p_within=0.8, p_between=0.2, rng=rng)
    model = ms.MLP([ms.make_weights(pattern, storage), ms.make_weights(ms.full(4, 7))], "relu")
    params, opt = model.init(rng), make(lr=0.01, decay=0.1)
    x, labels = rng.standard_normal((6, 20)).astype(np.float32), rng.integers(0, 4, 20)
    start = params["W0"].copy()
    for _ in range(100):
        logits, cache = model.forward(params, x)
        opt.step(params, model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache))
    weights, w = model.weights["W0"], params["W0"]
    off = weights.from_values(np.ones(weights.nnz, np.float32)) == 0
    assert off.any() or storage == "csr"
    assert not w[off].view("i4").any(), "every bit of an absent synapse is 0"
    assert np.all(w[~off] != start[~off])


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_check_steps_knows_the_closed_form_with_decay(make):
    rng = np.random.default_rng(0)
    model = ms.MLP([ms.make_weights(ms.full(7, 5)), ms.make_weights(ms.full(4, 7))], "tanh")
    given = model, model.init(rng, dtype=float, w_max=0.5), rng.standard_normal((5, 3)), np.array([0, 3, 1])
    ms.check_steps(*given, make(lr=0.1, decay=0.3), steps=3).assert_ok()
    broken = make(lr=0.1, decay=0.3)
    broken._update = lambda w, grad, *moments: np.multiply(w, 0.99, out=w)
    assert "step" in ms.check_steps(*given, broken, steps=3).codes


def test_decay_is_described_only_where_there_is_some():
    assert ms.Adam(decay=0.01).config()["decay"] == 0.01
    assert repr(ms.SGD(lr=0.5, decay=0.1)) == "SGD(lr=0.5, momentum=0.0, decay=0.1)"
    assert "decay" not in ms.Adam().config()


@pytest.mark.parametrize("decay", [-0.1, 100.0, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ms.UserError, match="decay must be at least 0 and below 1 / lr = 10"):
        ms.Adam(lr=0.1, decay=decay)


def rates(epochs, steps, opt, schedule):
    for epoch in range(1, epochs + 1):
        for step in range(steps):
            yield opt.lr
            schedule(SimpleNamespace(opt=opt, epoch=epoch, epochs=epochs, step=step, steps=steps))


@pytest.mark.parametrize("lowest", [0.0, 0.05])
def test_the_rate_is_half_a_cosine_from_lr_to_the_lowest(lowest):
    opt = ms.SGD(lr=0.2)
    found = list(rates(3, 4, opt, ms.Cosine(lowest)))
    expected = [lowest + (0.2 - lowest) * (1 + math.cos(math.pi * k / 12)) / 2 for k in range(12)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found[0] == 0.2
    assert opt.lr == 0.2, "the next run starts anew"
    assert opt.state == {}
    with pytest.raises(ms.UserError, match="must be at least 0, got -1"):
        ms.Cosine(-1)


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_the_step_is_taken_at_the_rate_of_the_moment(make):
    opt, plain = make(lr=0.2, decay=0.1), make(lr=0.05, decay=0.1)
    opt.state["lr"] = 0.05
    one, other = ({"W0": np.array([1.0, -1.0])} for _ in range(2))
    for _ in range(3):
        opt.step(one, {"W0": np.array([0.3, 0.1])})
        plain.step(other, {"W0": np.array([0.3, 0.1])})
    np.testing.assert_array_equal(one["W0"], other["W0"])


def test_a_run_on_a_schedule_resumes_bit_for_bit(tmp_path):
    digits = ms.load("digits")

    def start():
        rng = np.random.default_rng(0)
        model = ms.MLP([ms.make_weights(ms.fixed_count(20, 64, 300, rng)), ms.make_weights(ms.full(10, 20))], "relu")
        return model, model.init(rng, w_max=0.2), ms.Adam(lr=0.01, decay=0.1), np.random.default_rng(1)

    def stop(run):
        if run.epoch == 3:
            raise KeyboardInterrupt

    def train(after_epoch=(), resume=False):
        model, params, opt, rng = start()
        settings = {"after_step": [ms.Cosine(0.001)], "after_epoch": after_epoch, "quiet": True, "resume": resume}
        ms.fit(model, params, opt, digits, 4, rng, 100, checkpoint=tmp_path / "run.npz", **settings)
        return params

    whole = train(after_epoch=[lambda run: None])
    with pytest.raises(KeyboardInterrupt):
        train(after_epoch=[stop])
    resumed = train(after_epoch=[lambda run: None], resume=True)
    for name, w in whole.items():
        np.testing.assert_array_equal(w, resumed[name])
