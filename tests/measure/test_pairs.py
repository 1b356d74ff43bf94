"""Correlations and mutual information of nodes against NumPy, scikit-learn and closed forms."""

import numpy as np
import pytest
from sklearn.feature_selection import mutual_info_regression

import minisparse as ms


def rng(seed=0):
    return np.random.default_rng(seed)


def states(units=6, samples=200):
    """ReLU states with common causes; node 0 is dead, node 1 stuck at a value that sums inexactly."""
    h = np.maximum(0, rng(6).standard_normal((units, 3)) @ rng(7).standard_normal((3, samples)) + 0.2)
    h[0], h[1] = 0, 0.1
    return h


@pytest.mark.parametrize(
    "measure",
    [
        ms.active_share,
        ms.correlations,
        lambda h: ms.correlations(h, [[0, 1]]),
        lambda h: ms.mutual_information(h, [[0, 1]], rng()),
    ],
)
def test_states_that_are_no_finite_matrix_are_refused(measure):
    for wrong in (np.zeros(4), np.zeros((0, 4)), np.zeros((4, 0)), np.zeros((2, 2, 2))):
        with pytest.raises(ms.UserError, match=r"h must be \(units, samples\)"):
            measure(wrong)
    h = states()
    h[3, 5], h[4, 0] = np.nan, np.inf
    with pytest.raises(ms.UserError, match="h holds nan or inf in 2 of 6 units, unit 3 first"):
        measure(h)


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_random_pairs_are_uniform_over_all_pairs_of_different_nodes(make):
    pairs = ms.random_pairs(4, 24_000, make(0))
    assert pairs.shape == (24_000, 2)
    assert pairs.dtype == np.int64
    counts = np.zeros((4, 4))
    np.add.at(counts, tuple(pairs.T), 1)
    assert np.diag(counts).tolist() == [0] * 4
    assert counts[~np.eye(4, dtype=bool)] == pytest.approx(2000, abs=5 * 2000**0.5)
    assert (ms.random_pairs(4, 24_000, make(0)) == pairs).all()


def test_pairs_need_two_units_and_a_count():
    for units, count in ((1, 5), (0, 5), (5, 0)):
        with pytest.raises(ms.UserError, match=f"got {units} and {count}"):
            ms.random_pairs(units, count, rng())


@pytest.mark.parametrize("wrong", [[0, 1], [[0, 1, 2]], [[0.0, 1.0]], np.zeros((0, 2), int)])
def test_pairs_of_another_shape_are_refused(wrong):
    for measure in (ms.correlations, lambda h, pairs: ms.mutual_information(h, pairs, rng())):
        with pytest.raises(ms.UserError, match=r"pairs must be \(count, 2\) integers"):
            measure(states(), wrong)
        for outside in ([[0, 6]], [[-1, 2]]):
            with pytest.raises(ms.UserError, match=r"pairs must name units 0\.\.5"):
                measure(states(), outside)


# Correlations


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_correlations_are_numpys_and_constant_nodes_are_reported(dtype):
    h = states(12).astype(dtype)
    r, constant = ms.correlations(h)
    assert constant.tolist() == [True, True] + [False] * 10
    assert r[2:, 2:] == pytest.approx(np.corrcoef(h[2:].astype(float)), abs=1e-12)
    assert not r[:2].any()
    assert not r[:, :2].any()
    assert np.abs(r).max() <= 1
    pairs = ms.random_pairs(12, 50, rng())
    of_pairs, again = ms.correlations(h, pairs)
    assert of_pairs == pytest.approx(r[tuple(pairs.T)], abs=1e-12)
    assert (again == constant).all()
    drawn, _ = ms.correlations(h, 50, rng())
    assert (drawn == of_pairs).all()


def test_one_sample_makes_every_node_constant():
    r, constant = ms.correlations(states(4, 1))
    assert constant.all()
    assert not r.any()


@pytest.mark.parametrize("scale", [1e-170, 1e-300, 1e150, 1e290])
def test_very_small_and_very_large_states_have_the_same_correlations(scale):
    h = states()
    found, constant = ms.correlations(h * scale)
    assert constant.sum() == 2
    assert found == pytest.approx(ms.correlations(h)[0], abs=1e-12)


def test_a_node_that_barely_moves_is_not_constant():
    h = np.full((2, 100), 1e13, np.float32)
    h[0, 7] = h[1, 7] = np.nextafter(np.float32(1e13), np.float32(np.inf))
    r, constant = ms.correlations(h)
    assert not constant.any()
    assert r == pytest.approx(np.ones((2, 2)), abs=1e-12)


def test_drawing_pairs_needs_a_generator():
    with pytest.raises(ms.UserError, match="drawing 5 pairs needs rng"):
        ms.correlations(states(), 5)


# Mutual information


def seeds(generator, count):
    return np.frombuffer(generator.bytes(4 * count), "<u4").tolist()


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize(("dtype", "neighbours", "samples"), [(float, 3, 400), (np.float32, 3, 401), (float, 5, 60)])
def test_mutual_information_is_scikit_learns_given_its_noise(make, dtype, neighbours, samples):
    h = states(8, samples).astype(dtype)
    h[2] *= 1e-5
    h[3] = h[3] * 1e4 + 1e3
    pairs = np.array([(i, j) for i in range(8) for j in range(8)])
    values, constant = ms.mutual_information(h, pairs, make(3), neighbours)
    exact = h.astype(float)
    expected = [
        mutual_info_regression(exact[i][:, None], exact[j], n_neighbors=neighbours, random_state=seed)[0]
        for (i, j), seed in zip(pairs, seeds(make(3), 64), strict=True)
    ]
    assert values == pytest.approx(expected, abs=1e-12)
    assert constant.tolist() == [True, True] + [False] * 6
    of_dead = constant[pairs].any(axis=1)
    assert values[of_dead].mean() < 0.1 < 0.3 < values[~of_dead].mean()


def test_mutual_information_of_gaussians_is_the_closed_form():
    x, noise = rng(0).standard_normal((2, 4000))
    r = 0.8
    h = np.stack([x, r * x + (1 - r**2) ** 0.5 * noise])
    (value,), _ = ms.mutual_information(h, [[0, 1]], rng())
    assert value == pytest.approx(-0.5 * np.log(1 - r**2), abs=0.04)


@pytest.mark.slow
def test_processes_do_not_change_mutual_information():
    h, pairs = states(6, 100), ms.random_pairs(6, 12, rng())
    alone, _ = ms.mutual_information(h, pairs, rng(1))
    assert (ms.mutual_information(h, pairs, rng(1), jobs=2)[0] == alone).all()
    assert (ms.mutual_information(h, pairs, rng(2))[0] != alone).any()


def test_mutual_information_needs_more_samples_than_neighbours_and_a_process():
    h = states()
    for samples, neighbours in ((1, 3), (3, 3), (10, 0)):
        with pytest.raises(ms.UserError, match=f"neighbours must lie in 1.*{samples} samples, got {neighbours}"):
            ms.mutual_information(h[:, :samples], [[0, 2]], rng(), neighbours)
    assert ms.mutual_information(h[:, :4], [[2, 3]], rng())[0].shape == (1,)
    with pytest.raises(ms.UserError, match="jobs must be a number of processes"):
        ms.mutual_information(h, [[0, 2]], rng(), jobs=0)
