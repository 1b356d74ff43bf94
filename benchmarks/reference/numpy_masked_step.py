"""FROZEN reference: one training step of the published recipe in plain NumPy, masked dense matrix, no library code.

Do not optimise or import anything here: benchmarks compare against this file as it is.
"""

import numpy as np


class Reference:
    def __init__(self, mask, w_in, w_rec, b_in, b_rec, w_out, b_out):
        self.mask = mask.astype(w_rec.dtype)
        self.params = {
            k: v.copy() for k, v in dict(w_in=w_in, w=w_rec, b1=b_in, b2=b_rec, w_out=w_out, b_out=b_out).items()
        }
        self.m = {k: np.zeros_like(v) for k, v in self.params.items()}
        self.v = {k: np.zeros_like(v) for k, v in self.params.items()}
        self.steps = 0

    def step(self, x, labels, lr=1e-3):
        p = self.params
        T, _, B = x.shape
        w = p["w"] * self.mask
        h = [np.zeros((len(w), B), w.dtype)]
        for t in range(T):
            h.append(np.maximum(p["w_in"] @ x[t] + p["b1"] + w @ h[-1] + p["b2"], 0))
        z = p["w_out"] @ h[-1] + p["b_out"]
        z = z - z.max(0)
        q = np.exp(z)
        q /= q.sum(0)
        loss = -np.log(q[labels, np.arange(B)]).mean()
        q[labels, np.arange(B)] -= 1
        q /= B
        g = {k: np.zeros_like(v) for k, v in p.items()}
        g["w_out"] += q @ h[-1].T
        g["b_out"] += q.sum(1, keepdims=True)
        d = (p["w_out"].T @ q) * (h[-1] > 0)
        for t in range(T - 1, -1, -1):
            g["w_in"] += d @ x[t].T
            g["b1"] += d.sum(1, keepdims=True)
            if t:
                g["w"] += d @ h[t].T
                d = (w.T @ d) * (h[t] > 0)
        g["b2"] = g["b1"].copy()
        g["w"] *= self.mask
        self.steps += 1
        for k in p:
            self.m[k] = 0.9 * self.m[k] + 0.1 * g[k]
            self.v[k] = 0.999 * self.v[k] + 0.001 * g[k] ** 2
            p[k] -= lr * (self.m[k] / (1 - 0.9**self.steps)) / (np.sqrt(self.v[k] / (1 - 0.999**self.steps)) + 1e-8)
        return float(loss)
