"""Activations: value and slope."""

import minisparse as ms


def test_relu_takes_a_number():
    assert (ms.relu(0.5), ms.relu(-1)) == (0.5, 0)
