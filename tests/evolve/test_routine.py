"""The routine all rules share: counts, survivors and newcomers, over layers, recurrent networks and resumed runs."""

import math

import numpy as np
import pytest
from helpers.growth import toy
from hypothesis import given, settings

import minisparse as ms
from minisparse import evolve, groups, testing
from minisparse.evolve import places

RULES = {
    "RigL": lambda **settings: ms.RigL(**settings),
    "Hebbian": lambda **settings: ms.Hebbian(**settings),
    "Hebbian, cosine": lambda **settings: ms.Hebbian("cosine", absolute=True, **settings),
    "Hebbian, running": lambda **settings: ms.Hebbian(ema=0.5, **settings),
    "Hebbian, prunes by C": lambda **settings: ms.Hebbian(prune="correlation", **settings),
    "CH3-L3": lambda **settings: ms.CannistraciHebb(**settings),
    "CH3-L3n": lambda **settings: ms.CannistraciHebb("nodes", **settings),
}


OPTIMISERS = {"adam": lambda: ms.Adam(1e-2), "momentum": lambda: ms.SGD(0.1, momentum=0.9)}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Look at a row or two at a time, so that every small layer has several blocks."""
    monkeypatch.setattr(places, "BLOCK", 11)


def trained(pattern, storage, normaliser=None, optimiser="adam", dtype=np.float64):
    """Three steps of a network; returns it with its parameters, optimiser, last batch and links."""
    layers = [ms.make_weights(pattern, storage), ms.make_weights(ms.full(3, pattern.shape[0]))]
    model = ms.MLP(layers, "sigmoid", normaliser)
    params, opt = model.init(np.random.default_rng(5), dtype=dtype), OPTIMISERS[optimiser]()
    x = np.random.default_rng(6).standard_normal((pattern.shape[1], 8)).astype(dtype)
    for _ in range(3):
        logits, cache = model.forward(params, x)
        opt.step(params, model.backward(logits - dtype(0.3), cache))
    return model, params, opt, x, cache.links


def by_place(weights, packed):
    return dict(zip(evolve.flat_places(weights.pattern).tolist(), weights.values(packed).tolist(), strict=True))


def flat(found, n_pre):
    return set((found @ [n_pre, 1]).tolist())


def rewire(rule, trained, rng):
    model, params, opt, _, links = trained
    rule.observe(model, links)
    return rule.rewire(model, params, opt, rng, links)["W0"]


@settings(max_examples=40)
@given(
    testing.patterns(),
    testing.storages(),
    testing.choices(None, ms.Dendritic("matched"), ms.LpVariable(2, "matched")),
    testing.choices(*RULES),
    testing.choices(*OPTIMISERS),
    testing.choices(0.1, 0.3, 0.9),
    testing.choices(True, False),
    testing.generators(),
)
def test_the_count_is_constant_survivors_are_left_alone_and_new_synapses_start_at_0(
    pattern, storage, normaliser, name, optimiser, fraction, regrow, rng
):
    network = model, params, opt, *_ = trained(pattern, storage, normaliser, optimiser)
    rule = RULES[name](fraction=fraction, regrow=regrow, parameters=("W0",))
    before, n_pre = model.weights["W0"], pattern.shape[1]
    w, v = by_place(before, model.weight(params, "W0")), by_place(before, params["W0"])
    moments = {key: by_place(before, value) for key, value in opt.state.items() if key.endswith(".W0")}
    others = {key: value.copy() for key, value in params.items() if key != "W0"}

    event = rewire(rule, network, rng)

    after, now = model.weights["W0"], by_place(model.weights["W0"], params["W0"])
    pruned, grown = flat(event.pruned, n_pre), flat(event.grown, n_pre)
    room = before.nnz if regrow else math.prod(pattern.shape) - before.nnz
    assert len(pruned) == len(grown) == min(math.floor(fraction * before.nnz), room)
    assert after.nnz == before.nnz == len(now)
    survivors = set(w) - pruned
    assert set(now) == survivors | grown
    assert regrow or not pruned & grown
    assert not survivors & grown
    if "prunes" not in name and pruned and survivors:
        assert max(abs(w[k]) for k in pruned) <= min(abs(w[k]) for k in survivors)
    assert all(now[k] == v[k] for k in survivors)
    assert all(now[k] == 0 for k in grown)
    for key, table in moments.items():
        found = by_place(after, opt.state[key])
        assert all(found[k] == table[k] for k in survivors)
        assert all(found[k] == 0 for k in grown)
    for key, value in others.items():
        np.testing.assert_array_equal(params[key], value)


@given(
    testing.patterns(),
    testing.choices(None, ms.LpConstant(1, "matched"), ms.LpConstant(2), ms.LpVariable(1), ms.LpVariable(3, "matched")),
    testing.choices(*RULES),
    testing.storages(),
    testing.generators(),
)
def test_growth_alone_leaves_the_logits(pattern, normaliser, name, storage, rng):
    """The pruned network and the rewired one compute the same: a synapse at 0 adds nothing to a sum or to a norm."""
    model, params, *_, x, _ = network = trained(pattern, storage, normaliser)
    event = rewire(RULES[name](fraction=0.3, parameters=("W0",)), network, rng)
    weights = model.weights["W0"]
    place = {tuple(pair) for pair in event.grown.tolist()}
    kept = np.array([pair not in place for pair in zip(weights.pattern.rows, weights.pattern.indices, strict=True)])
    smaller, fewer = model.copy(), dict(params)
    pattern = places.at_places(evolve.flat_places(weights.pattern)[kept.astype(bool)], weights.shape)
    smaller.weights["W0"] = type(weights)(groups.labelled(pattern, weights.pattern.groups))
    fewer["W0"] = smaller.weights["W0"].from_values(weights.values(params["W0"])[kept.astype(bool)])
    np.testing.assert_allclose(model.forward(params, x)[0], smaller.forward(fewer, x)[0], rtol=0, atol=1e-6)


def test_under_dendritic_normalisation_growth_moves_every_weight_of_its_row():
    """n_i counts synapses, whatever their value: one more at 0 makes the row's weights n/(n + 1) of what they were."""
    before, after = ([[1, 1, 0, 0]], [[1, 1, 1, 0]])
    values, w = {0: [3.0, 4.0], 1: [3.0, 4.0, 0.0]}, []
    for k, mask in enumerate((before, after)):
        weights = ms.CsrWeights(ms.Pattern.from_mask(mask))
        w.append(ms.Dendritic().forward(weights, np.array(values[k]), np.ones((1, 1)))[0])
    np.testing.assert_allclose(w[1][:2], w[0] * 2 / 3)


