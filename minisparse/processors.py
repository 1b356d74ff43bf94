"""How many processors this process may use: what it is bound to, and what its container gives it."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

_ROOT = Path("/")


def cpu_count() -> int:
    """Return the number of processors this process may use: the default number of threads.

    It is the number of those that the process is bound to (its affinity), or less where a Linux control group grants
    less time than they have: of half a processor's time, one thread.

    Returns
    -------
    int

    Examples
    --------
    >>> minisparse.processors.cpu_count() >= 1
    True
    """
    granted = cpu_quota()
    return bound_to() if granted is None else max(1, min(bound_to(), math.ceil(granted)))


def bound_to() -> int:
    """Return the number of processors in this process's affinity; where the system has none, of all.

    Examples
    --------
    >>> minisparse.processors.bound_to() >= minisparse.processors.cpu_count()
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def cpu_quota(root: Path = _ROOT) -> float | None:
    """Return the processors' time that the control groups of this process grant it, or None where they set no limit.

    Versions 1 and 2 are read, the group itself and those above it: the least counts.

    Parameters
    ----------
    root : Path
        Where ``proc/self/cgroup`` and ``sys/fs/cgroup`` are.

    Returns
    -------
    float or None
        1.5 is one processor and half the time of a second one.

    Examples
    --------
    >>> from pathlib import Path
    >>> minisparse.processors.cpu_quota(Path("no such folder")) is None
    True
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    found = []
    for line in lines:  # "0::/a/b" in version 2, "3:cpu,cpuacct:/a/b" in version 1
        _, controllers, group = (line.split(":", 2) + ["", ""])[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        for top in (controllers, "cpu") if controllers else ("", "unified"):
            mount = root / "sys/fs/cgroup" / top
            places = [mount, *(mount / Path(*group.split("/")[1:n]) for n in range(2, len(group.split("/")) + 1))]
            found += [limit for place in places if (limit := _limit(place)) is not None]
    return min(found, default=None)


def _limit(group: Path) -> float | None:
    """Return one group's limit in processors, None without one."""
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text(encoding="ascii").strip() for name in ("quota", "period")
            )
        limit = math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return limit if 0 < limit < math.inf else None
