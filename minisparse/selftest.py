"""``python -m minisparse selftest``: are the gradients right here, with this machine's kernels and this backend?

Each kernel is set against its plain meaning (`kernels.reference`), in both precisions and at a size where it runs in
threads; the products of each storage, and each network in it, against central differences.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import kernels
from .backend import asarray, describe, to_numpy
from .connectivity import bernoulli
from .gradcheck import GradientReport, check, check_pair
from .groups import group_to_group
from .kernels import Blocks, Members, Rows, reference
from .mlp import MLP
from .rnn import RNN
from .threads import one_blas_thread
from .weights import make_weights

STORAGES = ("dense", "csr", "grouped")
KERNELS = (
    "spmm",
    "product",
    "sddmm",
    "row_sum",
    "affine",
    "sum_outer",
    "relu",
    "add_blocks",
    "put_outer",
    "adam",
    "sgd",
)
LARGE = 600
"""Neurons of the layer on which kernels run in threads."""
Check = tuple[str, Callable[[], str]]


def run(only: str = "") -> int:
    """Run the checks, a line for each, and return the exit status: 0 if all is well, else 1.

    Parameters
    ----------
    only : str
        Run those with this in their name.

    Returns
    -------
    int

    Examples
    --------
    >>> minisparse.selftest.run("MLP, dense")  # doctest: +ELLIPSIS
    backend: ...
    ok    gradients of MLP, dense (... s)
    1 of 1 checks agree
    0
    """
    print(f"{describe()}; kernels: {kernels.table(asarray(np.empty(0))).__name__.rpartition('.')[2]}")
    wrong = total = 0
    for name, function in (each for each in _checks() if only in each[0]):
        start = time.perf_counter()
        try:
            said = function()
        except Exception as error:  # the next check may tell more
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        took = f"{time.perf_counter() - start:.1f} s"
        print(f"WRONG {name} ({took}): {said}" if said else f"ok    {name} ({took})", flush=True)
        wrong, total = wrong + bool(said), total + 1
    print(f"{total - wrong} of {total} checks agree")
    return int(wrong > 0)


def _checks() -> Iterator[Check]:
    for dtype in (np.float32, np.float64):
        for name in KERNELS:
            yield f"kernel {name}, {np.dtype(dtype)}", lambda name=name, dtype=dtype: _kernel(name, dtype)
    for storage in STORAGES:
        for name, part in (("the products", _storage), ("RNN", _rnn), ("MLP", _mlp)):
            yield f"gradients of {name}, {storage}", lambda part=part, storage=storage: _gradients(part, storage)


def _gradients(part: Callable[[str], GradientReport], storage: str) -> str:
    """Say what is wrong with the gradients of a part; on one thread, because the parts are too small for more."""
    own = kernels.table(asarray(np.empty(0))).__name__.endswith("numba")
    numba = importlib.import_module("numba") if own else None
    before = numba.get_num_threads() if numba else 0
    try:
        if numba:
            numba.set_num_threads(1)
        report = part(storage)
    finally:
        if numba:
            numba.set_num_threads(before)
    return "" if report.ok else " ".join(str(report).split())[:300]


def _kernel(name: str, dtype: type) -> str:
    """Say how far a kernel is from its plain meaning, if that is too far."""
    limit = 200 * np.finfo(dtype).eps
    given = _arguments(name, dtype)
    with one_blas_thread():
        results = [_outcome(name, module, given) for module in (kernels.table(*_arrays(given)), reference)]
    found, expected = ([to_numpy(a) for a in result] for result in results)
    off = max(float(np.max(abs(a - b)) / np.max(abs(b))) for a, b in zip(found, expected, strict=True))
    return "" if off < limit else f"{off:.1e} away from the reference"


def _outcome(name: str, module: Any, given: tuple) -> list:
    """Return what a kernel returns, or else the arrays that it has written."""
    given = tuple(a.copy() if hasattr(a, "copy") and hasattr(a, "dtype") else a for a in given)
    settings = {"lr": 0.1, "momentum": 0.9} if name == "sgd" else {}
    result = getattr(module, name)(*given, **settings)
    if result is None:
        return _arrays(given)
    return [result[t] for t in range(len(result))] if name == "affine" else [result]


def _arrays(given: tuple) -> list:
    return [a for a in given if hasattr(a, "dtype")]


def _arguments(name: str, dtype: type) -> tuple:
    """Return the arguments of a kernel, for a layer that is large enough for threads."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return asarray(rng.standard_normal(shape).astype(dtype))

    if name in ("spmm", "sddmm", "row_sum"):
        rows = _rows(bernoulli(LARGE, LARGE, 0.1, rng))
        w, x, dy = draw(rows.indices.size), draw(2, LARGE, 50), draw(2, LARGE, 50)
        return {"spmm": (rows, w, x[0], dy[0]), "sddmm": (rows, dy, x), "row_sum": (rows, w)}[name]
    if name in ("add_blocks", "put_outer"):
        blocks, width = _random_blocks(rng, LARGE, 4)
        present = blocks.pre.padded(asarray(np.ones((LARGE, 1), dtype))).swapaxes(1, 2)  # padding is 0
        w = blocks.post.padded(draw(LARGE, width)) * present
        x, dy = draw(LARGE, 50), draw(LARGE, 50)
        out = asarray(np.zeros(w.shape, dtype))
        return (blocks, w, x, dy) if name == "add_blocks" else (blocks, dy, x, out)
    if name in ("adam", "sgd"):
        w, grad, m, v = (draw(1 << 16) for _ in range(4))
        return (w, grad, m, v * v, 0.1, 0.9, 0.999, 1e-8, 3) if name == "adam" else (w, grad, m)
    W, x, dy, b = draw(LARGE, 40), draw(3, 40, 100), draw(3, LARGE, 100), draw(LARGE, 1)
    return {
        "product": (W, x[0], dy[0]),
        "affine": (W, x, b),
        "sum_outer": (dy, x),
        "relu": (dy, asarray(np.empty(dy.shape, dtype))),
    }[name]


