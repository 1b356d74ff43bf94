"""Which storage is chosen: a table over size, density, groups and backend."""

import numpy as np
import pytest

import minisparse as ms


def modular(n, count, **settings):
    return ms.group_to_group(n, n, count, **settings, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("pattern", "backend", "storage"),
    [
        (ms.full(20, 20), "numpy", "dense"),
        (ms.full(1000, 1000), "numpy", "dense"),
        (ms.fixed_count(1000, 1000, 500_000, np.random.default_rng(0)), "numpy", "dense"),
        (ms.fixed_count(1000, 1000, 100_000, np.random.default_rng(0)), "numpy", "csr"),
        (ms.fixed_count(255, 256, 100, np.random.default_rng(0)), "numpy", "dense"),
        (ms.fixed_count(256, 256, 100, np.random.default_rng(0)), "numpy", "csr"),
        (ms.fixed_count(1000, 1000, 100_000, np.random.default_rng(0)), "cupy", "dense"),
        (ms.fixed_count(1000, 1000, 10_000, np.random.default_rng(0)), "cupy", "dense"),
        (ms.fixed_count(3000, 3000, 90_000, np.random.default_rng(0)), "cupy", "csr"),
        (modular(1024, 8, p_between=0.15), "numpy", "grouped"),
        (modular(1024, 8, p_between=0.3), "numpy", "grouped"),
        (modular(1024, 8, p_between=0.5), "numpy", "dense"),
        (modular(1024, 8, p_between=0.15), "cupy", "dense"),
        (modular(1024, 8, p_between=0.1, p_within=0.5), "numpy", "csr"),
        (modular(1024, 32, p_between=0.15), "numpy", "csr"),
        (modular(256, 4, p_between=0), "numpy", "csr"),
    ],
)
def test_auto_is_a_table_over_size_density_groups_and_backend(pattern, backend, storage):
    assert [ms.make_weights(pattern, "auto", backend).storage for _ in range(3)] == [storage] * 3
    for named in ("dense", "csr"):
        assert ms.make_weights(pattern, named, backend).storage == named
    if backend == "numpy":
        assert ms.make_weights(pattern).storage == storage


def test_an_unknown_storage_is_answered_with_the_known_ones():
    with pytest.raises(ms.UserError, match="storage 'coo' is unknown; choose one of auto, dense, csr, grouped"):
        ms.make_weights(ms.full(2, 2), "coo")
