"""Every entry has its own error bar: right gradients never fail, and one wrong entry never passes as agreeing."""

from collections import Counter

import numpy as np
import pytest
from helpers import functions

import minisparse as ms
from minisparse.gradcheck.comparison import compare
from minisparse.gradcheck.probe import Probe
from minisparse.gradcheck.slopes import Line

SEED = 20261128
SMOOTH, EDGES, KINKS = ("sin", "exp", "tanh", "square", "cube"), ("log", "sqrt", "reciprocal"), ("abs", "relu", "sin")
KINDS = ("smooth", "wide", "edges", "kinks", "float32", "float16", "softmax", "polynomial")
TOLD = [kind for kind in KINDS if kind not in ("kinks", "float16")]


def drawn(kind, rng):
    """Return a random function of a kind with its right gradient: forward, backward, inputs."""
    return {"softmax": softmax, "polynomial": polynomial}.get(kind, lambda rng: sums(kind, rng))(rng)


def sums(kind, rng):
    """Sums of primitives of single entries, times constants over up to twelve orders of magnitude."""
    x = rng.standard_normal(rng.integers(1, 6))
    if kind in ("wide", "edges"):
        x = x * 10.0 ** rng.uniform(-6, 6, x.size)
    names = {"edges": EDGES, "kinks": KINKS}.get(kind, SMOOTH)
    outputs, plan, spread = int(rng.integers(1, 5)), [], 6 if kind == "wide" else 1
    for j in range(outputs):
        for _ in range(rng.integers(1, 5)):
            i, name = int(rng.integers(x.size)), str(rng.choice(names))
            scale, shift = 10.0 ** rng.uniform(-2, 0.5) / abs(x[i]), 0.0
            if name in EDGES:  # the argument is positive, and the edge at a relative distance of 1e-6 to 1
                shift = -scale * x[i] * (1 - np.sign(x[i]) * 10.0 ** rng.uniform(-6, 0))
            if name in ("abs", "relu"):
                shift = -scale * x[i] * (1 - rng.choice([-1, 1]) * 10.0 ** rng.uniform(-9, 0))
            plan.append((j, i, name, scale, shift, rng.choice([-1, 1]) * 10.0 ** rng.uniform(-spread, spread)))
    return *functions.summed(plan, x.size, outputs, kind if kind.startswith("float") else None), {"x": x}


def softmax(rng):
    """Cross-entropy of the softmax of a product, whose features have very different sizes."""
    n, d, k = (int(rng.integers(2, 5)) for _ in range(3))
    labels, hot = rng.integers(0, k, n), np.eye(k)
    X = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-6, 6, d)
    W = rng.standard_normal((d, k)) / np.abs(X).max(axis=0)[:, None] * 10.0 ** rng.uniform(-2, 1)

    def forward(W, X):
        z = X @ W
        z = z - z.real.max(axis=1, keepdims=True)
        e = np.exp(z)
        return np.log(e.sum(axis=1)) - z[np.arange(n), labels], (W, X, (e / e.sum(axis=1, keepdims=True)).real)

    def backward(dy, cache):
        W, X, p = cache
        dz = (p - hot[labels]) * dy[:, None]
        return {"W": X.T @ dz, "X": dz @ W.T}

    return forward, backward, {"W": W, "X": X}


def polynomial(rng):
    """Least squares on the powers of a variable, from 1 to 10^8."""
    V, target = np.vander(np.linspace(0, 20, 9), 7), rng.standard_normal(9)
    w = rng.standard_normal(7) / np.abs(V).max(axis=0) ** rng.integers(0, 2)
    return lambda w: (((V @ w - target) ** 2).sum(), w), lambda dy, w: {"w": 2 * dy * V.T @ (V @ w - target)}, {"w": w}


def run(draws, show=False):
    """Check right gradients, and one entry wrong by a tenth or its sign; count the verdicts by kind."""
    right, wrong = Counter(), Counter()
    for draw in range(draws):
        kind, rng = KINDS[draw % len(KINDS)], np.random.default_rng([SEED, draw])
        forward, backward, inputs = drawn(kind, rng)
        with np.errstate(all="ignore"):
            report = compare(forward, backward, inputs, seed=draw).report
            for row in report.rows:
                right.update((kind, entry.verdict) for entry in row.entries)
            probe = Probe(forward, inputs, draw)
            grads = backward(probe.dy, probe.cache)
            name = str(rng.choice(list(grads)))
            place = tuple(int(rng.integers(size)) for size in grads[name].shape)
            exact = float(grads[name][place])
            fault = float(rng.choice([1.1, 0.9, -1.0]))
            if exact and np.isfinite(exact):
                wrong[kind, Line(probe, name, place).judge(fault * exact).verdict] += 1
    return right, wrong


