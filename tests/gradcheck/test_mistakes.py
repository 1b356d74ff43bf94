"""Every mistake of the catalogue is planted, caught and read back."""

import itertools

import numpy as np
import pytest
from helpers.mistakes import GRADIENTS, network, seeds

import minisparse as ms
from minisparse.gradcheck import catalogue


@seeds
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_each_mistake_is_caught_and_read_back(storage, activation, seed):
    model, params, x, labels = network(storage, activation, seed)
    ms.check(model, params, x, labels, seed=seed).assert_ok()
    for row in GRADIENTS:
        if not (row.concerns(model) or row.concerns(ms.softmax_cross_entropy)):
            continue
        if storage == "csr" and (seed, activation) != (0, "relu") and row.only != ("csr",):
            continue  # the lines of the passes are the same for both storages
        loss = row.plant(ms.softmax_cross_entropy)
        report = ms.check(row.plant(model), params, x, labels, seed=seed, loss=loss)
        assert report.findings, row.code
        finding = report.findings[0]
        assert finding.code == row.code, (row.code, str(report))
        assert finding.evidence["alternatives"] == [], row.code
        assert set(row.visible) <= {f.tensor for f in report.findings}, row.code


@seeds
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_each_optimiser_mistake_is_caught_and_read_back(storage, seed):
    model, params, x, labels = network(storage, "relu" if seed % 2 else "tanh", seed)
    signs = ms.dale_signs(7, 0.4, np.random.default_rng(seed))
    params = model.init(np.random.default_rng(seed), dtype=np.float64, w_max=0.05, signs=signs)
    opt, dale = ms.Adam(lr=0.05), ms.Dale(signs)
    ms.check_steps(model, params, x, labels, opt, [dale]).assert_ok()
    for row in catalogue.catalogue("optimiser"):
        report = ms.check_steps(model, params, x, labels, row.plant(opt), [row.plant(dale)])
        assert report.findings, row.code
        assert report.findings[0].code == row.code, (row.code, str(report))


def test_every_mistake_of_a_family_is_planted_somewhere():
    planted = set()
    for storage, activation in itertools.product(("dense", "csr"), ("relu", "tanh")):
        model = network(storage, activation, 0)[0]
        parts = (model, ms.softmax_cross_entropy, ms.Adam(), ms.Dale(np.ones((7, 1))))
        planted |= {row.code for row in catalogue.catalogue() if any(row.concerns(part) for part in parts)}
    assert planted == {row.code for row in catalogue.catalogue()}


def test_a_mutant_leaves_the_library_and_the_model_as_they_are():
    model, params, x, _ = network("dense", "tanh", 0)
    logits, cache = model.forward(params, x)
    before = model.backward(logits, cache)
    for row in catalogue.catalogue():
        twin = row.plant(model)
        assert twin is not model
        twin.backward(logits, twin.forward(params, x)[1], wrt_x=True)
    after = model.backward(logits, cache)
    assert type(model) is ms.RNN
    assert all(np.array_equal(before[name], after[name]) for name in before)
    opt = ms.Adam()
    opt.step({"w": np.ones(2)}, {"w": np.ones(2)})
    twin = catalogue.find("adam-no-bias-correction").plant(opt)
    twin.step({"w": np.ones(2)}, {"w": np.ones(2)})
    assert (opt.state["step"], twin.state["step"]) == (1, 2)
