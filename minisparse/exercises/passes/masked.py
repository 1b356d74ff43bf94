r"""A sparse layer

Between two groups of neurons most synapses do not exist. A *mask* says which do, and the layer may use these alone. The
task teaches that the mask works twice on the way back: a synapse that does not exist sends no slope to the input, and
it gets none itself. Its gradient is 0 exactly, or training would let it grow.

* ``x`` is (pre, batch), a column per example.
* ``W`` is (post, pre), stored as a full matrix. Off the pattern it may hold any number, which must not count.
* ``mask`` is (post, pre): True where the synapse exists. It is no parameter and gets no gradient.
* ``y`` is (post, batch): ``y = (mask * W) @ x``, where the mask counts as 1 and 0, and ``*`` is the product entry by
  entry.
* ``dy``, of the shape of ``y``, holds the slope of the loss in each entry of ``y``.
* Wanted are ``dW``, with exact zeros where there is no synapse, and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`M` be the mask as 1 and 0, and let :math:`i` count receiving units, :math:`j` sending units
and :math:`k` examples:

.. math:: y_{ik} = \sum_j M_{ij} W_{ij}\, x_{jk}

**2. Perturb.** Move :math:`W_{ij}` by a small :math:`\varepsilon`. Output :math:`i` moves by
:math:`\varepsilon M_{ij} x_{jk}` in every example: if there is no synapse, not at all. Move :math:`x_{jk}`: output
:math:`i` of this example moves by :math:`M_{ij} W_{ij} \varepsilon`, so only the receivers of unit :math:`j` move.

**3. Collect.** The mask does not depend on :math:`k`, so it stays outside the sum:

.. math::

   dW_{ij} = M_{ij} \sum_k dy_{ik}\, x_{jk}, \qquad dx_{jk} = \sum_i M_{ij} W_{ij}\, dy_{ik}

**4. Matrix form.** With :math:`\odot` for the product entry by entry. The gradient of a full matrix, then the mask; and
the transpose of the masked matrix:

.. math::

   \underset{(post,\, pre)}{dW} = M \odot \big(\underset{(post,\, batch)}{dy}\; \underset{(batch,\, pre)}{x^T}\big),
   \qquad \underset{(pre,\, batch)}{dx} = \underset{(pre,\, post)}{(M \odot W)^T}\; \underset{(post,\, batch)}{dy}

**5. Code.** Two lines, each with the mask. A check that moves existing synapses alone does not see a mask that was
forgotten in the first. So zeros off the pattern are checked on their own.
"""

import numpy as np

MINUTES = 10
TEACHES = "exact zeros where there is no synapse"

PENCIL_CASE = (
    "Two units to two units, two examples: W = [[2, 7], [3, -1]], mask = [[1, 0], [1, 1]], x = [[1, 4], [2, 1]], "
    "dy = [[1, 3], [3, 1]]. The 7 is stored where there is no synapse."
)
PENCIL = (
    (
        "y[0, 0]", "What is the first output of the first example?",
        "Unit 0 has one synapse, from input 0; the other is multiplied by 0: y[0, 0] = 2 * 1 + 0 * 7 * 2.",
    ),
    (
        "dW[0, 0]", "What is the slope in the synapse from 0 to 0?",
        "The synapse exists, so its mask is 1: in each example dy times the input, dW[0, 0] = 1 * (1 * 1 + 3 * 4).",
    ),
    (
        "dW[0, 1]", "What is the gradient where the 7 is stored?",
        "There is no synapse, so its mask is 0: dW[0, 1] = 0 * (1 * 2 + 3 * 1).",
    ),
    (
        "dW[1, 1]", "What is the slope in the synapse from 1 to 1?",
        "In each example dy of unit 1 times input 1: dW[1, 1] = 1 * (3 * 2 + 1 * 1).",
    ),
    (
        "dx[0, 0]", "What is the slope in input 0 of the first example?",
        "Both units hear it, unit 0 by the weight 2 and unit 1 by the weight 3: dx[0, 0] = 2 * 1 + 3 * 3.",
    ),
    (
        "dx[1, 0]", "And in input 1 of the first example?",
        "Only unit 1 hears it, as the 7 does not exist: dx[1, 0] = 0 * 7 * 1 + (-1) * 3.",
    ),
)  # fmt: skip

HINTS = (
    "Write the pass of a full layer first. Then ask of each line: what if there is no synapse between these two units?",
    "The forward pass multiplies W by mask. Backward the mask stands in both lines: with W, and around dW.",
    "dW is the full gradient dy @ x.T times mask; dx is (mask * W) transposed, times dy.",
)

