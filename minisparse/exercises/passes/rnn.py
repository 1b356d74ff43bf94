r"""A recurrent network

The same weights are used at every time step, and each activity is made from the one before. The task teaches
*back-propagation through time*: one loop that runs backward, carries a slope from step to step, and collects a share of
the gradient at each. All that the loop needs, the forward pass has kept.

* ``x`` is (time, inputs, batch), the input at each step :math:`t = 0, 1, \ldots`
* ``W_in`` is (units, inputs), ``W`` (units, units), a row per receiving unit, and ``b`` (units, 1).
* The drive is :math:`a_t = W_{in} x_t + W h_t + b`, and the activity :math:`h_{t+1} = \tanh(a_t)`, with
  :math:`h_0 = 0`; each is (units, batch). Mind the index: step :math:`t` makes the activity with the number
  :math:`t + 1`.
* The cache holds ``h``, (time + 1, units, batch), which begins with :math:`h_0`.
* ``y`` is (time, units, batch): all activities but :math:`h_0`, so ``y[t]`` is :math:`h_{t+1}`. ``dy`` holds the slope
  of the loss in each entry of ``y``.
* Wanted are ``dW_in``, ``dW``, ``db`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`i, j` count units, :math:`m` inputs and :math:`k` examples:

.. math::

   a_{t,ik} = \sum_m W^{in}_{im}\, x_{t,mk} + \sum_j W_{ij}\, h_{t,jk} + b_i, \qquad
   h_{t+1,ik} = \tanh(a_{t,ik})

**2. Perturb.** Move :math:`h_{t+1,jk}` by a small :math:`\varepsilon`. The loss moves in two ways: directly, by
:math:`\varepsilon\, dy_{t,jk}`, and since every drive :math:`a_{t+1,ik}` of the next step moves by
:math:`W_{ij} \varepsilon`. Move :math:`a_{t,ik}`: the activity :math:`h_{t+1,ik}` moves by
:math:`\varepsilon (1 - h_{t+1,ik}^2)`, since the slope of tanh is 1 minus its square. Move :math:`W_{ij}`: at *every*
step :math:`a_{t,ik}` moves by :math:`\varepsilon h_{t,jk}`.

**3. Collect.** With :math:`da = 0` after the last step:

.. math::

   da_{t,jk} = \Big(dy_{t,jk} + \sum_i W_{ij}\, da_{t+1,ik}\Big) \big(1 - h_{t+1,jk}^2\big), \qquad
   dW_{ij} = \sum_t \sum_k da_{t,ik}\, h_{t,jk}

and in the same way :math:`dW^{in}_{im} = \sum_{t,k} da_{t,ik}\, x_{t,mk}`, :math:`db_i = \sum_{t,k} da_{t,ik}` and
:math:`dx_{t,mk} = \sum_i W^{in}_{im}\, da_{t,ik}`.

**4. Matrix form.** With :math:`\odot` for the product entry by entry:

.. math::

   \underset{(units,\, batch)}{da_t} = \big(dy_t + W^T da_{t+1}\big) \odot \big(1 - h_{t+1} \odot h_{t+1}\big)

.. math::

   \underset{(units,\, units)}{dW} = \sum_t \underset{(units,\, batch)}{da_t}\; \underset{(batch,\, units)}{h_t^T}

**5. Code.** A loop from the last step to the first makes all :math:`da_t`; ``dh`` carries :math:`W^T da_{t+1}` to the
step before. After it the sums are one line each.
"""

import numpy as np

MINUTES = 30
TEACHES = "back-propagation through time"

PENCIL_CASE = (
    "One unit, one input, two steps, one example: W_in = 1, W = 5, b = 0, x = (ln 3, -4). Since tanh(ln 3) = 4/5, the "
    "activities are h_1 = 4/5 and h_2 = 0. dy = (25, 5)."
)
PENCIL = (
    ("da_1", "What is the slope in the drive of the last step?"),
    ("da_0", "And in the drive of the first? It hears of the loss in two ways."),
    ("dW", "And in the weight W, which is used at both steps?"),
    ("db", "And in the bias?"),
)

HINTS = (
    "Start at the last step, where only dy counts. Which two ways lead from the activity of an earlier step to "
    "the loss?",
    "da[t] is (dy[t] + what comes back from step t + 1) times the slope of tanh, 1 - h[t + 1] ** 2.",
    "In a loop over reversed(range(len(x))): da[t] as in the second hint, then dh = W.T @ da[t]. dW sums da[t] @ "
    "h[t].T.",
)

