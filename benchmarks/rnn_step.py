"""Time one training step of the recurrent network: CSR against dense, growth with the synapses, memory.

Every comparison is interleaved (A B A B ...) in one process and reported as a ratio of medians; absolute times belong
to the machine. The same initial numbers and batches go to every side, and the loss after the last step is printed.
Before each step there is a pause in which the other side's idle threads stop spinning: nobody trains two storages in
turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "reference"))

from numpy_masked_step import Reference

import minisparse as ms

STEPS, N_IN, BATCH = 28, 28, 100
PAUSE = 0.15  # seconds


def batch(rng):
    return rng.random((STEPS, N_IN, BATCH), dtype=np.float32), rng.integers(0, 10, BATCH)


class Minisparse:
    """One network and its optimiser; `step` trains on one batch."""

    def __init__(self, pattern, storage):
        self.weights = ms.make_weights(pattern, storage)
        self.model = ms.RNN(N_IN, self.weights, 10)
        self.params, self.opt = self.model.init(np.random.default_rng(1)), ms.Adam(lr=1e-3)

    def step(self, x, labels):
        logits, cache = self.model.forward(self.params, x)
        loss, dlogits = ms.softmax_cross_entropy(logits, labels)
        self.grads = self.model.backward(dlogits, cache)
        self.opt.step(self.params, self.grads)
        return float(loss)

    def bytes(self):
        """Bytes of W_rec, its gradient and both moments; and the same with every index array in use."""
        packed = [self.params["W_rec"], self.grads["W_rec"], self.opt.state["m.W_rec"], self.opt.state["v.W_rec"]]
        numbers, seen = sum(a.nbytes for a in packed), {}

        def collect(value):
            if isinstance(value, np.ndarray):
                seen[id(value)] = value.nbytes
            elif isinstance(value, (tuple, list)):
                for item in value:
                    collect(item)
            elif isinstance(value, dict):
                for item in value.values():
                    collect(item)
            elif hasattr(value, "__dict__"):
                collect(vars(value))

        collect(vars(self.weights))
        return numbers, numbers + sum(seen.values())


def reference(pattern):
    ours = Minisparse(pattern, "dense")
    names = ("W_in", "W_rec", "b_in", "b_rec", "W_out", "b_out")
    return Reference(pattern.mask(), *(ours.params[name] for name in names))


def interleave(sides, repeats):
    """Return each side's median seconds per step and its last loss."""
    rng = np.random.default_rng(2)
    x, labels = batch(rng)
    for side in sides.values():
        side.step(x, labels)
        side.step(x, labels)
    times, losses = {name: [] for name in sides}, {}
    for _ in range(repeats):
        for name, side in sides.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            losses[name] = side.step(x, labels)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}, losses


def compare(n, p, repeats, with_reference=True):
    pattern = ms.full(n, n) if p == 1 else ms.bernoulli(n, n, p, np.random.default_rng(0))
    sides = {storage: Minisparse(pattern, storage) for storage in ("dense", "csr")}
    if with_reference:
        sides["reference"] = reference(pattern)
    median, losses = interleave(sides, repeats)
    row = {"n": n, "p": p, **{f"{name}_ms": 1e3 * value for name, value in median.items()}}
    row["dense_over_csr"] = median["dense"] / median["csr"]
    if with_reference:
        row["reference_over_csr"] = median["reference"] / median["csr"]
    row["losses"] = losses
    dense, csr = sides["dense"].bytes(), sides["csr"].bytes()
    row["memory_csr_over_dense"] = csr[0] / dense[0]
    row["memory_with_indices_csr_over_dense"] = csr[1] / dense[1]
    return row


def growth(p, sizes, repeats):
    sides, synapses = {}, {}
    for n in sizes:
        pattern = ms.bernoulli(n, n, p, np.random.default_rng(0))
        sides[n], synapses[n] = Minisparse(pattern, "csr"), pattern.nnz
    median, _ = interleave(sides, repeats)
    small, large = sizes
    exponent = np.log(median[large] / median[small]) / np.log(synapses[large] / synapses[small])
    return {"p": p, "sizes": list(sizes), "ms": [1e3 * median[n] for n in sizes], "exponent": float(exponent)}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="timed steps per side (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="N = 500 and no growth: under 20 s")
    parser.add_argument("--crossover", action="store_true", help="dense against CSR over densities: the table of auto")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    args = parser.parse_args(argv)
    print(ms.describe(), flush=True)
    rows = []

    def show(row):
        rows.append(row)
        print(json.dumps(row, default=float), flush=True)

    if args.crossover:
        for n in (128, 256, 300, 512, 1000, 2000):
            for p in (0.5, 0.3, 0.2, 0.1, 0.05):
                show(compare(n, p, args.repeats, with_reference=False))
    elif args.quick:
        show(compare(500, 0.1, args.repeats))
    else:
        show(compare(2000, 0.1, args.repeats))
        show(growth(0.05, (4000, 8000), args.repeats))
    if args.json:
        args.json.write_text(json.dumps(rows, default=float, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
