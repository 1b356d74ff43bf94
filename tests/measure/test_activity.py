"""Last states, active nodes and dropout of nodes."""

import numpy as np
import pytest
from helpers.states import recurrent, rng, task

import minisparse as ms


def feedforward():
    layers = [ms.make_weights(ms.bernoulli(9, 20, 0.6, rng(1))), ms.make_weights(ms.full(7, 9))]
    model = ms.MLP([*layers, ms.make_weights(ms.bernoulli(3, 7, 0.7, rng(3)), "csr")], "relu")
    return model, model.init(rng(2), dtype=np.float64)


# States


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("batch_size", [1, 10, 23, 100])
def test_last_states_of_a_recurrent_network_are_those_of_its_equations(storage, batch_size):
    model, params = recurrent(storage)
    x, _ = task()
    W = model.weights["W_rec"].unpack(params["W_rec"])
    h = np.zeros((30, 23))
    for t in range(5):
        h = np.maximum(0, params["W_in"] @ x[:, t].T + params["b_in"] + W @ h + params["b_rec"])
    assert ms.last_states(model, params, x, batch_size) == pytest.approx(h, abs=1e-12)


def test_last_states_of_a_feedforward_network_are_its_last_hidden_layer():
    model, params = feedforward()
    x, _ = task()
    h = x.reshape(23, 20).T
    for k in range(2):
        h = np.maximum(0, model.weights[f"W{k}"].unpack(params[f"W{k}"]) @ h + params[f"b{k}"])
    found = ms.last_states(model, params, x, 10)
    assert found.shape == (7, 23)
    assert found == pytest.approx(h, abs=1e-12)


def test_states_keep_their_dtype_and_need_a_sample_and_a_hidden_layer():
    model, params = recurrent()
    single = {name: value.astype(np.float32) for name, value in params.items()}
    x, labels = task(1)
    assert ms.last_states(model, single, x.astype(np.float32)).dtype == np.float32
    assert ms.last_states(model, params, x).shape == (30, 1)
    with pytest.raises(ms.UserError, match="x holds no sample"):
        ms.last_states(model, params, x[:0])
    with pytest.raises(ms.UserError, match="x holds no sample"):
        accuracies(model, params, x[:0], labels[:0], [0])
    flat = ms.MLP([ms.make_weights(ms.full(3, 20))])
    with pytest.raises(ms.UserError, match="no hidden layer"):
        ms.last_states(flat, flat.init(rng(), dtype=np.float64), x)


@pytest.mark.parametrize("batch_size", [5, 100])
def test_of_the_states_of_each_batch_no_more_is_kept_than_was_asked_for(batch_size):
    model, params = recurrent()
    x, _ = task()
    shares = ms.last_states(model, params, x, batch_size, of=ms.active_share)
    np.testing.assert_array_equal(shares, ms.active_share(ms.last_states(model, params, x, batch_size)))
    assert shares.shape == (23,)


def test_the_active_share_counts_nodes_that_are_not_zero():
    h = np.array([[0.0, -1.0, 1e-30], [-0.0, 2.0, 0.0], [0.0, 3.0, 0.0]])
    assert ms.active_share(h).tolist() == [0, 1, 1 / 3]
    assert ms.active_share(h[:, :1]).tolist() == [0]
    big = np.maximum(0, rng(6).standard_normal((50, 400)))
    assert ms.active_share(big).tolist() == [np.count_nonzero(column) / 50 for column in big.T]


# Dropout


def accuracies(model, params, x, labels, shares, seed=8, batch_size=10):
    return ms.dropout_accuracy(model, params, x, labels, shares, rng(seed), batch_size)


@pytest.mark.parametrize("make", [recurrent, feedforward])
def test_dropout_silences_the_last_state_alone_and_does_not_rescale(make):
    model, params = make()
    x, labels = task(200)
    h = ms.last_states(model, params, x)
    if "W_out" in params:
        W, b = params["W_out"], params["b_out"]
    else:
        W, b = model.weights["W2"].unpack(params["W2"]), params["b2"]
    drawn = rng(8).uniform(size=(200, len(h))).T
    shares = [0, 0.3, 0.5, 0.9, 1]
    by_hand = [100 * np.mean((W @ np.where(drawn < q, 0, h) + b).argmax(axis=0) == labels) for q in shares]
    assert len(set(by_hand)) > 2, "the masks must matter for this test to say anything"
    for batch_size in (10, 64, 200):
        assert accuracies(model, params, x, labels, shares, batch_size=batch_size).tolist() == by_hand
    _, undisturbed = ms.evaluate(model, params, x, labels)
    assert by_hand[0] == pytest.approx(undisturbed, abs=1e-9)
    assert by_hand[-1] == 100 * np.mean(labels == b.argmax()), "nothing but the bias is left"


def test_a_share_gives_the_same_accuracy_whatever_other_shares_are_asked():
    model, params = recurrent()
    x, labels = task(100)
    together = accuracies(model, params, x, labels, [0.9, 0.2, 0.5])
    assert together.tolist() == [accuracies(model, params, x, labels, [q])[0] for q in (0.9, 0.2, 0.5)]


def test_a_network_that_reads_any_one_node_fails_sample_by_sample_as_shares_grow():
    """Class 1 is read as long as one node is left, so the accuracy is the share of samples with a node: nested sets."""
    model, params = recurrent(n=10)
    params = {name: np.zeros_like(value) for name, value in params.items()}
    params["b_in"] += 1
    params["W_out"][1] = 1
    x, _ = task(400)
    shares = np.linspace(0, 1, 11)
    found = accuracies(model, params, x, np.ones(400, int), shares)
    assert (np.diff(found) <= 0).all()
    expected = 100 * (1 - shares**10)
    assert found == pytest.approx(expected, abs=100 * 5 * 0.5 / 20)
    assert found[[0, -1]].tolist() == [100, 0]


def test_copies_of_a_node_are_silenced_one_by_one():
    """As in the large network that has them all, each with its part of the readout."""
    model, params = recurrent()
    x, labels = task(100)
    h = ms.last_states(model, params, x)
    drawn = rng(8).uniform(size=(100, len(h), 4)).reshape(100, -1).T
    states, readout = np.repeat(h, 4, axis=0), np.repeat(params["W_out"], 4, axis=1) / 4
    shares = [0, 0.5, 0.9]
    by_hand = [
        100 * np.mean((readout @ np.where(drawn < q, 0, states) + params["b_out"]).argmax(axis=0) == labels)
        for q in shares
    ]
    found = ms.dropout_accuracy(model, params, x, labels, shares, rng(8), copies=4)
    assert found.tolist() == by_hand
    with pytest.raises(ms.UserError, match="copies must be a whole number of at least 1, got 0"):
        ms.dropout_accuracy(model, params, x, labels, shares, rng(8), copies=0)


def test_shares_outside_zero_to_one_and_missing_labels_are_refused():
    model, params = recurrent()
    x, labels = task()
    for wrong in ([-0.1], [0.5, 1.1], [np.nan], 0.5):
        with pytest.raises(ms.UserError, match=r"shares must be a sequence of numbers in \[0, 1\]"):
            accuracies(model, params, x, labels, wrong)
    with pytest.raises(ms.UserError, match="22 labels for 23 samples"):
        accuracies(model, params, x, labels[1:], [0])
