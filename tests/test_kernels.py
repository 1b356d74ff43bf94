"""The sparse kernels agree with their meaning in plain NumPy, whatever the shape, layout or dtype."""

import ctypes
import importlib
import importlib.util
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given

import minisparse as ms
from minisparse import testing
from minisparse.kernels import Rows, reference, with_scipy
from minisparse.kernels import table as kernels_table
from minisparse.threads import one_blas_thread

NAMES = ["with_scipy"] + ["with_numba"] * (importlib.util.find_spec("numba") is not None)
kernels = pytest.mark.parametrize("name", NAMES)
needs_numba = pytest.mark.skipif("with_numba" not in NAMES, reason="Numba is not installed")
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def load(name):
    return importlib.import_module(f"minisparse.kernels.{name}")


def rows_of(mask):
    pattern = ms.Pattern.from_mask(mask)
    return Rows(pattern.indptr, pattern.indices, pattern.shape, np.asarray)


def staircase():
    """Rows with 0, 1, ..., 17 synapses and an empty last one: every remainder of an unrolled loop."""
    rng, mask = np.random.default_rng(0), np.zeros((19, 18), bool)
    for i in range(18):
        mask[i, rng.permutation(18)[:i]] = True
    return mask


def with_empty(*rows):
    mask = np.random.default_rng(1).random((6, 5)) < 0.6
    mask[list(rows)] = False
    return mask


def one_synapse(place):
    mask = np.zeros((4, 7), bool)
    mask[place] = True
    return mask


MASKS = {
    "staircase": staircase(),
    "turned staircase": staircase().T,
    "empty first and last row": with_empty(0, 5),
    "empty rows in the middle": with_empty(2, 3),
    "first synapse only": one_synapse((0, 0)),
    "last synapse only": one_synapse((3, 6)),
    "no synapse": np.zeros((3, 4), bool),
    "full": np.ones((5, 9), bool),
    "one neuron each": np.ones((1, 1), bool),
    "one row": np.ones((1, 40), bool),
    "one column": np.ones((40, 1), bool),
    "hardly any": np.random.default_rng(2).random((60, 70)) < 0.01,
}
masks = pytest.mark.parametrize("mask", MASKS)


def close(found, expected, dtype, terms=1):
    """Equal up to the rounding of sums of that many terms."""
    assert found.dtype == dtype
    assert found.shape == expected.shape
    tolerance = 8 * np.finfo(dtype).eps * max(1, terms) ** 0.5
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(1, terms) ** 0.5)


def loose(a):
    """The same numbers, but neither C- nor Fortran-contiguous."""
    wide = np.full(tuple(2 * size for size in a.shape), np.nan, a.dtype)
    wide[tuple(slice(None, None, 2) for _ in a.shape)] = a
    return wide[tuple(slice(None, None, 2) for _ in a.shape)]


LAYOUTS = {"C": np.ascontiguousarray, "F": np.asfortranarray, "loose": loose}


@kernels
@masks
@dtypes
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_every_kernel_is_its_plain_meaning(name, mask, dtype, batch):
    rows, mask = rows_of(MASKS[mask]), MASKS[mask]
    rng = np.random.default_rng(0)
    (n_post, n_pre), nnz = mask.shape, int(mask.sum())
    values = rng.standard_normal(nnz).astype(dtype)
    matrix = np.zeros(mask.shape)
    matrix[mask] = values
    x, dy = (rng.standard_normal((5, n, batch)).astype(dtype) for n in (n_pre, n_post))
    for tried in (load(name), reference):
        for lay in LAYOUTS.values():
            found = tried.spmm(rows, values, lay(x[0]))
            close(found, matrix @ x[0].astype(float), dtype, n_pre)
            found = tried.sddmm(rows, lay(dy[0]), lay(x[0]))
            close(found, (dy[0].astype(float) @ x[0].T)[mask], dtype, batch)
            for steps in (0, 1, 5):
                found = tried.sddmm(rows, lay(dy[:steps]), lay(x[:steps]))
                expected = sum(
                    (d.astype(float) @ a.T for d, a in zip(dy[:steps], x, strict=False)), np.zeros(mask.shape)
                )
                close(found, expected[mask], dtype, steps * batch)
        close(tried.row_sum(rows, values), matrix.sum(axis=1, keepdims=True), dtype, n_pre)


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


