"""The training loop: history, early stopping, hooks, and a checkpoint after every epoch."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from . import metrics as metric
from . import nonfinite
from .arguments import expect, generator, is_seed, shown, whole
from .backend import Array, array_module, to_numpy
from .checkpoint import load_checkpoint, save
from .dale import check_rules
from .data.dataset import Dataset, batches
from .errors import InputError, NonFiniteError
from .kernels.stacks import reused
from .losses import softmax_cross_entropy
from .pace import paced
from .progress import Progress
from .protocols import Hook, Loss, Model, Optimiser, Rng, Run, Seed
from .resume import settings_of, started
from .threads import flush_to_zero, held_for

__all__ = ["evaluate", "fit", "load_checkpoint", "save"]


def evaluate(
    model: Model,
    params: dict[str, Array],
    x: Array,
    labels: Any,
    batch_size: int = 100,
    loss: Loss = softmax_cross_entropy,
    metrics: Sequence[str] = ("accuracy",),
) -> tuple[float, ...]:
    """Return the mean loss (nats) and the accuracy (percent) over a set of samples.

    Parameters
    ----------
    model, params
    x : (samples, ...) array
    labels : (samples,) array
        Or another target, as `loss` takes it; or a tuple of a target and a mask (`Dataset.targets`).
    batch_size : int
    loss : callable
        ``loss(output, target) -> (value, doutput)``, or with a mask as third argument.
    metrics : names
        See `minisparse.metrics.METRICS`.

    Returns
    -------
    loss, accuracy : float
        The loss, and as many metrics as were asked for.

    Examples
    --------
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(5, 5)), 10)
    >>> params = model.init(numpy.random.default_rng(0))
    >>> digits = minisparse.load("digits")
    >>> loss, accuracy = minisparse.evaluate(model, params, digits.x_test, digits.y_test)
    """
    expect(model=model, params=params, x=x, loss=loss)
    metric.check(metrics)
    targets = labels if isinstance(labels, tuple) else (labels,)
    if not targets:
        raise InputError("labels must be an array, or a tuple of a target and a mask, got ()")
    if not x.shape or not len(x):
        raise InputError("x must have at least one sample: a mean over none has no value")
    totals = array_module(x, *targets).zeros(2 + len(metrics))
    for x_batch, given in batches(x, targets, batch_size):
        output, _ = model.forward(params, x_batch)
        value, _ = loss(output, *given)
        count = output[..., 0, :].size if len(given) == 1 else given[1].sum()  # of the answers
        totals[0] += value * count
        totals[1] += count
        for k, name in enumerate(metrics):
            totals[2 + k] += metric.total(name, output, *given)
    summed, count, *found = to_numpy(totals)
    return float(summed / count), *(metric.mean(name, each, count) for name, each in zip(metrics, found, strict=True))


def fit(
    model: Model,
    params: dict[str, Array],
    opt: Optimiser,
    dataset: Dataset,
    epochs: int,
    rng: Seed,
    batch_size: int = 100,
    after_step: Sequence[Hook] = (),
    after_epoch: Sequence[Hook] = (),
    patience: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    resume: bool = False,
    label: str = "",
    quiet: bool = False,
    loss: Loss = softmax_cross_entropy,
    metrics: Sequence[str] = ("accuracy",),
    before_step: Sequence[Hook] = (),
) -> list[dict]:
    """Train, and test after every epoch.

    Parameters
    ----------
    model, params, opt
        `params` is updated in place. A model whose passes draw has ``generators``, a dict: see `Noisy`.
    dataset : Dataset
    epochs : int
        The history also has a row for epoch 0, before training.
    rng : int, Generator or RandomState
        Shuffles the batches; a child of it is ``run.rng``, for hooks that rewire. A seed has a stream for each.
    batch_size : int
    after_step, after_epoch : sequences of callables
        Called ``hook(run)`` in this order; `run` has model, params, opt, rng, epoch (from 1, of epochs), step (from 0,
        of steps in an epoch), cache and grads: see `protocols.Run`. A hook with memory keeps it in ``hook.state``, a
        flat dict of arrays; one that counts has a method ``begin()``, called when a run starts that is not resumed.
    patience : int, optional
        Stop after this many epochs in a row without a new lowest *test* loss. The reference stops so; the accuracy it
        reports is therefore optimistic.
    checkpoint : path, optional
        Written after every epoch: aside, synced, renamed.
    resume : bool
        Continue from `checkpoint` if it exists; the result is the one an undisturbed run gives, bit for bit, on the
        same machine with the same number of threads.
    label : str
        Stands before each line of progress.
    quiet : bool
        Show no progress.
    loss : callable
        ``loss(output, target) -> (value, doutput)``; of a data set with masks ``loss(output, target, mask)``.
    metrics : names
        What is tested beside the loss, see `minisparse.metrics.METRICS`.
    before_step : sequence of callables
        Called ``hook(run)`` between backward and step, when ``run.grads`` may be changed, as `ClipNorm` does.

    Returns
    -------
    list of dict
        A row per epoch: epoch, train_loss (nats, mean over the epoch's batches), test_loss (nats), test_accuracy (%)
        or the other metrics, seconds (training alone).

    Raises
    ------
    ValueError
        If a setting, shape or label does not fit; if the checkpoint belongs to another run; if a rewiring rule would
        leave weights that break an enforced `Dale`.
    OSError
        If a checkpoint cannot be read or written.
    FloatingPointError
        `NonFiniteError`, if a loss is nan or inf: at once, naming epoch, step and the first tensor that was; on a GPU
        at the end of the epoch, naming epoch and step. After each epoch also if the optimiser's state or a parameter
        is, naming it: the square of a gradient overflows long before a loss does.

    Examples
    --------
    >>> digits = minisparse.load("digits")
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(20, 20)), 10)
    >>> params, opt = model.init(numpy.random.default_rng(0)), minisparse.Adam()
    >>> history = minisparse.fit(model, params, opt, digits, 1, numpy.random.default_rng(1), quiet=True)
    >>> [row["epoch"] for row in history]
    [0, 1]
    """
    expect(model=model, params=params, opt=opt, dataset=dataset, loss=loss)
    epochs, batch_size = whole("epochs", epochs), whole("batch_size", batch_size)
    _check(model, dataset, epochs, batch_size, patience, checkpoint, resume, metrics)
    given = {"before_step": before_step, "after_step": after_step, "after_epoch": after_epoch}
    kept: dict[str, Any] = {"hooks": _hooks(**given)}
    order, rewiring = _streams(rng)
    run = Run(model, params, opt, rewiring, epochs=epochs, steps=math.ceil(len(dataset.x_train) / batch_size))
    kept["generators"] = {"batches": order, "rewiring": rewiring, **getattr(model, "generators", {})}
    kept["settings"] = checkpoint and settings_of(dataset, batch_size, patience, loss, metrics, epochs, given)
    history = started(checkpoint if resume else None, model, params, opt, kept, metrics)
    train, test = _samples(dataset.to_backend(), batch_size)

    with held_for(model, batch_size), Progress(epochs, run.steps, label, quiet) as shown, paced(model, params) as pace:
        if not history:
            history.append(_row(0, None, _test(run, *test, loss, metrics), 0.0))
        shown.start(history[-1]["epoch"])
        while history[-1]["epoch"] < epochs and not _stalled(history, patience):
            run.epoch = history[-1]["epoch"] + 1
            start = time.perf_counter()
            train_loss = _train_epoch(run, batches(*train, order), loss, before_step, after_step, shown, pace)
            seconds = time.perf_counter() - start
            _finish_epoch(run, after_epoch)
            history.append(_row(run.epoch, train_loss, _test(run, *test, loss, metrics), seconds))
            if checkpoint is not None:
                save(checkpoint, model, params, opt, **kept, history=history)
            shown.epoch(history[-1])
    return history


def _check(model: Model, dataset: Dataset, epochs: int, batch_size: int, patience: int | None, checkpoint: object,
           resume: bool, metrics: Sequence[str]) -> None:  # fmt: skip
    """Refuse settings that do not fit before anything is changed."""
    metric.check(metrics)
    patience = None if patience is None else whole("patience", patience)
    if epochs < 0 or batch_size < 1 or (patience is not None and patience < 1):
        raise InputError(
            f"epochs >= 0, batch_size >= 1, patience >= 1 are needed, got {epochs}, {batch_size}, {patience}"
        )
    if resume and checkpoint is None:
        raise InputError("resume=True needs checkpoint=, the file to resume from")
    if dataset.n_classes > model.n_out:
        raise InputError(
            f"{dataset.name} has {dataset.n_classes} classes but the model has {model.n_out} outputs; "
            f"make the model with n_out={dataset.n_classes}"
        )


def _hooks(**given: Sequence[Hook]) -> list[Hook]:
    """Return all hooks in a row; refuse what cannot be called, and an order that breaks Dale's principle."""
    for when, some in given.items():
        if not isinstance(some, (list, tuple)) or not all(map(callable, some)):
            raise InputError(f"{when} must be a list of hooks, which are called with the run, got {shown(some)}")
    check_rules(given["after_step"], given["after_epoch"])
    return [hook for some in given.values() for hook in some]


