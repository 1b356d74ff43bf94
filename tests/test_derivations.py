"""The library's own passes, run on symbols: every gradient equals the symbolic derivative of the forward pass.

A `Term` is a SymPy expression that NumPy's object arrays can calculate with. A comparison (of a rectifier, of a
maximum) is decided at one point, so what is proved there holds in the whole region around it.
"""

import functools

import numpy as np
import pytest
import sympy

import minisparse as ms
from minisparse.gradcheck import catalogue

MODULUS = 49
POINT = {}
"""The value of every symbol at the point where comparisons are decided."""


class Term:
    """A SymPy expression among array elements."""

    def __init__(self, expression):
        exact = {bool: int, np.bool_: int, float: sympy.Rational}.get(type(expression), sympy.sympify)
        self.expression = sympy.sympify(exact(expression))

    def at_point(self):
        return self.expression.subs(POINT).evalf(50)

    def __neg__(self):
        return Term(-self.expression)

    def __abs__(self):
        return self if self >= 0 else -self

    def __pow__(self, k):
        return Term(self.expression**k)

    def __gt__(self, other):
        return bool(self.at_point() > _term(other).at_point())

    def __ge__(self, other):
        return bool(self.at_point() >= _term(other).at_point())

    def __lt__(self, other):
        return bool(self.at_point() < _term(other).at_point())

    def __le__(self, other):
        return bool(self.at_point() <= _term(other).at_point())


def _term(value):
    return value if isinstance(value, Term) else Term(value)


def _binary(name):
    def method(self, other):
        return Term(getattr(self.expression, name)(_term(other).expression))

    return method


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv"):
    setattr(Term, f"__{_name}__", _binary(f"__{_name}__"))
for _name, _function in {"exp": sympy.exp, "log": sympy.log, "tanh": sympy.tanh, "arctanh": sympy.atanh}.items():
    setattr(Term, _name, functools.partialmethod(lambda self, f: Term(f(self.expression)), _function))


def symbols(name, *shape):
    """An array of fresh symbols; each gets a value at the point."""
    terms = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        symbol = sympy.Symbol(name + "_".join(map(str, place)), real=True)
        number = sum(map(ord, symbol.name)) * 7919 % MODULUS - MODULUS // 2
        POINT[symbol] = sympy.Rational(2 * number + 1, 40)
        terms[place] = Term(symbol)
    return terms


def is_zero(expression):
    """Prove that an expression vanishes: at the point to 40 digits first, because most wrong ones fail there."""
    if abs(expression.subs(POINT).evalf(50)) > 1e-40:
        return False
    return sympy.expand(expression) == 0 or sympy.simplify(expression) == 0


def wrong_gradients(f, grads, inputs, only=None):
    """Names of the gradients that are not the derivative of f, or whose key or shape is wrong."""
    wrong = set(inputs) ^ set(grads)
    for name in set(inputs) & set(grads) & set(only or inputs):
        if np.shape(grads[name]) != inputs[name].shape:
            wrong.add(name)
            continue
        for place in np.ndindex(inputs[name].shape):
            value = inputs[name][place]
            right = sympy.diff(f, value.expression) if isinstance(value, Term) else 0
            if not is_zero(right - _term(grads[name][place]).expression):
                wrong.add(name)
                break
    return wrong


def network(activation, steps, batch, storage="dense", mask=((1, 1), (1, 1)), n_in=1, n_out=2):
    """A two-neuron network, its symbolic parameters and input."""
    weights = ms.make_weights(ms.Pattern.from_mask(mask), storage)
    model = ms.RNN(n_in, weights, n_out, activation, biases=1)
    params = {
        "W_in": symbols("u", 2, n_in),
        "W_rec": weights.from_values(symbols("w", weights.nnz)),
        "b_in": symbols("b", 2, 1),
        "W_out": symbols("v", n_out, 2),
        "b_out": symbols("d", n_out, 1),
    }
    return model, params, symbols("x", steps, n_in, batch)


def prove_model(model, params, x, only=None):
    logits, cache = model.forward(params, x)
    dlogits = symbols("dz", *logits.shape)
    grads = model.backward(dlogits, cache, wrt_x=True)
    f = sum((dlogits * logits).ravel(), Term(0)).expression
    return wrong_gradients(f, grads, {**params, "x": x}, only)


def prove_loss(loss, classes=2, batch=2):
    logits = symbols("z", classes, batch)
    value, dlogits = loss(logits, np.arange(batch) % classes)
    return wrong_gradients(value.expression, {"logits": dlogits}, {"logits": logits})


