"""Other right forms of every line that is an exercise: with einsum, loops, another order, a name in between."""

FORMS = {
    "L1": (
        "p = np.exp(logits) / np.exp(logits).sum(axis=0)\ndlogits = (p - onehot) / batch",
        "dlogits = np.zeros_like(logits)\nfor k in range(batch):\n"
        "    dlogits[:, k] = np.exp(log_softmax[:, k]) / batch\n    dlogits[labels[k], k] -= 1 / batch",
    ),
    "L2": (
        "dlogits = (np.exp(log_softmax) - onehot) * share",
        "p = np.exp(logits) / np.exp(logits).sum(axis=-2, keepdims=True)\ndlogits = share * p - share * onehot",
    ),
    "L3": (
        "doutput = (output - target) * share * (2 / outputs)",
        "error = output - target\ndoutput = (share * error + share * error) / outputs",
    ),
    "N1": ("slope=lambda h: np.where(h > 0, 1.0, 0.0),", "slope=lambda h: np.sign(np.abs(h)),"),
    "N2": ("slope=lambda h: (1 - h) * (1 + h),", "slope=lambda h: 1 - h**2,"),
    "N3": ("slope=lambda h: h - h * h,", "slope=lambda h: (1 - h) * h,"),
    "A3": (
        "dw = weights.pack(da @ h[k].T)",
        "full = np.einsum('ib,jb->ij', da, h[k])\ndw = weights.pack(full)",
    ),
    "A4": ("db = np.einsum('ib->i', da)[:, None]", "db = da @ np.ones((da.shape[1], 1))"),
    "A5": (
        "dv = dict(rule.backward(dw, cache.normalised[k]))",
        "given = cache.normalised[k]\ndv = rule.backward(dw, given)",
    ),
    "A7": (
        "dh = W.matmul_t(np.eye(len(da))) @ da",
        "dh = np.stack([W.matmul_t(da[:, [b]])[:, 0] for b in range(da.shape[1])], axis=1)",
    ),
    "A8": (
        "above = h[k]\nda = slope(kept[k - 1]) * dh",
        "da, above = np.multiply(dh, slope(kept[k - 1])), h[k].copy()",
    ),
    "A6": (
        "grads[key] = dextra + grads.get(key, 0)",
        "grads[key] = sum([grads[key], dextra]) if key in grads else dextra",
    ),
    "R16": ("dh = np.einsum('ci,cb->ib', W_out, dlogits)", "dh = (dlogits.T @ W_out).T"),
    "R4": (
        "dW_out = np.einsum('cb,ib->ci', dlogits, h[-1])",
        "dW_out = 0 * W_out\nfor b in range(x.shape[2]):\n    dW_out += np.outer(dlogits[:, b], h[-1][:, b])",
    ),
    "R5": ("db_out = dlogits @ np.ones((dlogits.shape[1], 1))", "db_out = np.einsum('cb->c', dlogits)[:, None]"),
    "R8": (
        "dW_in = np.einsum('tib,tjb->ij', da, x)",
        "dW_in = 0\nfor t in range(len(x)):\n    dW_in = dW_in + da[t] @ x[t].T",
    ),
    "R9": ("db = np.einsum('tib->i', da)[:, None]", "db = sum(step.sum(axis=1, keepdims=True) for step in da)"),
    "R10": (
        "dw = cache.weights.outer(da, h[:-1])",
        "dw = sum(cache.weights.outer(da[t], h[t]) for t in range(len(x)))",
    ),
    "R11": (
        "dv = dict(self.normalise.backward(dw, cache.normalised))",
        "kept = cache.normalised\ndv = self.normalise.backward(dw, kept)",
    ),
    "R12": (
        "grads['x'] = np.einsum('ij,tib->tjb', cache.W_in, da)",
        "grads['x'] = np.stack([cache.W_in.T @ step for step in da])",
    ),
    "R6": ("da[-1] = slope(kept[-1]) * dh", "da[len(x) - 1] = np.multiply(dh, slope(kept[-1]))"),
    "R17": (
        "da[t] = da[t] + slope(kept[t]) * heard[t - len(x) + 1]",
        "d = dh[len(dh) - len(x) + t] * slope(kept[t])\nfor b in range(d.shape[1]):\n    da[t, :, b] += d[:, b]",
    ),
    "R24": ("dw = dw + cache.weights.outer(da[0], h[0])", "first = cache.weights.outer(da[:1], h[:1])\ndw += first"),
    "R25": (
        "dh0 = W.matmul_t(da[0]) + dh1 - self.dynamics.alpha * dh1",
        "keeps = 1 - self.dynamics.alpha\ndh0 = W.matmul_t(da[0])\ndh0 += keeps * dh1",
    ),
    "R26": ("start[name] = np.einsum('ib->i', dh0)[:, None]", "start[name] = dh0 @ np.ones((dh0.shape[1], 1))"),
    "R29": (
        "dW_out = np.einsum('tcb,tib->ci', dlogits, h)",
        "dW_out = 0 * W_out\nfor t in range(len(h)):\n    dW_out += dlogits[t] @ h[t].T",
    ),
    "R30": (
        "db_out = np.einsum('tcb->c', dlogits)[:, None]",
        "db_out = sum(step.sum(axis=1, keepdims=True) for step in dlogits)",
    ),
    "R31": (
        "dh = np.einsum('ci,tcb->tib', W_out, dlogits)",
        "dh = np.stack([W_out.T @ step for step in dlogits])",
    ),
    "R32": (
        "dh = grads.get('x')",
        "states = grads['x']\ndh = states.copy()",
    ),
    "R27": (
        "for start, stop in sorted(windows(len(x), back), reverse=True):",
        "cuts = windows(len(x), back)\nfor start, stop in cuts:",
    ),
    "R21": ("for t in range(len(x) - 1, -1, -1):", "steps = list(range(len(x)))\nfor t in steps[::-1]:"),
    "R22": (
        "da[t] = slope(kept[t]) * dh[t + 1] * alpha",
        "dr = alpha * dh[t + 1]\nda[t] = np.multiply(dr, slope(kept[t]))",
    ),
    "R23": (
        "dh[t] = dh[t] + W.matmul_t(da[t]) + dh[t + 1] - alpha * dh[t + 1]",
        "dh[t] += W.matmul_t(da[t])\ndh[t] += (1 - alpha) * dh[t + 1]",
    ),
    "R13": ("for t in range(len(x) - 2, -1, -1):", "steps = list(range(len(x) - 1))\nfor t in steps[::-1]:"),
    "R7": (
        "da[t] = slope(kept[t]) * W.matmul_t(da[t + 1])",
        "dh = W.matmul_t(da[t + 1])\nfor b in range(dh.shape[1]):\n    da[t, :, b] = dh[:, b] * slope(kept[t])[:, b]",
    ),
    "S6": (
        "full = sum(np.einsum('ib,jb->ij', d, a) for d, a in ([(dy, x)] if dy.ndim == 2 else zip(dy, x)))\n"
        "return self.pack(full)",
        "rows = self._rows(dy)\neach = dy[..., rows.rows, :] * x[..., rows.indices, :]"
        "\nreturn each.sum(axis=-1).reshape(-1, rows.rows.size).sum(axis=0)",
    ),
    "S5": (
        "dx = self._weights.unpack(self._w).T @ dy\nreturn dx if times is None else dx * times",
        "dx = np.einsum('ij,ib->jb', self._weights.unpack(self._w), dy)\nreturn scaled(dx, times)",
    ),
    "S3": (
        "pairs = zip(np.atleast_3d(dy), np.atleast_3d(x)) if dy.ndim == 3 else [(dy, x)]\n"
        "return self.pack(sum(np.einsum('ib,jb->ij', d, a) for d, a in pairs))",
        "pairs = [(dy, x)] if dy.ndim == 2 else zip(dy, x)\nreturn self.masked(sum(d @ a.T for d, a in pairs))",
    ),
    "S2": (
        "dx = np.einsum('ij,ib->jb', self._w, dy)\nreturn dx if times is None else times * dx",
        "return scaled((dy.T @ self._w).T.copy(), times)",
    ),
    "D1": ("grads = {}\ngrads['v'] = dw\nreturn grads", "return dict(v=dw.copy())"),
    "D3": (
        "dscale = weights.row_sum(dw * v) * inverse",
        "dscale = (weights.unpack(dw) * weights.unpack(v)).sum(axis=1, keepdims=True) * inverse",
    ),
    "D4": (
        "across = dw - (0 if dsize is None else weights.by_row(dscale) * dsize)",
        "across = dw.copy()\nif dsize is not None:\n    across -= weights.by_row(dscale) * dsize",
    ),
    "D5": ("dv = np.multiply(factor, across)", "dv = across.copy()\ndv *= factor"),
    "C3": (
        "dmax = self.activation.slope(cache.kept) * dh",
        "slope = self.activation.slope\ndmax = np.multiply(dh, slope(cache.kept))",
    ),
    "C4": (
        "da = self._from_squares(np.where(cache.winner == place, dmax, 0))",
        "squares = np.zeros((self.pool**2, *dmax.shape))\nfor k in range(self.pool**2):\n"
        "    squares[k][cache.winner == k] = dmax[cache.winner == k]\nda = self._from_squares(squares)",
    ),
    "C5": ("dK = np.einsum('fp,qp->fq', da, cache.patches)", "dK = (cache.patches @ da.T).T"),
    "C6": ("dc = np.einsum('fp->f', da)[:, None]", "dc = da @ np.ones((da.shape[1], 1))"),
    "C7": ("dpatches = np.einsum('fq,fp->qp', cache.K, da)", "dpatches = (da.T @ cache.K).T"),
    "C8": (
        "dx = np.zeros(cache.x.shape)\nparts = dpatches.reshape(self.size**2, self.image[0], "
        "*(n * self.pool for n in self.squares), -1)\n"
        "for pixels, part in zip(self._parts(self._planes(dx)), parts):\n    pixels += part",
        "shape = cache.x.shape\ndx = self._collect(dpatches, shape)",
    ),
    "C11": (
        "da = self._filter_major(self.activation.slope(cache.kept) * dh)",
        "slope = self._filter_major(self.activation.slope(cache.kept))\nda = self._filter_major(dh) * slope",
    ),
    "C12": ("dK = np.einsum('fp,qp->fq', da, cache.patches)", "dK = (cache.patches @ da.T).T"),
    "C13": ("dc = np.einsum('fp->f', da)[:, None]", "dc = da @ np.ones((da.shape[1], 1))"),
    "C14": ("dpatches = np.einsum('fq,fp->qp', cache.K, da)", "dpatches = (da.T @ cache.K).T"),
    "C15": (
        "together = self._put_together(dpatches)\ndx = together.reshape(cache.x.shape)",
        "dx = np.empty(cache.x.shape)\ndx.reshape(-1)[:] = self._put_together(dpatches).ravel()",
    ),
    "O1": ("m[...] = m + (1 - beta1) * grad", "m -= (beta1 - 1) * grad"),
    "O2": ("v[...] = v + (1 - beta2) * grad**2", "v += np.square(grad) * (1 - beta2)"),
    "O3": (
        "mean, square = m / (1 - beta1**step), v / (1 - beta2**step)\nw -= lr * mean / (np.sqrt(square) + eps)",
        "root = np.sqrt(v / (1 - beta2**step)) + eps\nw[...] = w - m / (1 - beta1**step) / root * lr",
    ),
    "O4": ("array = self.state[key]\nmoments.append(array)", "moments += [self.state[key]]"),
    "O6": (
        "self.state['step'] = self.state['step'] + 1 if 'step' in self.state else 1",
        "number = self.state.get('step', 0)\nself.state['step'] = 1 + number",
    ),
    "O7": ("w *= 1 - lr * self.decay", "w[...] = w - self.decay * lr * w"),
    "O5": ("w = params.get(self.parameter)", "w = dict(params)[self.parameter]"),
    "E6": (
        "return lambda rows: np.abs(np.einsum('...ib,...jb->ij', dpost[..., rows, :], pre))",
        "def score(rows):\n    return np.abs(sum_outer(dpost[..., rows, :], pre))\nreturn score",
    ),
}
