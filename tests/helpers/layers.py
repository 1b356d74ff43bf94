"""Patterns and comparisons that tests of storages share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms
from minisparse import testing
from minisparse.groups import labelled

storages = pytest.mark.parametrize("storage", ["dense", "csr", "grouped"])


layers = given(weights=testing.weights(), dtype=testing.dtypes(), rng=testing.generators())


def bernoulli(n_post, n_pre, p, rng):
    """A pattern that every storage takes: in two groups, drawn without regard to them."""
    return labelled(ms.bernoulli(n_post, n_pre, p, rng), [np.arange(n) % 2 for n in (n_post, n_pre)])


def bits(a):
    return np.ascontiguousarray(a).view(f"i{a.itemsize}").tolist()


PROBABILITIES = st.one_of(testing.choices(0.0, 1.0), testing.fractions())
GROUPINGS = testing.choices("index", "stride", "random", "mixer")


@st.composite
def modular(draw, high=14, **settings):
    """Draw a modular pattern and how it was asked for; sizes need not divide."""
    n_post, n_pre = draw(testing.sizes(2, distinct=False, high=high))
    asked = {
        "groups": draw(st.integers(1, min(n_post, n_pre))),
        "p_within": draw(PROBABILITIES),
        "p_between": draw(PROBABILITIES),
        "grouping": draw(GROUPINGS),
        "layer": draw(st.integers(0, 3)),
        **settings,
    }
    seed = draw(testing.seeds())
    return (n_post, n_pre, asked, seed), ms.group_to_group(n_post, n_pre, **asked, rng=np.random.default_rng(seed))
