"""FROZEN reference: a masked network with ReLU in plain NumPy, full matrices, in a process of its own.

Reads ``start.npz`` and answers as ``torch_masked_step.py`` does; the threads are those of its BLAS. The recurrent
network is that of ``numpy_masked_step.py``. Do not optimise or import anything else here.
"""

import sys
import time

import numpy as np
from numpy_masked_step import Reference
from threadpoolctl import threadpool_limits

threadpool_limits(int(sys.argv[2]))
start = dict(np.load(sys.argv[1]))


class Feedforward:
    def __init__(self, start):
        self.last = sum(key[0] == "W" for key in start) - 1
        self.p = {key: start[key] if key[0] == "W" else start[key][:, None] for key in start if key[0] in "Wb"}
        self.masks = [start[f"mask{k}"] for k in range(self.last)]
        self.v = {key: np.zeros_like(value) for key, value in self.p.items()}
        self.lr, self.momentum = np.float32(start["lr"]), np.float32(start["momentum"])

    def step(self, x, labels):
        p, h, g = self.p, [x], {}
        ws = [p[f"W{k}"] * self.masks[k] for k in range(self.last)] + [p[f"W{self.last}"]]
        for k in range(self.last):
            h.append(np.maximum(ws[k] @ h[-1] + p[f"b{k}"], 0))
        z = ws[-1] @ h[-1] + p[f"b{self.last}"]
        z = z - z.max(0)
        q = np.exp(z)
        q /= q.sum(0)
        batch = np.arange(len(labels))
        loss = -np.log(q[labels, batch]).mean()
        q[labels, batch] -= 1
        d = q / np.float32(len(labels))
        for k in range(self.last, -1, -1):
            g[f"W{k}"], g[f"b{k}"] = d @ h[k].T, d.sum(1, keepdims=True)
            if k < self.last:
                g[f"W{k}"] *= self.masks[k]
            if k:
                d = (ws[k].T @ d) * (h[k] > 0)
        for key in p:
            self.v[key] = self.momentum * self.v[key] + g[key]
            p[key] -= self.lr * self.v[key]
        return float(loss)


if "w_rec" in start:
    x, labels, lr = (start.pop(name) for name in ("x", "labels", "lr"))
    network = Reference(**start)
    step = lambda: network.step(x, labels, float(lr))  # noqa: E731
else:
    network = Feedforward(start)
    x = np.ascontiguousarray(start["x"].T)
    step = lambda: network.step(x, start["labels"])  # noqa: E731
print("ready", np.__version__, flush=True)
for line in sys.stdin:
    seconds = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        loss = step()
        seconds.append(time.perf_counter() - begin)
    print(*seconds, loss, flush=True)
