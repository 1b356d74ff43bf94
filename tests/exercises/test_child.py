"""Answers run in a child process: nothing they do reaches the caller."""

import os

import pytest

from minisparse.exercises import child

ROUGH = [
    ("open('/etc/passwd').read()", "it reads passwd; an answer only computes."),
    ("open('mine.txt', 'w')", "it writes the file mine.txt; an answer only computes."),
    ("import os; os.remove('mine.txt')", "it changes files; an answer only computes."),
    ("import os; os.fork()", "it starts or ends another process; an answer only computes."),
    ("import socket; socket.socket()", "it uses the network; an answer only computes."),
    ("import ctypes; ctypes.CDLL(None)", "it calls code outside Python; an answer only computes."),
    ("da[t] = np.zeros(10**10)", "it asks for more memory than an answer may take"),
    ("da[t] = W.matmul_t(da[t + 1]) * slope(kept[t])", None),
]
needs_limits = pytest.mark.skipif(os.name != "posix", reason="limits of memory and processes need POSIX")


@needs_limits
def test_what_an_answer_may_not_do_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for (answer, sentence), told in zip(
        ROUGH, child.run([("line", ("R7", answer)) for answer, _ in ROUGH]), strict=True
    ):
        if sentence is None:
            assert told == {"state": "done", "findings": []}
        else:
            assert sentence in told["findings"][0]["sentence"], answer
    assert list(tmp_path.iterdir()) == []


PROGRAMS = [
    ("x = 2", ["x"], 2.0),
    ("import minisparse.lab.provenance as made\nx = made.GOLDEN.read_bytes()[:0] == b''", ["x"], 1.0),
    ("open('/etc/passwd').read()", [], "it reads passwd; an answer only computes."),
    ("open(HOME + '/own.txt', 'w')", [], "it writes the file own.txt; an answer only computes."),
    ("import os; os.mkdir(HOME + '/own')", [], "it changes files; an answer only computes."),
    ("import subprocess, sys; subprocess.run([sys.executable])", [], "it starts another process"),
    ("import socket; socket.socket()", [], "it uses the network"),
    ("x = 1 / 0", ["x"], "ZeroDivisionError"),
    ("x = 1", ["y"], "it raises KeyError: 'y'."),
]


@needs_limits
def test_a_program_has_room_to_read_a_checkout_and_no_more(tmp_path):
    room = child.Room(reads=(str(child.Path(child.__file__).parents[2]),))
    jobs = [("program", (text.replace("HOME", repr(str(tmp_path))), names)) for text, names, _ in PROGRAMS]
    for told, (text, names, wanted) in zip(child.run(jobs, 60, room), PROGRAMS, strict=True):
        if isinstance(wanted, float):
            assert told["numbers"] == dict.fromkeys(names, wanted), text
        else:
            assert wanted in told["findings"][0]["sentence"], text
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import pathlib, shutil, sys
inside, outside = map(pathlib.Path, sys.argv[1:])
(inside / "made").mkdir()
(inside / "made" / "a.txt").write_text("written")
(inside / "made" / "a.txt").rename(inside / "b.txt")
for change in (lambda: (outside / "a.txt").write_text("x"), lambda: (outside / "made").mkdir(),
               lambda: (inside / "b.txt").rename(outside / "b.txt"), lambda: (inside / "link").symlink_to(outside),
               lambda: (outside / "kept.txt").read_text(), lambda: shutil.rmtree(outside)):
    try:
        change()
    except PermissionError:
        continue
    raise SystemExit("nothing has refused it")
"""


@needs_limits
def test_a_script_writes_in_its_own_folder_and_nowhere_else(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    (outside / "kept.txt").write_text("kept")
    (inside / "script.py").write_text(SCRIPT)
    room = child.Room(reads=(str(child.Path(child.__file__).parents[2]),), writes=str(inside))
    (told,) = child.run([("script", (str(inside / "script.py"), [str(inside), str(outside)]))], 60, room)
    assert told == {"state": "done", "findings": []}
    assert (inside / "b.txt").read_text() == "written"
    assert [path.name for path in outside.iterdir()] == ["kept.txt"]


@needs_limits
def test_an_endless_loop_and_an_ended_process_cost_their_own_answer_alone():
    jobs = [
        ("line", ("L1", text)) for text in ("while True: pass", "import os; os._exit(0)", "dlogits = 1", "dlogits = 2")
    ]
    told = [result["findings"][0]["sentence"] for result in child.run(jobs[:2], seconds=1)]
    assert told == [
        "it does not end within 1 seconds; is there an endless loop?",
        "it ends the process in which it runs; an answer only computes.",
    ]
    late = list(child.run([jobs[1], jobs[1], *jobs[2:]], seconds=5))
    assert [result["findings"][0]["code"] for result in late] == ["ended", "ended", "time", "time"]
    assert "it was not run, as 2 answers before it did not end" in late[-1]["findings"][0]["sentence"]
