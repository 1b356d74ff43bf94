"""Gains, delays, gradient statistics and changed signs."""

import re

import numpy as np
import pytest
from helpers.states import recurrent, rng, task

import minisparse as ms

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


def test_exact_zeros_have_no_decade():
    assert ms.gradient_statistics(np.zeros(3))["decades"] == {}
    assert ms.gradient_statistics(np.array([0.0, 20.0, -0.0, 300.0, 20.0]))["decades"] == {1: 2, 2: 1}
    drawn = 10.0 ** rng().uniform(-5, 5, 500) * (rng(1).random(500) < 0.5)
    found, powers = ms.gradient_statistics(drawn), np.floor(np.log10(drawn[drawn > 0]))
    assert found["decades"] == {k: (powers == k).sum() for k in range(int(powers.min()), int(powers.max()) + 1)}
    assert found["zeros"] == (drawn == 0).mean()


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


N, W_MAX = 300, 10 / 300


@pytest.mark.parametrize(
    ("settings", "gain"),
    [
        ({"n": 10_000, "p": 1, "w_max": 1e-3, "inhibitory": 0.115}, 3.85),
        ({"n": 10_000, "p": 0.1, "w_max": 1e-3, "inhibitory": 0.115}, 0.385),
        ({"n": 1000, "p": 1, "w_max": 1e-3, "inhibitory": 0.115}, 0.385),
        ({"n": 3000, "p": 1, "w_max": 1e-3, "inhibitory": 0.115}, 1.155),
        ({"n": 3000, "p": 1, "w_max": 1e-3, "inhibitory": 0.5}, 0),
        ({"n": 3000, "p": 1, "w_max": 1e-3, "inhibitory": 0.115, "inhibition_gain": 10}, -0.3975),
        ({"n": 3000, "p": 1, "w_max": 1e-3}, 1.5),
    ],
)
def test_the_predicted_gain_has_the_published_values(settings, gain):
    assert ms.predicted_gain(**settings) == pytest.approx(gain, abs=1e-12)


def dale_network(storage, p, f, strength=1.0, dtype=np.float64):
    rng = np.random.default_rng(1)
    pattern = ms.full(N, N) if p == 1 else ms.bernoulli(N, N, p, rng)
    signs = ms.dale_signs(N, f, rng).astype(float)
    signs[signs < 0] *= strength
    model = ms.RNN(2, ms.make_weights(pattern, storage), 2)
    return model.weights["W_rec"], model.init(rng, dtype=dtype, w_max=W_MAX, signs=signs)["W_rec"], signs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [1, 0.5])
def test_measured_gains_are_the_predicted_one_for_both_storages(p, dtype):
    predicted = ms.predicted_gain(N, p, W_MAX, 0.115)
    measured = {}
    for storage in ("dense", "csr"):
        weights, w, signs = dale_network(storage, p, 0.115, dtype=dtype)
        measured[storage] = ms.forward_gain(weights, w), ms.backward_gain(weights, w, signs)
        assert measured[storage] == pytest.approx((predicted, predicted), rel=0.05)
        matrix = weights.unpack(w).astype(float)
        by_hand = matrix.sum() / N, float((signs.T @ matrix.T @ signs / (signs.T @ signs))[0, 0])
        assert measured[storage] == pytest.approx(by_hand, rel=1e-12 if dtype is np.float64 else 1e-5)
    assert measured["dense"] == pytest.approx(measured["csr"], rel=1e-12 if dtype is np.float64 else 1e-5)


def test_ten_times_the_inhibition_turns_the_gain_negative():
    predicted = ms.predicted_gain(N, 1, W_MAX, 0.115, inhibition_gain=10)
    weights, w, _ = dale_network("dense", 1, 0.115, strength=10)
    assert predicted < 0
    assert ms.forward_gain(weights, w) == pytest.approx(predicted, rel=0.1)


def test_without_signs_there_is_no_gain():
    model = ms.RNN(2, ms.make_weights(ms.full(N, N)), 2)
    w = model.init(np.random.default_rng(0), dtype=np.float64, w_max=W_MAX)["W_rec"]
    assert abs(ms.forward_gain(model.weights["W_rec"], w)) < 0.05


def test_the_gain_is_the_growth_of_activity_in_one_step():
    weights, w, _ = dale_network("csr", 0.5, 0.115)
    h = np.ones((N, 1))
    assert weights.bind(w).matmul(h).mean() == pytest.approx(ms.forward_gain(weights, w), rel=1e-12)


def test_signs_that_are_no_column_of_the_network_are_refused():
    weights, w, signs = dale_network("dense", 1, 0.115)
    for wrong in (signs[:, 0], signs.T, signs[:5]):
        with pytest.raises(ms.UserError, match=r"signs must be a column \(300, 1\)"):
            ms.backward_gain(weights, w, wrong)


