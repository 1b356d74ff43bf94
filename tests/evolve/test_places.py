"""Places in a pattern: vacant ones drawn uniformly, ties by pattern order, no list of all."""

import time

import numpy as np
import pytest
from helpers.rewiring import by_place

import minisparse as ms
from minisparse import evolve


def test_new_places_are_uniform_over_all_vacant_ones_the_just_vacated_among_them():
    pattern = ms.Pattern.from_mask(np.array([[1, 1, 0, 0], [1, 0, 0, 1]], dtype=bool))
    keep, rng, counts = np.array([False, True, True, False]), np.random.default_rng(0), np.zeros(8)
    for _ in range(3000):
        places = evolve.vacant(pattern, keep, 2, rng)
        assert len(set(places.tolist())) == 2
        counts[places] += 1
    assert counts[[1, 4]].tolist() == [0, 0]
    vacant = counts[[0, 2, 3, 5, 6, 7]]
    assert np.abs(vacant - 1000).max() < 5 * (3000 * (1 / 3) * (2 / 3)) ** 0.5


def test_ties_go_by_pattern_order_and_new_values_have_the_scale_asked_for():
    assert evolve.smallest(np.ones(5), 3).tolist() == [0, 1, 2]
    assert evolve.smallest(np.ones(5), 0).tolist() == []
    rng = np.random.default_rng(0)
    model = ms.MLP([ms.make_weights(ms.fixed_count(50, 60, 1500, rng)), ms.make_weights(ms.full(2, 50))])
    params = model.init(rng, dtype=np.float64)
    event = ms.SET(0.5, std=0.1).rewire(model, params, ms.SGD(), rng)["W0"]
    values = by_place(model.weights["W0"], params["W0"])
    fresh = [values[k] for k in (event.grown @ [60, 1]).tolist()]
    assert np.std(fresh) == pytest.approx(0.1, rel=0.1)


@pytest.mark.slow
def test_a_large_pattern_is_rewired_without_an_array_of_all_places():
    rng = np.random.default_rng(0)
    weights = ms.CsrWeights(ms.fixed_count(20_000, 20_000, 4_000_000, rng))
    model, params = ms.RNN(1, weights, 1), {"W_rec": rng.standard_normal(weights.nnz).astype(np.float32)}
    start = time.perf_counter()
    ms.SET().rewire(model, params, ms.SGD(), rng)
    print(f"rewired 4,000,000 synapses in {time.perf_counter() - start:.1f} s")
    assert model.weights["W_rec"].nnz == 4_000_000
