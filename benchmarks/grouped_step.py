"""Time one Adam step of a modular network: grouped storage against CSR on the same pattern and against a full network.

The sides take turns in rounds and are reported as ratios of medians; absolute times belong to the machine. Grouped and
CSR start from the same numbers, take the same batch and print the loss after 10 steps. ``--crossover`` compares all
three storages on single layers over density, size and batch: the table of ``storage="auto"``. On a machine with other
work, ``OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1`` and ``--clock cpu`` give steadier ratios than the time that passes.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

import numpy as np

import minisparse as ms
from minisparse import groups

INPUTS, CLASSES = 512, 10


class Side:
    """A network, its optimiser and a batch; `steps` trains on it."""

    def __init__(self, patterns, storage, batch, clock):
        self.clock = {"wall": time.perf_counter, "cpu": time.process_time}[clock]
        layers = [ms.make_weights(pattern, storage) for pattern in patterns]
        layers.append(ms.make_weights(ms.full(CLASSES, patterns[-1].shape[0]), "dense"))
        self.model, self.opt = ms.MLP(layers, "relu"), ms.Adam()
        rng = np.random.default_rng(1)
        self.params = self.model.init(rng, w_max=0.05)
        self.x = np.random.default_rng(2).standard_normal((patterns[0].shape[1], batch)).astype(np.float32)
        self.labels = rng.integers(0, CLASSES, batch)

    def step(self):
        logits, cache = self.model.forward(self.params, self.x)
        loss, dlogits = ms.softmax_cross_entropy(logits, self.labels)
        self.opt.step(self.params, self.model.backward(dlogits, cache))
        return loss

    def steps(self, count):
        """Return the median seconds per step and the last loss."""
        seconds = []
        for _ in range(count):
            begin = self.clock()
            loss = self.step()
            seconds.append(self.clock() - begin)
        return statistics.median(seconds), float(loss)


def modular(units, n_groups, sparsity, grouping="mixer"):
    """Return the patterns of consecutive layers."""
    rng = np.random.default_rng(0)
    return [
        groups.from_sparsity(n_post, n_pre, n_groups, sparsity, rng=rng, grouping=grouping, layer=k)
        for k, (n_pre, n_post) in enumerate(itertools.pairwise(units))
    ]


def interleave(sides, rounds, count):
    """Return each side's seconds per step, round by round, and its loss after the first 10 steps."""
    losses = {name: side.steps(10)[1] for name, side in sides.items()}
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(side.steps(count)[0])
            time.sleep(0.02)  # the other side's idle threads stop spinning
    return times, losses


def ratios(times, of):
    """Return the median of each round's ratio and its quartiles."""
    low, middle, high = statistics.quantiles([a / b for a, b in zip(times["grouped"], times[of], strict=True)], n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def report(title, times, losses):
    """Print medians, the ratios of grouped to the others, and the losses."""
    print(title)
    print("  " + ", ".join(f"{name} {1e3 * statistics.median(t):.2f} ms" for name, t in times.items()) + " per step")
    print("  " + ", ".join(f"grouped / {name} {ratios(times, name)}" for name in times if name != "grouped"))
    print("  loss after 10 steps: " + ", ".join(f"{name} {loss:.6f}" for name, loss in losses.items()), flush=True)


def network(args):
    units = (INPUTS, *[args.width] * 3)
    patterns = modular(units, args.groups, args.sparsity, args.grouping)
    whole = [ms.full(*pattern.shape) for pattern in patterns]
    sides = {name: Side(patterns, name, args.batch, args.clock) for name in ("grouped", "csr")}
    sides["full dense"] = Side(whole, "dense", args.batch, args.clock)
    title = f"512-{args.width}³-10, {args.groups} groups, {args.grouping}, sparsity {args.sparsity}, batch {args.batch}"
    report(title, *interleave(sides, args.rounds, args.steps))


def crossover(args):
    for n in (256, 512, 1024):
        for n_groups in (4, 8, 32):
            for p_between in (0.0, 0.05, 0.15, 0.3):
                pattern = ms.group_to_group(n, n, n_groups, 1.0, p_between, rng=np.random.default_rng(0))
                names = ("grouped", "csr", "dense")
                for batch in (16, 256):
                    sides = {name: Side([pattern], name, batch, args.clock) for name in names}
                    times, _ = interleave(sides, args.rounds, args.steps)
                    shown = ", ".join(f"grouped / {name} {ratios(times, name)}" for name in names[1:])
                    print(f"{n} x {n}, {n_groups} groups, p' {p_between}, batch {batch}: {shown}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20, help="steps per round (default: %(default)s)")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--sparsity", type=float, default=0.75)
    parser.add_argument("--grouping", default="mixer", choices=("index", "stride", "mixer", "random"))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--clock", default="wall", choices=("wall", "cpu"))
    parser.add_argument("--crossover", action="store_true", help="single layers instead: the table of auto")
    args = parser.parse_args()
    print(ms.describe(), flush=True)
    crossover(args) if args.crossover else network(args)


if __name__ == "__main__":
    main()
