"""Files are replaced as a whole, links and modes are kept, and whatever is not a file is refused."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from minisparse import files
from minisparse.errors import FileError
from minisparse.files import write_aside

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
