r"""An attention head

Each token of a sequence asks a question, each offers a key, and the answer is a mean of the values, weighted by how
well the keys fit the question. The task teaches how a softmax goes back when its result is not a loss. It also
teaches that an input which is used in three places collects three slopes.

* ``x`` is (units, tokens): a column per token of one sequence.
* ``W_q`` and ``W_k`` are (dims, units), ``W_v`` is (values, units). The queries are ``q = W_q @ x``, the keys
  ``k = W_k @ x``, (dims, tokens), and the values ``v = W_v @ x``, (values, tokens).
* The scores are ``s = k.T @ q / sqrt(dims)``, (tokens, tokens): a row per key, a column per query.
* ``A``, (tokens, tokens), is the softmax of each column of the scores: each column is positive and adds up to 1.
* ``y`` is ``v @ A``, (values, tokens): a column per query.
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
    "Two units, two tokens, x = [[1, 0], [0, 1]], four dims, one value. All queries are 1: W_q holds ones. The keys "
    "are 0 for token 0 and (ln 3) / 2 for token 1, in all dims. The values are 8 for token 0 and 24 for token 1. dy = "
    "[[4, 20]]."
)
PENCIL = (
    (
        "A[1, 0]", "What is the weight of key 1 for query 0? The two scores are 0 and ln 3.",
        "The exponentials of the scores are 1 and 3: A[1, 0] = 3 / (1 + 3).",
    ),
    (
        "y[0, 0]", "What is the output of query 0?",
        "The two values, by their weights 1/4 and 3/4: y[0, 0] = 8 * 1/4 + 24 * 3/4.",
    ),
    (
        "dW_v[0, 1]", "As x is the unit matrix, dW_v is dv. What is the slope in the value of token 1?",
        "Both queries give it the weight 3/4: dW_v[0, 1] = 3/4 * 4 + 3/4 * 20.",
    ),
    (
        "dW_k[0, 0]", "What is the slope in a dim of key 0? Get the columns of ds first, then mind the root.",
        "dA is 8 * dy and 24 * dy, the mean of a column by A is 20 * dy; over both queries, with the root of 4: "
        "dW_k[0, 0] = (1/4 * (8 - 20) * 4 + 1/4 * (8 - 20) * 20) / 2.",
    ),
    (
        "dW_k[0, 1]", "And in a dim of key 1?",
        "The same for the value 24 with the weight 3/4: dW_k[0, 1] = (3/4 * (24 - 20) * 4 + 3/4 * (24 - 20) * 20) / 2.",
    ),
)  # fmt: skip

HINTS = (
    "y = v @ A is a product of two matrices: get dv and dA first. Then the softmax, column by column, then the scores.",
    "Through the softmax: ds = A * (dA - the sum over the column of A * dA). Only then come keys and queries.",
    "dq = k @ ds and dk = q @ ds.T, both over the root of dims. dx adds up W_q.T @ dq, W_k.T @ dk and W_v.T @ dv.",
)

DS = "ds = A * (dA - (A * dA).sum(axis=0))"
DQ, DK = "dq = k @ ds / np.sqrt(len(q))", "dk = q @ ds.T / np.sqrt(len(q))"
DX = "dx = W_q.T @ dq + W_k.T @ dk + W_v.T @ dv"
MISTAKES = (
    ("values-not-transposed", "Here dv is made with A itself; it should be its transpose, as the queries are added up.",
     "dv = dy @ A.T", "dv = dy @ A"),
    ("weights-lost", "Here dv is dy without A; the forward pass weighted each value with A.",
     "dv = dy @ A.T", "dv = dy"),
    ("scores-transposed", "Here dA has queries as rows; it should have a row per key, as A has.",
     "dA = v.T @ dy", "dA = dy.T @ v"),
    ("no-coupling",
     "Here each weight depends on its own score alone; it should on all of its column, by the denominator.",
     DS, "ds = A * dA"),
    ("as-sigmoid", "Here A * (1 - A) is used, the slope of a sigmoid; all scores of a column should count.",
     DS, "ds = A * (1 - A) * dA"),
    ("softmax-skipped", "Here dA is used for ds; it should go back through the softmax first.",
     DS, "ds = dA"),
    ("A-lost", "Here the factor A in front is missing in ds; it should multiply the difference.",
     DS, "ds = dA - (A * dA).sum(axis=0)"),
    ("sum-without-A", "Here the sum over the column is that of dA; it should be that of A * dA.",
     DS, "ds = A * (dA - dA.sum(axis=0))"),
    ("plain-mean", "Here the plain mean of dA over the column is taken away; it should be weighted with A.",
     DS, "ds = A * (dA - dA.mean(axis=0))"),
    ("sum-added", "Here the sum over the column is added; it should be taken away.",
     DS, "ds = A * (dA + (A * dA).sum(axis=0))"),
    ("wrong-axis", "Here the sum in the softmax runs over the queries; it should run over the keys, down a column.",
     DS, "ds = A * (dA - (A * dA).sum(axis=1, keepdims=True))"),
    ("sum-of-all", "Here the sum in the softmax runs over keys and queries; it should run down each column.",
     DS, "ds = A * (dA - (A * dA).sum())"),
    ("target-like", "Here ds is A - dA, as after a loss; it should be the general slope of a softmax.",
     DS, "ds = A - dA"),
    ("queries-transposed",
     "Here dq is made with the transpose of ds; it should be ds itself, as the keys are added up.",
     DQ, "dq = k @ ds.T / np.sqrt(len(q))"),
    ("queries-for-keys", "Here dq is made from the queries; the forward pass multiplied each query with the keys.",
     DQ, "dq = q @ ds / np.sqrt(len(q))"),
    ("no-scale-q", "Here the root of dims is missing in dq; the forward pass divided the scores by it.",
     DQ, "dq = k @ ds"),
    ("dims-for-root-q", "Here dq is divided by dims; the forward pass divided the scores by the root of dims.",
     DQ, "dq = k @ ds / len(q)"),
    ("keys-not-transposed", "Here dk is made with ds itself; it should be its transpose, as the queries are added up.",
     DK, "dk = q @ ds / np.sqrt(len(q))"),
    ("keys-for-queries", "Here dk is made from the keys; the forward pass multiplied each key with the queries.",
     DK, "dk = k @ ds.T / np.sqrt(len(q))"),
    ("no-scale-k", "Here the root of dims is missing in dk; the forward pass divided the scores by it.",
     DK, "dk = q @ ds.T"),
    ("dims-for-root-k", "Here dk is divided by dims; the forward pass divided the scores by the root of dims.",
     DK, "dk = q @ ds.T / len(q)"),
    ("no-scale", "Here the root of dims is missing in dq and dk; the forward pass divided the scores by it.",
     (DQ, DK), ("dq = k @ ds", "dk = q @ ds.T")),
    ("dims-for-root", "Here dq and dk are divided by dims; the forward pass divided the scores by the root of dims.",
     (DQ, DK), ("dq = k @ ds / len(q)", "dk = q @ ds.T / len(q)")),
    ("swapped", "Here dq is made from the queries and dk from the keys; in the scores each should meet the other.",
     (DQ, DK), ("dq = q @ ds / np.sqrt(len(q))", "dk = k @ ds.T / np.sqrt(len(q))")),
    ("weights-swapped", "Here dW_q is made from dk and dW_k from dq; each should be made from its own.",
     ("dW_q = dq @ x.T", "dW_k = dk @ x.T"), ("dW_q = dk @ x.T", "dW_k = dq @ x.T")),
    ("values-only",
     "Here the input gets the slope of the values alone; the forward pass made queries and keys of it, too.",
     DX, "dx = W_v.T @ dv"),
    ("queries-only",
     "Here the input gets the slope of the queries alone; the forward pass made keys and values of it, too.",
     DX, "dx = W_q.T @ dq"),
    ("values-forgotten", "Here the slope of the values is missing in dx; the forward pass made them of x, too.",
     DX, "dx = W_q.T @ dq + W_k.T @ dk"),
    ("keys-forgotten", "Here the slope of the keys is missing in dx; the forward pass made them of x, too.",
     DX, "dx = W_q.T @ dq + W_v.T @ dv"),
    ("queries-forgotten", "Here the slope of the queries is missing in dx; the forward pass made them of x, too.",
     DX, "dx = W_k.T @ dk + W_v.T @ dv"),
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
    y, cache = forward(np.ones((4, 2)), W_k, np.array([[8.0, 24.0]]), np.eye(2))
    grads = backward(np.array([[4.0, 20.0]]), cache)
    return {
        "A[1, 0]": cache[-1][1, 0],
        "y[0, 0]": y[0, 0],
        "dW_v[0, 1]": grads["W_v"][0, 1],
        "dW_k[0, 0]": grads["W_k"][0, 0],
        "dW_k[0, 1]": grads["W_k"][0, 1],
    }
