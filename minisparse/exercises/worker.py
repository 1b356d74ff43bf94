"""The child process: reads jobs line by line, runs one answer after another, writes one result for each."""

from __future__ import annotations

import importlib
import json
import os
import sys


def serve() -> None:
    """Serve jobs until there are no more."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sys.modules["numba"] = None  # type: ignore[assignment]  # SciPy's kernels start at once
    from .. import threads
    from . import bench, judge, walls

    token, room = sys.stdin.readline().strip(), json.loads(sys.stdin.readline())
    for tag in ("R7", "S6"):  # import all that a check needs, before the walls are up
        bench.benches(tag)[-1].check()
    threads.blas_pools()  # found once, by a look at what the process has loaded
    with threads.flush_to_zero():  # so is C's setting of denormal numbers
        pass
    for name in room["imports"]:
        importlib.import_module(name)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    reads = [*room["reads"], *filter(os.path.isdir, sys.path)] if room["reads"] else []
    refusal = judge.Refused if reads else judge.NotAllowed
    enforced = walls.raise_walls(refusal, reads, room["writes"])
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    out.write(f"{token} {json.dumps(enforced)}\n")
    out.flush()
    for text in sys.stdin:
        job = json.loads(text)
        result = judge.guarded(job["kind"], *job["given"])
        out.write(f"{token} {json.dumps(result)}\n")
        out.flush()


if __name__ == "__main__":
    serve()
