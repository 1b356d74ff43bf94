r"""An attention head

Each token of a sequence asks a question, each offers a key, and the answer is a mean of the values, weighted by how
well the keys fit the question. The task teaches how a softmax goes back when its result is not a loss. It also
teaches that an input which is used in three places collects three slopes.

* ``x`` is (units, tokens): a column per token of one sequence.
* ``W_q`` and ``W_k`` are (dims, units), ``W_v`` is (values, units). The queries are :math:`q = W_q x`, the keys
  :math:`k = W_k x`, (dims, tokens), and the values :math:`v = W_v x`, (values, tokens).
* The scores are :math:`s = k^T q / \sqrt{dims}`, (tokens, tokens): a row per key, a column per query.
* :math:`A`, ``A``, is the softmax of each column of the scores: each column is positive and adds up to 1.
* ``y`` is :math:`v A`, (values, tokens): a column per query.
* ``dy``, of the shape of ``y``, holds the slope of the loss in each entry.
* Wanted are ``dW_q``, ``dW_k``, ``dW_v`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`m` count the tokens as keys and :math:`n` as queries, :math:`d` the :math:`D` dims and
:math:`e` the values:

.. math::

   s_{mn} = \frac{1}{\sqrt D} \sum_d k_{dm}\, q_{dn}, \qquad
   A_{mn} = \frac{e^{s_{mn}}}{\sum_l e^{s_{ln}}}, \qquad y_{en} = \sum_m v_{em}\, A_{mn}

**2. Perturb.** Move :math:`v_{em}` by a small :math:`\varepsilon`: every :math:`y_{en}` moves by
:math:`\varepsilon A_{mn}`. Move :math:`A_{mn}`: every :math:`y_{en}` moves by :math:`v_{em} \varepsilon`. Move
:math:`s_{mn}`: the column :math:`n` of :math:`A` moves, :math:`A_{mn}` up by :math:`\varepsilon A_{mn}`, and every
:math:`A_{ln}` of the column, this one included, down by :math:`\varepsilon A_{mn} A_{ln}`, since the denominator grows.
Move :math:`q_{dn}`: :math:`s_{mn}` moves by :math:`k_{dm} \varepsilon / \sqrt D` for every key :math:`m`. Move
:math:`k_{dm}`: :math:`s_{mn}` moves by :math:`q_{dn} \varepsilon / \sqrt D` for every query :math:`n`.

**3. Collect.**

.. math::

   dv_{em} = \sum_n dy_{en} A_{mn}, \qquad dA_{mn} = \sum_e v_{em}\, dy_{en}, \qquad
   ds_{mn} = A_{mn} \Big(dA_{mn} - \sum_l A_{ln}\, dA_{ln}\Big)

.. math::

   dq_{dn} = \frac{1}{\sqrt D} \sum_m k_{dm}\, ds_{mn}, \qquad dk_{dm} = \frac{1}{\sqrt D} \sum_n q_{dn}\, ds_{mn}

In words: a score gains if its value serves the loss more than the mean of the column does.

**4. Matrix form.** With :math:`\odot` for the product entry by entry, and a sum over each column that counts for the
whole column:

.. math::

   \underset{(values,\, tokens)}{dv} = dy\, A^T, \qquad \underset{(tokens,\, tokens)}{dA} = v^T dy

.. math::

   \underset{(tokens,\, tokens)}{ds} = A \odot \Big(dA - \sum_{column} A \odot dA\Big)

.. math::

   \underset{(dims,\, tokens)}{dq} = \frac{k\, ds}{\sqrt D}, \qquad
   \underset{(dims,\, tokens)}{dk} = \frac{q\, ds^T}{\sqrt D}

Each of :math:`q, k, v` is a linear layer of :math:`x`, so :math:`dW_q = dq\, x^T` and so on, and
:math:`dx = W_q^T dq + W_k^T dk + W_v^T dv`.

**5. Code.** Nine lines from the output to the input. The matrix of scores is square, so a transpose that is missing
makes no error message."""

import numpy as np

MINUTES = 40
TEACHES = "the softmax inside a network, and an input that is used three times"

PENCIL_CASE = (
    "Two units, two tokens, x = [[1, 0], [0, 1]], four dims, one value. All queries are 1: W_q holds ones. The "
    "keys are 0 "
    "for token 0 and (ln 3) / 2 for token 1, in all dims. The values are 0 for token 0 and 16 for token 1. dy = "
    "[[4, 0]]."
)
PENCIL = (
    ("A[1, 0]", "What is the weight of key 1 for query 0? The two scores are 0 and ln 3."),
    ("y[0, 0]", "What is the output of query 0?"),
    ("dW_v[0, 1]", "As x is the unit matrix, dW_v is dv. What is the slope in the value of token 1?"),
    ("dW_k[0, 0]", "What is the slope in a dim of key 0? Get the column of ds first, then mind the root."),
    ("dW_k[0, 1]", "And in a dim of key 1?"),
)

HINTS = (
    "y = v @ A is a product of two matrices: get dv and dA first. Then the softmax, column by column, then the scores.",
    "Through the softmax: ds = A * (dA - the sum over the column of A * dA). Only then come keys and queries.",
    "dq = k @ ds and dk = q @ ds.T, both over the root of dims. dx adds up W_q.T @ dq, W_k.T @ dk and W_v.T @ dv.",
)