AFFINE = {"activation": "tanh", "steps": 1, "batch": 2}
PROOFS = {
    "affine": AFFINE,
    "two steps, two examples": {"activation": "tanh", "steps": 2, "batch": 2},
    "rectifier": {"activation": "relu", "steps": 4, "batch": 2},
    "three steps": {"activation": "tanh", "steps": 3, "batch": 1},
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "three steps" else name for name in PROOFS]
)
def test_back_propagation_is_the_derivative(name):
    assert prove_model(*network(**PROOFS[name])) == set()


def test_at_the_point_a_rectifier_is_open_here_and_shut_there():
    model, params, x = network(**PROOFS["rectifier"])
    h = model.forward(params, x)[1].h[1:]
    assert set(model.activation.slope(h[:-1]).ravel()) == {True, False}


@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_on_a_sparse_pattern_too_and_exactly_0_off_it(storage, activation):
    model, params, x = network(activation, 2, 1, storage, mask=[[1, 0], [1, 1]])
    assert prove_model(model, params, x) == set()
    logits, cache = model.forward(params, x)
    grads = model.backward(symbols("dz", *logits.shape), cache)
    assert model.weights["W_rec"].unpack(grads["W_rec"])[0, 1] == 0


def symbolic_layer(mask, alpha, storage="dense"):
    """A small layer with a first state, and symbols for all that it reads."""
    weights = ms.make_weights(ms.Pattern.from_mask(mask), storage)
    layer = ms.Recurrent(1, weights, "tanh", biases=1, alpha=alpha, start=True)
    params = {name: symbols(name, *value.shape) for name, value in layer.init(np.random.default_rng(0)).items()}
    return layer, {**params, "W_rec": weights.from_values(symbols("w", weights.nnz))}


def summed(dh, h):
    return sum((dh * h).ravel(), Term(0)).expression


@pytest.mark.parametrize(
    ("alpha", "mask"),
    [pytest.param(alpha, mask, marks=marks)
     for alpha in (1, 0.25) for mask, marks in (([[0, 0], [1, 0]], ()), ([[1, 0], [1, 1]], pytest.mark.slow))],
)  # fmt: skip
@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_a_recurrent_layer_is_differentiated(alpha, mask, storage):
    layer, params = symbolic_layer(mask, alpha, storage)
    x, noise = symbols("x", 2, 1, 1), symbols("xi", 2, 2, 1)
    h, cache = layer.forward(params, x, noise)
    dh = symbols("dh", *h.shape)
    grads = layer.backward(dh, cache, wrt_x=True)
    assert wrong_gradients(summed(dh, h), grads, {**params, "x": x}) == set()


@pytest.mark.parametrize("every", [True, False])
def test_stacked_layers_with_a_readout_of_every_step_are_differentiated(every):
    one, two = (ms.make_weights(ms.Pattern.from_mask(mask)) for mask in ([[1]], [[0, 0], [1, 0]]))
    layers = [ms.Recurrent(1, one, "tanh", biases=1), ms.Recurrent(1, two, "relu", biases=1, alpha=0.5)]
    model = ms.SequenceRNN(layers, 2, every)
    params = {name: symbols(name, *value.shape) for name, value in model.init(np.random.default_rng(0)).items()}
    params |= {name: weights.from_values(symbols(name, weights.nnz)) for name, weights in model.weights.items()}
    assert prove_model(model, params, symbols("x", 2, 1, 1)) == set()


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [1, 0.25])
def test_a_cut_gradient_is_that_of_windows_whose_first_states_are_held_still(alpha):
    layer, params = symbolic_layer([[1]], alpha)
    x, still = symbols("x", 3, 1, 1), symbols("still", 1, 1)
    h, cache = layer.forward(params, x)
    dh = symbols("dh", *h.shape)
    grads = layer.backward(dh, cache, wrt_x=True, back=2)
    f = summed(dh[:1], h[:1]) + summed(dh[1:], layer.forward({**params, "h_init": still}, x[1:])[0])
    for name, value in {**params, "x": x}.items():
        for place in np.ndindex(value.shape):
            right = sympy.diff(f, value[place].expression).subs(still[0, 0].expression, h[0, 0, 0].expression)
            assert is_zero(right - _term(grads[name][place]).expression), name


@pytest.mark.parametrize(("classes", "batch"), [(2, 1), (2, 2), (3, 2)])
def test_softmax_minus_one_hot_over_the_batch_is_the_derivative_of_the_loss(classes, batch):
    assert prove_loss(ms.softmax_cross_entropy, classes, batch) == set()


