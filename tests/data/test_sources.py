"""Where data come from: what is wrong is refused in a sentence, what is right is official."""

import gzip
import hashlib
import os
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import minisparse as ms
from minisparse.data import sources


def idx(array):
    """The content of an IDX file of unsigned bytes."""
    array = np.asarray(array, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def tiny_files():
    """The four files of a data set of 12 training and 5 test images of 4 x 3 pixels."""
    rng = np.random.default_rng(0)
    arrays = (
        rng.integers(0, 256, (12, 4, 3)),
        np.arange(12) % 10,
        rng.integers(0, 256, (5, 4, 3)),
        np.arange(5),
    )
    return {name: idx(array) for name, array in zip(sources.IDX_FILES, arrays, strict=True)}


def write(folder, files, packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture
def official(monkeypatch):
    """Let the tiny files be the official MNIST."""
    files = tiny_files()
    monkeypatch.setitem(sources.IDX_SHA256, "mnist", tuple(hashlib.sha256(c).hexdigest() for c in files.values()))
    return files


def test_digits_is_the_same_split_every_time():
    first, again = ms.load("digits"), ms.load("digits")
    assert first.x_train.shape == (1437, 8, 8)
    assert first.x_test.shape == (360, 8, 8)
    assert (first.name, first.n_classes, first.origin, first.sample_shape) == ("digits", 10, "official", (8, 8))
    assert first.x_train.dtype == first.x_test.dtype == np.float32
    assert first.y_train.dtype == first.y_test.dtype == np.int64
    assert (first.x_train.min(), first.x_train.max()) == (0, 1)
    assert np.bincount(first.y_test, minlength=10).min() > 20
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(first, part), getattr(again, part))
    digest = hashlib.sha256((first.x_test * 16).astype(np.uint8).tobytes() + first.y_test.astype(np.uint8).tobytes())
    assert digest.hexdigest()[:16] == "17ad202804506223", "published rows were made with another split"


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    def rows(x, y):
        return sorted(map(tuple, np.column_stack([x.reshape(len(x), -1), y]).astype(int).tolist()))

    digits = ms.load("digits")
    both = rows(16 * np.concatenate([digits.x_train, digits.x_test]), np.concatenate([digits.y_train, digits.y_test]))
    assert both == rows(*load_digits(return_X_y=True))


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_official_files_load_without_a_word(tmp_path, official, packed, recwarn):
    write(tmp_path / "mnist", official, packed)
    mnist = ms.load("mnist", root=tmp_path)
    assert mnist.origin == "official"
    assert not recwarn.list
    assert (mnist.x_train.shape, mnist.x_test.shape) == ((12, 4, 3), (5, 4, 3))
    assert (mnist.x_train.dtype, mnist.y_train.dtype, mnist.n_classes) == (np.float32, np.int64, 10)
    images = np.frombuffer(official[sources.IDX_FILES[0]][16:], np.uint8).reshape(12, 4, 3)
    np.testing.assert_array_equal(mnist.x_train, images.astype(np.float32) / 255)
    assert mnist.y_test.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("changed", sources.IDX_FILES)
def test_other_content_is_labelled_an_unofficial_copy(tmp_path, official, changed):
    content = bytearray(official[changed])
    content[-1] ^= 1
    write(tmp_path / "mnist", official | {changed: bytes(content)})
    with pytest.warns(UserWarning, match="the mnist files are not the official ones; .*'unofficial copy'") as caught:
        copy = ms.load("mnist", root=tmp_path)
    assert copy.origin == "unofficial copy"
    assert caught[0].filename == __file__


IMAGES, LABELS = sources.IDX_FILES[:2]


GOOD = tiny_files()


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        (IMAGES, GOOD[IMAGES][:-1], "has 159 bytes but its header announces 160; it is truncated: fetch it again"),
        (IMAGES, GOOD[IMAGES][:16], "has 16 bytes but its header announces 160; it is truncated"),
        (IMAGES, GOOD[IMAGES][:15], "ends inside its header; the file is truncated: fetch it again"),
        (LABELS, GOOD[LABELS][:4], "ends inside its header"),
        (IMAGES, GOOD[IMAGES][:3], r"\(magic number 000008, expected 00000803\); is it the right file\?"),
        (IMAGES, b"", r"magic number missing, expected 00000803"),
        (IMAGES, GOOD[IMAGES] + b"\0", "announces 160; it is longer than its header says"),
        (IMAGES, GOOD[LABELS], r"an IDX file of 3 axes \(magic number 00000801, expected 00000803\)"),
        (LABELS, GOOD[IMAGES], r"an IDX file of 1 axes \(magic number 00000803, expected 00000801\)"),
        (IMAGES, b"<html>not found</html>", "is a web page: fetch it again"),
        (IMAGES, b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 4), "it is truncated"),
        (LABELS, idx(np.full(12, 10)), r"labels must lie in 0..9 \(10 classes\), found 10 at position 0"),
        (LABELS, idx(np.zeros(11)), "12 train samples but 11 labels"),
        (IMAGES, idx(np.zeros((12, 3, 4))), r"samples are \(3, 4\) in training, \(4, 3\) in test"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, official, file, content, sentence, recwarn):
    for packed in (False, True):
        folder = tmp_path / str(packed)
        write(folder / "mnist", official | {file: content}, packed)
        with pytest.raises(ms.UserError, match=sentence) as refused:
            ms.load("mnist", root=folder)
        assert "\n" not in str(refused.value)


