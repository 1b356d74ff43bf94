"""The loss."""

from ..mistakes import Mistake

ROWS = (
    Mistake(
        "loss-divided-twice",
        "loss",
        "L1",
        "dlogits = (xp.exp(log_softmax) - onehot) / batch / batch",
        ("logits",),
        "The gradient is divided by the batch twice.",
        "Once as written in the loss, once more because the backward pass 'averages'.",
    ),
    Mistake(
        "loss-not-divided",
        "loss",
        "L1",
        "dlogits = xp.exp(log_softmax) - onehot",
        ("logits",),
        "The loss is a mean over the batch, its gradient is not: divide by the batch.",
        "The gradient of one example, copied from a slide.",
    ),
    Mistake(
        "loss-sign",
        "loss",
        "L1",
        "dlogits = (onehot - xp.exp(log_softmax)) / batch",
        ("logits",),
        "The sign is turned: training would climb.",
        "target - output, as in the delta rule of 1960, where a plus followed.",
    ),
    Mistake(
        "loss-no-onehot",
        "loss",
        "L1",
        "dlogits = xp.exp(log_softmax) / batch",
        ("logits",),
        "The label is missing: softmax minus one-hot is the gradient.",
        "The derivative of log-sum-exp alone.",
    ),
    Mistake(
        "loss-no-softmax",
        "loss",
        "L1",
        "dlogits = (logits - onehot) / batch",
        ("logits",),
        "Logits are used where their softmax belongs.",
        "The gradient of a squared error, kept when the loss was changed.",
    ),
    Mistake(
        "loss-zero",
        "loss",
        "L1",
        "dlogits = (xp.exp(log_softmax) - xp.exp(log_softmax)) / batch",
        ("logits",),
        "The gradient is 0 everywhere: nothing would be learnt.",
        "Softmax and one-hot both add up to 1, so a check that only sums them sees nothing.",
    ),
)
