"""CIFAR, COIL-100 and Sleep, and the formats they come in; the files are made here, except where a test says so."""

import gzip
import hashlib
import io
import tarfile
import tracemalloc

import numpy as np
import pytest

import minisparse as ms
from minisparse.data import formats, sources, unpack
from minisparse.errors import FileError

CIFAR = [("cifar10", 1, 10), ("cifar100", 2, 100)]


def records(count, label_bytes, classes, seed=0):
    """The content of a CIFAR file, and its images (samples, channel, row, column) and labels."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 3072), np.uint8)
    labels = np.arange(count) % classes
    coarse = np.full((count, label_bytes - 1), 255)
    content = np.column_stack([coarse, labels, pixels]).astype(np.uint8).tobytes()
    return content, pixels.reshape(count, 3, 32, 32), labels


def cifar_files(name):
    """The files of a data set of 4 samples a training file and 3 for testing."""
    known = sources.CIFAR[name]
    files = {f: records(4, known.label_bytes, known.classes, i)[0] for i, f in enumerate(known.train)}
    return files | {known.test: records(3, known.label_bytes, known.classes, 9)[0]}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def tar(members):
    """The content of a ``.tar.gz``; a member that is no bytes is a link to what it names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            else:
                info.type, info.linkname = tarfile.SYMTYPE, content
            archive.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return out.getvalue()


