r"""An LSTM cell over several steps

A cell of *long short-term memory* (LSTM) keeps a memory that is not pushed through a nonlinearity at each step. Three
gates between 0 and 1 decide what enters it, what stays, and what is shown. The task teaches a backward pass with two
slopes that travel through time together, that of the memory and that of the activity. They meet at each step.

* ``x`` is (time, inputs, batch), the input at each step :math:`t`.
* ``W`` is (4 units, inputs), ``U`` (4 units, units) and ``b`` (4 units, 1): four blocks of rows below each other, for
  the input gate, the forget gate, the output gate and the candidate, in this order.
* The drive is :math:`a_t = W x_t + U h_t + b`, (4 units, batch). Of its four blocks :math:`i, f, o` are the sigmoids
  :math:`1 / (1 + e^{-a})` of the first three, and :math:`g` is the tanh of the last; each is (units, batch).
* The memory is :math:`c_{t+1} = f \odot c_t + i \odot g`, and the activity :math:`h_{t+1} = o \odot \tanh(c_{t+1})`,
  with :math:`c_0 = h_0 = 0`; each is (units, batch), and :math:`\odot` is the product entry by entry.
* The cache holds the lists ``h`` and ``c``, which begin with :math:`h_0` and :math:`c_0`, and ``gates``, with
  :math:`(i, f, o, g)` of each step.
* ``y`` is (time, units, batch): ``y[t]`` is :math:`h_{t+1}`. ``dy`` holds the slope of the loss in each entry.
* Wanted are ``dW``, ``dU``, ``db`` and ``dx``.

Derivation
----------

**1. Indices.** All but the drive is entry by entry, so units and examples need no index. With the step as index, a star
for any of the four blocks, and :math:`\sigma` for the sigmoid:

.. math::

   a^*_t = W^* x_t + U^* h_t + b^*, \qquad
   i_t, f_t, o_t = \sigma(a^i_t), \sigma(a^f_t), \sigma(a^o_t), \qquad g_t = \tanh(a^g_t)

.. math:: c_{t+1} = f_t\, c_t + i_t\, g_t, \qquad h_{t+1} = o_t \tanh(c_{t+1})

**2. Perturb.** Move :math:`h_{t+1}` by a small :math:`\varepsilon`: the loss moves by :math:`dy_t\, \varepsilon`, and
the four drives of the next step move. Move :math:`c_{t+1}`: :math:`h_{t+1}` moves by :math:`\varepsilon\, o_t (1 -
\tanh^2 c_{t+1})`, and the next memory by :math:`\varepsilon f_{t+1}`. Move a gate: :math:`c_{t+1}` moves by
:math:`\varepsilon g_t` (input gate) or :math:`\varepsilon c_t` (forget gate), and :math:`h_{t+1}` by
:math:`\varepsilon \tanh c_{t+1}` (output gate). Move the candidate: :math:`c_{t+1}` moves by :math:`\varepsilon i_t`.
The slope of the sigmoid is :math:`\sigma (1 - \sigma)`, that of tanh is 1 minus its square.

**3. Collect.** With nothing after the last step:

.. math::

   dh_{t+1} = dy_t + \sum_* U^{*T} da^*_{t+1}, \qquad
   dc_{t+1} = dh_{t+1}\, o_t (1 - \tanh^2 c_{t+1}) + dc_{t+2}\, f_{t+1}

.. math::

   da^i_t = dc_{t+1}\, g_t\, i_t (1 - i_t), \qquad da^f_t = dc_{t+1}\, c_t\, f_t (1 - f_t)

.. math::

   da^o_t = dh_{t+1} \tanh(c_{t+1})\, o_t (1 - o_t), \qquad da^g_t = dc_{t+1}\, i_t (1 - g_t^2)

**4. Matrix form.** The four :math:`da^*_t` below each other are :math:`da_t`, (4 units, batch), and the drive is a
linear layer:

.. math::

   \underset{(4\,units,\, inputs)}{dW} = \sum_t da_t\, x_t^T, \qquad
   \underset{(4\,units,\, units)}{dU} = \sum_t da_t\, h_t^T

.. math::

   \underset{(inputs,\, batch)}{dx_t} = W^T da_t, \qquad \underset{(units,\, batch)}{dh_t} \text{ from } U^T da_t

and :math:`db` is the sum of :math:`da_t` over steps and examples.

**5. Code.** One loop from the last step to the first. ``dh`` and ``dc`` enter a step with what comes from later
steps, are completed, used, and leave it as what goes to the step before."""