@given(testing.patterns(), testing.choices(*RULES), testing.seeds())
def test_storages_pick_the_same_synapses_from_the_same_generator_state(pattern, name, seed):
    dense, csr = trained(pattern, "dense"), trained(pattern, "csr")
    links = dense[-1]
    events = []
    for network in (dense, csr):
        rule = RULES[name](fraction=0.5, parameters=("W0",))
        event = rewire(rule, (*network[:-1], links), np.random.default_rng(seed))
        events.append((event.pruned.tolist(), event.grown.tolist()))
    assert events[0] == events[1]


@settings(max_examples=60)
@given(
    testing.patterns(8, 9),
    testing.choices("RigL", "Hebbian", "CH3-L3n", "SET"),
    testing.choices("within", "between"),
    testing.generators(),
)
def test_a_scope_confines_growth(pattern, name, scope, rng):
    post, pre = np.arange(8) // 3, np.arange(9) % 3
    network = trained(pattern, "csr")
    share, settings = 0.9, {"scope": scope, "groups": {"W0": (post, pre)}, "parameters": ("W0",)}
    rule = ms.SET(share, regrow=False, **settings) if name == "SET" else RULES[name](fraction=share, **settings)
    mask, inside = pattern.mask(), post[:, None] == pre
    event = rewire(rule, network, rng)
    allowed = (inside if scope == "within" else ~inside) & ~mask
    wanted = round(share * pattern.nnz) if name == "SET" else math.floor(share * pattern.nnz)
    assert len(event.grown) == len(event.pruned) == min(wanted, allowed.sum())
    assert allowed[event.grown[:, 0], event.grown[:, 1]].all()


class Killed(Exception):
    pass


class Watch:
    """Counts what was rewired; stops the run at the start of an epoch if told to."""

    def __init__(self, stop_at=None):
        self.patterns, self.changed, self._stop_at = [], [], stop_at

    def __call__(self, run):
        if run.epoch == self._stop_at:
            raise Killed
        now = {name: set(evolve.flat_places(w.pattern).tolist()) for name, w in run.model.weights.items()}
        if self.patterns:
            self.changed.append({name: len(now[name] - self.patterns[-1][name]) for name in now})
        self.patterns.append(now)


RUN_RULES = {name: RULES[name] for name in RULES if "cosine" not in name} | {
    "SET": lambda fraction, **settings: ms.SET(fraction, **settings),
    "DeepRewiring": lambda **settings: ms.DeepRewiring(l1=1, noise=5, seed=3),
}


SETTINGS = [
    ("dense", "adam", "after_step"),
    ("csr", "momentum", "after_step"),
    ("csr", "adam", "after_epoch"),
    ("dense", "momentum", "after_epoch"),
]


