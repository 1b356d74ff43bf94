r"""Softmax cross-entropy

A network that names a class ends in a score for each class. Softmax turns the scores of an example into probabilities,
and the loss is small where the right class has a large one. The task teaches how two awkward derivatives, that of a
softmax and that of a logarithm, meet and leave a difference. It also teaches where the division by the batch belongs.

* ``logits`` are the scores :math:`z`, (classes, batch): a column per example.
* ``labels`` are whole numbers, (batch,): the right class of each example.
* ``y`` is the loss itself, one number: the mean over the examples of :math:`-\log p`, with :math:`p` the probability of
  the right class.
* The cache holds ``probabilities``, :math:`p`, (classes, batch), and ``labels``.
* ``dy`` is one number: how strongly whatever is computed from ``y`` responds to it. In training it is 1.
* Wanted is ``dlogits``, the slope in each score.

Derivation
----------

**1. Indices.** Let :math:`c` count classes and :math:`k` the :math:`B` examples; :math:`r_k` is the right class of
example :math:`k`:

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
    "second they are 2, 4, 2 and class 1 is right. dy = 8."
)
PENCIL = (
    ("p[0, 0]", "What is the probability of class 0 in the first example?"),
    ("dlogits[0, 0]", "What is the slope in the score of class 0, first example? Mind that y is a mean of two."),
    ("dlogits[2, 0]", "And in the score of class 2, first example?"),
    ("dlogits[1, 1]", "And in the score of class 1, second example?"),
)

HINTS = (
    "Write the loss of one example as log(S) - z[right], with S the sum of the exponentials. Now differentiate.",
    "log(S) gives the probability, for every class; -z[right] gives -1, for the right class only. And y is a mean.",
    "Subtract 1 from the probability of the right class of each column, then multiply all by dy / len(labels).",
)

MISTAKES = (
    (
        "no-mean", "The division by the number of examples is missing: the loss is a mean.",
        "dlogits = dy / len(labels) * (probabilities - target)", "dlogits = dy * (probabilities - target)",
    ),
    (
        "ignores-dy", "The incoming slope dy is not used; this is right only where it is 1.",
        "dlogits = dy / len(labels) * (probabilities - target)", "dlogits = (probabilities - target) / len(labels)",
    ),
    (
        "mean-of-all", "The gradient is divided by classes times examples; the mean is over the examples alone.",
        "dlogits = dy / len(labels) * (probabilities - target)",
        "dlogits = dy / probabilities.size * (probabilities - target)",
    ),
    (
        "no-target", "Nothing is subtracted at the right class: the slope of -z is missing.",
        "dlogits = dy / len(labels) * (probabilities - target)", "dlogits = dy / len(labels) * probabilities",
    ),
    (
        "right-class-only", "Only the score of the right class gets a slope; the others stand in the sum S, too.",
        "dlogits = dy / len(labels) * (probabilities - target)",
        "dlogits = dy / len(labels) * target * (probabilities - 1)",
    ),
    (
        "stops-at-probabilities", "This is the slope in the probabilities; the step through the softmax is missing.",
        "dlogits = dy / len(labels) * (probabilities - target)", "dlogits = -dy / len(labels) * target / probabilities",
    ),
    (
        "minus", "The gradient has the wrong sign: it is probability minus target.",
        "dlogits = dy / len(labels) * (probabilities - target)",
        "dlogits = dy / len(labels) * (target - probabilities)",
    ),
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
    _, cache = forward(np.log([[1.0, 2.0], [1.0, 4.0], [2.0, 2.0]]), np.array([0, 1]))
    dlogits = backward(8.0, cache)["logits"]
    return {
        "p[0, 0]": cache[0][0, 0],
        "dlogits[0, 0]": dlogits[0, 0],
        "dlogits[2, 0]": dlogits[2, 0],
        "dlogits[1, 1]": dlogits[1, 1],
    }
