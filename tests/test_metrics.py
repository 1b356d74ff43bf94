"""Metrics: sums over the answers that count."""

import numpy as np
import pytest

import minisparse as ms
from minisparse import metrics


def test_a_mask_says_which_answers_count():
    output = np.array([[[1.0, 2.0], [0.0, 3.0]]])  # (time, outputs, batch)
    labels, mask = np.array([[0, 0]]), np.array([[1, 0]])
    assert metrics.total("accuracy", output, labels, mask) == 1
    assert metrics.total("mean_absolute_error", output, output + 2, mask) == 2


def test_accuracy_of_numbers_is_refused():
    with pytest.raises(ms.UserError, match=r"accuracy needs classes, and the targets are numbers; pass metrics=\(\)"):
        metrics.total("accuracy", np.zeros((2, 3)), np.zeros((2, 3)))
