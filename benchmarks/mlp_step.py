"""Time one SGD step of the feedforward network: against masked PyTorch, CSR against dense, and what a rule adds.

Comparisons are interleaved in rounds and reported as ratios of medians; absolute times belong to the machine. Both
sides start from the same numbers, take the same batch and print the loss after 10 steps.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import minisparse as ms
from minisparse.backend import one_blas_thread
from minisparse.train import small_products

REFERENCE = Path(__file__).resolve().parent / "reference" / "torch_masked_mlp.py"
BATCH, LR = 10, 0.05


class Ours:
    """A network and its optimiser; `steps` trains on one batch."""

    def __init__(self, hidden, density, storage="dense", rule=None):
        rng = np.random.default_rng(0)
        pattern = ms.fixed_count(hidden, 784, round(density * 784 * hidden), rng)
        layers = [ms.make_weights(pattern, storage), ms.make_weights(ms.full(10, hidden), "dense")]
        self.model, self.opt = ms.MLP(layers, "sigmoid", rule), ms.SGD(lr=LR)
        self.params = self.model.init(rng)
        self.x, self.labels = rng.random((784, BATCH), dtype=np.float32), rng.integers(0, 10, BATCH)

    def step(self):
        logits, cache = self.model.forward(self.params, self.x)
        loss, dlogits = ms.softmax_cross_entropy(logits, self.labels)
        self.opt.step(self.params, self.model.backward(dlogits, cache))
        return loss

    def steps(self, count):
        """Return the median seconds per step and the last loss; like `fit`, with BLAS at one thread for small nets."""
        seconds = []
        with one_blas_thread(small_products(self.model, BATCH)):
            for _ in range(count):
                begin = time.perf_counter()
                loss = self.step()
                seconds.append(time.perf_counter() - begin)
        return statistics.median(seconds), float(loss)


class Torch:
    """The frozen reference in a process of its own, started from one of our networks."""

    def __init__(self, ours, folder, threads):
        weights = ours.model.weights["W0"]
        start = {
            "W0": weights.unpack(ours.params["W0"]),
            "mask": weights.pattern.mask().astype(np.float32),
            "b0": ours.params["b0"][:, 0],
            "W1": ours.params["W1"],
            "b1": ours.params["b1"][:, 0],
            "x": ours.x.T,
            "labels": ours.labels,
            "lr": LR,
        }
        np.savez(Path(folder) / "start.npz", **start)
        command = [sys.executable, str(REFERENCE), str(Path(folder) / "start.npz"), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self.process.stdout.readline().split()[-1]

    def steps(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        seconds, loss = map(float, self.process.stdout.readline().split())
        return seconds, loss


def interleave(sides, rounds, count):
    """Return each side's median over rounds, the ratio's quartiles, and the losses after the first 10 steps."""
    losses = {name: side.steps(10)[1] for name, side in sides.items()}
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(side.steps(count)[0])
            time.sleep(0.02)  # the other side's idle threads stop spinning
    return times, losses


def report(title, times, losses):
    first, second = times
    ratios = [b / a for a, b in zip(times[first], times[second], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    micro = {name: 1e6 * statistics.median(values) for name, values in times.items()}
    print(f"{title}\n  {first} {micro[first]:.0f} us, {second} {micro[second]:.0f} us per step")
    print(f"  ratio {middle:.2f} (quartiles {low:.2f} to {high:.2f}, {len(ratios)} rounds)")
    print(f"  loss after 10 steps: {', '.join(f'{name} {loss:.6f}' for name, loss in losses.items())}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=200, help="steps per round (default: %(default)s)")
    parser.add_argument("--torch-threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    print(ms.describe())
    if importlib.util.find_spec("torch"):
        for threads in args.torch_threads:
            with tempfile.TemporaryDirectory() as folder:
                ours = Ours(100, 0.2)
                torch = Torch(ours, folder, threads)
                found = interleave({"minisparse": ours, "PyTorch": torch}, args.rounds, args.steps)
                report(f"784-100-10, density 0.2, PyTorch {torch.version}, {threads} threads", *found)
                torch.process.stdin.close()
                torch.process.wait()
    else:
        print("PyTorch is not installed: comparison NOT RUN")
    sides = {"CSR": Ours(1000, 0.04, "csr"), "dense": Ours(1000, 0.04)}
    report("784-1000-10, density 0.04", *interleave(sides, args.rounds, args.steps))
    sides = {"plain": Ours(100, 0.2), "dendritic": Ours(100, 0.2, rule=ms.Dendritic())}
    report("784-100-10, density 0.2", *interleave(sides, args.rounds, args.steps))
    sides = {"plain": Ours(1000, 0.04, "csr"), "dendritic": Ours(1000, 0.04, "csr", ms.Dendritic())}
    report("784-1000-10, density 0.04, CSR", *interleave(sides, args.rounds, args.steps))


if __name__ == "__main__":
    main()
