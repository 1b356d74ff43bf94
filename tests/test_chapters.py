"""The chapters as a user runs them: they work, and bad input ends in one sentence and exit code 2."""

import gzip
import json
import os
import re
import runpy
import shlex
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from helpers.mistakes import few_mistakes

import minisparse as ms
from minisparse.data import sources
from minisparse.gradcheck import catalogue
from minisparse.lab import page, provenance, sweep

ROOT = Path(__file__).parent.parent
TINY = ["--figure", "6B", "--nodes", "20", "--epochs", "1", "--seeds", "1", "--density", "0.5", "--clamp", "enforced"]


def run(chapter, *flags, cwd=ROOT, **environment):
    """Run a chapter as a user does, in a process of its own."""
    command = [sys.executable, str(ROOT / "chapters" / f"{chapter}.py"), *map(str, flags)]
    environment = {**os.environ, "PYTHONWARNINGS": "default", **environment}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture
def here(monkeypatch, capsys):
    """Run a chapter in this process and return what it prints; an error of the user's is raised."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setenv("MPLBACKEND", "agg")

    def run_here(chapter, *flags):
        file = str(ROOT / "chapters" / f"{chapter}.py")
        monkeypatch.setattr(sys, "argv", [file, *map(str, flags)])
        runpy.run_path(file, run_name="__main__")
        return capsys.readouterr().out

    return run_here


@pytest.fixture
def undrawn(monkeypatch):
    """Leave figures unwritten, for tests that look at something else: a smoke run of each chapter writes its own."""
    monkeypatch.setattr(ms.plot, "save", lambda _, path, alt: Path(path).touch())


def rows(folder, part=None):
    """Read a chapter's rows, by default those of cells."""
    found = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    return [row for row in found if (row["part"] == part if part else row["part"] not in ("claim", "vanishing"))]


