"""What a run is foretold to need, beside what its arrays take at the peak, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import minisparse as ms
from minisparse.lab import cost

from .growth import AFFERENTS, peak_in_fit, per_synapse
from .networks import BATCH, CLASSES, INPUTS, STEPS
from .peers import python
from .timing import row

BAR = 44
"""Bytes of a synapse at the peak inside `fit` that are not to be passed."""
NEAR = 10
"""Percent by which the measured peak may lie off the preflight."""
PROGRAM = """
import tracemalloc
import numpy as np, minisparse as ms
from benchmarks.memory import random_samples

def prepare(n):
    dataset = random_samples({steps}, {batch})
    rng = np.random.default_rng(0)
    pattern = ms.full(n, n) if {density} == 1 else ms.bernoulli(n, n, {density}, rng)
    model = ms.RNN({inputs}, ms.make_weights(pattern, {storage!r}), {classes})
    params = model.init(rng)
    return lambda: ms.fit(model, params, ms.Adam(), dataset, 1, rng, batch_size={batch}, quiet=True)

prepare(64)()  # what is loaded and compiled the first time is not counted
tracemalloc.start()
train = prepare({nodes})
tracemalloc.reset_peak()
train()
print(tracemalloc.get_traced_memory()[1])
"""
"""Prints the bytes of a short training at its peak: all arrays."""


def random_samples(steps: int, batch: int) -> ms.Dataset:
    """Return data for two batches of training and one of testing."""
    x = np.random.default_rng(1).random((2 * batch, steps, INPUTS), np.float32)
    labels = np.arange(2 * batch) % CLASSES
    return ms.Dataset("random", x, labels, x[:batch].copy(), labels[:batch].copy(), CLASSES)


def memory(quick: bool) -> Iterator[dict]:
    """Peak memory of training beside the preflight's, in processes of their own, and what a synapse adds to it."""
    small = [(300, 0.1, "csr"), (300, 1.0, "dense")]
    large = [(2000, 0.01, "csr"), (2000, 0.1, "csr"), (4000, 0.01, "csr"), (4000, 0.1, "csr")]
    for nodes, density, storage in small if quick else [*large, (2000, 1.0, "dense"), (2000, 0.1, "dense")]:
        yield beside_preflight(nodes, density, storage)
    sizes = (300, 600) if quick else (1000, 2000)
    cells = [(n, count) for n in sizes for count in (AFFERENTS // 2, AFFERENTS)]
    each = per_synapse({cell: peak_in_fit(*cell, "csr") for cell in cells})
    remark = f"{'within' if each <= BAR else 'ABOVE'} the bar of {BAR}"
    yield row(f"N = {sizes[0]} and {sizes[1]}, CSR", "peak inside fit", [each], "bytes per synapse", remark, bar=BAR)


def beside_preflight(nodes: int, density: float, storage: str, steps: int = STEPS, batch: int = BATCH) -> dict:
    """Return the row of one network: its peak inside `fit` over what the preflight says."""
    foretold = preflight_bytes(nodes, density, storage, steps, batch)
    settings = {"nodes": nodes, "density": density, "storage": storage, "steps": steps, "batch": batch}
    measured = int(python("-c", PROGRAM.format(**settings, inputs=INPUTS, classes=CLASSES)))
    ratio = measured / foretold
    near = "" if abs(ratio - 1) <= NEAR / 100 else f", more than {NEAR} % apart"
    numbers = {"n": nodes, "p": density, "storage": storage, "measured": measured, "foretold": foretold}
    case, remark = f"N = {nodes}, p = {density:g}, {storage}", f"{measured / 1e6:.3g} and {foretold / 1e6:.3g} MB{near}"
    return row(f"{case}, {steps} steps", "measured peak / preflight", [ratio], "", remark, **numbers)


def preflight_bytes(nodes: int, density: float, storage: str, steps: int = STEPS, batch: int = BATCH) -> int:
    """Return the bytes that the preflight prints for one run.

    Examples
    --------
    >>> preflight_bytes(1000, 0.1, "csr") < preflight_bytes(1000, 1, "dense")
    True
    """
    runs = [{"nodes": nodes, "density": density, "storage": storage, "epochs": 1}]
    found = cost.estimate(random_samples(steps, batch), runs, batch, rates={"dense": 1.0, "csr": 1.0})["bytes"]
    return found - cost.OVERHEAD  # what is measured is arrays alone
