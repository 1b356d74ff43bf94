"""The sparse kernels against other libraries, and a step against what the machine can do."""

from __future__ import annotations

import contextlib
import functools
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np

import minisparse as ms
from minisparse import kernels as tables
from minisparse.backend import cpu_count

from . import timing
from .networks import BATCH, STEPS, elsewhere, random_pattern, recurrent
from .peers import Peer, lacking
from .timing import Call, compare, duration, interleave, not_run, ratios, row

ENTRIES = 1 << 24
"""Numbers in an array that no cache holds: 64 MB in float32."""
NAIVE = 1 << 19
"""Synapses that the naive product takes; its time is in proportion to them."""
CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")


def kernels(quick: bool) -> Iterator[dict]:
    """Products with a sparse matrix (spmm), and onto one (sddmm), against other libraries; the rate of Adam."""
    for n in (1000,) if quick else (1000, 2000, 4000, 8000):
        for p in (0.1,) if quick else (0.1, 0.01):
            yield from _products(n, p)
    yield _share_of_step(500 if quick else 2000, 0.1)
    yield from _adam(ENTRIES)


def _products(n: int, p: float) -> Iterator[dict]:
    from scipy.sparse import csr_array

    case, pattern, rng = f"N = {n}, p = {p:g}, batch {BATCH}", random_pattern(n, p), np.random.default_rng(1)
    weights, nnz = ms.make_weights(pattern, "csr"), pattern.nnz
    values, x, dy = rng.random(nnz, np.float32), *rng.random((2, n, BATCH), np.float32)
    flops = 2 * nnz * BATCH
    count = min(50, max(5, round(2e8 / flops)))  # threads that sleep take a call or two to get going
    bound, matrix = weights.bind(values), csr_array((values, pattern.indices, pattern.indptr), pattern.shape)
    sides: dict[str, Callable] = {"spmm": Call(lambda: bound.matmul(x), count)}
    sides["SciPy"] = Call(lambda: matrix @ x, count)
    numbers = {"n": n, "p": p, "synapses": nnz}
    with contextlib.ExitStack() as stack:
        if reason := elsewhere("torch"):
            yield not_run(case, "PyTorch / spmm", reason)
        else:
            start = {"indptr": pattern.indptr, "indices": pattern.indices.astype(np.int64), "values": values, "x": x}
            start["check"] = timing.places((n, BATCH))
            sides["PyTorch"] = stack.enter_context(Peer("torch_sparse_product.py", cpu_count(), count, **start))
        yield from _with_rates(compare(case, sides, "spmm", **numbers), flops)
    some = min(nnz, NAIVE)
    naive = functools.partial(gather_and_dot, pattern.rows[:some], pattern.indices[:some], dy, x)
    sides = {"sddmm": Call(lambda: weights.outer(dy, x), count), "gather": Call(naive, scale=nnz / some)}
    same = None if some == nnz else ()
    yield from _with_rates(compare(case, sides, "sddmm", same, **numbers), flops)


def _with_rates(rows: Iterator[dict], flops: float) -> Iterator[dict]:
    """Add to each row what its sides reach in GFLOP/s."""
    for made in rows:
        rates = {name: flops / seconds / 1e9 for name, seconds in made["seconds"].items()}
        remark = f"{' and '.join(f'{rate:.3g}' for rate in rates.values())} GFLOP/s"
        if "difference" in made:
            remark += f"; weighted sums {made['difference']:.0e} apart"
        yield made | {"gflops": rates, "remark": remark}