import numpy as np

MINUTES = 50
TEACHES = "two slopes that travel through time together"

PENCIL_CASE = (
    "One unit, one input, two steps, one example; U = 0. The input and the output gate are 1/2 at both steps, "
    "the forget "
    "gate is 3/4, the candidate is 4/5 and then -3/5. dy = (0, 400): only the second activity counts. The gates do not "
    "depend on x (their rows of W are 0), the candidate does."
)
PENCIL = (
    ("c_1", "What is the memory after the first step?"),
    ("c_2", "And after the second? What is the slope of tanh there?"),
    ("db_i", "What is the slope in the bias of the input gate, over both steps?"),
    ("db_f", "And in that of the forget gate?"),
    ("db_o", "And in that of the output gate?"),
    ("db_g", "And in that of the candidate?"),
)

HINTS = (
    "Write one step first: given dh and dc, the slopes in h[t + 1] and c[t + 1], get those in i, f, o and g.",
    "c[t + 1] is heard by h[t + 1] and by the next memory: dc is what came from later, plus dh * o * (1 - tanh(c)**2).",
    "Stack the four slopes da with np.concatenate. At the end of a step: dh = U.T @ da and dc = dc * f.",
)

MISTAKES = (
    (
        "memory-path-lost", "The slope that comes back through the memory is dropped at each step; the two add up.",
        "dc = dc + dh * o * (1 - tanh_c**2)", "dc = dh * o * (1 - tanh_c**2)",
    ),
    (
        "forget-gate-lost", "The slope in the memory goes to the step before without the forget gate.",
        "dc = dc * f", "dc = dc.copy()",
    ),
    (
        "activity-path-lost", "The slope does not go back through U to the activity of the step before.",
        "dh = U.T @ da", "dh = np.zeros_like(h[0])",
    ),
    (
        "tanh-slope-lost", "On the way from h to the memory the slope of tanh is missing.",
        "dc = dc + dh * o * (1 - tanh_c**2)", "dc = dc + dh * o",
    ),
    (
        "output-gate-lost", "On the way from h to the memory the output gate is missing.",
        "dc = dc + dh * o * (1 - tanh_c**2)", "dc = dc + dh * (1 - tanh_c**2)",
    ),
    (
        "new-memory", "The forget gate meets the new memory; it was multiplied with the one before.",
        "da_f = dc * c[t] * f * (1 - f)", "da_f = dc * c[t + 1] * f * (1 - f)",
    ),
    (
        "candidate-as-gate", "The candidate gets the slope of the sigmoid; it is a tanh.",
        "da_g = dc * i * (1 - g**2)", "da_g = dc * i * g * (1 - g)",
    ),
    (
        "memory-not-squashed", "The output gate meets the memory itself; it was multiplied with the tanh of it.",
        "da_o = dh * tanh_c * o * (1 - o)", "da_o = dh * c[t + 1] * o * (1 - o)",
    ),
    (
        "next-activity", "U meets the activity that the step makes; it was multiplied with the one before.",
        "dU += da @ h[t].T", "dU += da @ h[t + 1].T",
    ),
)  # fmt: skip

OTHER_FORMS = (
    """
    drives, dh, dc = [], 0, 0
    for t in range(len(x) - 1, -1, -1):
        i, f, o, g = gates[t]
        squashed = np.tanh(c[t + 1])
        dh = dh + dy[t]
        dc = dc + (1 - squashed) * (1 + squashed) * o * dh
        slopes = np.stack([i - i * i, f - f * f, o - o * o, 1 - g * g])
        da = (slopes * np.stack([dc * g, dc * c[t], dh * squashed, dc * i])).reshape(len(W), -1)
        dc, dh = dc * f, U.T @ da
        drives.insert(0, da)
    drives = np.array(drives)
    dW = np.einsum("tak,tmk->am", drives, x)
    dU = np.einsum("tak,tjk->aj", drives, np.array(h[:-1]))
    db = drives.sum(axis=(0, 2))[:, None]
    dx = np.einsum("am,tak->tmk", W, drives)
    """,
    """
    dW, dU, db, dx = 0 * W, 0 * U, np.zeros((len(W), 1)), 0 * x
    n = len(h[0])
    for k in range(x.shape[2]):
        dh, dc = np.zeros(n), np.zeros(n)
        for t in reversed(range(len(x))):
            i, f, o, g = (gate[:, k] for gate in gates[t])
            old, new = c[t][:, k], np.tanh(c[t + 1][:, k])
            dh += dy[t, :, k]
            dc += dh * o * (1 - new**2)
            do = dh * new
            di, df, dg = dc * g, dc * old, dc * i
            da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
            dW += np.outer(da, x[t, :, k])
            dU += np.outer(da, h[t][:, k])
            db[:, 0] += da
            dx[t, :, k] = da @ W
            dh, dc = da @ U, f * dc
    """,
)


