r"""Two layers

Two linear layers with a nonlinearity between them: the smallest network that has something hidden. The task teaches
that a backward pass is a chain of small steps, each of which needs the result of the one before. It also teaches how a
slope goes back through a function that is applied entry by entry.

* ``x`` is (inputs, batch), a column per example.
* ``W1`` is (hidden, inputs) and ``b1`` (hidden, 1): ``a = W1 @ x + b1`` is the drive of the hidden units.
* ``h = 1 / (1 + exp(-a))``, the *sigmoid*, entry by entry, is their activity, (hidden, batch).
* ``W2`` is (outputs, hidden) and ``b2`` (outputs, 1): ``y``, (outputs, batch), is ``W2 @ h + b2``.
* ``dy``, of the shape of ``y``, holds the slope of the loss in each entry of ``y``. The cache holds no ``a``: you do
  not need it.
* Wanted are the slopes in all five: ``dW1``, ``db1``, ``dW2``, ``db2`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`i` count outputs, :math:`j` hidden units, :math:`m` inputs and :math:`k` examples:

.. math::

   a_{jk} = \sum_m W^1_{jm}\, x_{mk} + b^1_j, \qquad h_{jk} = \sigma(a_{jk}), \qquad
   y_{ik} = \sum_j W^2_{ij}\, h_{jk} + b^2_i

**2. Perturb.** The upper layer is a linear layer with the input :math:`h`. Between the layers, move :math:`a_{jk}` by a
small :math:`\varepsilon`. Only :math:`h_{jk}` moves, by :math:`\varepsilon \sigma'(a_{jk})`. The slope of the sigmoid
can be written with its value: from :math:`\sigma = (1 + e^{-a})^{-1}` follows
:math:`\sigma' = e^{-a} (1 + e^{-a})^{-2} = \sigma (1 - \sigma)`. The lower layer is a linear layer with the output
:math:`a`.

**3. Collect.** Above: :math:`dW^2_{ij} = \sum_k dy_{ik} h_{jk}`, :math:`db^2_i = \sum_k dy_{ik}` and
:math:`dh_{jk} = \sum_i W^2_{ij} dy_{ik}`. Between:

.. math:: da_{jk} = dh_{jk}\, h_{jk} (1 - h_{jk})

Below, the same three sums as above, with :math:`da` in place of :math:`dy` and :math:`x` in place of :math:`h`.

**4. Matrix form.** With :math:`\odot` for the product entry by entry:

.. math::

   \underset{(hidden,\, batch)}{dh} = \underset{(hidden,\, outputs)}{W_2^T}\; \underset{(outputs,\, batch)}{dy}, \qquad
   da = dh \odot h \odot (1 - h)

.. math::

   \underset{(hidden,\, inputs)}{dW_1} = \underset{(hidden,\, batch)}{da}\; \underset{(batch,\, inputs)}{x^T}

**5. Code.** Seven lines from the top of the network to the bottom; each uses only what stands above it.
"""

import numpy as np

MINUTES = 15
TEACHES = "the chain of steps, and the slope of an activation"

