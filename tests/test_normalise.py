"""From raw parameter to weight and back: every rule against differences, automatic differentiation and symbols."""

import contextlib
import io
import runpy
import sys
import warnings
from pathlib import Path

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import sympy
from hypothesis import given, settings

import minisparse as ms
from minisparse import testing
from minisparse.groups import labelled

ROOT = Path(__file__).parent.parent
RULES = {
    "dendritic": ms.Dendritic("matched"),
    "dendritic, a scale for each neuron": ms.Dendritic("matched", shared=False),
    "joint": ms.Joint("matched"),
    "p = 0, variable": ms.LpVariable(0, "matched"),
    "weight norm": ms.WeightNorm(),
    **{f"p = {p}": ms.LpConstant(p, "matched") for p in (1, 2, 3, 4, 5, 2.5)},
    **{f"p = {p}, variable": ms.LpVariable(p, "matched") for p in (1, 3, 4, 5)},
}
SCALE_INVARIANT = [name for name, rule in RULES.items() if "dendritic" not in name and "p = 0" not in name]


def size(name, v, mask):
    """The size of each row as a user of automatic differentiation would write it."""
    n = np.maximum(mask.sum(axis=1, keepdims=True), 1)
    if "dendritic" in name or "p = 0" in name:
        return n + 0 * v[:, :1]
    p = 2 if name in ("joint", "weight norm") else float(name.split()[2].rstrip(","))
    norm = anp.sum(anp.where(mask, anp.abs(anp.where(mask, v, 1.0)) ** p, 0.0), axis=1, keepdims=True) ** (1 / p)
    return norm * n if name == "joint" else norm


def weight(name, v, scale, mask):
    rows = mask.any(axis=1, keepdims=True)
    return anp.where(rows, scale * anp.where(mask, v, 0.0) / anp.where(rows, size(name, v, mask), 1.0), 0.0)


def agree(found, expected):
    scale = np.abs(expected).max(initial=0)
    assert np.abs(found - expected).max(initial=0) <= 1e-10 * max(scale, 1e-3)


@pytest.fixture(autouse=True)
def _quiet_autograd():
    """autograd divides by zero on its way to a right answer."""
    with np.errstate(all="ignore"):
        yield


def away_from_0(values):
    return values + np.copysign(0.1, values)


@pytest.mark.parametrize("name", RULES)
def test_each_rule_and_its_way_back_agree_with_automatic_differentiation(name):
    rule = RULES[name]

    @settings(max_examples=20)
    @given(testing.weights(), testing.generators())
    def holds(weights, rng):
        mask = weights.pattern.mask()
        matrix = away_from_0(rng.standard_normal(mask.shape)) * mask
        v = weights.pack(matrix)
        key, shape = rule.extras[0], (1, 1) if rule.shared else (len(mask), 1)
        scale, dw = rng.uniform(0.5, 3, shape) * rng.choice([-1.0, 1.0], shape), rng.standard_normal(mask.shape) * mask
        w, cache = rule.forward(weights, v, scale)
        agree(weights.unpack(w), weight(name, matrix, scale, mask))
        grads = rule.backward(weights.pack(dw), cache)
        oracle = autograd.grad(lambda v, c: anp.sum(dw * weight(name, v, c, mask)), argnum=[0, 1])(matrix, scale)
        agree(weights.unpack(grads["v"]), oracle[0] * mask)
        agree(grads[key], oracle[1])
        assert (grads["v"].shape, grads[key].shape) == (v.shape, shape)
        off = weights.unpack(grads["v"])[~mask]
        assert not off.any()
        assert not np.signbit(off).any()

    holds()


@pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_back_propagation_through_time_through_any_rule(examples):
    settings(max_examples=examples)(given(testing.networks(), testing.choices(*RULES))(passes_the_check))()


def passes_the_check(network, name):
    plain = network.model
    model = ms.RNN(plain.n_in, plain.weights["W_rec"], plain.n_out, plain.activation, RULES[name], len(plain.biases))
    params = {**network.params, "W_rec": away_from_0(network.params["W_rec"])}
    params["W_rec"] = model.weights["W_rec"].pack(model.weights["W_rec"].unpack(params["W_rec"]))
    extras = model.normalise.init(model.weights["W_rec"], params["W_rec"])
    params |= {f"{key}_rec": 0.7 * value for key, value in extras.items()}
    report = ms.check(model, params, network.x, network.labels)
    assert report.codes in ((), ("unjudged",)), str(report)