MISTAKES = (
    (
        "truncated", "No slope goes back from a step to the one before: the path through W is missing.",
        "dh = W.T @ da[t]", "dh = np.zeros_like(h[0])",
    ),
    (
        "not-transposed", "The slope goes back through W; it must go through its transpose.",
        "dh = W.T @ da[t]", "dh = W @ da[t]",
    ),
    (
        "next-activity", "The weights meet the activity that a step makes; they were multiplied with the one before.",
        "dW = sum(da[t] @ h[t].T for t in range(len(x)))", "dW = sum(da[t] @ h[t + 1].T for t in range(len(x)))",
    ),
    (
        "slope-one-step-early", "The slope of tanh is taken at h[t]; step t makes h[t + 1].",
        "da[t] = (dy[t] + dh) * (1 - h[t + 1] ** 2)", "da[t] = (dy[t] + dh) * (1 - h[t] ** 2)",
    ),
    (
        "path-without-slope", "What comes back from the next step must pass through the slope of tanh, too.",
        "da[t] = (dy[t] + dh) * (1 - h[t + 1] ** 2)", "da[t] = dy[t] * (1 - h[t + 1] ** 2) + dh",
    ),
    (
        "last-step-only", "Only the last output sends a slope; each step has a dy of its own.",
        "da[t] = (dy[t] + dh) * (1 - h[t + 1] ** 2)",
        "da[t] = ((t == len(x) - 1) * dy[t] + dh) * (1 - h[t + 1] ** 2)",
    ),
    (
        "last-share-only", "The gradient of W holds the share of the last step only; the shares of all steps add up.",
        "dW = sum(da[t] @ h[t].T for t in range(len(x)))", "dW = da[-1] @ h[-2].T",
    ),
    (
        "mean-bias", "The gradient of the bias is a mean over time and examples; here a sum belongs.",
        "db = da.sum(axis=(0, 2))[:, None]", "db = da.mean(axis=(0, 2))[:, None]",
    ),
)  # fmt: skip

OTHER_FORMS = (
    """
    dW_in, dW, db, dx = np.zeros_like(W_in), np.zeros_like(W), np.zeros((len(W), 1)), np.zeros_like(x)
    back = 0
    for t in range(len(x) - 1, -1, -1):
        drive = (1 - h[t + 1]) * (1 + h[t + 1]) * (dy[t] + back)
        dW_in += drive @ x[t].T
        dW += drive @ h[t].T
        db += drive.sum(axis=1, keepdims=True)
        dx[t] = W_in.T @ drive
        back = W.T @ drive
    """,
    """
    da = dy * (1 - h[1:] ** 2)
    for t in range(len(x) - 2, -1, -1):
        da[t] += np.einsum("ij,ik,jk->jk", W, da[t + 1], 1 - h[t + 1] ** 2)
    dW_in = np.einsum("tik,tmk->im", da, x)
    dW = np.einsum("tik,tjk->ij", da, h[:-1])
    db = np.einsum("tik->i", da)[:, None]
    dx = np.einsum("im,tik->tmk", W_in, da)
    """,
)


def inputs(rng):
    """Return small inputs: 4 steps, 2 inputs, 5 units, 3 examples."""
    return {
        "W_in": rng.standard_normal((5, 2)),
        "W": 0.5 * rng.standard_normal((5, 5)),
        "b": 0.5 * rng.standard_normal((5, 1)),
        "x": rng.standard_normal((4, 2, 3)),
    }


def forward(W_in, W, b, x):
    """Return y, (time, units, batch), and what the backward pass needs."""
    h = [np.zeros((len(W), x.shape[2]))]
    for t in range(len(x)):
        h.append(np.tanh(W_in @ x[t] + W @ h[t] + b))
    h = np.array(h)
    return h[1:], (W_in, W, x, h)


def backward(dy, cache):
    """Return the gradients of W_in, W, b and x from that of y, (time, units, batch)."""
    W_in, W, x, h = cache
    # BEGIN SOLUTION
    da = np.zeros_like(h[1:])  # (time, units, batch)
    dh = np.zeros_like(h[0])  # (units, batch), from the step after
    for t in reversed(range(len(x))):
        da[t] = (dy[t] + dh) * (1 - h[t + 1] ** 2)  # (units, batch)
        dh = W.T @ da[t]  # (units, batch)
    dW_in = sum(da[t] @ x[t].T for t in range(len(x)))  # (units, inputs)
    dW = sum(da[t] @ h[t].T for t in range(len(x)))  # (units, units)
    db = da.sum(axis=(0, 2))[:, None]  # (units, 1)
    dx = W_in.T @ da  # (time, inputs, batch)
    # END SOLUTION
    return {"W_in": dW_in, "W": dW, "b": db, "x": dx}


def pencil():
    """Return the answers to the pencil exercise; W_in is 1, so the slope in the input is that in the drive."""
    one, x = np.array([[1.0]]), np.array([[[np.log(3)]], [[-4.0]]])
    _, cache = forward(one, 5 * one, 0 * one, x)
    grads = backward(np.array([[[25.0]], [[5.0]]]), cache)
    return {
        "da_1": grads["x"][1, 0, 0],
        "da_0": grads["x"][0, 0, 0],
        "dW": grads["W"][0, 0],
        "db": grads["b"][0, 0],
    }