@kernels
@masks
@dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
def test_something_is_added_to_a_product_and_stays_as_it_is(name, mask, dtype, layout):
    rows, mask = rows_of(MASKS[mask]), MASKS[mask]
    rng = np.random.default_rng(0)
    values = rng.standard_normal(int(mask.sum())).astype(dtype)
    x, start = (rng.standard_normal((n, 7)).astype(dtype) for n in mask.shape[::-1])
    for tried in (load(name), reference):
        plus = LAYOUTS[layout](start).copy(order="K") if layout != "loose" else loose(start)
        plus.flags.writeable = False
        found = tried.spmm(rows, values, x, plus)
        assert not np.may_share_memory(found, plus)
        close(found, start.astype(float) + reference.spmm(rows, values, x), dtype, mask.shape[1])
        with pytest.raises(ValueError):
            tried.spmm(rows, values, x, np.zeros((mask.shape[0] + 1, 8), dtype))


@kernels
@dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize(
    ("steps", "post", "pre", "batch"), [(1, 3, 2, 1), (5, 300, 4, 9), (3, 4, 9, 2), (2, 129, 1, 5), (3, 1300, 40, 90)]
)
def test_maps_of_a_full_matrix(name, dtype, layout, limited, steps, post, pre, batch):
    rng, lay = np.random.default_rng(0), LAYOUTS[layout]
    W, b = rng.standard_normal((post, pre)).astype(dtype), rng.standard_normal((post, 1)).astype(dtype)
    x, dy = (rng.standard_normal((steps, n, batch)).astype(dtype) for n in (pre, post))
    for tried in (load(name), reference):
        with one_blas_thread(limited):
            drive = tried.affine(lay(W), lay(x), lay(b))
            assert len(drive) == steps
            for t in (*range(steps), -1, 0):  # in any order, as often as one likes
                close(drive[t], W.astype(float) @ x[t] + b, dtype, pre)
            found = tried.sum_outer(lay(dy), lay(x))
        close(found, sum(d.astype(float) @ a.T for d, a in zip(dy, x, strict=True)), dtype, steps * batch)


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


def test_relu_takes_a_number():
    assert (ms.relu(0.5), ms.relu(-1)) == (0.5, 0)


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


@kernels
@given(testing.patterns(), testing.generators(), testing.dtypes(), testing.choices(*sorted(LAYOUTS)))
def test_they_agree_with_the_reference_on_any_pattern(name, pattern, rng, dtype, layout):
    n_post, n_pre = pattern.shape
    batch, steps = rng.integers(1, 13), rng.integers(0, 13)
    rows, lay = rows_of(pattern.mask()), LAYOUTS[layout]
    values = rng.standard_normal(rows.indices.size).astype(dtype)
    x, dy = (lay(rng.standard_normal((steps, n, batch)).astype(dtype)) for n in (n_pre, n_post))
    tried = load(name)
    close(tried.sddmm(rows, dy, x), reference.sddmm(rows, dy, x), dtype, steps * batch)
    close(tried.row_sum(rows, values), reference.row_sum(rows, values), dtype, n_pre)
    if steps:
        close(tried.spmm(rows, values, x[0]), reference.spmm(rows, values, x[0]), dtype, n_pre)
        close(tried.sddmm(rows, dy[0], x[0]), reference.sddmm(rows, dy[0], x[0]), dtype, batch)


