r"""Layer normalisation

The activities of a layer are shifted and scaled, for each example, until their mean is 0 and their spread is 1. The
task teaches what a mean and a standard deviation do on the way back. Both depend on every unit, so two parts of the
slope are taken away: that along a common shift, and that along a common stretch. Neither of them changes the output.

* ``x`` is (units, batch), a column per example. All means are taken over the units of a column.
* :math:`s`, ``s``, is the standard deviation of each column, (batch,): the root of the mean squared distance from the
  mean. (The usual small number under the root is left out: no column here is constant.)
* ``n`` is ``x`` minus its mean, divided by ``s``: (units, batch).
* ``gamma`` and ``beta`` are (units, 1), a scale and a shift of each unit.
* ``y`` is (units, batch): :math:`y = \gamma \odot n + \beta`, where :math:`\odot` is the product entry by entry.
* ``dy``, of the shape of ``y``, holds the slope of the loss in each entry. Wanted are ``dgamma``, ``dbeta`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`i, j` count the :math:`U` units and :math:`k` the examples:

.. math::

   m_k = \frac1U \sum_i x_{ik}, \qquad s_k = \Big(\frac1U \sum_i (x_{ik} - m_k)^2\Big)^{1/2}

.. math::

   n_{ik} = \frac{x_{ik} - m_k}{s_k}, \qquad y_{ik} = \gamma_i\, n_{ik} + \beta_i

**2. Perturb.** Move :math:`x_{ik}` by a small :math:`\varepsilon`. Three things happen to the column :math:`k`. The
numerator of :math:`n_{ik}` moves by :math:`\varepsilon`. The mean moves by :math:`\varepsilon / U`, which is taken
off every numerator. And the deviation moves by :math:`\varepsilon (x_{ik} - m_k) / (U s_k) = \varepsilon n_{ik} / U`,
so every :math:`n_{jk}` shrinks by :math:`\varepsilon\, n_{ik} n_{jk} / (U s_k)`. (That the mean moves does not move
the deviation: the distances from the mean add up to 0.)

**3. Collect.** With :math:`dn_{jk} = \gamma_j\, dy_{jk}`:

.. math::

   dx_{ik} = \frac{1}{s_k} \Big(dn_{ik} - \frac1U \sum_j dn_{jk} - n_{ik}\, \frac1U \sum_j dn_{jk}\, n_{jk}\Big)

.. math::

   d\gamma_i = \sum_k dy_{ik}\, n_{ik}, \qquad d\beta_i = \sum_k dy_{ik}

**4. Matrix form.** With :math:`\overline{\;\cdot\;}` for the mean of a column, which counts for the whole column:

.. math::

   \underset{(units,\, batch)}{dx} =
   \frac{1}{s} \odot \Big(dn - \overline{dn} - n \odot \overline{dn \odot n}\Big), \qquad dn = \gamma \odot dy

Two checks by hand: each column of :math:`dx` adds up to 0, and so does each column of :math:`dx \odot n`.

**5. Code.** Four lines. ``mean(axis=0)`` is a mean over the units, (batch,), and counts for every row.
"""

import numpy as np

MINUTES = 25
TEACHES = "the gradient through a mean and a standard deviation"

PENCIL_CASE = (
    "Four units, one example: x = (0, 0, 4, 4), so the mean is 2 and s is 2; gamma = (2, 2, 2, 2), beta = (0, 0, "
    "0, 0), "
    "dy = (4, 0, 0, 0)."
)
PENCIL = (
    ("y[0, 0]", "What is the first output?"),
    ("dgamma[0, 0]", "What is the slope in the first gamma?"),
    ("dx[0, 0]", "And in the first x?"),
    ("dx[1, 0]", "And in the second x? Its own output does not count, and yet it is not 0."),
    ("dx[2, 0]", "And in the third x?"),
)

HINTS = (
    "Write dn, the slope in n, first. Then ask: if one x moves, what happens to the mean, to s, and so to every n?",
    "Of dn two parts are taken away: its mean over the units, and n times the mean over the units of dn * n.",
    "dx = (dn - mean of dn - n * mean of dn * n) / s, both means with axis=0. For gamma and beta sum over the "
    "examples.",
)