MISTAKES = (
    ("forgotten-mask", "Here synapses that do not exist get a gradient, without the mask; it should be 0 there.",
     "dW = mask * (dy @ x.T)", "dW = dy @ x.T"),
    ("mask-inverted", "Here the mask is turned round, and missing synapses get the gradient; it should be the others.",
     "dW = mask * (dy @ x.T)", "dW = ~mask * (dy @ x.T)"),
    ("mean-over-afferents",
     "Here the gradient is divided by the number of afferents; it should not be, y is a plain sum.",
     "dW = mask * (dy @ x.T)", "dW = mask * (dy @ x.T) / mask.sum(axis=1, keepdims=True)"),
    ("weight-twice", "Here the weight multiplies its own gradient; it should not be in it, as y is linear in W.",
     "dW = mask * (dy @ x.T)", "dW = mask * W * (dy @ x.T)"),
    ("mean-weights",
     "Here the gradient of the weights is divided by the batch; it should be a plain sum over examples.",
     "dW = mask * (dy @ x.T)", "dW = mask * (dy @ x.T) / x.shape[1]"),
    ("ignores-dy", "Here the inputs are added up without dy; it should be input times dy of the unit they reach.",
     "dW = mask * (dy @ x.T)", "dW = mask * (np.ones_like(dy) @ x.T)"),
    ("last-example",
     "Here only the last example counts for the weights; it should be all, added up (in a loop: with +=).",
     "dW = mask * (dy @ x.T)", "dW = mask * (dy[:, -1:] @ x[:, -1:].T)"),
    ("full-transpose", "Here the slope goes back through all of W; the forward pass used W with its mask.",
     "dx = (mask * W).T @ dy", "dx = W.T @ dy"),
    ("mask-for-weights",
     "Here the slope goes back through the mask alone; it should be times the weight of the synapse.",
     "dx = (mask * W).T @ dy", "dx = mask.T @ dy"),
    ("inverted-transpose",
     "Here the slope goes back through the missing synapses alone; it should be the existing ones.",
     "dx = (mask * W).T @ dy", "dx = (~mask * W).T @ dy"),
    ("mask-again", "Here the sum for an input is once more times its number of synapses; the mask should count once.",
     "dx = (mask * W).T @ dy", "dx = mask.sum(axis=0)[:, None] * ((mask * W).T @ dy)"),
    ("mask-on-dy", "Here dy is first times the number of afferents, a second mask; the mask should count once, with W.",
     "dx = (mask * W).T @ dy", "dx = (mask * W).T @ (mask.sum(axis=1, keepdims=True) * dy)"),
    ("mean-over-receivers", "Here the slope in an input is a mean over its receivers; it should be a sum over them.",
     "dx = (mask * W).T @ dy", "dx = (mask * W).T @ dy / np.maximum(1, mask.sum(axis=0))[:, None]"),
    ("input-ignores-dy", "Here the weights of an input are added up without dy; it should be weight times dy.",
     "dx = (mask * W).T @ dy", "dx = (mask * W).T @ np.ones_like(dy)"),
)  # fmt: skip

OTHER_FORMS = (
    """
    dW = np.where(mask, np.einsum("ik,jk->ij", dy, x), 0)
    dx = np.einsum("ij,ij,ik->jk", mask.astype(float), W, dy)
    """,
    """
    dW, dx = np.zeros_like(W), np.zeros_like(x)
    for i, j in zip(*np.nonzero(mask)):
        dW[i, j] = dy[i] @ x[j]
        dx[j] += W[i, j] * dy[i]
    """,
)


def inputs(rng):
    """Return small inputs: 4 units to 5 units, about half of the synapses, 3 examples."""
    mask = np.arange(4) < 1 + np.arange(5)[:, None] % 3  # 1, 2, 3, 1, 2 afferents
    return {
        "W": rng.standard_normal((5, 4)),
        "mask": rng.permuted(mask, axis=1),
        "x": rng.standard_normal((4, 3)),
    }


def SUPPORT(given):
    """Return where gradients may differ from 0."""
    return {"W": given["mask"]}


def forward(W, mask, x):
    """Return y, (post, batch), and what the backward pass needs."""
    y = (mask * W) @ x
    return y, (W, mask, x)


def backward(dy, cache):
    """Return the gradients of W and x from that of y, (post, batch)."""
    W, mask, x = cache
    # BEGIN SOLUTION
    dW = mask * (dy @ x.T)  # (post, pre)
    dx = (mask * W).T @ dy  # (pre, batch)
    # END SOLUTION
    return {"W": dW, "x": dx}


def pencil():
    """Return the answers to the pencil exercise."""
    W, mask = np.array([[2.0, 7.0], [3.0, -1.0]]), np.array([[True, False], [True, True]])
    y, cache = forward(W, mask, np.array([[1.0, 4.0], [2.0, 1.0]]))
    grads = backward(np.array([[1.0, 3.0], [3.0, 1.0]]), cache)
    return {
        "y[0, 0]": y[0, 0],
        "dW[0, 0]": grads["W"][0, 0],
        "dW[0, 1]": grads["W"][0, 1],
        "dW[1, 1]": grads["W"][1, 1],
        "dx[0, 0]": grads["x"][0, 0],
        "dx[1, 0]": grads["x"][1, 0],
    }
