"""What a data set is: checked when it is made, cut into batches and into small training sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms


@given(st.integers(1, 20), st.integers(1, 25), st.booleans(), st.integers(0, 99))
def test_batches_turn_every_sample_once_into_the_last_axis(samples, size, shuffled, seed):
    x = np.arange(samples * 6).reshape(samples, 2, 3)
    rng = np.random.default_rng(seed) if shuffled else None
    cut = list(ms.batches(x, np.arange(samples), size, rng))
    assert [len(labels) for _, labels in cut] == [size] * (samples // size) + [samples % size] * (samples % size > 0)
    for images, labels in cut:
        assert images.shape == (2, 3, len(labels))
        assert images.flags.c_contiguous
        for column, label in enumerate(labels):
            np.testing.assert_array_equal(images[..., column], x[label])
    order = np.concatenate([labels for _, labels in cut])
    expected = np.random.default_rng(seed).permutation(samples) if shuffled else np.arange(samples)
    np.testing.assert_array_equal(order, expected)


def test_each_epoch_is_shuffled_anew_and_legacy_generators_are_taken():
    x, labels, rng = np.zeros((50, 1)), np.arange(50), np.random.RandomState(0)
    orders = [[int(a) for _, part in ms.batches(x, labels, 7, rng) for a in part] for _ in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(50))
    assert orders[0] != orders[1]
    assert orders[0] == np.random.RandomState(0).permutation(50).tolist()


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(ms.UserError, match="batch_size must be a whole number of at least 1, got 0"):
        next(ms.batches(np.zeros((2, 1)), np.zeros(2, int), 0))


def dataset(**changed):
    x, y = np.zeros((4, 3, 2), np.float32), np.array([0, 1, 2, 0])
    return ms.Dataset(
        **{"name": "toy", "x_train": x, "y_train": y, "x_test": x, "y_test": y, "n_classes": 3, **changed}
    )


def with_one(value):
    x = np.zeros((4, 3, 2), np.float32)
    x[2, 1, 0] = value
    return x


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"x_train": with_one(np.nan)}, "toy: train sample 2 holds nan or inf; remove or repair it"),
        ({"x_test": with_one(-np.inf)}, "toy: test sample 2 holds nan or inf"),
        ({"y_train": np.array([0, 1, 3, 0])}, r"labels must lie in 0..2 \(3 classes\), found 3 at position 2"),
        ({"y_test": np.array([0, -1, 2, 0])}, "found -1 at position 1"),
        ({"y_train": np.zeros(4)}, "labels must be a vector of integers, got shape .* of float64"),
        ({"y_train": np.zeros((4, 1), int)}, r"labels must be a vector of integers, got shape \(4, 1\)"),
        ({"y_train": np.zeros(3, int)}, "4 train samples but 3 labels; there must be one per sample"),
        ({"x_test": np.zeros((0, 3, 2)), "y_test": np.zeros(0, int)}, "0 test samples"),
        ({"x_test": np.zeros((4, 2, 3))}, r"samples are \(3, 2\) in training, \(2, 3\) in test"),
    ],
)
def test_a_data_set_that_does_not_fit_is_refused_when_it_is_made(changed, sentence):
    assert dataset().sample_shape == (3, 2)
    with pytest.raises(ms.UserError, match=sentence):
        dataset(**changed)


@given(st.integers(1, 4), st.integers(0, 99))
def test_a_subset_holds_the_first_of_a_shuffle_of_each_class(count, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2], [4, 5, 9]))
    whole = dataset(
        x_train=np.arange(18, dtype=np.float32).reshape(18, 1, 1), y_train=labels, x_test=np.ones((4, 1, 1))
    )
    few = ms.subset_per_class(whole, count, np.random.RandomState(seed))
    rng = np.random.RandomState(seed)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:count] for label in range(3)])
    np.testing.assert_array_equal(few.x_train.ravel(), chosen)
    np.testing.assert_array_equal(few.y_train, np.repeat([0, 1, 2], count))
    assert few.x_test is whole.x_test
    assert (few.name, few.n_classes, few.origin) == (whole.name, whole.n_classes, whole.origin)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (2, "toy: class 1 has 1 training samples, not 2; lower count"),
        (0, "count must be a whole number of at least 1, got 0"),
    ],
)
def test_a_subset_that_cannot_be_had_is_refused(count, sentence):
    with pytest.raises(ms.errors.InputError, match=sentence):
        ms.subset_per_class(dataset(), count, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("targets", "masks", "sentence"),
    [
        (np.zeros((4, 3)), {}, r"numbers to predict must be \(samples, outputs\) or .* with 2 outputs, got \(4, 3\)"),
        (np.full((4, 2), np.nan), {}, "a train target is nan or inf"),
        (np.zeros((4, 5), int), {"mask_train": np.ones(4)}, r"mask_train must be \(4, 5\), numbers of at least 0"),
        (np.zeros((4, 2)), {"mask_test": -np.ones(4)}, r"mask_test must be \(4,\), numbers of at least 0"),
        (np.full((4, 5), 2), {}, r"labels must lie in 0\.\.1 \(2 classes\)"),
    ],
)
def test_targets_of_every_step_and_numbers_are_checked(targets, masks, sentence):
    x = np.zeros((4, 5, 3), np.float32)
    with pytest.raises(ms.UserError, match=sentence):
        ms.Dataset("steps", x, targets, x, targets, 2, **masks)


def test_targets_and_masks_are_turned_like_the_samples():
    x, y = np.zeros((4, 5, 3), np.float32), np.arange(40.0).reshape(4, 5, 2)
    data = ms.Dataset("steps", x, y, x, y, 2, mask_train=np.ones((4, 5)))
    (inputs, (target, mask)), _ = ms.batches(data.x_train, data.targets("train"), 3)
    assert (inputs.shape, target.shape, mask.shape) == ((5, 3, 3), (5, 2, 3), (5, 3))
    assert target[4, 1, 2] == y[2, 4, 1]
    assert data.to_backend().targets("test")[0] is not None