MISTAKES = (
    (
        "mean-constant", "The mean is taken for a constant; it moves with every unit.",
        "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s", "dx = (dn - n * (dn * n).mean(axis=0)) / s",
    ),
    (
        "deviation-constant", "The standard deviation is taken for a constant; it moves with every unit.",
        "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s", "dx = (dn - dn.mean(axis=0)) / s",
    ),
    (
        "both-constant", "Mean and standard deviation are taken for constants; both move with every unit.",
        "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s", "dx = dn / s",
    ),
    (
        "not-divided", "The division by s is missing at the end.",
        "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s",
        "dx = dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)",
    ),
    (
        "over-the-batch", "These are means over the examples, as in batch normalisation; here they go over the units.",
        "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s",
        "dx = (dn - dn.mean(axis=1, keepdims=True) - n * (dn * n).mean(axis=1, keepdims=True)) / s",
    ),
    (
        "gamma-lost", "The slope in n is dy times gamma; here gamma is missing.",
        "dn = gamma * dy", "dn = dy",
    ),
    (
        "mean-gamma", "The gradient of gamma is a mean over the examples; here a sum belongs.",
        "dgamma = (dy * n).sum(axis=1, keepdims=True)", "dgamma = (dy * n).mean(axis=1, keepdims=True)",
    ),
    (
        "gamma-without-n", "The gradient of gamma is summed without n, which gamma multiplies.",
        "dgamma = (dy * n).sum(axis=1, keepdims=True)", "dgamma = dy.sum(axis=1, keepdims=True)",
    ),
)  # fmt: skip

OTHER_FORMS = (
    """
    dgamma = np.einsum("ik,ik->i", dy, n)[:, None]
    dbeta = np.einsum("ik->i", dy)[:, None]
    units = len(n)
    dn = dy * gamma
    dx = (units * dn - dn.sum(axis=0) - n * np.einsum("ik,ik->k", dn, n)) / (units * s)
    """,
    """
    dgamma, dbeta, dx = np.zeros_like(gamma), np.zeros_like(gamma), np.zeros_like(n)
    units, batch = n.shape
    for k in range(batch):
        jacobian = (np.eye(units) - 1 / units - np.outer(n[:, k], n[:, k]) / units) / s[k]
        dx[:, k] = jacobian.T @ (gamma[:, 0] * dy[:, k])
        dgamma[:, 0] += dy[:, k] * n[:, k]
        dbeta[:, 0] += dy[:, k]
    """,
)


def inputs(rng):
    """Return small inputs: 5 units, 3 examples."""
    return {
        "gamma": rng.uniform(0.5, 2, (5, 1)),
        "beta": rng.standard_normal((5, 1)),
        "x": 2 * rng.standard_normal((5, 3)),
    }


def forward(gamma, beta, x):
    """Return y, (units, batch), and what the backward pass needs."""
    s = np.sqrt(((x - x.mean(axis=0)) ** 2).mean(axis=0))
    n = (x - x.mean(axis=0)) / s
    y = gamma * n + beta
    return y, (gamma, n, s)


def backward(dy, cache):
    """Return the gradients of gamma, beta and x from that of y, (units, batch)."""
    gamma, n, s = cache
    # BEGIN SOLUTION
    dgamma = (dy * n).sum(axis=1, keepdims=True)  # (units, 1)
    dbeta = dy.sum(axis=1, keepdims=True)  # (units, 1)
    dn = gamma * dy  # (units, batch)
    dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s  # (units, batch)
    # END SOLUTION
    return {"gamma": dgamma, "beta": dbeta, "x": dx}


def pencil():
    """Return the answers to the pencil exercise."""
    y, cache = forward(np.full((4, 1), 2.0), np.zeros((4, 1)), np.array([[0.0], [0.0], [4.0], [4.0]]))
    grads = backward(np.array([[4.0], [0.0], [0.0], [0.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dgamma[0, 0]": grads["gamma"][0, 0],
        "dx[0, 0]": grads["x"][0, 0],
        "dx[1, 0]": grads["x"][1, 0],
        "dx[2, 0]": grads["x"][2, 0],
    }
