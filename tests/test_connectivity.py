"""Which synapses exist: the structure is checked and frozen, the generators draw what they say."""

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given

import minisparse as ms
from minisparse import testing


@pytest.mark.parametrize(
    ("indptr", "indices", "sentence"),
    [
        ([0, 2, 3], [2, 0, 1], "indices must be strictly ascending within each row; sort them and drop repeats"),
        ([0, 2, 3], [1, 1, 0], "indices must be strictly ascending within each row; sort them and drop repeats"),
        ([0, 1, 3], [2, 1, 1], "indices must be strictly ascending within each row"),
        ([0, 2, 3], [0, 3, 1], r"indices must lie in 0..2 \(pre\), found 0..3"),
        ([0, 2, 3], [-1, 0, 1], r"indices must lie in 0..2 \(pre\), found -1..1"),
        ([0, 2, 3], [0, 1, 2**40], f"indices holds {2**40}, more than int32 can hold"),
        ([0, 2, 3], [0, 1, -(2**32)], "indices holds .*, more than int32 can hold"),
        ([0, 3], [0, 1, 2], "indptr must be 3 ascending integers from 0 to the number of synapses"),
        ([1, 2, 3], [0, 1, 2], "indptr must be 3 ascending integers from 0"),
        ([0, 2, 2], [0, 1, 2], r"to the number of synapses \(3\)"),
        ([0, 4, 3], [0, 1, 2], "indptr must be 3 ascending integers"),
        ([0.0, 2.0, 3.0], [0, 1, 2], "indptr must be a vector of integers, got shape .* of float64"),
        ([0, 2, 3], [[0, 1, 2]], r"indices must be a vector of integers, got shape \(1, 3\)"),
    ],
)
def test_a_broken_structure_is_refused_in_one_sentence(indptr, indices, sentence):
    with pytest.raises(ms.UserError, match=sentence) as refused:
        ms.Pattern(indptr, indices, (2, 3))
    assert "\n" not in str(refused.value)


def test_layers_without_neurons_and_masks_that_are_no_matrix_are_refused():
    for make in (lambda: ms.full(0, 3), lambda: ms.Pattern([0], [], (0, 3)), lambda: ms.full(3, -1)):
        with pytest.raises(ms.UserError, match="at least one neuron on each side"):
            make()
    with pytest.raises(ms.UserError, match=r"a mask must be a matrix \(post, pre\), got shape \(3,\)"):
        ms.Pattern.from_mask([1, 0, 1])


def test_ascending_indices_are_wanted_within_rows_only():
    pattern = ms.Pattern([0, 0, 2, 2, 3, 3], [1, 2, 0], (5, 3))
    assert pattern.afferents().tolist() == [0, 2, 0, 1, 0]
    assert ms.Pattern([0, 0, 0], [], (2, 3)).nnz == 0


@pytest.mark.parametrize("make", [lambda: ms.full(3, 4), lambda: ms.Pattern([0, 2, 2, 3], [0, 2, 1], (3, 4))])
def test_the_arrays_of_a_pattern_cannot_be_written(make):
    pattern = make()
    arrays = [pattern.indptr, *pattern.transposed]
    arrays += [] if pattern.is_full else [pattern.indices]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("read_only_view", [False, True])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_changing_the_arrays_it_was_made_from_does_not_change_a_pattern(dtype, read_only_view):
    indptr, indices = np.array([0, 2, 3], dtype), np.array([0, 2, 1], dtype)
    given_arrays = indptr.view(), indices.view()
    for array in given_arrays:
        array.flags.writeable = not read_only_view
    pattern = ms.Pattern(*given_arrays, (2, 3))
    indptr[1], indices[0] = 1, 1
    assert pattern.indptr.tolist() == [0, 2, 3]
    assert pattern.indices.tolist() == [0, 2, 1]
    assert indptr.flags.writeable, "the caller's arrays are not frozen"
    assert indices.flags.writeable, "the caller's arrays are not frozen"


