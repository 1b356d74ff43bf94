"""FROZEN reference: the masked feedforward network in eager PyTorch, on the CPU, with its own number of threads.

Reads ``start.npz`` (W0, mask0, b0, W1, mask1, b1, ..., x (batch, inputs), labels, lr, momentum; the last W and b are
the readout, which has no mask), then for every line "N" on stdin takes N steps of gradient descent and answers with the
seconds of each and the last loss. Do not optimise or import anything here.
"""

import sys
import time

import numpy as np
import torch

torch.set_num_threads(int(sys.argv[2]))
start = {key: torch.tensor(value) for key, value in np.load(sys.argv[1]).items()}
x, labels = start["x"], start["labels"]
last = sum(key.startswith("W") for key in start) - 1
p = {key: start[key].requires_grad_() for k in range(last + 1) for key in (f"W{k}", f"b{k}")}
optimiser = torch.optim.SGD(p.values(), lr=float(start["lr"]), momentum=float(start["momentum"]))
print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        optimiser.zero_grad()
        h = x
        for k in range(last):
            h = torch.sigmoid(torch.nn.functional.linear(h, p[f"W{k}"] * start[f"mask{k}"], p[f"b{k}"]))
        loss = torch.nn.functional.cross_entropy(torch.nn.functional.linear(h, p[f"W{last}"], p[f"b{last}"]), labels)
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    print(*seconds, loss.item(), flush=True)
