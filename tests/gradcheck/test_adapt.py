"""Functions are checked in the form in which people write them."""

import numpy as np
import pytest

import minisparse as ms

rng = np.random.default_rng(1)
W, x = rng.standard_normal((4, 3)), rng.standard_normal((3, 5))


def test_a_loss_may_be_a_plain_number():
    report = ms.check_pair(
        lambda w: (float((w * w).sum()), w), lambda dy, w: {"w": 2 * dy * w}, {"w": rng.standard_normal(3)}
    )
    report.assert_ok()
    assert not ms.check_pair(
        lambda w: (float((w * w).sum()), w), lambda dy, w: {"w": dy * w}, {"w": rng.standard_normal(3)}
    ).ok


@pytest.mark.parametrize("kind", [tuple, list])
def test_outputs_may_be_several_arrays_and_dy_then_is_several_too(kind):
    def forward(W, x):
        return kind([W @ x, np.tanh(x)]), (W, x)

    def backward(dy, cache):
        (dh, dc), (W, x) = dy, cache
        return {"W": dh @ x.T, "x": W.T @ dh + dc * (1 - np.tanh(x) ** 2)}

    ms.check_pair(forward, backward, {"W": W, "x": x}).assert_ok()
    wrong = ms.check_pair(forward, lambda dy, c: {**backward(dy, c), "x": c[0].T @ dy[0]}, {"W": W, "x": x})
    assert [row.tensor for row in wrong.rows if "disagrees" in {e.verdict for e in row.entries}] == ["x"]


def test_inputs_may_come_by_position_and_gradients_in_their_order():
    ms.check_pair(lambda a, b: (a @ b, (a, b)), lambda dy, c: (dy @ c[1].T, c[0].T @ dy), [W, x]).assert_ok()
    wrong = ms.check_pair(lambda a, b: (a @ b, (a, b)), lambda dy, c: (dy @ c[1].T, -c[0].T @ dy), (W, x))
    assert (wrong.codes, wrong.findings[0].tensor) == (("sign",), "x1")
    with pytest.raises(ValueError, match="backward returns 1 gradients, but 2 are asked for: x0, x1"):
        ms.check_pair(lambda a, b: (a @ b, (a, b)), lambda dy, c: (dy @ c[1].T,), [W, x])
    ms.check_pair(lambda a: (a * a, a), lambda dy, a: 2 * dy * a, [W]).assert_ok()
    ms.check_pair(lambda a, b: (a @ b, (a, b)), lambda dy, c: [c[0].T @ dy], [W, x], wrt=["x1"]).assert_ok()


def test_parameters_may_be_dicts_in_a_dict():
    def forward(params, x):
        return params["layer"]["W"] @ x + params["b"], (params, x)

    def backward(dy, cache):
        params, x = cache
        return {
            "params": {"layer": {"W": dy @ x.T}, "b": dy.sum(axis=1, keepdims=True)},
            "x": params["layer"]["W"].T @ dy,
        }

    report = ms.check_pair(forward, backward, {"params": {"layer": {"W": W}, "b": np.ones((4, 1))}, "x": x})
    report.assert_ok()
    assert [row.tensor for row in report.rows] == ["params.layer.W", "params.b", "x"]


def test_whole_numbers_and_truth_values_are_listed_as_not_checked():
    given = {"x": x, "labels": np.array([0, 1]), "mask": np.array([True, False])}
    report = ms.check_pair(lambda x, labels, mask: (x * x, x), lambda dy, x: {"x": 2 * dy * x}, given)
    report.assert_ok()
    assert "NOT CHECKED: labels, mask" in str(report)


def test_data_among_the_inputs_are_pointed_out():
    report = ms.check_pair(lambda W, X: (W @ X, X), lambda dy, X: {"W": dy @ X.T}, {"W": W, "X": x})
    assert report.codes == ("missing",)
    assert "wrt=[...] names what is checked" in report.findings[0].sentence
    ms.check_pair(lambda W, X: (W @ X, X), lambda dy, X: {"W": dy @ X.T}, {"W": W, "X": x}, wrt=["W"]).assert_ok()