@kernels
@dtypes
def test_no_kernel_writes_into_what_it_is_given(name, dtype):
    rng, rows = np.random.default_rng(0), rows_of(staircase())
    values = rng.standard_normal(rows.indices.size).astype(dtype)
    x, dy = (rng.standard_normal((n, 4)).astype(dtype) for n in rows.shape[::-1])
    before, tried = [a.copy() for a in (values, x, dy)], load(name)
    for result in (tried.spmm(rows, values, x), tried.sddmm(rows, dy, x), tried.row_sum(rows, values)):
        assert not any(np.shares_memory(result, array) for array in (values, x, dy))
    for array, copy in zip((values, x, dy), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@kernels
@dtypes
@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_reach_exactly_what_they_touch(name, dtype, spoiled):
    mask = staircase() | (np.random.default_rng(3).random((19, 18)) < 0.1)
    mask[0] = mask[-1] = False
    rows, rng, tried = rows_of(mask), np.random.default_rng(0), load(name)
    i, j = 17, 4
    assert mask[i, j]
    values = rng.uniform(0.5, 1, rows.indices.size).astype(dtype)
    x, dy = (rng.uniform(0.5, 1, (3, n, 6)).astype(dtype) for n in rows.shape[::-1])

    sick = x.copy()
    sick[1, j, 2] = spoiled
    with np.errstate(invalid="ignore"):
        y = tried.spmm(rows, values, sick[1])
        touched = np.zeros(y.shape, bool)
        touched[mask[:, j], 2] = True
        np.testing.assert_array_equal(y[touched], np.full(touched.sum(), spoiled, dtype))
        assert np.isfinite(y[~touched]).all()

        dw = tried.sddmm(rows, dy, sick)
        touched = np.nonzero(mask)[1] == j
        np.testing.assert_array_equal(dw[touched], np.full(touched.sum(), spoiled, dtype))
        assert np.isfinite(dw[~touched]).all()

        sick = dy.copy()
        sick[2, i, 0] = spoiled
        for found in (tried.sddmm(rows, sick, x), tried.sddmm(rows, sick[2], x[2])):
            touched = np.nonzero(mask)[0] == i
            np.testing.assert_array_equal(found[touched], np.full(touched.sum(), spoiled, dtype))
            assert np.isfinite(found[~touched]).all()

        sick = values.copy()
        sick[(np.nonzero(mask)[0] == i) & (np.nonzero(mask)[1] == j)] = spoiled
        total, y = tried.row_sum(rows, sick), tried.spmm(rows, sick, x[0])
    for found in (total, y):
        np.testing.assert_array_equal(found[i], np.full(found[i].shape, spoiled, dtype))
        assert np.isfinite(np.delete(found, i, axis=0)).all()


@kernels
def test_inf_minus_inf_is_nan(name):
    rows, tried = rows_of(np.ones((1, 20), bool)), load(name)
    values = np.zeros(20)
    values[[3, 15]] = np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(tried.spmm(rows, values, np.ones((20, 2)))).all()
        assert np.isnan(tried.row_sum(rows, values)).all()
        assert np.isnan(tried.spmm(rows, values, np.zeros((20, 2)))).all()
        assert np.isnan(tried.sddmm(rows, np.ones((1, 2)), np.array([[np.inf, -np.inf]] * 20))).all()


def test_the_compiler_may_not_assume_that_there_is_no_nan():
    if "with_numba" in NAMES:
        assert load("products").SUMS["fastmath"] <= {"reassoc", "contract", "arcp", "nsz"}
        assert "fastmath" not in load("products").OPTIONS


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


@kernels
@dtypes
@pytest.mark.parametrize("size", [1, 100, 40_000])
def test_adam_is_the_reference_in_place(name, dtype, size):
    rng = np.random.default_rng(0)
    numbers = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    start = [rng.standard_normal(size).astype(dtype), np.zeros(size, dtype), np.zeros(size, dtype)]
    found, expected = [a.copy() for a in start], [a.copy() for a in start]
    for step in range(1, 4):
        grad = (rng.standard_normal(size) * rng.choice([0, 1e-6, 1, 1e6], size)).astype(dtype)
        given_grad = loose(grad)
        load(name).adam(found[0], given_grad, *found[1:], **numbers, step=step)
        reference.adam(expected[0], grad, *expected[1:], **numbers, step=step)
        np.testing.assert_array_equal(given_grad, grad)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, other, rtol=20 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)
    assert np.all((found[0] != start[0]) | (found[1] == 0))


