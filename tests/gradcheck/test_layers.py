"""A layer with its parameters and gradients on self is checked as it is."""

import numpy as np
import pytest

import minisparse as ms

rng = np.random.default_rng(1)
X = rng.standard_normal((5, 3))


class Affine:
    """As in many courses: examples are rows, the cache and the gradients are on self."""

    def __init__(self):
        self.W, self.b, self.calls = rng.standard_normal((3, 4)), np.zeros(4), 0

    def forward(self, x):
        self.x, self.calls = x, self.calls + 1
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Mean(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.mean(axis=0)
        return dx


class InDicts:
    def __init__(self):
        self.params = {"W": rng.standard_normal((3, 4))}
        self.grads = {}
        self.running = np.ones(4)

    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.params["W"])

    def backward(self, dout):
        da = dout * (1 - np.tanh(self.x @ self.params["W"]) ** 2)
        self.grads["W"] = self.x.T @ da
        return da @ self.params["W"].T


def test_a_right_layer_passes_and_is_left_as_it_was():
    layer = Affine()
    report = ms.check_layer(layer, X)
    report.assert_ok()
    assert [row.tensor for row in report.rows] == ["self.W", "self.b", "x0"]
    assert layer.calls == 0
    assert not hasattr(layer, "dW")


def test_a_wrong_layer_is_named():
    report = ms.check_layer(Mean(), X)
    assert (report.codes, report.findings[0].tensor) == (("factor",), "self.b")
    assert "1/5" in report.findings[0].sentence


def test_parameters_and_gradients_may_be_in_dicts_and_the_rest_is_listed():
    report = ms.check_layer(InDicts(), X)
    report.assert_ok()
    assert [row.tensor for row in report.rows] == ["self.W", "x0"]
    assert "NOT CHECKED: self.running" in str(report)


def test_a_gradient_that_is_added_to_the_last_one_counts_from_a_fresh_layer():
    class Adds(Affine):
        def __init__(self):
            super().__init__()
            self.dW, self.db = np.zeros((3, 4)), np.zeros(4)

        def backward(self, dout):
            self.dW = self.dW + self.x.T @ dout
            self.db = self.db + dout.sum(axis=0)
            return dout @ self.W.T

    ms.check_layer(Adds(), X).assert_ok()


def test_what_is_no_layer_is_refused():
    with pytest.raises(ValueError, match="dict has no method forward; check_pair takes two functions"):
        ms.check_layer({}, X)
