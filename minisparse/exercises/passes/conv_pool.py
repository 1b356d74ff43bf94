r"""Convolution and pooling

A small filter slides along a signal and responds at each position; of every two neighbouring responses the larger one
survives. The task teaches two things. A filter is used at many positions, so its gradient is a sum over them, and an
input is heard at several positions, so its slopes add up where the filters overlap. A maximum sends its whole slope to
the winner.

* ``x`` is (channels, length, batch), a signal with several channels.
* ``K`` is (filters, channels, width), and ``b`` is (filters, 1).
* The response of a filter at position ``p`` is the sum over channels and offsets ``q = 0, 1, ...`` of the filter times
  the input at ``p + q``, plus the bias: ``a``, (filters, positions, batch). There are ``length - width + 1`` positions.
  (The filter is not flipped.)
* Positions 0 and 1 form a pair, 2 and 3 the next. ``y``, (filters, pairs, batch), holds the larger response of each
  pair.
* The cache holds ``won``, (filters, pairs, 2, batch): True for the one of each pair that was larger.
* ``dy``, of the shape of ``y``, holds the slope of the loss in each entry. Wanted are ``dK``, ``db`` and ``dx``.

Derivation
----------

**1. Indices.** Let :math:`f` count filters, :math:`c` channels, :math:`p` positions, :math:`q` offsets within the
filter, :math:`r` pairs and :math:`k` examples:

.. math::

   a_{fpk} = \sum_c \sum_q K_{fcq}\, x_{c,\,p+q,\,k} + b_f, \qquad y_{frk} = \max(a_{f,2r,k},\, a_{f,2r+1,k})

**2. Perturb.** Move one response by a small :math:`\varepsilon`. If it won its pair, :math:`y` moves by
:math:`\varepsilon`; if not, nothing moves. Move :math:`K_{fcq}`: the response of filter :math:`f` at *every* position
:math:`p` moves by :math:`\varepsilon x_{c,p+q,k}`. Move the input at place :math:`u`, :math:`x_{cuk}`: it stands in
the responses at all positions :math:`p` with :math:`p + q = u`, and moves each by :math:`K_{fcq} \varepsilon`.

**3. Collect.** With :math:`won` as 1 and 0:

.. math::

   da_{fpk} = won_{fpk}\, dy_{frk} \;\; (r = \lfloor p/2 \rfloor)

.. math::

   dK_{fcq} = \sum_{p,k} da_{fpk}\, x_{c,p+q,k}, \qquad
   dx_{cuk} = \sum_f \sum_{p+q=u} K_{fcq}\, da_{fpk}

and :math:`db_f = \sum_{p,k} da_{fpk}`.

**4. Matrix form.** For one offset :math:`q` a convolution is a linear layer at every position, with the matrix
:math:`K_q`, (filters, channels), and the input shifted by :math:`q`. So for each :math:`q`, position and example:

.. math:: dK_q \mathrel{+}= da\; x_{shifted}^T, \qquad dx_{shifted} \mathrel{+}= K_q^T\, da

**5. Code.** A loop over the offsets. ``here`` is where offset :math:`q` looks; in ``dx`` this place is added to, not
set. ``einsum`` names the axes: those that do not appear on the right of the arrow are summed."""

import numpy as np

MINUTES = 35
TEACHES = "shared weights, overlapping inputs, and the slope of a maximum"

PENCIL_CASE = (
    "One filter, one channel, one example: K = (2, -1), b = 0, x = (1, 3, 1, -2, 2). So there are four positions "
    "and two pairs. dy = (5, 2)."
)
PENCIL = (
    (
        "y[0]", "What is the larger response of the first pair?",
        "Position 0 gives 2 * 1 - 1 * 3, position 1 gives the larger: y[0] = 2 * 3 - 1 * 1.",
    ),
    (
        "dK[0]", "What is the slope in the first number of the filter?",
        "Positions 1 and 2 have won their pairs; at p it meets the input p: dK[0] = 5 * 3 + 2 * 1.",
    ),
    (
        "dK[1]", "And in the second?",
        "At position p it meets the input p + 1, so places 2 and 3 for the two winners: dK[1] = 5 * 1 + 2 * (-2).",
    ),
    (
        "db", "And in the bias?",
        "It is added at every position, but only the two winners pass a slope on: db = 5 + 2.",
    ),
    (
        "dx[1]", "And in the input at place 1?",
        "Positions 0 and 1 hear it; position 0 has lost its pair: dx[1] = 2 * 5 + (-1) * 0.",
    ),
    (
        "dx[2]", "And in the input at place 2? Two winners hear it.",
        "Position 2 hears it by the first number of the filter, position 1 by the second: dx[2] = 2 * 2 + (-1) * 5.",
    ),
)  # fmt: skip

