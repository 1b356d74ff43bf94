"""What this machine has to offer: free memory, and the FLOPs per second that its products reach."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import array_module, asarray, current_module
from ..connectivity import bernoulli, full
from ..weights.make import make_weights

TYPICAL = {"numpy": 1000, "cupy": 8000}
"""Neurons at which `calibrate` measures."""
UNKNOWN = 1 << 62
"""Bytes that stand for "nobody says": nothing is refused."""


def available() -> int:
    """Return the bytes of memory that are free: on the GPU, or on the host within its control group's limit.

    Examples
    --------
    >>> minisparse.lab.machine.available() > 0
    True
    """
    xp = current_module()
    if xp.__name__ == "cupy":
        return xp.cuda.runtime.memGetInfo()[0] + xp.get_default_memory_pool().free_bytes()
    return max(0, min(_on_host(), _in_group()))


def _on_host(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return what Linux could hand out; elsewhere all there is."""
    try:
        return 1024 * int(dict(line.split(":") for line in meminfo.read_text().splitlines())["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def _in_group(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return what a container's limit leaves (control groups, version 2 or 1); pages of files can be dropped."""
    for folder, limit, used in (
        (root, "memory.max", "memory.current"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
            counts = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
            return left + int(counts.get("inactive_file", 0))
        except (OSError, ValueError):
            continue
    return UNKNOWN


def calibrate(seconds: float = 1.0, storages: Iterable[str] = ("dense", "csr"), batch: int = 100) -> dict[str, float]:
    """Measure what the three products with W reach here, at a typical size and a tenth of the synapses.

    Parameters
    ----------
    seconds : float
        How long to measure, all storages together; making the patterns comes on top.
    storages : iterable of {"dense", "csr"}
    batch : int

    Returns
    -------
    dict
        Storage to FLOP/s: useful ones, so zeros count under dense storage alone.

    Examples
    --------
    >>> sorted(minisparse.lab.machine.calibrate(0.1))
    ['csr', 'dense']
    """
    xp, storages, rng = current_module(), list(storages), np.random.default_rng(0)
    n = TYPICAL.get(xp.__name__, TYPICAL["numpy"])
    x = asarray(rng.random((n, batch), dtype=np.float32))
    rates = {}
    for storage in storages:
        weights = make_weights(full(n, n) if storage == "dense" else bernoulli(n, n, 0.1, rng), storage)
        w = weights.from_values(asarray(rng.random(weights.nnz, dtype=np.float32)))

        def step(weights=weights, w=w) -> None:
            bound = weights.bind(w)
            bound.matmul(x), bound.matmul_t(x), weights.outer(x, x)

        step()  # compiled kernels are loaded, the transposed structure is made
        _wait(x)
        start, count = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds / len(storages) or not count:
            step()
            _wait(x)
            count += 1
        rates[storage] = 6 * weights.nnz * batch * count / spent
    return rates


def _wait(x: Any) -> None:
    """Let a GPU finish what it was given."""
    cuda = getattr(array_module(x), "cuda", None)
    if cuda is not None:
        cuda.Device().synchronize()
