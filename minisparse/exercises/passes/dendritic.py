r"""Normalised afferents

A neuron may share out a fixed strength among its synapses: the more there are, and the larger they are, the less each
of them counts. This is the joint rule of Bird and Cuntz, on a sparse layer. The task teaches what happens to a gradient
when a parameter also stands in a norm: a part of it is taken away, the part along the parameters themselves.

* ``v`` is (post, pre), the raw strength of each synapse; row :math:`i` belongs to neuron :math:`i`. ``mask``,
  (post, pre), is True where the synapse exists. Off the pattern :math:`v` counts as 0.
* ``count``, (post, 1), is :math:`n_i`, the number of synapses of each neuron; it is fixed.
* ``length``, (post, 1), is :math:`\ell_i = \sqrt{\sum_j v_{ij}^2}`.
* ``g`` is (post, 1), a scale per neuron. The weights are :math:`w_{ij} = g_i v_{ij} / (n_i \ell_i)`, (post, pre).
* ``x`` is (pre, batch), and ``y``, (post, batch), is :math:`w x`. ``dy`` holds the slope of the loss in each entry.
* Wanted are ``dv``, with exact zeros where there is no synapse, ``dg`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`i` count neurons, :math:`j` their inputs and :math:`k` examples; sums over :math:`j` run over
existing synapses:

.. math::

   w_{ij} = \frac{g_i}{n_i \ell_i}\, v_{ij}, \qquad \ell_i = \Big(\sum_j v_{ij}^2\Big)^{1/2}, \qquad
   y_{ik} = \sum_j w_{ij}\, x_{jk}

**2. Perturb.** Move :math:`v_{im}` by a small :math:`\varepsilon`. Two things happen. The one weight :math:`w_{im}`
moves by :math:`\varepsilon g_i / (n_i \ell_i)`. And the length moves by :math:`\varepsilon v_{im} / \ell_i`, so
*every* weight :math:`w_{ij}` of the neuron shrinks by the share :math:`\varepsilon v_{im} / \ell_i^2` of itself. Move
:math:`g_i` instead: :math:`w_{ij}` moves by :math:`\varepsilon v_{ij} / (n_i \ell_i)`.

**3. Collect.** The weights form a sparse layer, so :math:`dw_{ij} = \sum_k dy_{ik} x_{jk}` where there is a synapse,
and 0 elsewhere. Write :math:`s_i = \sum_j dw_{ij} v_{ij}` for how far :math:`dw_i` points along :math:`v_i`. Then

.. math::

   dg_i = \frac{s_i}{n_i \ell_i}, \qquad
   dv_{im} = \frac{g_i}{n_i \ell_i} \Big(dw_{im} - \frac{s_i}{\ell_i^2}\, v_{im}\Big)

**4. Matrix form.** With :math:`\odot` for products entry by entry, and columns (post, 1) that count for their whole
row:

.. math::

   \underset{(post,\, pre)}{dw} = M \odot (dy\, x^T), \qquad \underset{(post,\, pre)}{dv} =
   \frac{g}{n \odot \ell} \odot \Big(dw - \frac{s}{\ell \odot \ell} \odot v\Big), \qquad
   \underset{(pre,\, batch)}{dx} = w^T dy

Two checks by hand: stretching :math:`v_i` changes no weight, so :math:`\sum_j v_{ij}\, dv_{ij} = 0`; and
:math:`w_i` is proportional to :math:`g_i`, so :math:`g_i\, dg_i = \sum_j w_{ij}\, dw_{ij}`.

**5. Code.** Five lines. As printed, the paper's Eq 4 has a further factor :math:`g_i` in :math:`dg_i`; the chapter
*equations* shows where the two agree.
"""

import numpy as np

MINUTES = 20
TEACHES = "the gradient through a norm, on a sparse pattern"

PENCIL_CASE = (
    "One neuron, three inputs, of which the third has no synapse: v = [[3, 4, 9]], mask = [[1, 1, 0]], g = [[10]], "
    "one example x = [[1], [2], [5]], dy = [[50]]."
)
PENCIL = (
    ("y[0, 0]", "What is the output? The weights are whole numbers."),
    ("dg[0, 0]", "What is the slope in g?"),
    ("dv[0, 0]", "What is the slope in the first synapse?"),
    ("dv[0, 1]", "And in the second? Compare 3 times the first with 4 times the second."),
    ("dv[0, 2]", "And where there is no synapse?"),
    ("dx[1, 0]", "And in the second input?"),
)

HINTS = (
    "First get dw, as in a sparse layer. Then ask: if one v moves, which weights of its neuron move, and why?",
    "One v moves its own weight directly, and all weights of the neuron through the length in the denominator.",
    "dg is sum(dw * v) over a row, divided by count * length; dv is g / (count * length) times dw minus its part "
    "along v.",
)

