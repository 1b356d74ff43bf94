"""SciPy's kernels: two ways to the gradient, and the same training as with compiled ones."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.kernel_cases import MASKS, NAMES, close, dtypes, masks, rows_of

import minisparse as ms
from minisparse import kernels
from minisparse.kernels import reference, with_scipy


@dtypes
@masks
@pytest.mark.parametrize("block", [1, 100, 1 << 25])
@pytest.mark.parametrize("below", [0, 2], ids=["dense blocks", "gathered"])
def test_scipy_agrees_in_both_branches_and_across_blocks(monkeypatch, mask, dtype, block, below):
    monkeypatch.setattr(with_scipy, "BLOCK_BYTES", block)
    monkeypatch.setattr(with_scipy, "GATHER_BELOW", below)
    used = []
    for branch in ("_gathered", "_by_dense_block"):
        original = getattr(with_scipy, branch)
        monkeypatch.setattr(with_scipy, branch, lambda *a, f=original, b=branch: used.append(b) or f(*a))
    rows, rng = rows_of(MASKS[mask]), np.random.default_rng(0)
    x, dy = (rng.standard_normal((3, n, 4)).astype(dtype) for n in rows.shape[::-1])
    close(with_scipy.sddmm(rows, dy, x), reference.sddmm(rows, dy, x), dtype, 12)
    close(with_scipy.sddmm(rows, dy[0], x[0]), reference.sddmm(rows, dy[0], x[0]), dtype, 4)
    close(with_scipy.sddmm(rows, dy[:0], x[:0]), reference.sddmm(rows, dy[:0], x[:0]), dtype)
    assert set(used) == {"_gathered" if below else "_by_dense_block"}


def test_scipy_gathers_below_its_density_only(monkeypatch):
    for branch in ("_gathered", "_by_dense_block"):
        monkeypatch.setattr(with_scipy, branch, lambda *a, b=branch: b)
    for count, expected in [(199, "_gathered"), (200, "_by_dense_block"), (10_000, "_by_dense_block")]:
        pattern = ms.fixed_count(100, 100, count, np.random.default_rng(0))
        assert with_scipy.sddmm(rows_of(pattern.mask()), np.ones((100, 2)), np.ones((100, 2))) == expected


TRAINING = """
import sys
if {blocked}:
    sys.modules["numba"] = None
import numpy as np, minisparse as ms
from minisparse import kernels
rng = np.random.default_rng(0)
pattern = ms.bernoulli(40, 40, 0.2, rng)
model = ms.RNN(8, ms.CsrWeights(pattern), 10)
signs = ms.dale_signs(40, 0.2, rng)
params, opt = model.init(rng, dtype=np.float64, w_max=0.2, signs=signs), ms.Adam(lr=0.01)
x, labels, losses = rng.standard_normal((8, 8, 32)), rng.integers(0, 10, 32), []
for _ in range(10):
    logits, cache = model.forward(params, x)
    loss, dlogits = ms.softmax_cross_entropy(logits, labels)
    opt.step(params, model.backward(dlogits, cache))
    ms.Dale(signs).project(model, params)
    losses.append(loss)
np.savez(sys.argv[1], kernels=kernels.table(logits).__name__, losses=losses, **params)
"""


def test_without_numba_training_gives_the_same_numbers(tmp_path, monkeypatch):
    trained = {}
    for blocked in (False, True):
        path = tmp_path / f"{blocked}.npz"
        code = TRAINING.format(blocked=blocked)
        if blocked:
            done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        else:
            monkeypatch.setattr(sys, "argv", ["", path])
            exec(code, {})
        with np.load(path) as file:
            trained[blocked] = {name: file[name] for name in file.files}
    assert str(trained[True].pop("kernels")) == "minisparse.kernels.with_scipy"
    assert str(trained[False].pop("kernels")) == f"minisparse.kernels.{NAMES[-1]}"
    assert trained[False]["losses"][-1] < trained[False]["losses"][0]
    for name, w in trained[False].items():
        np.testing.assert_allclose(trained[True][name], w, rtol=1e-10, atol=1e-10, err_msg=name)


def test_a_numba_that_refuses_to_be_imported_counts_as_absent(monkeypatch):
    def refuses(name):
        if name == "with_numba":
            raise ImportError("Numba needs an older NumPy")
        return name

    monkeypatch.setattr(kernels, "_load", refuses)
    assert kernels._numpy_kernels.__wrapped__() == "with_scipy"
