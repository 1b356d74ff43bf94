"""The commands a student types."""

import json
import subprocess
import sys

import pytest

from minisparse.exercises import progress
from minisparse.exercises.command import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / progress.FOLDER


def test_start_write_mark_hint_and_list(folder, capsys):
    assert main(["start", "loss"]) == 0
    file = folder / "loss.py"
    assert main(["start", "loss"]) == 2
    assert "is there already; move it away" in capsys.readouterr().err
    file.write_text(
        file.read_text().replace("dlogits = ...", "dlogits = (np.exp(log_softmax) - onehot) / batch / batch")
    )
    assert main(["mark", "loss", "--json", "marks.json"]) == 1
    said = capsys.readouterr().out
    assert "The gradient is divided by the batch twice." in said
    assert "loss-divided-twice" in said
    marks = json.loads((folder.parent / "marks.json").read_text())
    assert marks["score"] == 0
    assert marks["tests"][0]["max_score"] == 1
    assert "twice" in marks["tests"][0]["output"]
    hints = []
    for _ in range(4):
        main(["mark", "loss", "--hint"])
        hints.append(next(row for row in capsys.readouterr().out.splitlines() if row.startswith("hint")))
    assert [hint[:11] for hint in hints] == ["hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"]
    assert main(["mark", "loss", "--solution", "L1"]) == 0
    assert capsys.readouterr().out.strip() == "dlogits = (xp.exp(log_softmax) - onehot) / batch"
    file.write_text(file.read_text().replace(" / batch / batch", " / batch"))
    run = subprocess.run([sys.executable, file], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "done" in run.stdout
    assert main([]) == 0
    assert [row.split()[:3] for row in capsys.readouterr().out.splitlines() if row.startswith("  loss")] == [
        ["loss", "10", "done"]
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["loss.py", "progress.json"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["start", "nothing"], "no exercise is called 'nothing'"),
        (["start", "R7"], "R7 is one line of bptt; start that"),
        (["mark", "bptt"], "is not there; begin with: python -m minisparse.exercises start bptt"),
        (["grade", "none"], "none is no folder"),
        (["notebook", "bptt"], "bptt is no whole pass"),
        (["mistake", "--answer", "Z1"], "Z1 is the tag of no line"),
        (["curve", "gain", "--answer", "ABCC"], "is no order of ABCD"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(folder, capsys, given, sentence):
    assert main(given) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_a_file_that_is_no_text_is_refused(folder, capsys):
    folder.mkdir()
    (folder / "loss.py").write_bytes(b"\xff\xfe\x00")
    assert main(["mark", "loss"]) == 2
    assert "is no text in UTF-8 (byte 0); save it as UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["-1", "x", "1.5", "9" * 12])
def test_a_seed_is_a_whole_number(folder, capsys, text):
    with pytest.raises(SystemExit):
        main(["mistake", "--seed", text])
    assert "is no whole number" in capsys.readouterr().err
