"""The diagnosis says only what it can prove: what fits any numbers, holds by chance or comes from state is not said."""

import numpy as np
import pytest

import minisparse as ms


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def findings(forward, backward, inputs, **settings):
    return {f.tensor: f for f in ms.check_pair(forward, backward, inputs, **settings).findings}


def drawn(seed=3, **shapes):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def test_a_scalar_loss_gives_no_factor_per_index():
    found = findings(lambda x: ((x**3).sum(), x), lambda dy, x: {"x": dy * np.sin(7 * x)}, drawn(x=5))
    assert found["x"].code == "mismatch"


def test_a_square_product_gives_no_mixing_before_it():
    def backward(dy, cache):
        x, W, y = cache
        return {"x": np.sin(5 * dy @ W.T), "W": x.T @ (dy * (1 - y * y))}

    def linear(dy, cache):
        numbers = np.random.default_rng(1).standard_normal((9, 9))
        return {**backward(dy, cache), "x": (dy.ravel() @ numbers).reshape(3, 3)}

    def forward(x, W):
        y = np.tanh(x @ W)
        return y, (x, W, y)

    assert findings(forward, linear, drawn(x=(3, 3), W=(3, 3)))["x"].code == "mismatch"
    assert findings(forward, backward, drawn(x=(3, 3), W=(3, 3)))["x"].code == "not-linear"


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_of_zeros_and_ones_does_not_explain_by_being_zero(seed):
    inputs = {**drawn(seed, x=(3, 4)), "mask": np.random.default_rng(seed).integers(0, 2, (3, 4)).astype(float)}

    def backward(dy, cache):
        x, mask = cache
        return {"x": dy * mask * np.sin(9 * x), "mask": dy * np.tanh(x)}

    found = findings(lambda x, mask: (np.tanh(x) * mask, (x, mask)), backward, inputs)
    assert found["x"].code == "mismatch"


def test_a_mask_that_is_forgotten_is_named():
    def backward(dy, cache):
        dropped, W = cache
        return {"x": dy @ W.T, "W": dropped.T @ dy}

    inputs = {**drawn(x=(4, 5), W=(5, 3)), "mask": np.random.default_rng(0).integers(0, 2, (4, 5)).astype(float)}
    found = findings(lambda x, W, mask: ((x * mask) @ W, (x * mask, W)), backward, inputs, wrt=["x", "W"])
    assert set(found) == {"x"}
    assert "lacks the factor mask" in found["x"].sentence


def gated(axis):
    """c = g c + x with g = sigmoid(U x), time on axis 0 or 1, and its backward pass with two places to go wrong."""

    def forward(x, U):
        steps = np.moveaxis(x, axis, 0)
        gates, c = sigmoid(steps @ U), [np.zeros_like(steps[0])]
        for g, step in zip(gates, steps, strict=True):
            c.append(g * c[-1] + step)
        return np.moveaxis(np.stack(c[1:]), 0, axis), (steps, U, gates, c)

    def backward(dy, cache, own=1.0, back=1.0):
        steps, U, gates, c = cache
        dy, carried = np.moveaxis(dy, axis, 0), 0
        dx, dU = np.zeros_like(steps), np.zeros_like(U)
        for t in reversed(range(len(steps))):
            dc = dy[t] + carried
            da = own * dc * c[t] * gates[t] * (1 - gates[t])
            dx[t] = dc + da @ U.T
            dU += steps[t].T @ da
            carried = back * gates[t] * dc
        return {"x": np.moveaxis(dx, 0, axis), "U": dU}

    return forward, backward


@pytest.mark.parametrize("axis", [0, 1])
def test_a_way_back_in_time_is_blamed_only_where_every_own_step_is_right(axis):
    forward, backward = gated(axis)
    inputs = drawn(x=(5, 3, 2) if axis == 0 else (3, 5, 2), U=(2, 2))
    ms.check_pair(forward, backward, inputs).assert_ok()
    own = findings(forward, lambda dy, cache: backward(dy, cache, own=0.5), inputs)
    assert {"step-factor", "truncated"}.isdisjoint(finding.code for finding in own.values())
    back = findings(forward, lambda dy, cache: backward(dy, cache, back=0.5), inputs)
    assert back["x"].code == "step-factor"
    cut = findings(forward, lambda dy, cache: backward(dy, cache, back=0.0), inputs)
    assert cut["x"].code == "truncated"


