"""BLAS at one thread beside the sparse kernels: for all pools, from all threads, and back again."""

import importlib.util
import os
import subprocess
import sys
import threading

import pytest
from threadpoolctl import threadpool_info

from minisparse.threads import blas_is_limited, one_blas_thread


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
