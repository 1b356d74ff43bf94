"""What a run will cost, before anything is allocated: FLOPs, bytes, and hours on this machine, which is measured.

A multiply-add is two FLOPs. Products with W count q = density under CSR and q = 1 under dense storage, which multiplies
zeros as well. Three passes over W: forward, back to the activity, gradient.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arguments import expect, whole
from ..backend import asarray, current_module, to_numpy
from ..connectivity import bernoulli, check_density, full
from ..errors import InputError
from ..kernels import with_cupy
from ..weights.make import choose_storage, make_weights
from .free_memory import in_group, on_host
from .units import duration, size

ADAM_FLOPS = 12
"""Per stored weight and step."""
ARRAYS = {"dense": 4, "csr": 2}
"""Arrays (time, neurons, batch) at the peak of a step: state and its gradient; BLAS wants them once more, turned."""
ARRAYS_ON_GPU = 5
"""The same on a GPU, for any storage: the drives of all steps come on top, and CuPy keeps what is freed."""
OVERHEAD = 10_000_000
"""Bytes that a process takes on in a run beside all arrays: code that is loaded, memory that is free in pieces."""
TYPICAL = {"numpy": 1000, "cupy": 8000}
"""Neurons at which `calibrate` measures."""


def flops(nodes: int, density: float, storage: str, steps_in_time: int, inputs: int, classes: int, batch: int) -> float:
    """Count the FLOPs of one training step of a recurrent network.

    ``6 q B N² (T-1) + 4 B T N I + 6 B N C``, and 12 per stored weight for Adam. The product with h_0 = 0 and
    elementwise work are not counted.

    Parameters
    ----------
    nodes, steps_in_time, inputs, classes, batch : int
        N, T, I (per time step), C and B.
    density : float
    storage : {"auto", "dense", "csr", "grouped"}

    Returns
    -------
    float
        FLOPs.

    Examples
    --------
    >>> f"{minisparse.lab.cost.flops(10_000, 1, 'dense', 28, 28, 10, 100):.3g}"
    '1.62e+12'
    """
    for name, value in (("steps_in_time", steps_in_time), ("inputs", inputs), ("classes", classes), ("batch", batch)):
        whole(name, value, 1)
    storage = kind(nodes, density, storage)
    recurrent, others = _products(nodes, density, storage, steps_in_time, inputs, classes, batch)
    return recurrent + others + ADAM_FLOPS * _stored(nodes, density, storage)


def memory(nodes: int, density: float, storage: str, dtype: Any = np.float32) -> int:
    """Count the bytes of a recurrent matrix in training: weights, gradient, Adam's two moments, index structure.

    In float32: dense 16 bytes for each possible weight, and if some do not exist 4 more for the mask and 8 for each
    that does; CSR 16 bytes per neuron and 32 per synapse (16 for the numbers, 12 for indices by row, by column and the
    order between them, 4 for the values in that order). Without Numba, Adam's temporaries add three arrays for a
    moment. On a GPU CSR takes 4 more per synapse (its row) and 8 per neuron, and where the gradient is taken from the
    whole product (`with_cupy.SAMPLED_BELOW`) that matrix.

    Parameters
    ----------
    nodes : int
    density : float
    storage : {"auto", "dense", "csr", "grouped"}
    dtype : dtype

    Returns
    -------
    int
        Bytes.

    Examples
    --------
    >>> minisparse.lab.cost.memory(10_000, 1, "dense"), minisparse.lab.cost.memory(10_000, 0.1, "csr")
    (1600080008, 320160016)
    """
    nodes = whole("nodes", nodes, 1)
    check_density(density)
    item, places = np.dtype(dtype).itemsize, nodes * nodes
    synapses, indptr = round(float(density) * places), 8 * (nodes + 1)
    if kind(nodes, density, storage) == "csr":
        order = 4 if synapses < 2**31 else 8
        found = (5 * item + 8 + order) * synapses + 2 * indptr
        if _on_gpu():
            found += 4 * synapses + indptr + (item * places if density > with_cupy.SAMPLED_BELOW else 0)
        return found
    return 4 * item * places + indptr + (item * places + 8 * synapses if density < 1 else 0)


def activations(nodes: int, steps_in_time: int, batch: int, storage: str, dtype: Any = np.float32) -> int:
    """Count the bytes of activity and its gradient at the peak of a step: ``2 T B N`` numbers, dense ``4 T B N``.

    On a GPU they are ``5 T B N``.

    Examples
    --------
    >>> minisparse.lab.cost.activations(10_000, 28, 100, "csr")
    224000000
    """
    nodes, steps_in_time, batch = (
        whole("nodes", nodes, 1),
        whole("steps_in_time", steps_in_time, 1),
        whole("batch", batch, 1),
    )
    arrays = ARRAYS_ON_GPU if _on_gpu() else ARRAYS[kind(nodes, 1.0, storage)]
    return arrays * steps_in_time * batch * nodes * np.dtype(dtype).itemsize


def beside(nodes: int, inputs: int, classes: int, dtype: Any = np.float32) -> int:
    """Count the bytes of input weights, readout and biases in training: each with its gradient and two moments.

    Examples
    --------
    >>> minisparse.lab.cost.beside(1000, 28, 10)
    640160
    """
    return 4 * np.dtype(dtype).itemsize * (nodes * (inputs + 2) + classes * (nodes + 1))


def samples_of(dataset: Any, batch: int = 100) -> int:
    """Count the bytes of a data set, of the order of its samples, and of a batch, which is copied twice.

    Examples
    --------
    >>> minisparse.lab.cost.samples_of(minisparse.load("digits"))
    548600
    """
    arrays = [getattr(dataset, f"{name}_{part}") for name in ("x", "y", "mask") for part in ("train", "test")]
    held = sum(array.nbytes for array in arrays if array is not None)
    return held + 16 * len(dataset.x_train) + 2 * min(batch, len(dataset.x_train)) * dataset.x_train[:1].nbytes


def preflight(nodes: int, density: float, storage: str = "auto", itemsize: int = 4, more: int = 0) -> None:
    """Refuse a recurrent network that needs more memory than is free, before its pattern or anything else is made.

    Parameters
    ----------
    nodes : int
    density : float
    storage : {"auto", "dense", "csr", "grouped"}
    itemsize : int
        Bytes of a number: 4 or 8.
    more : int
        Further bytes, such as `activations`.

    Raises
    ------
    ValueError
        If it does not fit, naming what does.

    Examples
    --------
    >>> minisparse.lab.cost.preflight(1000, 0.1)
    """
    chosen, dtype, free = kind(nodes, density, storage), f"f{itemsize}", available()
    needed = memory(nodes, density, chosen, dtype) + more
    if needed <= free:
        return
    other = {"dense": "csr", "csr": "dense"}[chosen]
    instead = memory(nodes, density, other, dtype) + more
    left = f"{size(free)} are free{' on the GPU' if _on_gpu() else ''}"
    each, unit = needed / _stored(nodes, density, chosen), "weight" if chosen == "dense" else "synapse"
    fits = max(1, int(0.99 * nodes * math.sqrt(free / min(needed, instead))))
    mend = f"at density {density:g} some {fits:,} neurons fit; lower --nodes or --density"
    if instead <= free:
        mend = f"at density {density:g} {other} needs {size(instead)}: --storage {other}"
    raise InputError(f"n={nodes:,} {chosen} needs {size(needed)} ({each:.3g} bytes per {unit}), {left}; {mend}")


def estimate(dataset: Any, runs: Iterable[dict], batch: int = 100, rates: dict[str, float] | None = None) -> dict:
    """Foretell what a list of runs costs, one after another.

    Elementwise work and the cost of a call are left out: small networks (300 neurons) take up to twice as long.

    Parameters
    ----------
    dataset : Dataset
    runs : list of dict
        Each with nodes, density, storage and epochs, as the config of a chapter's cell has them; may hold ``per_class``
        (training samples of each class) and ``model``: "recurrent", or "feedforward" for two layers of half the nodes.
    batch : int
    rates : dict, optional
        From `calibrate`, which is asked if there are none.

    Returns
    -------
    dict
        runs, flops (all runs, tests included), bytes (of the largest run), seconds; rates and available bytes.

    Examples
    --------
    >>> runs = [{"nodes": 300, "density": 0.1, "storage": "csr", "epochs": 30}]
    >>> found = minisparse.lab.cost.estimate(minisparse.load("digits"), runs, rates={"dense": 1e11, "csr": 1e10})
    >>> print(minisparse.lab.cost.describe(found).splitlines()[0])
    cost: 1 run, about 2.2e+10 FLOPs, 13 MB, 2 s on this machine
    """
    expect(dataset=dataset)
    runs, batch = list(runs), whole("batch", batch, 1)
    for run in runs:
        whole("epochs", run["epochs"], 0), whole("per_class", run.get("per_class", 0), 0)
    stores = [kind(run["nodes"], run["density"], run["storage"]) for run in runs]
    rates = rates or calibrate(storages=dict.fromkeys([*stores, "dense"]))
    steps, inputs = dataset.sample_shape
    total, seconds, largest = 0.0, 0.0, 0
    for run, storage in zip(runs, stores, strict=True):
        n, p, epochs, model = run["nodes"], run["density"], run["epochs"], run.get("model", "recurrent")
        samples = dataset.n_classes * run.get("per_class", 0) or len(dataset.x_train)
        sizes = (n, p, storage, steps, inputs, dataset.n_classes)
        trained = _products(*sizes, samples * epochs, model=model)
        tested = _products(*sizes, len(dataset.x_test) * (epochs + 1), passes=1, model=model)
        adam = ADAM_FLOPS * _stored(n, p, storage) * math.ceil(samples / batch) * epochs
        sparse, dense = trained[0] + tested[0], trained[1] + tested[1] + adam
        total += sparse + dense
        seconds += sparse / rates[storage] + dense / rates["dense"]
        width, deep = (max(1, n // 2), 4) if model == "feedforward" else (n, steps)  # two layers, states and drives
        ends = beside(width, steps * inputs if model == "feedforward" else inputs, dataset.n_classes)
        largest = max(largest, memory(width, p, storage) + activations(width, deep, batch, storage) + ends)
    largest += samples_of(dataset, batch) + OVERHEAD
    found = {"runs": len(runs), "flops": total, "bytes": largest, "seconds": seconds}
    return {**found, "rates": rates, "available": available()}


def describe(found: dict) -> str:
    """Say an estimate in two lines.

    Parameters
    ----------
    found : dict
        From `estimate`.

    Returns
    -------
    str
    """
    runs = f"{found['runs']} run{'s' * (found['runs'] != 1)}"
    needs, hours = size(found["bytes"]), duration(found["seconds"])
    rates = ", ".join(f"{rate / 1e9:.3g} GFLOP/s {storage}" for storage, rate in found["rates"].items())
    return (
        f"cost: {runs}, about {found['flops']:.1e} FLOPs, {needs}, {hours} on this machine\n"
        f"      (products measured here: {rates}; {size(found['available'])} of memory are free)"
    )


def kind(nodes: int, density: float, storage: str) -> str:
    """Return how a storage is counted, "dense" or "csr"; grouped ones as CSR, of which full blocks take less.

    Examples
    --------
    >>> minisparse.lab.cost.kind(1000, 0.1, "auto"), minisparse.lab.cost.kind(1000, 0.1, "grouped")
    ('csr', 'csr')
    """
    nodes = whole("nodes", nodes, 1)
    check_density(density)
    chosen = choose_storage((nodes, nodes), density, storage)
    return "csr" if chosen == "grouped" else chosen


def available() -> int:
    """Return the bytes of memory that are free: on the GPU, or on the host within its control group's limit.

    Examples
    --------
    >>> minisparse.lab.cost.available() > 0
    True
    """
    if _on_gpu():
        xp = current_module()
        return xp.cuda.runtime.memGetInfo()[0] + xp.get_default_memory_pool().free_bytes()
    return max(0, min(on_host(), in_group()))


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
    >>> sorted(minisparse.lab.cost.calibrate(0.1))
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
            to_numpy(x[:1, :1])  # waits for a GPU

        step()  # compiled kernels are loaded, the transposed structure is made
        start, count = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds / len(storages) or not count:
            step()
            count += 1
        rates[storage] = 6 * weights.nnz * batch * count / spent
    return rates


def _on_gpu() -> bool:
    return current_module().__name__ == "cupy"


def _stored(nodes: int, density: float, storage: str) -> int:
    return round(float(density) * nodes * nodes) if storage == "csr" else nodes * nodes


def _products(
    nodes: int, density: float, storage: str, steps: int, inputs: int, classes: int, batch: int,
    passes: int = 3, model: str = "recurrent",
) -> tuple[float, float]:  # fmt: skip
    """Count the FLOPs of the products with W, and of those with the input and the readout; a test has one pass."""
    if model == "feedforward":
        nodes, steps, inputs = nodes // 2, 2, steps * inputs / 2
    q = density if storage == "csr" else 1
    ends = min(passes, 2) * steps * inputs + passes * classes  # nobody asks for the gradient of the input
    return 2 * passes * q * batch * nodes * nodes * (steps - 1), 2 * batch * nodes * ends
