"""What is wrong with an unknown pair is named from its numbers; what is right is never accused."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings

import minisparse as ms
from minisparse import testing

FOLDER = Path(__file__).parent / "student_mistakes"
"""Four sets of 24 mistakes in four layers, each written by someone who had not seen the diagnosis.

The first three were looked at while it was built; the fourth was run when it was done.
"""


def cases(name):
    spec = importlib.util.spec_from_file_location(f"student_mistakes_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.CASES


ALSO_RIGHT = {"mixed", "diagonal"}
"""Codes that came later, so their authors could not list them: a sum over the wrong axis, a softmax as a sigmoid."""


NAMED = {  # of each set, as its author would and with the codes that came later: of every second mistake, of all
    "first": ((11, 11), (23, 23)),
    "second": ((8, 10), (17, 20)),
    "third": ((10, 11), (21, 21)),
    "fourth": ((11, 11), (22, 22)),
}


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMED)
def test_what_students_get_wrong_is_caught_and_mostly_named(name, whole):
    rows, right, also, layers = cases(name), 0, 0, set()
    assert len(rows) == 24
    rows = rows if whole else rows[::2]
    for case in rows:
        given_inputs = case.inputs(np.random.default_rng(0))
        if (case.forward, case.backward) not in layers:
            ms.check_pair(case.forward, case.backward, given_inputs).assert_ok()
            layers.add((case.forward, case.backward))
        report = ms.check_pair(case.forward, case.wrong, given_inputs)
        found = {finding.tensor: finding.code for finding in report.findings}
        assert set(case.expected) <= set(found), (case.layer, case.mistake)
        right += all(found[tensor] in codes for tensor, codes in case.expected.items())
        also += all(found[tensor] in {*codes, *ALSO_RIGHT} for tensor, codes in case.expected.items())
    print(f"{name}: {right} of {len(rows)} named as their author would, {also} with the codes that came later")
    assert right >= NAMED[name][whole][0]
    assert also >= NAMED[name][whole][1]


def square(x):
    return x * x, x


ELEMENTWISE = {
    "sign": (lambda dy, x: -2 * dy * x, "sign", "minus the right one"),
    "half": (lambda dy, x: dy * x, "factor", "times 0.5 = 1/2"),
    "zero": (lambda dy, x: 0 * x, "zero", "0 everywhere"),
    "divided by the batch": (lambda dy, x: 2 * dy * x / 3, "factor", "1/3 (x.shape[1] = y.shape[1])"),
    "no x": (lambda dy, x: 2 * dy, "factor", "1/x"),
    "x squared": (lambda dy, x: 2 * dy * x * x, "factor", "the extra factor x"),
    "absolute value": (lambda dy, x: 2 * dy * np.abs(x), "confined", "minus the right one where x is negative"),
    "last example": (lambda dy, x: 2 * dy * x * (np.arange(3) < 2), "confined", "at index 2 along axis 1 of x"),
    "one row": (lambda dy, x: 2 * dy * x * (np.arange(4) != 1)[:, None], "confined", "at index 1 along axis 0"),
    "reversed": (lambda dy, x: (2 * dy * x)[::-1], "permuted", "axis 0 of x is reversed"),
    "off by one": (lambda dy, x: np.roll(2 * dy * x, 1, 1), "permuted", "axis 1 of x is rolled by 1"),
    "summed": (lambda dy, x: np.ones_like(x) * (2 * dy * x).sum(1, keepdims=True), "summed", "the sum of the right"),
    "mixed": (
        lambda dy, x: 2 * x * dy.mean(1, keepdims=True),
        "mixed",
        "along axis 1 is mixed",
    ),
    "no dy": (lambda dy, x: 2 * x, "ignores-dy", "does not depend on dy"),
    "dy squared": (lambda dy, x: 2 * x * dy * dy, "not-linear", "not linear in dy"),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_each_kind_of_cause_has_its_code_and_its_sentence(name):
    wrong, code, words = ELEMENTWISE[name]
    x = np.random.default_rng(0).standard_normal((4, 3))
    report = ms.check_pair(square, lambda dy, x: {"x": wrong(dy, x)}, {"x": x})
    assert report.codes == (code,)
    assert words in report.findings[0].sentence
    assert "the difference quotient says" in report.findings[0].sentence


def test_a_report_can_be_read_by_a_program():
    report = ms.check_pair(square, lambda dy, x: {"x": dy * x / 3}, {"x": np.ones((4, 3))})
    (finding,) = report.to_dict()["findings"]
    assert finding["code"] == "factor"
    assert finding["evidence"]["factor"] == pytest.approx(1 / 6)
    assert report.to_dict()["sizes"] == {"x": (4, 3), "output": (4, 3)}


def test_a_wrong_bias_names_the_summand_and_a_wrong_shape_its_reason():
    rng = np.random.default_rng(0)
    inputs = {"W": rng.standard_normal((4, 3)), "x": rng.standard_normal((3, 2)), "b": rng.standard_normal((4, 1))}

    def forward(W, x, b):
        return W @ x + b, (W, x)

    def backward(dy, cache, **change):
        W, x = cache
        return {"W": dy @ x.T, "x": W.T @ dy, "b": dy.sum(axis=1, keepdims=True), **change}

    def check(**change):
        wrong = {name: make for name, make in change.items()}
        return ms.check_pair(
            forward, lambda dy, cache: backward(dy, cache, **{k: f(dy, cache) for k, f in wrong.items()}), inputs
        ).findings

    (last,) = check(b=lambda dy, _: dy[:, -1:])
    assert (last.code, last.tensor) == ("summand", "b")
    assert "the last of the 2 summands along axis 1" in last.sentence
    (turned,) = check(W=lambda dy, cache: cache[1] @ dy.T)
    assert (turned.code, turned.tensor) == ("shape", "W")
    assert "transposed" in turned.sentence
    (flat,) = check(b=lambda dy, _: dy.sum(axis=1))
    assert "keepdims=True" in flat.sentence
    (swapped,) = check(W=lambda dy, cache: (dy @ cache[1].T)[:, ::-1])
    assert (swapped.code, swapped.tensor) == ("permuted", "W")


def test_truncation_and_a_wrong_way_back_are_told_apart_from_outside():
    rng = np.random.default_rng(0)
    inputs = {"x": rng.standard_normal((6, 3)), "w": rng.standard_normal((1, 1)) * 0.5 + 0.9}
    inputs = {"x": rng.standard_normal((6, 4, 3)), "w": 0.8 + 0 * inputs["w"]}

    def forward(x, w):
        h = np.zeros((len(x) + 1, *x.shape[1:]))
        for t in range(len(x)):
            h[t + 1] = w * h[t] + x[t]
        return h[1:], (h, w)

    def backward(dy, cache, step=lambda w: w, reach=99):
        h, w = cache
        dx = np.zeros_like(dy)
        for t in range(len(dy)):
            dh = dy[t]
            for back in range(min(t + 1, reach)):
                dx[t - back] += dh
                dh = step(w) * dh
        return {"x": dx, "w": np.sum(dx * h[:-1]).reshape(1, 1)}

    ms.check_pair(forward, backward, inputs).assert_ok()
    cut = ms.check_pair(forward, lambda dy, cache: backward(dy, cache, reach=3), inputs)
    assert {f.code for f in cut.findings} == {"truncated"}
    assert "for 2 steps back" in cut.findings[0].sentence
    slow = ms.check_pair(forward, lambda dy, cache: backward(dy, cache, step=lambda w: 1 - w), inputs)
    assert {f.code for f in slow.findings} == {"step-factor"}


def softmax(z):
    e = anp.exp(z - anp.max(z, axis=0, keepdims=True))
    return e / anp.sum(e, axis=0, keepdims=True)


def by_loops(W, x):
    y = np.zeros((W.shape[0], x.shape[1]))
    for i in range(y.shape[0]):
        for b in range(y.shape[1]):
            y[i, b] = sum(W[i, j] * x[j, b] for j in range(W.shape[1]))
    return y, SimpleNamespace(W=W, x=x)


def loops_backward(dy, cache):
    dW, dx = np.zeros_like(cache.W), np.zeros_like(cache.x)
    for i, b in np.ndindex(dy.shape):
        dW[i] += dy[i, b] * cache.x[:, b]
        dx[:, b] += dy[i, b] * cache.W[i]
    return {"W": dW, "x": dx}


def by_autograd(function):
    """A pair whose backward pass is somebody else's."""

    def forward(**inputs):
        return function(**inputs), inputs

    def backward(dy, inputs):
        names = list(inputs)
        total = lambda *values: anp.sum(dy * function(**dict(zip(names, values, strict=True))))  # noqa: E731
        grads = autograd.grad(total, argnum=list(range(len(names))))(*inputs.values())
        return dict(zip(names, grads, strict=True))

    return forward, backward