def test_a_damaged_gzip_is_refused_by_its_path(tmp_path, official):
    write(tmp_path / "mnist", official, packed=True)
    path = tmp_path / "mnist" / f"{IMAGES}.gz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (whole[:-10], whole[:12], whole[:3], bytes(flipped), whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(ms.UserError, match=r"cannot be read .* damaged or truncated: fetch it again") as refused:
            ms.load("mnist", root=tmp_path)
        assert isinstance(refused.value, OSError)
        assert str(path) in str(refused.value)


NAMES = {
    "7-zip": lambda name: f"mnist/{name.replace('-idx', '.idx')}",
    "Kaggle": lambda name: f"mnist/{name}/{name}",
    "torchvision": lambda name: f"MNIST/raw/{name}",
    "torchvision, packed": lambda name: f"MNIST/raw/{name}.gz",
    "unpacked, named .gz": lambda name: f"mnist/{name}.gz",
    "packed, not named so": lambda name: f"mnist/{name}",
}


@pytest.mark.parametrize("whose", NAMES)
def test_files_are_found_under_the_names_that_people_have(tmp_path, official, whose):
    for name, content in official.items():
        path = tmp_path / NAMES[whose](name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if "packed" in whose.replace("unpacked", "") else content)
    assert ms.load("mnist", root=tmp_path).origin == "official"


def emnist(name, first, classes, folder="emnist"):
    """The four files of a data set of EMNIST with one bright pixel in the first row, second column."""
    image = np.zeros((4, 28, 28), np.uint8)
    image[:, 1, 0] = 255  # columns come first in these files
    labels = np.array([first, first + 1, first + classes - 1, first])
    contents = {"images-idx3-ubyte": idx(image), "labels-idx1-ubyte": idx(labels)}
    return {f"{folder}/emnist-{name}-{part}-{end}.gz": gzip.compress(content)
            for part in ("train", "test") for end, content in contents.items()}  # fmt: skip


@pytest.mark.parametrize(("name", "first", "classes"), [("letters", 1, 26), ("digits", 0, 10), ("balanced", 0, 47)])
@pytest.mark.parametrize("folder", ["emnist", "emnist/gzip", "EMNIST/raw"])
def test_emnist_is_turned_upright_and_its_classes_count_from_0(tmp_path, name, first, classes, folder, recwarn):
    for file, content in emnist(name, first, classes, folder).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    loaded = ms.load(f"emnist-{name}", root=tmp_path)
    assert (loaded.n_classes, loaded.y_train.tolist()) == (classes, [0, 1, classes - 1, 0])
    assert (loaded.x_train[0, 0, 1], loaded.x_train[0].sum()) == (1, 1)
    assert loaded.origin == "unverified copy"
    assert not recwarn.list


def test_letters_begin_at_1(tmp_path):
    for file, content in emnist("letters", 0, 26).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ms.UserError, match="has the label 0, but labels begin at 1; is it emnist-letters"):
        ms.load("emnist-letters", root=tmp_path)


def test_kmnist_loads_from_files_alone(tmp_path, official):
    write(tmp_path / "kmnist", official, packed=True)
    assert ms.load("kmnist", root=tmp_path).origin == "unverified copy"
    with pytest.raises(ms.UserError, match=r"was not found in .*put the emnist-digits files there, or name"):
        ms.load("emnist-digits", root=tmp_path, download=True)


