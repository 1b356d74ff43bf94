"""What makes two runs of `fit` the same one, and how the second goes on where the first has stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from .backend import Array
from .checkpoint import AGAIN, read
from .data.dataset import Dataset
from .errors import FileError
from .files import expanded
from .identity import described, digest, name_of, written
from .protocols import Hook, Loss, Model, Optimiser


def settings_of(
    dataset: Dataset,
    batch_size: int,
    patience: int | None,
    loss: Loss,
    metrics: Sequence[str],
    epochs: int,
    hooks: Mapping[str, Sequence[Hook]],
) -> dict:
    """Return what must agree when a run is resumed, with the hooks as they are before it.

    More epochs are no other run; but they are for a hook that says so by ``needs_epochs``, as one does whose schedule
    ends with the training.

    Parameters
    ----------
    dataset, batch_size, patience, loss, metrics, epochs
        As for `fit`.
    hooks : dict
        By the moment when they are called: ``{"after_step": [...]}``.

    Returns
    -------
    dict
        Plain values.

    Examples
    --------
    >>> digits, loss = minisparse.load("digits"), minisparse.softmax_cross_entropy
    >>> rule = {"after_step": [minisparse.SET(0.3)]}
    >>> minisparse.resume.settings_of(digits, 100, None, loss, ["accuracy"], 5, rule)["after_step 1, SET, zeta"]
    0.3
    """
    settings = {"batch_size": batch_size, "dataset": dataset.name, "samples": len(dataset.x_train)}
    settings |= {"patience": patience, "loss": written(loss), "metrics": list(metrics)}
    for when, some in hooks.items():
        settings[when] = [name_of(hook) for hook in some]
        for place, hook in enumerate(some, 1):
            settings |= {f"{when} {place}, {name_of(hook)}, {key}": value for key, value in described(hook).items()}
    if timed := [name_of(hook) for some in hooks.values() for hook in some if getattr(hook, "needs_epochs", False)]:
        settings[f"number of epochs, by which {timed[0]} goes,"] = epochs
    names = [f"{what}_{part}" for what in ("x", "y", "mask") for part in ("train", "test")]
    arrays = {name: getattr(dataset, name, None) for name in names}
    values = digest({name: array for name, array in arrays.items() if array is not None})
    return settings | {"values of the data": f"an array with the hash {values[:16]}"}


def started(
    checkpoint: str | os.PathLike | None,
    model: Model,
    params: dict[str, Array],
    opt: Optimiser,
    kept: dict,
    metrics: Sequence[str],
) -> list[dict]:
    """Return the history so far, from a checkpoint if there is one; else tell hooks that count that a run begins.

    Parameters
    ----------
    checkpoint : path or None
    model, params, opt
        Set to what the checkpoint holds, after all of it was checked.
    kept : dict
        hooks, generators and settings, as for `checkpoint.read`.
    metrics : names
        Each row of the history must have them.

    Returns
    -------
    list of dict
    """
    if checkpoint is not None and _is_there(checkpoint):
        stored = read(checkpoint, model, params, opt, **kept)
        numbers = ("test_loss", *(f"test_{name}" for name in metrics), "seconds")
        for epoch, row in enumerate(stored.history or [{}]):
            if row.get("epoch") != epoch or not all(isinstance(row.get(name), (int, float)) for name in numbers):
                raise FileError(f"checkpoint {checkpoint} has no whole row of epoch {epoch} in its history; {AGAIN}")
        stored.put()
        return stored.history
    for hook in kept["hooks"]:
        getattr(hook, "begin", lambda: None)()
    return []


def _is_there(path: str | os.PathLike) -> bool:
    """Whether there is a file; one that may not be looked at counts, and reading it says why."""
    try:
        os.stat(expanded(path))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
