"""BLAS at one thread beside the sparse kernels: for all pools, from all threads, and back again."""

import importlib.util
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import minisparse as ms
from minisparse import threads
from minisparse.threads import blas_is_limited, flush_to_zero, one_blas_thread


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_two_threads_at_once_leave_the_users_setting_as_it_was():
    with one_blas_thread():
        pass  # all pools are loaded
    before = blas_threads()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with one_blas_thread():
        thread.start()
        assert inside.wait(10)
        assert set(blas_threads()) == {1}
    assert not blas_is_limited()
    assert blas_threads() == before
    leave.set()
    thread.join()
    assert not blas_is_limited()
    assert blas_threads() == before


def test_nothing_is_limited_where_it_is_not_wanted():
    with one_blas_thread(False):
        assert not blas_is_limited()


def test_an_error_inside_gives_the_setting_back_too():
    with one_blas_thread():
        pass
    before = blas_threads()
    with pytest.raises(KeyError), one_blas_thread():
        raise KeyError
    assert blas_threads() == before
    assert not blas_is_limited()


def test_the_blas_of_compiled_code_is_limited_with_the_others():
    """SciPy brings a BLAS of its own, which must be loaded before the pools are listed."""
    script = (
        "from minisparse.threads import one_blas_thread\n"
        "from threadpoolctl import threadpool_info\n"
        "with one_blas_thread():\n"
        "    import scipy.linalg.cython_blas\n"
        "    print({pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas'})\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "{1}"


def test_of_scipy_a_step_loads_the_blas_alone_and_the_rest_can_follow():
    script = (
        "import sys, minisparse as ms\n"
        "ms.RNN, ms.MLP, ms.Adam, ms.fit, ms.bernoulli(9, 9, 0.5, 0).transposed, ms.threads.blas_pools()\n"
        "print([name for name in ('scipy.linalg', 'scipy.sparse', 'matplotlib', 'sklearn') if name in sys.modules])\n"
        "import scipy.linalg\n"
        "from scipy.linalg import cython_blas\n"
        "print(cython_blas is sys.modules['scipy.linalg.cython_blas'], scipy.linalg.det([[2.0]]))\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\nTrue 2.0\n"


@pytest.mark.skipif(not importlib.util.find_spec("numba"), reason="Numba is not installed")
def test_results_do_not_depend_on_the_number_of_threads():
    """One step at a size where products, the input drive and ReLU all go in parallel."""
    script = (
        "import hashlib, numba, numpy, minisparse as ms\n"
        "from benchmarks.networks import random_pattern, recurrent\n"
        "for threads in (1, 2):\n"
        "    numba.set_num_threads(threads)\n"
        "    network = recurrent(random_pattern(1500, 0.02), 'csr', steps=3)\n"
        "    with network.threads():\n"
        "        logits, cache = network.model.forward(network.params, network.x)\n"
        "        grads = network.model.backward(numpy.cos(logits), cache)\n"
        "    arrays = [logits, cache.h, *grads.values()]\n"
        "    print(*(hashlib.sha256(array.tobytes()).hexdigest() for array in arrays))\n"
    )
    both = {**os.environ, "NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=both)
    one, two = found.stdout.splitlines()
    assert one == two


def denormal_survives():
    """Whether this thread computes with denormal numbers."""
    return bool(np.multiply(np.float32(1e-30), np.float32(1e-10)))


flushes = pytest.mark.skipif(not threads._floats()[3], reason="nobody knows how this machine puts denormals to 0")


@flushes
def test_denormals_are_0_inside_and_the_users_setting_comes_back():
    assert denormal_survives()
    with flush_to_zero():
        assert not denormal_survives()
        with flush_to_zero():
            assert not denormal_survives()
        assert not denormal_survives(), "the inner one leaves the outer one alone"
    assert denormal_survives()
    with flush_to_zero(False):
        assert denormal_survives()
    with pytest.raises(KeyError), flush_to_zero():
        raise KeyError
    assert denormal_survives()


@flushes
def test_a_thread_that_flushes_for_itself_keeps_its_setting():
    threads._flush(True)
    try:
        with flush_to_zero():
            pass
        assert not denormal_survives()
    finally:
        threads._flush(False)


def vanishing(dtype=np.float32):
    """Return a network whose gradient vanishes, with all that a step needs."""
    model = ms.RNN(3, ms.make_weights(ms.bernoulli(8, 8, 0.5, np.random.default_rng(0))), 4)
    params = model.init(np.random.default_rng(1), dtype=dtype, w_max=1e-3)
    x = np.random.default_rng(2).random((28, 3, 5)).astype(dtype)
    return model, params, x


@flushes
def test_passes_flush_float32_alone_and_give_the_setting_back():
    for dtype, kept in ((np.float32, False), (np.float64, True)):
        model, params, x = vanishing(dtype)
        seen = []
        model.normalise = Watching(seen)
        logits, cache = model.forward(params, x)
        model.backward(np.ones_like(logits), cache)
        assert seen == [kept, kept]
        assert denormal_survives()
        with pytest.raises(ValueError, match="dlogits"):
            model.backward(np.ones((1, 1), dtype), cache)
        assert denormal_survives()


class Watching(ms.Plain):
    """A rule that notes whether denormal numbers count."""

    def __init__(self, seen):
        self.seen = seen

    def forward(self, weights, v):
        self.seen.append(denormal_survives())
        return super().forward(weights, v)

    def backward(self, dw, cache):
        self.seen.append(denormal_survives())
        return super().backward(dw, cache)


@flushes
def test_hooks_of_a_user_have_the_users_setting():
    seen = []
    model = ms.RNN(8, ms.make_weights(ms.full(5, 5)), 10)
    model.normalise = Watching(inside := [])

    def hook(run):
        seen.append(denormal_survives())

    digits = ms.load("digits")
    ms.fit(model, model.init(np.random.default_rng(0)), ms.Adam(), digits, 1, np.random.default_rng(0), batch_size=700,
           after_step=[hook], after_epoch=[hook], quiet=True)  # fmt: skip
    assert set(seen) == {True}
    assert set(inside) == {False}
    assert denormal_survives()


@flushes
@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed")
def test_threads_that_are_born_inside_keep_no_setting():
    """Pools are started before the first pass flushes, in the thread that came first and in another one."""
    script = """
import sys, threading
import numpy as np
import minisparse as ms

def train():
    rng = np.random.default_rng(0)
    x, y = rng.random((400, 8, 8), np.float32), rng.integers(0, 10, 400)
    model = ms.RNN(8, ms.make_weights(ms.bernoulli(300, 300, 0.5, np.random.default_rng(0)), "csr"), 10)
    task = ms.Dataset("toy", x[:300], y[:300], x[300:], y[300:], 10)
    ms.fit(model, model.init(rng), ms.Adam(), task, 1, rng, quiet=True)
    from minisparse.kernels.with_numba import pool_settings
    found.append({int(word) & 0x8040 if sys.platform == "linux" else 0 for word in pool_settings()})
    big = np.full((300, 300), np.float32(1e-20))
    found.append(bool(((big @ big) > 0).all()))
    with ms.threads.flush_to_zero():
        assert len({int(word) for word in pool_settings()}) <= 2  # the caller's, and that of the others

found = []
train()
other = threading.Thread(target=train)
other.start()
other.join()
print(found)
"""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert ended.stdout.strip() == "[{0}, True, {0}, True]", ended.stderr


@flushes
@pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="Numba is not installed")
def test_kernels_take_over_the_callers_setting_in_every_thread():
    weights = ms.make_weights(ms.full(64, 64), "csr")
    w = weights.from_values(np.full(64 * 64, np.float32(1e-25)))
    x = np.full((64, 200), np.float32(1e-19))  # products of 1e-44, of which 64 are still no normal number
    assert (weights.bind(w).matmul(x) > 0).all()
    with flush_to_zero():
        assert (weights.bind(w).matmul(x) == 0).all()
    assert (weights.bind(w).matmul(x) > 0).all()
