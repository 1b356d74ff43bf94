"""Compiled kernels: maps that are computed when they are read, ReLU by rows, and what is said of compiling."""

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.kernel_cases import dtypes, kernels, load, needs_numba

from minisparse.threads import one_blas_thread


@needs_numba
def test_a_large_map_is_computed_when_it_is_read():
    W, b, x = np.ones((1300, 40)), np.zeros((1300, 1)), np.ones((3, 40, 90))
    with one_blas_thread():
        drive = load("with_numba").affine(W, x, b)
        x[1] = 2
        assert (drive[1] == 80).all()
        assert (drive[0] == 40).all()


@kernels
@dtypes
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("shape", [(0, 5), (3,), (7, 1), (4, 3, 5)])
def test_relu_is_the_larger_of_a_and_0_and_nan_stays(monkeypatch, name, dtype, limited, shape):
    tried, a = load(name), np.random.default_rng(0).standard_normal(shape).astype(dtype)
    monkeypatch.setattr(tried, "WIDE", 1, raising=False)
    a.reshape(-1)[:1] = np.nan
    expected, laid = np.maximum(a, 0), np.asfortranarray(a)
    with one_blas_thread(limited):
        np.testing.assert_array_equal(tried.relu(a, None), expected)
        for source, out in ((a, np.empty_like(a)), (a.copy(), None), (laid, np.empty_like(a))):
            out = source if out is None else out
            assert tried.relu(source, out) is out
            np.testing.assert_array_equal(out, expected)


@kernels
def test_relu_writes_as_numpy_does_where_rows_in_parallel_would_not(monkeypatch, name):
    tried, a = load(name), np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    monkeypatch.setattr(tried, "WIDE", 1, raising=False)
    with one_blas_thread():
        shifted = a.copy()
        tried.relu(shifted[:-1], shifted[1:])
        np.testing.assert_array_equal(shifted[1:], np.maximum(a[:-1], 0))
        spread, wide = np.empty((2, 50, 4), np.float32), np.empty((50, 4))
        for out in (spread, wide):
            np.testing.assert_array_equal(tried.relu(a, out), np.broadcast_to(np.maximum(a, 0), out.shape))
        a.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            tried.relu(a, a)


@needs_numba
def test_relu_between_products_goes_by_rows(monkeypatch):
    tried, calls = load("with_numba"), []
    monkeypatch.setattr(tried, "_relu", lambda a, out: calls.append(a.shape))
    a = np.ones((2000, 100), np.float32)
    tried.relu(a, a)
    with one_blas_thread():
        tried.relu(a, a)
        tried.relu(a[:100], a[:100])
    assert calls == [(2000, 100)]


@needs_numba
@pytest.mark.slow
def test_the_first_product_says_that_it_is_compiling(tmp_path):
    program = (
        "import numpy as np, minisparse as ms; w = ms.make_weights(ms.full(9, 9), 'csr');"
        "w.bind(np.ones(81)).matmul(np.ones((9, 20)))"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    cold, warm = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
        for _ in range(2)
    )
    assert cold.stderr.count("compiling sparse kernels, once") == 1
    assert warm.stderr == ""