def share(counts, verdict, kinds):
    total = sum(count for (kind, _), count in counts.items() if kind in kinds)
    return sum(counts[kind, verdict] for kind in kinds) / total


@pytest.mark.parametrize("draws", [400, pytest.param(16_000, marks=pytest.mark.slow)])
def test_right_gradients_never_fail_and_a_wrong_entry_never_agrees(draws):
    right, wrong = run(draws)
    print(dict(right), dict(wrong))
    assert share(right, "disagrees", [kind for kind in KINDS if kind != "float16"]) == 0
    assert share(right, "disagrees", ["float16"]) <= 1e-3, "a saturated function in half precision looks flat"
    assert share(right, "agrees", TOLD) >= 0.95
    assert share(wrong, "agrees", TOLD) == 0
    assert share(wrong, "not told", TOLD) <= 0.05
    assert share(wrong, "agrees", ["kinks"]) == 0


def test_a_small_entry_of_the_wrong_sign_is_seen_next_to_a_large_one():
    def forward(w):
        return 1e4 * w[0] ** 2 + 1e-3 * w[1] ** 2, w

    wrong = ms.check_pair(forward, lambda dy, w: {"w": dy * np.array([2e4 * w[0], -2e-3 * w[1]])}, {"w": np.ones(2)})
    assert not wrong.ok
    assert [entry.verdict for entry in wrong.rows[0].entries] == ["agrees", "disagrees"]
    assert wrong.rows[0].worst == (1,)
    assert wrong.codes == ("mismatch",), "nothing is explained that the other entries drown"
    ms.check_pair(forward, lambda dy, w: {"w": dy * np.array([2e4 * w[0], 2e-3 * w[1]])}, {"w": np.ones(2)}).assert_ok()


def test_an_entry_near_the_edge_of_the_domain_spoils_neither_itself_nor_the_others():
    report = ms.check_pair(
        lambda p: (-np.log(p).sum(), p), lambda dy, p: {"p": -dy / p}, {"p": np.array([1e-6, 0.3, 0.7])}
    )
    report.assert_ok()
    assert (report.rows[0].judged, report.rows[0].not_judged) == (3, 0)


def test_single_precision_inside_accuses_nobody():
    for seed in range(10):
        w = {"w": np.random.default_rng(seed).standard_normal(4)}
        report = ms.check_pair(
            lambda w: (1.1 * w.astype("f4").astype(float) ** 2, w), lambda dy, w: {"w": 2.2 * dy * w}, w
        )
        report.assert_ok()
        assert not ms.check_pair(
            lambda w: (1.1 * w.astype("f4").astype(float) ** 2, w), lambda dy, w: {"w": 2.0 * dy * w}, w
        ).ok


def test_a_complex_step_tells_what_rounding_hides():
    """A slope of 1e-15 beside outputs of size 1: no difference can see it, and rounding in backward may be as large."""

    def forward(w):
        return np.array([1.0 + 1e-15 * np.sin(w[0])]), w

    told = (1.0, "agrees", "complex step"), (1.1, "not told", "precision"), (1e4, "disagrees", "complex step")
    for factor, *verdict in told:
        found = ms.gradcheck.compare(
            forward,
            lambda dy, w, factor=factor: {"w": factor * dy * np.array([1e-15 * np.cos(w[0])])},
            {"w": np.array([0.3])},
        ).report.rows[0]
        assert [[entry.verdict, entry.reason] for entry in found.entries] == [verdict], factor


