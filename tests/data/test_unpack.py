"""What a data file is by its first bytes."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from minisparse.data import formats, unpack
from minisparse.errors import FileError


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<!DOCTYPE html><p>", r"labels\.gz is a web page: fetch it again"),
        (b"\xef\xbb\xbf\n<HTML>", "is a web page"),
        (b"PK\x03\x04...", "is a zip archive: unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7-zip archive: unpack it"),
        (b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS, not the file that it stands for"),
        (b"\x1f\x8b\x08 no gzip", r"cannot be read .*; the file is damaged or truncated: fetch it again"),
    ],
)
def test_what_is_no_data_is_called_what_it_is(content, sentence):
    with pytest.raises(FileError, match=sentence):
        unpack.unpacked(content, Path("labels.gz"), 10**6)


def test_what_begins_as_gzip_is_unpacked_whatever_its_name():
    assert unpack.unpacked(gzip.compress(b"abc"), "labels", 3) == unpack.unpacked(b"abc", "labels.gz", 3) == b"abc"
    unpack.refuse_foreign(b"PK\x03\x04", "a.npz", but=(unpack.ZIP,))


@pytest.mark.parametrize("name", [Path("my/labels-idx1-ubyte"), "labels", "idx", "idx-of-labels", "a.IDX"])
def test_an_idx_file_may_be_called_anything(name):
    content = bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])
    np.testing.assert_array_equal(formats.parse_idx(content, name), [7, 9])
    with pytest.raises(FileError, match=r"ends inside its header|does not start as an IDX file"):
        formats.parse_idx(content[:6], name)
    with pytest.raises(FileError, match="does not start as an IDX file"):
        formats.parse_idx(b"", name)
