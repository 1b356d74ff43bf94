"""What every test run shares: which marks run, how Hypothesis searches, and the names doctests start with."""

from __future__ import annotations

import functools
import importlib.util
import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # one process per processor: threads of several would only spin
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import numpy as np
import pytest

import minisparse

OPTIONAL = {"slow", "gpu", "torch", "nvrtc"}
"""Marks that run only where ``-m`` asks for them (``--require-gpu`` asks for gpu)."""
DEVICE_TESTS = Path(__file__).parent / "tests" / "gpu"

if importlib.util.find_spec("hypothesis"):
    minisparse.testing.load_profile()


def pytest_addoption(parser: pytest.Parser) -> None:
    if not importlib.util.find_spec("xdist"):  # its options are in pyproject.toml; without it one process runs all
        for name in ("-n", "--dist"):
            parser.getgroup("xdist")._addoption(name, help="without effect: pytest-xdist is not installed")
    parser.addoption(
        "--require-gpu", action="store_true", help="fail instead of skipping where CuPy or a CUDA device is missing"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``--require-gpu`` the device tests are collected alone: a machine with a GPU may lack what others import."""
    wanted = not config.getoption("--require-gpu") or collection_path.is_relative_to(DEVICE_TESTS)
    return None if wanted or DEVICE_TESTS.is_relative_to(collection_path) else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("-m"):
        return
    wanted = {"gpu"} if config.getoption("--require-gpu") else set()
    kept, left_out = [], []
    for item in items:
        optional = {mark.name for mark in item.iter_markers()} & OPTIONAL
        (left_out if optional - wanted else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and (reason := _no_gpu()):
        if item.config.getoption("--require-gpu"):
            pytest.fail(f"--require-gpu: {reason}", pytrace=False)
        pytest.skip(reason)


@functools.cache
def _no_gpu() -> str:
    """Say why nothing can run on a GPU here, or nothing."""
    try:
        with minisparse.use("cupy"):
            return ""
    except (ImportError, RuntimeError) as error:
        return str(error)


@pytest.fixture(autouse=True, scope="session")
def _names_in_doctests(doctest_namespace: dict) -> None:
    doctest_namespace.update(minisparse=minisparse, numpy=np)