def _streams(rng: Seed) -> Sequence[Rng]:
    """Return the generators of the batches and of the hooks that rewire; one of the old kind cannot be split."""
    if is_seed(rng):
        return generator(rng, "batches"), generator(rng, "rewiring")
    rng = generator(rng, "batches")
    return rng.spawn(2) if isinstance(rng, np.random.Generator) else (rng, rng)


def _samples(dataset: Dataset, batch_size: int) -> list[tuple]:
    """Return what `batches` takes, of training and of test."""
    return [(getattr(dataset, f"x_{part}"), dataset.targets(part), batch_size) for part in ("train", "test")]


def _row(epoch: int, train_loss: float | None, test: dict[str, float], seconds: float) -> dict:
    return {"epoch": epoch, "train_loss": train_loss, **test, "seconds": seconds}


@reused()
def _train_epoch(
    run: Run,
    samples: Iterable,
    loss: Loss,
    before_step: Sequence,
    after_step: Sequence,
    shown: Progress,
    pace: AbstractContextManager,
) -> float:
    """Run one epoch; on a GPU losses stay on the device until its end. A step's memory goes before the next one's."""
    xp = array_module(*run.params.values())
    losses, on_host = xp.zeros(run.steps), xp is np
    for run.step, (x, targets) in enumerate(samples):
        run.cache = None
        with pace, flush_to_zero():  # not the hooks, which are the user's
            output, run.cache = run.model.forward(run.params, x)
            value, doutput = loss(output, *targets)
            losses[run.step] = value
            if on_host and not math.isfinite(value):
                raise nonfinite.error(value, _at(run, losses), run, run.cache, output, run.step + 1)
            run.grads = None
            run.grads = run.model.backward(doutput, run.cache)
        for hook in before_step:
            hook(run)
        with flush_to_zero():
            run.opt.step(run.params, run.grads)
        for hook in after_step:
            hook(run)
        shown.step()
    losses = to_numpy(losses)
    wrong = np.flatnonzero(~np.isfinite(losses))
    if wrong.size:
        run.step = int(wrong[0])
        raise NonFiniteError(
            f"the loss became {losses[run.step]} {_at(run, losses)}; on a GPU losses are read once per epoch: to see "
            f"the first tensor that held inf or nan, run with BACKEND=numpy; {nonfinite.ADVICE}",
            run.epoch,
            run.step + 1,
        )
    return float(losses.mean())


def _finish_epoch(run: Run, hooks: Sequence[Hook]) -> None:
    for hook in hooks:
        hook(run)
    run.cache = None


def _at(run: Run, losses: Array) -> str:
    return f"at epoch {run.epoch}, step {run.step + 1} of {losses.size}"


def _test(run: Run, *test: Any) -> dict[str, float]:
    """Return loss and metrics on the test set; a loss that is no number is no result."""
    *samples, loss, metrics = test
    value, *found = evaluate(run.model, run.params, *test)
    if math.isfinite(value):
        nonfinite.look(run)
        return {"test_loss": value, **{f"test_{name}": each for name, each in zip(metrics, found, strict=True)}}
    where = f"in the test after epoch {run.epoch}" if run.epoch else "in the test before training"
    for x, targets in batches(*samples):
        output, cache = run.model.forward(run.params, x)
        if not nonfinite.finite(loss(output, *targets)[0]):
            break
    raise nonfinite.error(value, where, run, cache, output)


def _stalled(history: list[dict], patience: int | None) -> bool:
    """Whether the test loss has had no new minimum for `patience` epochs."""
    if patience is None:
        return False
    losses = [row["test_loss"] for row in history]
    return len(losses) - 1 - int(np.argmin(losses)) >= patience
