"""The training loop: history, early stopping, hooks, and a checkpoint after every epoch."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import nonfinite
from .arguments import expect, generator, is_seed, shown, whole
from .backend import Array, array_module, to_numpy
from .checkpoint import load_checkpoint, save
from .dale import check_rules
from .data.dataset import Dataset, batches
from .errors import InputError, NonFiniteError
from .losses import softmax_cross_entropy
from .protocols import Hook, Model, Optimiser, Rng, Run, Seed
from .threads import flush_to_zero, held_for

__all__ = ["evaluate", "fit", "load_checkpoint", "save"]


def evaluate(model: Model, params: dict[str, Array], x: Array, labels: Array, batch_size: int = 100) -> tuple:
    """Return the mean loss (nats) and the accuracy (percent) over a set of samples.

    Parameters
    ----------
    model, params
    x : (samples, ...) array
    labels : (samples,) array
    batch_size : int

    Returns
    -------
    loss, accuracy : float

    Examples
    --------
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(5, 5)), 10)
    >>> params = model.init(numpy.random.default_rng(0))
    >>> digits = minisparse.load("digits")
    >>> loss, accuracy = minisparse.evaluate(model, params, digits.x_test, digits.y_test)
    """
    expect(model=model, params=params, x=x, labels=labels)
    xp = array_module(x, labels)
    totals = xp.zeros(2)
    for x_batch, y_batch in batches(x, labels, batch_size):
        logits, _ = model.forward(params, x_batch)
        loss, _ = softmax_cross_entropy(logits, y_batch)
        totals[0] += loss * len(y_batch)
        totals[1] += (logits.argmax(axis=0) == y_batch).sum()
    loss, correct = to_numpy(totals) / len(x)
    return float(loss), 100 * float(correct)


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
) -> list[dict]:
    """Train, and test after every epoch.

    Parameters
    ----------
    model, params, opt
        `params` is updated in place.
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

    Returns
    -------
    list of dict
        A row per epoch: epoch, train_loss (nats, mean over the epoch's batches), test_loss (nats), test_accuracy (%),
        seconds (training alone).

    Raises
    ------
    ValueError
        If a setting, shape or label does not fit; if the checkpoint belongs to another run; if a rewiring rule would
        leave weights that break an enforced `Dale`.
    OSError
        If a checkpoint cannot be read or written.
    FloatingPointError
        `NonFiniteError`, if a loss is nan or inf: at once, naming epoch, step and the first tensor that was; on a GPU
        at the end of the epoch, naming epoch and step.

    Examples
    --------
    >>> digits = minisparse.load("digits")
    >>> model = minisparse.RNN(8, minisparse.make_weights(minisparse.full(20, 20)), 10)
    >>> params, opt = model.init(numpy.random.default_rng(0)), minisparse.Adam()
    >>> history = minisparse.fit(model, params, opt, digits, 1, numpy.random.default_rng(1), quiet=True)
    >>> [row["epoch"] for row in history]
    [0, 1]
    """
    expect(model=model, params=params, opt=opt, dataset=dataset)
    epochs, batch_size = _handed_over(epochs, batch_size, after_step=after_step, after_epoch=after_epoch)
    _check(model, dataset, epochs, batch_size, patience, checkpoint, resume)
    hooks = [*after_step, *after_epoch]
    order, rewiring = _streams(rng)
    steps = math.ceil(len(dataset.x_train) / batch_size)
    run = Run(model, params, opt, rewiring, epochs=epochs, steps=steps)
    generators = {"batches": order, "rewiring": rewiring}
    kept = {"hooks": hooks, "generators": generators, "settings": _settings(dataset, batch_size, patience, hooks)}
    history = _started(checkpoint if resume else None, model, params, opt, kept)
    dataset = dataset.to_backend()
    test = (dataset.x_test, dataset.y_test, batch_size)

    with held_for(model, batch_size), _Progress(epochs, steps, label, quiet) as shown:
        if not history:
            history.append(_row(0, None, _test(run, test), 0.0))
        shown.start(history[-1]["epoch"])
        while history[-1]["epoch"] < epochs and not _stalled(history, patience):
            run.epoch = history[-1]["epoch"] + 1
            start = time.perf_counter()
            train_loss = _train_epoch(run, dataset, batch_size, order, after_step, shown)
            seconds = time.perf_counter() - start
            for hook in after_epoch:
                hook(run)
            run.cache = None
            history.append(_row(run.epoch, train_loss, _test(run, test), seconds))
            if checkpoint is not None:
                save(checkpoint, model, params, opt, **kept, history=history)
            shown.epoch(history[-1])
    return history


def _check(model: Model, dataset: Dataset, epochs: int, batch_size: int, patience: int | None, checkpoint: object,
           resume: bool) -> None:  # fmt: skip
    """Refuse settings that do not fit before anything is changed."""
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


def _handed_over(epochs: int, batch_size: int, **hooks: Sequence[Hook]) -> tuple[int, int]:
    """Return two whole numbers; refuse hooks that cannot be called, or whose order breaks Dale's principle."""
    for when, some in hooks.items():
        if not isinstance(some, (list, tuple)) or not all(map(callable, some)):
            raise InputError(f"{when} must be a list of hooks, which are called with the run, got {shown(some)}")
    check_rules(*hooks.values())
    return whole("epochs", epochs), whole("batch_size", batch_size)


def _streams(rng: Seed) -> Sequence[Rng]:
    """Return the generators of the batches and of the hooks that rewire; one of the old kind cannot be split."""
    if is_seed(rng):
        return generator(rng, "batches"), generator(rng, "rewiring")
    rng = generator(rng, "batches")
    return rng.spawn(2) if isinstance(rng, np.random.Generator) else (rng, rng)


def _settings(dataset: Dataset, batch_size: int, patience: int | None, hooks: Sequence[Hook]) -> dict:
    """Return what must agree when a run is resumed."""
    return {
        "batch_size": batch_size,
        "dataset": dataset.name,
        "samples": len(dataset.x_train),
        "patience": patience,
        "hooks": [type(hook).__name__ for hook in hooks],
    }


def _started(
    checkpoint: str | os.PathLike | None, model: Model, params: dict[str, Array], opt: Optimiser, kept: dict
) -> list[dict]:
    """Return the history so far, from a checkpoint if there is one; else tell hooks that count that a run begins."""
    if checkpoint is not None and Path(checkpoint).exists():
        return load_checkpoint(checkpoint, model, params, opt, **kept)
    for hook in kept["hooks"]:
        getattr(hook, "begin", lambda: None)()
    return []


def _row(epoch: int, train_loss: float | None, test: tuple[float, float], seconds: float) -> dict:
    return {"epoch": epoch, "train_loss": train_loss, "test_loss": test[0], "test_accuracy": test[1],
            "seconds": seconds}  # fmt: skip


def _train_epoch(
    run: Run, dataset: Dataset, batch_size: int, order: Rng, after_step: Sequence, shown: _Progress
) -> float:
    """Run one epoch; on a GPU losses stay on the device until its end. A step's memory goes before the next one's."""
    xp = array_module(dataset.x_train)
    losses, on_host = xp.zeros(run.steps), xp is np
    for run.step, (x, labels) in enumerate(batches(dataset.x_train, dataset.y_train, batch_size, order)):
        run.cache = None
        with flush_to_zero():  # not the hooks, which are the user's
            logits, run.cache = run.model.forward(run.params, x)
            loss, dlogits = softmax_cross_entropy(logits, labels)
            losses[run.step] = loss
            if on_host and not math.isfinite(loss):
                raise nonfinite.error(loss, _at(run, losses), run, run.cache, logits, run.step + 1)
            run.grads = None
            run.grads = run.model.backward(dlogits, run.cache)
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


def _at(run: Run, losses: Array) -> str:
    return f"at epoch {run.epoch}, step {run.step + 1} of {losses.size}"


def _test(run: Run, test: tuple) -> tuple[float, float]:
    """Return loss and accuracy on the test set; a loss that is no number is no result."""
    loss, accuracy = evaluate(run.model, run.params, *test)
    if math.isfinite(loss):
        return loss, accuracy
    where = f"in the test after epoch {run.epoch}" if run.epoch else "in the test before training"
    for x, labels in batches(*test):
        logits, cache = run.model.forward(run.params, x)
        if not nonfinite.finite(softmax_cross_entropy(logits, labels)[0]):
            break
    raise nonfinite.error(loss, where, run, cache, logits)


def _stalled(history: list[dict], patience: int | None) -> bool:
    """Whether the test loss has had no new minimum for `patience` epochs."""
    if patience is None:
        return False
    losses = [row["test_loss"] for row in history]
    return len(losses) - 1 - int(np.argmin(losses)) >= patience


class _Progress:
    """A bar over all steps on a terminal, a line per epoch elsewhere, both on stderr."""

    def __init__(self, epochs: int, steps: int, label: str, quiet: bool):
        self._epochs, self._steps, self._label, self._quiet = epochs, steps, f"{label}: " if label else "", quiet
        self._bar = None

    def start(self, done: int) -> None:
        """Begin after `done` epochs."""
        if not self._quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(
                total=self._epochs * self._steps, initial=done * self._steps, unit="step", dynamic_ncols=True
            )

    def step(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def epoch(self, row: dict) -> None:
        text = (
            f"{self._label}epoch {row['epoch']}/{self._epochs}  loss {row['train_loss']:.4f}  "
            f"test {row['test_accuracy']:.1f} %  {row['seconds']:.1f} s"
        )
        if self._bar is not None:
            self._bar.set_description(text)
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()