def in_two(*shape):
    """Labels of two groups, whatever the synapses, so that every storage takes the pattern."""
    return [np.arange(n) % 2 for n in shape]


@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_a_feedforward_network_through_any_rule(examples):
    drawn = testing.sizes(5), testing.choices(*RULES), testing.choices(False, True), testing.storages()
    settings(max_examples=examples)(given(*drawn, testing.generators())(a_feedforward_network_passes))()


def a_feedforward_network_passes(shape, name, shared, storage, rng):
    n_in, first, second, classes, batch = shape
    layers = [
        ms.make_weights(labelled(ms.Pattern.from_mask(rng.random((post, pre)) < 0.7), in_two(post, pre)), storage)
        for post, pre in ((first, n_in), (second, first))
    ]
    readout = ms.make_weights(ms.full(classes, second))
    activation = ["sigmoid", "tanh", "relu"][rng.integers(3)]
    model = ms.MLP([*layers, readout], activation, RULES[name], shared_scale=shared)
    params = model.init(rng, dtype=np.float64)
    for k, weights in enumerate(layers):
        params[f"W{k}"] = weights.pack(away_from_0(weights.unpack(params[f"W{k}"])))
    report = ms.check(model, params, rng.standard_normal((n_in, batch)), rng.integers(0, classes, batch))
    assert report.codes in ((), ("unjudged",)), str(report)
    assert list(params) == list(model.backward(*_forward(model, params, n_in, batch)))


SLOPES = {"relu": lambda a: anp.maximum(a, 0), "tanh": anp.tanh, "sigmoid": lambda a: 1 / (1 + anp.exp(-a))}


def effective(model, name, rule, layer, params):
    """The full effective weight of a layer, as a user of automatic differentiation would write it."""
    mask = model.weights[layer].pattern.mask()
    scales = [params[key] for key in params if key[0] in "sg" and key[1:] in (f"_{layer[2:]}", layer[1:])]
    return weight(name, params[layer], scales[0], mask) if scales else anp.where(mask, params[layer], 0.0)


def unpacked(model, tensors):
    full = {key: model.weights[key].unpack(value) if key in model.weights else value for key, value in tensors.items()}
    return {key: np.array(value) for key, value in full.items()}


def models_agree(model, name, params, x, predict, rng):
    logits, cache = model.forward(params, x)
    dy = rng.standard_normal(logits.shape)
    grads = unpacked(model, model.backward(dy, cache, wrt_x=True))
    given_values = {**unpacked(model, params), "x": x}
    agree(logits, predict(given_values))
    oracle = autograd.grad(lambda values: anp.sum(dy * predict(values)))(given_values)
    for key in grads:
        scale = np.abs(oracle[key]).max(initial=0) + 1e-8 * abs((dy * logits).sum())
        assert np.abs(grads[key] - oracle[key]).max(initial=0) <= 1e-10 * max(scale, 1e-12), key


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_whole_networks_agree_with_automatic_differentiation_through_every_rule(name, storage):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        activation = ["tanh", "sigmoid"][seed % 2]
        phi = SLOPES[activation]

        def layer(post, pre, rng=rng):
            return ms.make_weights(ms.Pattern.from_mask(rng.random((post, pre)) < 0.6), storage)

        mlp = ms.MLP([layer(7, 6), layer(5, 7), ms.make_weights(ms.full(4, 5))], activation, RULES[name])
        params = mlp.init(rng, dtype=np.float64)

        def feedforward(p, mlp=mlp, phi=phi):
            h = p["x"]
            for k in range(2):
                h = phi(anp.dot(effective(mlp, name, RULES[name], f"W{k}", p), h) + p[f"b{k}"])
            return anp.dot(p["W2"], h) + p["b2"]

        models_agree(mlp, name, params, rng.standard_normal((6, 3)), feedforward, rng)

        rnn = ms.RNN(2, layer(7, 7), 4, activation, RULES[name])
        params = rnn.init(rng, dtype=np.float64, w_max=1.0)

        def recurrent(p, rnn=rnn, phi=phi):
            w, h = effective(rnn, name, RULES[name], "W_rec", p), anp.zeros((7, 3))
            for t in range(5):
                h = phi(anp.dot(p["W_in"], p["x"][t]) + anp.dot(w, h) + p["b_in"] + p["b_rec"])
            return anp.dot(p["W_out"], h) + p["b_out"]

        models_agree(rnn, name, params, rng.standard_normal((5, 2, 3)), recurrent, rng)


