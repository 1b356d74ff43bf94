"""The vector code: every number of columns, no read past the end, and nan."""

import ctypes
import mmap
import sys

import numpy as np
import pytest
from helpers.kernel_cases import MASKS, NAMES, close, dtypes, load, masks, needs_numba, rows_of, staircase

from minisparse.kernels import reference


@needs_numba
@dtypes
def test_every_number_of_columns_is_right(dtype):
    mask = staircase()
    rows, rng, (n_post, n_pre) = rows_of(mask), np.random.default_rng(0), mask.shape
    values = rng.standard_normal(int(mask.sum())).astype(dtype)
    for batch in (*range(2, 34), 47, 50, *range(94, 106), 128, 199, 203, 256):
        x, dy = (rng.standard_normal((n, batch)).astype(dtype) for n in (n_pre, n_post))
        tried = load("with_numba")
        close(tried.spmm(rows, values, x), reference.spmm(rows, values.astype(float), x), dtype, n_pre)
        close(tried.sddmm(rows, dy, x), reference.sddmm(rows, dy.astype(float), x), dtype, batch)


def before_the_end_of_memory(array):
    """Return a copy whose last entry is followed by a page that must not be read."""
    pages = -(-array.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    end = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + pages * mmap.PAGESIZE
    assert not ctypes.CDLL(None).mprotect(ctypes.c_void_p(end), ctypes.c_size_t(mmap.PAGESIZE), 0)
    copy = np.frombuffer(memory, array.dtype, array.size, pages * mmap.PAGESIZE - array.nbytes)
    copy[:] = array.reshape(-1)
    return copy.reshape(array.shape)


@needs_numba
@masks
@dtypes
@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by a call of Linux")
def test_no_product_reads_past_the_end_of_an_array(mask, dtype):
    mask, rng = MASKS[mask], np.random.default_rng(0)
    rows, tried = rows_of(mask), load("with_numba")
    if not mask.any():
        return
    rows.indptr, rows.indices = before_the_end_of_memory(rows.indptr), before_the_end_of_memory(rows.indices)
    values = before_the_end_of_memory(rng.standard_normal(int(mask.sum())).astype(dtype))
    for batch in (1, 5, 100):
        x, dy = (before_the_end_of_memory(rng.standard_normal((n, batch)).astype(dtype)) for n in mask.shape[::-1])
        close(tried.spmm(rows, values, x), reference.spmm(rows, values, x), dtype, mask.shape[1])
        close(tried.sddmm(rows, dy, x), reference.sddmm(rows, dy, x), dtype, batch)


def test_the_compiler_may_not_assume_that_there_is_no_nan():
    if "with_numba" in NAMES:
        assert load("products").SUMS["fastmath"] <= {"reassoc", "contract", "arcp", "nsz"}
        assert "fastmath" not in load("products").OPTIONS