def _rows(pattern) -> Rows:
    return Rows(pattern.indptr, pattern.indices, pattern.shape, asarray)


def _random_blocks(rng: np.random.Generator, size: int, groups: int) -> tuple[Blocks, int]:
    sides = [Members(rng.integers(0, groups, size), groups, asarray) for _ in range(2)]
    return Blocks(*sides), sides[1].width


def _storage(storage: str) -> GradientReport:
    """Check the three products of a storage: W x, its gradient on the synapses, and the way back."""
    weights, rng = _weights(storage), np.random.default_rng(1)

    def forward(w, x):
        return weights.bind(w).matmul(x), (w, x)

    def backward(dy, cache):
        w, x = cache
        return {"w": weights.outer(dy, x), "x": weights.bind(w).matmul_t(dy)}

    w = weights.from_values(asarray(rng.standard_normal(weights.pattern.nnz)))
    given = {"w": w, "x": asarray(rng.standard_normal((12, 3)))}
    kept = weights.from_values(asarray(np.ones(weights.pattern.nnz))) != 0
    return check_pair(forward, backward, given, support={"w": kept})


def _weights(storage: str):
    return make_weights(group_to_group(12, 12, 3, p_between=0.3, rng=np.random.default_rng(0)), storage)


def _rnn(storage: str) -> GradientReport:
    return _network(RNN(4, _weights(storage), 3), (5, 4, 2))


def _mlp(storage: str) -> GradientReport:
    return _network(MLP([_weights(storage), make_weights(bernoulli(3, 12, 0.5, np.random.default_rng(0)))]), (12, 2))


def _network(model, shape: tuple[int, ...]) -> GradientReport:
    rng = np.random.default_rng(0)
    params = model.init(rng, dtype=np.float64)
    return check(model, params, asarray(rng.standard_normal(shape)), asarray(np.array([0, 2])))
