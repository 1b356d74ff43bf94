"""SET: what goes, what comes, and that nothing else is touched."""

import numpy as np
import pytest
from helpers.rewiring import by_place
from hypothesis import given, settings

import minisparse as ms
from minisparse import testing

RULES = {
    "Bird & Cuntz": lambda zeta: ms.SET.from_density(0.3, zeta),
    "Mocanu": lambda zeta: ms.SET.from_epsilon(2, zeta),
}


def trained(pattern, storage, rule, rng, steps=2):
    """A network after a few steps of Adam, so that every moment is different from 0."""
    layers = [ms.make_weights(pattern, storage), ms.make_weights(ms.full(3, pattern.shape[0]))]
    model = ms.MLP(layers, "sigmoid", rule)
    params, opt = model.init(np.random.default_rng(5), dtype=np.float64), ms.Adam()
    x = np.random.default_rng(6).standard_normal((pattern.shape[1], 4))
    for _ in range(steps):
        logits, cache = model.forward(params, x)
        opt.step(params, model.backward(logits - 0.3, cache))
    return model, params, opt


@settings(max_examples=100)
@given(
    testing.patterns(),
    testing.storages(),
    testing.choices(ms.Plain(), ms.Dendritic("matched"), ms.LpVariable(2, "matched")),
    testing.choices(*RULES),
    testing.choices(0.05, 0.15, 0.3, 0.9),
    testing.generators(),
)
def test_survivors_are_left_alone_and_the_weakest_go(pattern, storage, normaliser, form, zeta, rng):
    model, params, opt = trained(pattern, storage, normaliser, rng)
    rule = RULES[form](zeta)
    rule.parameters = ("W0",)
    before = model.weights["W0"]
    tables = {"w": by_place(before, model.weight(params, "W0")), "v": by_place(before, params["W0"])}
    moments = {key: by_place(before, value) for key, value in opt.state.items() if key.endswith(".W0")}
    others = {name: value.copy() for name, value in params.items() if name != "W0"}
    rest = {key: np.copy(value) for key, value in opt.state.items() if not key.endswith(".W0")}
    readout = model.weights["W1"]

    event = rule.rewire(model, params, opt, rng)["W0"]

    after, n_pre = model.weights["W0"], pattern.shape[1]
    pruned, grown = (set((places @ [n_pre, 1]).tolist()) for places in (event.pruned, event.grown))
    now = by_place(after, params["W0"])
    assert after.nnz == before.nnz == len(now)
    assert type(after) is type(before)
    w = tables["w"]
    sides = [[k for k in w if w[k] > 0], [k for k in w if w[k] < 0]] if form == "Mocanu" else [list(w)]
    assert len(pruned) == len(grown) == sum(round(zeta * len(side)) for side in sides)
    for side in sides:
        gone, left = ([abs(w[k]) for k in side if (k in pruned) == wanted] for wanted in (True, False))
        assert not gone or not left or max(gone) <= min(left)
    survivors = set(w) - pruned
    assert not survivors & grown
    assert set(now) == survivors | grown
    assert all(now[k] == tables["v"][k] for k in survivors)
    for key, table in moments.items():
        found = by_place(after, opt.state[key])
        assert all(found[k] == table[k] for k in survivors)
        assert all(found[k] == 0 for k in grown)
    for name, value in others.items():
        np.testing.assert_array_equal(params[name], value)
    for key, value in rest.items():
        np.testing.assert_array_equal(opt.state[key], value)
    assert model.weights["W1"] is readout


@given(testing.patterns(), testing.choices(*RULES), testing.seeds())
def test_both_storages_pick_the_same_synapses_from_the_same_generator_state(pattern, form, seed):
    picked = []
    for storage in ("dense", "csr"):
        model, params, opt = trained(pattern, storage, ms.Dendritic("matched"), None)
        rule = RULES[form](0.3)
        rule.parameters = ("W0",)
        event = rule.rewire(model, params, opt, np.random.default_rng(seed))["W0"]
        picked.append((event.pruned.tolist(), event.grown.tolist(), by_place(model.weights["W0"], params["W0"])))
    assert picked[0][:2] == picked[1][:2]
    for place, value in picked[0][2].items():
        assert picked[1][2][place] == pytest.approx(value, rel=1e-9)


def test_the_criterion_is_the_effective_weight_so_crowded_neurons_lose_more():
    mask = np.zeros((2, 40), dtype=bool)
    mask[0, :30], mask[1, :5] = True, True
    model = ms.MLP(
        [ms.make_weights(ms.Pattern.from_mask(mask), "csr"), ms.make_weights(ms.full(2, 2))], normalise=ms.Dendritic()
    )
    params = model.init(np.random.default_rng(0), dtype=np.float64)
    event = ms.SET(0.4).rewire(model, params, ms.SGD(), np.random.default_rng(1))["W0"]
    assert (event.pruned[:, 0] == 0).sum() >= 13


