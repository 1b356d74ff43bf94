"""The catalogue: each mistake is planted, caught, and read back with its own code.

Over six seeds by default, over 14 more with ``-m slow``.
"""

import itertools

import numpy as np
import pytest

import minisparse as ms
from minisparse import equations
from minisparse.gradcheck import catalogue
from minisparse.gradcheck.recognise import same

GRADIENTS = [row for row in catalogue.catalogue() if row.family != "optimiser"]
SEEDS = [*range(6), *(pytest.param(seed, marks=pytest.mark.slow, id=f"long-{seed}") for seed in range(6, 20))]
seeds = pytest.mark.parametrize("seed", SEEDS)


def network(storage, activation, seed):
    """A model at the default sizes: batch 3, time 5, units 7, inputs 2, classes 4."""
    rng = np.random.default_rng(seed)
    mask = rng.random((7, 7)) < 0.5
    mask[np.arange(7), rng.permutation(7)] = True
    model = ms.RNN(2, ms.make_weights(ms.Pattern.from_mask(mask), storage), 4, activation)
    params = model.init(rng, dtype=np.float64, w_max=0.7)
    params["W_in"] *= 2  # so that a rectifier opens and shuts from step to step
    for name in model.biases:
        params[name] *= 0
    return model, params, rng.standard_normal((5, 2, 3)), rng.integers(0, 4, 3)


def test_the_catalogue_is_complete_and_readable():
    rows = catalogue.catalogue()
    assert len(rows) >= 30
    assert {row.family for row in rows} == {"affine", "loss", "recurrent", "sparse", "optimiser"}
    for field in ("code", "sentence", "story"):
        assert len({getattr(row, field) for row in rows}) >= (len(rows) if field != "story" else 0.8 * len(rows)), field
    for row in rows:
        assert len(row.sentence.split()) <= 25, row.code
        assert row.wrong != row.right, row.code
        assert row.tag in equations.tags()
    with pytest.raises(KeyError):
        catalogue.find("no-such-mistake")


@seeds
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_each_mistake_is_caught_and_read_back(storage, activation, seed):
    model, params, x, labels = network(storage, activation, seed)
    ms.check(model, params, x, labels, seed=seed).assert_ok()
    for row in GRADIENTS:
        if not (row.concerns(model) or row.concerns(ms.softmax_cross_entropy)):
            continue
        if storage == "csr" and seed >= 2 and row.only != ("csr",):
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


@seeds
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_every_two_mistakes_give_different_gradients_at_the_default_sizes(storage, activation, seed):
    model, params, x, labels = network(storage, activation, seed)

    def gradients(row):
        logits, cache = row.plant(model).forward(params, x)
        dlogits = row.plant(ms.softmax_cross_entropy)(logits, labels)[1]
        grads = row.plant(model).backward(np.cos(logits), cache, wrt_x=True)
        return {**grads, "logits": dlogits}

    found = {row.code: gradients(row) for row in GRADIENTS if row.concerns(model) or row.family == "loss"}
    for (a, one), (b, other) in itertools.combinations(found.items(), 2):
        assert not same(one, other), (a, b)


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


def test_the_report_says_what_small_sizes_cannot_show():
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7), "dense"), 4, "tanh")
    params, rng = model.init(np.random.default_rng(0), dtype=np.float64, w_max=0.5), np.random.default_rng(1)
    seen = {}
    for steps, batch in ((5, 3), (1, 3), (1, 1)):
        report = ms.check(model, params, rng.standard_normal((steps, 2, batch)), np.arange(batch))
        assert report.ok
        seen[steps, batch] = set(report.blind)
        assert str(report).splitlines()[-1].startswith(f"sizes batch {batch}, inputs 2, time {steps}")
    assert seen[5, 3] <= {"sparse-no-mask", "sparse-unmasked-transpose"}, "a full pattern has no mask"
    assert {"bptt-not-transposed", "bptt-dW-same-step", "bptt-over-time-steps"} <= seen[1, 3]
    assert seen[1, 3] < seen[1, 1]
    assert {"affine-dW-mean", "affine-bias-one-example", "loss-not-divided"} <= seen[1, 1] - seen[1, 3]


def test_causes_that_sizes_cannot_tell_apart_are_listed():
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7), "dense"), 4, "tanh")
    params, rng = model.init(np.random.default_rng(0), dtype=np.float64, w_max=0.5), np.random.default_rng(1)
    wrong = catalogue.find("bptt-truncated").plant(model)
    report = ms.check(wrong, params, rng.standard_normal((4, 2, 3)))
    assert report.codes[0] == "bptt-truncated"
    two = ms.check(catalogue.find("bptt-loop-not-reversed").plant(model), params, rng.standard_normal((2, 2, 3)))
    assert two.ok
    assert "bptt-loop-not-reversed" in two.blind, "with two steps there is one turn of the loop"
    report = ms.check(catalogue.find("bptt-last-step-only").plant(model), params, rng.standard_normal((2, 2, 1)))
    three = ms.check(catalogue.find("bptt-dW-overwritten").plant(model), params, rng.standard_normal((3, 2, 3)))
    assert three.findings[0].code == "bptt-dW-overwritten"
    single = ms.check(catalogue.find("affine-bias-one-example").plant(model), params, rng.standard_normal((5, 2, 1)))
    assert single.ok
    assert report.findings[0].code == "bptt-last-step-only"
