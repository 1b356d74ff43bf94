"""Files are replaced as a whole, links and modes are kept, and whatever is not a file is refused."""

import errno
import io
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse import checkpoint, files
from minisparse.errors import FileError
from minisparse.files import write_aside
from minisparse.lab import rows

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")


def put(path, text):
    write_aside(path, lambda file: file.write(text))


def test_a_file_is_written_where_no_folder_was_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "folder" / "a"
    put(path, b"one")
    put(path, b"two")
    assert path.read_bytes() == b"two"
    assert [file.name for file in path.parent.iterdir()] == ["a"]


@posix
def test_a_link_stays_a_link_and_what_it_leads_to_is_written(tmp_path):
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.parent.mkdir()
    for name in ("there/target", "there/missing"):
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        put(link, b"new")
        assert link.is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"
        assert not (tmp_path / name).is_symlink()
    link.unlink()
    link.symlink_to("link")
    with pytest.raises(FileError, match="link cannot be written"):
        put(link, b"")


@posix
def test_a_file_keeps_its_mode(tmp_path):
    path = tmp_path / "a"
    for mode in (0o600, 0o640, 0o755):
        put(path, b"old")
        path.chmod(mode)
        put(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_what_is_no_regular_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(FileError, match=rf"{name} cannot be written \(it is no regular file\)"):
            put(tmp_path / name, b"")
    with pytest.raises(FileError, match=r"^/dev/null cannot be written"):
        put("/dev/null", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_many_writers_of_one_file_leave_one_of_their_texts(tmp_path):
    texts = [bytes([65 + k]) * 50_000 for k in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda k: put(tmp_path / "a", texts[k % 4]), range(24)))
    assert (tmp_path / "a").read_bytes() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_path_may_begin_with_the_home_folder_and_what_can_be_none_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    put("~/here/a", b"one")
    assert (tmp_path / "here" / "a").read_bytes() == b"one"
    for path in ("~no-such-user/a", "a\0b", "\ud800"):
        with pytest.raises(FileError, match="can be no path"):
            put(path, b"")


def test_a_reader_that_has_the_file_open_on_windows_is_waited_for(tmp_path, monkeypatch):
    calls, replace = [], files.Path.replace

    def held(self, target):
        calls.append(target)
        if len(calls) < 3:
            raise PermissionError(13, "in use")
        return replace(self, target)

    aside, target = tmp_path / "aside", tmp_path / "a"
    aside.write_bytes(b"new")
    monkeypatch.setattr(type(aside), "replace", held)
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    monkeypatch.setattr(files, "POSIX", False)
    files._replace(aside, target)
    assert (len(calls), target.read_bytes()) == (3, b"new")


class Failing:
    """Lets so many calls of the system through, then fails one: a write in the middle, as on a full disk."""

    CALLS = ((os, "fsync"), (os, "open"), (os, "close"), (Path, "replace"), (Path, "chmod"), (Path, "mkdir"))

    def __init__(self, monkeypatch, left):
        self.left, self.failed = left, ""
        for place, name in self.CALLS:
            monkeypatch.setattr(place, name, self.wrapped(name, getattr(place, name)))
        monkeypatch.setattr(files, "open", self.opened, raising=False)

    def count(self, name):
        self.left -= 1
        if self.left == -1:
            self.failed = name
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def wrapped(self, name, call):
        def run(*given, **named):
            self.count(name)
            return call(*given, **named)

        return run

    def opened(self, path, mode):
        self.count("open aside")
        failing = self

        class Raw(io.FileIO):
            def write(self, content):
                if failing.left == 0:
                    super().write(bytes(content)[: len(content) // 2])
                failing.count("write")
                return super().write(content)

        return io.BufferedWriter(Raw(path, mode), 64)


def trained(seed):
    """What the three kinds of files hold, of one seed or another."""
    model = ms.RNN(2, ms.bernoulli(4, 4, 0.5, rng=seed), 3)
    params, opt = model.init(rng=seed), ms.Adam()
    return model, params, opt, [{"part": "note", "x": seed}] * 20


def saved_checkpoint(path, seed):
    model, params, opt, _ = trained(seed)
    checkpoint.save(path, model, params, opt)


def saved_model(path, seed):
    ms.save_model(path, *trained(seed)[:2])


def saved_rows(path, seed):
    rows.write(path, trained(seed)[3])


@posix
@pytest.mark.parametrize("save", [saved_checkpoint, saved_model, saved_rows])
def test_whatever_call_fails_the_old_file_or_the_new_one_is_there(save, tmp_path):
    path, failed = tmp_path / "a.npz", []
    save(path, 1)
    new = path.read_bytes()
    save(path, 0)
    old = path.read_bytes()
    assert new != old
    for left in range(500):
        with pytest.MonkeyPatch.context() as monkeypatch:
            failing = Failing(monkeypatch, left)
            said = ""
            try:
                save(path, 1)
            except FileError as error:
                said = str(error)
        assert bool(said) == bool(failing.failed)
        assert not said or said.startswith(f"{path} cannot be written")
        assert path.read_bytes() in (old, new), failing.failed
        assert [file.name for file in tmp_path.iterdir()] == ["a.npz"], failing.failed
        if not failing.failed:
            break
        failed.append(failing.failed)
        save(path, 0)
    assert path.read_bytes() == new
    assert {"open aside", "chmod", "write", "fsync", "replace"} <= set(failed)


@posix
def test_a_full_disk_in_a_training_leaves_the_last_checkpoint(tmp_path):
    path, draw = tmp_path / "run.npz", np.random.default_rng(0)
    x, y = draw.random((20, 3, 2)).astype(np.float32), draw.integers(0, 3, 20)
    data = ms.Dataset("noise", x, y, x, y, 3)

    def train(epochs, resume):
        model, params, opt, _ = trained(0)
        ms.fit(model, params, opt, data, epochs, rng=0, batch_size=5, checkpoint=path, resume=resume, quiet=True)
        return params

    expected = train(3, resume=False)
    path.unlink()
    train(1, resume=False)
    with pytest.MonkeyPatch.context() as patched:
        Failing(patched, 9)
        with pytest.raises(FileError, match="cannot be written"):
            train(3, resume=True)
    found = train(3, resume=True)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