def factor_of(factor, shape, **extra):
    inputs = {**drawn(x=shape), **extra}

    def forward(x, **extra):
        return x**3 + sum(0 * value.sum() for value in extra.values()), (x, extra)

    def backward(dy, cache):
        return {"x": factor * 3 * dy * cache[0] ** 2, **{name: 0 * value for name, value in cache[1].items()}}

    return findings(forward, backward, inputs)["x"]


def test_products_and_ratios_of_sizes_have_names():
    assert "1/(2 (" in factor_of(1 / 70, (2, 5, 7)).sentence
    assert factor_of(1 / 70, (2, 5, 7)).sentence.count(" times ") == 3  # "times 0.0142857 = 1/(N times H times W)"
    assert "7 (x.shape[1] = y.shape[1]) / 3 (x.shape[0] = y.shape[0])" in factor_of(7 / 3, (3, 7)).sentence


def test_a_statistic_that_happens_to_be_the_factor_is_not_named():
    m = np.array([[0.0, 1.0], [1.0, 0.0]])  # its standard deviation over all of it is 0.5
    found = factor_of(0.5, (5, 3), m=m)
    assert "= 1/2" in found.sentence
    assert "deviation" not in found.sentence
    assert factor_of(0.4321, (5, 3), m=m).evidence["quantity"] == ""


def test_names_that_fit_equally_well_are_all_said():
    sentence = factor_of(6.0, (2, 3, 6)).sentence
    assert "6 (x.shape[2] = y.shape[2])" in sentence
    found = factor_of(12.0, (2, 6, 3, 4)).sentence
    assert " or " in found
    assert "2 (x.shape[0] = y.shape[0]) times 6" in found
    assert "3 (x.shape[2] = y.shape[2]) times 4" in found


class Stateful:
    """A layer as tutorials write it: the input stays on self."""

    def __init__(self, adds=False):
        self.adds, self.db = adds, 0.0

    def forward(self, x, b):
        self.x, self.b = x, b
        return x * x + b, None

    def backward(self, dy, _):
        self.db = dy.sum(0) + (self.db if self.adds else 0)
        return {"x": 2 * dy * self.x / 5, "b": self.db}


def test_state_on_self_does_not_spoil_the_diagnosis():
    layer = Stateful()
    (found,) = findings(layer.forward, layer.backward, drawn(x=(5, 3), b=3)).values()
    assert (found.tensor, found.code) == ("x", "factor")
    assert "= 1/5" in found.sentence
    layer = Stateful(adds=True)
    found = findings(layer.forward, layer.backward, drawn(x=(5, 3), b=3))
    assert found["b"].code == "state"
    assert "keeps state" in found["b"].sentence


def test_advice_on_keepdims_goes_the_right_way():
    def pair(keep):
        return lambda x, b: (x + b, None), lambda dy, _: {"x": dy, "b": dy.sum(0, keepdims=keep)}

    assert "without keepdims=True" in findings(*pair(True), drawn(x=(5, 4), b=4))["b"].sentence
    assert "sum with keepdims=True" in findings(*pair(False), drawn(x=(5, 4), b=(1, 4)))["b"].sentence


def test_an_input_that_forward_does_not_use_is_named():
    found = findings(
        lambda x, b: (np.tanh(x), x), lambda dy, x: {"x": dy / np.cosh(x) ** 2, "b": dy.sum(0)}, drawn(x=(5, 4), b=4)
    )
    assert found["b"].code == "unused"
    assert "does not depend on b at all" in found["b"].sentence


def test_zero_is_named_in_any_shape():
    def backward(dy, cache):
        x = cache[0]
        return {"x": 0 * x, "W": x.T @ dy}

    assert findings(lambda x, W: (x @ W, (x, W)), backward, drawn(x=(5, 4), W=(4, 3)))["x"].code == "zero"
