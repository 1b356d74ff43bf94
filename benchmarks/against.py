"""Peers: the same training step in other libraries, each from our start and in a process of its own."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import minisparse as ms
from minisparse.backend import cpu_count

from . import timing
from .kernels import share_of_products
from .networks import (
    BATCH,
    Network,
    elsewhere,
    feedforward,
    feedforward_start,
    layers,
    random_pattern,
    recurrent,
    recurrent_start,
    shown,
)
from .peers import Peer
from .timing import compare, not_run

SECONDS = 3.0
"""What the rounds of a slow peer may take; three rounds are the least."""
AGREE = 1e-4
"""Largest relative difference of two losses: hundreds of steps with momentum carry a difference in rounding on."""


class Library(NamedTuple):
    """How a peer is run.

    Parameters
    ----------
    script : str
        In ``benchmarks/reference``.
    module : str
        What has to be installed.
    options : dict
        Further arrays of its start.
    most : int
        Neurons of the largest recurrent network that it is asked to train.
    """

    script: str
    module: str
    options: dict
    most: float = float("inf")


LIBRARIES = {
    "SparseProp": Library("sparseprop_step.py", "sparseprop", {}),
    "PyTorch, masked": Library("torch_masked_step.py", "torch", {}, 2000),
    "PyTorch, masked and compiled": Library("torch_masked_step.py", "torch", {"compiled": True}, 2000),
    "PyTorch, CSR": Library("torch_csr_step.py", "torch", {}),
    "JAX, masked": Library("jax_step.py", "jax", {}, 2000),
    "JAX, BCOO": Library("jax_step.py", "jax", {"bcoo": True}, 2000),
    "scikit-learn, masked": Library("sklearn_step.py", "sklearn", {}),
    "NumPy, masked": Library("numpy_step.py", "numpy", {}, 2000),
}


class Task(NamedTuple):
    """A network to train: how it is called, what makes ours, its start for the others, and steps per turn."""

    case: str
    make: Callable[[], Network]
    start: Callable[[], dict]
    count: int
    numbers: dict


def peers(quick: bool) -> Iterator[dict]:
    """Training step of sparse networks in SparseProp, PyTorch, JAX, scikit-learn and NumPy, over ours."""
    for name, library in LIBRARIES.items():
        if quick and library.options:
            continue  # one of each library shows that all of it works
        if reason := missing(name):
            yield {"peer": name, **not_run("all", f"{name} / CSR", reason, "NOT INSTALLED")}
            continue
        for task in tasks(quick):
            for made in _beside(task, name, library):
                yield {"peer": name, **made}


def missing(name: str) -> str:
    """Say why a peer cannot run here, or nothing."""
    if reason := elsewhere(LIBRARIES[name].module):
        return reason
    if "compiled" in LIBRARIES[name].options and not shutil.which(os.environ.get("CXX", "g++")):
        return "torch.compile needs a C++ compiler; install g++ or name one in CXX"
    return ""


def tasks(quick: bool) -> Iterator[Task]:
    """Yield the networks: recurrent ones, deep feedforward ones, and a small one, all with ReLU."""
    for n, p in itertools.product(() if quick else (500, 1000, 2000, 4000), (0.1, 0.01)):
        yield recurrent_task(n, p, 3 if n <= 1000 else 1)
    deep = [((784, 1000, 1000, 1000), 0.04, 5), ((784, 1000, 1000, 1000), 0.01, 5), ((784, 4000, 4000), 0.01, 3)]
    for units, p, count in [] if quick else deep:
        yield feedforward_task(units, p, count)
    for p in (0.1,) if quick else (0.1, 0.2):
        yield feedforward_task((784, 100), p, 5 if quick else 50)


def recurrent_task(n: int, p: float, count: int, **sizes: int) -> Task:
    """Return a recurrent network, trained by Adam."""
    pattern = random_pattern(n, p)
    numbers = {"network": "recurrent", "n": n, "p": p, "synapses": pattern.nnz}
    return Task(
        f"recurrent, N = {n}, p = {p:g}, batch {sizes.get('batch', BATCH)}",
        lambda: recurrent(pattern, "csr", **sizes),
        lambda: recurrent_start(recurrent(pattern, "dense", **sizes)),
        count,
        numbers,
    )


def feedforward_task(units: tuple, p: float, count: int, batch: int = BATCH) -> Task:
    """Return a feedforward network, trained by gradient descent with momentum from weights that keep activity alive."""
    patterns = layers(units, p)

    def make(storage: str = "csr") -> Network:
        network = feedforward(patterns, storage, ms.SGD(lr=1e-3, momentum=0.9), batch, "relu")
        for name, weights in network.model.weights.items():
            afferents = weights.pattern.nnz / weights.pattern.shape[0]
            network.params[name] *= np.float32(np.sqrt(6 / afferents) / 0.05)
        return network

    numbers = {"network": "feedforward", "p": p, "synapses": sum(pattern.nnz for pattern in patterns)}
    return Task(
        f"{shown(units)}, p = {p:g}, batch {batch}, momentum",
        make,
        lambda: feedforward_start(make("dense")),
        count,
        numbers,
    )


def _beside(task: Task, name: str, library: Library) -> Iterator[dict]:
    """Yield the row of one network in one library; where ours is slower, with the share that its products take."""
    quantity = f"{name} / CSR"
    if library.module == "sklearn" and task.numbers["network"] == "recurrent":
        return  # it has none
    if task.numbers.get("n", 0) > library.most:
        yield not_run(task.case, quantity, "left out to keep the run short; part rnn has the published recipe there")
        return
    ours = task.make()
    with Peer(library.script, cpu_count(), task.count, **task.start(), **library.options) as peer:
        side = ours.side(task.count)
        seconds = task.count * (side() + peer())  # the first steps, equally many, tell how many rounds there can be
        rounds = int(np.clip(SECONDS / seconds, min(3, timing.ROUNDS), timing.ROUNDS))
        sides = {"CSR": side, name: peer}
        for made in compare(task.case, sides, "CSR", rounds=rounds, agree=AGREE, **task.numbers):
            yield made | {"version": peer.version} | _why(made, task)


def _why(made: dict, task: Task) -> dict[str, Any]:
    """Return the share of our step, in percent, that its products take, if the other side is faster."""
    if made["median"] >= 1:
        return {}
    shares = share_of_products(task.make().side(task.count), 3)
    return {"products": float(np.median(shares))}
