r"""Two layers

Two linear layers with a nonlinearity between them: the smallest network that has something hidden. The task teaches
that a backward pass is a chain of small steps, each of which needs the result of the one before. It also teaches how a
slope goes back through a function that is applied entry by entry.

* ``x`` is (inputs, batch), a column per example.
* ``W1`` is (hidden, inputs) and ``b1`` (hidden, 1): :math:`a = W_1 x + b_1` is the drive of the hidden units.
* :math:`h = 1 / (1 + e^{-a})`, the *sigmoid*, entry by entry, is their activity, (hidden, batch).
* ``W2`` is (outputs, hidden) and ``b2`` (outputs, 1): ``y``, (outputs, batch), is :math:`W_2 h + b_2`.
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
    "Two inputs, two hidden units, one output, one example: W1 = [[1, -2], [3, -1]], b1 = [[0], [-5]], x = [[2], [1]], "
    "W2 = [[4, -6]], b2 = [[1]], dy = [[8]]. Both drives are 0, where the sigmoid is 1/2."
)
PENCIL = (
    ("y[0, 0]", "What is the output?"),
    ("dW2[0, 0]", "What is the slope in the weight from hidden unit 0 to the output?"),
    ("db1[0, 0]", "What is the slope in the bias of hidden unit 0? It is that in its drive."),
    ("db1[1, 0]", "And in the bias of hidden unit 1?"),
    ("dW1[1, 0]", "And in the weight from input 0 to hidden unit 1?"),
    ("dx[1, 0]", "And in input 1? It is heard by both hidden units."),
)

HINTS = (
    "Go from the top down: first the linear layer on top, with h as its input; then the sigmoid; then the layer below.",
    "The slope of the sigmoid is h * (1 - h), entry by entry. Multiply it with dh to get da, the slope in the drive.",
    "dh = W2.T @ dy and da = dh * h * (1 - h). Below, da does what dy does above: dW1 = da @ x.T, and so on.",
)

MISTAKES = (
    (
        "no-slope", "The slope of the sigmoid is missing between the two layers.",
        "da = dh * h * (1 - h)", "da = dh",
    ),
    (
        "slope-of-tanh", "This is the slope of tanh, 1 - h * h; that of the sigmoid is h * (1 - h).",
        "da = dh * h * (1 - h)", "da = dh * (1 - h * h)",
    ),
    (
        "value-for-slope", "The activity stands where its slope belongs.",
        "da = dh * h * (1 - h)", "da = dh * h",
    ),
    (
        "sigmoid-twice", "The sigmoid is applied to h, which is its value already, before the slope is taken.",
        "da = dh * h * (1 - h)", "da = dh / (1 + np.exp(-h)) / (1 + np.exp(h))",
    ),
    (
        "weights-before-slope", "The lower weights use dh, the slope in the activity; they need da, that in the drive.",
        "dW1 = da @ x.T", "dW1 = dh @ x.T",
    ),
    (
        "bias-before-slope", "The lower bias uses dh, the slope in the activity; it needs da, that in the drive.",
        "db1 = da.sum(axis=1, keepdims=True)", "db1 = dh.sum(axis=1, keepdims=True)",
    ),
    (
        "mean-bias", "The gradient of the upper bias is a mean over the examples; here a sum belongs.",
        "db2 = dy.sum(axis=1, keepdims=True)", "db2 = dy.mean(axis=1, keepdims=True)",
    ),
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
    """Return the answers to the pencil exercise."""
    W1, b1, x = np.array([[1.0, -2.0], [3.0, -1.0]]), np.array([[0.0], [-5.0]]), np.array([[2.0], [1.0]])
    y, cache = forward(W1, b1, np.array([[4.0, -6.0]]), np.array([[1.0]]), x)
    grads = backward(np.array([[8.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dW2[0, 0]": grads["W2"][0, 0],
        "db1[0, 0]": grads["b1"][0, 0],
        "db1[1, 0]": grads["b1"][1, 0],
        "dW1[1, 0]": grads["W1"][1, 0],
        "dx[1, 0]": grads["x"][1, 0],
    }
