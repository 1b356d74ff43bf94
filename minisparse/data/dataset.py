"""Data sets by name, and what every one of them is: checked when it is made, cut into subsets and batches.

How a file is parsed is in `formats`, where it lies and how it is split in `sources`.

Data sets speak (samples, ...); `batches` turns them once into (..., batch), the layout of every pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import chosen, expect, generator, shown, whole
from ..backend import Array, array_module, asarray, to_numpy
from ..data import sources
from ..errors import InputError
from ..files import expanded
from ..losses import check_labels
from ..protocols import Seed


@dataclass(frozen=True)
class Dataset:
    """A classification task split into training and test samples.

    Attributes
    ----------
    name : str
    x_train, x_test : (samples, time, features) float32
        An image is a sequence of its rows. The range of the values is each data set's own, see `load`.
    y_train, y_test : (samples,) int64
        Classes 0..n_classes-1; of each step, (samples, time), for answers at every step. Or numbers, to be predicted:
        floats of shape (samples, outputs) or (samples, time, outputs).
    n_classes : int
        Classes, or outputs.
    origin : str
        "official"; "unofficial copy" if the content is not the published one; "unverified copy" if there is no
        published hash to compare it with; or what else the copy is, as in "32 x 32 copy".
    mask_train, mask_test : (samples,) or (samples, time), optional
        How much each answer counts in a loss and in a metric, at least 0.

    Raises
    ------
    ValueError
        If a sample is not finite, a label out of range, or the sizes do not fit.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    n_classes: int
    origin: str = "official"
    mask_train: Array | None = None
    mask_test: Array | None = None

    def __post_init__(self) -> None:
        arrays = {name: getattr(self, name) for name in ("x_train", "y_train", "x_test", "y_test")}
        expect(**arrays)
        if not isinstance(self.x_train, np.ndarray):
            return
        object.__setattr__(self, "n_classes", whole("n_classes", self.n_classes, 1))
        for name, array in arrays.items():
            if not array.ndim or array.dtype.kind not in "fiub":
                raise InputError(f"{name} must be numbers, a row per sample, got {shown(array)} of {array.dtype}")
        expect(
            **{
                f"mask_{part}": mask
                for part in ("train", "test")
                if (mask := getattr(self, f"mask_{part}")) is not None
            }
        )
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if len(x) != len(y) or not len(x):
                raise InputError(
                    f"{self.name}: {len(x)} {part} samples but {len(y)} labels; there must be one per sample"
                )
            bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))
            if bad.size:
                raise InputError(f"{self.name}: {part} sample {bad[0]} holds nan or inf; remove or repair it")
            _check_targets(self.name, part, x, y, self.n_classes)
            mask = getattr(self, f"mask_{part}")
            answers = y.shape[:-1] if y.dtype.kind == "f" else y.shape
            if mask is not None and (mask.shape != answers or not (mask >= 0).all()):
                raise InputError(
                    f"{self.name}: mask_{part} must be {answers}, numbers of at least 0, got {tuple(mask.shape)}"
                )
        if self.x_train.shape[1:] != self.x_test.shape[1:]:
            raise InputError(
                f"{self.name}: samples are {self.x_train.shape[1:]} in training, {self.x_test.shape[1:]} in test"
            )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x_train.shape[1:])

    def to_backend(self) -> Dataset:
        """Move the arrays to the current backend, once."""
        names = ("x_train", "y_train", "x_test", "y_test", "mask_train", "mask_test")
        arrays = {name: getattr(self, name) for name in names}
        return replace(self, **{name: asarray(array) for name, array in arrays.items() if array is not None})

    def targets(self, part: str) -> tuple[Array, ...]:
        """Return what a loss compares the outputs of "train" or "test" with: the targets, and the mask if any."""
        mask = getattr(self, f"mask_{part}")
        y = getattr(self, f"y_{part}")
        return (y,) if mask is None else (y, mask)


def _check_targets(name: str, part: str, x: np.ndarray, y: np.ndarray, count: int) -> None:
    """Refuse classes that are none, and numbers that are not finite or of another count."""
    if y.dtype.kind != "f" or y.ndim == 1:
        check_labels(y.reshape(-1) if y.shape == x.shape[:2] else y, count)
    elif y.ndim not in (2, 3) or y.shape[-1] != count:
        raise InputError(
            f"{name}: numbers to predict must be (samples, outputs) or (samples, time, outputs) with {count} outputs, "
            f"got {y.shape}"
        )
    elif not np.isfinite(y).all():
        raise InputError(f"{name}: a {part} target is nan or inf; remove or repair its sample")


LOADERS = {
    "digits": sources.digits,
    "mnist": sources.idx,
    "fashion-mnist": sources.idx,
    "kmnist": sources.idx,
    "emnist-letters": sources.idx,
    "emnist-digits": sources.idx,
    "emnist-balanced": sources.idx,
    "cifar10": sources.cifar,
    "cifar100": sources.cifar,
    "cifar100-coarse": sources.cifar,
    "coil100": sources.coil100,
    "sleep": sources.sleep,
}
NAMES = tuple(LOADERS)


