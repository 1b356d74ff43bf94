"""The default number of threads follows affinity and the quotas of control groups, old and new."""

import os
import subprocess
import sys

import pytest

from minisparse import backend, processors


def put(root, groups, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        place = root / "sys/fs/cgroup" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


V1 = {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),  # a container that sees its own group as the root
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("4:cpu,cpuacct:/\n", {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 3),
        ("1:cpu:/x\n", {**V1, "cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"}, 2.5),
        ("1:cpu:/x\n0::/\n", V1, None),
        ("3:cpuset:/\n", {"cpuset/cpu.max": "1 1"}, None),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
        ("0::/\n", {"cpu.max": "100000 0"}, None),
        ("nonsense\n\n", {}, None),
        ("0::/gone\n", {}, None),
    ],
)
def test_the_least_quota_on_the_way_up_counts(tmp_path, groups, files, expected):
    put(tmp_path, groups, files)
    assert processors.cpu_quota(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (0.5, 1), (1.5, 2), (2.0, 2), (20.0, 8)])
def test_a_quota_lowers_the_count_and_never_raises_it(monkeypatch, quota, expected):
    monkeypatch.setattr(processors, "bound_to", lambda: 8)
    monkeypatch.setattr(processors, "cpu_quota", lambda: quota)
    assert processors.cpu_count() == expected
    assert backend.cpu_count is processors.cpu_count


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to processors")
def test_the_command_says_how_many_threads_it_may_have_and_why():
    bind = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    program = bind + "import runpy; runpy.run_module('minisparse', run_name='__main__')"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert "processors: 1 to use (affinity 1, quota " in done.stdout, done.stderr
    threads = [line for line in done.stdout.splitlines() if "threads" in line and "numba" in line]
    assert all(line.split()[2] == "1" for line in threads), threads