@kernels
@dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("moments", [0, 1])
def test_gradient_descent_is_the_reference_in_place(name, dtype, layout, moments):
    rng = np.random.default_rng(0)
    start = [rng.standard_normal((30, 20)).astype(dtype), *[np.zeros((30, 20), dtype)] * moments]
    found, expected = [a.copy() for a in start], [a.copy() for a in start]
    for _ in range(3):
        grad = rng.standard_normal((30, 20)).astype(dtype)
        load(name).sgd(found[0], LAYOUTS[layout](grad), *found[1:], lr=0.1, momentum=0.9)
        reference.sgd(expected[0], grad, *expected[1:], lr=0.1, momentum=0.9)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, other, rtol=20 * np.finfo(dtype).eps, atol=np.finfo(dtype).eps)
    assert np.all(found[0] != start[0])


@kernels
@dtypes
@pytest.mark.parametrize("size", [100, 40_000])
@pytest.mark.parametrize("spoiled", [np.nan, np.inf])
def test_adam_shows_nan_and_inf_where_they_are(name, dtype, size, spoiled):
    w, m, v = np.ones(size, dtype), np.zeros(size, dtype), np.zeros(size, dtype)
    grad = np.ones(size, dtype)
    grad[7] = spoiled
    with np.errstate(invalid="ignore"):
        load(name).adam(w, grad, m, v, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, step=1)
    assert np.flatnonzero(~np.isfinite(w)).tolist() == [7]
    assert np.flatnonzero(~np.isfinite(m)).tolist() == [7]


@kernels
def test_results_do_not_depend_on_the_run(name):
    rng, tried = np.random.default_rng(0), load(name)
    rows = rows_of(rng.random((200, 200)) < 0.2)
    values = rng.standard_normal(rows.indices.size).astype(np.float32)
    x, dy = (rng.standard_normal((3, 200, 30)).astype(np.float32) for _ in range(2))
    first = tried.spmm(rows, values, x[0]), tried.sddmm(rows, dy, x), tried.row_sum(rows, values)
    for _ in range(3):
        again = tried.spmm(rows, values, x[0]), tried.sddmm(rows, dy, x), tried.row_sum(rows, values)
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [object, np.float16, np.longdouble, np.complex128, np.int64])
def test_odd_dtypes_get_the_reference(dtype):
    assert kernels_table(np.zeros(1, dtype)) is reference
    assert kernels_table(np.zeros(1, np.float32)) is load(NAMES[-1])


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
digits, losses = ms.load("digits"), []
for _, (x, labels) in zip(range(10), ms.batches(digits.x_train.astype(float), digits.y_train, 32, rng)):
    logits, cache = model.forward(params, x)
    loss, dlogits = ms.softmax_cross_entropy(logits, labels)
    opt.step(params, model.backward(dlogits, cache))
    ms.Dale(signs).project(model, params)
    losses.append(loss)
np.savez(sys.argv[1], kernels=kernels.table(logits).__name__, losses=losses, **params)
"""


def test_without_numba_training_gives_the_same_numbers(tmp_path):
    trained = {}
    for blocked in (False, True):
        path = tmp_path / f"{blocked}.npz"
        code = TRAINING.format(blocked=blocked)
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        with np.load(path) as file:
            trained[blocked] = {name: file[name] for name in file.files}
    assert str(trained[True].pop("kernels")) == "minisparse.kernels.with_scipy"
    assert str(trained[False].pop("kernels")) == f"minisparse.kernels.{NAMES[-1]}"
    assert trained[False]["losses"][-1] < trained[False]["losses"][0]
    for name, w in trained[False].items():
        np.testing.assert_allclose(trained[True][name], w, rtol=1e-10, atol=1e-10, err_msg=name)


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
