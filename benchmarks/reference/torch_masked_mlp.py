"""FROZEN reference: the masked feedforward network in eager PyTorch, on the CPU, with its own number of threads.

Reads ``start.npz`` (W0, mask, b0, W1, b1, x, labels, lr), then for every line "N" on stdin takes N steps and answers
with the median seconds per step and the last loss. Do not optimise or import anything here.
"""

import statistics
import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(sys.argv[2]))
start = np.load(sys.argv[1])
p = {k: torch.tensor(start[k]).requires_grad_() for k in ("W0", "b0", "W1", "b1")}
mask, x, labels = (torch.tensor(start[k]) for k in ("mask", "x", "labels"))
optimiser = torch.optim.SGD(p.values(), lr=float(start["lr"]))
print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        optimiser.zero_grad()
        h = torch.sigmoid(torch.nn.functional.linear(x, p["W0"] * mask, p["b0"]))
        loss = torch.nn.functional.cross_entropy(torch.nn.functional.linear(h, p["W1"], p["b1"]), labels)
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    print(statistics.median(seconds), loss.item(), flush=True)
