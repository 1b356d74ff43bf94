"""Memory of large stacks is handed on while somebody trains, never while an array over it is alive."""

from __future__ import annotations

import numpy as np
import pytest

import minisparse as ms
from minisparse.kernels import stacks

LIKE = np.zeros(1, np.float32)


@pytest.fixture
def small(monkeypatch):
    """Call stacks of a few bytes large."""
    monkeypatch.setattr(stacks, "LARGE", 100)


def place(array):
    return array.__array_interface__["data"][0]


def test_memory_is_handed_on_to_a_stack_of_the_same_size_in_a_training_alone(small):
    with stacks.reused():
        first = stacks.empty(LIKE, (5, 4, 3))
        assert first.shape == (5, 4, 3)
        assert first.dtype == np.float32
        first[...] = 7
        where, part = place(first), first[1:, :2].T
        del first
        second = stacks.zeros(LIKE, (5, 4, 3))  # the part is alive
        assert place(second) != where
        assert not second.any()
        np.testing.assert_array_equal(part, 7)
        del part
        third = stacks.zeros(LIKE, (3, 4, 5))
        assert place(third) == where
        assert not third.any()
        del third
        other = stacks.empty(LIKE, (5, 4, 4))
        assert place(other) != where
        assert not stacks._free  # what does not fit is given back, so that no training holds more than it needs
    assert not stacks._free
    del second, other
    assert not stacks._free
    assert stacks.zeros(LIKE, (5, 4, 3)).base is None


def test_no_more_waits_than_is_needed(small):
    with stacks.reused():
        many = [stacks.empty(LIKE, (n, 10, 10)) for n in range(1, 9)]
        many.clear()
        assert len(stacks._free) == stacks.KEPT


@pytest.mark.parametrize("alpha", [1, 0.5])
def test_training_with_memory_that_is_handed_on_gives_the_same_bits(monkeypatch, alpha):
    def train():
        x, y = np.random.default_rng(0).random((30, 5, 2), np.float32), np.arange(30) % 3
        model = ms.SequenceRNN([ms.Recurrent(2, ms.bernoulli(8, 8, 0.5, rng=0), alpha=alpha)], 3, every=False)
        params = model.init(rng=0, w_max=0.5)
        history = ms.fit(model, params, ms.Adam(), ms.Dataset("own", x, y, x, y, 3), 3, rng=0, batch_size=7, quiet=True)
        return params, [row["train_loss"] for row in history]

    plain, losses = train()
    monkeypatch.setattr(stacks, "LARGE", 0)
    handed_on, again = train()
    assert again == losses
    for name, value in plain.items():
        np.testing.assert_array_equal(handed_on[name], value)
