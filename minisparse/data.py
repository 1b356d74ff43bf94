"""Load data sets in their official formats, check them against the official content, and cut them into batches.

Data sets speak (samples, ...); `batches` turns them once into (..., batch), the layout of every pass.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .backend import Array, array_module, asarray
from .connectivity import Rng
from .errors import FileError, InputError
from .losses import check_labels


@dataclass(frozen=True)
class Dataset:
    """A classification task split into training and test samples.

    Attributes
    ----------
    name : str
    x_train, x_test : (samples, time, features) float32
        Dimensionless; pixels lie in [0, 1]. An image is a sequence of its rows.
    y_train, y_test : (samples,) int64
        Classes 0..n_classes-1.
    n_classes : int
    origin : str
        "official", or "unofficial copy" if the content is not the published one.

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

    def __post_init__(self) -> None:
        if not isinstance(self.x_train, np.ndarray):
            return
        for part in ("train", "test"):
            x, y = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            if len(x) != len(y) or not len(x):
                raise InputError(
                    f"{self.name}: {len(x)} {part} samples but {len(y)} labels; there must be one per sample"
                )
            bad = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))
            if bad.size:
                raise InputError(f"{self.name}: {part} sample {bad[0]} holds nan or inf; remove or repair it")
            check_labels(y, self.n_classes)
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
        arrays = {name: asarray(getattr(self, name)) for name in ("x_train", "y_train", "x_test", "y_test")}
        return replace(self, **arrays)


IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
IDX_SHA256 = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion-mnist": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
"""Hash of each file's *content* (decompressed), in the order of IDX_FILES."""
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
}
NAMES = ("digits", *IDX_SHA256)


def load(name: str, root: str | os.PathLike | None = None, download: bool = False) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : {"digits", "mnist", "fashion-mnist"}
        "digits" ships with scikit-learn: 1,797 images of 8 x 8 pixels, a fixed fifth of them for testing.
    root : path, optional
        Folder that holds a folder per data set. If omitted, ``$MINISPARSE_DATA`` and then ``data/`` are searched.
    download : bool
        Fetch missing files from the known mirrors into the first of those folders, checked by hash.

    Returns
    -------
    Dataset
        float32 in [0, 1]; an image is a sequence of its rows.

    Raises
    ------
    ValueError
        For an unknown name.
    OSError
        If a file is missing, truncated, or not what its name says.

    Warns
    -----
    UserWarning
        If the content is not the official one; the data set is then labelled "unofficial copy".

    Examples
    --------
    >>> minisparse.load("digits").x_train.shape
    (1437, 8, 8)
    """
    if name == "digits":
        return _load_digits()
    if name in IDX_SHA256:
        return _load_idx(name, root, download)
    raise InputError(f"data set {name!r} is unknown; choose one of {', '.join(NAMES)}")


def folders(root: str | os.PathLike | None = None) -> list[Path]:
    """Return the folders searched for data sets, first one first."""
    if root is not None:
        return [Path(root)]
    named = os.environ.get("MINISPARSE_DATA")
    return ([Path(named)] if named else []) + [Path("data")]


def batches(x: Array, labels: Array, batch_size: int, rng: Rng | None = None) -> Iterator[tuple[Array, Array]]:
    """Yield batches in the layout of the passes: examples last.

    Parameters
    ----------
    x : (samples, ...) array
    labels : (samples,) array
    batch_size : int
        The last batch may be smaller.
    rng : Generator or RandomState, optional
        Shuffles the samples; without it they come in order.

    Yields
    ------
    x : (..., batch) array
        (time, units, batch) for sequences.
    labels : (batch,) array

    Examples
    --------
    >>> x, labels = numpy.zeros((5, 28, 28)), numpy.arange(5)
    >>> [a.shape for a, _ in minisparse.batches(x, labels, 3)]
    [(28, 28, 3), (28, 28, 2)]
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1, got {batch_size}")
    xp = array_module(x, labels)
    order = xp.asarray(np.arange(len(x)) if rng is None else rng.permutation(len(x)))
    for start in range(0, len(x), batch_size):
        chosen = order[start : start + batch_size]
        yield xp.ascontiguousarray(xp.moveaxis(x[chosen], 0, -1)), labels[chosen]