def relu_twice(x):
    h = np.maximum(x, 0)
    return h * h, {"signs": x > 0, "kept": [h]}


UNUSUAL = {
    "loops over every entry": (by_loops, loops_backward, {"W": (4, 3), "x": (3, 2)}),
    "einsum": (
        lambda W, x: (np.einsum("ij,jb->ib", W, x), (W, x)),
        lambda dy, c: {"W": np.einsum("ib,jb->ij", dy, c[1]), "x": np.einsum("ij,ib->jb", c[0], dy)},
        {"W": (4, 3), "x": (3, 2)},
    ),
    "the inputs are recomputed, the cache is empty": (
        lambda x: (np.sin(x), [x, None, "text"]),
        lambda dy, c: {"x": dy * np.cos(c[0])},
        {"x": (4, 3)},
    ),
    "a cache of lists and booleans": (
        relu_twice,
        lambda dy, c: {"x": 2 * dy * c["kept"][0] * c["signs"]},
        {"x": (5, 3)},
    ),
    "a scalar output": (
        lambda x: (np.sum(x**3), x),
        lambda dy, x: {"x": dy * 3 * x**2},
        {"x": (4, 3)},
    ),
    "a scalar input": (
        lambda a, x: (a * x, (a, x)),
        lambda dy, c: {"a": np.sum(dy * c[1]), "x": c[0] * dy},
        {"a": (), "x": (4, 3)},
    ),
    "softmax by automatic differentiation": (*by_autograd(lambda z: softmax(z)), {"z": (4, 3)}),
    "a norm by automatic differentiation": (
        *by_autograd(lambda v, x: anp.dot(v / anp.sqrt(anp.sum(v**2, axis=1, keepdims=True)), x)),
        {"v": (4, 3), "x": (3, 2)},
    ),
    "Fortran order and transposed views": (
        lambda W, x: ((x.T @ W.T).T, (W, x)),
        lambda dy, c: {"W": (c[1] @ dy.T).T, "x": np.asfortranarray(c[0].T @ dy)},
        {"W": (4, 3), "x": (3, 2)},
    ),
    "a running sum by its matrix": (
        lambda x: (np.tril(np.ones((len(x), len(x)))) @ x, None),
        lambda dy, _: {"x": np.cumsum(dy[::-1], axis=0)[::-1]},
        {"x": (5, 3)},
    ),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_but_right_solution_is_never_accused(name):
    forward, backward, shapes = UNUSUAL[name]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        inputs = {key: np.asarray(rng.standard_normal(shape)) for key, shape in shapes.items()}
        ms.check_pair(forward, backward, inputs, seed=seed).assert_ok()


@pytest.mark.parametrize("examples", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_no_right_model_is_accused(examples):
    settings(max_examples=examples)(given(testing.networks(), testing.seeds())(is_not_accused))()


def is_not_accused(network, seed):
    report = ms.check(network.model, network.params, network.x, network.labels, seed=seed)
    assert report.ok or report.codes == ("unjudged",), str(report)
    opt, dale = ms.Adam(lr=0.01), ms.Dale(np.ones((network.model.n, 1)))
    step = ms.check_steps(network.model, network.params, network.x, network.labels, opt, [dale], seed=seed)
    assert step.ok or step.codes == ("unjudged",), str(step)


def test_axes_that_forward_keeps_apart_are_not_taken_for_time():
    x = {"x": np.random.default_rng(0).standard_normal((4, 3, 5))}

    def backward(dy, y):
        dx = dy[..., None] * (1 - y * y)
        dx[:-1] = 0
        return {"x": dx}

    report = ms.check_pair(lambda x: (np.tanh(x).sum(2), np.tanh(x)), backward, x)
    assert report.codes == ("confined",)
    shared = {
        "x": np.random.default_rng(0).standard_normal((4, 3)),
        "W": np.random.default_rng(1).standard_normal((3, 5)),
    }

    def two_causes(dy, c):
        da = dy * (1 - c[2] ** 2)
        return {"x": da @ c[1].T * 2, "W": c[0].T @ (dy * np.sin(7 * c[2]))}

    report = ms.check_pair(lambda x, W: (np.tanh(x @ W), (x, W, np.tanh(x @ W))), two_causes, shared)
    assert {finding.tensor: finding.code for finding in report.findings} == {"x": "factor", "W": "mismatch"}