def cases_of_runs():
    """Each rule with each kind of network in each setting; by default in one, and each kind in all."""
    for i, name in enumerate(RUN_RULES):
        for kind in ("MLP", "RNN"):
            for k, setting in enumerate(SETTINGS):
                by_default = k == (i + 2 * (kind == "RNN")) % len(SETTINGS)
                marks = () if by_default else pytest.mark.slow
                yield pytest.param(name, kind, *setting, marks=marks, id="-".join((name, kind, *setting)))


@pytest.mark.parametrize(("name", "kind", "storage", "optimiser", "when"), [*cases_of_runs()])
def test_runs_are_rewired_killed_and_resumed_bit_for_bit(name, kind, storage, optimiser, when, tmp_path):
    when = "after_step" if name == "DeepRewiring" else when

    def start(epochs, stop_at=None, **settings):
        rng = np.random.default_rng(0)
        if kind == "RNN":
            model = ms.RNN(6, ms.make_weights(ms.fixed_count(14, 14, 80, rng), storage), 3, "tanh")
        else:
            shapes = (ms.fixed_count(13, 24, 110, rng), ms.fixed_count(12, 13, 60, rng), ms.full(3, 12))
            model = ms.MLP([ms.make_weights(p, storage) for p in shapes])
        params, opt = model.init(rng, w_max=0.5), OPTIMISERS[optimiser]()
        rule, watch = RUN_RULES[name](fraction=0.2, every=3, unit="steps", decay="cosine", stop=0.9), Watch(stop_at)
        hooks = {"after_step": [rule, watch]} if when == "after_step" else {"after_step": [watch], when: [rule]}
        try:
            ms.fit(model, params, opt, toy(), epochs, np.random.default_rng(1), 10, quiet=True, **hooks, **settings)
        except Killed:
            return None
        return model, params, opt, rule, watch

    model, params, opt, rule, watch = start(8)
    for parameter in ("W_rec",) if kind == "RNN" else ("W0", "W1"):
        assert sum(found[parameter] >= 5 for found in watch.changed) >= 3
        assert len({len(found[parameter]) for found in watch.patterns}) == 1
    path = tmp_path / "run.npz"
    start(8, stop_at=4, checkpoint=path)
    again = start(8, checkpoint=path, resume=True)
    for key, value in params.items():
        np.testing.assert_array_equal(value, again[1][key])
    for key, value in opt.state.items():
        np.testing.assert_array_equal(value, again[2].state[key])
    assert rule.state.keys() == again[3].state.keys()
    for key, value in rule.state.items():
        np.testing.assert_array_equal(value, again[3].state[key])
    assert all(w.pattern == again[0].weights[key].pattern for key, w in model.weights.items())


@pytest.mark.parametrize("name", RUN_RULES)
def test_dales_signs_are_kept(name):
    rng = np.random.default_rng(0)
    signs = ms.dale_signs(14, 0.3, rng)
    model = ms.RNN(6, ms.make_weights(ms.fixed_count(14, 14, 80, rng)), 3, "tanh")
    params, dale = model.init(rng, w_max=0.5, signs=signs), ms.Dale(signs)
    rule = RUN_RULES[name](fraction=0.2, every=2, unit="steps")
    if name == "DeepRewiring":
        rule = ms.DeepRewiring(l1=0.02, noise=0.02, signs=signs)
    if name == "SET":
        rule.signs = signs
    hooks, found = [rule, dale], []
    hooks.append(lambda run: found.append(dale.violations(run.model, run.params)))
    start = model.weights["W_rec"].pattern
    ms.fit(model, params, ms.Adam(1e-2), toy(), 3, np.random.default_rng(1), 10, after_step=hooks, quiet=True)
    assert set(found) == {0}
    assert model.weights["W_rec"].pattern != start


def test_full_patterns_and_missing_links_and_groups():
    network = model, params, opt, _, links = trained(ms.fixed_count(5, 6, 12, np.random.default_rng(0)), "dense")
    rng, readout = np.random.default_rng(0), model.weights["W1"]
    for rule in (ms.RigL(), ms.CannistraciHebb(parameters=("W1",)), ms.DeepRewiring()):
        rule.rewire(model, params, opt, rng, links)
        assert model.weights["W1"] is readout
    with pytest.raises(ms.UserError, match=r"RigL needs the gradient at W0's vacant places; pass links=cache.links"):
        ms.RigL().rewire(model, params, opt, rng)
    with pytest.raises(ms.UserError, match="Hebbian has seen no activity of W0; hang it on after_step, or call"):
        ms.Hebbian(fraction=0.5).rewire(model, params, opt, rng)
    with pytest.raises(ms.UserError, match=r"scope='within' needs groups\['W0'\] = \(post, pre\)"):
        rewire(ms.RigL(scope="within"), network, rng)
    with pytest.raises(ms.UserError, match=r"signs must be a column \(6, 1\) of \+1 and -1"):
        ms.DeepRewiring(signs=np.ones((5, 1))).align(model, params)


