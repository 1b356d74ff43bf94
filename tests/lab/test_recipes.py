"""The published networks: sizes, initial ranges, and what one seed shares between settings."""

import numpy as np
import pytest

import minisparse as ms
from minisparse.lab import recipes

DIGITS = ms.load("digits")


def largest(array):
    return float(abs(array).max())


def test_the_recurrent_network_has_the_published_ranges():
    net = recipes.recurrent(DIGITS, 100, 0.5, seed=0)
    values = net.model.weights["W_rec"].values(net.params["W_rec"])
    assert 0.0009 < largest(values) <= 0.001
    assert net.after_step == []
    for name in ("W_in", "W_out", "b_in", "b_rec", "b_out"):
        assert 0.05 < largest(net.params[name]) <= 0.1, name


def test_the_feedforward_control_splits_its_nodes_and_is_sparse_only_in_between():
    net = recipes.feedforward(DIGITS, 101, 0.2, seed=0)
    assert [w.shape for w in net.model.weights.values()] == [(50, 64), (50, 50), (10, 50)]
    assert [w.pattern.is_full for w in net.model.weights.values()] == [True, False, True]
    assert 0.11 < largest(net.params["W0"]) <= 0.125
    assert 0.0009 < largest(net.params["W1"]) <= 0.001
    assert 0.11 < largest(net.params["b1"]) <= 50**-0.5
    with pytest.raises(ms.UserError, match="at least 2 nodes"):
        recipes.feedforward(DIGITS, 1, 0.2, seed=0)


@pytest.mark.parametrize("kind", recipes.MODELS)
def test_networks_of_one_seed_share_all_that_their_settings_do_not_say(kind):
    relu, tanh = (recipes.MODELS[kind](DIGITS, 30, 0.3, 5, activation) for activation in ("relu", "tanh"))
    assert all(np.array_equal(relu.params[name], tanh.params[name]) for name in relu.params)
    assert relu.rng.integers(1 << 30) == tanh.rng.integers(1 << 30)
    other = recipes.MODELS[kind](DIGITS, 30, 0.3, 6)
    assert not np.array_equal(
        relu.params["b_out" if kind == "recurrent" else "b2"], other.params[list(other.params)[-1]]
    )


def test_signs_can_be_drawn_exactly_or_as_published():
    exact, published = (
        recipes.recurrent(DIGITS, 1000, 0.01, 0, inhibitory=0.5, published_draw=draw) for draw in (False, True)
    )
    assert (exact.strengths < 0).sum() == 500
    assert 370 < (published.strengths < 0).sum() < 420
    strong = recipes.recurrent(DIGITS, 50, 1.0, 0, inhibitory=0.2, inhibition_gain=10.0, clamp="init_only")
    values = strong.model.weights["W_rec"].unpack(strong.params["W_rec"])
    assert -0.01 <= values.min() < -0.009
    assert values.max() <= 0.001
    assert strong.after_step == [strong.dale]


def test_a_data_set_is_loaded_once_and_cut_to_few_samples():
    assert recipes.dataset("digits") is recipes.dataset("digits")
    few = recipes.dataset("digits", None, 7, 3)
    assert np.bincount(few.y_train).tolist() == [7] * 10
    assert len(few.x_test) == 360


def test_streams_of_one_seed_differ_from_each_other_and_repeat():
    from minisparse.lab.recipes import streams

    first, again = ([rng.integers(0, 2**62) for rng in streams(3)] for _ in range(2))
    assert first == again
    assert len(set(first)) == len(first) == 4
    assert not set(first) & {rng.integers(0, 2**62) for rng in streams(4)}


# Replicas


def twins(array, copies, axes, split):
    """Repeat the neurons of a small network's array; a sum over neurons is split among the twins."""
    for axis in axes:
        array = np.repeat(array, copies, axis=axis)
    return array / copies if split else array.copy()


def test_a_replica_trains_as_the_network_of_twins_that_it_stands_for():
    copies, nodes, rng = 4, 6, np.random.default_rng(3)
    small = ms.RNN(5, ms.make_weights(ms.bernoulli(nodes, nodes, 0.6, rng), "dense"), 3)
    params = small.init(rng, dtype=float, w_max=0.3)
    shapes = {"W_in": ((0,), False), "b_in": ((0,), False), "b_rec": ((0,), False), "b_out": ((), False)}
    shapes |= {"W_rec": ((0, 1), True), "W_out": ((1,), True)}
    mask = np.kron(small.weights["W_rec"].pattern.mask(), np.ones((copies, copies), bool))
    large = ms.RNN(5, ms.make_weights(ms.Pattern.from_mask(mask), "dense"), 3)
    of_twins = {name: twins(params[name], copies, *shapes[name]) for name in params}
    optimisers = [ms.Adam(lr=0.01, eps=1e-15), ms.Adam(0.01, eps=1e-15, rates=recipes.replica_of(24, 6).rates(0.01))]
    for step in range(5):
        x, labels = rng.standard_normal((7, 5, 8)), rng.integers(0, 3, 8)
        found = []
        for model, values, optimiser in zip((large, small), (of_twins, params), optimisers, strict=True):
            logits, cache = model.forward(values, x)
            optimiser.step(values, model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache))
            found.append(logits)
        np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-9, err_msg=f"step {step}")
    for name in params:
        np.testing.assert_allclose(of_twins[name], twins(params[name], copies, *shapes[name]), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize(("kind", "sums"), [("recurrent", ("W_rec", "W_out")), ("feedforward", ("W1", "W2"))])
def test_a_replica_is_drawn_with_the_deviations_of_the_large_network(kind, sums):
    large, small = (recipes.MODELS[kind](DIGITS, n, 0.5, 0, copies=c).params for n, c in ((1600, 1.0), (400, 4.0)))
    for name in large:
        grows = 2.0 if name in sums else 1.0
        if large[name].size > 100:
            assert small[name][small[name] != 0].std() == pytest.approx(
                grows * large[name][large[name] != 0].std(), rel=0.05
            ), name
        else:
            assert largest(small[name]) <= 1.001 * 1600**-0.5 * 2**0.5, name


def test_a_replica_has_the_step_of_the_large_network_and_is_not_larger():
    replica = recipes.replica_of(10_000, nodes=200)
    assert ms.gain_step(replica.rates(0.001)["W_rec"], 0.1, 200) == pytest.approx(ms.gain_step(0.001, 0.1, 10_000))
    with pytest.raises(ms.UserError, match="a replica has 1 to 100 neurons"):
        recipes.replica_of(100, nodes=101)
    with pytest.raises(ms.UserError, match="leave out copies"):
        recipes.recurrent(DIGITS, 10, 0.5, 0, inhibitory=0.5, copies=2.0)