def visible(folder):
    """The names of a folder's files; of a figure, which is there as PNG and as SVG, the first one."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    drawn = {name.removesuffix(".svg") for name in names if name.endswith(".svg")}
    assert drawn == {name.removesuffix(".png") for name in names if name.endswith(".png")}
    return sorted(name for name in names if not name.endswith(".svg"))


def write_idx(folder, n_train=40, n_test=20, change=None):
    """Write tiny IDX files in MNIST's layout; `change` alters one file's bytes."""
    rng = np.random.default_rng(0)
    folder = folder / "mnist"
    folder.mkdir(parents=True)
    for name in sources.IDX_FILES:
        n = n_train if name.startswith("train") else n_test
        if "images" in name:
            content = struct.pack(">4BIII", 0, 0, 8, 3, n, 28, 28) + rng.bytes(n * 784)
        else:
            content = struct.pack(">4BI", 0, 0, 8, 1, n) + bytes(rng.integers(0, 10, n).astype(np.uint8))
        (folder / f"{name}.gz").write_bytes(gzip.compress((change or {}).get(name, lambda c: c)(content)))


@pytest.mark.slow
def test_smoke_run_writes_its_figures_and_rows(tmp_path, here, monkeypatch):
    figures, save = {}, ms.plot.save

    def kept(figure, path, alt):
        save(figure, path, alt)
        figures[path.name] = figure

    monkeypatch.setattr(ms.plot, "save", kept)
    printed = here("dale", "--smoke", "--out", tmp_path)
    assert "backend: numpy" in printed
    assert "gradients agree" in printed
    assert "step 3: v = 1e+35, inf; W = -0.0022, 0.0000\n" in printed, "in float32 Adam stops for good"
    for network in ("dense", "p = 0.1", "f = 0.5"):
        assert re.search(rf"^  {network} .* equal$", printed, re.MULTILINE)
    for row in rows(tmp_path):
        assert {"key", "config", "accuracy", "delay", "predicted_gain", "forward_gain", "origin", "made_by"} <= set(row)
        assert {"command", "commit", "backend", "versions", "golden", "run"} <= set(row["made_by"])
    names = ("S5B", "S5C", "clamp", "dale", "gradients", "long", "memory", "step", "unrolled")
    for name in names:
        content = (tmp_path / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        assert b"Description" in content
        assert (tmp_path / f"{name}.svg").exists()
    assert {path.stem for path in tmp_path.glob("*.png")} == {*names}
    for row in rows(tmp_path, "6B"):
        label = f"p = {row['config']['density']:g}, g = {row['predicted_gain']:.2f}"
        (line,) = (line for line in figures["dale.png"].axes[0].get_lines() if line.get_label() == label)
        np.testing.assert_allclose(line.get_ydata(), row["accuracy"], err_msg="a line shows the row it is named after")
    (begun,) = rows(tmp_path, "S5B")
    assert begun["predicted_gain"] == pytest.approx(begun["forward_gain"], rel=0.2), "the law of what starts at not 0"


def test_a_default_run_of_dale_fits_on_a_screen_and_runs_two_figures(tmp_path, here, undrawn):
    """As many lines as by default: three seeds, three densities, two figures."""
    printed = here("dale", "--nodes", "20", "--epochs", "1", "--jobs", "1", "--out", tmp_path)
    assert {(row["part"], row["config"]["seed"]) for row in rows(tmp_path)} == {
        (part, seed) for part in ("6B", "6F") for seed in range(3)
    }
    assert len(printed.splitlines()) <= 80
    assert max(map(len, printed.splitlines())) <= 100
    assert [row["figure"] for row in rows(tmp_path, "claim")] == ["6B", "6F"]


def test_dale_begins_with_the_seed_that_is_asked_for(tmp_path, here, undrawn):
    here("dale", *TINY, "--first-seed", "7", "--figure", "6B", "--out", tmp_path)
    assert [row["config"]["seed"] for row in rows(tmp_path)] == [7]


@pytest.mark.slow
def test_the_catalogue_says_what_each_check_sees(tmp_path, here):
    lines = here("checks", "--smoke", "--all", "--out", tmp_path).splitlines()
    (first,) = (k for k, line in enumerate(lines) if line.startswith("mistake "))
    listed = {line.split()[0] for line in lines[first + 1 :] if "(" in line and ("caught" in line or "missed" in line)}
    assert listed == {row.code for row in catalogue.catalogue()}
    (total,) = (line.split() for line in lines if line.startswith("caught "))
    assert total[-1] == f"{len(listed)}/{len(listed)}"


def short(printed, folder):
    """What a default run prints is at most 80 lines of 100 letters; a run has up to ten lines about its progress."""
    lines = printed.splitlines()
    assert len(lines) + 10 <= 80
    assert [line for line in lines if len(line) > 100 and str(folder) not in line] == []


@pytest.mark.parametrize(
    "chapter", ["dale", "dendritic", "g2gnet", "gain", "representations", "rewiring", "sparse_rnn"]
)
def test_figures_and_claims_come_from_recorded_rows_alone(chapter, tmp_path, here, undrawn, monkeypatch):
    """The figures are drawn, and the recorded claims come out again, without a cell being run."""
    recorded = ROOT / "chapters" / "results" / f"{chapter}.jsonl"
    known = [json.loads(line) for line in recorded.read_text().splitlines()]
    words = shlex.split(known[0]["made_by"]["command"])[2:]
    monkeypatch.setattr(sweep, "run", lambda *_, **__: pytest.fail("nothing is to be run"))
    printed = here(
        chapter,
        *(word for word in words if word not in ("--record", "--resume")),
        "--rows",
        recorded,
        "--out",
        tmp_path,
    )
    stamps = {"made_by": None, "verified": None}
    claims, again = ([row | stamps for row in found if row["part"] == "claim" and not row.get("command")]
                     for found in (known, rows(tmp_path, "claim")))  # fmt: skip
    assert again == claims
    drawn = {f"{chapter}.png": f"{chapter}.png"}
    for file in tmp_path.glob("*.png"):
        name = drawn.get(file.name, f"{chapter}-{file.name}")
        assert (recorded.parent / name).exists(), f"{name} was recorded, too"
    if "--figure" not in words:
        short(printed, tmp_path)


@pytest.mark.parametrize("chapter", ["dale", pytest.param("sparse_rnn", marks=pytest.mark.slow)])
def test_a_default_run_of_fewer_figures_than_are_recorded_is_short(chapter, tmp_path, here, undrawn):
    short(here(chapter, "--rows", ROOT / "chapters" / "results" / f"{chapter}.jsonl", "--out", tmp_path), tmp_path)


def test_each_chapter_finds_the_library_beside_its_folder(monkeypatch):
    first = 'import sys\n\nsys.path.append(f"{sys.path[0]}/..")  #'
    for chapter in (ROOT / "chapters").glob("*.py"):
        assert f"\n\n{first}" in chapter.read_text(encoding="utf-8").split("minisparse as ms")[0], chapter.name
    monkeypatch.setattr(sys, "path", [str(ROOT / "chapters")])
    exec(first, {})
    assert Path(sys.path[-1]).resolve() == ROOT


def test_a_chapter_has_at_most_300_lines_of_code():
    counts = {path.name: len(page.code_lines(path.read_text())) for path in (ROOT / "chapters").glob("*.py")}
    assert {name: count for name, count in counts.items() if count > 300} == {}


def test_rows_of_another_setting_are_refused(tmp_path, here, undrawn):
    recorded = ROOT / "chapters" / "results" / "gain.jsonl"
    with pytest.raises(ValueError, match="give the flags that it was recorded with"):
        here("gain", "--seeds", "1", "--epochs", "1", "--rows", recorded, "--out", tmp_path)


@pytest.mark.slow
def test_the_lesson_on_checks_shows_its_lies_and_writes_its_figure(tmp_path, here, monkeypatch):
    few_mistakes(
        monkeypatch, "adam-derived-weight", "affine-dW-mean", "bptt-not-transposed", "bptt-no-slope", "bptt-truncated"
    )
    printed = here("checks", "--smoke", "--out", tmp_path)
    assert len(printed.splitlines()) <= 60
    assert {path.name for path in tmp_path.glob("checks.*")} == {"checks.png", "checks.svg"}
    written = rows(tmp_path)
    assert {row["part"] for row in written} == {"steps", "sizes", "lies", "catalogue"}
    lies = {(row["what"], row["check"]): (row["ok"], row["codes"]) for row in written if row["part"] == "lies"}
    typed = [row["typed"] for row in written if row["part"] == "lies"]
    assert typed == [True, False, True, None, False, True, None, None], "what the typed judge says"
    assert lies["a softmax whose backward returns 0", "dy = 1"] == (True, [])
    assert not lies["a small slope of the wrong sign", "each entry"][0]
    assert lies["", "random dy"] == (False, ["zero"])
    assert lies["a gradient without its mask", "existing synapses only"][0]
    assert lies["", "exact zeros"] == (False, ["off-pattern"])
    assert lies["moments that do not live on", "one step"][0]
    assert lies["", "two steps"] == (False, ["adam-derived-weight", "step"])
    (planted,) = (row for row in written if row["part"] == "catalogue")
    assert planted["planted"] == planted["caught"] == planted["named"] > 5
    shown = {(row["batch"], row["time"]): row["shown"] for row in written if row["part"] == "sizes"}
    assert shown[3, 5] > shown[1, 5] > shown[3, 1] > shown[1, 1], shown


@pytest.mark.slow
def test_the_dendritic_chapter_writes_every_figure_and_trains_each_network_once(tmp_path, here):
    names = ("1D", "2", "3C", "3E", "3F", "3G")
    printed = here("dendritic", "--smoke", "--epochs", "1", "--figure", *names, "--out", tmp_path)
    assert visible(tmp_path) == sorted(f"{name}.png" for name in ("1D", "2B", *names[2:])) + ["rows.jsonl"]
    written = [row for row in rows(tmp_path) if "config" in row]
    assert len({row["key"] for row in written}) == len(written)
    assert "lr 0.5, gradient both, metric after_rewiring, control all" in printed
    assert printed.count(" equal") == 3, "scale and step are the paper's"
    for row in written:
        assert sum(row["afferents"]) > 0
        assert len(row["after_rewiring"]) == len(row["before_rewiring"]) == len(row["cost"]) == 1


@pytest.mark.slow
def test_the_dendritic_chapter_sets_accuracy_over_the_number_against_the_usual_axis(tmp_path, here):
    here("dendritic", "--smoke", "--figure", "collapse", "--nodes", "4", "--epochs", "1", "--out", tmp_path)
    configs = [row["config"] for row in rows(tmp_path)]
    assert len(configs) == 45, "six networks at five scales, three of them at one rate and at one step"
    assert {round(c["rate"] * c["density"] / 0.2, 2) for c in configs if c.get("rate") and c["canvas"] == "mnist"} == {
        1
    }


HEADLINES = {  # chapter: its flags, and the figures and beginnings of the claims that must hold
    "dale": ((), [("6B", ""), ("6F", "")]),
    "sparse_rnn": (
        ("--figure", "2B", "2C"),
        [("2B", "N = 10000"), ("2C", "small"), ("2C", "large"), ("2C", "the larger")],
    ),
    "dendritic": (("--figure", "1D"), [("1D", "M = 30: exact"), ("1D", "M = 30: active count")]),
    "representations": ((), [("5B", "active"), ("5C", "mutual")]),
    "g2gnet": ((), [("abstract", "groups beat dense"), ("number", "groups beat Erd")]),
    "rewiring": ((), [("Evci", "RigL beats static"), ("Evci", "RigL beats SET")]),
}


@pytest.mark.slow
@pytest.mark.parametrize("chapter", HEADLINES)
def test_headlines_hold_on_seeds_that_are_not_the_default_ones(chapter, tmp_path, here):
    flags, headlines = HEADLINES[chapter]
    here(chapter, *flags, "--first-seed", "20", "--out", tmp_path)
    assert min(row["config"]["seed"] for row in rows(tmp_path)) == 20
    for figure, start in headlines:
        (row,) = (r for r in rows(tmp_path, "claim") if r["figure"] == figure and r["claim"].startswith(start))
        assert row["status"] == "REPRODUCED AT REDUCED SIZE", f"{row['claim']}: {row['ours']}"


def test_a_resumed_chapter_runs_only_what_is_missing(tmp_path, here, undrawn):
    here("gain", "--smoke", "--seeds", "2", "--out", tmp_path)
    whole = [(row["config"], row.get("accuracy")) for row in rows(tmp_path)]
    lines = (tmp_path / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rows.jsonl").write_text("".join(lines[:3]))
    printed = here("gain", "--smoke", "--seeds", "2", "--out", tmp_path, "--resume")
    assert [(row["config"], row.get("accuracy")) for row in rows(tmp_path)] == whole
    assert (tmp_path / "rows.jsonl").read_text().splitlines(keepends=True)[:3] == lines[:3]
    assert printed


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--density", "0"], "density must be above 0 and at most 1, got 0.0"),
        (["--density", "1.5"], "density must be above 0 and at most 1, got 1.5"),
        (["--dataset", "imagenet"], "data set 'imagenet' is unknown; choose one of digits, mnist, fashion-mnist"),
        (["--nodes", "0"], "--nodes must be at least 1, got 0"),
        (["--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["--storage", "coo"], "storage 'coo' is unknown; choose one of auto, dense, csr"),
        (["--fraction", "1.5"], "the inhibitory fraction must lie in [0, 1], got 1.5"),
        (["--inhibition-gain", "-1"], "--inhibition-gain must be above 0, got -1"),
        (["--dataset", "mnist", "--data-dir", "nowhere"], "train-images-idx3-ubyte[.gz] was not found in nowhere"),
    ],
)
def test_a_bad_flag_ends_in_one_sentence_and_writes_nothing(tmp_path, here, undrawn, monkeypatch, flags, sentence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ms.UserError) as caught:
        here("dale", *TINY, *flags, "--out", tmp_path / "new")
    assert sentence in str(caught.value)
    assert not list(tmp_path.glob("new/*.jsonl"))


def test_an_unwritable_folder_is_named_before_anything_runs_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("dale", *TINY, "--out", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert "epoch" not in done.stdout


def cut(content):
    return content[:-100]


def as_labels(content):
    return bytes([0, 0, 8, 1]) + content[4:]


def label_12(content):
    return content[:-1] + bytes([12])


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("train-images-idx3-ubyte", cut, "it is truncated: fetch it again"),
        ("train-images-idx3-ubyte", as_labels, "does not start as an IDX file of 3 axes"),
        ("t10k-labels-idx1-ubyte", label_12, "labels must lie in 0..9 (10 classes), found 12"),
    ],
)
@pytest.mark.filterwarnings("ignore:the mnist files")
def test_a_bad_data_file_ends_in_one_sentence(tmp_path, here, undrawn, name, change, sentence):
    write_idx(tmp_path, change={name: change})
    with pytest.raises(ms.UserError) as caught:
        here("dale", *TINY, "--dataset", "mnist", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert sentence in str(caught.value)


@pytest.mark.slow
def test_other_content_runs_and_is_labelled_in_every_row(tmp_path):
    write_idx(tmp_path)
    done = run("dale", *TINY, "--dataset", "mnist", "--data-dir", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "not the official ones" in done.stderr
    assert "epoch 1/1" in done.stderr
    assert {row["origin"] for row in rows(tmp_path / "out")} == {"unofficial copy"}


def test_a_backend_that_does_not_exist_is_one_sentence():
    done = run("dale", "--smoke", BACKEND="tensorflow")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "BACKEND='tensorflow' is unknown; choose one of numpy, cupy" in done.stderr


def test_help_shows_every_default_and_the_expected_time():
    text = run("dale", "--help").stdout
    flags = (
        "dataset nodes density epochs seeds first-seed storage data-dir out resume record smoke paper figure "
        "inhibitory fraction clamp"
    )
    for flag in [f"--{name}" for name in flags.split()]:
        assert flag in text
    assert "expected time" in text


CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.py"))
POOR = {"MPLBACKEND": "module://no.such.backend", "PYTHONUTF8": "0", "LC_ALL": "C"}
"""What a notebook hands on to the programs that it starts, and a terminal without the letters that chapters print."""
HELP = """
import os, runpy, sys
for path in sys.argv[1:]:
    sys.argv = [path, "--help"]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code
    assert "matplotlib" not in sys.modules, f"{path} draws before it has set its backend"