def test_a_rule_goes_on_when_fit_is_called_epoch_by_epoch():
    rng = np.random.default_rng(0)
    digits, rule = ms.load("digits"), ms.SET.from_density(0.2)
    model = ms.MLP([ms.make_weights(rule.pattern(20, 64, rng)), ms.make_weights(ms.full(10, 20))])
    params, opt = model.init(rng), ms.SGD()
    for _ in range(3):
        before = model.weights["W0"].pattern
        ms.fit(model, params, opt, digits, 1, rng, after_epoch=[rule], quiet=True)
        assert model.weights["W0"].pattern != before


def test_a_sparse_readout_is_wired_by_its_activity_and_not_by_the_gradient_of_the_loss():
    rng = np.random.default_rng(0)
    model = ms.MLP([ms.make_weights(ms.fixed_count(9, 12, 60, rng)), ms.make_weights(ms.fixed_count(4, 9, 20, rng))])
    params = model.init(rng, dtype=float)
    logits, cache = model.forward(params, rng.standard_normal((12, 50)))
    model.backward(ms.softmax_cross_entropy(logits, rng.integers(0, 4, 50))[1], cache)
    rule = ms.Hebbian()
    rule.observe(model, cache.links)
    expected = np.corrcoef(np.concatenate([logits, cache.h[1]]))[:4, 4:]
    np.testing.assert_allclose(rule.correlation("W1")(slice(0, 4)), expected, rtol=0, atol=1e-10)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(places, "BLOCK", 11)


SCORES = np.array([[9.0, 5, 1, 7], [5, 5, 2, 9], [7, 5, np.nan, 3]])


def test_scores_choose_the_best_and_ties_go_by_a_seeded_random_order():
    counts = np.zeros((3, 4))
    for seed in range(2000):
        found = places.highest(
            (3, 4), 4, lambda rows: SCORES[rows], lambda rows: SCORES[rows] != 9, np.random.default_rng(seed)
        )
        assert found.tolist() == sorted(found.tolist())
        counts.ravel()[found] += 1
    assert counts[SCORES == 7].tolist() == [2000, 2000]
    assert counts[(SCORES == 9) | (SCORES < 5)].sum() == 0
    assert np.abs(counts[SCORES == 5] - 1000).max() < 5 * (2000 / 4) ** 0.5
    nan = np.full((3, 4), np.nan)
    everywhere = lambda rows: np.ones((rows.stop - rows.start, 4), bool)  # noqa: E731
    assert places.highest((3, 4), 5, lambda rows: nan[rows], everywhere, np.random.default_rng(0)).size == 5
    assert places.highest((3, 4), 5, lambda rows: nan[rows], everywhere, np.random.RandomState(0)).size == 5


class Own(evolve.Rule):
    """A user's rule: the last synapses go, and places come by a matrix of scores."""

    def prune_score(self, site):
        return -np.arange(site.values.size)

    def growth_score(self, site, keep):
        return np.arange(site.weights.shape[0] * site.weights.shape[1]).reshape(site.weights.shape)


def test_a_rule_of_ones_own_is_a_score_or_two():
    pattern = ms.Pattern.from_mask(np.eye(3, 5))
    model, params, opt, _, _ = trained(pattern, "csr")
    schedule = evolve.Schedule(0.4)
    assert Own(schedule).scores(model, params)["W0"].shape == (3, 5)
    event = Own(schedule).rewire(model, params, opt, 0)["W0"]
    assert event.pruned.tolist() == [[2, 2]]
    assert event.grown.tolist() == [[2, 4]]
    event = evolve.Rule(schedule).rewire(model, params, opt, 0)["W0"]  # at random
    assert len(event.grown) == 1
    assert model.weights["W0"].nnz == 3
    with pytest.raises(ms.UserError, match="Rule has no growth_score: it grows anywhere"):
        evolve.Rule(schedule).scores(model, params)
    Own.growth_score = lambda self, site, keep: np.zeros((2, 2))
    with pytest.raises(ms.UserError, match=r"must return a matrix \(post, pre\) = \(3, 5\) for W0, got shape \(2, 2\)"):
        Own(schedule).rewire(model, params, opt, 0)


def test_a_model_whose_cache_has_no_links_is_rewired_too():
    model, params, opt, _, _ = trained(ms.Pattern.from_mask(np.eye(3, 5)), "csr")
    run = ms.protocols.Run(model, params, opt, np.random.default_rng(0), epoch=1, epochs=1, steps=1, cache=object())
    evolve.Rule(evolve.Schedule(0.4, decay=None, stop=1.0))(run)
    assert model.weights["W0"].pattern.indices.tolist() != [0, 1, 2]
