"""Checkpoints: a resumed run is the undisturbed one, bit for bit, and what is damaged or another's is refused."""

import io
import json
import zipfile

import numpy as np
import pytest
from helpers.runs import OPTIMISERS, TOY, Remembers, Run, X, Y
from helpers.saved import signed
from hypothesis import given

import minisparse as ms
from minisparse import testing
from minisparse.checkpoint import FORMAT
from minisparse.files import write_aside


def test_a_legacy_generator_shuffles_too(tmp_path):
    def fit(epochs, **settings):
        run = Run()
        ms.fit(run.model, run.params, run.opt, TOY, epochs, np.random.RandomState(5), 10, quiet=True, **settings)
        return run.params

    whole = fit(4)
    for epochs in (2, 4):
        resumed = fit(epochs, checkpoint=tmp_path / "run.npz", resume=True)
    for name, w in whole.items():
        np.testing.assert_array_equal(resumed[name], w)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("storage", ["dense", "csr"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_run_resumed_twice_is_the_undisturbed_run(tmp_path, storage, optimiser, dtype):
    path = tmp_path / "folder" / "run.npz"
    whole = Run(storage, optimiser, dtype=dtype).fit(7)
    for epochs in (2, 3, 7):
        part = Run(storage, optimiser, dtype=dtype).fit(epochs, checkpoint=path, resume=True)
    assert part.bits() == whole.bits()
    assert [row["epoch"] for row in part.history] == list(range(8))
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_a_hook_with_memory_after_the_epoch_resumes_too(tmp_path):
    def fit(run, epochs, **settings):
        return run.fit(epochs, after_step=[], after_epoch=[lambda state: None, run.memory], **settings)

    path = tmp_path / "run.npz"
    whole = fit(Run(), 5)
    fit(Run(), 3, checkpoint=path)
    assert fit(Run(), 5, checkpoint=path, resume=True).bits() == whole.bits()
    assert whole.memory.state["calls"] == [5]


def test_patience_goes_on_counting_over_a_resume(tmp_path):
    path = tmp_path / "run.npz"
    settings = {"patience": 2, "after_step": []}

    def spoil(run):
        if run.epoch > 2:
            run.params["b_out"] += np.float32(run.epoch) * np.array([[5], [0], [-5]], np.float32)

    whole = Run().fit(9, after_epoch=[spoil], **settings)
    assert len(whole.history) < 9
    for epochs in (3, 9):
        part = Run().fit(epochs, after_epoch=[spoil], checkpoint=path, resume=True, **settings)
    assert part.bits() == whole.bits()
    assert Run().fit(20, after_epoch=[spoil], checkpoint=path, resume=True, **settings).bits() == whole.bits()


def test_a_finished_run_does_nothing_more(tmp_path):
    path = tmp_path / "run.npz"
    done, written = Run().fit(3, checkpoint=path), path.read_bytes()
    again = Run()
    again.memory = Remembers()
    again.fit(3, checkpoint=path, resume=True)
    assert again.bits() == done.bits()
    assert path.read_bytes() == written
    assert again.history == done.history


def test_without_resume_a_checkpoint_is_overwritten(tmp_path):
    path = tmp_path / "run.npz"
    path.write_text("an old file")
    run = Run().fit(1, checkpoint=path)
    assert Run().fit(1, checkpoint=path, resume=True).bits() == run.bits()


def test_resume_without_a_file_starts_anew_and_without_a_name_is_refused(tmp_path):
    assert Run().fit(2, checkpoint=tmp_path / "none.npz", resume=True).bits() == Run().fit(2).bits()
    with pytest.raises(ms.UserError, match="resume=True needs checkpoint="):
        Run().fit(2, resume=True)


def test_a_run_killed_between_two_checkpoints_does_the_epochs_since_again(tmp_path):
    path, kept, killed = tmp_path / "run.npz", [], []

    def last():
        return json.loads(str(np.load(path)["note"]))["history"][-1]["epoch"] if path.exists() else 0

    def watch(run):
        kept.append(last())
        if (run.epoch, run.step) == (4, 1) and not killed:
            killed.append(True)
            raise KeyboardInterrupt

    def fit():
        return Run("csr").fit(5, before_step=[watch], checkpoint=path, checkpoint_every=2, resume=True)

    with pytest.raises(KeyboardInterrupt):
        fit()
    assert fit().bits() == Run("csr").fit(5).bits()
    assert kept == [0] * 6 + [2] * 5 + [2] * 6 + [4] * 3  # an epoch has three steps
    assert last() == 5  # the last one is kept, though 2 does not divide it


def test_a_run_that_stops_early_keeps_its_last_epoch(tmp_path):
    path = tmp_path / "run.npz"
    settings = {"patience": 1, "checkpoint": path, "after_epoch": [spoil]}
    stopped = Run().fit(9, checkpoint_every=5, **settings)
    assert [len(stopped.history), len(Run().fit(9, resume=True, **settings).history)] == [2, 2]


def spoil(run):
    run.params["b_out"] += np.array([[50], [0], [-50]], np.float32)


@pytest.mark.parametrize(
    ("every", "sentence"),
    [
        (0, "checkpoint_every must be a whole number of at least 1, got 0"),
        (1.5, "checkpoint_every must be a whole number of at least 1, got 1.5"),
        ("two", "checkpoint_every must be a whole number of at least 1, got 'two'"),
        (2, "checkpoint_every=2 needs checkpoint=, the file to write"),
    ],
)
def test_a_number_of_epochs_between_checkpoints_that_is_none_is_refused(every, sentence):
    with pytest.raises(ms.UserError, match=sentence):
        Run().fit(2, checkpoint_every=every)


def test_a_checkpoint_is_a_plain_npz_with_values_in_pattern_order(tmp_path):
    files = {}
    for storage in ("dense", "csr"):
        run = Run(storage).fit(1, checkpoint=tmp_path / storage)
        with np.load(tmp_path / storage, allow_pickle=False) as file:
            files[storage] = {name: file[name] for name in file.files}
        weights = run.model.weights["W_rec"]
        np.testing.assert_array_equal(files[storage]["params/W_rec"], weights.values(run.params["W_rec"]))
        np.testing.assert_array_equal(files[storage]["opt/v.W_rec"], weights.values(run.opt.state["v.W_rec"]))
        np.testing.assert_array_equal(files[storage]["pattern/W_rec/indices"], weights.pattern.indices)
        assert not any(array.dtype.hasobject for array in files[storage].values())
    assert files["dense"].keys() == files["csr"].keys()
    assert json.loads(str(files["csr"]["note"]))["storages"] == {"W_rec": "csr"}


def test_a_full_pattern_stores_no_indices(tmp_path):
    model = ms.RNN(3, ms.make_weights(ms.full(5, 5)), 3)
    params = model.init(np.random.default_rng(0))
    ms.save(tmp_path / "full.npz", model, params, ms.Adam())
    with np.load(tmp_path / "full.npz", allow_pickle=False) as file:
        assert "pattern/W_rec/indices" not in file.files
    other = model.copy()
    fresh = model.init(np.random.default_rng(1))
    assert ms.load_checkpoint(tmp_path / "full.npz", other, fresh, ms.Adam()) == []
    assert other.weights["W_rec"].pattern == ms.full(5, 5)
    for name, w in params.items():
        np.testing.assert_array_equal(fresh[name], w)


def test_the_pattern_and_storage_of_the_checkpoint_are_put_in_force(tmp_path):
    path = tmp_path / "run.npz"
    whole = Run("csr").fit(4)
    Run("csr").fit(2, checkpoint=path)
    other = Run("dense")
    indptr, indices, _ = whole.model.weights["W_rec"].pattern.transposed
    other.model.weights["W_rec"] = ms.make_weights(ms.Pattern(indptr, indices, (7, 7)), "dense")
    assert other.fit(4, checkpoint=path, resume=True).bits() == whole.bits()


def refused(run, sentence, error=ValueError, **settings):
    """Resume, and see it refused in one sentence with nothing changed."""
    before, weights = run.bits(), run.model.weights["W_rec"]
    with pytest.raises(ms.UserError, match=sentence) as caught:
        run.fit(4, **{"resume": True, **settings})
    assert isinstance(caught.value, error)
    assert "\n" not in str(caught.value)
    assert run.bits() == before
    assert run.model.weights["W_rec"] is weights


@pytest.mark.parametrize(
    ("other", "settings", "sentence"),
    [
        ({"n": 8}, {}, "is of another model: its n is 7, here it is 8; use another file, or the same settings"),
        ({"activation": "tanh"}, {}, "another model: its activation is relu, here it is tanh"),
        ({"biases": 1}, {}, "another model: its biases is 2, here it is 1"),
        ({"dtype": np.float64}, {}, "another model: its .* is float32, here it is float64"),
        ({"optimiser": "momentum"}, {}, "another optimiser: its beta1 is 0.9, here it is None"),
        ({}, {"batch_size": 5}, "another run: its batch_size is 10, here it is 5"),
        ({}, {"patience": 3}, "another run: its patience is None, here it is 3"),
        (
            {},
            {"dataset": ms.Dataset("other", X[:25], Y[:25], X[25:], Y[25:], 3)},
            "another run: its dataset is toy, here it is other",
        ),
        (
            {},
            {"dataset": ms.Dataset("toy", X[:20], Y[:20], X[25:], Y[25:], 3)},
            "another run: its samples is 25, here it is 20",
        ),
    ],
)
def test_the_checkpoint_of_something_else_is_refused(tmp_path, other, settings, sentence):
    path = tmp_path / "run.npz"
    Run().fit(2, checkpoint=path)
    refused(Run(**other), sentence, checkpoint=path, **settings)


def test_another_learning_rate_is_refused_by_name(tmp_path):
    path = tmp_path / "run.npz"
    Run().fit(2, checkpoint=path)
    run = Run()
    run.opt = ms.Adam(lr=0.02)
    refused(run, "another optimiser: its lr is 0.01, here it is 0.02", checkpoint=path)


@pytest.mark.parametrize(
    "generators",
    [
        {"batches": np.random.RandomState(0)},
        {"batches": np.random.Generator(np.random.MT19937(0))},
        {"shuffling": np.random.default_rng(0)},
    ],
)
def test_generators_of_another_kind_or_name_are_refused(tmp_path, generators):
    path, run = tmp_path / "run.npz", Run()
    ms.save(path, run.model, run.params, run.opt, generators={"batches": np.random.default_rng(0)})
    fresh = Run(seed=5)
    before = fresh.bits()
    states = [str(rng.__getstate__()) for rng in generators.values()]
    with pytest.raises(ms.UserError, match="is of another run"):
        ms.load_checkpoint(path, fresh.model, fresh.params, fresh.opt, generators=generators)
    assert fresh.bits() == before
    assert [str(rng.__getstate__()) for rng in generators.values()] == states


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    Run().fit(1, checkpoint=path)
    monkeypatch.setattr("minisparse.checkpoint.FORMAT", FORMAT + 1)
    refused(Run(), f"has format {FORMAT}, this version reads {FORMAT + 1}; start again", checkpoint=path)


def middle_of(content, name):
    """Where the numbers of an array stand in the file."""
    with zipfile.ZipFile(io.BytesIO(content)) as file, file.open(f"{name}.npy") as member:
        numbers = member.read()[-8:]
    return content.index(numbers, content.index(f"{name}.npy".encode()))


def without(content, name):
    """The same archive without one of its members."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.namelist():
            if member != f"{name}.npy":
                new.writestr(member, old.read(member))
    return out.getvalue()


def arrays_of(content):
    with np.load(io.BytesIO(content)) as file:
        return {name: file[name] for name in file.files}


def all_but(content, *names):
    return {name: array for name, array in arrays_of(content).items() if name not in names}


def archive(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def flipped(content, place, bits=0xFF):
    return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]


DAMAGE = {
    "weights flipped": lambda c: flipped(c, middle_of(c, "params/W_rec")),
    "moments flipped": lambda c: flipped(c, middle_of(c, "opt/v.W_in")),
    "note flipped": lambda c: flipped(c, middle_of(c, "note")),
    "header flipped": lambda c: flipped(c, c.index(b"\x93NUMPY") + 10),
    "length of a header flipped": lambda c: flipped(c, c.index(b"\x93NUMPY", c.index(b"note.npy")) + 8),
    "marked as encrypted": lambda c: flipped(c, c.index(b"PK\x01\x02") + 8, bits=1),
    "half": lambda c: c[: len(c) // 2],
    "last byte missing": lambda c: c[:-1],
    "empty": lambda c: b"",
    "zip without its start": lambda c: b"PK\x03\x04" + c[len(c) // 2 :],
    "a size that it has not": lambda c: c.replace(b"(7, 3), ", b"(9, 9), ", 1),
}
ALTERED = {
    "text": (lambda c: b"epoch 3, loss 0.1\n" * 99, r"is of another kind \(it is no .npz file\); name another file"),
    "no note": (lambda c: without(c, "note"), "is no whole state of this run"),
    "no hash": (lambda c: without(c, "sha256"), "is no whole state of this run"),
    "no pattern": (lambda c: without(c, "pattern/W_rec/indptr"), "was altered after it was written"),
    "no moments": (lambda c: without(c, "opt/m.W_rec"), "was altered after it was written"),
    "a moment missing, signed anew": (
        lambda c: archive(**signed(all_but(c, "opt/m.W_rec"))),
        r"is no whole state of this run \(its optimiser has taken steps, but m\.W_rec is missing\)",
    ),
    "no moment of a parameter, signed anew": (
        lambda c: archive(**signed(all_but(c, "opt/m.b_out", "opt/v.b_out"))),
        r"but m\.b_out is missing",
    ),
    "no number of steps, signed anew": (
        lambda c: archive(**signed(all_but(c, "opt/step"))),
        "but its number of steps is missing",
    ),
    "a pickle in it": (
        lambda c: archive(**arrays_of(c), pickled=np.array([{}], dtype=object)),
        "is of another kind .*something else than numbers and text",
    ),
    "note that is no JSON": (lambda c: archive(note=np.array("{not json")), "is no whole state of this run"),
    "note without format": (lambda c: archive(note=np.array("{}")), "is no whole state of this run"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_by_its_path(tmp_path, damage):
    path = tmp_path / "run.npz"
    Run().fit(2, checkpoint=path)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    refused(Run(), r"run\.npz is damaged \(.*\); delete it to start again", error=OSError, checkpoint=path)


@pytest.mark.parametrize("change", ALTERED)
def test_what_is_whole_but_no_checkpoint_is_not_called_damaged(tmp_path, change):
    path = tmp_path / "run.npz"
    Run().fit(2, checkpoint=path)
    alter, sentence = ALTERED[change]
    path.write_bytes(alter(path.read_bytes()))
    refused(Run(), sentence, error=OSError, checkpoint=path)
    with pytest.raises(ms.UserError) as caught:
        Run().fit(4, resume=True, checkpoint=path)
    assert "delete" not in str(caught.value)


@given(testing.generators())
def test_no_single_flipped_bit_goes_unnoticed(tmp_path_factory, rng):
    # Zip leaves some fields unread (dates, attributes): a file may load, but then with everything as it was saved.
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    if not hasattr(TestedCheckpoint, "content"):
        TestedCheckpoint.whole = Run().fit(1, checkpoint=path)
        TestedCheckpoint.content = path.read_bytes()
    place = rng.integers(len(TestedCheckpoint.content))
    content = bytearray(TestedCheckpoint.content)
    content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    run = Run(seed=5)
    before = run.bits()
    try:
        run.history = ms.load_checkpoint(path, run.model, run.params, run.opt, [run.memory])
    except ms.UserError:
        assert run.bits() == before
    else:
        assert run.bits() == TestedCheckpoint.whole.bits()


class TestedCheckpoint:
    __test__ = False


def test_a_folder_or_a_missing_file_is_no_checkpoint(tmp_path):
    run = Run()
    refused(run, "is a folder; name a file", error=OSError, checkpoint=tmp_path)
    with pytest.raises(ms.UserError, match=r"none\.npz does not exist; check the path"):
        ms.load_checkpoint(tmp_path / "none.npz", run.model, run.params, run.opt)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "run.npz", tmp_path / "file" / "deeper" / "run.npz", tmp_path / "folder"):
        with pytest.raises(
            ms.UserError, match=r"(cannot be written \(.*\)|is no regular file); choose another place"
        ) as caught:
            Run().fit(1, checkpoint=path)
        assert isinstance(caught.value, OSError)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "in the way"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("error", [ValueError, MemoryError, KeyboardInterrupt, OSError])
def test_a_writer_that_fails_leaves_the_old_file_whole(tmp_path, error):
    path = tmp_path / "kept"
    path.write_bytes(b"old")

    def half(file):
        file.write(b"ne")
        raise error("no more")

    with pytest.raises(ms.UserError if error is OSError else error, match="no more"):
        write_aside(path, half)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_aside(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_half_written_file_of_a_killed_run_is_no_checkpoint(tmp_path):
    path = tmp_path / "run.npz"
    Run().fit(2, checkpoint=path)
    (tmp_path / ".run.npz.1-2.part").write_bytes(b"PK half")
    assert len(Run().fit(3, checkpoint=path, resume=True).history) == 4
