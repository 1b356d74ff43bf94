"""The library's own passes, run on symbols: every gradient equals the symbolic derivative of the forward pass."""

import numpy as np
import pytest
import sympy

import minisparse as ms

TANH = ms.Activation("tanh", value=np.vectorize(sympy.tanh, otypes=[object]), slope=ms.tanh.slope)


def symbols(name, *shape):
    names = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        names[place] = sympy.Symbol(name + "_".join(map(str, place)), real=True)
    return names


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_back_propagation_through_time_is_the_derivative(storage, steps):
    pattern = ms.Pattern.from_mask([[1, 0], [1, 1]])
    weights = ms.make_weights(pattern, storage)
    model = ms.RNN(1, weights, 1, TANH)
    params = {
        "W_in": symbols("u", 2, 1),
        "W_rec": weights.from_values(symbols("w", 3)),
        "b_in": symbols("b", 2, 1),
        "b_rec": symbols("c", 2, 1),
        "W_out": symbols("v", 1, 2),
        "b_out": symbols("d", 1, 1),
    }
    x, dlogits = symbols("x", steps, 1, 1), symbols("dz", 1, 1)
    logits, cache = model.forward(params, x)
    grads = model.backward(dlogits, cache, wrt_x=True)
    f = (dlogits * logits).sum()
    point = {symbol: sympy.Rational(k * k % 17 - 8, 11) for k, symbol in enumerate(sorted(f.free_symbols, key=str), 1)}
    for name, value in {**params, "x": x}.items():
        assert grads[name].shape == value.shape
        for place in np.ndindex(value.shape):
            if value[place] == 0:
                assert grads[name][place] == 0, "off the pattern"
                continue
            difference = sympy.diff(f, value[place]) - grads[name][place]
            assert sympy.expand(difference) == 0 or abs(sympy.N(difference.subs(point), 50)) < 1e-40, name
