"""Files are replaced as a whole, links and modes are kept, and whatever is not a file is refused."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

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