def test_full_stores_no_indices():
    n = 100_000
    pattern = ms.full(n, n)
    assert (pattern.nnz, pattern.density, pattern.is_full) == (n * n, 1.0, True)
    held = [value for value in vars(pattern).values() if isinstance(value, np.ndarray)]
    assert sum(array.size for array in held) == n + 1
    assert pattern.efferents().tolist() == pattern.afferents().tolist() == [n] * n


def test_full_says_the_same_as_a_mask_of_ones():
    full, listed = ms.full(3, 2), ms.Pattern.from_mask(np.ones((3, 2)))
    assert full == listed
    assert full.indices.tolist() == listed.indices.tolist() == [0, 1] * 3
    assert full.rows.tolist() == listed.rows.tolist() == [0, 0, 1, 1, 2, 2]
    assert full != ms.full(2, 3)
    assert full != ms.Pattern([0, 2, 3, 5], [0, 1, 1, 0, 1], (3, 2))


@given(testing.patterns())
def test_a_pattern_is_its_mask(pattern):
    mask = pattern.mask()
    assert ms.Pattern.from_mask(mask) == pattern
    assert (pattern.indptr.dtype, pattern.indices.dtype) == (np.int64, np.int32)
    assert pattern.shape == mask.shape
    assert pattern.nnz == mask.sum()
    assert pattern.density == mask.mean()
    assert pattern.is_full == mask.all()
    np.testing.assert_array_equal(pattern.afferents(), mask.sum(axis=1))
    np.testing.assert_array_equal(pattern.efferents(), mask.sum(axis=0))
    assert pattern.afferents().dtype == pattern.efferents().dtype == np.int64
    np.testing.assert_array_equal(np.stack([pattern.rows, pattern.indices]), np.nonzero(mask))


@given(testing.patterns())
def test_transposed_lists_the_same_synapses_column_by_column(pattern):
    indptr, indices, order = pattern.transposed
    assert ms.Pattern(indptr, indices, pattern.shape[::-1]) == ms.Pattern.from_mask(pattern.mask().T)
    matrix = np.zeros(pattern.shape)
    matrix[pattern.mask()] = numbers = np.arange(1, pattern.nnz + 1)
    np.testing.assert_array_equal(numbers[order], matrix.T[pattern.mask().T])


@pytest.mark.parametrize("shape", [(7, 1), (7, 11), (7, 1 << 16), (7, (1 << 16) + 1), (1024, 1024)])
def test_transposed_sorts_by_column_and_then_by_row(shape):
    pattern = ms.fixed_count(*shape, min(shape[0] * shape[1], 1 << 20), np.random.default_rng(0))
    indptr, indices, order = pattern.transposed
    np.testing.assert_array_equal(order, np.lexsort((pattern.rows, pattern.indices)))
    np.testing.assert_array_equal(indices, pattern.rows[order])
    np.testing.assert_array_equal(np.diff(indptr), pattern.efferents())
    assert (indptr.dtype, indices.dtype, order.dtype) == (np.int64, np.int32, np.int32)


@given(testing.sizes(2, distinct=False, high=40), testing.densities(), testing.seeds())
def test_bernoulli_row_by_row_is_the_published_draw(shape, p, seed):
    n_post, n_pre = shape
    pattern = ms.bernoulli(n_post, n_pre, p, np.random.RandomState(seed))
    mask = np.random.RandomState(seed).rand(n_post, n_pre) < p
    np.testing.assert_array_equal(pattern.mask(), mask)


@given(testing.sizes(1, distinct=False, high=30), testing.densities(), testing.densities(), testing.seeds())
def test_with_one_seed_a_sparser_mask_is_a_subset_of_a_denser_one(size, p, q, seed):
    (n,) = size
    sparse, dense = (ms.bernoulli(n, n, d, np.random.default_rng(seed)).mask() for d in sorted((p, q)))
    assert not (sparse & ~dense).any()


def test_the_published_network_has_its_edges_and_its_inhibitory_neurons():
    rng = np.random.RandomState(42)
    pattern = ms.bernoulli(10_000, 10_000, 0.1, rng)
    assert pattern.nnz == 9_999_436
    after_the_mask = rng.get_state()
    for fraction, distinct in ((0.115, 1092), (0.5, 3954)):
        rng.set_state(after_the_mask)
        assert (ms.dale_signs(10_000, fraction, rng, replacement=True) < 0).sum() == distinct