@pytest.mark.parametrize(
    ("accuracies", "threshold", "delay"),
    [
        ([90.0], 20, 0),
        ([20.0, 20.1], 20, 1),
        ([9.8, 11.35, 25, 12, 80], 20, 2),
        ([9.8, 11.35, 25, 12, 80], 50, 4),
        ([9.8, 9.8], 20, None),
        ([float("nan"), 30.0], 20, 1),
        (np.array([10.0, 60.0]), 20, 1),
    ],
)
def test_the_delay_counts_the_epochs_before_the_first_above_the_threshold(accuracies, threshold, delay):
    found = ms.training_delay(accuracies, threshold)
    assert found == delay
    assert found is None or type(found) is int


@pytest.mark.parametrize(
    ("accuracies", "delay"),
    [
        ([90.0], 0),
        ([20.0], None),
        ([25.0, 30.0, 30.0], 0),
        ([9.8, 25.0, 12.0, 80.0], 3),
        ([9.8, 25.0, 20.0, 80.0, 80.0], 3),
        ([9.8, 25.0, 80.0, 12.0], None),
        ([30.0, float("nan"), 30.0], 2),
    ],
)
def test_the_delay_for_good_ends_where_the_accuracy_stays_above(accuracies, delay):
    found = ms.training_delay(accuracies, 20, for_good=True)
    assert found == delay
    assert found is None or type(found) is int


def test_no_epoch_has_no_delay_and_the_default_threshold_is_twenty_percent():
    assert ms.training_delay([19.9, 20.0, 20.1]) == 2
    for nothing in ([], np.zeros(0)):
        with pytest.raises(ms.UserError, match="a delay needs the accuracy of at least one epoch"):
            ms.training_delay(nothing)


# The numbers that the papers' effects hang on


def test_the_gain_step_is_what_adam_does_to_a_network_whose_gradients_all_point_one_way():
    model, params = recurrent("csr")
    weights, lr = model.weights["W_rec"], 0.003
    before = ms.forward_gain(weights, params["W_rec"])
    grads = {name: -np.ones_like(value) for name, value in params.items()}
    ms.Adam(lr=lr).step(params, grads)
    density = weights.nnz / weights.shape[0] ** 2
    moved = ms.forward_gain(weights, params["W_rec"]) - before
    assert moved == pytest.approx(ms.gain_step(lr, density, weights.shape[0]), rel=1e-6)


def test_the_deviation_of_a_summed_input_is_that_of_drawn_weights():
    x = rng().uniform(0, 1, (50, 200))
    drawn = rng(1).normal(0, 0.7, (4000, 50)) @ x
    assert ms.input_sd(0.7, 50, x) == pytest.approx(drawn.std(), rel=0.03)


def test_a_dendritic_step_is_a_plain_step_times_the_square_of_scale_over_afferents():
    layers = [ms.make_weights(ms.full(post, pre), "dense") for post, pre in ((3, 4), (2, 3))]
    start, da = rng().standard_normal((3, 4)), rng(1).standard_normal((2, 4))
    moved = []
    for rule, raw in ((None, start), (ms.Dendritic(2.5), start * 4 / 2.5)):
        model = ms.MLP(layers, "sigmoid", rule)
        params = {**model.init(rng(2), dtype=float), "W0": raw, "W1": np.ones((2, 3)), "b0": np.zeros((3, 1))}
        _, cache = model.forward(params, np.eye(4))
        grads = model.backward(da, cache)
        params["W0"] = raw - 0.1 * grads["W0"]
        moved.append(model.weight(params, "W0") - start)
    np.testing.assert_allclose(moved[1], moved[0] * ms.dendritic_step(2.5, 4), rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ms.predicted_gain(-5, 0.5, 0.1), "n, the number of neurons, must be a finite number of at least 1"),
        (lambda: ms.predicted_gain(5, 1.5, 0.1), "p, the density, must be a number from 0 to 1, got 1.5"),
        (lambda: ms.predicted_gain(5, 0.5, -0.1), "w_max must be a finite number of at least 0, got -0.1"),
        (lambda: ms.predicted_gain(5, 0.5, 0.1, float("nan")), "inhibitory, a fraction, must be a number from 0 to 1"),
        (lambda: ms.predicted_gain(5, 0.5, 0.1, 0.2, float("inf")), "inhibition_gain must be a finite number"),
        (lambda: ms.gain_step(-1e-3, 0.5, 5), "lr must be a finite number of at least 0, got -0.001"),
        (lambda: ms.gain_step(1e-3, 0.5, 0), "n, the number of neurons, must be"),
        (lambda: ms.input_sd(-1.0, 5, np.ones(3)), "std must be"),
        (lambda: ms.input_sd(1.0, -5, np.ones(3)), "afferents must be"),
        (lambda: ms.input_sd(1.0, 5, np.zeros(0)), "x must hold at least one number, and real and finite ones"),
        (lambda: ms.input_sd(1.0, 5, "x"), "x must be an array of numbers"),
        (lambda: ms.dendritic_step(1.0, 0), "afferents must be a finite number of at least 1, got 0"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_by_name(call, said):
    with pytest.raises(ms.UserError, match=f"^{re.escape(said)}"):
        call()
