"""Where each data set lies, in which files, and how it is split: one loader per name, called by `minisparse.load`.

A loader takes the data set's name, the folders to search and whether to download, and returns what `Dataset` takes:
``x_train, y_train, x_test, y_test, n_classes, origin``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..archive import read_arrays
from ..errors import FileError
from ..files import write_aside
from ..identity import digest
from .formats import (
    LARGEST_ARCHIVE,
    LARGEST_IDX,
    image_rows,
    parse_archive,
    parse_cifar,
    parse_idx,
    read_npz,
    read_ts,
)
from .unpack import content_of, hash_of

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int, str]

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


class Idx(NamedTuple):
    """A data set of four IDX files."""

    folders: tuple[str, ...]
    """Where they may lie; the last one is that of torchvision."""
    classes: int = 10
    first: int = 0
    """The label of the first class."""
    prefix: str = ""
    """Of the files' names; those with one call their test "test", and keep their images by columns."""


EMNIST = ("emnist", "emnist/gzip", "EMNIST/raw")
IDX = {
    "mnist": Idx(("mnist", "MNIST/raw")),
    "fashion-mnist": Idx(("fashion-mnist", "FashionMNIST/raw")),
    "kmnist": Idx(("kmnist", "KMNIST/raw")),
    "emnist-letters": Idx(("emnist-letters", *EMNIST), 26, 1, "emnist-letters-"),
    "emnist-digits": Idx(("emnist-digits", *EMNIST), prefix="emnist-digits-"),
    "emnist-balanced": Idx(("emnist-balanced", *EMNIST), 47, prefix="emnist-balanced-"),
}
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
}


class Cifar(NamedTuple):
    """The official files of one CIFAR data set."""

    folder: str
    train: tuple[str, ...]
    test: str
    label_bytes: int
    classes: int
    archive: str
    archive_md5: str
    home: str
    """The data set's own folder."""
    label: int = -1
    """Which of the label bytes is used."""


CIFAR = {
    "cifar10": Cifar(
        "cifar-10-batches-bin",
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test_batch.bin",
        1,
        10,
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        "cifar10",
    ),
    "cifar100": Cifar(
        "cifar-100-binary",
        ("train.bin",),
        "test.bin",
        2,
        100,
        "cifar-100-binary.tar.gz",
        "03b5dce01913d631647c71ecec9e9cb8",
        "cifar100",
    ),
}
CIFAR["cifar100-coarse"] = CIFAR["cifar100"]._replace(classes=20, label=0)
LARGEST_COIL = 2**25
"""Bytes that the arrays of coil100.npz may have; the 7,200 images have 22 million."""
SLEEP_FILES = ("Sleep_TRAIN.ts", "Sleep_TEST.ts")