PENCIL_CASE = (
    "Two inputs, two hidden units, one output, one example: W1 = [[1, -3], [3, -1]], x = [[2], [1]], W2 = [[8, -12]], "
    "b2 = [[2]], dy = [[8]]. b1 is such that h = [[3/4], [1/4]]."
)
PENCIL = (
    (
        "y[0, 0]", "What is the output?",
        "Each activity times its weight, and the bias: y[0, 0] = 8 * 3/4 - 12 * 1/4 + 2.",
    ),
    (
        "dW2[0, 0]", "What is the slope in the weight from hidden unit 0 to the output?",
        "This weight moves the output by the activity of unit 0: dW2[0, 0] = 8 * 3/4.",
    ),
    (
        "db1[0, 0]", "What is the slope in the bias of hidden unit 0? It is that in its drive.",
        "Back through its weight, then times the slope of the sigmoid, 3/4 * (1 - 3/4): db1[0, 0] = 8 * 8 * 3/4 * 1/4.",
    ),
    (
        "db1[1, 0]", "And in the bias of hidden unit 1?",
        "The same way, with its own weight and its own activity: db1[1, 0] = 8 * (-12) * 1/4 * 3/4.",
    ),
    (
        "dW1[1, 0]", "And in the weight from input 0 to hidden unit 1?",
        "The slope in the drive of unit 1, as in the question before, times input 0: dW1[1, 0] = 8 * (-12) * 3/16 * 2.",
    ),
    (
        "dx[1, 0]", "And in input 1? It is heard by both hidden units.",
        "The slope in each of the two drives times its weight in column 1 of W1: "
        "dx[1, 0] = -3 * 8 * 8 * 3/16 - 1 * 8 * (-12) * 3/16.",
    ),
)  # fmt: skip

HINTS = (
    "Go from the top down: first the linear layer on top, with h as its input; then the sigmoid; then the layer below.",
    "The slope of the sigmoid is h * (1 - h), entry by entry. Multiply it with dh to get da, the slope in the drive.",
    "dh = W2.T @ dy and da = dh * h * (1 - h). Below, da does what dy does above: dW1 = da @ x.T, and so on.",
)

DA = "da = dh * h * (1 - h)"
MISTAKES = (
    ("no-slope",
     "Here dh, the slope in the activity, is used; below the sigmoid it should be da, the slope in the drive.",
     DA, "da = dh"),
    ("slope-of-tanh", "Here 1 - h * h is used, the slope of tanh; it should be the slope of the sigmoid.",
     DA, "da = dh * (1 - h * h)"),
    ("value-for-slope",
     "Here the activity h is used for the slope of the sigmoid; a factor is missing that it should have.",
     DA, "da = dh * h"),
    ("half-a-slope", "Here 1 - h is used for the slope of the sigmoid; a factor is missing that it should have.",
     DA, "da = dh * (1 - h)"),
    ("plus-for-minus",
     "Here the slope of the sigmoid is h * (1 + h); the sign should be a minus: it falls as h nears 1.",
     DA, "da = dh * h * (1 + h)"),
    ("parentheses", "Here h is subtracted at the end, from everything; 1 - h should be a factor, in parentheses.",
     DA, "da = dh * h * 1 - h"),
    ("sigmoid-twice", "Here the sigmoid is applied to h, its value already; the slope should be made of h itself.",
     DA, "da = dh / (1 + np.exp(-h)) / (1 + np.exp(h))"),
    ("slope-twice", "Here the slope of the sigmoid is multiplied twice; it should be once, as there is one sigmoid.",
     DA, "da = dh * (h * (1 - h)) ** 2"),
    ("upper-weights-lost", "Here dy goes down without W2; the forward pass weighted each activity with it.",
     "dh = W2.T @ dy", "dh = np.ones_like(W2).T @ dy"),
    ("slope-above", "Here the upper weights meet the slope of the sigmoid; the forward pass multiplied them by h.",
     "dW2 = dy @ h.T", "dW2 = dy @ (h * (1 - h)).T"),
    ("mean-upper-weights", "Here the gradient of W2 is divided by the batch; it should be a plain sum over examples.",
     "dW2 = dy @ h.T", "dW2 = dy @ h.T / x.shape[1]"),
    ("mean-bias", "Here the gradient of the upper bias is a mean over the examples; it should be a sum.",
     "db2 = dy.sum(axis=1, keepdims=True)", "db2 = dy.mean(axis=1, keepdims=True)"),
    ("mean-lower-weights", "Here the gradient of W1 is divided by the batch; it should be a plain sum over examples.",
     "dW1 = da @ x.T", "dW1 = da @ x.T / x.shape[1]"),
    ("input-lost", "Here the slope of W1 is that of its drive; it should be times x, which W1 was multiplied with.",
     "dW1 = da @ x.T", "dW1 = da @ np.ones_like(x).T"),
    ("mean-lower-bias", "Here the gradient of the lower bias is a mean over the examples; it should be a sum.",
     "db1 = da.sum(axis=1, keepdims=True)", "db1 = da.mean(axis=1, keepdims=True)"),
    ("last-example", "Here only the last example counts for the lower bias; it should be all of them, added up.",
     "db1 = da.sum(axis=1, keepdims=True)", "db1 = da[:, -1:]"),
    ("lower-weights-lost", "Here da is added up over the hidden units without W1; it should be da times the weight.",
     "dx = W1.T @ da", "dx = np.ones_like(W1).T @ da"),
)  # fmt: skip

