"""Last states, dropout, gradients and sign changes against direct formulas."""

import numpy as np
import pytest

import minisparse as ms


def rng(seed=0):
    return np.random.default_rng(seed)


def recurrent(storage="dense", activation="relu", n=30):
    model = ms.RNN(4, ms.make_weights(ms.bernoulli(n, n, 0.5, rng(1)), storage), 3, activation)
    return model, model.init(rng(2), dtype=np.float64, w_max=0.3)


def feedforward():
    layers = [ms.make_weights(ms.bernoulli(9, 20, 0.6, rng(1))), ms.make_weights(ms.full(7, 9))]
    model = ms.MLP([*layers, ms.make_weights(ms.bernoulli(3, 7, 0.7, rng(3)), "csr")], "relu")
    return model, model.init(rng(2), dtype=np.float64)


def task(samples=23):
    return rng(4).standard_normal((samples, 5, 4)), rng(5).integers(0, 3, samples)


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


def test_shares_outside_zero_to_one_and_missing_labels_are_refused():
    model, params = recurrent()
    x, labels = task()
    for wrong in ([-0.1], [0.5, 1.1], [np.nan], 0.5):
        with pytest.raises(ms.UserError, match=r"shares must be a sequence of numbers in \[0, 1\]"):
            accuracies(model, params, x, labels, wrong)
    with pytest.raises(ms.UserError, match="22 labels for 23 samples"):
        accuracies(model, params, x, labels[1:], [0])


# Gradients


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_statistics_are_direct_formulas(dtype):
    g = (rng().standard_normal((40, 50)) * 10.0 ** rng(1).integers(-9, 3, (40, 50))).astype(dtype)
    g[:10] = 0
    found = ms.gradient_statistics(g, [0, 0.1, 0.5, 1])
    size = np.sort(np.abs(g).ravel().astype(float))
    assert found["mean"] == pytest.approx(size.mean(), rel=1e-12)
    assert found["median"] == found["quantiles"][0.5] == pytest.approx((size[999] + size[1000]) / 2, rel=1e-6)
    assert found["quantiles"][0] == 0
    assert found["quantiles"][1] == size[-1]
    assert found["zeros"] == 0.25
    nonzero = size[500:]
    assert sum(found["decades"].values()) == len(nonzero)
    for power, count in found["decades"].items():
        assert count == np.count_nonzero((nonzero >= 10.0**power) & (nonzero < 10.0 ** (power + 1)))
    assert found["decades"][min(found["decades"])]
    assert found["decades"][max(found["decades"])]


def test_gradients_at_the_edges_of_decades_and_all_zero():
    found = ms.gradient_statistics(np.array([-1.0, 10.0, 1e-3, 5e-324]))
    decades = {power: count for power, count in found["decades"].items() if count}
    assert decades == {-324: 1, -3: 1, 0: 1, 1: 1}
    assert set(found["decades"]) == set(range(-324, 2))
    just_below = np.nextafter(np.float32(1000), np.float32(0), dtype=np.float32)
    assert ms.gradient_statistics(np.array([just_below]))["decades"] == {2: 1}
    nothing = ms.gradient_statistics(np.zeros(5))
    assert nothing["zeros"] == 1
    assert nothing["mean"] == nothing["median"] == 0
    assert nothing["decades"] == {}


def test_gradients_of_a_network_are_the_same_for_both_storages():
    found = []
    for storage in ("dense", "csr"):
        model, params = recurrent(storage)
        x, labels = task()
        logits, cache = model.forward(params, np.moveaxis(x, 0, -1))
        grads = model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache)
        found.append(ms.gradient_statistics(model.weights["W_rec"].values(grads["W_rec"])))
    assert found[0]["decades"] == found[1]["decades"]
    assert found[0]["mean"] == pytest.approx(found[1]["mean"], rel=1e-9)


def test_gradients_that_are_missing_or_not_finite_and_wrong_quantiles_are_refused():
    with pytest.raises(ms.UserError, match="grads holds no entry"):
        ms.gradient_statistics(np.zeros(0))
    with pytest.raises(ms.UserError, match="nan or inf in 2 of 3 entries"):
        ms.gradient_statistics(np.array([1, np.nan, np.inf]))
    with pytest.raises(ms.UserError, match="quantiles must lie in"):
        ms.gradient_statistics(np.ones(3), [50])


# Signs


def test_sign_changes_count_by_the_first_sign():
    before = np.array([1.0, 2.0, 3.0, -1.0, -2.0, -3.0, -4.0, 0.0, -0.0])
    after = np.array([2.0, -5.0, 0.0, 4.0, 0.5, 0.0, -6.0, 7.0, -7.0])
    assert ms.sign_changes(before, after) == {
        "positive": 3,
        "positive_to_negative": 1,
        "positive_growth": pytest.approx((1 + 3 - 3) / 3),
        "negative": 4,
        "negative_to_positive": 2,
        "negative_growth": pytest.approx((3 - 1.5 - 3 + 2) / 4),
    }


def test_sign_changes_of_packed_weights_are_the_same_for_both_storages():
    found = []
    for storage in ("dense", "csr"):
        model, params = recurrent(storage)
        weights, w = model.weights["W_rec"], params["W_rec"]
        shift = weights.from_values(rng(9).standard_normal(weights.nnz) * 0.2)
        found.append(ms.sign_changes(w, w + shift))
    assert found[0] == pytest.approx(found[1], rel=1e-9)
    assert found[0]["positive"] + found[0]["negative"] == weights.nnz
    assert found[0]["positive_to_negative"] > 0


def test_a_sign_no_weight_has_has_no_growth_and_shapes_must_agree():
    found = ms.sign_changes(np.ones((2, 2)), np.full((2, 2), 3.0))
    assert found["positive_growth"] == 2
    assert found["negative"] == found["negative_to_positive"] == 0
    assert found["negative_growth"] is None
    with pytest.raises(ms.UserError, match=r"must have one shape, got \(2,\) and \(3,\)"):
        ms.sign_changes(np.ones(2), np.ones(3))
    with pytest.raises(ms.UserError, match="before or after holds nan or inf"):
        ms.sign_changes(np.ones(2), np.array([1, np.nan]))