HINTS = (
    "First undo the pooling: which of the responses a gets which slope? Then treat each offset of the filter on "
    "its own.",
    "da is won * dy[:, :, None], reshaped to (filters, positions, batch). At offset q, position p hears place p + q.",
    "For each q: dK[:, :, q] sums da times x[:, q : q + positions]; dx[:, q : q + positions] += K[:, :, q] times da.",
)

DA = "da = won * dy[:, :, None]"
DB = "db = da.sum(axis=(1, 2))[:, None]"
DK = 'dK[:, :, q] = np.einsum("fpk,cpk->fc", da, x[:, here])'
DX = 'dx[:, here] += np.einsum("fc,fpk->cpk", K[:, :, q], da)'
MISTAKES = (
    ("average", "Here the two of a pair share the slope, as after a mean; it should all go to the larger.",
     DA, "da = np.repeat(dy[:, :, None], 2, axis=2) / 2"),
    ("both-win", "Here both responses of a pair get the slope; it should be the larger one alone.",
     DA, "da = np.repeat(dy[:, :, None], 2, axis=2)"),
    ("loser-wins", "Here the slope goes to the smaller response of each pair; it should go to the larger.",
     DA, "da = ~won * dy[:, :, None]"),
    ("loser-minus", "Here the smaller response gets the slope with a minus; it should get none.",
     DA, "da = np.where(won, 1, -1) * dy[:, :, None]"),
    ("first-wins", "Here the slope goes to the first response of each pair; it should go to the larger.",
     DA, "da = np.array([[1], [0]]) * dy[:, :, None]"),
    ("second-wins", "Here the slope goes to the second response of each pair; it should go to the larger.",
     DA, "da = np.array([[0], [1]]) * dy[:, :, None]"),
    ("ignores-dy", "Here each winner gets the slope 1; it should get the dy of its pair.",
     DA, "da = won * np.ones_like(dy)[:, :, None]"),
    ("pairs-mixed", "Here all first responses stand before all second ones; it should be pair after pair.",
     DA, "da = (won * dy[:, :, None]).swapaxes(1, 2)"),
    ("mean-bias", "Here the gradient of the bias is a mean over positions and examples; it should be a sum over both.",
     DB, "db = da.mean(axis=(1, 2))[:, None]"),
    ("mean-over-positions", "Here the gradient of the bias is a mean over the positions; it should be a sum over them.",
     DB, "db = da.mean(axis=1).sum(axis=1)[:, None]"),
    ("mean-over-batch", "Here the gradient of the bias is a mean over the examples; it should be a sum over them.",
     DB, "db = da.mean(axis=2).sum(axis=1)[:, None]"),
    ("mean-over-pairs", "Here the gradient of the bias is a mean over the pairs; it should be a sum over them.",
     DB, "db = dy.mean(axis=1).sum(axis=1)[:, None]"),
    ("first-position", "Here only the first position counts for the bias; it should be all of them, added up.",
     DB, "db = da[:, 0].sum(axis=1)[:, None]"),
    ("last-position",
     "Here only the last position counts for the bias; it should be all, added up (in a loop: with +=).",
     DB, "db = da[:, -1].sum(axis=1)[:, None]"),
    ("bias-per-offset", "Here the bias collects its slope once per offset; it should be outside the loop over q.",
     DB, "db = width * da.sum(axis=(1, 2))[:, None]"),
    ("not-shifted", "Here every offset of the filter meets the same input; the forward pass shifted it by q.",
     DK, 'dK[:, :, q] = np.einsum("fpk,cpk->fc", da, x[:, :positions])'),
    ("filter-reversed", "Here the gradient of the filter stands turned round; it should have offset q at place q.",
     DK, 'dK[:, :, -1 - q] = np.einsum("fpk,cpk->fc", da, x[:, here])'),
    ("mean-weights", "Here the gradient of the filter is divided by the number of positions; it should be a plain sum.",
     DK, 'dK[:, :, q] = np.einsum("fpk,cpk->fc", da, x[:, here]) / positions'),
    ("overwritten", "Here the last offset replaces the slopes of the others; they should add up, with +=.",
     DX, 'dx[:, here] = np.einsum("fc,fpk->cpk", K[:, :, q], da)'),
    ("flipped", "Here the filter is turned round in dx; the forward pass used it as it is, offset q by q.",
     DX, 'dx[:, here] += np.einsum("fc,fpk->cpk", K[:, :, -1 - q], da)'),
    ("input-not-shifted", "Here every offset sends its slope to the same places; the forward pass shifted x by q.",
     DX, 'dx[:, :positions] += np.einsum("fc,fpk->cpk", K[:, :, q], da)'),
)  # fmt: skip

