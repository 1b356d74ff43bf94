"""Deep rewiring: signs that belong to a place, a constant count, and the drift of a step."""

import numpy as np
import pytest

import minisparse as ms
from minisparse import evolve
from minisparse.evolve import places


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(places, "BLOCK", 11)


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_deep_rewiring_keeps_its_count_and_its_signs_for_a_thousand_steps(storage):
    rng = np.random.default_rng(0)
    model = ms.MLP([ms.make_weights(ms.fixed_count(8, 10, 30, rng), storage), ms.make_weights(ms.full(3, 8))])
    params, opt, rule = model.init(rng, dtype=np.float64), ms.SGD(0.05), ms.DeepRewiring(l1=0.1, noise=0.1, seed=9)
    rule.align(model, params)
    every = rule.sign("W0", (8, 10), np.arange(80))
    assert 20 < (every > 0).sum() < 60
    x, labels, moved, seen = rng.standard_normal((10, 12)), rng.integers(0, 3, 12), 0, set()
    for _ in range(1000):
        logits, cache = model.forward(params, x)
        opt.step(params, model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache))
        event = rule.rewire(model, params, opt, rng)["W0"]
        weights = model.weights["W0"]
        held = evolve.flat_places(weights.pattern)
        values = weights.values(params["W0"])
        assert weights.nnz == 30
        assert (np.sign(values) == every[held]).all()
        born = np.isin(held, event.grown @ [10, 1])
        assert (np.abs(values[born]) == 1e-12).all()
        assert not set(map(tuple, event.pruned)) & set(map(tuple, event.grown))
        moved, seen = moved + len(event.grown), seen | set(held.tolist())
    assert moved > 1000
    assert len(seen) == 80


def test_deep_rewiring_drifts_by_its_rate_and_dies_at_0():
    model = ms.MLP([ms.make_weights(ms.Pattern.from_mask([[1, 1, 1, 0, 0, 0]])), ms.make_weights(ms.full(2, 1))])
    params, opt, rng = model.init(np.random.default_rng(0), dtype=np.float64), ms.SGD(0.5), np.random.default_rng(1)
    rule = ms.DeepRewiring(l1=0.2, noise=0, seed=1)
    s = rule.sign("W0", (1, 6), np.arange(6))
    params["W0"][0, :3] = np.array([0.7, 0.1, 0.1 + 1e-9]) * s[:3]
    event = rule.rewire(model, params, opt, rng)["W0"]
    assert event.pruned.tolist() == [[0, 1]]
    values = model.weights["W0"].unpack(params["W0"])[0]
    assert values[0] == pytest.approx(0.6 * s[0])
    assert values[2] == pytest.approx(1e-9 * s[2], rel=1e-6)
    full = ms.MLP([ms.make_weights(ms.full(2, 3)), ms.make_weights(ms.full(2, 2))])
    params = full.init(rng, dtype=np.float64)
    event = ms.DeepRewiring(l1=100, parameters=("W0",)).rewire(full, params, opt, rng)["W0"]
    assert event.pruned.tolist() == event.grown.tolist()
    assert np.abs(params["W0"]).tolist() == [[1e-12] * 3] * 2


def test_signs_belong_to_seed_parameter_and_place():
    at = np.arange(40_000)
    rule = ms.DeepRewiring(seed=3)
    signs = rule.sign("W0", (200, 200), at)
    assert abs(int(signs.sum())) < 5 * 200
    assert (rule.sign("W0", (200, 200), at[7:9]) == signs[7:9]).all()
    for other in (ms.DeepRewiring(seed=4).sign("W0", (200, 200), at), rule.sign("W1", (200, 200), at)):
        assert abs(int((signs * other).sum())) < 5 * 200
