r"""Softmax cross-entropy

A network that names a class ends in a score for each class. Softmax turns the scores of an example into probabilities,
and the loss is small where the right class has a large one. The task teaches how two awkward derivatives, that of a
softmax and that of a logarithm, meet and leave a difference. It also teaches where the division by the batch belongs.

* ``logits`` are the scores, (classes, batch): a column per example.
* ``labels`` are whole numbers, (batch,): the right class of each example.
* ``y`` is the loss itself, one number: the mean over the examples of ``-log(p)``, with ``p`` the probability of the
  right class.
* The cache holds ``probabilities``, (classes, batch), and ``labels``.
* ``dy`` is one number: how strongly whatever is computed from ``y`` responds to it. In training it is 1.
* Wanted is ``dlogits``, the slope in each score.

Derivation
----------

**1. Indices.** Let :math:`z` be the scores, :math:`p` the probabilities, :math:`c` count classes and :math:`k` the
:math:`B` examples; :math:`r_k` is the right class of example :math:`k`:

.. math::

   p_{ck} = \frac{e^{z_{ck}}}{S_k}, \qquad S_k = \sum_c e^{z_{ck}}, \qquad
   y = -\frac1B \sum_k \log p_{r_k k} = \frac1B \sum_k \left(\log S_k - z_{r_k k}\right)

The second form of :math:`y` is the trick: softmax and logarithm together are simpler than each alone.

**2. Perturb.** Move one score :math:`z_{ck}` by a small :math:`\varepsilon`. Then :math:`S_k` moves by
:math:`\varepsilon e^{z_{ck}}`, and its logarithm by that over :math:`S_k`, which is :math:`\varepsilon p_{ck}`. The
other term moves by :math:`\varepsilon` if :math:`c` is the right class, and rests otherwise.

**3. Collect.** Write :math:`t_{ck}` for 1 if :math:`c = r_k` and 0 otherwise (*one-hot*). Both moves together,
divided by :math:`B`, times what a move of :math:`y` does:

.. math:: dz_{ck} = \frac{dy}{B} \left(p_{ck} - t_{ck}\right)

Each column adds up to 0: a constant added to all scores of an example changes nothing.

**4. Matrix form.** :math:`dz = \frac{dy}{B} (p - t)`; all three are (classes, batch).

**5. Code.** A line makes the one-hot columns: it takes columns of the unit matrix by label. The next is the equation.
"""

import numpy as np

MINUTES = 10
TEACHES = "two derivatives that meet, and the division by the batch"

PENCIL_CASE = (
    "Three classes, two examples. In the first the exponentials of the scores are 1, 1, 2 and class 0 is right; in the "
    "second they are 1, 6, 1 and class 1 is right. dy = 8."
)
PENCIL = (
    (
        "p[0, 0]", "What is the probability of class 0 in the first example?",
        "Its exponential, divided by the sum of all three: p[0, 0] = 1 / (1 + 1 + 2).",
    ),
    (
        "dlogits[0, 0]", "What is the slope in the score of class 0, first example?",
        "Class 0 is right here, so 1 goes off; y is a mean of two losses: dlogits[0, 0] = 8 / 2 * (1/4 - 1).",
    ),
    (
        "dlogits[2, 0]", "And in the score of class 2, first example?",
        "Class 2 is wrong here: it only stands in the sum S, so dlogits[2, 0] = 8 / 2 * (2/4 - 0).",
    ),
    (
        "dlogits[1, 1]", "And in the score of class 1, second example?",
        "Class 1 is right here, and its probability is 6 / (1 + 6 + 1): dlogits[1, 1] = 8 / 2 * (3/4 - 1).",
    ),
)  # fmt: skip

HINTS = (
    "Write the loss of one example as log(S) - z[right], with S the sum of the exponentials. Now differentiate.",
    "log(S) gives the probability, for every class; -z[right] gives -1, for the right class only. And y is a mean.",
    "Subtract 1 from the probability of the right class of each column, then multiply all by dy / len(labels).",
)

