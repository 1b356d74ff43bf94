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
