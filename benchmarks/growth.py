"""How time and memory grow with the synapses, and what rewiring takes."""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import numpy as np

import minisparse as ms
from minisparse.backend import current_module

from .networks import BATCH, CLASSES, INPUTS, STEPS, random_pattern, recurrent
from .timing import Call, exponent, interleave, not_run, row

AFFERENTS = 100


def fixed_afferents(n: int, count: int) -> ms.Pattern:
    """Return a square pattern in which every neuron receives from `count` others."""
    rng = np.random.default_rng(0)
    rows = [np.sort(rng.choice(n, count, replace=False)) for _ in range(n)]
    return ms.Pattern(np.arange(n + 1) * count, np.concatenate(rows), (n, n))


def growth(quick: bool) -> Iterator[dict]:
    """Time and memory of a CSR step over the number of synapses, at 100 afferents per neuron."""
    sizes = (500, 1000, 2000) if quick else (1000, 2000, 4000, 8000, 16000)
    synapses = {n: AFFERENTS * n for n in sizes}
    times = interleave({n: recurrent(fixed_afferents(n, AFFERENTS), "csr").side() for n in sizes})
    for n in sizes:
        rate = 6 * synapses[n] * BATCH * (STEPS - 1) / statistics.median(times[n]) / 1e9
        case = f"N = {n}, {AFFERENTS} afferents"
        numbers = {"n": n, "synapses": synapses[n], "gflops": rate}
        yield row(case, "CSR step", [1e3 * t for t in times[n]], "ms", f"{rate:.3g} GFLOP/s", **numbers)
    exponents = [exponent(synapses.values(), each) for each in zip(*times.values(), strict=True)]
    case = f"N = {sizes[0]} to {sizes[-1]}"
    yield row(case, "exponent of time over synapses", exponents)
    if current_module() is np:
        yield from _memory((500, 1000) if quick else (1000, 2000, 4000))
    else:
        yield not_run(case, "bytes per synapse", "only memory of the host is counted")


def _memory(sizes: Iterable[int]) -> Iterator[dict]:
    """Yield peaks inside `fit`, and what a synapse adds to them.

    Neurons and synapses vary apart, so that a fit can tell what each adds: activity, its gradient, and dense matrices
    for input and readout go with the neurons.
    """
    cells = [(n, count) for n in sizes for count in (AFFERENTS // 2, AFFERENTS, 2 * AFFERENTS)]
    peaks, turned = {}, {}
    for n, count in cells:
        peaks[n, count], turned[n, count] = peak_in_fit(n, count, "csr"), bytes_of_transpose(n, count)
        if count == AFFERENTS:
            for storage, peak in (("CSR", peaks[n, count]), ("dense", peak_in_fit(n, count, "dense"))):
                numbers = {"n": n, "synapses": n * count, "storage": storage}
                yield row(f"N = {n}, {count} afferents", f"peak inside fit, {storage}", [peak / 1e6], "MB", **numbers)
    each, moved = per_synapse(peaks), per_synapse(turned)
    case = f"N = {min(sizes)} to {max(sizes)}, {AFFERENTS // 2} to {2 * AFFERENTS} afferents"
    yield row(case, "peak inside fit", [each], "bytes per synapse")
    yield row(case, "of it transposed structure and values", [moved], "bytes per synapse")
    yield row(case, "of it value, gradient, moments, column", [each - moved], "bytes per synapse")


def peak_in_fit(n: int, afferents: int, storage: str) -> int:
    """Return the bytes that are allocated at the peak of a short training, the pattern's among them, the data's not."""
    _short_fit(n, afferents, storage)()  # what is loaded and compiled the first time is not counted
    tracemalloc.start()
    try:
        fit = _short_fit(n, afferents, storage)
        tracemalloc.reset_peak()
        fit()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _short_fit(n: int, afferents: int, storage: str, batch: int = 5, steps: int = 3) -> Callable[[], list]:
    """Make a recurrent network and return its training over two batches."""
    rng = np.random.default_rng(0)
    x, labels = rng.random((2 * batch, steps, INPUTS), np.float32), rng.integers(0, CLASSES, 2 * batch)
    dataset = ms.Dataset("random", x, labels, x[:batch], labels[:batch], CLASSES)
    model = ms.RNN(INPUTS, ms.make_weights(fixed_afferents(n, afferents), storage), CLASSES)
    params = model.init(rng)
    return lambda: ms.fit(model, params, ms.Adam(), dataset, 1, rng, batch_size=batch, quiet=True)


def bytes_of_transpose(n: int, afferents: int) -> int:
    """Return the bytes that stay in memory once a bound CSR matrix has been multiplied from the other side."""
    weights = ms.make_weights(fixed_afferents(n, afferents), "csr")
    w, dy = np.ones(weights.nnz, np.float32), np.ones((n, 1), np.float32)
    tracemalloc.start()
    try:
        bound = weights.bind(w)
        bound.matmul_t(dy)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def per_synapse(found: dict[tuple[int, int], float]) -> float:
    """Return what a synapse adds, from numbers for (neurons, afferents of each), by least squares with the neurons.

    Examples
    --------
    >>> round(per_synapse({(n, k): 32 * n * k + 500 * n + 7 for n in (10, 20) for k in (2, 3)}))
    32
    """
    columns = [[n * count, n, 1] for n, count in found]
    return float(np.linalg.lstsq(np.array(columns, float), np.array(list(found.values()), float), rcond=None)[0][0])


def rewiring(quick: bool) -> Iterator[dict]:
    """Seconds of one rewiring: SET on a large layer, RigL with the gradient at every vacant place."""
    large, small = (2000, 500) if quick else (20_000, 4000)
    sides = {"SET": set_event(large, 0.01), "RigL": rigl_event(small, 0.01)}
    times = interleave(sides)
    for name, n in (("SET", large), ("RigL", small)):
        yield row(f"{n} x {n}, p = 0.01", f"one rewiring by {name}", times[name], "s")


def set_event(n: int, p: float) -> Call:
    """Return one rewiring by SET."""
    model = ms.MLP([ms.make_weights(random_pattern(n, p), "csr"), ms.make_weights(ms.full(CLASSES, n), "dense")])
    rng = np.random.default_rng(0)
    params, opt, rule = model.init(rng), ms.SGD(), ms.SET()
    return Call(lambda: len(rule.rewire(model, params, opt, rng)["W0"].grown))


def rigl_event(n: int, p: float) -> Call:
    """Return one rewiring by RigL, on what the synapses saw in one batch."""
    model = ms.MLP([ms.make_weights(random_pattern(n, p), "csr"), ms.make_weights(ms.full(CLASSES, n), "dense")])
    rng = np.random.default_rng(0)
    params, opt, rule = model.init(rng, w_max=0.05), ms.SGD(), ms.RigL()
    logits, cache = model.forward(params, rng.random((n, BATCH), np.float32))
    _, dlogits = ms.softmax_cross_entropy(logits, rng.integers(0, CLASSES, BATCH))
    model.backward(dlogits, cache)
    return Call(lambda: len(rule.rewire(model, params, opt, rng, cache.links)["W0"].grown))
