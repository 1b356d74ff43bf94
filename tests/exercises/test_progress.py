"""What was done stays done; a damaged file is not thrown away."""

import pytest

from minisparse.errors import FileError
from minisparse.exercises import progress
from minisparse.exercises.report import Part, Report


def test_done_stays_done_and_hints_go_on(tmp_path):
    for state in ("wrong", "done", "wrong"):
        progress.record(Report("bptt", (Part("R7", "", state), Part("R8", "", "new"))), tmp_path)
    found = progress.read(tmp_path)
    assert found["states"] == {"bptt.R7": "done"}
    assert progress.state("bptt", ("R7", "R8"), found) == "1 of 2"
    assert progress.state("bptt", ("R7",), found) == "done"
    assert progress.state("loss", ("L1",), found) == "new"
    assert [progress.next_hint("bptt.R8", 2, tmp_path) for _ in range(4)] == [0, 1, 2, 2]


@pytest.mark.parametrize("text", ["", "[1]", '{"states": 3}', "{" * 5000, "\x00"])
def test_a_damaged_file_is_kept(tmp_path, text):
    (tmp_path / progress.FILE).write_text(text)
    with pytest.raises(FileError, match="cannot be read as progress"):
        progress.record(Report("bptt", (Part("R7", "", "done"),)), tmp_path)
    assert (tmp_path / progress.FILE).read_text() == text
