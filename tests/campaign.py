"""A campaign of malformed inputs: ``python -m tests.campaign --seed 0 --inputs 10000``, or ``--minutes 2``.

Every input is a valid one that was changed at random. It must be refused in one sentence, or what is made of it must be
sound. A row of `corpora` says how a valid input is made, how it is changed, what is called with it, and what is sound.
Counted are: errors from inside (anything but a `UserError` of one line and 500 letters), results that are not sound,
calls that take ten seconds, the peak of memory, and files written outside the folder of the call.
``--only NAME:NUMBER`` repeats one input and shows its error.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import runpy
import signal
import sys
import tempfile
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))  # as pytest has it

from helpers import saved

import minisparse as ms
from minisparse.data import formats, unpack
from minisparse.lab import cli, cost, page, rows, sweep, verify

ROOT = Path(__file__).resolve().parents[1]
LONGEST_CALL = 10
"""Seconds."""
LARGEST = 200e6
"""Bytes that a call may hold, whatever its input: three times the largest data set that a small corpus stands for."""


class Corpus(NamedTuple):
    """A kind of input."""

    name: str
    make: Callable[[np.random.Generator], Any]
    change: Callable[[np.random.Generator, Any], Any]
    call: Callable[[Any, Path], Any]
    sound: Callable[[Any, Any], bool] = lambda given, result: True


def any_of(rng: np.random.Generator, choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


# Bytes


PIECES = (b"", b"\0", b"\xff" * 4, b"\n", b"@data", b"<html>", b"\x1f\x8b\x08", b"PK\x03\x04", b"nan", b"1e999", b'{"')
PIECES += (b"[" * 5000, b"9" * 5000, b"\xef\xbb\xbf", b"\xff\xfe", b"\\u0000", b":", b",", b"|", b"\r", b"null", b"-1")


def change_bytes(rng: np.random.Generator, content: bytes) -> bytes:
    """Change a few places: a byte, a cut, a piece put in, a part twice, a part left out."""
    for _ in range(rng.integers(1, 4)):
        a, b = sorted(int(k) for k in rng.integers(0, len(content) + 1, 2))
        early = int(min(a, rng.integers(0, 32)))
        kind = rng.integers(7)
        if kind == 0 and content:
            content = content[:early] + bytes([rng.integers(256)]) + content[early + 1 :]
        elif kind == 1 and content:
            content = content[:a] + bytes([rng.integers(256)]) + content[a + 1 :]
        elif kind == 2:
            content = content[:a]
        elif kind == 3:
            content = content[:a] + any_of(rng, PIECES) + content[a:]
        elif kind == 4:
            content = content[:a] + any_of(rng, PIECES) + content[b:]
        elif kind == 5:
            content = content[:b] + content[a:]
        else:
            content = content[:early] + content[early + 1 :]
    return content


def make_idx(rng: np.random.Generator) -> tuple[str, bytes]:
    axes = int(rng.integers(1, 4))
    array = rng.integers(0, 10, rng.integers(1, 6, axes)).astype(np.uint8)
    header = bytes([0, 0, 8, axes]) + np.array(array.shape, ">u4").tobytes()
    return any_of(rng, (f"a-idx{axes}-ubyte", "labels", f"b.idx{axes}-ubyte.gz", "idx")), header + array.tobytes()


def idx_is_sound(given: tuple[str, bytes], result: np.ndarray) -> bool:
    content = unpack.unpacked(given[1], "a", formats.LARGEST_IDX)
    sizes = np.frombuffer(content[4 : 4 + 4 * content[3]], ">u4")
    return (
        content[:3] == b"\0\0\x08"
        and list(result.shape) == list(sizes)
        and result.size + 4 + sizes.nbytes == len(content)
    )


def make_cifar(rng: np.random.Generator) -> tuple[int, bytes]:
    label_bytes = int(rng.integers(1, 3))
    records = rng.integers(0, 10, (2, label_bytes + 3072)).astype(np.uint8)
    return label_bytes, records.tobytes()


def cifar_is_sound(given: tuple[int, bytes], result: tuple) -> bool:
    images, labels = result
    return len(images) == len(labels) == len(given[1]) // (given[0] + 3072) and bool((labels < 10).all())


def make_ts(rng: np.random.Generator) -> bytes:
    series = (":".join(",".join(f"{x:.2f}" for x in rng.standard_normal(3)) for _ in range(2)) for _ in range(3))
    text = "@problemName a\n@timeStamps false\n@classLabel true 1 2\n@data\n"
    return (text + "".join(f"{one}:{k % 2 + 1}\n" for k, one in enumerate(series))).encode()


def read_ts(content: bytes, folder: Path) -> tuple:
    (folder / "a.ts").write_bytes(content)
    return formats.read_ts(folder / "a.ts")


def ts_is_sound(content: bytes, result: tuple) -> bool:
    series, labels = result
    return len(series) == len(labels) > 0 and bool(np.isfinite(series).all()) and all(labels)


def make_npz(rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    images, labels = rng.integers(0, 256, (6, 32, 32, 3)).astype(np.uint8), rng.integers(1, 101, 6)
    wrong: Any = [
        {}, {"labels": labels.astype(float)}, {"labels": labels - 1}, {"images": images[1:]},
        {"labels": labels[:, None]},
        {"images": images.astype(np.float32)}, {"images": images[..., :2]}, {"labels": np.array(["a"] * 6)},
    ]  # fmt: skip
    np.savez(file, **{"images": images, "labels": labels, **any_of(rng, wrong)})
    return file.getvalue()


def load_coil(content: bytes, folder: Path) -> ms.Dataset:
    (folder / "coil100").mkdir(exist_ok=True)
    (folder / "coil100" / "coil100.npz").write_bytes(content)
    return ms.load("coil100", root=folder)


def dataset_is_sound(given: Any, data: ms.Dataset) -> bool:
    y = np.concatenate([data.y_train, data.y_test])
    return 0 <= y.min() <= y.max() < data.n_classes and bool(np.isfinite(data.x_train).all())


# Rows


MADE_BY = {"command": "python chapters/gain.py --seeds 2", "commit": "abc", "backend": "backend: numpy"}


def make_rows(rng: np.random.Generator) -> list[dict]:
    config = {"nodes": 3, "seed": int(rng.integers(9))}
    cell = {"part": "6C", "key": rows.key(config), "config": config, "accuracy": [1.0, 2.5], "seconds": 2.0}
    claim = ms.lab.claims.claim("6C", "it grows", "digits", {"p = 1": [1.0, 2.0]}, "REPRODUCED", "5 %")
    left = ms.lab.claims.not_run("6A", "a drawing", "5", "python chapters/gain.py --paper")
    return [{**row, "made_by": dict(MADE_BY)} for row in (cell, claim, left)]


VALUES = (
    None,
    True,
    -1,
    2.5,
    1e400,
    float("nan"),
    "",
    "a\n| b |",
    "<!-- end -->",
    "`",
    [],
    [None],
    {},
    {"a": 1},
    10**60,
)


VALUES += ("2B", "Table 1", "S5", "x" * 600, "NOT RUN", "REPORTED", "digits", "\\", "</details>", "claim")


def change_rows(rng: np.random.Generator, table: list[dict]) -> bytes:
    """Change an entry, leave one out, or change the bytes."""
    for _ in range(rng.integers(1, 4)):
        row = any_of(rng, table)
        name = any_of(rng, list(row) or [""])
        where = row[name] if isinstance(row.get(name), dict) and row[name] and rng.random() < 0.5 else row
        name = any_of(rng, list(where) or [""])
        if rng.random() < 0.4:
            where.pop(name, None)
        else:
            alike = [value for value in VALUES if type(value) is type(where.get(name))]
            where[name] = any_of(rng, alike if alike and rng.random() < 0.7 else VALUES)
    content = "".join(json.dumps(row) + "\n" for row in table).encode()
    return change_bytes(rng, content) if rng.random() < 0.3 else content


def read_rows(content: bytes, folder: Path) -> tuple:
    """Do with a file of rows what is done with those of the project: read, draw the page, compare, choose cells."""
    (folder / "gain.jsonl").write_bytes(content)
    table = rows.read(folder / "gain.jsonl")
    with mock.patch.object(page, "RESULTS", folder):
        text = "\n".join(page._claims_of("gain", claims)) if (claims := page._recorded()["gain"]) else ""
        text += "\n".join(page._table(("figure", "claim", "paper", "needs"), page._not_run()))
        page._figures("Fruengel & Oberlaender 2025")
    verify.claims_differ("gain", verify._claims(table), table)
    verify.arguments(claims[0]["made_by"]["command"]) if claims else None
    cells = [row for row in table if "key" in row]
    for cell in verify.sample(cells, 2) if cells else ():
        verify.cell_differs("gain", cell, cell)
    return table, text


def rows_are_sound(content: bytes, result: tuple) -> bool:
    """As many rows as lines, and a page whose tables are whole."""
    table, text = result
    broken = [line for line in text.splitlines() if line.startswith("|") and not line.endswith("|")]
    return len(table) == sum(bool(line.strip()) for line in content.split(b"\n")) and not broken and "<!--" not in text


# Checkpoints and model files


class Saved:
    """Files of one kind: bytes are changed, or fields of a valid archive, whose hash is then made anew."""

    def __init__(self, kind: type):
        self.kind, self.whole = kind, b""

    def make(self, rng: np.random.Generator) -> bytes:
        if not self.whole:
            with tempfile.TemporaryDirectory() as folder:
                self.whole = self.kind.written(Path(folder) / "a.npz")
        return self.whole

    def change(self, rng: np.random.Generator, content: bytes) -> bytes:
        if rng.random() < 0.3:
            return change_bytes(rng, content)
        arrays = saved.changed(saved.arrays_of(content), rng)
        file = io.BytesIO()
        np.savez(file, **(saved.signed(arrays) if rng.random() < 0.7 else arrays))
        return file.getvalue()

    def call(self, content: bytes, folder: Path) -> dict:
        (folder / "a.npz").write_bytes(content)
        saved.load_or_leave(self.kind(), folder / "a.npz")
        return saved.arrays_of(content)

    def sound(self, content: bytes, arrays: dict) -> bool:
        """With its hash, and no array of a checkpoint that is missing."""
        whole = saved.arrays_of(self.whole)
        return "sha256" not in whole or arrays["sha256"] == saved.signed(arrays)["sha256"]


# Flags


def chapters() -> dict[str, tuple[tuple, dict]]:
    """Return what each chapter hands to `cli.chapter`."""
    found, real = {}, ms.lab.chapter

    class Enough(Exception):
        pass

    def asked(name: str, *given: Any, **named: Any) -> None:
        found[name] = (name, *given), named
        raise Enough

    try:
        cli.chapter = asked
        for path in sorted((ROOT / "chapters").glob("*.py")):
            with contextlib.suppress(Enough):
                runpy.run_path(str(path), run_name="__main__")
    finally:
        cli.chapter = real
    return found


WORDS = (
    "",
    "0",
    "-1",
    "1",
    "2.5",
    "nan",
    "inf",
    "-inf",
    "1e-400",
    "1e400",
    "99999999999999999999",
    "9" * 5000,
    "--",
    "abc",
)
WORDS += (
    "~",
    "~no-such-user",
    "a\0b",
    "é\udcff",
    "con",
    "x" * 5000,
    "digits",
    "all",
    "0x10",
    "1_000",
    " 3",
    "٣",
    "None",
)
KNOWN = ("--smoke", "--paper", "--resume", "--yes", "--record", "--out", "--nodes", "--density", "--epochs", "--seeds")
KNOWN += (
    "--first-seed",
    "--jobs",
    "--storage",
    "--dataset",
    "--data-dir",
    "--rows",
    "--budget",
    "--lr",
    "--layers",
    "--pairs",
)
KNOWN += (
    "--figure",
    "--sizes",
    "--equals",
    "--numbers",
    "--fraction",
    "--batch",
    "--decay",
    "--between",
    "--epsilon",
    "--few",
)


class Flags:
    """Command lines of the chapters."""

    def __init__(self) -> None:
        self.chapters = chapters()

    def make(self, rng: np.random.Generator) -> tuple[str, list[str]]:
        return any_of(rng, list(self.chapters)), []

    def change(self, rng: np.random.Generator, given: tuple[str, list[str]]) -> tuple[str, list[str]]:
        name, words = given
        for _ in range(rng.integers(1, 4)):
            flag, word = any_of(rng, KNOWN), any_of(rng, WORDS)
            words = [*words, f"{flag}={word}"] if rng.random() < 0.4 else [*words, flag, word]
        return name, words

    def call(self, given: tuple[str, list[str]], folder: Path) -> argparse.Namespace:
        name, words = given
        kept = sys.argv, ms.plot.notebook, cli.stamp
        sys.argv = [f"{name}.py", *words]
        try:
            ms.plot.notebook, cli.stamp = (lambda: "a notebook"), (lambda command, chapter: {"command": command})
            with contextlib.redirect_stdout(io.StringIO()):
                return cli.chapter(*self.chapters[name][0], **self.chapters[name][1])
        finally:
            sys.argv, ms.plot.notebook, cli.stamp = kept

    @staticmethod
    def sound(given: tuple, args: argparse.Namespace) -> bool:
        """Every number is finite, and none is of a size that hangs."""
        numbers = [x for name, value in vars(args).items() if name not in ("budget", "hooks")
                   for x in (value if isinstance(value, list) else [value]) if isinstance(x, (int, float))]  # fmt: skip
        return all(np.isfinite(x) and abs(x) <= 2**31 for x in numbers) and args.out.is_dir()


# Arguments


def public() -> dict[str, tuple[Callable, dict[str, Any]]]:
    """Return calls of the library with arguments that fit."""
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 3, 4), dtype=np.float32), np.arange(8) % 3
    model = ms.RNN(4, ms.make_weights(ms.full(5, 5)), 3)
    params = model.init(rng)
    small = ms.Dataset("small", x, y, x, y, 3)
    run = {"nodes": 5, "density": 0.5, "storage": "csr", "epochs": 1}
    return {
        "Dataset": (ms.Dataset, {"name": "a", "x_train": x, "y_train": y, "x_test": x, "y_test": y, "n_classes": 3}),
        "batches": (lambda **k: list(ms.batches(**k)), {"x": x, "labels": y, "batch_size": 3, "rng": 0}),
        "evaluate": (ms.evaluate, {"model": model, "params": params, "x": x, "labels": y, "batch_size": 3}),
        "fit": (
            lambda **k: ms.fit(params=model.init(np.random.default_rng(0)), quiet=True, **k),
            {"model": model, "opt": ms.Adam(), "dataset": small, "epochs": 1, "rng": 0, "batch_size": 4, "patience": 2},
        ),
        "subset_per_class": (ms.subset_per_class, {"dataset": small, "count": 1, "rng": 0}),
        "bernoulli": (ms.bernoulli, {"n_post": 4, "n_pre": 5, "p": 0.5, "rng": 0}),
        "fixed_count": (ms.fixed_count, {"n_post": 4, "n_pre": 5, "count": 7, "rng": 0}),
        "full": (ms.full, {"n_post": 4, "n_pre": 5}),
        "dale_signs": (ms.dale_signs, {"n": 8, "fraction": 0.5, "rng": 0}),
        "Pattern": (ms.Pattern, {"indptr": [0, 1, 2], "indices": [0, 1], "shape": (2, 2)}),
        "as_pattern": (ms.patterns.as_pattern, {"thing": np.eye(3)}),
        "make_weights": (ms.make_weights, {"pattern": ms.full(3, 3), "storage": "csr"}),
        "RNN": (ms.RNN, {"n_in": 4, "weights": ms.make_weights(ms.full(5, 5)), "n_out": 3, "activation": "relu"}),
        "Adam": (ms.Adam, {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
        "loss": (ms.softmax_cross_entropy, {"logits": np.zeros((3, 2)), "labels": np.array([0, 2])}),
        "loss per step": (
            ms.cross_entropy_per_step, {"logits": np.zeros((4, 3, 2)), "labels": np.zeros((4, 2), int), "mask": None},
        ),
        "generator": (ms.generator, {"rng": 0, "purpose": "weights"}),
        "predicted_gain": (
            ms.predicted_gain, {"n": 10, "p": 0.5, "w_max": 0.1, "inhibitory": 0.1, "inhibition_gain": 2.0},
        ),
        "gain_step": (ms.gain_step, {"lr": 1e-3, "p": 0.5, "n": 10}),
        "input_sd": (ms.input_sd, {"std": 1.0, "afferents": 9, "x": x}),
        "dendritic_step": (ms.measure.dendritic_step, {"scale": 25.0, "afferents": 9}),
        "uniform": (ms.initialise.uniform, {"rng": rng, "shape": (2, 3), "bound": 0.1}),
        "normal": (ms.initialise.normal, {"rng": rng, "shape": (2, 3), "std": 0.1}),
        "glorot": (ms.initialise.glorot, {"rng": rng, "shape": (2, 3), "fan_in": 2, "fan_out": 3}),
        "one_signed": (
            ms.initialise.one_signed,
            {"rng": rng, "weights": ms.make_weights(ms.full(3, 3)), "w_max": 0.1, "signs": np.ones((3, 1))},
        ),
        "memory": (cost.memory, {"nodes": 10, "density": 0.5, "storage": "csr"}),
        "activations": (cost.activations, {"nodes": 10, "steps_in_time": 3, "batch": 2, "storage": "csr"}),
        "estimate": (
            lambda **k: cost.estimate(small, [k], rates={"dense": 1e9, "csr": 1e9}), dict(run),
        ),
        "grid": (sweep.grid, {"density": [0.1, 1.0], "seed": range(2)}),
        "load": (ms.load, {"name": "digits", "root": None}),
    }  # fmt: skip


STRANGE = (
    *(None, True, -1, 0, 2.5, float("nan"), float("inf"), -float("inf"), 10**20, 5e-324, "", "abc", "a\0b", b"x"),
    *([], [1], {}, (), object(), print, range(3), np.float32(0.5), np.array(np.nan), np.zeros(0), np.zeros((2, 3))),
    *(np.ones(3, complex), np.array(["a"]), np.array([None]), np.full((3, 2), np.nan), np.full((3, 2), -np.inf)),
    *(
        np.zeros((8, 3, 4)),
        np.zeros((0, 3, 4)),
        np.arange(8),
        np.array([2**62, -1]),
        [[1, 2], [3]],
        ["a", 1],
        "é\udcff",
    ),
)


class Arguments:
    """Calls of the library, one or two of whose arguments are strange."""

    def __init__(self) -> None:
        self.calls = public()

    def make(self, rng: np.random.Generator) -> tuple[str, dict]:
        name = any_of(rng, list(self.calls))
        return name, dict(self.calls[name][1])

    def change(self, rng: np.random.Generator, given: tuple[str, dict]) -> tuple[str, dict]:
        name, named = given
        for _ in range(rng.integers(1, 3)):
            named[any_of(rng, list(named))] = any_of(rng, STRANGE)
        if isinstance(named.get("epochs"), int) and named["epochs"] > 9:
            named["epochs"] = 1  # it would train as long as it is asked to
        return name, named

    def call(self, given: tuple[str, dict], folder: Path) -> Any:
        with np.errstate(all="ignore"):
            return self.calls[given[0]][0](**given[1])

    @staticmethod
    def sound(given: tuple[str, dict], result: Any) -> bool:
        """A number that comes out of finite numbers is one, and no count is negative."""
        strange = [x for x in given[1].values() if isinstance(x, (np.ndarray, np.floating, float))]
        if any(np.asarray(x).dtype.kind == "f" and not np.isfinite(x).all() for x in strange):
            return True
        numbers = [
            x for x in (result if isinstance(result, tuple) else [result]) if isinstance(x, (int, float, np.ndarray))
        ]
        finite = all(np.isfinite(x).all() for x in numbers if np.asarray(x).dtype.kind in "fi")
        return (
            finite
            and not (given[0] in ("memory", "activations") and result <= 0)
            and not (given[0] in ("gain_step", "input_sd", "dendritic_step") and result < 0)
        )


def read_idx(given: tuple[str, bytes], _: object) -> np.ndarray:
    return formats.parse_idx(unpack.unpacked(given[1], "a", formats.LARGEST_IDX), given[0])


def change_most(rng: np.random.Generator, content: bytes) -> bytes:
    return change_bytes(rng, content) if rng.random() < 0.7 else content


def corpora() -> list[Corpus]:
    """Return all kinds of input; a new one is a row here."""
    flags, arguments = Flags(), Arguments()
    checkpoint, model = Saved(saved.Checkpoint), Saved(saved.Model)

    def of_content(rng: np.random.Generator, given: tuple) -> tuple:
        return given[0], change_bytes(rng, given[1])

    return [
        Corpus("idx", make_idx, of_content, read_idx, idx_is_sound),
        Corpus("cifar", make_cifar, of_content, lambda g, _: formats.parse_cifar(g[1], "a", g[0], 10), cifar_is_sound),
        Corpus("ts", make_ts, change_bytes, read_ts, ts_is_sound),
        Corpus("npz", make_npz, change_most, load_coil, dataset_is_sound),
        Corpus("rows", make_rows, change_rows, read_rows, rows_are_sound),
        Corpus("checkpoint", checkpoint.make, checkpoint.change, checkpoint.call, checkpoint.sound),
        Corpus("model file", model.make, model.change, model.call, model.sound),
        Corpus("flags", flags.make, flags.change, flags.call, flags.sound),
        Corpus("arguments", arguments.make, arguments.change, arguments.call, arguments.sound),
    ]


# The run


class Hang(Exception):
    """A call that takes too long."""


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """End a call after `LONGEST_CALL` seconds, where signals allow."""

    def late(*_: Any) -> None:
        raise Hang

    if hasattr(signal, "setitimer"):
        old = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, LONGEST_CALL)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)


def given_of(corpus: Corpus, seed: int, number: int) -> Any:
    """Return an input of a corpus; the same numbers, the same input."""
    rng = np.random.default_rng([seed, number, *corpus.name.encode()])
    return corpus.change(rng, corpus.make(rng))


def outcome(corpus: Corpus, given: Any, folder: Path) -> tuple[str, str]:
    """Return what became of an input, and why."""
    try:
        with limited():
            result = corpus.call(given, folder)
    except ms.UserError as error:
        said = str(error)
        return ("refused", "") if len(said) <= 500 and "\n" not in said else ("no sentence", said)
    except Hang:
        return "hangs", repr(given)[:200]
    except SystemExit as error:  # --help
        return ("refused", "") if not error.code else ("traceback", "SystemExit")
    except Exception:
        return "traceback", traceback.format_exc()
    return ("accepted", "") if corpus.sound(given, result) else ("unsound", f"{given!r:.300} gave {result!r:.300}")


def run(
    seed: int, inputs: int, minutes: float = float("inf"), kinds: list[Corpus] | None = None
) -> tuple[Counter, list]:
    """Run a campaign, and return counts by (corpus, outcome), and a list of (corpus, number, outcome, why) to mend."""
    kinds, counts, wrong, end = kinds or corpora(), Counter(), [], time.monotonic() + 60 * minutes
    before, homes = Path.cwd(), {name: os.environ.get(name) for name in ("HOME", "USERPROFILE")}
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        os.environ.update(dict.fromkeys(homes, work))
        try:
            for number in range(-(-inputs // len(kinds))):
                for corpus in kinds if time.monotonic() < end else ():
                    given = given_of(corpus, seed, number)
                    tracemalloc.start()
                    what, why = outcome(corpus, given, Path(work))
                    peak = tracemalloc.get_traced_memory()[1]
                    tracemalloc.stop()
                    counts[corpus.name, what] += 1
                    counts[corpus.name, "peak"] = max(counts[corpus.name, "peak"], peak)
                    if peak > LARGEST:
                        what, why = "memory", f"{peak / 1e6:.0f} MB for {given!r:.200}"
                        counts[corpus.name, what] += 1
                    if what not in ("accepted", "refused"):
                        wrong.append((corpus.name, number, what, why))
        finally:
            os.chdir(before)
            for name, home in homes.items():
                os.environ.pop(name)
                os.environ.update({name: home} if home is not None else {})
    return counts, wrong


WATCHED = {
    "open": (0,),
    "os.mkdir": (0, 2),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.rename": (0, 2),
    "os.link": (0, 2),
}
"""Of each event the place of its path, and of the folder that the path starts from, if one is open."""


def watch() -> list[str]:
    """Note from now on every path outside the folder for temporary files that is written, moved or removed."""
    outside: list[str] = []
    inside = (os.path.realpath(tempfile.gettempdir()), "/dev/", "/proc/")

    def look(event: str, given: tuple) -> None:
        if event not in WATCHED or (event == "open" and not writes(*given)):
            return
        first, *folder = WATCHED[event]
        for k in (0, 1) if event in ("os.rename", "os.link") else (0,):
            path = given[first + k]
            if isinstance(path, (str, bytes)) and "__pycache__" not in os.fsdecode(path):
                start = given[folder[0] + k] if folder else -1
                whole = os.path.join(os.readlink(f"/proc/self/fd/{start}") if start >= 0 else "", os.fsdecode(path))
                if not os.path.realpath(whole).startswith(inside):
                    outside.append(f"{event} {path!r}")

    def writes(path: Any, mode: Any, flags: int) -> bool:
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if isinstance(flags, int) else str(mode)[:1] != "r"

    sys.addaudithook(look)
    return outside


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then end")
    parser.add_argument("--only", metavar="NAME[:NUMBER]", help="one kind of input, or one input")
    args = parser.parse_args()
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    kinds = corpora()
    name, _, number = (args.only or "").partition(":")
    kinds = [corpus for corpus in kinds if name in ("", corpus.name)]
    if number:
        with tempfile.TemporaryDirectory() as work:
            os.chdir(work)
            given = given_of(kinds[0], args.seed, int(number))
            print(f"{given!r:.2000}", *outcome(kinds[0], given, Path(work)), sep="\n")
            os.chdir(ROOT)
        return 0
    ms.load("digits")
    outside, start = watch(), time.process_time()
    counts, wrong = run(args.seed, args.inputs, args.minutes, kinds)
    heads = ("accepted", "refused", "traceback", "unsound", "no sentence", "hangs", "memory")
    print(f"{'':12s}" + "".join(f"{head:>12s}" for head in heads) + "    peak, MB")
    for corpus in kinds:
        line = "".join(f"{counts[corpus.name, head]:12,d}" for head in heads)
        print(f"{corpus.name:12s}{line}{counts[corpus.name, 'peak'] / 1e6:12.1f}")
    total = sum(n for (_, what), n in counts.items() if what not in ("peak", "memory"))
    print(
        f"{total:,} inputs, {len(wrong)} to mend, {len(outside)} files outside, "
        f"{time.process_time() - start:.0f} s of processor"
    )
    seen: Counter = Counter()
    for corpus, number, what, why in wrong:
        last = "\n".join(line for line in why.strip().splitlines()[-3:])
        seen[corpus, what, last] += 1
        if seen[corpus, what, last] == 1:
            print(f"\n{what} --only {corpus}:{number}\n{last}"[:700])
    print(*dict.fromkeys(outside), sep="\n")
    return int(bool(wrong or outside))


if __name__ == "__main__":
    sys.exit(main())
