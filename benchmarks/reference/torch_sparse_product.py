"""FROZEN reference: the product of a CSR matrix and a dense one in PyTorch, on the CPU, with its own number of threads.

Reads ``start.npz`` (indptr, indices, values, x, check), then for every line "N" on stdin takes N products and answers
with the seconds of each and the sum of the last, weighted by check. Do not optimise or import anything here.
"""

import sys
import time
import warnings

import numpy as np
import torch

warnings.simplefilter("ignore")
torch.set_num_threads(int(sys.argv[2]))
start = {key: torch.tensor(value) for key, value in np.load(sys.argv[1]).items()}
x = start["x"]
matrix = torch.sparse_csr_tensor(start["indptr"], start["indices"], start["values"], (len(start["indptr"]) - 1, len(x)))
print("ready", torch.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        y = matrix @ x
        seconds.append(time.perf_counter() - begin)
    print(*seconds, (y.double() * start["check"]).sum().item(), flush=True)
