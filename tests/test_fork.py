"""A child process computes what its parent does: forked after a sparse product, or spawned from nothing.

A forked child takes SciPy's kernels, and the parent goes on as before; a spawned one starts anew, as on Windows.
"""

import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest

import minisparse as ms

HEAD = """
import multiprocessing, os, sys, threading, warnings
import numpy as np
import minisparse as ms
warnings.simplefilter("ignore")

rng = np.random.default_rng(0)
weights = ms.make_weights(ms.bernoulli(400, 400, 0.5, rng), "csr")
w, x = rng.standard_normal(weights.pattern.nnz, np.float32), rng.standard_normal((400, 60), np.float32)

def product(_=0):
    return weights.bind(w).matmul(x)

def step(_=0):
    model = ms.RNN(3, weights, 4)
    params = model.init(np.random.default_rng(1))
    logits, cache = model.forward(params, np.ones((3, 3, 60), np.float32))
    return model.backward(np.ones_like(logits), cache)["W_rec"]

def limited(_=0):
    return ms.threads.blas_is_limited()

def in_thread(_=0):
    found = []
    thread = threading.Thread(target=lambda: found.append(step()))
    thread.start()
    thread.join()
    return found[0]

expected, slope = product(), step()
"""
BODIES = {
    "pool": """
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert all(np.allclose(y, expected, atol=1e-3) for y in pool.map(product, range(4)))
    assert all(np.allclose(y, slope, atol=1e-3) for y in pool.map(step, range(2)))
    assert all(np.allclose(y, slope, atol=1e-3) for y in pool.map(in_thread, range(2)))
""",
    "in a pass of another thread": """
inside, leave = threading.Event(), threading.Event()
def hold():
    with ms.threads.one_blas_thread():
        inside.set()
        leave.wait(20)
threading.Thread(target=hold).start()
inside.wait(20)
with multiprocessing.get_context("fork").Pool(1) as pool:
    assert not any(pool.map(limited, range(1)))
    assert all(np.allclose(y, slope, atol=1e-3) for y in pool.map(step, range(1)))
leave.set()
""",
    "joblib": """
import joblib
found = joblib.Parallel(n_jobs=2, backend="multiprocessing")(joblib.delayed(product)(n) for n in range(2))
assert all(np.allclose(y, expected, atol=1e-3) for y in found)
""",
    "torch": """
import torch.utils.data
class Products(torch.utils.data.Dataset):
    def __len__(self):
        return 2
    def __getitem__(self, n):
        return product()
found = torch.utils.data.DataLoader(Products(), num_workers=2, multiprocessing_context="fork")
assert all(np.allclose(y[0], expected, atol=1e-3) for y in found)
""",
}
TAIL = """
assert np.array_equal(product(), expected), "the parent has its kernels"
print("done")
"""


SAID = {
    "minisparse: this process was forked from one that runs compiled kernels; it takes SciPy's, which are slower",
    "minisparse: compiling sparse kernels, once (some seconds; kept on disk)",
}
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def run(*names):
    program = HEAD + "".join(BODIES[name] for name in names) + TAIL
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, env=environment)
    assert done.stdout == "done\n", done.stderr
    assert set(done.stderr.splitlines()) <= SAID


@forks
def test_a_forked_child_computes():
    run("pool", "in a pass of another thread", "joblib")


@forks
@pytest.mark.torch
def test_a_worker_of_pytorchs_loader_computes():
    pytest.importorskip("torch")
    run("torch")


@forks
@pytest.mark.slow
def test_with_pytest_forked_a_test_computes(tmp_path):
    pytest.importorskip("pytest_forked")
    test = tmp_path / "test_own.py"
    nothing = "\n\ndef test_nothing():\n    pass\n"
    test.write_text(f"{HEAD}{nothing}\n\ndef test_product():\n    assert np.allclose(product(), expected, atol=1e-3)\n")
    command = [sys.executable, "-m", "pytest", "-q", "--forked", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    if "FAILED test_own.py::test_nothing" in done.stdout:
        pytest.skip("this pytest-forked cannot run a test that does nothing: it does not know this pytest")
    assert "2 passed" in done.stdout, done.stdout


def sparse_pass(_=0):
    """Return a product and a gradient of a sparse network, all drawn anew."""
    rng = np.random.default_rng(0)
    weights = ms.make_weights(ms.bernoulli(40, 40, 0.2, rng), "csr")
    model = ms.RNN(3, weights, 4)
    params = model.init(rng)
    logits, cache = model.forward(params, np.ones((3, 3, 5), np.float32))
    return weights.bind(params["W_rec"]).matmul(cache.h[1]), model.backward(np.ones_like(logits), cache)["W_rec"]


@pytest.mark.slow
def test_a_spawned_child_computes():
    """Slow: each of the two children imports the library."""
    expected = sparse_pass()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(sparse_pass, range(2))
    for arrays in found:
        for array, wanted in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(array, wanted)
