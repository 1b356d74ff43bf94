"""The self-test agrees here, and finds a kernel and a backward pass that are wrong."""

import subprocess
import sys

import numpy as np
import pytest

from minisparse import kernels, selftest
from minisparse.kernels import reference


@pytest.mark.slow
def test_all_is_well_here():
    done = subprocess.run([sys.executable, "-m", "minisparse", "selftest"], capture_output=True, text=True)
    first, *lines, last = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert first.startswith("backend: numpy ")
    assert all(line.startswith("ok    ") for line in lines)
    assert last == f"{len(lines)} of {len(lines)} checks agree"


def test_what_is_wrong_is_a_line_and_the_exit_status(monkeypatch, capsys):
    class Wrong:
        own_threads, __name__ = False, "wrong"
        relu = staticmethod(lambda a, out: np.maximum(a, 1e-3, out=out))

        def __getattr__(self, name):
            return getattr(reference, name)

    def broken():
        raise ValueError("two\nlines")

    monkeypatch.setattr(selftest, "KERNELS", ("relu", "sgd"))
    monkeypatch.setattr(selftest, "STORAGES", ())
    monkeypatch.setattr(kernels, "table", lambda *arrays: Wrong())
    assert selftest.run() == 1
    said = capsys.readouterr().out.splitlines()
    assert [line[:5].strip() for line in said[1:-1]] == ["WRONG", "ok", "WRONG", "ok"]
    assert "away from the reference" in said[1]
    assert said[-1] == "2 of 4 checks agree"
    monkeypatch.setattr(selftest, "_kernel", lambda name, dtype: broken())
    assert selftest.run() == 1
    assert "ValueError: two lines" in capsys.readouterr().out


def test_a_wrong_gradient_is_said(monkeypatch):
    right = selftest._weights("dense")
    monkeypatch.setattr(type(right), "outer", lambda self, dy, x: 2 * (dy @ x.T))
    assert "w" in selftest._gradients(selftest._storage, "dense")
    monkeypatch.undo()
    assert selftest._gradients(selftest._storage, "dense") == ""


def test_another_word_is_refused(capsys):
    from minisparse import __main__

    assert __main__.command(["self-test"]) == 2
    assert capsys.readouterr().err == "usage: python -m minisparse [selftest]\n"