def gather_and_dot(rows: np.ndarray, columns: np.ndarray, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return dy xᵀ on some synapses by gathering both operands, a few thousand synapses at a time.

    Examples
    --------
    >>> gather_and_dot(np.array([0, 1]), np.array([1, 1]), np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]]))
    array([4., 8.])
    """
    out, size = np.empty(rows.size, np.result_type(dy, x)), 1 << 14
    for start in range(0, rows.size, size):
        part = slice(start, start + size)
        np.einsum("kb,kb->k", dy[rows[part]], x[columns[part]], out=out[part])
    return out


def _share_of_step(n: int, p: float) -> dict:
    """Return what part of a step is spent in spmm and sddmm."""
    shares = share_of_products(recurrent(random_pattern(n, p), "csr").side(), timing.ROUNDS)
    return row(f"N = {n}, p = {p:g}, batch {BATCH}", "spmm and sddmm, of a step", shares, "%", n=n, p=p)


def share_of_products(step: Call, rounds: int) -> list[float]:
    """Return what part of a step is spent in spmm and sddmm, in percent, round by round."""
    table, spent = tables.table(np.empty(0, np.float32)), []

    def timed(kernel: Callable) -> Callable:
        def run(*args: object) -> np.ndarray:
            call = Call(lambda: kernel(*args))
            spent.append(call())
            return call.last

        return run

    shares = []
    with mock.patch.multiple(table, spmm=timed(table.spmm), sddmm=timed(table.sddmm)):
        for _ in range(rounds + 1):
            spent.clear()
            seconds = step()
            shares.append(100 * sum(spent) / (step.count * seconds))
    return shares[1:]


def _adam(size: int) -> Iterator[dict]:
    """Yield the bandwidth of Adam's update, which reads four arrays and writes three."""
    case, quantity = f"{size:,} weights", "Adam, share of the bandwidth"
    if reason := lacking("numba"):
        yield not_run(case, quantity, reason)
        return
    rng = np.random.default_rng(0)
    params, grads = {"w": rng.random(size, np.float32)}, {"w": rng.random(size, np.float32)}
    opt, read = ms.Adam(), probes()
    sides = {"Adam": Call(lambda: opt.step(params, grads)), "stream": Call(read.stream)}
    times = interleave(sides)
    rates = [7 * 4 * size / seconds / 1e9 for seconds in times["Adam"]]
    yield row(case, "Adam", rates, "GB/s")
    stream = [read.stream_bytes / seconds / 1e9 for seconds in times["stream"]]
    yield row(case, quantity, [100 * share for share in ratios(rates, stream)], "%")


@functools.cache
def probes() -> SimpleNamespace:
    """Compile and return what measures the machine: `stream` over large arrays, `rows` of a matrix in a core's cache.

    `stream` adds to an array: two are read, one is written, and none has to be fetched only to be overwritten.

    `rows` adds up rows of an activity matrix that fills three quarters of a core's second-level cache, in random order,
    eight at a time: the reads of a sparse product, and nothing else.
    """
    import numba

    from minisparse.kernels import with_numba  # noqa: F401 - chooses the threads that the kernels run on, too

    @numba.njit(parallel=True)
    def stream(a, b):
        for i in numba.prange(a.size):
            a[i] += np.float32(3) * b[i]

    @numba.njit(parallel=True, fastmath={"reassoc", "contract"})
    def rows(order, x, out):
        for i in numba.prange(order.shape[0]):
            o, total = order[i], np.float32(0)
            for k in range(0, o.size, 8):
                x0, x1, x2, x3 = x[o[k]], x[o[k + 1]], x[o[k + 2]], x[o[k + 3]]
                x4, x5, x6, x7 = x[o[k + 4]], x[o[k + 5]], x[o[k + 6]], x[o[k + 7]]
                for b in range(x.shape[1]):
                    total += ((x0[b] + x1[b]) + (x2[b] + x3[b])) + ((x4[b] + x5[b]) + (x6[b] + x7[b]))
            out[i] = total

    a, b = np.ones((2, ENTRIES), np.float32)
    rng, units = np.random.default_rng(0), cache_size() * 3 // 4 // (4 * BATCH)
    x, order = rng.random((units, BATCH), np.float32), rng.integers(0, units, (4000, 200)).astype(np.uint32)
    out = np.empty(len(order), np.float32)
    return SimpleNamespace(
        stream=lambda: stream(a, b),
        stream_bytes=3 * a.nbytes,
        rows=lambda: (rows(order, x, out), out)[1],
        rows_bytes=order.size * BATCH * 4,
        rows_expected=lambda: x.sum(axis=1)[order].sum(axis=1),
        units=units,
    )