def _forward(model, params, n_in, batch):
    logits, cache = model.forward(params, np.ones((n_in, batch)))
    return logits, cache


@given(testing.weights(), testing.choices(*RULES), testing.generators())
def test_the_pencil_checks_hold(weights, name, rng):
    rule, mask = RULES[name], weights.pattern.mask()
    v = weights.pack(away_from_0(rng.standard_normal(mask.shape)) * mask)
    scale = rng.uniform(0.5, 3, (1, 1) if rule.shared else (len(mask), 1))
    G = weights.pack(rng.standard_normal(mask.shape) * mask)
    w, cache = rule.forward(weights, v, scale)
    grads = rule.backward(G, cache)
    across, along = weights.row_sum(v * grads["v"]), weights.row_sum(w * G)
    size = np.abs(along).max() + 1e-9
    if name in SCALE_INVARIANT:
        assert np.abs(across).max() <= 1e-10 * size
    else:
        assert np.abs(across - along).max() <= 1e-10 * size
    dscale = grads[rule.extras[0]]
    expected = along.sum() if rule.shared else along
    assert np.abs(scale * dscale - expected).max() <= 1e-10 * size


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_a_neuron_without_synapses_has_weight_0_and_no_gradient(name, storage):
    mask = np.array([[1, 1, 0], [0, 0, 0]], dtype=bool)
    weights, rule = ms.make_weights(ms.Pattern.from_mask(mask), storage), RULES[name]
    v = weights.pack(np.ones((2, 3)) * mask)
    scale = rule.init(weights, v)[rule.extras[0]]
    w, cache = rule.forward(weights, v, scale)
    grads = rule.backward(weights.pack(mask * 1.0), cache)
    for packed in (w, grads["v"]):
        assert weights.unpack(packed)[1].tolist() == [0, 0, 0]
        assert np.isfinite(packed).all()
    assert np.isfinite(grads[rule.extras[0]]).all()


