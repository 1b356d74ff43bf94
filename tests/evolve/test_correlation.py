"""Hebbian growth: correlations by their definition, over batches and as running moments."""

import numpy as np
import pytest
from helpers.scores import whole
from hypothesis import given

import minisparse as ms
from minisparse import testing
from minisparse.evolve import places


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(places, "BLOCK", 11)


@given(testing.sizes(3, distinct=False), testing.choices("pearson", "cosine"), testing.generators())
def test_c_is_the_correlation_of_the_last_batches(sizes, score, rng):
    n_pre, n_post, batch = sizes
    rule = ms.Hebbian(score, batches=3)
    model = ms.MLP([ms.make_weights(ms.fixed_count(n_post + 1, n_pre + 1, 1, rng))])
    seen = []
    for k in range(5):
        pre, post = rng.standard_normal((n_pre + 1, batch + k)), rng.standard_normal((n_post + 1, batch + k)) + 3
        pre[0], post[0] = 0.1, 0.3
        seen.append((pre, post))
        rule.observe(model, {"W0": (pre, post, None)})
    a, h = (np.concatenate([pair[side] for pair in seen[-3:]], axis=1) for side in (0, 1))
    found = whole(rule.correlation("W0"), (n_post + 1, n_pre + 1))
    assert np.abs(found).max() <= 1
    if score == "pearson":
        with np.errstate(invalid="ignore"):
            expected = np.corrcoef(h[1:], a[1:])[:n_post, n_post:]
        assert (found[0] == 0).all()
        assert (found[:, 0] == 0).all()
    else:
        expected = (h @ a.T / np.linalg.norm(h, axis=1)[:, None] / np.linalg.norm(a, axis=1))[1:, 1:]
    np.testing.assert_allclose(found[1:, 1:], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_units_correlate_with_none_in_every_dtype_and_form(dtype):
    rng = np.random.default_rng(0)
    model = ms.RNN(1, ms.make_weights(ms.bernoulli(3, 3, 0.5, rng)), 1)
    stack = rng.standard_normal((4, 3, 5)).astype(dtype)
    stack[:, 1] = dtype(0.1)
    for rule in (ms.Hebbian(), ms.Hebbian(ema=0.9)):
        rule.observe(model, {"W_rec": (stack, 2 * stack, None)})
        found = rule.correlation("W_rec")(slice(0, 3))
        assert (found[1] == 0).all()
        assert (found[:, 1] == 0).all()
        flat = np.moveaxis(stack, 1, 0).reshape(3, -1)[[0, 2]]
        np.testing.assert_allclose(found[np.ix_([0, 2], [0, 2])], np.corrcoef(flat), atol=1e-6)


@pytest.mark.parametrize("score", ["pearson", "cosine"])
def test_running_moments_converge_to_the_batch_form(score):
    rng = np.random.default_rng(1)
    mix, model = rng.standard_normal((4, 3)), ms.MLP([ms.make_weights(ms.bernoulli(4, 3, 0.5, rng))])
    running, batch = ms.Hebbian(score, ema=0.995), ms.Hebbian(score, batches=3000)
    first = ms.Hebbian(score, ema=0.995)
    for k in range(3000):
        pre = rng.standard_normal((3, 20)) + np.array([[0.0], [2], [-1]])
        post = np.maximum(mix @ pre + rng.standard_normal((4, 20)), 0)
        links = {"W0": (pre, post, None)}
        running.observe(model, links)
        if k == 0:
            first.observe(model, links)
            batch.observe(model, links)
            one = whole(batch.correlation("W0"), (4, 3))
            np.testing.assert_allclose(whole(first.correlation("W0"), (4, 3)), one, atol=1e-10)
        batch.state[f"pre{k}.W0"], batch.state[f"post{k}.W0"] = pre, post
    last, all_of_them = (whole(rule.correlation("W0"), (4, 3)) for rule in (running, batch))
    assert np.abs(last - all_of_them).max() < 0.05


def test_the_lowest_correlations_are_pruned_if_asked_for():
    rng = np.random.default_rng(3)
    model = ms.MLP([ms.make_weights(ms.fixed_count(6, 9, 30, rng)), ms.make_weights(ms.full(2, 6))], "tanh")
    params, rule = model.init(rng, dtype=np.float64), ms.Hebbian(prune="correlation", fraction=0.3)
    logits, cache = model.forward(params, rng.standard_normal((9, 25)))
    model.backward(logits, cache)
    rule.observe(model, cache.links)
    pattern, c = model.weights["W0"].pattern, np.corrcoef(cache.links["W0"][1], cache.links["W0"][0])[:6, 6:]
    event = rule.rewire(model, params, ms.SGD(), rng)["W0"]
    order = np.argsort(c[pattern.rows, pattern.indices])[:9]
    assert event.pruned.tolist() == np.stack([pattern.rows, pattern.indices], axis=1)[np.sort(order)].tolist()
    vacant = np.where(pattern.mask(), -2, c)
    assert (event.grown @ [9, 1]).tolist() == np.sort(np.argsort(-vacant.ravel())[:9]).tolist()