@pytest.mark.parametrize("loss", [ms.cross_entropy_per_step, ms.mean_squared_error], ids=lambda loss: loss.__name__)
def test_losses_of_several_answers_are_differentiated(loss):
    output, mask = symbols("z", 2, 2, 1), symbols("m", 2, 1)
    target = np.array([[0], [1]]) if loss is ms.cross_entropy_per_step else symbols("y", 2, 2, 1)
    for term in mask.ravel():
        POINT[term.expression] = abs(POINT[term.expression])
    value, doutput = loss(output, target, mask)
    assert wrong_gradients(value.expression, {"output": doutput}, {"output": output}) == set()


HERE = [
    ms.RNN(1, ms.make_weights(ms.full(2, 2), kind), 1, phi) for kind in ("dense", "csr") for phi in ("tanh", "relu")
]
FLOATS = {"plain-clipped", "plain-to-unit-length", "sparse-dx-overwritten"}
"""Mistakes whose lines cannot be run on symbols."""
MISTAKES = [
    row for row in catalogue.catalogue() if row.concerns(*HERE, ms.softmax_cross_entropy) and row.code not in FLOATS
]
LONG = {"bptt-loop-not-reversed", "sparse-unmasked-transpose", "sparse-rows-for-columns"}
"""Their proofs take seconds."""
FIRST = {row.tag: row for row in reversed(MISTAKES)}


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=() if FIRST[row.tag] is row and row.code not in LONG else pytest.mark.slow, id=row.code)
        for row in MISTAKES
    ],
)
def test_planting_a_mistake_turns_a_proof_red(row):
    if row.family == "loss":
        assert prove_loss(row.plant(ms.softmax_cross_entropy)) == {"logits"}
        return
    for settings in PROOFS.values():
        networks = (network(**settings, storage=storage, mask=[[1, 1], [1, 0]]) for storage in ("dense", "csr"))
        concerned = next((found for found in networks if row.concerns(found[0])), None)
        if concerned and prove_model(row.plant(concerned[0]), *concerned[1:], row.visible):
            return
    pytest.fail("no proof sees it")


def test_a_feedforward_network_is_differentiated_as_well():
    layers = [ms.make_weights(ms.Pattern.from_mask(mask), "dense") for mask in ([[1, 1], [0, 1]], [[1, 1]])]
    model = ms.MLP(layers, "tanh")
    params = {name: symbols(name, *value.shape) for name, value in model.init(np.random.default_rng(0)).items()}
    for name, weights in zip(model.names, layers, strict=True):
        params[name] = weights.from_values(symbols(name, weights.nnz))
    assert prove_model(model, params, symbols("x", 2, 2)) == set()


def prove_stem(stem, batch=1):
    """Run a stem's own passes on symbols, and compare with the derivative."""
    channels, height, width = stem.image
    inputs = {name: symbols(name, *value.shape) for name, value in stem.init(np.random.default_rng(0)).items()}
    x = symbols("x", height, channels * width, batch)
    h, cache = stem.forward(inputs, x)
    dh = symbols("dh", *h.shape)
    f = sum((dh * h).ravel(), Term(0)).expression
    return wrong_gradients(f, stem.backward(dh, cache, wrt_x=True), {**inputs, "x": x})


POOLED = {"two squares": ((2, 3), 1, 2, 1), "the largest of four": ((2, 3, 3), 2, 2, 2)}


@pytest.mark.parametrize(("shape", "activation"), [("two squares", "sigmoid"), ("the largest of four", "tanh")])
def test_convolution_and_pooling_are_differentiated(shape, activation):
    assert prove_stem(ms.ConvPool(*POOLED[shape], activation=activation)) == set()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_patches_are_differentiated(activation):
    assert prove_stem(ms.PatchConv((2, 2, 4), 2, 2, activation), batch=2) == set()


def test_the_slope_of_the_sigmoid_is_its_derivative():
    a = symbols("a", 1)
    h, (a,) = ms.sigmoid(a), (term.expression for term in a)
    assert sympy.simplify(h[0].expression.rewrite(sympy.exp) - 1 / (1 + sympy.exp(-a))) == 0
    assert is_zero(sympy.diff(h[0].expression, a) - ms.sigmoid.slope(h)[0].expression)


def test_pixels_that_several_patches_hold_add_up_or_the_proof_turns_red(monkeypatch):
    def put(self, dpatches, shape):
        total = np.zeros(shape, dtype=dpatches.dtype)
        parts = dpatches.reshape(self.size**2, self.image[0], *(n * self.pool for n in self.squares), -1)
        for pixels, part in zip(self._parts(self._planes(total)), parts, strict=True):
            pixels[...] = part
        return total

    monkeypatch.setattr(ms.ConvPool, "_collect", put)
    assert prove_stem(ms.ConvPool(*POOLED["two squares"], activation="tanh")) == {"x"}
