"""Activations: value and slope."""

import numpy as np
import pytest
from scipy.special import erf

import minisparse as ms


def gelu_slope(a):
    return (1 + erf(a / 2**0.5)) / 2 + a * np.exp(-a * a / 2) / (2 * np.pi) ** 0.5


GELU = ms.Activation("gelu", lambda a: a * (1 + erf(a / 2**0.5)) / 2, gelu_slope, keeps="argument")
LEAKY = ms.Activation("leaky", lambda a, below=0.1: np.where(a > 0, a, below * a), lambda h: np.where(h > 0, 1, 0.1))
PLAIN_TANH = ms.Activation("plain tanh", np.tanh, lambda h: 1 - h * h)


def test_relu_takes_a_number():
    assert (ms.relu(0.5), ms.relu(-1)) == (0.5, 0)


@pytest.mark.parametrize("phi", [GELU, LEAKY, PLAIN_TANH], ids=repr)
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_one_of_your_own_is_gradient_checked_in_both_networks(phi, storage):
    draw = np.random.default_rng(0)
    sparse = ms.make_weights(ms.fixed_count(4, 4, 9, draw), storage)
    for model, shape in ((ms.RNN(2, sparse, 3, activation=phi), (4, 2, 3)), (ms.MLP([sparse, sparse], phi), (4, 3))):
        report = ms.check(model, model.init(draw, float, w_max=0.6), draw.standard_normal(shape))
        report.assert_ok()


def test_a_value_of_one_argument_fills_out_like_any_other():
    a = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
    for phi in (GELU, LEAKY, PLAIN_TANH, ms.sigmoid, ms.relu):
        into = np.empty_like(a)
        assert phi(a, out=into) is into
        np.testing.assert_allclose(into, phi(a), rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ms.Activation("gelu", np.tanh, None), "a name and two functions, value and slope, got 'gelu', .*None"),
        (lambda: ms.Activation("gelu", np.tanh, np.tanh, keeps="a"), "keeps 'a' is unknown; choose one of value, arg"),
        (lambda: ms.RNN(1, np.eye(2), 1, activation=np.tanh), "a minisparse.Activation, with its slope, got <ufunc"),
        (lambda: ms.RNN(1, np.eye(2), 1, activation="gelu"), "'gelu' is unknown; choose one of relu, tanh, sigmoid"),
        (lambda: ms.RNN(1, np.eye(2), 1, activation=None), "activation None is unknown"),
    ],
)
def test_what_is_no_activation_is_refused(make, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        make()