def digits(name: str, places: list[Path], download: bool) -> Parts:
    """Load scikit-learn's digits, a fixed fifth of them for testing."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images, labels = (images / 16).astype(np.float32).reshape(-1, 8, 8), labels.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(labels))
    train, test = order[:1437], order[1437:]
    return images[train], labels[train], images[test], labels[test], 10, "official"


def idx(name: str, places: list[Path], download: bool) -> Parts:
    """Load MNIST or a data set in its form from IDX files; those of EMNIST are turned upright."""
    known, hashes = IDX[name], IDX_SHA256.get(name)
    files = [known.prefix + (file.replace("t10k", "test") if known.prefix else file) for file in IDX_FILES]
    if download and hashes:
        _download_idx(name, places[0] / name)
    contents = [_read_idx(name, file, places) for file in files]
    x_train, y_train, x_test, y_test = (parse_idx(c, f) for c, f in zip(contents, files, strict=True))
    origin = "unverified copy"
    if hashes:
        official = all(hashlib.sha256(c).hexdigest() == known for c, known in zip(contents, hashes, strict=True))
        origin = "official" if official else "unofficial copy"
    if origin == "unofficial copy":
        warnings.warn(
            f"the {name} files are not the official ones; results are labelled 'unofficial copy'", stacklevel=3
        )
    for file, labels in zip(files[1::2], (y_train, y_test), strict=True):
        if known.first and labels.size and labels.min() < known.first:
            raise FileError(f"{file} has the label {labels.min()}, but labels begin at {known.first}; is it {name}?")
    if known.prefix:
        x_train, x_test = x_train.swapaxes(1, 2), x_test.swapaxes(1, 2)
    x_train, x_test = (np.ascontiguousarray(x, np.float32) / 255 for x in (x_train, x_test))
    y_train, y_test = (y.astype(np.int64) - known.first for y in (y_train, y_test))
    return x_train, y_train, x_test, y_test, known.classes, origin


def cifar(name: str, places: list[Path], download: bool) -> Parts:
    """Load CIFAR-10 or CIFAR-100 from the binary version's files, else from its archive; pixels end up in [-1, 1]."""
    known = CIFAR[name]
    files = (*known.train, known.test)
    home = known.home
    names = {file: (f"{home}/{known.folder}/{file}", f"{home}/{file}", f"{known.folder}/{file}") for file in files}
    paths = [_first(*names[file], places=places) for file in files]
    archive = _first(f"{home}/{known.archive}", known.archive, places=places)
    if None not in paths:
        contents, origin = [content_of(path, LARGEST_ARCHIVE) for path in paths], "unverified copy"
    elif archive:
        packed = content_of(archive, LARGEST_ARCHIVE, packed=True)
        contents = parse_archive(packed, str(archive), files)
        same = hashlib.md5(packed, usedforsecurity=False).hexdigest() == known.archive_md5
        origin = "official" if same else "unverified copy"
    else:
        raise _missing(f"{files[paths.index(None)]} (or {known.archive})", home, places)
    images, labels = zip(
        *(
            parse_cifar(c, f, known.label_bytes, known.classes, known.label)
            for c, f in zip(contents, files, strict=True)
        ),
        strict=True,
    )
    sizes = [len(part) for part in labels[:-1]]
    for file, size in zip(known.train, sizes, strict=True):
        if size != sizes[0]:
            raise FileError(
                f"{file} has {size} records but {files[0]} has {sizes[0]}; one is truncated: fetch them again"
            )
    x_train, y_train = np.concatenate(images[:-1]).astype(np.float32), np.concatenate(labels[:-1])
    x_test = images[-1].astype(np.float32)
    for x in (x_train, x_test):
        x /= 255
        x -= 0.5
        x /= 0.5
    return x_train, y_train, x_test, labels[-1], known.classes, origin


def coil100(name: str, places: list[Path], download: bool) -> Parts:
    """Load the 32 x 32 copy of COIL-100; 1,436 of its 7,200 images, or that share of them, are for testing."""
    path = _first(f"{name}/coil100.npz", places=places)
    if path is None:
        raise _missing("coil100.npz", name, places)
    images, labels = read_npz(path, "images", "labels", largest=LARGEST_COIL)
    if images.dtype != np.uint8 or images.shape != (*labels.shape, 32, 32, 3) or labels.dtype.kind not in "iu":
        raise FileError(
            f"{path} has images {images.shape} of {images.dtype} and labels {labels.shape} of {labels.dtype}; it "
            "should have uint8 images (samples, 32, 32, 3) and an integer label for each"
        )
    if labels.ndim != 1 or not len(labels) or labels.min() < 1 or labels.max() > 100:
        raise FileError(f"{path} should have labels 1..100, one per image, but has others; fetch it again")
    x, y = image_rows(np.moveaxis(images, -1, 1)).astype(np.float32) / 255, labels.astype(np.int64) - 1
    order = np.random.default_rng(0).permutation(len(y))
    n_test = round(len(y) * 1436 / 7200)
    test, train = order[:n_test], order[n_test:]
    return x[train], y[train], x[test], y[test], 100, "32 x 32 copy"


