"""How much memory of the host is free: of the machine, and of the container that a process is in."""

from __future__ import annotations

from pathlib import Path

UNKNOWN = 1 << 62
"""Bytes where nobody says how many are free: nothing is refused."""


def on_host(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return what Linux could hand out; elsewhere nobody says."""
    try:
        return 1024 * int(dict(line.split(":") for line in meminfo.read_text().splitlines())["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        return UNKNOWN


def in_group(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return what a container's limit leaves (control groups, version 2 or 1); pages of files can be dropped."""
    for folder, names in ((root, ("max", "current")), (root / "memory", ("limit_in_bytes", "usage_in_bytes"))):
        try:
            limit, used = (int((folder / f"memory.{name}").read_text()) for name in names)
            counts = dict(map(str.split, (folder / "memory.stat").read_text().splitlines()))
            return limit - used + int(counts.get("inactive_file", 0))
        except (OSError, ValueError):
            continue
    return UNKNOWN
