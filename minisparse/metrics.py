"""What is reported beside the loss, by name: sums over answers, so that batches add up."""

from __future__ import annotations

from collections.abc import Sequence

from .arguments import shown
from .backend import Array
from .errors import InputError


def correct(output: Array, target: Array) -> Array:
    """Return whether the largest output of each answer is its class.

    Examples
    --------
    >>> minisparse.metrics.correct(numpy.array([[1.0, 2.0], [0.0, 3.0]]), numpy.array([0, 0]))
    array([ True, False])
    """
    if target.dtype.kind == "f":
        raise InputError("accuracy needs classes, and the targets are numbers; pass metrics=() or another one")
    return output.argmax(axis=-2) == target


def distance(output: Array, target: Array) -> Array:
    """Return the mean absolute error of each answer, over its outputs.

    Examples
    --------
    >>> minisparse.metrics.distance(numpy.array([[1.0, 2.0], [0.0, 3.0]]), numpy.array([[0.0, 2.0], [0.0, 2.0]]))
    array([0.5, 0.5])
    """
    return abs(output - target).mean(axis=-2)


METRICS = {"accuracy": (correct, 100), "mean_absolute_error": (distance, 1)}
"""Each gives a number per answer, (time, batch) or (batch,); and what their mean is multiplied by: percent."""


def check(names: Sequence[str]) -> None:
    """Refuse names of metrics that there are not.

    Examples
    --------
    >>> minisparse.metrics.check(["f1"])
    Traceback (most recent call last):
    ...
    minisparse.errors.InputError: metric 'f1' is unknown; choose from accuracy, mean_absolute_error
    """
    if not isinstance(names, (list, tuple)):
        raise InputError(f"metrics must be a list of names, such as ('accuracy',), got {shown(names)}")
    for name in names:
        if not isinstance(name, str) or name not in METRICS:
            raise InputError(f"metric {name!r} is unknown; choose from {', '.join(METRICS)}")


def total(name: str, output: Array, target: Array, mask: Array | None = None) -> Array:
    """Return the sum of a metric over the answers, as much as each counts.

    Examples
    --------
    >>> output, target = numpy.array([[1.0, 2.0], [0.0, 3.0]]), numpy.array([0, 0])
    >>> int(minisparse.metrics.total("accuracy", output, target))
    1
    """
    each = METRICS[name][0](output, target)
    return each.sum() if mask is None else (each * mask).sum()


def mean(name: str, total: float, count: float) -> float:
    """Return the mean of a metric in its unit: the sum over all answers, divided by how many count.

    Examples
    --------
    >>> minisparse.metrics.mean("accuracy", 1, 2)
    50.0
    """
    return METRICS[name][1] * float(total / count)
