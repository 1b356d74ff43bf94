"""FROZEN reference: the published recipe for a sparse recurrent network, in eager PyTorch on the CPU.

``nn.RNN``, pruned by `prune.custom_from_mask`, a linear readout of the last state, and Adam. Reads ``start.npz``
(w_in, w_rec, mask, b_in, b_rec, w_out, b_out, x (time, inputs, batch), labels, lr); the mask is left out for a full
network. Then for every line "N" on stdin it takes N steps and answers with the seconds of each and the last loss.
Do not optimise or import anything here.
"""

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

torch.set_num_threads(int(sys.argv[2]))
start = {key: torch.tensor(value) for key, value in np.load(sys.argv[1]).items()}
x, labels = start["x"].permute(2, 0, 1).contiguous(), start["labels"]


class Network(nn.Module):
    def __init__(self, n_in, n, n_out):
        super().__init__()
        self.rnn = nn.RNN(n_in, n, nonlinearity="relu", batch_first=True)
        self.readout = nn.Linear(n, n_out)

    def forward(self, x):
        states, _ = self.rnn(x)
        return self.readout(states[:, -1])


network = Network(x.shape[2], len(start["w_rec"]), len(start["w_out"]))
with torch.no_grad():
    for ours, theirs in {
        "w_in": network.rnn.weight_ih_l0,
        "w_rec": network.rnn.weight_hh_l0,
        "b_in": network.rnn.bias_ih_l0,
        "b_rec": network.rnn.bias_hh_l0,
        "w_out": network.readout.weight,
        "b_out": network.readout.bias,
    }.items():
        theirs.copy_(start[ours].reshape(theirs.shape))
if "mask" in start:
    prune.custom_from_mask(network.rnn, "weight_hh_l0", start["mask"])
optimiser = torch.optim.Adam(network.parameters(), lr=float(start["lr"]))
print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(x), labels)
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    print(*seconds, loss.item(), flush=True)
