"""Patterns from masks and SciPy matrices."""

import numpy as np
import pytest
import scipy.sparse

import minisparse as ms
from minisparse.patterns import as_pattern

MATRIX = np.array([[0.5, 0.0, -1.0], [0.0, 0.0, 0.0]])
FORMS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_every_sparse_format_gives_the_pattern_of_the_mask(form, kind):
    sparse = getattr(scipy.sparse, f"{form}_{kind}")(MATRIX)
    assert as_pattern(sparse) == as_pattern(MATRIX) == as_pattern(MATRIX != 0) == as_pattern(MATRIX.tolist())
    assert ms.make_weights(sparse, "csr").nnz == 2


def test_entries_that_are_0_and_entries_named_twice_are_no_synapses_of_their_own():
    twice = scipy.sparse.coo_array(([1.0, 1.0, 0.0, 2.0], ([0, 0, 1, 1], [2, 2, 0, 1])), (2, 3))
    assert as_pattern(twice) == as_pattern(np.array([[0, 0, 1], [0, 1, 0]]))
    assert twice.nnz == 4, "what was handed over is left alone"


def test_a_model_takes_a_pattern_a_mask_and_a_sparse_matrix():
    mask = np.eye(3, dtype=bool)
    for given in (mask, scipy.sparse.csr_array(mask), ms.Pattern.from_mask(mask), ms.DenseWeights(mask)):
        assert ms.RNN(1, given, 1).weights["W_rec"].pattern == ms.Pattern.from_mask(mask)
        assert ms.MLP([given]).weights["W0"].nnz == 3


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (None, "a pattern must be a Pattern, a matrix .*, got None; minisparse.bernoulli and minisparse.full make one"),
        (100, "got 100"),
        ("csr", "got 'csr'"),
        (np.ones(3), r"a mask must be a matrix \(post, pre\), got shape \(3,\)"),
        (np.ones((2, 2, 2)), r"got shape \(2, 2, 2\)"),
        (np.array([[np.nan, 1.0]]), "not nan, got float64"),
        (np.array([["a"]]), "must hold truth values or numbers"),
        ([[1, 0], [1]], "a list is no pattern"),
        (np.ones((0, 3)), "at least one neuron on each side, got 0 x 3"),
        (scipy.sparse.csr_array(np.ones(3)), "a pattern must be|is no pattern"),
    ],
)
def test_what_is_no_pattern_is_refused(thing, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        ms.make_weights(thing)
