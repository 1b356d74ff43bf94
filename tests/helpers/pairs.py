"""A right pair and its inputs."""

import numpy as np


def affine(W, x, b):
    return W @ x + b, (W, x)


def affine_backward(dy, cache):
    W, x = cache
    return {"W": dy @ x.T, "x": W.T @ dy, "b": dy.sum(axis=1, keepdims=True)}


def affine_inputs():
    rng = np.random.default_rng(0)
    return {"W": rng.standard_normal((4, 3)), "x": rng.standard_normal((3, 2)), "b": rng.standard_normal((4, 1))}


def codes(report):
    return {(finding.code, finding.tensor) for finding in report.findings}


LAYOUTS = {
    "as it is": lambda a: a,
    "read-only": lambda a: _read_only(a),
    "Fortran order": np.asfortranarray,
    "every other entry of a larger array": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "reversed twice": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "float32": lambda a: a.astype(np.float32),
    "float16": lambda a: a.astype(np.float16),
    "big-endian": lambda a: a.astype(">f8"),
    "integers": lambda a: a.astype(np.int64),
    "nested lists": lambda a: a.tolist(),
}


def _read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


X = {"x": np.array([1.0, 2.0, 3.0])}