def test_a_right_gradient_that_is_the_difference_of_almost_equal_numbers_is_not_accused():
    """Of a softmax that is almost sure, p - 1 keeps few digits; the complex step keeps all, and must not blame it."""

    def forward(z):
        shifted = z - z[z.real.argmax(axis=0), range(z.shape[1])]
        log_p = shifted - np.log(np.exp(shifted).sum(axis=0))
        return -log_p[0].sum() / z.shape[1], log_p

    def backward(dy, log_p):
        onehot = np.eye(len(log_p))[:, :1]
        return {"z": dy * (np.exp(log_p) - onehot) / log_p.shape[1]}

    for seed in range(60):
        draw = np.random.default_rng(seed)
        z = draw.standard_normal((3, 2)) * 10 ** draw.uniform(0.5, 1.8)
        report = ms.check_pair(forward, backward, {"z": z})
        assert set(report.codes) <= {"unjudged"}, (seed, str(report))


def test_of_a_large_tensor_a_sample_is_judged_and_the_report_says_so():
    rng = np.random.default_rng(0)
    given = {"W": rng.standard_normal((20, 30)), "x": rng.standard_normal((30, 2))}

    def backward(dy, cache):
        W, x = cache
        return {"W": dy @ x.T, "x": W.T @ dy}

    report = ms.check_pair(lambda W, x: (W @ x, (W, x)), backward, given)
    assert report.rows[0].sampled
    assert "32/600" in str(report)
    assert "in groups along random directions" in str(report)

    def one_off(dy, cache):
        grads = backward(dy, cache)
        grads["W"][7, 11] *= 1.1
        return grads

    found = ms.check_pair(lambda W, x: (W @ x, (W, x)), one_off, given)
    assert found.rows[0].worst == (7, 11)
    assert 32 < found.rows[0].judged <= 64  # the sample, and its group


@pytest.mark.parametrize("factor", [1.1, -1, 0])
def test_one_wrong_entry_of_a_large_tensor_shows_however_small_it_is(factor):
    rng = np.random.default_rng(1)
    scale, x = 10.0 ** rng.uniform(-4, 4, (30, 40)), rng.standard_normal((30, 40))
    for _ in range(8):
        wrong = np.ones((30, 40))
        wrong[tuple(rng.integers((30, 40)))] = factor
        report = ms.gradcheck.compare(
            lambda x: ((scale * np.tanh(x)).sum(1), x),
            lambda dy, x, wrong=wrong: {"x": wrong * dy[:, None] * scale / np.cosh(x) ** 2},
            {"x": x},
        ).report
        verdicts = {entry.place: entry.verdict for entry in report.rows[0].entries}
        place = tuple(map(int, np.argwhere(wrong != 1)[0]))
        assert verdicts[place] in ("disagrees", "not told")
        assert all(verdict == "agrees" for other, verdict in verdicts.items() if other != place)


FIRST_SEED = 52_711
"""Of functions from another table than those that the ladder was built with; fixed before they were first run."""


def of_the_table(kind, count):
    """Judge right gradients of random functions, and one entry made wrong, by itself."""
    counts = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        forward, backward, inputs = functions.draw(kind, seed)
        with np.errstate(all="ignore"):
            probe = Probe(forward, inputs, seed)
            right = backward(probe.dy, probe.cache)["x"]
            k = seed % right.size
            for place, exact in enumerate(right):
                counts["right", Line(probe, "x", (place,), tolerance=1e-6).judge(float(exact)).verdict] += 1
            for factor in (1.1, -1.0) if right[k] else ():
                slope = Line(probe, "x", (k,), tolerance=1e-6).judge(float(factor * right[k]))
                counts[factor, slope.verdict] += 1
    return counts


def table_holds(kind, count):
    counts = of_the_table(kind, count)
    allowed = count // 400 if kind == "float16" else 0  # a saturated function in half precision looks flat
    assert counts["right", "disagrees"] <= allowed, counts
    assert not counts[1.1, "agrees"] + counts[-1.0, "agrees"], counts
    if kind not in ("kink", "float16"):
        assert counts["right", "agrees"] >= 0.95 * (counts["right", "agrees"] + counts["right", "not told"]), counts
        assert max(counts[1.1, "not told"], counts[-1.0, "not told"]) <= max(0.05 * count, 2), counts
    return counts


@pytest.mark.parametrize("kind", functions.KINDS)
def test_over_a_table_of_functions_no_right_entry_fails_and_no_wrong_one_agrees(kind):
    table_holds(kind, 10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", functions.KINDS)
def test_the_same_over_thousands(kind):
    print(kind, dict(table_holds(kind, 2000)))
