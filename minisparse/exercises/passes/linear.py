r"""A linear layer

Every output unit adds up all inputs, each times a weight of its own, and adds a bias. All other tasks contain this one.
It teaches three things: a gradient has the shape of what it belongs to, whatever is used several times collects a sum,
and on the way back the matrix is transposed.

* ``x`` is (pre, batch): a row per input unit, a column per example.
* ``W`` is (post, pre): a row per output unit, a column per input unit. ``b`` is a column, (post, 1).
* ``y`` is (post, batch), ``y = W @ x + b``; the bias is added to every column.
* The loss is a number that depends on ``y``. ``dy``, of the shape of ``y``, holds its slope in each entry.
* Wanted are the slopes of the loss in ``W``, ``b`` and ``x``: ``dW``, ``db`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`i` count output units, :math:`j` input units and :math:`k` examples:

.. math:: y_{ik} = \sum_j W_{ij}\, x_{jk} + b_i

**2. Perturb.** Move one weight :math:`W_{ij}` by a small :math:`\varepsilon`. Output :math:`i` moves by
:math:`\varepsilon x_{jk}` in every example :math:`k`, the other outputs rest. Move :math:`b_i`: output :math:`i` moves
by :math:`\varepsilon` in every example. Move :math:`x_{jk}`: every output :math:`i` of this example moves by
:math:`W_{ij} \varepsilon`.

**3. Collect.** A move of :math:`y_{ik}` by :math:`\delta` moves the loss by :math:`dy_{ik}\, \delta`. So multiply each
move by its :math:`dy_{ik}`, and add up all that moved:

.. math::

   dW_{ij} = \sum_k dy_{ik}\, x_{jk}, \qquad db_i = \sum_k dy_{ik}, \qquad dx_{jk} = \sum_i W_{ij}\, dy_{ik}

**4. Matrix form.** A sum over a shared index is a matrix product. It fits only one way round, which the shapes tell:

.. math::

   \underset{(post,\, pre)}{dW} = \underset{(post,\, batch)}{dy}\; \underset{(batch,\, pre)}{x^T}, \qquad
   \underset{(pre,\, batch)}{dx} = \underset{(pre,\, post)}{W^T}\; \underset{(post,\, batch)}{dy}

and :math:`db` is the sum of the columns of :math:`dy`.

**5. Code.** One line for each of the three. ``keepdims=True`` keeps ``db`` a column.
"""

import numpy as np

MINUTES = 10
TEACHES = "shapes, sums over the batch, and the transpose"

PENCIL_CASE = (
    "Two inputs, two outputs, two examples: W = [[1, 2], [3, -1]], b = [[1], [0]], x = [[2, 0], [1, 2]], "
    "and dy = [[4, 3], [-1, 2]]."
)
PENCIL = (
    (
        "y[0, 0]", "What is the first output of the first example?",
        "Row 0 of W meets column 0 of x, and the bias is added: y[0, 0] = 1 * 2 + 2 * 1 + 1.",
    ),
    (
        "dW[0, 1]", "How strongly does the loss respond to the weight from input 1 to output 0?",
        "In each example this weight moves output 0 by input 1; add up over both: dW[0, 1] = 4 * 1 + 3 * 2.",
    ),
    (
        "db[0, 0]", "How strongly does it respond to the bias of output 0?",
        "The bias moves output 0 of both examples by as much as itself: db[0, 0] = 4 + 3.",
    ),
    (
        "dx[0, 1]", "How strongly does it respond to input 0 of the second example?",
        "This input moves both outputs of its example, each by its weight in column 0 of W: dx[0, 1] = 1 * 3 + 3 * 2.",
    ),
)  # fmt: skip

HINTS = (
    "Move one weight W[i, j] a little. Which entries of y move, and by how much? Multiply each by its dy and add up.",
    "The slope in W[i, j] is the sum of dy[i, k] * x[j, k] over the examples k. "
    "A sum over a shared index is a product of matrices.",
    "dW is dy times x transposed; db adds up the columns of dy; for dx, W comes transposed from the left.",
)

