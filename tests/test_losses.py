"""What the loss refuses, in one sentence."""

import numpy as np
import pytest

import minisparse as ms


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.array([0, 3, 1]), r"labels must lie in 0\.\.2 \(3 classes\), found 3 at position 1"),
        (np.array([0, 2, -1]), r"found -1 at position 2"),
        (np.array([255, 0, 1], np.uint8), r"found 255 at position 0"),
        (np.array([0.0, 1.0, 2.0]), "labels must be a vector of integers, got shape .* of float64"),
        (np.array([True, False, True]), "labels must be a vector of integers, got shape .* of bool"),
        (np.array([[0, 1, 2]]), r"labels must be \(3,\), one class per column of the logits, got \(1, 3\)"),
        (np.array([0, 1]), r"labels must be \(3,\), one class per column of the logits, got \(2,\)"),
    ],
)
def test_labels_that_are_no_classes_are_refused(labels, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        ms.softmax_cross_entropy(np.zeros((3, 3)), labels)
