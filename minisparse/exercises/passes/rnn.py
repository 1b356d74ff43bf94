r"""A recurrent network

The same weights are used at every time step, and each activity is made from the one before. The task teaches
*back-propagation through time*: one loop that runs backward, carries a slope from step to step, and collects a share of
the gradient at each. All that the loop needs, the forward pass has kept.

* ``x`` is (time, inputs, batch), the input at each step ``t = 0, 1, ...``
* ``W_in`` is (units, inputs), ``W`` (units, units), a row per receiving unit, and ``b`` (units, 1).
* The drive of step ``t`` is ``a[t] = W_in @ x[t] + W @ h[t] + b``, and the activity ``h[t + 1] = tanh(a[t])``, with
  ``h[0] = 0``; each is (units, batch). Mind the index: step ``t`` makes the activity with the number ``t + 1``.
* The cache holds ``h``, (time + 1, units, batch), which begins with ``h[0]``.
* ``y`` is (time, units, batch): all activities but ``h[0]``, so ``y[t]`` is ``h[t + 1]``. ``dy`` holds the slope
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
    "One unit, one input, three steps, one example: W_in = 1, W = 5, b = 0, and x is such that h[0], h[1], h[2] "
    "and h[3] are 0, 3/5, 4/5 and 3/5. dy = (100, 100, 125)."
)
PENCIL = (
    (
        "da[2]", "What is the slope in the drive of the last step?",
        "Nothing comes back from later. The last step makes h[3], so the slope of tanh is 1 - (3/5) ** 2: "
        "da[2] = 125 * (1 - 9/25).",
    ),
    (
        "da[1]", "And in the drive of the middle step? It hears of the loss in two ways.",
        "Its own dy, and W times the slope in the next drive; both times the slope of tanh at h[2]: "
        "da[1] = (100 + 5 * 125 * 16/25) * (1 - 16/25).",
    ),
    (
        "da[0]", "And in the drive of the first step?",
        "Its own dy, and W times the slope da[1], as in the question before; both times the slope of tanh at h[1]: "
        "da[0] = (100 + 5 * (100 + 5 * 125 * 16/25) * 9/25) * (1 - 9/25).",
    ),
    (
        "dW", "And in the weight W, which is used at every step?",
        "Each step gives its da times the activity before it, h[0] = 0 first; with da[1] and da[2] put in: "
        "dW = (100 + 5 * 125 * 16/25) * 9/25 * 3/5 + 125 * 16/25 * 4/5.",
    ),
    (
        "db", "And in the bias?",
        "The bias is used once at each step, so the three slopes add up, with da[1] in two of them: "
        "db = 125 * 16/25 + (100 + 400) * 9/25 + (100 + 5 * (100 + 400) * 9/25) * 16/25.",
    ),
)  # fmt: skip

HINTS = (
    "Start at the last step, where only dy counts. Which two ways lead from the activity of an earlier step to "
    "the loss?",
    "da[t] is (dy[t] + what comes back from step t + 1) times the slope of tanh, 1 - h[t + 1] ** 2.",
    "In a loop over reversed(range(len(x))): da[t] as in the second hint, then dh = W.T @ da[t]. dW sums da[t] @ "
    "h[t].T.",
)

DA = "da[t] = (dy[t] + dh) * (1 - h[t + 1] ** 2)"
LOOP = "for t in reversed(range(len(x))):"
MISTAKES = (
    ("truncated", "Here no slope goes back from a step to the one before; it should, since h[t + 1] is made from h[t].",
     "dh = W.T @ da[t]", "dh = np.zeros_like(h[0])"),
    ("not-transposed", "Here the slope goes back through W itself; it should go back through its transpose.",
     "dh = W.T @ da[t]", "dh = W @ da[t]"),
    ("carry-before-slope",
     "Here dh is made from the slope in the activity; it should be made from da[t], after the tanh.",
     "dh = W.T @ da[t]", "dh = W.T @ (dy[t] + dh)"),
    ("carry-adds-up", "Here dh is added to the dh of later steps; it should replace it, as da[t] holds that already.",
     "dh = W.T @ da[t]", "dh = dh + W.T @ da[t]"),
    ("truncated-and-early",
     "Here no slope goes back, and tanh gets its slope at h[t]; both should change: see h[t + 1].",
     ("dh = W.T @ da[t]", DA), ("dh = np.zeros_like(h[0])", "da[t] = dy[t] * (1 - h[t] ** 2)")),
    ("loop-stops-early", "Here the loop ends before step 0; it should reach it, as range leaves out its end.",
     LOOP, "for t in range(len(x) - 1, 0, -1):"),
    ("loop-forward", "Here the loop runs from the first step to the last; it should run from the last to the first.",
     LOOP, "for t in range(len(x)):"),
    ("slope-one-step-early", "Here the slope of tanh is taken at h[t]; step t of the forward pass made h[t + 1].",
     DA, "da[t] = (dy[t] + dh) * (1 - h[t] ** 2)"),
    ("no-slope", "Here the slope of tanh is missing; it should multiply all that comes back to h[t + 1].",
     DA, "da[t] = dy[t] + dh"),
    ("not-squared", "Here 1 - h is used for the slope of tanh; the h in it should be squared.",
     DA, "da[t] = (dy[t] + dh) * (1 - h[t + 1])"),
    ("slope-of-sigmoid", "Here h * (1 - h) is used, the slope of a sigmoid; the forward pass used tanh.",
     DA, "da[t] = (dy[t] + dh) * h[t + 1] * (1 - h[t + 1])"),
    ("value-for-slope", "Here the activity is used for the slope of tanh; it should be 1 minus its square.",
     DA, "da[t] = (dy[t] + dh) * h[t + 1]"),
    ("tanh-twice", "Here tanh is applied to h, its value already; the slope should be made of h itself.",
     DA, "da[t] = (dy[t] + dh) * (1 - np.tanh(h[t + 1]) ** 2)"),
    ("path-without-slope", "Here dh is added after the slope of tanh; it should be multiplied by it, as dy is.",
     DA, "da[t] = dy[t] * (1 - h[t + 1] ** 2) + dh"),
    ("output-without-slope", "Here dy is added after the slope of tanh; it should be multiplied by it, as dh is.",
     DA, "da[t] = dy[t] + dh * (1 - h[t + 1] ** 2)"),
    ("last-output-only", "Here only the last output sends a slope; each step should add its own dy[t].",
     DA, "da[t] = ((t == len(x) - 1) * dy[t] + dh) * (1 - h[t + 1] ** 2)"),
    ("next-activity", "Here da[t] meets h[t + 1] in the gradient of W; the forward pass multiplied W with h[t].",
     "dW = sum(da[t] @ h[t].T for t in range(len(x)))", "dW = sum(da[t] @ h[t + 1].T for t in range(len(x)))"),
    ("activity-too-early", "Here da[t] meets h[t - 1] in the gradient of W; the forward pass multiplied W with h[t].",
     "dW = sum(da[t] @ h[t].T for t in range(len(x)))", "dW = sum(da[t] @ h[t - 1].T for t in range(len(x)))"),
    ("first-share", "Here only the first step counts for W, and h[0] is 0; all steps should add up, with +=.",
     "dW = sum(da[t] @ h[t].T for t in range(len(x)))", "dW = da[0] @ h[0].T"),
    ("last-share", "Here only the last step counts for W; all steps should add up, with +=.",
     "dW = sum(da[t] @ h[t].T for t in range(len(x)))", "dW = da[-1] @ h[-2].T"),
    ("first-share-in", "Here only the first step counts for W_in; all steps should add up (in a loop: with +=).",
     "dW_in = sum(da[t] @ x[t].T for t in range(len(x)))", "dW_in = da[0] @ x[0].T"),
    ("last-share-in", "Here only the last step counts for W_in; all steps should add up (in a loop: with +=).",
     "dW_in = sum(da[t] @ x[t].T for t in range(len(x)))", "dW_in = da[-1] @ x[-1].T"),
    ("first-share-bias", "Here only the first step counts for the bias; all steps should add up (in a loop: with +=).",
     "db = da.sum(axis=(0, 2))[:, None]", "db = da[0].sum(axis=1)[:, None]"),
    ("last-share-bias", "Here only the last step counts for the bias; all steps should add up (in a loop: with +=).",
     "db = da.sum(axis=(0, 2))[:, None]", "db = da[-1].sum(axis=1)[:, None]"),
    ("mean-bias", "Here the gradient of the bias is a mean over steps and examples; it should be a sum over both.",
     "db = da.sum(axis=(0, 2))[:, None]", "db = da.mean(axis=(0, 2))[:, None]"),
    ("mean-over-batch", "Here the gradient of the bias is a mean over the examples; it should be a sum over them.",
     "db = da.sum(axis=(0, 2))[:, None]", "db = da.mean(axis=2).sum(axis=0)[:, None]"),
    ("mean-over-time", "Here the gradient of the bias is a mean over the steps; it should be a sum over them.",
     "db = da.sum(axis=(0, 2))[:, None]", "db = da.mean(axis=0).sum(axis=1)[:, None]"),
    ("input-from-output",
     "Here the slope in the input is made from dy; it should be made from da, the slope in the drive.",
     "dx = W_in.T @ da", "dx = W_in.T @ dy"),
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
    one, h = np.array([[1.0]]), np.array([0, 3 / 5, 4 / 5, 3 / 5])
    x = (np.arctanh(h[1:]) - 5 * h[:-1])[:, None, None]
    _, cache = forward(one, 5 * one, 0 * one, x)
    grads = backward(np.array([100.0, 100.0, 125.0])[:, None, None], cache)
    return {
        "da[2]": grads["x"][2, 0, 0],
        "da[1]": grads["x"][1, 0, 0],
        "da[0]": grads["x"][0, 0, 0],
        "dW": grads["W"][0, 0],
        "db": grads["b"][0, 0],
    }