MISTAKES = (
    ("mean-bias", "Here the gradient of the bias is a mean over the examples; it should be a sum, as all use it.",
     "db = dy.sum(axis=1, keepdims=True)", "db = dy.mean(axis=1, keepdims=True)"),
    ("first-example", "Here only the first example counts for the bias; it should be all of them, added up.",
     "db = dy.sum(axis=1, keepdims=True)", "db = dy[:, :1]"),
    ("last-example", "Here only the last example counts for the bias; it should be all, added up (in a loop: with +=).",
     "db = dy.sum(axis=1, keepdims=True)", "db = dy[:, -1:]"),
    ("bias-ignores-dy", "Here the examples are counted for the bias; it should be their slopes dy that are added up.",
     "db = dy.sum(axis=1, keepdims=True)", "db = np.ones_like(dy).sum(axis=1, keepdims=True)"),
    ("one-bias", "Here dy is added up over outputs, too; it should be a sum over examples alone, one for each output.",
     "db = dy.sum(axis=1, keepdims=True)", "db = np.full((len(dy), 1), dy.sum())"),
    ("mean-weights",
     "Here the gradient of the weights is divided by the batch; it should be a plain sum over examples.",
     "dW = dy @ x.T", "dW = dy @ x.T / x.shape[1]"),
    ("first-example-weights", "Here only the first example counts for the weights; it should be all of them, added up.",
     "dW = dy @ x.T", "dW = dy[:, :1] @ x[:, :1].T"),
    ("last-example-weights",
     "Here only the last example counts for the weights; it should be all, added up (in a loop: with +=).",
     "dW = dy @ x.T", "dW = dy[:, -1:] @ x[:, -1:].T"),
    ("ignores-dy", "Here the inputs are added up without dy; it should be input times dy of the output they reach.",
     "dW = dy @ x.T", "dW = np.ones_like(dy) @ x.T"),
    ("ignores-x", "Here the slopes dy are added up without x; it should be dy times the input of the weight.",
     "dW = dy @ x.T", "dW = dy @ np.ones_like(x).T"),
    ("weight-twice", "Here the weight multiplies its own gradient; it should not be in it, as y is linear in W.",
     "dW = dy @ x.T", "dW = W * (dy @ x.T)"),
    ("minus", "Here the slope in the weights has a minus; it should have none: that belongs to the training step.",
     "dW = dy @ x.T", "dW = -dy @ x.T"),
    ("mean-input", "Here the gradient of the input is a mean over the outputs; it should be a sum over them.",
     "dx = W.T @ dy", "dx = W.T @ dy / len(dy)"),
    ("input-ignores-dy", "Here the weights of an input are added up without dy; it should be weight times dy.",
     "dx = W.T @ dy", "dx = W.T @ np.ones_like(dy)"),
    ("input-ignores-weights",
     "Here dy is added up over outputs without W; it should be dy times the weight it came by.",
     "dx = W.T @ dy", "dx = np.ones_like(W).T @ dy"),
    ("input-twice", "Here the input multiplies its own gradient; it should not be in it, as y is linear in x.",
     "dx = W.T @ dy", "dx = x * (W.T @ dy)"),
)  # fmt: skip

OTHER_FORMS = (
    """
    dW = np.einsum("ik,jk->ij", dy, x)
    db = np.einsum("ik->i", dy)[:, None]
    dx = np.einsum("ij,ik->jk", W, dy)
    """,
    """
    dW, db, dx = np.zeros_like(W), np.zeros((len(W), 1)), np.zeros_like(x)
    for k in range(x.shape[1]):
        dW += np.outer(dy[:, k], x[:, k])
        db[:, 0] += dy[:, k]
        dx[:, k] = dy[:, k] @ W
    """,
)


def inputs(rng):
    """Return small inputs: 3 input units, 4 output units, 5 examples."""
    return {
        "W": rng.standard_normal((4, 3)),
        "b": rng.standard_normal((4, 1)),
        "x": rng.standard_normal((3, 5)),
    }


def forward(W, b, x):
    """Return y, (post, batch), and what the backward pass needs."""
    y = W @ x + b
    return y, (W, x)


def backward(dy, cache):
    """Return the gradients of W, b and x from that of y, (post, batch)."""
    W, x = cache
    # BEGIN SOLUTION
    dW = dy @ x.T  # (post, pre)
    db = dy.sum(axis=1, keepdims=True)  # (post, 1)
    dx = W.T @ dy  # (pre, batch)
    # END SOLUTION
    return {"W": dW, "b": db, "x": dx}


def pencil():
    """Return the answers to the pencil exercise."""
    W, b, x = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0], [0.0]]), np.array([[2.0, 0.0], [1.0, 2.0]])
    y, cache = forward(W, b, x)
    grads = backward(np.array([[4.0, 3.0], [-1.0, 2.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dW[0, 1]": grads["W"][0, 1],
        "db[0, 0]": grads["b"][0, 0],
        "dx[0, 1]": grads["x"][0, 1],
    }
