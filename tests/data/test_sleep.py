"""The sleep series: read from its text files, pooled and split as published."""

import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minisparse as ms
from minisparse.data import formats, sources
from minisparse.errors import FileError

HEADER = "# made for a test\n\n@problemName Tiny\n@univariate {}\n@equalLength true\n@classLabel true {}\n@data\n"


def text(series, labels):
    """The text of a ``.ts`` file of series (samples, time, channels)."""
    lines = [
        ":".join([*(",".join(map(repr, c)) for c in x.T.tolist()), y]) for x, y in zip(series, labels, strict=True)
    ]
    header = HEADER.format(str(series.shape[2] == 1).lower(), " ".join(sorted(set(labels))))
    return header + "\n".join(lines) + "\n"


def made(n, time, channels, seed=0):
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(n, time, channels)) * 10.0 ** rng.integers(-8, 8, (n, 1, 1))
    return series, [str(label) for label in rng.integers(1, 6, n)]


@given(st.integers(1, 50) | st.integers(254, 515), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_what_was_written_is_read(tmp_path_factory, n, time, channels, seed):
    series, labels = made(n, time, channels, seed)
    path = tmp_path_factory.mktemp("ts") / "a.ts"
    path.write_text(text(series, labels), encoding="utf-8")
    found, found_labels = formats.read_ts(path)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, series.astype(np.float32))
    assert found_labels.tolist() == labels


@pytest.mark.parametrize("channels", [1, 3])
def test_aeon_reads_the_same(tmp_path, channels):
    reader = pytest.importorskip("aeon.datasets", reason="aeon is not installed: the reference reader of .ts files")
    series, labels = made(70, 6, channels)
    path = tmp_path / "a.ts"
    path.write_text(text(series, labels), encoding="utf-8")
    expected, expected_labels = reader.load_from_ts_file(str(path))
    found, found_labels = formats.read_ts(path)
    np.testing.assert_array_equal(found, expected.transpose(0, 2, 1).astype(np.float32))
    assert found_labels.tolist() == expected_labels.tolist()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("@data\n1,2:a\n1,2,3:a\n", "line 3 has 3 values in 1 channels, the first series 2 in 1; only series of equal"),
        ("@data\n1,2:a\n1,2:1,2:a\n", "line 3 has 2 values in 2 channels, the first series 2 in 1"),
        ("@data\n1,2:1,2,3:a\n", r"line 2 has channels of different lengths \(2, 3\)"),
        ("@data\n1,?:a\n", r"line 2 has '\?' where a finite number should be; missing values are not read"),
        ("@data\n1,nan:a\n", "line 2 has 'nan' where"),
        ("@data\n1,1e39:a\n", "line 2 has '1e39' where"),
        ("@data\n# note\n\n1,:a\n", "line 4 has '' where"),
        ("@data\n1,x2:a\n", "line 2 has 'x2' where"),
        ("@data\n1,1_0:a\n", "line 2 has '1_0' where"),
        ("@data\n(0,1),(1,2):a\n", r"line 2 has '\(0', a value with its time; write the values alone"),
        ("@timeStamps true\n@data\n(0,1):a\n", "line 1 says '@timeStamps true': series with a time for each value"),
        ("@classLabel false\n@data\n1,2\n", "line 1 says '@classLabel false': series without labels are not read"),
        ("\xef\xbb\xbf<html>", "is a web page: fetch it again"),
        ("@data\n1,2\n", "line 2 has no label after a last ':'; add it, or drop the series"),
        ("@data\n1,2:\n", "line 2 has no label"),
        ("@data\n1,2:3,4\n", "line 2 has no label"),
        ("@problemName a\n1,2:a\n", "line 2 is no header but comes before @data; add the line @data"),
        ("<html>not found</html>", "is a web page: fetch it again"),
        ("@problemName a\n", "line 1 is the last, and there was no line @data; the file is truncated"),
        ("# a\n@DATA\n", "line 2 is the last, and there was no series after @data"),
        ("", "line 0 is the last, and there was no line @data"),
        ("@data\n\xff\xfe\x00:a\n", "line 2 has '.*' where"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_file_and_line(tmp_path, content, sentence):
    path = tmp_path / "a.ts"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(FileError, match=f"a.ts {sentence}") as refused:
        formats.read_ts(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_line_without_an_end_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "LONGEST_LINE", 20)
    path = tmp_path / "a.ts"
    path.write_text("@data\n" + "1," * 50)
    with pytest.raises(FileError, match="line 2 has no label"):
        formats.read_ts(path)
    with pytest.raises(FileError, match=r"cannot be read .*; check the path"):
        formats.read_ts(tmp_path / "b.ts")


def test_the_published_split_is_drawn_row_for_row():
    train, test = sources.sleep_split(569_100)
    assert (len(train), len(test)) == (398_370, 170_730)
    assert test[:5].tolist() == [9262, 460155, 530996, 453258, 235371]
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(569_100))