"""


def test_every_chapter_starts_on_a_poor_terminal_and_in_a_notebook():
    paths = [str(ROOT / "chapters" / f"{name}.py") for name in CHAPTERS]
    done = subprocess.run([sys.executable, "-c", HELP, *paths], capture_output=True, text=True, encoding="ascii",
                          env={**os.environ, **POOR, "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage:") == len(CHAPTERS)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_runs_on_a_poor_terminal_and_in_a_notebook(chapter, encoding, tmp_path):
    command = [sys.executable, str(ROOT / "chapters" / f"{chapter}.py"), "--smoke", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding=encoding, timeout=240,
                          env={**os.environ, **POOR, "PYTHONIOENCODING": encoding})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("*.png"))


RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|.*[<>:\"|?*\\\x00-\x1f].*|.*[ .]", re.IGNORECASE)


def test_no_file_has_a_name_that_windows_or_macos_cannot_keep():
    """No reserved name, no letter that is none there, and no two names that differ only in upper and lower case."""
    folders = ("chapters", "minisparse", "tests", "docs", "benchmarks", "data")
    found = [path.relative_to(ROOT) for name in folders for path in (ROOT / name).rglob("*") if path.is_file()]
    found = [path for path in found if not {"__pycache__", "_build"} & set(path.parts)]
    assert [str(path) for path in found if any(map(RESERVED.fullmatch, path.parts))] == []
    assert len({str(path).lower() for path in found}) == len(found)
    assert RESERVED.fullmatch("aux.jsonl")


@pytest.fixture
def unfinished(here, undrawn, tmp_path, monkeypatch):
    """Stop a cell after its first epoch, and return its checkpoint: all that is left of it."""
    save, calls = ms.train.save, []

    def stopped(*arguments, **named):
        save(*arguments, **named)
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(ms.train, "save", stopped)
    with pytest.raises(KeyboardInterrupt):
        here("dale", *TINY, "--out", tmp_path)
    monkeypatch.setattr(ms.train, "save", save)
    (checkpoint,) = tmp_path.glob("*-*.npz")
    return checkpoint


def test_a_damaged_checkpoint_is_one_sentence_and_is_left_as_it_is(tmp_path, unfinished, here):
    unfinished.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ms.UserError, match="is damaged"):
        here("dale", *TINY, "--out", tmp_path, "--resume")
    assert unfinished.read_bytes() == b"PK\x03\x04 no archive"
    assert not rows(tmp_path) if (tmp_path / "rows.jsonl").exists() else True


def test_a_checkpoint_of_another_model_is_one_sentence(tmp_path, unfinished, here):
    other = ms.RNN(8, ms.make_weights(ms.full(5, 5)), 10)
    ms.save(unfinished, other, other.init(np.random.default_rng(0)), ms.Adam())
    with pytest.raises(ms.UserError, match="is of another model: its n is 5, here it is 20"):
        here("dale", *TINY, "--out", tmp_path, "--resume")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_a_run_part_that_its_rows_depend_on(chapter, tmp_path):
    file = ROOT / "chapters" / f"{chapter}.py"
    text, changed = file.read_text(encoding="utf-8"), tmp_path / f"{chapter}.py"
    found = provenance.run_part(file)
    changed.write_text(text.replace("# %%\n", "# %%\n# another word\n"), encoding="utf-8")
    assert provenance.run_part(changed) == found
    start = re.search(r"^def (run_cell|run)\(", text, re.MULTILINE).start()
    body = text.index("\n    ", text.index('"""', text.index('"""', start) + 3))
    changed.write_text(text[:body] + "\n    seed = 1" + text[body:], encoding="utf-8")
    assert provenance.run_part(changed) != found
