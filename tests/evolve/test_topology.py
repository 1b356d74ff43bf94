"""Cannistraci-Hebb scores by brute force over paths."""

import itertools

import numpy as np
import pytest
from helpers.scores import whole
from hypothesis import given, settings

import minisparse as ms
from minisparse import testing
from minisparse.evolve import places, topology


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(places, "BLOCK", 11)


def neighbours(mask):
    """Return each neuron's partners; a neuron is ("post", i) or ("pre", j)."""
    table = {("post", i): set() for i in range(mask.shape[0])} | {("pre", j): set() for j in range(mask.shape[1])}
    for i, j in np.argwhere(mask).tolist():
        table["post", i].add(("pre", j))
        table["pre", j].add(("post", i))
    return table


def by_definition(mask):
    """Enumerate the paths u-z1-z2-v of every vacant pair: CH3-L3, and its sum over neurons."""
    table, paths, nodes = neighbours(mask), np.zeros(mask.shape), np.zeros(mask.shape)
    for i, j in np.argwhere(~mask).tolist():
        u, v = ("pre", j), ("post", i)
        found = [(z1, z2) for z1 in table[u] for z2 in table[v] if z2 in table[z1]]
        community = set(itertools.chain(*found)) | {u, v}
        e = {z: len(table[z] - community) for z in community}
        paths[i, j] = sum(((1 + e[z1]) * (1 + e[z2])) ** -0.5 for z1, z2 in found)
        nodes[i, j] = sum(1 / (1 + e[z]) for z in set(itertools.chain(*found)))
    return paths, nodes


@settings(max_examples=60)
@given(testing.patterns(), testing.generators())
def test_both_forms_of_ch3_l3_are_their_definitions(drawn, rng):
    for pattern in (drawn, ms.fixed_count(6, 5, 14, rng)):
        mask = pattern.mask()
        for form, expected in zip(("paths", "nodes"), by_definition(mask), strict=True):
            found = whole(topology.FORMS[form](pattern), pattern.shape)
            np.testing.assert_allclose(np.where(mask, 0, found), expected, atol=1e-10)


def test_the_two_forms_are_different_scores_and_the_best_are_grown():
    rng = np.random.default_rng(4)
    pattern = ms.fixed_count(6, 5, 14, rng)
    paths, nodes = by_definition(pattern.mask())
    assert np.abs(paths - nodes).max() > 0.1
    for form in ("paths", "nodes"):
        model = ms.MLP([ms.make_weights(pattern), ms.make_weights(ms.full(2, 6))])
        params = model.init(rng)
        event = ms.CannistraciHebb(form, 0.25).rewire(model, params, ms.SGD(), rng)["W0"]
        survivors = pattern.mask()
        survivors[event.pruned[:, 0], event.pruned[:, 1]] = False
        score = by_definition(survivors)[form == "nodes"].round(9)
        grown = np.zeros(pattern.shape, bool)
        grown[event.grown[:, 0], event.grown[:, 1]] = True
        others = ~pattern.mask() & ~grown
        assert grown.sum() == 3
        assert score[grown].min() >= score[others].max()