def inputs(rng):
    """Return small inputs: 4 steps, 2 inputs, 3 units, 5 examples."""
    return {
        "W": rng.standard_normal((12, 2)),
        "U": 0.7 * rng.standard_normal((12, 3)),
        "b": 0.5 * rng.standard_normal((12, 1)),
        "x": rng.standard_normal((4, 2, 5)),
    }


def forward(W, U, b, x):
    """Return y, (time, units, batch), and what the backward pass needs."""
    units = U.shape[1]
    h, c, gates = [np.zeros((units, x.shape[2]))], [np.zeros((units, x.shape[2]))], []
    for t in range(len(x)):
        a = W @ x[t] + U @ h[t] + b
        i, f, o = (1 / (1 + np.exp(-a[k * units : (k + 1) * units])) for k in range(3))
        g = np.tanh(a[3 * units :])
        c.append(f * c[t] + i * g)
        h.append(o * np.tanh(c[t + 1]))
        gates.append((i, f, o, g))
    return np.array(h[1:]), (W, U, x, h, c, gates)


def backward(dy, cache):
    """Return the gradients of W, U, b and x from that of y, (time, units, batch)."""
    W, U, x, h, c, gates = cache
    # BEGIN SOLUTION
    dW = np.zeros_like(W)  # (4 units, inputs)
    dU = np.zeros_like(U)  # (4 units, units)
    db = np.zeros((len(W), 1))  # (4 units, 1)
    dx = np.zeros_like(x)  # (time, inputs, batch)
    dh = np.zeros_like(h[0])  # (units, batch), from the step after
    dc = np.zeros_like(c[0])  # (units, batch), from the step after
    for t in reversed(range(len(x))):
        i, f, o, g = gates[t]  # (units, batch) each
        tanh_c = np.tanh(c[t + 1])  # (units, batch)
        dh = dh + dy[t]  # (units, batch)
        dc = dc + dh * o * (1 - tanh_c**2)  # (units, batch)
        da_i = dc * g * i * (1 - i)  # (units, batch)
        da_f = dc * c[t] * f * (1 - f)  # (units, batch)
        da_o = dh * tanh_c * o * (1 - o)  # (units, batch)
        da_g = dc * i * (1 - g**2)  # (units, batch)
        da = np.concatenate([da_i, da_f, da_o, da_g])  # (4 units, batch)
        dW += da @ x[t].T  # (4 units, inputs)
        dU += da @ h[t].T  # (4 units, units)
        db += da.sum(axis=1, keepdims=True)  # (4 units, 1)
        dx[t] = W.T @ da  # (inputs, batch)
        dh = U.T @ da  # (units, batch)
        dc = dc * f  # (units, batch)
    # END SOLUTION
    return {"W": dW, "U": dU, "b": db, "x": dx}


def pencil():
    """Return the answers to the pencil exercise: sigmoid(ln 3) = 3/4, tanh(ln 3) = 4/5, tanh(-ln 2) = -3/5."""
    W, U = np.array([[0.0], [0.0], [0.0], [1.0]]), np.zeros((4, 1))
    b, x = np.array([[0.0], [np.log(3)], [0.0], [0.0]]), np.array([[[np.log(3)]], [[-np.log(2)]]])
    _, cache = forward(W, U, b, x)
    db = backward(np.array([[[0.0]], [[400.0]]]), cache)["b"]
    c = cache[4]
    return {
        "c_1": c[1][0, 0],
        "c_2": c[2][0, 0],
        "db_i": db[0, 0],
        "db_f": db[1, 0],
        "db_o": db[2, 0],
        "db_g": db[3, 0],
    }
