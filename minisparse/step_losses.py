"""Losses of answers at several steps, with a mask of those that count: classes, or numbers."""

from __future__ import annotations

import numpy as np

from .arguments import expect
from .backend import Array, array_module
from .errors import InputError
from .losses import check_labels


def cross_entropy_per_step(logits: Array, labels: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """Return the mean cross-entropy over the answers that count, and its gradient with respect to the logits.

    ``L = -Σ_{t,b} s_tb log softmax(z_tb)[y_tb]`` (nats), with the shares ``s_tb = m_tb / Σ m`` of a mask m, all equal
    if there is none. With one answer per example it is `minisparse.softmax_cross_entropy`.

    Parameters
    ----------
    logits : (time, classes, batch) or (classes, batch)
        Dimensionless.
    labels : (time, batch) or (batch,) int
        Class of each answer, 0..classes-1; also where the mask is 0.
    mask : as the labels, optional
        How much each answer counts, at least 0.

    Returns
    -------
    loss : () array
    dlogits : as the logits
        Already divided: every backward pass after it only sums.

    Raises
    ------
    ValueError
        If shapes do not fit, a label is out of range, or the mask is 0 everywhere.

    Examples
    --------
    >>> logits, labels, mask = numpy.zeros((3, 2, 1)), numpy.array([[0], [1], [1]]), numpy.array([[0], [0], [1]])
    >>> loss, dlogits = minisparse.cross_entropy_per_step(logits, labels, mask)
    >>> round(float(loss), 6), dlogits[-1].ravel()
    (0.693147, array([ 0.5, -0.5]))
    """
    expect(logits=logits, labels=labels)
    _expect_answers("logits", logits)
    xp, shape = array_module(logits, labels), (*logits.shape[:-2], logits.shape[-1])
    if labels.shape != shape:
        raise InputError(f"labels must be {shape}, one class per answer, got {tuple(labels.shape)}")
    if xp is np:
        check_labels(labels.reshape(-1), logits.shape[-2])
    share = shares(logits, mask)
    matches = labels[..., None, :] == xp.arange(logits.shape[-2])[:, None]
    onehot = matches.astype(logits.dtype)
    shifted = logits - logits.max(axis=-2, keepdims=True)
    log_softmax = shifted - xp.log(xp.exp(shifted).sum(axis=-2, keepdims=True))
    loss = -(share * xp.where(matches, log_softmax, 0)).sum()  # of an impossible class 0 log 0 = 0
    dlogits = share * (xp.exp(log_softmax) - onehot)  # (L2)
    return loss, dlogits


def mean_squared_error(output: Array, target: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """Return the mean squared error over the answers that count, and its gradient with respect to the output.

    ``L = (1 / C) Σ_{t,b} s_tb Σ_c (y_tcb - target_tcb)²`` for C outputs, with the shares ``s_tb = m_tb / Σ m`` of a
    mask m, all equal if there is none.

    Parameters
    ----------
    output : (time, outputs, batch) or (outputs, batch)
        In the target's unit.
    target : as the output
    mask : (time, batch) or (batch,), optional
        How much each answer counts, at least 0.

    Returns
    -------
    loss : () array
        In the square of the target's unit.
    doutput : as the output
        Already divided: every backward pass after it only sums.

    Raises
    ------
    ValueError
        If shapes do not fit, or the mask is 0 everywhere.

    Examples
    --------
    >>> loss, doutput = minisparse.mean_squared_error(numpy.array([[1.0, 2.0]]), numpy.array([[0.0, 2.0]]))
    >>> float(loss), doutput
    (0.5, array([[1., 0.]]))
    """
    expect(output=output, target=target)
    _expect_answers("output", output)
    if target.shape != output.shape:
        raise InputError(f"the target must have the shape of the output, {output.shape}, got {tuple(target.shape)}")
    share, outputs, target = shares(output, mask), output.shape[-2], target.astype(output.dtype)
    loss = (share * (output - target) ** 2).sum() / outputs
    doutput = 2 * share * (output - target) / outputs  # (L3)
    return loss, doutput


def shares(output: Array, mask: Array | None) -> Array:
    """Return how much each answer counts, adding up to 1, so that it broadcasts against the output.

    Examples
    --------
    >>> minisparse.step_losses.shares(numpy.zeros((5, 2)), numpy.array([3, 1]))
    array([[0.75, 0.25]])
    """
    xp, shape = array_module(output), (*output.shape[:-2], output.shape[-1])
    if mask is not None:
        expect(mask=mask)
        if mask.dtype.kind == "c":
            raise InputError(f"the mask must hold real numbers, got {mask.dtype}")
    mask = xp.ones(shape, dtype=output.dtype) if mask is None else mask.astype(output.dtype)
    if mask.shape != shape:
        raise InputError(f"the mask must be {shape}, a number per answer, got {tuple(mask.shape)}")
    total = mask.sum()
    if xp is np and not total > 0:
        raise InputError("no answer counts: the batch is empty, or the mask is 0 everywhere")
    return (mask / total)[..., None, :]


def _expect_answers(name: str, output: Array) -> None:
    if output.ndim not in (2, 3):
        raise InputError(f"{name} must be (time, outputs, batch) or (outputs, batch), got shape {tuple(output.shape)}")