def cache_size(file: Path = CACHE) -> int:
    """Return the bytes of a core's second-level cache, 1 MiB if nobody says."""
    try:
        text = file.read_text().strip()
        return int(text.rstrip("KM")) << {"K": 10, "M": 20}.get(text[-1], 0)
    except (OSError, ValueError, IndexError):
        return 1 << 20


def bound(synapses: int, bandwidth: float, steps: int = STEPS, batch: int = BATCH) -> float:
    """Return the seconds that a training step needs to read the rows of activity that its synapses ask for.

    Each of the three products (forward, back to the activity, gradient) reads a row of `batch` float32 numbers for each
    synapse at each step in time but the first, whose state is 0: ``3 (T - 1) nnz B 4`` bytes.

    Parameters
    ----------
    synapses : int
    bandwidth : float
        Bytes per second.
    steps, batch : int

    Examples
    --------
    >>> bound(1000, 1e6, steps=3, batch=10)
    0.24
    """
    return 3 * (steps - 1) * synapses * batch * 4 / bandwidth


def limits(quick: bool) -> Iterator[dict]:
    """What the machine can do (dense product, memory, second-level cache), and how near a step comes to it."""
    if reason := lacking("numba"):
        yield not_run("this machine", "limits", reason)
        return
    read, size = probes(), 1024 if quick else 2048
    np.testing.assert_allclose(read.rows(), read.rows_expected(), rtol=1e-3)
    matrix = np.random.default_rng(0).random((size, size), np.float32)
    machine = {"product": Call(lambda: matrix @ matrix, 2), "stream": Call(read.stream, 3), "rows": Call(read.rows, 20)}
    cells = [(n, p) for n in ((300, 500) if quick else (1000, 2000, 4000)) for p in (0.1, 0.01)]
    sparse = {cell: recurrent(random_pattern(*cell), "csr").side(3) for cell in cells}
    whole = [(n, 1) for n in ((300, 500) if quick else (500, 1000, 2000))]
    dense = {cell: recurrent(random_pattern(*cell), "dense").side(3) for cell in whole}
    times = interleave({**machine, **sparse, **dense})
    peaks = [2 * size**3 / seconds for seconds in times["product"]]
    bandwidths = [read.rows_bytes / seconds for seconds in times["rows"]]
    yield row(f"{size} x {size}, float32", "dense product", [peak / 1e9 for peak in peaks], "GFLOP/s")
    stream = [read.stream_bytes / seconds / 1e9 for seconds in times["stream"]]
    yield row(f"two arrays of {ENTRIES * 4 >> 20} MB", "memory, read and written", stream, "GB/s")
    fast = [bandwidth / 1e9 for bandwidth in bandwidths]
    yield row(f"random rows, {read.units} x {BATCH} float32", "second-level cache, read", fast, "GB/s")
    for n, p in sparse:
        synapses = random_pattern(n, p).nnz
        least = [bound(synapses, bandwidth) for bandwidth in bandwidths]
        yield _against(n, p, synapses, "CSR", "L2-bound time", times[n, p], least)
    for n, p in dense:
        least = [6 * n * n * BATCH * (STEPS - 1) / peak for peak in peaks]
        yield _against(n, p, n * n, "dense", "time at the peak", times[n, p], least)


def _against(n: int, p: float, synapses: int, side: str, limit: str, times: list, least: list) -> dict:
    """Return a step's time over the least that the machine could take for it."""
    remark = f"{duration(statistics.median(times))} and {duration(statistics.median(least))}"
    numbers = {"n": n, "p": p, "synapses": synapses, "side": side}
    return row(f"N = {n}, p = {p:g}", f"{side} step / {limit}", ratios(times, least), "", remark, **numbers)
