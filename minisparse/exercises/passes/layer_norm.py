r"""Layer normalisation

The activities of a layer are shifted and scaled, for each example, until their mean is 0 and their spread is 1. The
task teaches what a mean and a standard deviation do on the way back. Both depend on every unit, so two parts of the
slope are taken away: that along a common shift, and that along a common stretch. Neither of them changes the output.

* ``x`` is (units, batch), a column per example. All means are taken over the units of a column.
* ``s`` is the standard deviation of each column, (batch,): the root of the mean squared distance from the
  mean. (The usual small number under the root is left out: no column here is constant.)
* ``n`` is ``x`` minus its mean, divided by ``s``: (units, batch).
* ``gamma`` and ``beta`` are (units, 1), a scale and a shift of each unit.
* ``y`` is (units, batch): ``y = gamma * n + beta``, where ``*`` is the product entry by entry.
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

**4. Matrix form.** With :math:`\odot` for the product entry by entry, and :math:`\overline{\;\cdot\;}` for the mean of
a column, which counts for the whole column:

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
    "Four units, one example: x = (0, 0, 6, 6), so the mean is 3 and s is 3; gamma = (2, 1, 3, 1), beta = (1, 0, "
    "0, 0), dy = (18, 12, 10, -6)."
)
PENCIL = (
    (
        "y[0, 0]", "What is the first output?",
        "n of unit 0 is (0 - 3) / 3; times gamma, plus beta: y[0, 0] = 2 * (0 - 3) / 3 + 1.",
    ),
    (
        "dgamma[0, 0]", "What is the slope in the first gamma?",
        "gamma moves its output by n, and there is one example: dgamma[0, 0] = 18 * (-1).",
    ),
    (
        "dx[0, 0]", "And in the first x?",
        "gamma * dy is (36, 12, 30, -6), mean 18; times n it is (-36, -12, 30, -6), with the mean -6; n is -1: "
        "dx[0, 0] = (36 - 18 - (-1) * (-6)) / 3.",
    ),
    (
        "dx[1, 0]", "And in the second x?",
        "The same two means, 18 and -6; its own dn is 12 and its n is -1: dx[1, 0] = (12 - 18 - (-1) * (-6)) / 3.",
    ),
    (
        "dx[2, 0]", "And in the third x? Here n has the other sign.",
        "The same two means, 18 and -6; its own dn is 30 and its n is 1: dx[2, 0] = (30 - 18 - 1 * (-6)) / 3.",
    ),
)  # fmt: skip

HINTS = (
    "Write dn, the slope in n, first. Then ask: if one x moves, what happens to the mean, to s, and so to every n?",
    "Of dn two parts are taken away: its mean over the units, and n times the mean over the units of dn * n.",
    "dx = (dn - mean of dn - n * mean of dn * n) / s, both means with axis=0. For gamma and beta sum over the "
    "examples.",
)

DX = "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s"
MISTAKES = (
    ("mean-constant", "Here the mean is taken for a constant; it should move with every unit, which takes a part away.",
     DX, "dx = (dn - n * (dn * n).mean(axis=0)) / s"),
    ("deviation-constant", "Here the part through s is missing, or adds up to 0; s should move with every unit.",
     DX, "dx = (dn - dn.mean(axis=0)) / s"),
    ("both-constant", "Here mean and s are taken for constants; both should move with every unit.",
     DX, "dx = dn / s"),
    ("sums-for-means",
     "Here two sums over the units are taken away; they should be means, divided by the number of units.",
     DX, "dx = (dn - dn.sum(axis=0) - n * (dn * n).sum(axis=0)) / s"),
    ("sum-for-mean", "Here the sum of dn is taken away; it should be the mean of dn over the units.",
     DX, "dx = (dn - dn.sum(axis=0) - n * (dn * n).mean(axis=0)) / s"),
    ("sum-along-n", "Here n times the sum of dn * n is taken away; it should be n times the mean over the units.",
     DX, "dx = (dn - dn.mean(axis=0) - n * (dn * n).sum(axis=0)) / s"),
    ("mean-added", "Here the mean of dn is added; it should be taken away, as the mean of x was.",
     DX, "dx = (dn + dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s"),
    ("stretch-added", "Here the part along n is added; it should be taken away: a larger s makes every n smaller.",
     DX, "dx = (dn - dn.mean(axis=0) + n * (dn * n).mean(axis=0)) / s"),
    ("both-added", "Here both parts of dn are added; both should be taken away.",
     DX, "dx = (dn + dn.mean(axis=0) + n * (dn * n).mean(axis=0)) / s"),
    ("n-lost", "Here the mean of dn * n is taken away as it is; it should be times n of each unit.",
     DX, "dx = (dn - dn.mean(axis=0) - (dn * n).mean(axis=0)) / s"),
    ("inner-n-lost", "Here n multiplies the mean of dn; it should multiply the mean of dn * n.",
     DX, "dx = (dn - dn.mean(axis=0) - n * dn.mean(axis=0)) / s"),
    ("half-a-stretch", "Here half of the part along n is taken away; it should be all of it: a square has a factor 2.",
     DX, "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0) / 2) / s"),
    ("divided-inside",
     "Here the part along n is divided by s twice; it should be once, as n holds one division already.",
     DX, "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0) / s) / s"),
    ("divided-twice", "Here everything is divided by s twice; the forward pass divided once.",
     DX, "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) / s**2"),
    ("not-divided", "Here nothing is divided by s; the forward pass divided by it.",
     DX, "dx = dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)"),
    ("times-s", "Here everything is multiplied by s; the forward pass divided by it.",
     DX, "dx = (dn - dn.mean(axis=0) - n * (dn * n).mean(axis=0)) * s"),
    ("over-the-batch", "Here the means go over the examples, as in batch normalisation; they should go over the units.",
     DX, "dx = (dn - dn.mean(axis=1, keepdims=True) - n * (dn * n).mean(axis=1, keepdims=True)) / s"),
    ("mean-of-all", "Here the means go over units and examples; they should go over the units of each example.",
     DX, "dx = (dn - dn.mean() - n * (dn * n).mean()) / s"),
    ("gamma-at-the-end", "Here gamma multiplies at the end; it should multiply dy first, before the means are taken.",
     DX, "dx = gamma * (dy - dy.mean(axis=0) - n * (dy * n).mean(axis=0)) / s"),
    ("gamma-lost", "Here dn is dy without gamma; the forward pass multiplied n by gamma.",
     "dn = gamma * dy", "dn = dy"),
    ("gamma-divides", "Here dy is divided by gamma; it should be multiplied by it, as n was.",
     "dn = gamma * dy", "dn = dy / gamma"),
    ("mean-gamma", "Here the gradient of gamma is a mean over the examples; it should be a sum.",
     "dgamma = (dy * n).sum(axis=1, keepdims=True)", "dgamma = (dy * n).mean(axis=1, keepdims=True)"),
    ("gamma-without-n", "Here the gradient of gamma is added up without n; the forward pass multiplied gamma by n.",
     "dgamma = (dy * n).sum(axis=1, keepdims=True)", "dgamma = dy.sum(axis=1, keepdims=True)"),
    ("gamma-twice", "Here gamma multiplies its own gradient; it should not be in it, as y is linear in gamma.",
     "dgamma = (dy * n).sum(axis=1, keepdims=True)", "dgamma = (gamma * dy * n).sum(axis=1, keepdims=True)"),
    ("gamma-over-s", "Here the gradient of gamma is divided by s; it should not be, as n holds that division already.",
     "dgamma = (dy * n).sum(axis=1, keepdims=True)", "dgamma = (dy * n / s).sum(axis=1, keepdims=True)"),
    ("mean-beta", "Here the gradient of beta is a mean over the examples; it should be a sum.",
     "dbeta = dy.sum(axis=1, keepdims=True)", "dbeta = dy.mean(axis=1, keepdims=True)"),
    ("beta-with-gamma", "Here gamma multiplies the gradient of beta; the forward pass added beta after gamma.",
     "dbeta = dy.sum(axis=1, keepdims=True)", "dbeta = (gamma * dy).sum(axis=1, keepdims=True)"),
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
    gamma, beta = np.array([[2.0], [1.0], [3.0], [1.0]]), np.array([[1.0], [0.0], [0.0], [0.0]])
    y, cache = forward(gamma, beta, np.array([[0.0], [0.0], [6.0], [6.0]]))
    grads = backward(np.array([[18.0], [12.0], [10.0], [-6.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dgamma[0, 0]": grads["gamma"][0, 0],
        "dx[0, 0]": grads["x"][0, 0],
        "dx[1, 0]": grads["x"][1, 0],
        "dx[2, 0]": grads["x"][2, 0],
    }
