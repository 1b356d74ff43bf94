"""What a training step asks of a GPU: kernels, calls of its libraries, fills and copies within its memory, counted.

A launch costs microseconds, however small the arrays are; a small network's step is as long as its launches. An
emulated device counts them itself, and copies to and from the host, which make the program or the device wait. On a
GPU a step is recorded as a graph, whose nodes are counted; that has not run.
"""

from __future__ import annotations

import ctypes
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minisparse as ms
from minisparse.errors import UserError

from .networks import BATCH, CLASSES, INPUTS, STEPS
from .timing import not_run, row

AIM = 170
"""Launches of a step of the recurrent network, at most."""
UNITS, SIDE, ROUNDS = 120, 8, 5
"""Neurons of a layer, on which the counts do not depend; pixels along an image; steps until launches are counted."""
EMULATED = Path(sys.prefix) / "lib" / "libemulator.so"
"""A device emulated by the processor, if CuPy is built on one: it can say what it was asked."""
Step = Callable[[], Any]


def launches(quick: bool) -> Iterator[dict]:
    """Launches of a training step on a GPU, a batch's selection and Dale's clamp included."""
    try:
        with ms.use("cupy"):
            for name, make in CASES.items():
                step = make()
                yield row(name, "launches per step", [counted(step)], remark=ms.describe())
                if EMULATED.exists():
                    yield row(name, "copies to or from the host per step", [asked(step, "h2d", "d2h")])
    except UserError as error:
        yield not_run("all", "launches per step", str(error))


def counted(step: Step) -> int:
    """Return the launches of one step, after some that make what is made once."""
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for _ in range(ROUNDS - 1):
            step()
        stream.synchronize()
        if EMULATED.exists():
            return asked(step, "launch")
        stream.begin_capture()
        step()
        graph = stream.end_capture()
    return len(set(re.findall(r"node_\d+", graph.debug_dot_str())))


def asked(step: Step, *kinds: str) -> int:
    """Return how often a step asks an emulated device for one of these: launch, h2d and d2h (copies to it and back)."""
    device = ctypes.CDLL(str(EMULATED))
    device.emulator_events.restype = ctypes.c_char_p
    device.emulator_reset()
    step()
    events = (line.split("\t") for line in device.emulator_events().decode().splitlines())
    return sum(int(times) for kind, _, times, *_ in events if kind in kinds)


def recurrent(storage: str, density: float) -> Step:
    """Return the training step of a recurrent network with Dale's principle."""
    pattern = ms.full(UNITS, UNITS) if density == 1 else ms.bernoulli(UNITS, UNITS, density, 0)
    signs = np.where(np.arange(UNITS) % 9, 1, -1)[:, None]
    model = ms.RNN(INPUTS, ms.make_weights(pattern, storage), CLASSES)
    return _step(model, model.init(0, w_max=0.1, signs=signs), (STEPS, INPUTS), ms.Dale(signs))


def feedforward(storage: str, stem: Any = None) -> Step:
    """Return the training step of a feedforward network, with a stem in front if there is one."""
    sizes = (stem.n_out if stem else SIDE * SIDE, UNITS, UNITS)
    patterns = [
        ms.group_to_group(post, pre, 4, p_between=0.1, rng=0)
        if storage == "grouped"
        else ms.bernoulli(post, pre, 0.1, 0)
        for pre, post in itertools.pairwise(sizes)
    ]
    layers = [ms.make_weights(pattern, storage) for pattern in patterns]
    model = ms.MLP([*layers, ms.make_weights(ms.full(CLASSES, UNITS), "dense")], "relu")
    model = ms.ConvNet(stem, model) if stem else model
    return _step(model, model.init(0), (SIDE, SIDE))


def _step(model: Any, params: dict, shape: tuple[int, int], dale: ms.Dale | None = None) -> Step:
    rng = np.random.default_rng(0)
    x = ms.asarray(rng.random(((ROUNDS + 1) * BATCH, *shape), dtype=np.float32))
    batches = ms.batches(x, ms.asarray(np.arange(len(x)) % CLASSES), BATCH, rng)
    opt = ms.Adam()

    def step() -> None:
        chosen, labels = next(batches)
        logits, cache = model.forward(params, chosen)
        opt.step(params, model.backward(ms.softmax_cross_entropy(logits, labels)[1], cache))
        if dale:
            dale.project(model, params)

    return step


CASES: dict[str, Callable[[], Step]] = {
    "RNN, dense": lambda: recurrent("dense", 1),
    "RNN, dense with a mask": lambda: recurrent("dense", 0.1),
    "RNN, csr": lambda: recurrent("csr", 0.1),
    "RNN, csr, few synapses": lambda: recurrent("csr", 0.02),
    "MLP, dense": lambda: feedforward("dense"),
    "MLP, csr": lambda: feedforward("csr"),
    "MLP, grouped": lambda: feedforward("grouped"),
    "ConvPool, MLP, csr": lambda: feedforward("csr", ms.ConvPool((SIDE, SIDE), filters=3)),
    "PatchConv, MLP, csr": lambda: feedforward("csr", ms.PatchConv((SIDE, SIDE), 2, 4)),
}
