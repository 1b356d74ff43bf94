"""The loss, where the sum over the batch is divided by its size: once, here, and nowhere else."""

from __future__ import annotations

import numpy as np

from .arguments import expect
from .backend import Array, array_module
from .errors import InputError


def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Return the mean cross-entropy of the softmax and its gradient with respect to the logits.

    ``L = -(1/B) Σ_b log softmax(z_b)[y_b]``, natural logarithm (nats).

    Parameters
    ----------
    logits : (classes, batch)
        Dimensionless.
    labels : (batch,) int
        Class of each example, 0..classes-1. Checked if they are on the host; `check_labels` them before moving them.

    Returns
    -------
    loss : () array
    dlogits : (classes, batch)
        Already divided by the batch: every backward pass after it only sums.

    Raises
    ------
    ValueError
        If the batch is empty or a label is out of range.

    Examples
    --------
    >>> loss, dlogits = minisparse.softmax_cross_entropy(numpy.zeros((2, 1)), numpy.array([0]))
    >>> round(float(loss), 6), dlogits.ravel()
    (0.693147, array([-0.5,  0.5]))
    """
    expect(logits=logits, labels=labels)
    if logits.ndim == 3:
        raise InputError("logits of several steps, (time, classes, batch), take loss=cross_entropy_per_step")
    if logits.ndim != 2:
        raise InputError(f"logits must be (classes, batch), got shape {tuple(logits.shape)}")
    classes, batch = logits.shape
    if batch == 0:
        raise InputError("the batch is empty: a mean over no example has no value; pass at least one")
    if labels.shape != (batch,):
        raise InputError(f"labels must be ({batch},), one class per column of the logits, got {tuple(labels.shape)}")
    xp = array_module(logits, labels)
    matches = labels == xp.arange(classes)[:, None]
    if xp is np and (labels.dtype.kind not in "iu" or np.count_nonzero(matches) != batch):  # a wrong label matches none
        check_labels(labels, classes)
    shifted = logits - logits.max(axis=0, keepdims=True)
    log_softmax = shifted - xp.log(xp.exp(shifted).sum(axis=0, keepdims=True))
    onehot = matches.astype(logits.dtype)
    loss = -xp.where(matches, log_softmax, 0).sum() / batch  # of an impossible class 0 log 0 = 0
    dlogits = (xp.exp(log_softmax) - onehot) / batch  # (L1)
    return loss, dlogits


def check_labels(labels: np.ndarray, classes: int) -> None:
    """Refuse labels that are not whole numbers from 0 to classes - 1 (host only, once per data set).

    Examples
    --------
    >>> minisparse.losses.check_labels(numpy.array([0, 3]), classes=3)
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: labels must lie in 0..2 (3 classes), found 3 at position 1
    """
    expect(labels=labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(f"labels must be a vector of integers, got shape {labels.shape} of {labels.dtype}")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        first = wrong[0]
        raise InputError(
            f"labels must lie in 0..{classes - 1} ({classes} classes), found {labels[first]} at position {first}"
        )
