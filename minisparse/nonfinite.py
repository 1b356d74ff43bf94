"""Where the first inf or nan stood: asked once, when a loss has become one; nothing is searched while all is well."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from .backend import Array, array_module
from .errors import NonFiniteError
from .protocols import Run

ADVICE = "use a smaller learning rate, smaller initial weights or float64"
SHOWN = 4
"""How many tensors a sentence names."""


def error(loss: float, where: str, run: Run, cache: Any, logits: Array, step: int | None = None) -> NonFiniteError:
    """Return the error of a loss that is inf or nan, naming the first tensors that are.

    Parameters
    ----------
    loss : float
    where : str
        "at epoch 1, step 3 of 15".
    run : namespace
        Of `fit`: epoch, model, params, opt, and grads of the step before.
    cache, logits
        Of the forward pass that gave the loss.
    step : int, optional
        Counted from 1; None for a test loss.

    Returns
    -------
    NonFiniteError

    Examples
    --------
    >>> model = minisparse.MLP([minisparse.make_weights(minisparse.full(2, 2))])
    >>> params = {"W0": numpy.full((2, 2), numpy.inf), "b0": numpy.zeros((2, 1))}
    >>> run = SimpleNamespace(epoch=1, model=model, params=params, opt=minisparse.Adam(), grads=None)
    >>> str(minisparse.nonfinite.error(numpy.inf, "at epoch 1", run, None, numpy.full((2, 1), numpy.inf)))[:89]
    'the loss became inf at epoch 1: the first tensor to hold inf or nan is W0, then logits; u'
    """
    found = list(tensors(run, cache, logits))
    first = f"the first tensor to hold inf or nan is {', then '.join(found[:SHOWN])}"
    if not found:
        largest = float(abs(logits).max())
        first = f"no tensor before it holds inf or nan, but the logits reach {largest:.1e}: their softmax overflowed"
    message = f"the loss became {loss} {where}: {first}; {ADVICE}"
    return NonFiniteError(message, run.epoch, step, found[0] if found else "loss")


def look(run: Run) -> None:
    """Refuse to go on with an optimiser's state or a parameter that is inf or nan, while the loss is still finite.

    Adam's running mean of squares overflows in float32 once a gradient passes 1.8e19. It then stays inf, and every
    later step of that weight is 0.

    Raises
    ------
    FloatingPointError
        `NonFiniteError`, naming the first such array, as ``v.W_rec``, the epoch and its last step.

    Examples
    --------
    >>> opt = minisparse.Adam()
    >>> opt.state["v.W"] = numpy.array([numpy.inf])
    >>> try:
    ...     minisparse.nonfinite.look(SimpleNamespace(params={}, opt=opt, epoch=1, step=2, steps=3))
    ... except FloatingPointError as error:
    ...     print(str(error)[:58])
    v.W of Adam holds inf or nan after epoch 1, step 3 of 3: i
    """
    held = {f"{name} of {type(run.opt).__name__}": value for name, value in run.opt.state.items()} | run.params
    held = {name: value for name, value in held.items() if getattr(getattr(value, "dtype", None), "kind", "") == "f"}
    xp = array_module(*held.values())
    if xp is not np and xp.stack([xp.isfinite(value).all() for value in held.values()]).all():
        return  # one answer from the device, not one of each array
    for name, value in held.items():
        if not finite(value):
            at = f"after epoch {run.epoch}, step {run.step + 1} of {run.steps}" if run.epoch else "before training"
            step = run.step + 1 if run.epoch else None
            cost = "its weights no longer move as they should; clip the gradient (ClipNorm), or"
            raise NonFiniteError(f"{name} holds inf or nan {at}: {cost} {ADVICE}", run.epoch, step, name)


def tensors(run: Run, cache: Any, logits: Array) -> Iterator[str]:
    """Name the tensors that hold inf or nan, in the order in which they were computed.

    The gradients and the optimiser's state of the step before (only if a parameter is hit: else they did no harm),
    parameters, effective weights, what the forward pass kept (activity by time step or layer), logits.
    """
    known = {id(w) for w in run.params.values()}
    hit = [name for name, w in run.params.items() if not finite(w)]
    if hit:
        for name in reversed(run.grads or {}):  # a backward pass begins at the readout
            if not finite(run.grads[name]):
                yield f"the gradient of {name} one step earlier"
        for name, value in run.opt.state.items():
            if hasattr(value, "dtype") and not finite(value):
                yield f"{name} of {type(run.opt).__name__}"
    yield from hit
    for name in run.model.weights:
        w = run.model.weight(run.params, name) if hasattr(run.model, "weight") else None
        if w is not None and id(w) not in known and not finite(w):
            yield f"the effective {name}"
    steps = _steps(cache)
    for name, value in _arrays(cache):
        if id(value) not in known and value is not logits and not finite(value):
            yield name + _time(value, steps)
        known.add(id(value))
    if not finite(logits):
        yield "logits"


def finite(array: Array) -> bool:
    """Whether an array holds neither inf nor nan.

    Examples
    --------
    >>> minisparse.nonfinite.finite(numpy.array([1.0, numpy.inf]))
    False
    """
    if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.size:
        return bool(
            np.isfinite(array.min()) and np.isfinite(array.max())
        )  # no array of truth values, and nan passes on
    return array.dtype.kind not in "fc" or bool(array_module(array).isfinite(array).all())


def _arrays(cache: Any, prefix: str = "") -> Iterator[tuple[str, Array]]:
    """Name the floating-point arrays of a cache: its attributes, lists of arrays item by item, caches within."""
    for name, value in vars(cache).items() if hasattr(cache, "__dict__") else ():
        if hasattr(value, "dtype"):
            yield f"{prefix}{name}", value
        elif isinstance(value, (list, tuple)):
            yield from ((f"{prefix}{name}[{k}]", item) for k, item in enumerate(value) if hasattr(item, "dtype"))
        elif isinstance(value, SimpleNamespace):
            yield from _arrays(value, f"{prefix}{name}.")


def _steps(cache: Any) -> int:
    """Return the number of time steps of a recurrent network's cache: its states are one more than its inputs."""
    x, h = getattr(cache, "x", None), getattr(cache, "h", None)
    in_time = getattr(x, "ndim", 0) == 3 and getattr(h, "ndim", 0) == 3 and len(h) == len(x) + 1
    return len(x) if in_time else 0


def _time(array: Array, steps: int) -> str:
    """Say at which time step a stack over time first holds inf or nan."""
    if not steps or array.ndim != 3 or len(array) not in (steps, steps + 1):
        return ""
    wrong = ~array_module(array).isfinite(array).all(axis=(1, 2))
    return f" at time step {int(wrong.argmax()) + 1 + steps - len(array)} ({steps} time steps)"
