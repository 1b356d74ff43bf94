"""What each rule grows by, against its definition: gradients, correlations, paths; and the signs of deep rewiring."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

import minisparse as ms
from minisparse import evolve, testing
from minisparse.evolve import places, topology


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(places, "BLOCK", 11)


def whole(score, shape):
    """Put the blocks of a score together."""
    return np.concatenate([score(rows) for rows in places.row_blocks(shape)])


def loss(model, params, x, labels):
    return ms.softmax_cross_entropy(model.forward(params, x)[0], labels)[0]


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


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("kind", ["MLP", "RNN"])
def test_rigl_grows_the_top_of_a_finite_difference_gradient(kind, storage):
    """The vacant places are filled with 0 in a fuller network, and each is moved in turn."""
    rng = np.random.default_rng(2)
    n_post, n_pre = (7, 7) if kind == "RNN" else (5, 8)
    name, pattern = ("W_rec" if kind == "RNN" else "W0"), ms.fixed_count(n_post, n_pre, 18, rng)

    def network(pattern):
        if kind == "RNN":
            return ms.RNN(3, ms.make_weights(pattern, storage), 4, "tanh")
        return ms.MLP([ms.make_weights(pattern, storage), ms.make_weights(ms.full(4, n_post))], "tanh")

    model = network(pattern)
    params = model.init(rng, dtype=np.float64, w_max=0.6)
    x = rng.standard_normal((5, 3, 6) if kind == "RNN" else (n_pre, 6))
    labels = rng.integers(0, 4, 6)
    logits, cache = model.forward(params, x)
    model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache)

    fuller = network(ms.full(n_post, n_pre))
    matrix, numeric = model.weights[name].unpack(params[name]), np.zeros((n_post, n_pre))
    for place in np.ndindex(n_post, n_pre):
        ends = []
        for step in (1e-5, -1e-5):
            moved = matrix.copy()
            moved[place] += step
            ends.append(loss(fuller, params | {name: fuller.weights[name].pack(moved)}, x, labels))
        numeric[place] = (ends[0] - ends[1]) / 2e-5

    event = ms.RigL(0.4, parameters=(name,)).rewire(model, params, ms.SGD(), rng, cache.links)[name]
    numeric[pattern.mask()] = 0
    best = np.sort(np.argsort(-np.abs(numeric).ravel())[:7])
    assert (event.grown @ [n_pre, 1]).tolist() == best.tolist()


@given(testing.sizes(3, distinct=False), testing.choices("pearson", "cosine"), testing.generators())
def test_c_is_the_correlation_of_the_last_batches(sizes, score, rng):
    n_pre, n_post, batch = sizes
    rule = ms.Hebbian(score, batches=3)
    model = ms.MLP([ms.make_weights(ms.fixed_count(n_post + 1, n_pre + 1, 1, rng))])
    seen = []
    for k in range(5):
        pre, post = rng.standard_normal((n_pre + 1, batch + k)), rng.standard_normal((n_post + 1, batch + k)) + 3
        pre[0], post[0] = 0.1, 0.3
        seen.append((pre, post))
        rule.observe(model, {"W0": (pre, post, None)})
    a, h = (np.concatenate([pair[side] for pair in seen[-3:]], axis=1) for side in (0, 1))
    found = whole(rule.correlation("W0"), (n_post + 1, n_pre + 1))
    assert np.abs(found).max() <= 1
    if score == "pearson":
        with np.errstate(invalid="ignore"):
            expected = np.corrcoef(h[1:], a[1:])[:n_post, n_post:]
        assert (found[0] == 0).all()
        assert (found[:, 0] == 0).all()
    else:
        expected = (h @ a.T / np.linalg.norm(h, axis=1)[:, None] / np.linalg.norm(a, axis=1))[1:, 1:]
    np.testing.assert_allclose(found[1:, 1:], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_units_correlate_with_none_in_every_dtype_and_form(dtype):
    rng = np.random.default_rng(0)
    model = ms.RNN(1, ms.make_weights(ms.bernoulli(3, 3, 0.5, rng)), 1)
    stack = rng.standard_normal((4, 3, 5)).astype(dtype)
    stack[:, 1] = dtype(0.1)
    for rule in (ms.Hebbian(), ms.Hebbian(ema=0.9)):
        rule.observe(model, {"W_rec": (stack, 2 * stack, None)})
        found = rule.correlation("W_rec")(slice(0, 3))
        assert (found[1] == 0).all()
        assert (found[:, 1] == 0).all()
        flat = np.moveaxis(stack, 1, 0).reshape(3, -1)[[0, 2]]
        np.testing.assert_allclose(found[np.ix_([0, 2], [0, 2])], np.corrcoef(flat), atol=1e-6)


@pytest.mark.parametrize("score", ["pearson", "cosine"])
def test_running_moments_converge_to_the_batch_form(score):
    rng = np.random.default_rng(1)
    mix, model = rng.standard_normal((4, 3)), ms.MLP([ms.make_weights(ms.bernoulli(4, 3, 0.5, rng))])
    running, batch = ms.Hebbian(score, ema=0.995), ms.Hebbian(score, batches=3000)
    first = ms.Hebbian(score, ema=0.995)
    for k in range(3000):
        pre = rng.standard_normal((3, 20)) + np.array([[0.0], [2], [-1]])
        post = np.maximum(mix @ pre + rng.standard_normal((4, 20)), 0)
        links = {"W0": (pre, post, None)}
        running.observe(model, links)
        if k == 0:
            first.observe(model, links)
            batch.observe(model, links)
            one = whole(batch.correlation("W0"), (4, 3))
            np.testing.assert_allclose(whole(first.correlation("W0"), (4, 3)), one, atol=1e-10)
        batch.state[f"pre{k}.W0"], batch.state[f"post{k}.W0"] = pre, post
    last, all_of_them = (whole(rule.correlation("W0"), (4, 3)) for rule in (running, batch))
    assert np.abs(last - all_of_them).max() < 0.05


def test_the_lowest_correlations_are_pruned_if_asked_for():
    rng = np.random.default_rng(3)
    model = ms.MLP([ms.make_weights(ms.fixed_count(6, 9, 30, rng)), ms.make_weights(ms.full(2, 6))], "tanh")
    params, rule = model.init(rng, dtype=np.float64), ms.Hebbian(prune="correlation", fraction=0.3)
    logits, cache = model.forward(params, rng.standard_normal((9, 25)))
    model.backward(logits, cache)
    rule.observe(model, cache.links)
    pattern, c = model.weights["W0"].pattern, np.corrcoef(cache.links["W0"][1], cache.links["W0"][0])[:6, 6:]
    event = rule.rewire(model, params, ms.SGD(), rng)["W0"]
    order = np.argsort(c[pattern.rows, pattern.indices])[:9]
    assert event.pruned.tolist() == np.stack([pattern.rows, pattern.indices], axis=1)[np.sort(order)].tolist()
    vacant = np.where(pattern.mask(), -2, c)
    assert (event.grown @ [9, 1]).tolist() == np.sort(np.argsort(-vacant.ravel())[:9]).tolist()


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