def load(name: str, root: str | os.PathLike | None = None, download: bool = False) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        ========================  ==============================================================================
        "digits"                  ships with scikit-learn: 1,797 images of 8 x 8 pixels in [0, 1], a fixed fifth
                                  of them for testing
        "mnist", "fashion-mnist"  IDX files: 28 rows of 28 pixels in [0, 1]
        "kmnist"                  the same for Japanese letters
        "emnist-letters",         the same for 26 letters, 10 digits, and 47 of both; images are turned upright,
        "emnist-digits",          classes count from 0
        "emnist-balanced"
        "cifar10", "cifar100",    binary version, its files or its archive: 32 rows of 32 red, 32 green and 32
        "cifar100-coarse"         blue pixels in [-1, 1]; the 100 fine classes, or the 20 coarse ones
        "coil100"                 coil100.npz of 32 x 32 pixels: rows as for CIFAR, pixels in [0, 1], a fixed
                                  random fifth of them for testing
        "sleep"                   Sleep_TRAIN.ts and Sleep_TEST.ts of the UEA/UCR archive, raw values, pooled and
                                  split again (`sources.sleep_split`); kept next to them as sleep.npz
        ========================  ==============================================================================
    root : path, optional
        Folder that holds a folder per data set. If omitted, ``$MINISPARSE_DATA`` and then ``data/`` are searched.
    download : bool
        Fetch missing files of mnist and fashion-mnist from the known mirrors into the first of those folders,
        checked by hash; the others must be there.

    Returns
    -------
    Dataset
        float32.

    Raises
    ------
    ValueError
        For an unknown name.
    OSError
        If a file is missing, truncated, or not what its name says.

    Warns
    -----
    UserWarning
        If the content of mnist or fashion-mnist is not the official one, which labels it "unofficial copy".

    Examples
    --------
    >>> minisparse.load("digits").x_train.shape
    (1437, 8, 8)
    """
    name = chosen("data set", name, NAMES)
    return Dataset(name, *LOADERS[name](name, folders(root), download))


def folders(root: str | os.PathLike | None = None) -> list[Path]:
    """Return the folders searched for data sets, first one first."""
    if root is not None:
        expect(path=root)
        return [expanded(root)]
    named = os.environ.get("MINISPARSE_DATA")
    return ([expanded(named)] if named else []) + [Path("data")]


def batches(x: Array, labels: Any, batch_size: int, rng: Seed | None = None) -> Iterator[tuple[Array, Any]]:
    """Yield batches in the layout of the passes: examples last.

    Parameters
    ----------
    x : (samples, ...) array
    labels : (samples, ...) array, or a tuple of such arrays
    batch_size : int
        The last batch may be smaller.
    rng : int, Generator or RandomState, optional
        Shuffles the samples; without it they come in order. A seed gives the same order at every call.

    Yields
    ------
    x : (..., batch) array
        (time, units, batch) for sequences.
    labels : (..., batch) array
        (batch,) for one label per sample; a tuple if one was given.

    Examples
    --------
    >>> x, labels = numpy.zeros((5, 28, 28)), numpy.arange(5)
    >>> [a.shape for a, _ in minisparse.batches(x, labels, 3)]
    [(28, 28, 3), (28, 28, 2)]
    """
    given = labels if isinstance(labels, tuple) else (labels,)
    _expect_samples(x, *given)
    batch_size = whole("batch_size", batch_size, 1)
    rng = rng if rng is None else generator(rng, "batches")
    xp = array_module(x, *given)
    order = xp.asarray(np.arange(len(x)) if rng is None else rng.permutation(len(x)))
    for start in range(0, len(x), batch_size):
        chosen = order[start : start + batch_size]
        turned, *targets = (xp.ascontiguousarray(xp.moveaxis(array[chosen], 0, -1)) for array in (x, *given))
        yield turned, tuple(targets) if isinstance(labels, tuple) else targets[0]


def subset_per_class(dataset: Dataset, count: int, rng: Seed) -> Dataset:
    """Keep some training samples of each class; the test set stays whole.

    Parameters
    ----------
    dataset : Dataset
    count : int
        Per class: the first ones of a shuffle of the class's samples.
    rng : int, Generator or RandomState

    Returns
    -------
    Dataset
        Training samples ordered by class; `batches` shuffles them.

    Raises
    ------
    ValueError
        If a class has fewer samples.

    Examples
    --------
    >>> few = minisparse.subset_per_class(minisparse.load("digits"), 50, numpy.random.default_rng(0))
    >>> few.x_train.shape, few.x_test.shape
    ((500, 8, 8), (360, 8, 8))
    """
    expect(dataset=dataset)
    count, rng = whole("count", count, 1), generator(rng, "subset")
    labels, chosen = to_numpy(dataset.y_train), []
    for label in range(dataset.n_classes):
        members = np.flatnonzero(labels == label)
        if len(members) < count:
            raise InputError(
                f"{dataset.name}: class {label} has {len(members)} training samples, not {count}; lower count"
            )
        chosen.append(rng.permutation(members)[:count])
    rows = array_module(dataset.y_train).asarray(np.concatenate(chosen))
    mask = None if dataset.mask_train is None else dataset.mask_train[rows]
    return replace(dataset, x_train=dataset.x_train[rows], y_train=dataset.y_train[rows], mask_train=mask)


def _expect_samples(x: Array, *targets: Array) -> None:
    """Refuse samples without a target each."""
    expect(x=x, **{f"labels {k}" if k else "labels": each for k, each in enumerate(targets)})
    for each in targets:
        if not x.ndim or not each.ndim or len(x) != len(each):
            raise InputError(
                f"x and labels must have a row per sample, got shapes {tuple(x.shape)} and {tuple(each.shape)}"
            )