@given(testing.sizes(2, distinct=False, high=12), testing.fractions(), testing.seeds(), testing.choices(False, True))
def test_fixed_count_has_exactly_that_many_synapses(shape, share, seed, legacy):
    n_post, n_pre = shape
    count = round(share * n_post * n_pre)
    make = np.random.RandomState if legacy else np.random.default_rng
    pattern = ms.fixed_count(n_post, n_pre, count, make(seed))
    assert pattern.nnz == pattern.mask().sum() == count
    assert pattern == ms.fixed_count(n_post, n_pre, count, make(seed))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("count", [1, 4, 10, 11, 14, 19])
def test_fixed_count_favours_no_place(count, legacy):
    # 4 x 5 places, below and above half; the covariance of the counts follows from equally likely sets.
    rng = np.random.RandomState(1) if legacy else np.random.default_rng(1)
    draws, places = 2000, 20
    taken = np.array([ms.fixed_count(4, 5, count, rng).mask().ravel() for _ in range(draws)], float)
    p = count / places
    chi_square = ((taken.sum(axis=0) - draws * p) ** 2).sum() / (draws * p * (1 - p)) * (places - 1) / places
    assert 4 < chi_square < 50, "19 degrees of freedom: outside 4.5..50 happens once in 10,000"
    together = (taken.T @ taken)[~np.eye(places, dtype=bool)] / draws
    expected = p * (count - 1) / (places - 1)
    assert np.abs(together - expected).max() <= 5 * (expected / draws) ** 0.5 + 1e-12


def test_fixed_count_out_of_range_is_refused():
    for count in (-1, 13):
        with pytest.raises(ms.UserError, match=rf"count must lie in 0..12 for a 3 x 4 layer, got {count}"):
            ms.fixed_count(3, 4, count, np.random.default_rng(0))


@given(testing.sizes(1, distinct=False, high=500), testing.fractions(), testing.choices(False, True), testing.seeds())
def test_dale_signs_has_exactly_the_rounded_count(size, fraction, legacy, seed):
    (n,) = size
    rng = np.random.RandomState(seed) if legacy else np.random.default_rng(seed)
    signs = ms.dale_signs(n, fraction, rng)
    assert (signs.shape, signs.dtype) == ((n, 1), np.int8)
    assert (signs < 0).sum() == round(fraction * n)
    assert set(signs.ravel().tolist()) <= {-1, 1}


def test_dale_signs_make_every_neuron_inhibitory_now_and_then():
    rng = np.random.default_rng(0)
    counts = sum((ms.dale_signs(10, 0.3, rng) < 0).ravel().astype(int) for _ in range(2000))
    assert counts.sum() == 6000
    assert np.abs(counts - 600).max() < 110


@pytest.mark.parametrize("density", [0, -0.1, 1.001, float("nan")])
def test_a_density_that_is_no_share_is_refused(density):
    with pytest.raises(ms.UserError, match="density must be above 0 and at most 1"):
        ms.bernoulli(3, 3, density, np.random.default_rng(0))


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_an_inhibitory_fraction_that_is_no_share_is_refused(fraction):
    with pytest.raises(ms.UserError, match=r"the inhibitory fraction must lie in \[0, 1\]"):
        ms.dale_signs(3, fraction, np.random.default_rng(0))


PEAK = """
import resource, sys
import numpy, minisparse
{body}
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is a POSIX module")
@pytest.mark.parametrize(
    "body",
    [
        "pattern = minisparse.bernoulli(20_000, 20_000, 0.1, numpy.random.default_rng(0))\n"
        "assert abs(pattern.nnz - 40_000_000) < 40_000",
        "pattern = minisparse.fixed_count(20_000, 20_000, 4_000_000, numpy.random.default_rng(0))\n"
        "assert pattern.nnz == 4_000_000",
    ],
    ids=["bernoulli", "fixed_count"],
)
def test_twenty_thousand_neurons_need_less_than_a_gigabyte(body):
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PEAK.format(body=body)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout)
    print(f"{time.perf_counter() - start:.1f} s, peak {peak / 1e9:.2f} GB")
    assert peak < 1e9