OTHER_FORMS = (
    """
    da = np.einsum("ij,ik,jk->jk", W2, dy, h - h**2)
    dx = np.einsum("jm,jk->mk", W1, da)
    dW1, dW2 = np.einsum("jk,mk->jm", da, x), np.einsum("ik,jk->ij", dy, h)
    db1, db2 = da.sum(axis=1)[:, None], dy.sum(axis=1)[:, None]
    """,
    """
    dW1, dW2, dx = np.zeros_like(W1), np.zeros_like(W2), np.zeros_like(x)
    db1, db2 = np.zeros((len(W1), 1)), np.zeros((len(W2), 1))
    for k in range(x.shape[1]):
        top, slope = dy[:, [k]], h[:, [k]] / (1 / (1 - h[:, [k]]))
        below = slope * (W2.T @ top)
        dW2, db2 = dW2 + top * h[:, k], db2 + top
        dW1, db1 = dW1 + below * x[:, k], db1 + below
        dx[:, [k]] = W1.T @ below
    """,
)


def inputs(rng):
    """Return small inputs: 3 inputs, 5 hidden units, 2 outputs, 4 examples."""
    return {
        "W1": rng.standard_normal((5, 3)),
        "b1": rng.standard_normal((5, 1)),
        "W2": rng.standard_normal((2, 5)),
        "b2": rng.standard_normal((2, 1)),
        "x": rng.standard_normal((3, 4)),
    }


def forward(W1, b1, W2, b2, x):
    """Return y, (outputs, batch), and what the backward pass needs."""
    a = W1 @ x + b1
    h = 1 / (1 + np.exp(-a))
    y = W2 @ h + b2
    return y, (W1, W2, x, h)


def backward(dy, cache):
    """Return the gradients of W1, b1, W2, b2 and x from that of y, (outputs, batch)."""
    W1, W2, x, h = cache
    # BEGIN SOLUTION
    dW2 = dy @ h.T  # (outputs, hidden)
    db2 = dy.sum(axis=1, keepdims=True)  # (outputs, 1)
    dh = W2.T @ dy  # (hidden, batch)
    da = dh * h * (1 - h)  # (hidden, batch)
    dW1 = da @ x.T  # (hidden, inputs)
    db1 = da.sum(axis=1, keepdims=True)  # (hidden, 1)
    dx = W1.T @ da  # (inputs, batch)
    # END SOLUTION
    return {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2, "x": dx}


def pencil():
    """Return the answers to the pencil exercise; the sigmoid of ln 3 is 3/4, that of -ln 3 is 1/4."""
    W1, x = np.array([[1.0, -3.0], [3.0, -1.0]]), np.array([[2.0], [1.0]])
    b1 = np.log([[3.0], [1 / 3]]) - W1 @ x
    y, cache = forward(W1, b1, np.array([[8.0, -12.0]]), np.array([[2.0]]), x)
    grads = backward(np.array([[8.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dW2[0, 0]": grads["W2"][0, 0],
        "db1[0, 0]": grads["b1"][0, 0],
        "db1[1, 0]": grads["b1"][1, 0],
        "dW1[1, 0]": grads["W1"][1, 0],
        "dx[1, 0]": grads["x"][1, 0],
    }
