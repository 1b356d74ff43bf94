"""FROZEN reference: a masked network with ReLU in PyTorch, on the CPU, eager or compiled.

Reads ``start.npz``, then for every line "N" on stdin takes N steps and answers with the seconds of each and the last
loss. With ``w_rec`` it is a recurrent network trained by Adam (w_in, b_in, w_rec, mask, b_rec, w_out, b_out, x (time,
inputs, batch), labels, lr), without it a feedforward one trained by gradient descent (W0, mask0, b0, W1, ..., x (batch,
inputs), labels, lr, momentum; the last layer has no mask). With ``compiled`` the loss goes through `torch.compile`
before the first step. Do not optimise or import anything here.
"""

import sys
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy, linear

torch.set_num_threads(int(sys.argv[2]))
start = {key: torch.tensor(value) for key, value in np.load(sys.argv[1]).items()}
recurrent, labels = "w_rec" in start, start["labels"]
x = start["x"].permute(0, 2, 1).contiguous() if recurrent else start["x"]
weights = [key for key in start if key[0] in "wWb"]
p = {key: (start[key].flatten() if key[0] == "b" else start[key]).requires_grad_() for key in weights}
last = sum(key[0] == "W" for key in p) - 1
lr = float(start["lr"])
optimiser = (
    torch.optim.Adam(p.values(), lr=lr) if recurrent else torch.optim.SGD(p.values(), lr, float(start["momentum"]))
)


def recurrent_loss():
    w = p["w_rec"] * start["mask"]
    h = torch.relu(linear(x[0], p["w_in"], p["b_in"]) + p["b_rec"])  # the state before the first step is 0
    for given in x[1:]:
        h = torch.relu(linear(given, p["w_in"], p["b_in"]) + linear(h, w, p["b_rec"]))
    return cross_entropy(linear(h, p["w_out"], p["b_out"]), labels)


def feedforward_loss():
    h = x
    for k in range(last):
        h = torch.relu(linear(h, p[f"W{k}"] * start[f"mask{k}"], p[f"b{k}"]))
    return cross_entropy(linear(h, p[f"W{last}"], p[f"b{last}"]), labels)


loss_of = recurrent_loss if recurrent else feedforward_loss
if "compiled" in start:
    loss_of = torch.compile(loss_of)
    loss_of().backward()
print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        optimiser.zero_grad()
        loss = loss_of()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    print(*seconds, loss.item(), flush=True)
