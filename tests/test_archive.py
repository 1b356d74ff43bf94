"""Archives of arrays: each cause has its own sentence, and no size is believed before it is compared."""

import errno
import io
import os
import zipfile

import numpy as np
import pytest

from minisparse import archive
from minisparse.errors import FileError


def made(path, compress=zipfile.ZIP_STORED, **members):
    """Write an archive whose members are given as bytes, or as arrays."""
    with zipfile.ZipFile(path, "w", compress) as out:
        for name, content in members.items():
            if not isinstance(content, bytes):
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, np.asarray(content))
                content = buffer.getvalue()
            out.writestr(f"{name}.npy", content)
    return path


def header(shape, kind="<f4"):
    """The beginning of an array file that states a shape, without its numbers."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def refused(sentence, path, **settings):
    with pytest.raises(FileError, match=sentence) as caught:
        archive.read_arrays(path, **settings)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < 500
    return text


def test_arrays_come_back_with_type_order_and_room_to_write(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.eye(3, 2, dtype=np.float32)),
        "c": np.int8(3),
    }
    arrays |= {"d": np.array("text"), "e": np.zeros((0, 4), np.int32), "f": np.arange(3, dtype=">i2")}
    np.savez(tmp_path / "a.npz", **arrays)
    found = archive.read_arrays(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype.newbyteorder("=")
        assert found[name].flags.writeable
    assert list(archive.read_arrays(tmp_path / "a.npz", names=["b"])) == ["b"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"is damaged \(it is empty\); fetch it again"),
        (b"<html>", r"is of another kind \(it is no .npz file\); name another file"),
        (b"PK\x03\x04 and no more", "is damaged"),
    ],
)
def test_what_is_no_archive_is_said_to_be_none(tmp_path, content, sentence):
    (tmp_path / "a.npz").write_bytes(content)
    refused(sentence, tmp_path / "a.npz")


def test_folders_pipes_and_missing_files_have_a_sentence_each(tmp_path):
    assert "delete" not in refused("a is a folder; name a file", make(tmp_path / "a"), damaged="delete it")
    refused("b does not exist; look elsewhere", tmp_path / "b", missing="look elsewhere")
    (tmp_path / "file").write_bytes(b"")
    refused("does not exist", tmp_path / "file" / "c")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused("is no regular file; name a file", tmp_path / "pipe")


def make(folder):
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.EACCES, r"cannot be read \(Permission denied\); change the rights of the file"),
        (errno.EMFILE, r"cannot be read \(Too many open files\); close other files, then try again"),
        (errno.EIO, r"cannot be read \(.*\); its content may be whole"),
        (None, "does not fit into memory"),
    ],
)
def test_a_good_file_that_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch, code, sentence):
    def fail(*_, **__):
        raise MemoryError if code is None else OSError(code, os.strerror(code))

    path = made(tmp_path / "a.npz", a=np.arange(3))
    monkeypatch.setattr("builtins.open", fail)
    text = refused(sentence, path, damaged="delete it")
    assert "damaged" not in text
    assert "delete" not in text


@pytest.mark.parametrize("shape", [(2**30,), (2**20, 2**20), (-2, -8), (2**62, 4)])
def test_a_stated_size_is_compared_before_memory_is_taken(tmp_path, shape):
    refused("is damaged", made(tmp_path / "a.npz", a=header(shape) + bytes(16)))


def test_what_would_unpack_to_more_than_it_may_is_refused_by_its_stated_size(tmp_path):
    path = made(tmp_path / "bomb.npz", zipfile.ZIP_DEFLATED, a=np.zeros(2**18, np.uint8))
    assert path.stat().st_size < 2**10
    refused("is of another kind .it is compressed", path)
    refused(r"its arrays would take 262272 bytes, more than the 1000 that they may take", path, largest=1000)
    assert archive.read_arrays(path, largest=2**20)["a"].size == 2**18


def test_a_compressed_array_longer_than_its_archive_says_is_not_unpacked(tmp_path):
    path = made(tmp_path / "liar.npz", zipfile.ZIP_DEFLATED, a=np.zeros(2**18, np.uint8))
    content, size = path.read_bytes(), (2**18 + 128).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (200).to_bytes(4, "little")))
    refused("is damaged", path, largest=1000)


@pytest.mark.parametrize("kind", ["|O", [("x", "<f4")], "<M8[s]"])
def test_only_numbers_and_text_are_read(tmp_path, kind):
    refused("something else than numbers and text", made(tmp_path / "a.npz", a=header((1,), kind) + bytes(16)))


def test_missing_and_doubled_arrays_are_named(tmp_path):
    refused("it holds no x, y", made(tmp_path / "a.npz", a=np.zeros(2)), names=["x", "a", "y"])
    content = made(tmp_path / "b.npz", a=np.zeros(2), b=np.zeros(2)).read_bytes()
    (tmp_path / "b.npz").write_bytes(content.replace(b"b.npy", b"a.npy"))
    refused("holds two arrays of one name", tmp_path / "b.npz")


def test_random_content_is_never_read_and_never_a_traceback(tmp_path):
    rng = np.random.default_rng(0)
    whole = made(tmp_path / "a.npz", a=np.arange(5), b=np.array("text")).read_bytes()
    path = tmp_path / "b.npz"
    for _ in range(100):
        content = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 4)):
            content[place] = rng.integers(256)
        path.write_bytes(content[: rng.integers(len(whole) // 2, len(whole) + 1)])
        try:
            found = archive.read_arrays(path)
        except FileError as error:
            assert len(str(error)) < 500  # noqa: PT017
        else:
            for name in found.keys() & {"a", "b"}:
                np.testing.assert_array_equal(found[name], {"a": np.arange(5), "b": "text"}[name])