def sleep(name: str, places: list[Path], download: bool) -> Parts:
    """Load the UEA/UCR archive's Sleep: raw values, its two files pooled and split again."""
    paths = [_first(f"{name}/{file}", places=places) for file in SLEEP_FILES]
    if None in paths:
        raise _missing(SLEEP_FILES[paths.index(None)], name, places)
    x, y = _pooled(paths)
    train, test = sleep_split(len(y))
    return x[train], y[train], x[test], y[test], int(y.max()) + 1, "unverified copy"


def sleep_split(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and test rows of n pooled series: the split that torchtime makes of 70 % with seed 123.

    Not stratified, and windows of one recording lie on both sides.

    Examples
    --------
    >>> minisparse.data.sources.sleep_split(10)
    (array([1, 9, 6, 3, 5, 2, 8]), array([7, 4, 0]))
    """
    rng = np.random.RandomState(123)
    order = rng.permutation(n)
    n_test = round(0.3 * n)
    test = rng.permutation(order[:n_test])
    return rng.permutation(order[n_test:]), test


def _pooled(paths: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Return the series and labels of the training file, then of the test file; keep them next to it in sleep.npz."""
    cache = paths[0].with_name("sleep.npz")
    made_from = np.array(hash_of(paths))
    with contextlib.suppress(FileError):
        kept = read_arrays(cache)
        known = str(kept.pop("sha256", "")) == digest(kept)  # what was altered is made anew
        if known and np.array_equal(kept["made_from"], made_from):
            return kept["series"], kept["labels"]
    parts = [read_ts(path) for path in paths]
    shapes = [x.shape[1:] for x, _ in parts]
    if shapes[0] != shapes[1]:
        raise FileError(
            f"{paths[0]} has series of (time, channels) {shapes[0]} but {paths[1]} of {shapes[1]}; are they of one set?"
        )
    x = np.concatenate([x for x, _ in parts])
    y = np.concatenate([_whole(labels, path) for (_, labels), path in zip(parts, paths, strict=True)])
    y -= y.min()
    kept = {"series": x, "labels": y, "made_from": made_from}
    with contextlib.suppress(FileError):
        write_aside(cache, lambda file: np.savez(file, **kept, sha256=np.array(digest(kept))))
    return x, y


def _whole(labels: np.ndarray, path: Path) -> np.ndarray:
    try:
        return labels.astype(np.int64)
    except ValueError as error:
        raise FileError(f"{path} should have whole numbers for labels ({error}); is it the right file?") from error


def _first(*names: str, places: Iterable[Path]) -> Path | None:
    """Return the first file of one of the names in the first folder that has one."""
    return next((folder / name for folder in places for name in names if os.path.isfile(folder / name)), None)


def _missing(file: str, name: str, places: Iterable[Path], fetch: str = "or name") -> FileError:
    searched = ", ".join(str(folder / name) for folder in places)
    return FileError(
        f"{file} was not found in {searched}; put the {name} files there, {fetch} their folder with --data-dir or "
        "MINISPARSE_DATA"
    )


def _read_idx(name: str, file: str, places: list[Path]) -> bytes:
    """Return a file's decompressed content from the first folder that has it, under one of the names that it has."""
    names = [file, file.replace("-idx", ".idx"), f"{file}/{file}"]  # as published, as 7-zip and as Kaggle unpack it
    known = [f"{folder}/{other}{end}" for folder in IDX[name].folders for other in names for end in (".gz", "")]
    path = _first(*known, places=places)
    if path is None:
        fetch = f'fetch them with minisparse.load("{name}", download=True), or name' if name in MIRRORS else "or name"
        raise _missing(f"{file}[.gz]", name, places, fetch)
    return content_of(path, LARGEST_IDX * (2 if name == "emnist-digits" else 1))  # the largest has 188 million


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
                found = hashlib.sha256(content_of(aside, LARGEST_IDX)).hexdigest()
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
