"""A run is resumed only as the run that it was: with its hooks, their settings and place, its data and its loss."""

import dataclasses
import json
import os

import numpy as np
import pytest
from helpers.runs import TOY, Run, X, Y

import minisparse as ms
from minisparse import checkpoint, evolve

SIGNS = np.array([[1], [1], [1], [-1], [-1], [1], [1]])


def other_hinge(output, target):
    return ms.softmax_cross_entropy(output, target)


def fit(path, epochs=2, **settings):
    """Fit a small network with a checkpoint; a run that goes on is `Run` made anew."""
    return Run("csr").fit(epochs, checkpoint=path, resume=True, **{"after_step": [], **settings})


CHANGES = {
    "signs": ({"after_step": [ms.Dale(SIGNS)]}, {"after_step": [ms.Dale(-SIGNS)]}, "after_step 1, Dale, signs is"),
    "share": ({"after_step": [ms.SET(0.3)]}, {"after_step": [ms.SET(0.9)]}, "after_step 1, SET, schedule.fraction is"),
    "moment": (
        {"after_step": [ms.SET(0.3)]},
        {"after_epoch": [ms.SET(0.3)]},
        r"after_epoch is \[\], here it is \['SET",
    ),
    "order": (
        {"after_step": [ms.SET(0.3), ms.ClipNorm(1)]},
        {"after_step": [ms.ClipNorm(1), ms.SET(0.3)]},
        "after_step is",
    ),
    "a hook more": ({}, {"before_step": [ms.ClipNorm(1.0)]}, r"before_step is \[\], here it is \['ClipNorm'\]"),
    "clip": (
        {"before_step": [ms.ClipNorm(1.0)]},
        {"before_step": [ms.ClipNorm(2.0)]},
        "before_step 1, ClipNorm, max_norm is 1",
    ),
    "loss": ({}, {"loss": other_hinge}, "loss is softmax_cross_entropy"),
    "values": (
        {},
        {"dataset": dataclasses.replace(TOY, x_train=TOY.x_train + 1)},
        "values of the data is an array with",
    ),
    "labels": ({}, {"dataset": ms.Dataset("toy", X[:25], 2 - Y[:25], X[25:], Y[25:], 3)}, "values of the data is"),
    "test set": ({}, {"dataset": dataclasses.replace(TOY, x_test=TOY.x_test * 2)}, "values of the data is"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_run_is_refused_by_what_differs(tmp_path, change):
    path = tmp_path / "run.npz"
    before, after, sentence = CHANGES[change]
    fit(path, **before)
    written = path.read_bytes()
    with pytest.raises(ms.UserError, match=f"is of another run: its {sentence}") as caught:
        fit(path, 4, **after)
    assert isinstance(caught.value, ValueError)
    assert len(str(caught.value)) < 500
    assert path.read_bytes() == written
    assert len(fit(path, 4, **before).history) == 5


@pytest.mark.parametrize(
    "change", [("normalise", ms.LpConstant(2), ms.LpConstant(2.0000001)), ("rates", None, {"b_in": 1.0})]
)
def test_settings_of_rules_and_rates_count(tmp_path, change):
    what, one, other = change
    path = tmp_path / "run.npz"

    def start(setting):
        run = Run(**({"normalise": setting} if what == "normalise" else {}))
        run.opt = ms.Adam(lr=0.01, rates=setting if what == "rates" else None)
        return run.fit(2, checkpoint=path, resume=True)

    start(one)
    with pytest.raises(ms.UserError, match=r"is of another (model|optimiser): its (normalise|rates) is"):
        start(other)


@pytest.mark.parametrize(
    ("make", "counts"),
    [
        (lambda: ms.RigL(every=2), True),
        (lambda: evolve.Hebbian(), True),
        (lambda: ms.Cosine(), True),
        (lambda: ms.SET(0.2), False),
        (lambda: ms.SET(0.2, stop=0.5), True),
        (lambda: ms.RigL(every=2, decay="cosine", stop=9.0), False),
        (lambda: ms.CannistraciHebb(), False),
        (lambda: ms.DeepRewiring(), False),
    ],
)
def test_a_longer_run_is_refused_where_the_length_counts_and_else_is_the_whole_one(tmp_path, make, counts):
    path, whole = tmp_path / "run.npz", Run("csr").fit(4, after_step=[make()])
    fit(path, 2, after_step=[make()])
    if counts:
        with pytest.raises(ms.UserError, match=r"number of epochs, by which \w+ goes, is 2, here it is 4"):
            fit(path, 4, after_step=[make()])
    else:
        assert fit(path, 4, after_step=[make()]).bits() == whole.bits()


def test_a_hook_of_ones_own_is_compared_by_what_it_shows(tmp_path):
    class Push:
        def __init__(self, size):
            self.size, self.log, self._calls = size, [], 0

        def __call__(self, run):
            self._calls += 1
            self.log.append(run.epoch)
            run.params["b_out"] += np.float32(self.size)

    path = tmp_path / "run.npz"
    push = Push(0.5)
    fit(path, after_epoch=[push])
    fit(path, 3, after_epoch=[push])
    with pytest.raises(ms.UserError, match=r"its after_epoch 1, .*Push, size is 0.5, here it is 0.25"):
        fit(path, 4, after_epoch=[Push(0.25)])


def test_what_a_hook_remembers_from_elsewhere_is_forgotten(tmp_path):
    class Count:
        def __init__(self):
            self.state = {}

        def __call__(self, run):
            pass

    path, hook = tmp_path / "run.npz", Count()
    fit(path, after_step=[hook])
    hook.state = {"calls": np.ones(1)}
    fit(path, 3, after_step=[hook])
    assert hook.state == {}


def test_a_hook_that_keeps_no_numbers_is_told_so(tmp_path):
    def fails(run):
        pass

    fails.state = {"names": np.array([{}], object)}
    with pytest.raises(ms.UserError, match="hook0/names is none; keep numbers in a hook's state"):
        fit(tmp_path / "run.npz", after_step=[fails])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("history", [[], [{}], [{"epoch": 1}], "rows", [{"epoch": 0, "test_loss": None}]])
def test_a_history_that_is_none_is_refused_before_anything_is_changed(tmp_path, history):
    path = tmp_path / "run.npz"
    fit(path)
    signed(path, lambda note: note.update(history=history))
    run = Run("csr")
    before = run.bits()
    with pytest.raises(ms.UserError, match=r"run\.npz (has no whole row of epoch|is no whole state)"):
        run.fit(4, checkpoint=path, resume=True, after_step=[])
    assert run.bits() == before


def signed(path, change):
    """Change the note of a checkpoint, and its hash with it."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "sha256"}
    note = json.loads(str(arrays["note"]))
    change(note)
    arrays["note"] = np.array(json.dumps(note))
    np.savez(path, **arrays, sha256=np.array(checkpoint.digest(arrays)))


def test_a_checkpoint_that_may_not_be_looked_at_is_not_started_over(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    fit(path)
    real = os.stat

    def forbidden(place, *args, **settings):
        if os.fspath(place) == os.fspath(path):
            raise PermissionError(13, "Permission denied")
        return real(place, *args, **settings)

    monkeypatch.setattr(os, "stat", forbidden)
    with pytest.raises(ms.UserError, match=r"cannot be read \(Permission denied\); change the rights"):
        fit(path, 3)


def test_a_checkpoint_of_an_earlier_version_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "run.npz"
    fit(path)
    signed(path, lambda note: note.update(format=1))
    with pytest.raises(ms.UserError, match=r"has format 1, this version reads 2; start again without resume, or use"):
        fit(path, 3)