@pytest.mark.parametrize("name", RULES)
def test_the_initial_scale_is_25_or_leaves_the_weights_as_drawn(name):
    rng = np.random.default_rng(0)
    weights = ms.make_weights(ms.fixed_count(30, 40, 240, rng))
    v = weights.from_values(rng.standard_normal(240))
    matched, paper = RULES[name], None
    for init_scale in ("paper", "matched"):
        rule = type(matched).__new__(type(matched))
        rule.__dict__.update(matched.__dict__, init_scale=init_scale)
        scale = rule.init(weights, v)[rule.extras[0]]
        assert scale.shape == ((1, 1) if rule.shared else (30, 1))
        w, _ = rule.forward(weights, v, scale)
        paper = (scale == 25).all() if init_scale == "paper" else paper
    assert paper
    assert np.std(weights.values(w)) == pytest.approx(np.std(weights.values(v)), rel=0.15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_dtypes_are_kept(name, dtype, storage):
    rng = np.random.default_rng(0)
    weights = ms.make_weights(ms.bernoulli(6, 5, 0.5, rng), storage)
    model = ms.MLP([weights, ms.make_weights(ms.full(3, 6))], "sigmoid", RULES[name])
    params = model.init(rng, dtype=dtype)
    logits, cache = model.forward(params, rng.standard_normal((5, 4)).astype(dtype))
    grads = model.backward(logits, cache, wrt_x=True)
    assert {value.dtype for value in (*params.values(), *grads.values(), logits)} == {np.dtype(dtype)}


def test_bad_rules_are_refused_in_one_sentence():
    for make, sentence in [
        (lambda: ms.LpConstant(0.5), "p must be at least 1, or 0 for the number of afferents, got 0.5"),
        (lambda: ms.Dendritic("huge"), "init_scale 'huge' is unknown; choose paper"),
        (lambda: ms.MLP([]), "an MLP needs a list of its layers' weights, at least those of the readout"),
        (lambda: ms.MLP([ms.make_weights(ms.full(3, 4)), ms.make_weights(ms.full(2, 5))]), "layer 1 expects 5 inputs"),
        (lambda: ms.MLP([ms.make_weights(ms.full(3, 4))], normalise=[ms.Plain()]), "normalise must be one rule"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            make()
    weights = ms.make_weights(ms.full(2, 3))
    with pytest.raises(ms.UserError, match=r"the scale of Dendritic must be a column \(1, 1\), got shape \(1,\)"):
        ms.Dendritic().forward(weights, np.ones((2, 3)), np.ones(1))


# The equations as printed stand in the chapter, beside their LaTeX.


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    """What a smoke run of the chapter knows, its folder, and what it prints."""
    out, printed = tmp_path_factory.mktemp("equations"), io.StringIO()
    argv, hook, form = sys.argv, sys.excepthook, warnings.formatwarning
    sys.argv = ["equations.py", "--smoke", "--out", str(out)]
    try:
        with contextlib.redirect_stdout(printed):
            known = runpy.run_path(str(ROOT / "chapters" / "equations.py"))
        return {**known, "out": out, "printed": printed.getvalue()}
    finally:
        sys.argv, sys.excepthook, warnings.formatwarning = argv, hook, form


COINCIDES = {
    ("Eq 2", "v"): "everywhere",
    ("Eq 2", "s"): "everywhere",
    ("Eq 4", "v"): ["scale n"],
    ("Eq 4", "g"): ["scale 1", "all v > 0, scale 1"],
    ("Eq 4, exact dg", "v"): [],
    ("Eq 4, exact dg", "g"): "everywhere",
    **{(f"Eq 5, p = {p}", "s"): "everywhere" for p in range(1, 6)},
    **{(f"Eq 5, p = {p}", "v"): "everywhere" for p in (2, 4)},
    **{(f"Eq 5, p = {p}", "v"): ["all v > 0", "all v > 0, scale 1"] for p in (1, 3, 5)},
    **{(f"Eq 6, p = {p}", "g"): ["scale 1", "all v > 0, scale 1"] for p in range(1, 6)},
    **{(f"Eq 6, p = {p}", "v"): ["scale 1", "all v > 0, scale 1"] for p in (2, 4)},
    **{(f"Eq 6, p = {p}", "v"): ["all v > 0, scale 1"] for p in (1, 3, 5)},
    ("Eq 6, p = 2, exact dg", "v"): "everywhere",
    ("Eq 6, p = 2, exact dg", "g"): "everywhere",
    ("Eq 6, p = 3, exact dg", "v"): ["all v > 0", "all v > 0, scale 1"],
    ("Eq 6, p = 3, exact dg", "g"): "everywhere",
}


def test_the_printed_forms_fail_and_coincide_just_where_the_chapter_says(chapter):
    table = {(row["equation"], row["gradient"]): row for row in chapter["rows"] if row["part"] == "errors"}
    assert set(table) == set(COINCIDES)
    for key, row in table.items():
        assert row["exact"] <= 1e-6, key
        for setting in chapter["SETTINGS"]:
            if COINCIDES[key] == "everywhere" or setting in COINCIDES[key]:
                assert row[setting] <= 1e-6, (key, setting)
            else:
                assert row[setting] > 1e-2, (key, setting)


def test_the_chapter_writes_its_table_and_figure(chapter):
    written = {path.name for path in chapter["out"].iterdir() if not path.name.startswith(".")}
    assert written == {"equations.png", "equations.svg", "rows.jsonl"}
    assert "exact    dg = 1.1, dv = [-0.32  0.24]" in chapter["printed"]
    assert "printed  dg = 11, dv = [-5.6 -6.8]" in chapter["printed"]


def test_the_check_names_each_misprint(chapter):
    found = {(row["equation"], row["tensor"]): row["code"] for row in chapter["rows"] if row["part"] == "findings"}
    assert found == {
        ("Eq 4", "v"): "along",
        ("Eq 4", "g"): "factor",
        ("Eq 5, p = 3", "v"): "confined",
        ("Eq 6, p = 2", "v"): "along",
        ("Eq 6, p = 2", "g"): "factor",
    }


def symbolic(rule_size, p_or_n):
    """w = c v / size(v) for two synapses, its exact gradients, and the symbols."""
    v, G = sympy.symbols("v1 v2", real=True, nonzero=True), sympy.symbols("G1 G2", real=True)
    c = sympy.Symbol("c", positive=True)
    z = rule_size(v, p_or_n)
    f = sum(g * c * x / z for g, x in zip(G, v, strict=True))
    return v, G, c, [sympy.diff(f, x) for x in v], sympy.diff(f, c)


def as_terms(*values):
    return np.array([values], dtype=object)


def p_norm(v, p):
    return sum(sympy.Abs(x) ** p for x in v) ** sympy.Rational(1, p)


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5])
def test_symbols_prove_the_factor_g_of_eq_6_and_the_sign_of_eq_5(p, chapter):
    v, G, c, dv, dc = symbolic(p_norm, p)
    length = p_norm(v, p)
    printed_dg = c / length * sum(g * x for g, x in zip(G, v, strict=True))
    assert sympy.simplify(printed_dg / dc - c) == 0
    for k, x in enumerate(v):
        across = sum(g * y for g, y in zip(G, v, strict=True))
        printed = c / length * (G[k] - across / length**p * x ** (p - 1))
        signed = c / length * (G[k] - across / length**p * sympy.sign(x) * sympy.Abs(x) ** (p - 1))
        for signs in ((1, 1), (1, -1), (-1, -1)):
            values = {v[0]: signs[0] * sympy.Rational(3, 4), v[1]: signs[1] * sympy.Rational(5, 7)}
            exact = sympy.simplify(dv[k].subs(values) - signed.subs(values))
            assert exact == 0
            same = sympy.simplify(dv[k].subs(values) - printed.subs(values)) == 0
            assert same == (p % 2 == 0 or signs[k] > 0)


def test_symbols_prove_the_factors_of_eq_4():
    n = sympy.Symbol("n", positive=True)
    v, G, g, dv, dg = symbolic(lambda v, n: n * p_norm(v, 2), n)
    length, across = p_norm(v, 2), sum(a * b for a, b in zip(G, v, strict=True))
    printed_dg = g / (n * length) * across
    assert sympy.simplify(printed_dg / dg - g) == 0
    for k, x in enumerate(v):
        right_term = sympy.simplify(g / (n * length) * G[k] - dv[k])
        printed = g / (n * length) * (G[k] - printed_dg / length * x)
        printed_term = g / (n * length) * G[k] - printed
        assert sympy.simplify(printed_term / right_term - g / n) == 0
        with_exact_dg = g / (n * length) * dg / length * x
        assert sympy.simplify(with_exact_dg / right_term - 1 / n) == 0


def test_the_scale_gradient_is_a_sum_of_products_and_no_matrix_product():
    rng = np.random.default_rng(0)
    model = ms.RNN(
        2, ms.make_weights(ms.bernoulli(7, 7, 0.5, rng), "dense"), 4, "tanh", normalise=ms.Dendritic("matched")
    )
    params, x = model.init(rng, dtype=float, w_max=1.0), rng.standard_normal((5, 2, 3))
    functions = ms.pair(model, params, x)
    ms.check_pair(**functions).assert_ok()

    def matrix_product(dy, cache):
        grads = functions["backward"](dy, cache)
        wrong = (params["W_rec"] @ grads["W_rec"].T).sum() / params["s_rec"]
        return {**grads, "s_rec": wrong}

    right = functions["backward"](*_one_call(functions))
    assert right["s_rec"].shape == (1, 1)
    np.testing.assert_allclose(right["s_rec"], (params["W_rec"] * right["W_rec"]).sum() / params["s_rec"])
    report = ms.check_pair(functions["forward"], matrix_product, functions["inputs"], support=functions["support"])
    assert {finding.tensor for finding in report.findings} == {"s_rec"}


def _one_call(functions):
    y, cache = functions["forward"](**functions["inputs"])
    return np.random.default_rng(0).standard_normal(y.shape), cache


def test_a_rule_of_ones_own_needs_a_size():
    weights = ms.DenseWeights(ms.full(1, 2))
    with pytest.raises(NotImplementedError, match=r"Scaled needs a method size\(weights, v\)"):
        ms.normalise.Scaled().init(weights, np.ones((1, 2)))