MISTAKES = (
    (
        "length-constant", "The length is taken for a constant; it moves with every v of the neuron.",
        "dv = g / (count * length) * (dw - along / length**2 * v)", "dv = g / (count * length) * dw",
    ),
    (
        "length-not-squared", "What is taken away is divided by the length once; it belongs there twice.",
        "dv = g / (count * length) * (dw - along / length**2 * v)", "dv = g / (count * length) * (dw - along / "
        "length * v)",
    ),
    (
        "count-lost", "dg holds a division by the count, which the part along v does not have.",
        "dv = g / (count * length) * (dw - along / length**2 * v)", "dv = g / (count * length) * (dw - dg / length * "
        "v)",
    ),
    (
        "g-in-its-own-slope", "The slope in g has a factor g; the weights are linear in g.",
        "dg = along / (count * length)", "dg = g * along / (count * length)",
    ),
    (
        "no-count", "The slope in g lacks the division by the number of synapses.",
        "dg = along / (count * length)", "dg = along / length",
    ),
    (
        "forgotten-mask", "Synapses that do not exist get a gradient: the mask is missing around dw.",
        "dw = mask * (dy @ x.T)", "dw = dy @ x.T",
    ),
    (
        "whole-layer", "The part along v is summed over the whole layer; each neuron has its own.",
        "along = (dw * v).sum(axis=1, keepdims=True)", "along = (dw * v).sum() + 0 * length",
    ),
    (
        "raw-transpose", "The slope in the input goes back through the raw v; the layer multiplies by w.",
        "dx = w.T @ dy", "dx = v.T @ dy",
    ),
)  # fmt: skip

OTHER_FORMS = (
    """
    dw = np.where(mask, dy @ x.T, 0)
    unit = v / length
    dg = np.einsum("ij,ij->i", dw, unit)[:, None] / count
    dv = g / (count * length) * (dw - unit * np.einsum("ij,ij->i", dw, unit)[:, None])
    dx = np.einsum("ij,ik->jk", w, dy)
    """,
    """
    dv, dg, dx = np.zeros_like(v), np.zeros_like(g), w.T @ dy
    for i in range(len(v)):
        on, n = mask[i], count[i, 0]
        raw, size = v[i, on], length[i, 0]
        slope = x[on] @ dy[i]
        dg[i] = slope @ raw / (n * size)
        dv[i, on] = g[i] / n * (np.eye(n) / size - np.outer(raw, raw) / size**3) @ slope
    """,
)


def inputs(rng):
    """Return small inputs: 6 inputs, 4 neurons with 2 to 5 synapses, 3 examples."""
    mask = np.arange(6) < 2 + np.arange(4)[:, None]
    return {
        "v": rng.standard_normal((4, 6)),
        "g": rng.uniform(1, 3, (4, 1)),
        "mask": rng.permuted(mask, axis=1),
        "x": rng.standard_normal((6, 3)),
    }


def SUPPORT(given):
    """Return where gradients may differ from 0."""
    return {"v": given["mask"]}


def forward(v, g, mask, x):
    """Return y, (post, batch), and what the backward pass needs."""
    v = mask * v
    count = mask.sum(axis=1, keepdims=True)
    length = np.sqrt((v * v).sum(axis=1, keepdims=True))
    w = g * v / (count * length)
    y = w @ x
    return y, (v, g, mask, x, count, length, w)


def backward(dy, cache):
    """Return the gradients of v, g and x from that of y, (post, batch); v in the cache is 0 off the pattern."""
    v, g, mask, x, count, length, w = cache
    # BEGIN SOLUTION
    dw = mask * (dy @ x.T)  # (post, pre)
    along = (dw * v).sum(axis=1, keepdims=True)  # (post, 1)
    dg = along / (count * length)  # (post, 1)
    dv = g / (count * length) * (dw - along / length**2 * v)  # (post, pre)
    dx = w.T @ dy  # (pre, batch)
    # END SOLUTION
    return {"v": dv, "g": dg, "x": dx}


def pencil():
    """Return the answers to the pencil exercise."""
    v, mask = np.array([[3.0, 4.0, 9.0]]), np.array([[True, True, False]])
    y, cache = forward(v, np.array([[10.0]]), mask, np.array([[1.0], [2.0], [5.0]]))
    grads = backward(np.array([[50.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dg[0, 0]": grads["g"][0, 0],
        "dv[0, 0]": grads["v"][0, 0],
        "dv[0, 1]": grads["v"][0, 1],
        "dv[0, 2]": grads["v"][0, 2],
        "dx[1, 0]": grads["x"][1, 0],
    }
