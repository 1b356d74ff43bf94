"""What the kernel itself refuses, without Python's hook."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, socket, sys
import numpy
from minisparse.exercises import walls
print(*walls._landlock(walls.readable()))
for ask in (lambda: open("/etc/passwd"), lambda: open("new.txt", "w"), lambda: os.listdir("/tmp"),
            lambda: os.mkdir("new"), lambda: socket.create_connection(("127.0.0.1", 9), 1)):
    try:
        ask()
        print("done")
    except PermissionError:
        print("refused")
import decimal
print(decimal.Decimal(1))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Landlock is Linux's")
def test_the_kernel_lets_an_answer_read_python_alone_and_write_nothing(tmp_path):
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=tmp_path, check=True)
    enforced, *asked, last = run.stdout.splitlines()
    if not enforced:
        pytest.skip("this kernel has no Landlock")
    assert asked[:4] == ["refused"] * 4
    assert asked[4] == "refused" or "tcp" not in enforced
    assert last == "1"
    assert list(tmp_path.iterdir()) == []
