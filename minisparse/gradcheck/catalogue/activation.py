"""Slopes of nonlinearities."""

from ..mistakes import Mistake

_ALL = ("W_in", "W_rec", "b_in", "b_rec", "x")

ROWS = (
    Mistake(
        "slope-of-argument",
        "activation",
        "N2",
        "slope=lambda h: 1 - array_module(h).arctanh(h) ** 2,",
        _ALL,
        "The slope of tanh is 1 - h² of its value; 1 - a² uses its argument.",
        "The cache holds a where the formula wants h.",
        ("tanh",),
    ),
    Mistake(
        "slope-always-1",
        "activation",
        "N1",
        "slope=lambda h: (h >= 0).astype(h.dtype),",
        _ALL,
        "Silent units pass a gradient: the slope of ReLU is 0 where its value is 0.",
        ">= for >: every value of a ReLU is at least 0.",
        ("relu",),
    ),
    Mistake(
        "slope-leaky",
        "activation",
        "N1",
        "slope=lambda h: array_module(h).where(h > 0, 1, 0.01).astype(h.dtype),",
        _ALL,
        "Silent units pass a hundredth of the gradient: that is leaky ReLU's slope, and the value is plain ReLU's.",
        "One of the two functions was changed to cure silent units, the other was not.",
        ("relu",),
    ),
    Mistake(
        "slope-tanh-twice",
        "activation",
        "N2",
        "slope=lambda h: 1 - array_module(h).tanh(h) ** 2,",
        _ALL,
        "The slope 1 - tanh² is applied to the value, which is tanh already: it is 1 - h².",
        "A formula with the argument in it is given what the cache keeps, the value.",
        ("tanh",),
    ),
    Mistake(
        "slope-sigmoid-twice",
        "activation",
        "N3",
        "slope=lambda h: _logistic(h) * (1 - _logistic(h)),",
        _ALL,
        "The slope σ (1 - σ) is applied to the value, which is σ already: it is h (1 - h).",
        "sigmoid_prime(z) of a textbook takes the argument; here it is handed the activity.",
        ("sigmoid",),
    ),
    Mistake(
        "slope-of-tanh-for-sigmoid",
        "activation",
        "N3",
        "slope=lambda h: 1 - h * h,",
        _ALL,
        "This is the slope of tanh; that of the sigmoid is h (1 - h).",
        "The nonlinearity was exchanged in the forward pass only.",
        ("sigmoid",),
    ),
)