MISTAKES = (
    (
        "no-coupling", "The softmax is treated as if each weight depended on its own score; they share a denominator.",
        "ds = A * (dA - (A * dA).sum(axis=0))", "ds = A * dA",
    ),
    (
        "as-sigmoid", "This is the slope of a sigmoid, A * (1 - A); in a softmax all scores of a column count.",
        "ds = A * (dA - (A * dA).sum(axis=0))", "ds = A * (1 - A) * dA",
    ),
    (
        "wrong-axis", "The sum in the softmax runs over the queries; it belongs to the keys of one query, a column.",
        "ds = A * (dA - (A * dA).sum(axis=0))", "ds = A * (dA - (A * dA).sum(axis=1, keepdims=True))",
    ),
    (
        "values-not-transposed", "dv uses A; it needs its transpose, since it sums over the queries.",
        "dv = dy @ A.T", "dv = dy @ A",
    ),
    (
        "keys-not-transposed", "dk uses ds; it needs its transpose, since it sums over the queries.",
        "dk = q @ ds.T / np.sqrt(len(q))", "dk = q @ ds / np.sqrt(len(q))",
    ),
    (
        "no-scale", "The root of dims is missing in dq; the scores were divided by it.",
        "dq = k @ ds / np.sqrt(len(q))", "dq = k @ ds",
    ),
    (
        "scale-of-dims", "dq is divided by dims; the scores were divided by its root.",
        "dq = k @ ds / np.sqrt(len(q))", "dq = k @ ds / len(q)",
    ),
    (
        "values-only", "The input gets the slope of the values alone; it made queries and keys, too.",
        "dx = W_q.T @ dq + W_k.T @ dk + W_v.T @ dv", "dx = W_v.T @ dv",
    ),
)  # fmt: skip

OTHER_FORMS = (
    """
    root = len(q) ** -0.5
    dv = np.einsum("en,mn->em", dy, A)
    dA = np.einsum("em,en->mn", v, dy)
    ds = A * dA - A * np.einsum("mn,mn->n", A, dA)
    dq, dk = root * np.einsum("dm,mn->dn", k, ds), root * np.einsum("dn,mn->dm", q, ds)
    dW_q, dW_k, dW_v = (np.einsum("an,un->au", slope, x) for slope in (dq, dk, dv))
    dx = np.concatenate([W_q, W_k, W_v]).T @ np.concatenate([dq, dk, dv])
    """,
    """
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for n in range(x.shape[1]):
        weights = A[:, n]
        dv += np.outer(dy[:, n], weights)
        column = (np.diag(weights) - np.outer(weights, weights)) @ (v.T @ dy[:, n]) / len(q) ** 0.5
        dq[:, n] = k @ column
        dk += np.outer(q[:, n], column)
    dW_q, dW_k, dW_v = dq @ x.T, dk @ x.T, dv @ x.T
    dx = W_v.T @ dv + W_k.T @ dk + W_q.T @ dq
    """,
)


def inputs(rng):
    """Return small inputs: 5 units, 4 tokens, 3 dims, 2 values."""
    return {
        "W_q": rng.standard_normal((3, 5)),
        "W_k": rng.standard_normal((3, 5)),
        "W_v": rng.standard_normal((2, 5)),
        "x": 0.7 * rng.standard_normal((5, 4)),
    }


def forward(W_q, W_k, W_v, x):
    """Return y, (values, tokens), and what the backward pass needs."""
    q, k, v = W_q @ x, W_k @ x, W_v @ x
    s = k.T @ q / np.sqrt(len(q))
    exponentials = np.exp(s - s.max(axis=0))  # a constant off each column: no overflow
    A = exponentials / exponentials.sum(axis=0)
    y = v @ A
    return y, (W_q, W_k, W_v, x, q, k, v, A)


def backward(dy, cache):
    """Return the gradients of W_q, W_k, W_v and x from that of y, (values, tokens)."""
    W_q, W_k, W_v, x, q, k, v, A = cache
    # BEGIN SOLUTION
    dv = dy @ A.T  # (values, tokens)
    dA = v.T @ dy  # (tokens, tokens)
    ds = A * (dA - (A * dA).sum(axis=0))  # (tokens, tokens)
    dq = k @ ds / np.sqrt(len(q))  # (dims, tokens)
    dk = q @ ds.T / np.sqrt(len(q))  # (dims, tokens)
    dW_q = dq @ x.T  # (dims, units)
    dW_k = dk @ x.T  # (dims, units)
    dW_v = dv @ x.T  # (values, units)
    dx = W_q.T @ dq + W_k.T @ dk + W_v.T @ dv  # (units, tokens)
    # END SOLUTION
    return {"W_q": dW_q, "W_k": dW_k, "W_v": dW_v, "x": dx}


def pencil():
    """Return the answers to the pencil exercise."""
    W_k = np.full((4, 1), np.log(3) / 2) * np.array([[0.0, 1.0]])
    y, cache = forward(np.ones((4, 2)), W_k, np.array([[0.0, 16.0]]), np.eye(2))
    grads = backward(np.array([[4.0, 0.0]]), cache)
    return {
        "A[1, 0]": cache[-1][1, 0],
        "y[0, 0]": y[0, 0],
        "dW_v[0, 1]": grads["W_v"][0, 1],
        "dW_k[0, 0]": grads["W_k"][0, 0],
        "dW_k[0, 1]": grads["W_k"][0, 1],
    }