def test_the_two_meanings_of_epsilon_never_mix():
    rng = np.random.default_rng(0)
    assert ms.SET.from_density(0.2).pattern(100, 784, rng).nnz == 15_680
    assert not ms.SET.from_density(0.2).by_sign
    assert ms.SET.from_epsilon(20).pattern(1000, 784, rng).nnz == 20 * 1784
    assert (ms.SET.from_epsilon(20).by_sign, ms.SET.from_epsilon(20).zeta) == (True, 0.3)
    for make, sentence in [
        (lambda: ms.SET(0), "zeta, the share of synapses that is rewired, must lie between 0 and 1"),
        (lambda: ms.SET(std=0), "std, the scale of new weights, must be above 0"),
        (lambda: ms.SET.from_density(1.5), "density must be above 0 and at most 1"),
        (lambda: ms.SET.from_epsilon(0), "epsilon, synapses per neuron of both layers, must be above 0"),
        (lambda: ms.SET().pattern(3, 4, rng), "make it with SET.from_density or SET.from_epsilon"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            make()
    model = ms.RNN(1, ms.make_weights(ms.bernoulli(5, 5, 0.5, rng)), 2)
    with pytest.raises(ms.UserError, match="no sparse parameter 'W0'; it has W_rec"):
        ms.SET(parameters=("W0",)).rewire(model, model.init(rng), ms.SGD(), rng)


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_a_rewired_run_is_resumed_bit_for_bit(storage, tmp_path):
    digits = ms.load("digits")
    small = ms.Dataset("toy", digits.x_train[:60], digits.y_train[:60], digits.x_test[:40], digits.y_test[:40], 10)

    def run(epochs, path, resume=False):
        rng = np.random.default_rng(0)
        rule = ms.SET.from_density(0.2)
        layers = [ms.make_weights(rule.pattern(20, 64, rng), storage), ms.make_weights(ms.full(10, 20))]
        model = ms.MLP(layers, "sigmoid", ms.Dendritic("matched"))
        params = model.init(rng)
        history = ms.fit(
            model, params, ms.Adam(), small, epochs, np.random.default_rng(1), 10, after_epoch=[rule],
            checkpoint=path, resume=resume, quiet=True,
        )  # fmt: skip
        return history, params, model

    whole = run(4, tmp_path / "whole.npz")
    run(2, tmp_path / "half.npz")
    resumed = run(4, tmp_path / "half.npz", resume=True)
    assert [row["test_loss"] for row in whole[0]] == [row["test_loss"] for row in resumed[0]]
    for name, value in whole[1].items():
        np.testing.assert_array_equal(value, resumed[1][name])
    assert whole[2].weights["W0"].pattern == resumed[2].weights["W0"].pattern


@pytest.mark.parametrize("form", ["from_density", "from_epsilon"])
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_newcomers_have_the_sign_of_their_neuron(form, storage):
    rng = np.random.default_rng(0)
    signs = ms.dale_signs(40, 0.4, rng)
    model, plain = (ms.RNN(2, ms.make_weights(ms.fixed_count(40, 40, 400, 1), storage), 2) for _ in range(2))
    params = model.init(2, w_max=0.5, signs=signs)
    free = {name: value.copy() for name, value in params.items()}
    make = {"from_density": lambda **more: ms.SET.from_density(0.25, **more), "from_epsilon": ms.SET.from_epsilon}[form]
    settings = {"epsilon": 5.0} if form == "from_epsilon" else {}
    event = make(**settings, signs=signs, zeta=0.3).rewire(model, params, ms.SGD(), 3)["W_rec"]
    make(**settings, zeta=0.3).rewire(plain, free, ms.SGD(), 3)
    assert len(event.grown) >= 100
    assert model.weights["W_rec"].pattern == plain.weights["W_rec"].pattern, "the same numbers are drawn"
    np.testing.assert_array_equal(np.abs(params["W_rec"]), np.abs(free["W_rec"]))
    assert ms.Dale(signs).violations(model, params) == 0 < ms.Dale(signs).violations(plain, free)
    assert (model.weights["W_rec"].values(params["W_rec"]) != 0).all()


def test_signs_of_another_layer_are_refused():
    model = ms.RNN(2, np.eye(3), 2)
    for signs in (np.ones(3), np.ones((4, 1)), np.zeros((3, 1))):
        with pytest.raises(ms.UserError, match=r"signs must be a column \(3, 1\) of \+1 and -1"):
            ms.SET(0.5, signs=signs).rewire(model, model.init(0), ms.SGD(), 0)
