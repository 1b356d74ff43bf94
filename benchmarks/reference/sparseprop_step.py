"""FROZEN reference: a sparse network with ReLU by SparseProp's linear layer, on the CPU.

Reads ``start.npz`` and answers as ``torch_masked_step.py`` does. Do not optimise or import anything here.
"""

import sys
import time

import numpy as np
import torch
from sparseprop.modules.linear import SparseLinear
from torch.nn.functional import cross_entropy, linear

torch.set_num_threads(int(sys.argv[2]))
start = {key: torch.tensor(value) for key, value in np.load(sys.argv[1]).items()}
recurrent, labels = "w_rec" in start, start["labels"]
x = start["x"].permute(0, 2, 1).contiguous() if recurrent else start["x"]
last = sum(key[0] == "W" for key in start) - 1
sparse = {"w_rec": "mask"} if recurrent else {f"W{k}": f"mask{k}" for k in range(last)}
layers = {key: SparseLinear(start[key] * start[mask]) for key, mask in sparse.items()}
weights = [key for key in start if key[0] in "wWb" and key not in sparse]
p = {key: (start[key].flatten() if key[0] == "b" else start[key]).requires_grad_() for key in weights}
every = [*p.values(), *(each for layer in layers.values() for each in layer.parameters())]
lr = float(start["lr"])
optimiser = torch.optim.Adam(every, lr=lr) if recurrent else torch.optim.SGD(every, lr, float(start["momentum"]))


def recurrent_loss():
    h = torch.relu(linear(x[0], p["w_in"], p["b_in"]) + p["b_rec"])  # the state before the first step is 0
    for given in x[1:]:
        h = torch.relu(linear(given, p["w_in"], p["b_in"]) + layers["w_rec"](h) + p["b_rec"])
    return cross_entropy(linear(h, p["w_out"], p["b_out"]), labels)


def feedforward_loss():
    h = x
    for k in range(last):
        h = torch.relu(layers[f"W{k}"](h) + p[f"b{k}"])
    return cross_entropy(linear(h, p[f"W{last}"], p[f"b{last}"]), labels)


print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        optimiser.zero_grad()
        loss = recurrent_loss() if recurrent else feedforward_loss()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    print(*seconds, loss.item(), flush=True)