def test_a_missing_file_is_answered_with_the_folders_and_the_way_to_fetch_it(tmp_path, official, monkeypatch):
    monkeypatch.setenv("MINISPARSE_DATA", str(tmp_path / "named"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ms.UserError, match="was not found") as refused:
        ms.load("mnist")
    for part in (IMAGES, str(tmp_path / "named" / "mnist"), os.path.join("data", "mnist"), "MINISPARSE_DATA"):
        assert part in str(refused.value)
    assert 'minisparse.load("mnist", download=True)' in str(refused.value)
    with pytest.raises(ms.UserError, match="was not found") as refused:
        ms.load("mnist", root=tmp_path / "here")
    assert str(tmp_path / "here" / "mnist") in str(refused.value)
    assert "named" not in str(refused.value)


def test_the_folders_are_searched_in_order_file_by_file(tmp_path, official, monkeypatch):
    names = list(official)
    write(tmp_path / "named" / "mnist", {name: official[name] for name in names[:2]})
    write(tmp_path / "data" / "mnist", {name: official[name] for name in names[2:]} | {names[0]: b"never read"}, True)
    monkeypatch.setenv("MINISPARSE_DATA", str(tmp_path / "named"))
    monkeypatch.chdir(tmp_path)
    assert ms.load("mnist").origin == "official"


def test_an_unknown_name_is_answered_with_the_known_ones():
    known = "digits, mnist, fashion-mnist, kmnist, emnist-letters, emnist-digits, emnist-balanced, cifar10, cifar100, "
    known += "cifar100-coarse, coil100, sleep"
    with pytest.raises(ms.UserError, match=f"data set 'minst' is unknown; choose one of {known}$"):
        ms.load("minst")


def test_the_real_mnist_is_official():
    if "MINISPARSE_DATA" not in os.environ:
        pytest.skip("MINISPARSE_DATA is not set: it names the folder that holds the official MNIST files")
    mnist = ms.load("mnist")
    assert mnist.origin == "official"
    assert (mnist.x_train.shape, mnist.x_test.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert np.bincount(mnist.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (mnist.x_train.min(), mnist.x_train.max()) == (0, 1)


class Mirrors:
    """A web server on this machine: ``pages`` maps a path to its bytes, ``asked`` lists what was requested."""

    def __init__(self):
        self.pages, self.asked = {}, []
        mirrors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                mirrors.asked.append(self.path)
                content = mirrors.pages.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, folder):
        return f"http://127.0.0.1:{self.server.server_port}/{folder}/"

    def serve(self, folder, files):
        self.pages |= {f"/{folder}/{name}.gz": gzip.compress(content) for name, content in files.items()}


@pytest.fixture
def mirrors(monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    served = Mirrors()
    monkeypatch.setitem(sources.MIRRORS, "mnist", (served.url("one"), served.url("two")))
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_missing_files_are_fetched_once(tmp_path, official, mirrors, monkeypatch):
    mirrors.serve("one", official)
    monkeypatch.setenv("MINISPARSE_DATA", str(tmp_path / "new"))
    assert ms.load("mnist", download=True).origin == "official"
    assert sorted(p.name for p in (tmp_path / "new" / "mnist").iterdir()) == sorted(f"{n}.gz" for n in official)
    assert len(mirrors.asked) == 4
    assert ms.load("mnist", download=True).origin == "official"
    assert len(mirrors.asked) == 4, "files in place are not fetched again"


def test_only_what_is_missing_is_fetched(tmp_path, official, mirrors):
    mirrors.serve("one", official)
    names = list(official)
    write(tmp_path / "mnist", {names[0]: official[names[0]]})
    write(tmp_path / "mnist", {names[2]: official[names[2]]}, packed=True)
    assert ms.load("mnist", root=tmp_path, download=True).origin == "official"
    assert mirrors.asked == [f"/one/{names[1]}.gz", f"/one/{names[3]}.gz"]


def test_the_second_mirror_helps_out_when_the_first_fails(tmp_path, official, mirrors):
    other = {name: content[:-1] + bytes([content[-1] ^ 1]) for name, content in official.items()}
    mirrors.serve("one", dict(list(other.items())[:2]))
    mirrors.pages[f"/one/{sources.IDX_FILES[2]}.gz"] = b"no gzip at all"
    mirrors.serve("two", official)
    assert ms.load("mnist", root=tmp_path, download=True).origin == "official"
    assert len(mirrors.asked) == 8
    assert len(list((tmp_path / "mnist").iterdir())) == 4


def test_content_with_another_hash_is_refused_and_leaves_nothing_behind(tmp_path, official, mirrors):
    for folder in ("one", "two"):
        mirrors.serve(folder, official | {IMAGES: official[IMAGES][:-1] + b"\x01"})
    with pytest.raises(ms.UserError, match=f"{IMAGES}.gz could not be fetched") as refused:
        ms.load("mnist", root=tmp_path, download=True)
    for part in (mirrors.url("one"), mirrors.url("two"), "its content has the hash", str(tmp_path / "mnist")):
        assert part in str(refused.value)
    assert not list((tmp_path / "mnist").iterdir())


def test_a_download_that_finds_no_mirror_says_so(tmp_path, official, mirrors):
    mirrors.server.shutdown()
    mirrors.server.server_close()
    with pytest.raises(ms.UserError, match=r"could not be fetched .* put it into .* by hand"):
        ms.load("mnist", root=tmp_path, download=True)
    assert not list(tmp_path.rglob("*.part"))