DLOGITS = "dlogits = dy / len(labels) * (probabilities - target)"
MISTAKES = (
    ("no-mean", "Here nothing is divided by the number of examples; the forward pass takes the mean of their losses.",
     DLOGITS, "dlogits = dy * (probabilities - target)"),
    ("ignores-dy", "Here the incoming slope dy is not used; it should multiply everything, as y may not be the end.",
     DLOGITS, "dlogits = (probabilities - target) / len(labels)"),
    ("no-mean-no-dy", "Here probability minus target stands alone; it should be times dy, divided by the examples.",
     DLOGITS, "dlogits = probabilities - target"),
    ("mean-of-all", "Here the divisor is classes times examples; it should be the number of examples alone.",
     DLOGITS, "dlogits = dy / probabilities.size * (probabilities - target)"),
    ("mean-over-classes", "Here the divisor is the number of classes; it should be the number of examples.",
     DLOGITS, "dlogits = dy / len(probabilities) * (probabilities - target)"),
    ("divided-twice", "Here the number of examples divides twice; it should do so once, as in the forward pass.",
     DLOGITS, "dlogits = dy / len(labels) ** 2 * (probabilities - target)"),
    ("no-target", "Here nothing is subtracted at the right class; it should lose 1 there, the slope of -z[right].",
     DLOGITS, "dlogits = dy / len(labels) * probabilities"),
    ("one-everywhere", "Here 1 is subtracted at every class; it should be subtracted at the right class alone.",
     DLOGITS, "dlogits = dy / len(labels) * (probabilities - 1)"),
    ("plus",
     "Here the target is added; it should be subtracted, since a larger score of the right class lowers the loss.",
     DLOGITS, "dlogits = dy / len(labels) * (probabilities + target)"),
    ("minus", "Here the sign is wrong, target minus probability; it should be probability minus target.",
     DLOGITS, "dlogits = dy / len(labels) * (target - probabilities)"),
    ("right-class-only",
     "Here only the right class gets a slope; the others should get one, too: they are in the sum S.",
     DLOGITS, "dlogits = dy / len(labels) * target * (probabilities - 1)"),
    ("stops-at-probabilities", "Here the slope in the probabilities is given; it should go on, through the softmax.",
     DLOGITS, "dlogits = -dy / len(labels) * target / probabilities"),
    ("slope-twice", "Here the difference is multiplied with p * (1 - p) once more; it should stand as it is.",
     DLOGITS, "dlogits = dy / len(labels) * (probabilities - target) * probabilities * (1 - probabilities)"),
    ("log-for-probability", "Here the logarithm of the probability is used; it should be the probability itself.",
     DLOGITS, "dlogits = dy / len(labels) * (np.log(probabilities) - target)"),
)  # fmt: skip

OTHER_FORMS = (
    """
    dlogits = probabilities.copy()
    dlogits[labels, np.arange(len(labels))] -= 1
    dlogits *= dy / len(labels)
    """,
    """
    dlogits = np.zeros_like(probabilities)
    for k, right in enumerate(labels):
        p = probabilities[:, k]
        dp = np.zeros_like(p)
        dp[right] = -dy / len(labels) / p[right]
        dlogits[:, k] = (np.diag(p) - np.outer(p, p)) @ dp
    """,
)


def inputs(rng):
    """Return small inputs: 4 classes, 3 examples."""
    return {"logits": rng.standard_normal((4, 3)), "labels": rng.permutation(4)[:3]}


def forward(logits, labels):
    """Return y, a number, and what the backward pass needs."""
    exponentials = np.exp(logits - logits.max(axis=0))  # a constant off each column: no overflow
    probabilities = exponentials / exponentials.sum(axis=0)
    y = -np.log(probabilities[labels, np.arange(len(labels))]).mean()
    return y, (probabilities, labels)


def backward(dy, cache):
    """Return the gradient of the logits from that of y, a number."""
    probabilities, labels = cache
    # BEGIN SOLUTION
    target = np.eye(len(probabilities))[:, labels]  # (classes, batch)
    dlogits = dy / len(labels) * (probabilities - target)  # (classes, batch)
    # END SOLUTION
    return {"logits": dlogits}


def pencil():
    """Return the answers to the pencil exercise."""
    _, cache = forward(np.log([[1.0, 1.0], [1.0, 6.0], [2.0, 1.0]]), np.array([0, 1]))
    dlogits = backward(8.0, cache)["logits"]
    return {
        "p[0, 0]": cache[0][0, 0],
        "dlogits[0, 0]": dlogits[0, 0],
        "dlogits[2, 0]": dlogits[2, 0],
        "dlogits[1, 1]": dlogits[1, 1],
    }
