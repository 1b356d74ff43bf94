"""Analytic beside numeric: structure before numbers, kinks, malformed gradients, exact zeros."""

import numpy as np
import pytest
from helpers.pairs import X, affine, affine_backward, affine_inputs, codes

import minisparse as ms


@pytest.mark.parametrize(
    ("backward", "found"),
    [
        (lambda dy, cache: {"W": affine_backward(dy, cache)["W"]}, {("missing", "x"), ("missing", "b")}),
        (lambda dy, cache: {**affine_backward(dy, cache), "b": dy.sum(axis=1)}, {("shape", "b")}),
        (lambda dy, cache: {**affine_backward(dy, cache), "c": dy}, {("extra", "c")}),
        (lambda dy, cache: {**affine_backward(dy, cache), "x": np.full((3, 2), np.nan)}, {("not-finite", "x")}),
    ],
)
def test_structure_comes_before_numbers(backward, found):
    assert codes(ms.check_pair(affine, backward, affine_inputs())) == found


def test_one_array_under_two_names_is_noted_and_right():
    def forward(a, b):
        return a + b, None

    report = ms.check_pair(
        forward, lambda dy, _: dict.fromkeys("ab", dy * 1), {"a": np.ones((2, 2)), "b": np.ones((2, 2))}
    )
    assert report.ok
    assert "the gradient of b is the same array as that of a" in str(report)


def test_functions_that_remember_or_change_their_input_are_named():
    calls = []

    def forgetful(x):
        calls.append(1)
        return x * len(calls), x

    assert ("not-deterministic", "y") in codes(ms.check_pair(forgetful, lambda dy, x: {"x": dy}, {"x": np.ones(3)}))

    def greedy(x):
        x += 1
        return x, None

    with pytest.raises(ms.UserError, match="forward writes into one of its inputs"):
        ms.check_pair(greedy, lambda dy, _: {"x": dy}, {"x": np.ones(3)})


def test_entries_at_a_kink_are_counted_and_those_near_it_are_judged():
    def forward(x):
        return np.maximum(x, 0), x

    def backward(dy, x):
        return {"x": dy * (x > 0)}

    x = np.array([-1.0, 0.0, 1e-7, -3e-6, 2.0, 3.0, -2.0])
    report = ms.check_pair(forward, backward, {"x": x})
    report.assert_ok()
    assert (report.rows[0].judged, report.rows[0].not_judged) == (6, 1)
    assert [entry.reason for entry in report.rows[0].entries if entry.verdict == "not told"] == ["kink"]
    assert "gradients agree where it can be told (6 of 7)" in str(report)
    mostly = ms.check_pair(forward, backward, {"x": np.array([0.0, 0.0, 1.0])})
    assert codes(mostly) == {("unjudged", "x")}
    wrong = ms.check_pair(forward, lambda dy, x: {"x": dy * (x > -10)}, {"x": x})
    assert codes(wrong) == {("confined", "x")}


def test_a_smooth_mistake_is_never_excused_as_a_kink():
    left_out = 0
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((3, 4))
        report = ms.check_pair(
            lambda x: (np.exp(3 * x) * np.sin(9 * x), x), lambda dy, x: {"x": dy * 1.00001 * _slope(x)}, {"x": x}
        )
        assert not report.ok
        assert "kink" not in report.rows[0].reason
        left_out += report.rows[0].not_judged
    assert left_out <= 2, "of 240; an error of 1e-5 may drown in rounding"


def _slope(x):
    return 3 * np.exp(3 * x) * np.sin(9 * x) + 9 * np.exp(3 * x) * np.cos(9 * x)


def cube(x):
    return x**2, x


@pytest.mark.parametrize(
    ("gradient", "code", "words"),
    [
        (lambda dy, x: None, "type", "no array of numbers (NoneType)"),
        (lambda dy, x: "abc", "type", "no array of numbers (str)"),
        (lambda dy, x: [[1], [1, 2]], "type", "no array of numbers"),
        (lambda dy, x: (2 * dy * x).astype(object), "type", "no array of numbers"),
        (lambda dy, x: 2 * dy * x + 5j, "type", "complex (complex128)"),
        (lambda dy, x: (2 * dy * x).astype(int), "type", "of whole numbers (int64)"),
        (lambda dy, x: (2 * dy * x)[:2], "shape", "has shape (2,), not (3,)"),
    ],
)
def test_a_malformed_gradient_is_named_and_nothing_crashes(gradient, code, words):
    report = ms.check_pair(cube, lambda dy, x: {"x": gradient(dy, x)}, X)
    assert report.codes == (code,)
    assert words in report.findings[0].sentence


def test_a_backward_that_answers_only_once_or_only_this_cotangent_keeps_its_report():
    for wrong in ({}, {"x": np.zeros(5)}):
        report = ms.check_pair(cube, lambda dy, x, wrong=wrong: {"x": 3 * dy * x} if (dy != 0).all() else wrong, X)
        assert report.codes == ("mismatch",)
    report = ms.check_pair(lambda x: (x**2, [x]), lambda dy, c: {"x": 2 * dy * c.pop()}, X)
    assert report.codes == ("not-deterministic",)
    assert "leave the cache as it is" in report.findings[0].sentence

    def greedy(dy, x):
        dy *= 2
        return {"x": dy * x}

    with pytest.raises(ms.UserError, match="backward writes into dy"):
        ms.check_pair(cube, greedy, X)


@pytest.mark.parametrize("cache", [lambda x: [x, [0, x]], lambda x: [x, [np.array("a")] * 2], lambda x: (x, {"k": x})])
def test_whatever_is_in_the_cache_a_wrong_gradient_is_reported(cache):
    report = ms.check_pair(lambda x: (x**2, cache(x)), lambda dy, c: {"x": dy * c[0]}, X)
    assert report.codes == ("factor",)


def test_a_support_may_be_lists_or_numbers_and_its_names_must_exist():
    wrong = lambda dy, x: {"x": 2 * dy * x * [1, 0, 1]}  # noqa: E731
    for support in ([1, 0, 1], np.array([1, 0, 1]), np.array([1.0, 0, 1]), [True, False, True]):
        ms.check_pair(lambda x: (x**2 * [1, 0, 1], x), wrong, X, support={"x": support}).assert_ok()
    with pytest.raises(ms.UserError, match="support names w, but there is no such input"):
        ms.check_pair(cube, wrong, X, support={"w": np.ones(3)})


def test_minus_zero_off_the_pattern_is_zero():
    W = np.array([[1.0, 0], [0, 2]])
    report = ms.check_pair(
        lambda W, x: ((W * (W != 0)) @ x, (W != 0, x)),
        lambda dy, c: {"W": np.outer(dy, c[1]) * c[0]},
        {"W": W, "x": np.array([-1.0, 1.0])},
        wrt="W",
        support={"W": W != 0},
    )
    report.assert_ok()


def test_wrt_may_be_one_name_or_any_iterable_but_not_nothing():
    wrong = lambda dy, x: {"x": 30 * dy * x}  # noqa: E731
    for wrt in ("x", ["x"], iter(["x"]), {"x"}):
        assert ms.check_pair(cube, wrong, X, wrt=wrt).codes == ("factor",)
    for arguments, sentence in [({"wrt": []}, "wrt names nothing"), ({"dy": np.zeros(3)}, "dy is 0")]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.check_pair(cube, wrong, X, **arguments)