def refused(sentence, call, *args, **options):
    with pytest.raises(FileError, match=sentence) as error:
        call(*args, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("sub", [True, False], ids=["own folder", "flat"])
@pytest.mark.parametrize(("name", "label_bytes", "classes"), CIFAR)
def test_cifar_is_read_row_by_row(tmp_path, name, label_bytes, classes, sub, recwarn):
    known = sources.CIFAR[name]
    write(tmp_path / name / known.folder if sub else tmp_path / name, cifar_files(name))
    loaded = ms.load(name, root=tmp_path)
    assert not recwarn.list
    assert (loaded.origin, loaded.n_classes, loaded.sample_shape) == ("unverified copy", classes, (32, 96))
    assert loaded.x_train.dtype == loaded.x_test.dtype == np.float32
    train = [records(4, label_bytes, classes, i) for i in range(len(known.train))]
    for x, y, parts in (
        (loaded.x_train, loaded.y_train, train),
        (loaded.x_test, loaded.y_test, [records(3, label_bytes, classes, 9)]),
    ):
        images = np.concatenate([part[1] for part in parts])
        assert y.tolist() == [int(label) for part in parts for label in part[2]]
        assert y.dtype == np.int64
        for channel in range(3):
            expected = (images[:, channel] / 255 - 0.5) / 0.5
            np.testing.assert_allclose(x[:, :, 32 * channel : 32 * channel + 32], expected, atol=1e-6)
        assert x.min() == -1
        assert x.max() == 1


@pytest.mark.parametrize(("name", "label_bytes", "classes"), CIFAR)
@pytest.mark.parametrize("fault", ["empty", "cut", "longer", "label"])
def test_a_cifar_file_that_does_not_fit_is_refused(tmp_path, name, label_bytes, classes, fault):
    size, files = label_bytes + 3072, cifar_files(name)
    file = sources.CIFAR[name].test
    content = bytearray(files[file])
    content[size + label_bytes - 1] = classes
    content, sentence = {
        "empty": (b"", f"{file} has 0 bytes, which is no multiple of the {size} of a record; it is truncated"),
        "cut": (files[file][:-1], f"{file} has {3 * size - 1} bytes, which is no multiple of the {size}"),
        "longer": (files[file] + b"\0", f"{file} has {3 * size + 1} bytes, which is no multiple"),
        "label": (content, f"{file} has the label {classes} in record 1, but labels lie in 0..{classes - 1}; it is"),
    }[fault]
    write(tmp_path / name, files | {file: bytes(content)})
    refused(sentence, ms.load, name, root=tmp_path)


def test_a_batch_file_that_lost_whole_records_is_refused(tmp_path):
    files = cifar_files("cifar10")
    write(tmp_path / "cifar10", files | {"data_batch_4.bin": files["data_batch_4.bin"][: 2 * 3073]})
    refused(r"data_batch_4.bin has 2 records but data_batch_1.bin has 4; one is", ms.load, "cifar10", root=tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_official_archive_does_instead_of_its_files(tmp_path, name, monkeypatch, recwarn):
    known, files = sources.CIFAR[name], cifar_files(name)
    packed = tar({f"{known.folder}/readme.html": b"x", **{f"{known.folder}/{f}": c for f, c in files.items()}})
    write(tmp_path / "packed" / name, {known.archive: packed})
    write(tmp_path / "plain" / name, files)
    copy, plain = (ms.load(name, root=tmp_path / folder) for folder in ("packed", "plain"))
    assert copy.origin == plain.origin == "unverified copy"
    for part in ("x_train", "y_train", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(copy, part), getattr(plain, part))
    monkeypatch.setitem(sources.CIFAR, name, known._replace(archive_md5=hashlib.md5(packed).hexdigest()))
    assert ms.load(name, root=tmp_path / "packed").origin == "official"
    assert not recwarn.list
    assert [path.name for path in (tmp_path / "packed").rglob("*")] == [name, known.archive], "nothing is unpacked"


def test_the_coarse_classes_are_the_first_label_of_a_record(tmp_path):
    files, pixels = {}, bytes(3072)
    for file, count in (("train.bin", 4), ("test.bin", 3)):
        files[file] = b"".join(bytes([19 - k, 50 + k]) + pixels for k in range(count))
    write(tmp_path / "cifar100", files)
    coarse, fine = (ms.load(name, root=tmp_path) for name in ("cifar100-coarse", "cifar100"))
    assert (coarse.n_classes, coarse.y_train.tolist()) == (20, [19, 18, 17, 16])
    assert (fine.n_classes, fine.y_train.tolist()) == (100, [50, 51, 52, 53])
    write(tmp_path / "cifar100", {"test.bin": bytes([20, 1]) + pixels})
    refused("test.bin has the label 20 in record 0, but labels lie in 0..19", ms.load, "cifar100-coarse", root=tmp_path)


def test_an_archive_is_read_by_exact_names_of_regular_files():
    members = {"a/wanted": b"1", "b/wanted": b"2", "wanted.txt": b"3", "link": "a/wanted", "../../up": b"4"}
    assert formats.parse_archive(tar(members), "some.tar.gz", ["up", "wanted"]) == [b"4", b"1"]
    for name in ("link", "want", "Wanted", "a/wanted"):
        refused(
            f"some.tar.gz holds no file {name}; it is another",
            formats.parse_archive,
            tar(members),
            "some.tar.gz",
            [name],
        )


def test_a_damaged_or_huge_archive_is_refused(monkeypatch):
    whole = tar({"wanted": b"1" * 5000})
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    half = gzip.compress(gzip.decompress(whole)[:2000])
    for content in (whole[:-10], whole[:3], b"", b"<html>", bytes(flipped), half, gzip.compress(b"no tar" * 200)):
        refused(
            "^some.tar.gz (cannot be read|holds no|is a web page)",
            formats.parse_archive,
            content,
            "some.tar.gz",
            ["wanted"],
        )
    monkeypatch.setattr(formats, "LARGEST_ARCHIVE", len(gzip.decompress(whole)) - 1)
    refused("unpacks to more than .* bytes", formats.parse_archive, whole, "some.tar.gz", ["wanted"])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", r"data_batch_1.bin \(or cifar-10-binary.tar.gz\)"),
        ("cifar100", r"train.bin \(or cifar-100-binary.tar.gz\)"),
        ("coil100", "coil100.npz"),
        ("sleep", "Sleep_TRAIN.ts"),
    ],
)
def test_what_is_missing_is_named_with_the_folders_searched(tmp_path, name, file):
    sentence = refused(f"^{file} was not found in ", ms.load, name, root=tmp_path, download=True)
    assert str(tmp_path / name) in sentence
    assert "name their folder with --data-dir or MINISPARSE_DATA" in sentence


def test_one_missing_cifar_file_is_named(tmp_path):
    files = cifar_files("cifar10")
    del files["data_batch_3.bin"]
    write(tmp_path / "cifar10", files)
    refused("^data_batch_3.bin ", ms.load, "cifar10", root=tmp_path)


