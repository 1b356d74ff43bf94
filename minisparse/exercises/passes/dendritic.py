r"""Normalised afferents

A neuron may share out a fixed strength among its synapses: the more there are, and the larger they are, the less each
of them counts. This is the joint rule of Bird and Cuntz, on a sparse layer. The task teaches what happens to a gradient
when a parameter also stands in a norm: a part of it is taken away, the part along the parameters themselves.

* ``v`` is (post, pre), the raw strength of each synapse; a row belongs to one neuron. ``mask``,
  (post, pre), is True where the synapse exists. Off the pattern ``v`` counts as 0.
* ``count``, (post, 1), is the number of synapses of each neuron; it is fixed.
* ``length``, (post, 1), is the root of the sum of ``v**2`` over the synapses of each neuron.
* ``g`` is (post, 1), a scale per neuron. The weights are ``w = g * v / (count * length)``, (post, pre).
* ``x`` is (pre, batch), and ``y``, (post, batch), is ``w @ x``. ``dy`` holds the slope of the loss in each entry.
* Wanted are ``dv``, with exact zeros where there is no synapse, ``dg`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`i` count neurons, :math:`j` their inputs and :math:`k` examples; :math:`n_i` is the
count of neuron :math:`i`, :math:`\ell_i` its length, and :math:`M` the mask as 1 and 0. Sums over :math:`j` run over
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
    "One neuron, three inputs, of which the third has no synapse: v = [[3, 4, 9]], mask = [[1, 1, 0]], g = [[30]], "
    "one example x = [[1], [2], [5]], dy = [[50]]."
)
PENCIL = (
    (
        "y[0, 0]", "What is the output? The weights are whole numbers.",
        "Two synapses of length 5, so the weights are 30 * 3 / 10 and 30 * 4 / 10: y[0, 0] = 9 * 1 + 12 * 2.",
    ),
    (
        "dg[0, 0]", "What is the slope in g?",
        "dw is 50 * 1 and 50 * 2; multiply by v, add up, divide by count and length: "
        "dg[0, 0] = (50 * 3 + 100 * 4) / (2 * 5).",
    ),
    (
        "dv[0, 0]", "What is the slope in the first synapse?",
        "From dw goes what lies along v, a share (50 * 3 + 100 * 4) / 25 = 22 of v; then the scale: "
        "dv[0, 0] = 30 / (2 * 5) * (50 - 22 * 3).",
    ),
    (
        "dv[0, 1]", "And in the second? Compare 3 times the first with 4 times the second.",
        "The same with its own dw and its own v: dv[0, 1] = 30 / (2 * 5) * (100 - 22 * 4).",
    ),
    (
        "dv[0, 2]", "And where there is no synapse?",
        "There the mask is 0 in dw, and v counts as 0: dv[0, 2] = 30 / (2 * 5) * (0 * 50 * 5 - 22 * 0).",
    ),
    (
        "dx[1, 0]", "And in the second input?",
        "It is heard by one weight, 12: dx[1, 0] = 12 * 50.",
    ),
)  # fmt: skip

HINTS = (
    "First get dw, as in a sparse layer. Then ask: if one v moves, which weights of its neuron move, and why?",
    "One v moves its own weight directly, and all weights of the neuron through the length in the denominator.",
    "dg is sum(dw * v) over a row, divided by count * length; dv is g / (count * length) times dw minus its part "
    "along v.",
)

DV = "dv = g / (count * length) * (dw - along / length**2 * v)"
MISTAKES = (
    ("forgotten-mask", "Here synapses that do not exist get a gradient, dw without the mask; it should be 0 there.",
     "dw = mask * (dy @ x.T)", "dw = dy @ x.T"),
    ("mean-weights", "Here dw is divided by the batch; it should be a plain sum over examples.",
     "dw = mask * (dy @ x.T)", "dw = mask * (dy @ x.T) / x.shape[1]"),
    ("whole-layer", "Here the part along v is added up over the whole layer; it should be each neuron's own.",
     "along = (dw * v).sum(axis=1, keepdims=True)", "along = (dw * v).sum() + 0 * length"),
    ("mean-along", "Here the part along v is a mean over all inputs; it should be a sum over the synapses.",
     "along = (dw * v).sum(axis=1, keepdims=True)", "along = (dw * v).mean(axis=1, keepdims=True)"),
    ("along-the-weights",
     "Here w stands in the part along v; it should be the raw v in both places, as the length is that of v.",
     "along = (dw * v).sum(axis=1, keepdims=True)", "along = (dw * w).sum(axis=1, keepdims=True)"),
    ("g-in-its-own-slope", "Here the slope in g has a factor g; it should have none, as the weights are linear in g.",
     "dg = along / (count * length)", "dg = g * along / (count * length)"),
    ("no-count", "Here the slope in g is not divided by the count; the forward pass divided g by it.",
     "dg = along / (count * length)", "dg = along / length"),
    ("no-length", "Here the slope in g is not divided by the length; the forward pass divided g by it.",
     "dg = along / (count * length)", "dg = along / count"),
    ("scale-lost-in-g", "Here the slope in g is the sum of dw * v alone; the forward pass divided by count and length.",
     "dg = along / (count * length)", "dg = along"),
    ("length-constant", "Here the length is taken for a constant; it should move with every v of the neuron.",
     DV, "dv = g / (count * length) * dw"),
    ("length-not-squared", "Here what is taken away is divided by the length once; it should be twice.",
     DV, "dv = g / (count * length) * (dw - along / length * v)"),
    ("count-in-the-part",
     "Here dg is used for the part along v, and it holds a division by the count; that should not be.",
     DV, "dv = g / (count * length) * (dw - dg / length * v)"),
    ("plus-for-minus",
     "Here the part along v is added; it should be taken away: a longer v makes every weight smaller.",
     DV, "dv = g / (count * length) * (dw + along / length**2 * v)"),
    ("v-lost", "Here the part along v is one number per neuron; it should be times v, a part of each synapse's own.",
     DV, "dv = g / (count * length) * (dw - along / length**2)"),
    ("scale-lost",
     "Here dv has no factor in front; the forward pass multiplied v by g and divided by count and length.",
     DV, "dv = dw - along / length**2 * v"),
    ("g-lost", "Here g is missing in dv; the forward pass multiplied v by it.",
     DV, "dv = (dw - along / length**2 * v) / (count * length)"),
    ("count-lost", "Here dv is not divided by the count; the forward pass divided v by it.",
     DV, "dv = g / length * (dw - along / length**2 * v)"),
    ("length-lost", "Here dv is not divided by the length in front; the forward pass divided v by it.",
     DV, "dv = g / count * (dw - along / length**2 * v)"),
    ("raw-transpose", "Here the slope in the input goes back through the raw v; the forward pass multiplied x by w.",
     "dx = w.T @ dy", "dx = v.T @ dy"),
    ("mask-for-weights", "Here the slope in the input goes back through the mask; the forward pass multiplied x by w.",
     "dx = w.T @ dy", "dx = mask.T @ dy"),
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
    y, cache = forward(v, np.array([[30.0]]), mask, np.array([[1.0], [2.0], [5.0]]))
    grads = backward(np.array([[50.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dg[0, 0]": grads["g"][0, 0],
        "dv[0, 0]": grads["v"][0, 0],
        "dv[0, 1]": grads["v"][0, 1],
        "dv[0, 2]": grads["v"][0, 2],
        "dx[1, 0]": grads["x"][1, 0],
    }
