"""The recurrent gain that decides whether activity explodes, and the delay before a network learns."""

import numpy as np
import pytest

import minisparse as ms

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
        with pytest.raises(ms.UserError, match="W expects 300 outputs"):
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


def test_no_epoch_has_no_delay_and_the_default_threshold_is_twenty_percent():
    assert ms.training_delay([19.9, 20.0, 20.1]) == 2
    for nothing in ([], np.zeros(0)):
        with pytest.raises(ms.UserError, match="a delay needs the accuracy of at least one epoch"):
            ms.training_delay(nothing)