@pytest.fixture
def sleep(tmp_path):
    """Write the two files; return the series and labels, pooled."""
    parts = [made(30, 4, 1, 0), made(10, 4, 1, 1)]
    (tmp_path / "sleep").mkdir()
    for file, part in zip(sources.SLEEP_FILES, parts, strict=True):
        path = tmp_path / "sleep" / file
        path.write_text(text(*part))
        os.utime(path, (1e9, 1e9))
    return np.concatenate([x for x, _ in parts]).astype(np.float32), np.array([int(y) for _, ys in parts for y in ys])


def check(loaded, series, labels):
    train, test = sources.sleep_split(len(labels))
    for part, rows in (("train", train), ("test", test)):
        np.testing.assert_array_equal(getattr(loaded, f"x_{part}"), series[rows])
        np.testing.assert_array_equal(getattr(loaded, f"y_{part}"), labels[rows] - labels.min())


def test_sleep_pools_its_files_and_splits_them_anew(tmp_path, sleep):
    loaded = ms.load("sleep", root=tmp_path)
    assert (loaded.sample_shape, len(loaded.y_test), loaded.n_classes) == ((4, 1), 12, 5)
    assert (loaded.origin, loaded.x_train.dtype, loaded.y_train.dtype) == ("unverified copy", np.float32, np.int64)
    check(loaded, *sleep)


def test_sleep_is_cached_until_its_files_change(tmp_path, sleep, monkeypatch):
    series, labels = sleep
    folder, reads, read_ts = tmp_path / "sleep", [], formats.read_ts
    monkeypatch.setattr(sources, "read_ts", lambda path: reads.append(path.name) or read_ts(path))

    def load():
        reads.clear()
        check(ms.load("sleep", root=tmp_path), series, labels)
        return len(reads)

    assert [load(), load()] == [2, 0]
    assert sorted(path.name for path in folder.iterdir()) == [*sorted(sources.SLEEP_FILES), "sleep.npz"]
    whole = (folder / "sleep.npz").read_bytes()
    for content in (whole[:-30], b"", b"<html>"):
        (folder / "sleep.npz").write_bytes(content)
        assert [load(), load()] == [2, 0]
    os.utime(folder / sources.SLEEP_FILES[0])
    assert load() == 0, "its content is what counts"
    path = folder / sources.SLEEP_FILES[1]
    path.write_text(path.read_text() + "# a comment\n")
    os.utime(path, (1e9, 1e9))
    assert [load(), load()] == [2, 0]
    (folder / "sleep.npz").unlink()

    def refuse(path, write):
        raise FileError(f"{path} cannot be written")

    monkeypatch.setattr(sources, "write_aside", refuse)
    assert [load(), load()] == [2, 2], "where nothing can be written there is no cache"


def test_an_older_file_of_equal_size_and_an_altered_cache_are_noticed(tmp_path, sleep):
    folder = tmp_path / "sleep"
    first = ms.load("sleep", root=tmp_path)
    with np.load(folder / "sleep.npz") as file:
        kept = {name: file[name] for name in file.files}
    np.savez(folder / "sleep.npz", **{**kept, "series": kept["series"] + 1})
    np.testing.assert_array_equal(ms.load("sleep", root=tmp_path).x_train, first.x_train)
    path = folder / sources.SLEEP_FILES[0]
    old, (start, values) = path.read_text(), path.read_text().split("@data\n")
    digit = re.search("[1-9]", values)
    values = values[: digit.start()] + ("2" if digit[0] == "1" else "1") + values[digit.end() :]
    path.write_text(f"{start}@data\n{values}")
    assert path.stat().st_size == len(old)
    os.utime(path, (1e9, 1e9))
    again = ms.load("sleep", root=tmp_path)
    assert any(not np.array_equal(getattr(again, part), getattr(first, part)) for part in ("x_train", "x_test"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("@data\n1,2,3,4:W\n", "Sleep_TEST.ts should have whole numbers for labels .*'W'"),
        (
            "@data\n1,2,3:1\n",
            r"Sleep_TRAIN.ts has series of \(time, channels\) \(4, 1\) but .*Sleep_TEST.ts of \(3, 1\)",
        ),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path, sleep, content, sentence):
    (tmp_path / "sleep" / sources.SLEEP_FILES[1]).write_text(content)
    with pytest.raises(FileError, match=sentence):
        ms.load("sleep", root=tmp_path)
    assert not (tmp_path / "sleep" / "sleep.npz").exists()


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    path = tmp_path / "a.ts"
    path.write_bytes(b"\xef\xbb\xbf@problemName a\n@timeStamps false\n@classLabel true 1 2\n@data \n1,2:1\n")
    series, labels = formats.read_ts(path)
    assert (series.shape, labels.tolist()) == ((1, 2, 1), ["1"])