OTHER_FORMS = (
    """
    db = dy.sum(axis=(1, 2))[:, None]
    da = np.where(won, dy[:, :, None], 0).reshape(filters, positions, -1)
    windows = np.lib.stride_tricks.sliding_window_view(x, width, axis=1)
    dK = np.einsum("fpk,cpkq->fcq", da, windows)
    padded = np.pad(da, ((0, 0), (width - 1, width - 1), (0, 0)))
    dx = np.einsum("fcq,fukq->cuk", K[:, :, ::-1], np.lib.stride_tricks.sliding_window_view(padded, width, axis=1))
    """,
    """
    dK, db, dx = np.zeros_like(K), np.zeros((filters, 1)), np.zeros_like(x)
    for f, r, side, k in zip(*np.nonzero(won)):
        p, slope = 2 * r + side, dy[f, r, k]
        db[f] += slope
        dK[f] += slope * x[:, p : p + width, k]
        dx[:, p : p + width, k] += slope * K[f]
    """,
)


def inputs(rng):
    """Return small inputs: 2 channels of length 8, 4 filters of width 3, 5 examples."""
    return {
        "K": rng.standard_normal((4, 2, 3)),
        "b": rng.standard_normal((4, 1)),
        "x": rng.standard_normal((2, 8, 5)),
    }


def forward(K, b, x):
    """Return y, (filters, pairs, batch), and what the backward pass needs."""
    filters, _, width = K.shape
    positions = x.shape[1] - width + 1
    a = b[:, :, None]
    for q in range(width):
        a = a + np.einsum("fc,cpk->fpk", K[:, :, q], x[:, q : q + positions])
    pairs = np.reshape(a, (filters, positions // 2, 2, x.shape[2]))
    won = np.arange(2)[:, None] == np.argmax(pairs, axis=2)[:, :, None]
    y = np.max(pairs, axis=2)
    return y, (K, x, won)


def backward(dy, cache):
    """Return the gradients of K, b and x from that of y, (filters, pairs, batch)."""
    K, x, won = cache
    filters, _, width = K.shape
    positions = x.shape[1] - width + 1
    # BEGIN SOLUTION
    da = won * dy[:, :, None]  # (filters, pairs, 2, batch)
    da = da.reshape(filters, positions, -1)  # (filters, positions, batch)
    db = da.sum(axis=(1, 2))[:, None]  # (filters, 1)
    dK = np.zeros_like(K)  # (filters, channels, width)
    dx = np.zeros_like(x)  # (channels, length, batch)
    for q in range(width):
        here = slice(q, q + positions)
        dK[:, :, q] = np.einsum("fpk,cpk->fc", da, x[:, here])  # (filters, channels)
        dx[:, here] += np.einsum("fc,fpk->cpk", K[:, :, q], da)  # (channels, here, batch)
    # END SOLUTION
    return {"K": dK, "b": db, "x": dx}


def pencil():
    """Return the answers to the pencil exercise."""
    x = np.array([1.0, 3.0, 1.0, -2.0, 2.0]).reshape(1, 5, 1)
    y, cache = forward(np.array([[[2.0, -1.0]]]), np.array([[0.0]]), x)
    grads = backward(np.array([[[5.0], [2.0]]]), cache)
    return {
        "y[0]": y[0, 0, 0],
        "dK[0]": grads["K"][0, 0, 0],
        "dK[1]": grads["K"][0, 0, 1],
        "db": grads["b"][0, 0],
        "dx[1]": grads["x"][0, 1, 0],
        "dx[2]": grads["x"][0, 2, 0],
    }
