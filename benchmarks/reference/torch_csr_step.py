"""FROZEN reference: a sparse network with ReLU by `torch.sparse` (CSR), on the CPU, with its own number of threads.

Reads ``start.npz`` and answers as ``torch_masked_step.py`` does. The values of the synapses are the parameters. The
backward pass is written out, of PyTorch's own operations: a product with the transpose in CSR, and for the weights
`torch.sparse.sampled_addmm`. Do not optimise or import anything here.
"""

import sys
import time
import warnings

import numpy as np
import torch
from torch.nn.functional import cross_entropy, linear

warnings.simplefilter("ignore")
torch.set_num_threads(int(sys.argv[2]))
start = {key: torch.tensor(value) for key, value in np.load(sys.argv[1]).items()}
recurrent, labels, x, lr = "w_rec" in start, start["labels"], start["x"], float(start["lr"])
last = sum(key[0] == "W" for key in start) - 1


class Sparse:
    """The structure of a matrix (post, pre): by row, by column, and the order between them."""

    def __init__(self, mask):
        rows, columns = mask.nonzero(as_tuple=True)
        self.shape, self.columns, self.starts = mask.shape, columns, self.starts_of(rows, len(mask))
        self.order = torch.argsort(columns, stable=True)
        self.rows_turned, self.starts_turned = rows[self.order], self.starts_of(columns, mask.shape[1])

    @staticmethod
    def starts_of(places, count):
        return torch.cat([torch.zeros(1, dtype=torch.long), torch.bincount(places, minlength=count).cumsum(0)])

    def matrix(self, values):
        return torch.sparse_csr_tensor(self.starts, self.columns, values, self.shape)

    def turned(self, values):
        return torch.sparse_csr_tensor(self.starts_turned, self.rows_turned, values[self.order], self.shape[::-1])


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, h, matrix, turned, zeros):
        ctx.save_for_backward(h)
        ctx.turned, ctx.zeros = turned, zeros
        return matrix @ h

    @staticmethod
    def backward(ctx, dy):
        (h,) = ctx.saved_tensors
        dh = ctx.turned @ dy if ctx.needs_input_grad[1] else None
        return torch.sparse.sampled_addmm(ctx.zeros, dy, h.T, beta=0.0).values(), dh, None, None, None


def bound(structure, values):
    detached = values.detach()
    matrices = structure.matrix(detached), structure.turned(detached), structure.matrix(torch.zeros_like(detached))
    return lambda h: Product.apply(values, h, *matrices)


masks = {key: value.bool() for key, value in start.items() if key.startswith("mask")}
sparse = {"w_rec": "mask"} if recurrent else {f"W{k}": f"mask{k}" for k in range(last)}
structures = {key: Sparse(masks[mask]) for key, mask in sparse.items()}
p = {key: start[key] for key in start if key[0] in "wW"} | {
    key: start[key].reshape(-1, 1) for key in start if key[0] == "b"
}
p |= {key: start[key][masks[mask]] for key, mask in sparse.items()}
p = {key: value.clone().requires_grad_() for key, value in p.items()}
optimiser = (
    torch.optim.Adam(p.values(), lr=lr) if recurrent else torch.optim.SGD(p.values(), lr, float(start["momentum"]))
)


def recurrent_loss():
    product = bound(structures["w_rec"], p["w_rec"])
    h = torch.relu(p["w_in"] @ x[0] + p["b_in"] + p["b_rec"])  # the state before the first step is 0
    for given in x[1:]:
        h = torch.relu(p["w_in"] @ given + p["b_in"] + product(h) + p["b_rec"])
    return cross_entropy((p["w_out"] @ h + p["b_out"]).T, labels)


def feedforward_loss():
    h = x.T.contiguous()
    for k in range(last):
        h = torch.relu(bound(structures[f"W{k}"], p[f"W{k}"])(h) + p[f"b{k}"])
    return cross_entropy(linear(h.T, p[f"W{last}"], p[f"b{last}"].flatten()), labels)


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