def coil(folder, n=720, **changed):
    """Write a copy of COIL-100 with n images, and return them."""
    images = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), np.uint8)
    arrays = {"images": images, "labels": np.arange(n) % 100 + 1, **changed}
    (folder / "coil100").mkdir(exist_ok=True)
    np.savez(folder / "coil100" / "coil100.npz", **{key: value for key, value in arrays.items() if value is not None})
    return images


def test_coil_is_split_at_random_in_the_same_way_every_time(tmp_path):
    images = coil(tmp_path)
    first, again = ms.load("coil100", root=tmp_path), ms.load("coil100", root=tmp_path)
    assert (len(first.y_train), len(first.y_test), first.sample_shape) == (576, 144, (32, 96))
    assert (first.n_classes, first.origin, first.x_train.dtype) == (100, "32 x 32 copy", np.float32)
    np.testing.assert_array_equal(first.x_train, again.x_train)
    order = np.random.default_rng(0).permutation(720)
    for x, y, rows in ((first.x_test, first.y_test, order[:144]), (first.x_train, first.y_train, order[144:])):
        planes = np.concatenate([images[rows, :, :, channel] for channel in range(3)], axis=2)
        np.testing.assert_array_equal(x, planes.astype(np.float32) / 255)
        np.testing.assert_array_equal(y, rows % 100)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"labels": None}, "coil100.npz is of another kind .it holds no labels.; name another file"),
        ({"labels": np.array([{}] * 720)}, "coil100.npz is of another kind .*something else than numbers"),
        ({"labels": np.arange(720)}, "should have labels 1..100, one per image, but has others"),
        ({"labels": np.arange(1, 10)}, r"labels \(9,\) of int64; it should have"),
        ({"labels": np.ones(720)}, r"labels \(720,\) of float64; it should have"),
        ({"images": np.zeros((720, 3, 32, 32), np.uint8)}, r"images \(720, 3, 32, 32\) of uint8"),
        ({"images": np.zeros((720, 32, 32, 3))}, "of float64 and labels"),
    ],
)
def test_a_coil_file_that_does_not_fit_is_refused(tmp_path, changed, sentence):
    coil(tmp_path, **changed)
    refused(sentence, ms.load, "coil100", root=tmp_path)


def test_a_damaged_coil_file_is_refused(tmp_path):
    coil(tmp_path)
    path = tmp_path / "coil100" / "coil100.npz"
    whole = path.read_bytes()
    for content in (whole[:-20], whole[: len(whole) // 2], b"", b"<html>", whole[:1000] + b"xx" + whole[1002:]):
        path.write_bytes(content)
        refused(f"{path} is (damaged|of another kind|a web page)", ms.load, "coil100", root=tmp_path)


def test_what_unpacks_to_more_than_the_official_files_is_refused_by_its_size(tmp_path, monkeypatch):
    (tmp_path / "coil100").mkdir()
    np.savez_compressed(tmp_path / "coil100" / "coil100.npz", images=np.zeros(2**26, np.uint8), labels=np.ones(1, int))
    tracemalloc.start()
    refused(r"coil100.npz is of another kind .its arrays would take \d+ bytes", ms.load, "coil100", root=tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    refused(r"a.gz unpacks to more than 10 bytes", unpack.unpacked, gzip.compress(bytes(11)), "a.gz", 10)
    assert unpack.unpacked(gzip.compress(bytes(10)), "a.gz", 10) == bytes(10)
    monkeypatch.setattr(sources, "LARGEST_IDX", 1000)
    for name, content in ((".gz", gzip.compress(bytes(5000))), ("", bytes(5000))):
        folder = tmp_path / f"idx{name}"
        write(folder / "mnist", {f"{file}{name}": content for file in sources.IDX_FILES})
        refused("(unpacks to|bytes,) more than 1000", ms.load, "mnist", root=folder)


@pytest.mark.slow
def test_the_real_copy_of_coil_has_the_published_sizes():
    if not any((folder / "coil100" / "coil100.npz").is_file() for folder in ms.data.folders()):
        pytest.skip("MINISPARSE_DATA does not name a folder with coil100/coil100.npz")
    loaded = ms.load("coil100")
    assert (loaded.x_train.shape, loaded.x_test.shape) == ((5764, 32, 96), (1436, 32, 96))
    counts = np.bincount(np.concatenate([loaded.y_train, loaded.y_test]))
    assert counts.tolist() == [72] * 100
    assert loaded.x_train.min() == 0
    assert loaded.x_train.max() <= 1
