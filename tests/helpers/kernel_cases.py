"""The kernels of each library, and the patterns they are tried on."""

import importlib
import importlib.util

import numpy as np
import pytest

import minisparse as ms
from minisparse.kernels import Rows

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
