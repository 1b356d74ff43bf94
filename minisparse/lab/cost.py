"""What a run will cost, before anything is allocated: FLOPs, bytes, and hours on this machine.

A multiply-add is two FLOPs. Products with W count q = density under CSR and q = 1 under dense storage, which multiplies
zeros as well. Three passes over W: forward, back to the activity, gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..connectivity import check_density
from ..errors import InputError
from ..weights.make import choose_storage
from .machine import available, calibrate

ADAM_FLOPS = 12
"""Per stored weight and step."""
ARRAYS = {"dense": 4, "csr": 2}
"""Arrays (time, neurons, batch) at the peak of a step: state and its gradient; BLAS wants them once more, turned."""
UNITS = (("s", 1, 100, 0), ("min", 60, 6000, 0), ("h", 3600, 172_800, 1), ("days", 86400, math.inf, 1))
"""Name, seconds, seconds up to which it is used, digits."""


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
    storage = kind(nodes, density, storage)
    recurrent, others = _products(nodes, density, storage, steps_in_time, inputs, classes, batch)
    return recurrent + others + ADAM_FLOPS * _stored(nodes, density, storage)


def memory(nodes: int, density: float, storage: str, dtype: Any = np.float32) -> int:
    """Count the bytes of a recurrent matrix in training: weights, gradient, Adam's two moments, index structure.

    In float32: dense 16 bytes for each possible weight, and if some do not exist 4 more for the mask and 8 for each
    that does; CSR 16 bytes per neuron and 32 per synapse (16 for the numbers, 12 for indices by row, by column and the
    order between them, 4 for the values in that order). Without Numba, Adam's temporaries add three arrays for a
    moment.

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
    check_density(density)
    item, places = np.dtype(dtype).itemsize, nodes * nodes
    synapses, indptr = round(density * places), 8 * (nodes + 1)
    if kind(nodes, density, storage) == "csr":
        order = 4 if synapses < 2**31 else 8
        return (5 * item + 8 + order) * synapses + 2 * indptr
    return 4 * item * places + indptr + (item * places + 8 * synapses if density < 1 else 0)


def activations(nodes: int, steps_in_time: int, batch: int, storage: str, dtype: Any = np.float32) -> int:
    """Count the bytes of activity and its gradient at the peak of a step: ``2 T B N`` numbers, dense ``4 T B N``.

    Examples
    --------
    >>> minisparse.lab.cost.activations(10_000, 28, 100, "csr")
    224000000
    """
    return ARRAYS[kind(nodes, 1.0, storage)] * steps_in_time * batch * nodes * np.dtype(dtype).itemsize


def preflight(nodes: int, density: float, storage: str = "auto", itemsize: int = 4, beside: int = 0) -> None:
    """Refuse a recurrent network that needs more memory than is free, before its pattern or anything else is made.

    Parameters
    ----------
    nodes : int
    density : float
    storage : {"auto", "dense", "csr", "grouped"}
    itemsize : int
        Bytes of a number: 4 or 8.
    beside : int
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
    needed = memory(nodes, density, chosen, dtype) + beside
    if needed <= free:
        return
    other = {"dense": "csr", "csr": "dense"}[chosen]
    instead = memory(nodes, density, other, dtype) + beside
    each, unit = needed / _stored(nodes, density, chosen), "weight" if chosen == "dense" else "synapse"
    if instead <= free:
        name = "CSR" if other == "csr" else other
        mend = f"at density {density:g} {name} needs {_bytes(instead)}: --storage {other}"
    else:
        fits = max(1, int(0.99 * nodes * math.sqrt(free / min(needed, instead))))
        mend = f"at density {density:g} some {fits:,} neurons fit; lower --nodes or --density"
    raise InputError(
        f"n={nodes:,} {chosen} needs {_bytes(needed)} ({each:.3g} bytes per {unit}), {_bytes(free)} are free; {mend}"
    )


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
    cost: 1 run, about 2.2e+10 FLOPs, 2.2 MB, 2 s on this machine
    """
    runs = list(runs)
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
        width, deep = (n // 2, 1) if model == "feedforward" else (n, steps)
        largest = max(largest, memory(width, p, storage) + activations(width, deep, batch, storage))
    found = {"runs": len(runs), "flops": total, "bytes": largest, "seconds": seconds}
    return {**found, "rates": rates, "available": available()}


def describe(found: dict) -> str:
    """Say an estimate in two lines.

    Parameters
    ----------
    found : dict
        From `estimate`; flops, bytes and seconds are enough.

    Returns
    -------
    str
    """
    runs = f"{found['runs']} run{'s' * (found['runs'] != 1)}, " if "runs" in found else ""
    size, hours = _bytes(found["bytes"]), duration(found["seconds"])
    lines = [f"cost: {runs}about {found['flops']:.1e} FLOPs, {size}, {hours} on this machine"]
    if "rates" in found:
        rates = ", ".join(f"{rate / 1e9:.3g} GFLOP/s {storage}" for storage, rate in found["rates"].items())
        lines.append(f"      (products measured here: {rates}; {_bytes(found['available'])} of memory are free)")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Say a time in the unit that suits it.

    Examples
    --------
    >>> [minisparse.lab.cost.duration(s) for s in (0.2, 59, 600, 7560, 250_000)]
    ['under 1 s', '59 s', '10 min', '2.1 h', '2.9 days']
    """
    if seconds < 1:
        return "under 1 s"
    name, size, _, digits = next(unit for unit in UNITS if seconds < unit[2])
    return f"{seconds / size:.{digits}f} {name}"


def _bytes(count: float) -> str:
    """Say a size in decimal units, to two digits."""
    unit, size = ("GB", 1e9) if count >= 1e9 else ("MB", 1e6)
    return f"{float(f'{count / size:.2g}'):,g} {unit}"


def kind(nodes: int, density: float, storage: str) -> str:
    """Return how a storage is counted, "dense" or "csr"; grouped ones as CSR, of which full blocks take less.

    Examples
    --------
    >>> minisparse.lab.cost.kind(1000, 0.1, "auto"), minisparse.lab.cost.kind(1000, 0.1, "grouped")
    ('csr', 'csr')
    """
    chosen = choose_storage((nodes, nodes), density, storage)
    return "csr" if chosen == "grouped" else chosen


def _stored(nodes: int, density: float, storage: str) -> int:
    return round(density * nodes * nodes) if storage == "csr" else nodes * nodes


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
