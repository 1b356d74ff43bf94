"""The kernels of every library are their plain meaning, whatever the pattern, the layout and the numbers."""

import numpy as np
import pytest
from helpers.kernel_cases import MASKS, NAMES, close, dtypes, kernels, load, masks, rows_of, staircase
from hypothesis import given

from minisparse import testing
from minisparse.errors import InputError
from minisparse.kernels import Rows, reference
from minisparse.kernels import table as kernels_table
from minisparse.threads import one_blas_thread


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


def test_more_synapses_than_an_int32_can_count_are_refused_in_a_sentence():
    rows = Rows(np.array([0, 2**31]), np.zeros(0, np.int32), (1, 2**31), lambda array: array)
    with pytest.raises(
        InputError, match=r"at most 2,147,483,647 synapses .*, got 2,147,483,648; lower the density, or"
    ):
        _ = rows.short_indptr
    fits = Rows(np.array([0, 2**31 - 1]), np.zeros(0, np.int32), (1, 2**31), lambda array: array)
    assert fits.short_indptr.dtype == np.int32
