"""The checker: it passes what is right, fails what is wrong, and says where it cannot judge."""

import numpy as np
import pytest
from hypothesis import given, settings

import minisparse as ms
from minisparse import testing


def affine(W, x, b):
    return W @ x + b, (W, x)


def affine_backward(dy, cache):
    W, x = cache
    return {"W": dy @ x.T, "x": W.T @ dy, "b": dy.sum(axis=1, keepdims=True)}


def affine_inputs():
    rng = np.random.default_rng(0)
    return {"W": rng.standard_normal((4, 3)), "x": rng.standard_normal((3, 2)), "b": rng.standard_normal((4, 1))}


def codes(report):
    return {(finding.code, finding.tensor) for finding in report.findings}


def test_a_right_pair_passes_in_both_modes():
    for mode in ("entries", "direction"):
        report = ms.check_pair(affine, affine_backward, affine_inputs(), mode=mode)
        report.assert_ok()
        assert [row.tensor for row in report.rows] == ["W", "x", "b"]
        assert all(row.error < 1e-8 for row in report.rows)


@pytest.mark.parametrize("mode", ["entries", "direction"])
def test_a_wrong_gradient_is_named_with_its_tensor(mode):
    def transposed(dy, cache):
        return {**affine_backward(dy, cache), "W": 2 * dy @ cache[1].T}

    report = ms.check_pair(affine, transposed, affine_inputs(), mode=mode)
    assert codes(report) == {("factor" if mode == "entries" else "mismatch", "W")}
    assert not report.ok
    with pytest.raises(AssertionError, match="GRADIENTS DISAGREE"):
        report.assert_ok()
    row = next(row for row in report.rows if row.tensor == "W")
    assert row.analytic == pytest.approx(2 * row.numeric, rel=1e-6)


def test_a_softmax_backward_that_returns_zeros_is_caught():
    def forward(z):
        e = np.exp(z - z.max(axis=0))
        return e / e.sum(axis=0), z

    report = ms.check_pair(forward, lambda dy, z: {"z": 0 * z}, {"z": np.array([[0.3, 1.0], [0.2, -1.0]])})
    assert codes(report) == {("zero", "z")}


def test_a_forgotten_mask_is_caught_only_by_the_exact_zeros():
    mask = np.array([[True, False, True], [False, True, True]])
    given = {"W": np.random.default_rng(0).standard_normal((2, 3)) * mask, "x": np.ones((3, 2))}

    def forward(W, x):
        return (W * mask) @ x, x

    def unmasked(dy, x):
        return {"W": dy @ x.T}

    report = ms.check_pair(forward, unmasked, given, wrt=["W"], support={"W": mask})
    assert codes(report) == {("off-pattern", "W")}
    assert report.not_checked == ("x",)
    ms.check_pair(
        forward, lambda dy, x: {"W": np.where(mask, dy @ x.T, 0)}, given, wrt=["W"], support={"W": mask}
    ).assert_ok()


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


def test_one_array_under_two_names_is_named():
    def forward(a, b):
        return a + b, None

    report = ms.check_pair(
        forward, lambda dy, _: dict.fromkeys("ab", dy * 1), {"a": np.ones((2, 2)), "b": np.ones((2, 2))}
    )
    assert codes(report) == {("aliased", "b")}


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


def test_entries_at_a_kink_are_counted_and_not_judged():
    def forward(x):
        return np.maximum(x, 0), x

    def backward(dy, x):
        return {"x": dy * (x > 0)}

    x = np.array([-1.0, 0.0, 1e-7, -3e-6, 2.0, 3.0, -2.0])
    report = ms.check_pair(forward, backward, {"x": x})
    report.assert_ok()
    assert (report.rows[0].judged, report.rows[0].not_judged) == (4, 3)
    mostly = ms.check_pair(forward, backward, {"x": np.array([0.0, 0.0, 1.0])})
    assert codes(mostly) == {("unjudged", "x")}
    wrong = ms.check_pair(forward, lambda dy, x: {"x": dy * (x > -10)}, {"x": x})
    assert codes(wrong) == {("confined", "x")}


def test_a_smooth_mistake_is_never_excused_as_a_kink():
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((3, 4))
        report = ms.check_pair(
            lambda x: (np.exp(3 * x) * np.sin(9 * x), x), lambda dy, x: {"x": dy * 1.00001 * _slope(x)}, {"x": x}
        )
        assert not report.ok
        assert report.rows[0].not_judged == 0


def _slope(x):
    return 3 * np.exp(3 * x) * np.sin(9 * x) + 9 * np.exp(3 * x) * np.cos(9 * x)


def test_a_report_is_data_and_text():
    report = ms.check_pair(affine, affine_backward, affine_inputs())
    assert report.to_dict()["ok"] is True
    assert [row["tensor"] for row in report.to_dict()["rows"]] == ["W", "x", "b"]
    assert "gradients agree" in str(report)


def test_bad_questions_are_refused():
    for arguments, sentence in [
        ({"wrt": ["V"]}, "wrt names 'V'"),
        ({"mode": "all"}, "mode 'all' is unknown"),
        ({"support": {"W": np.ones((3, 4), bool)}}, r"support\['W'\] must have shape \(4, 3\)"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.check_pair(affine, affine_backward, affine_inputs(), **arguments)
    for forward, inputs, sentence in [
        (lambda x: x, {"x": np.ones(3)}, "forward must return a pair"),
        (lambda x: ([1.0], x), {"x": np.ones(3)}, "forward must return a pair"),
        (lambda x: (x, x), {"x": "text"}, "no float array among the inputs"),
        (lambda x: (x, x), {"x": np.ones((3, 0))}, "the output has no entries"),
    ]:
        with pytest.raises(ms.UserError, match=sentence):
            ms.check_pair(forward, lambda dy, x: {"x": dy}, inputs)
    with pytest.raises(ms.UserError, match="nan or inf"):
        ms.check_pair(affine, affine_backward, {**affine_inputs(), "b": np.full((4, 1), np.inf)})


@settings(max_examples=40)
@given(testing.networks())
def test_directional_mode_agrees_on_right_models(network):
    ms.check(network.model, network.params, network.x, network.labels, mode="direction").assert_ok()