def _load_digits() -> Dataset:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images, labels = (images / 16).astype(np.float32).reshape(-1, 8, 8), labels.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:1437], order[1437:]
    return Dataset("digits", images[train], labels[train], images[test], labels[test], 10)


def _load_idx(name: str, root: str | os.PathLike | None, download: bool) -> Dataset:
    if download:
        _download_idx(name, folders(root)[0] / name)
    contents = [_read(name, file, root) for file in IDX_FILES]
    official = all(hashlib.sha256(c).hexdigest() == known for c, known in zip(contents, IDX_SHA256[name], strict=True))
    x_train, y_train, x_test, y_test = (parse_idx(c, f) for c, f in zip(contents, IDX_FILES, strict=True))
    if not official:
        warnings.warn(
            f"the {name} files are not the official ones; results are labelled 'unofficial copy'", stacklevel=3
        )
    x_train, x_test = (x.astype(np.float32) / 255 for x in (x_train, x_test))
    y_train, y_test = (y.astype(np.int64) for y in (y_train, y_test))
    return Dataset(name, x_train, y_train, x_test, y_test, 10, "official" if official else "unofficial copy")


def _read(name: str, file: str, root: str | os.PathLike | None) -> bytes:
    """Return a file's decompressed content from the first folder that has it."""
    for folder in folders(root):
        for path in (folder / name / f"{file}.gz", folder / name / file):
            if path.is_file():
                return _content(path)
    searched = ", ".join(str(folder / name) for folder in folders(root))
    raise FileError(
        f"{file}[.gz] was not found in {searched}; put the {name} files there, name their folder with --data-dir or "
        f'MINISPARSE_DATA, or fetch them with minisparse.load("{name}", download=True)'
    )


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path} cannot be read ({error}); the file is damaged or truncated: fetch it again") from error


def parse_idx(content: bytes, file: str) -> np.ndarray:
    """Read the content of an IDX file of unsigned bytes (LeCun's format).

    Parameters
    ----------
    content : bytes
        Four bytes of magic number (0, 0, 8, number of axes), a big-endian 32-bit size per axis, then the bytes.
    file : str
        Its name says what to expect: ``idx3`` images, ``idx1`` labels.

    Returns
    -------
    array of uint8

    Raises
    ------
    OSError
        If the magic number or the length does not fit.

    Examples
    --------
    >>> minisparse.data.parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "labels-idx1-ubyte")
    array([7, 9], dtype=uint8)
    """
    axes = int(file.partition("idx")[2][0])
    if content[:4] != bytes([0, 0, 8, axes]):
        raise FileError(
            f"{file} does not start as an IDX file of {axes} axes (magic number {content[:4].hex() or 'missing'}, "
            f"expected {bytes([0, 0, 8, axes]).hex()}); is it the right file?"
        )
    header = 4 + 4 * axes
    if len(content) < header:
        raise FileError(f"{file} ends inside its header; the file is truncated: fetch it again")
    shape = struct.unpack(f">{axes}I", content[4:header])
    expected = header + math.prod(shape)
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "longer than its header says"
        raise FileError(
            f"{file} has {len(content)} bytes but its header announces {expected}; it is {fault}: fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _download_idx(name: str, folder: Path) -> None:
    """Fetch missing files, mirror after mirror; a file is put in place only if its content has the known hash."""
    import pooch

    for file, known in zip(IDX_FILES, IDX_SHA256[name], strict=True):
        target = folder / f"{file}.gz"
        if target.is_file() or (folder / file).is_file():
            continue
        failures = []
        for mirror in MIRRORS[name]:
            aside = target.with_suffix(".part")
            try:
                pooch.retrieve(f"{mirror}{file}.gz", known_hash=None, fname=aside.name, path=folder)
                found = hashlib.sha256(_content_of_gzip(aside)).hexdigest()
                if found != known:
                    raise FileError(f"its content has the hash {found[:12]}..., not {known[:12]}...")
                aside.replace(target)
                break
            except Exception as error:
                failures.append(f"{mirror}: {error}")
            finally:
                aside.unlink(missing_ok=True)
        else:
            raise FileError(f"{file}.gz could not be fetched ({'; '.join(failures)}); put it into {folder} by hand")


def _content_of_gzip(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read()
