"""Rows of results: one JSON object per line, with all it takes to run it again; and what is generated from them."""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .backend import describe
from .errors import FileError
from .files import write_aside

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "chapters" / "results"
PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "cupy")


def key(config: dict) -> str:
    """Return a short hash of a configuration: equal settings, equal key.

    Examples
    --------
    >>> minisparse.results.key({"a": 1, "b": 2}) == minisparse.results.key({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


def stamp(command: str, chapter: str) -> dict:
    """Say what made a row: command, commit, versions, backend, and a hash of the sources in use.

    Parameters
    ----------
    command : str
    chapter : str
        Name of the chapter's script.

    Returns
    -------
    dict
    """
    loaded = {module.__file__ for name, module in list(sys.modules.items()) if name.startswith("minisparse.")}
    files = sorted(str(Path(file).relative_to(ROOT)) for file in loaded | {str(ROOT / "chapters" / f"{chapter}.py")})
    return {
        "command": command,
        "commit": _commit(),
        "backend": describe(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES if _version(name)},
        "sources": files,
        "sources_sha256": sources_hash(files),
    }


def sources_hash(files: Iterable[str]) -> str:
    """Return one hash over the content of source files (paths relative to the checkout)."""
    digest = hashlib.sha256()
    for file in files:
        path = ROOT / file
        digest.update(file.encode() + b"\0" + (path.read_bytes() if path.is_file() else b"") + b"\0")
    return digest.hexdigest()


def is_stale(row: dict) -> bool:
    """Whether the sources that made a row have changed since."""
    return sources_hash(row["made_by"]["sources"]) != row["made_by"]["sources_sha256"]


def read(path: Path) -> list[dict]:
    """Read rows; a file that does not exist has none.

    Raises
    ------
    OSError
        If a line is not a JSON object, naming the line.
    """
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise FileError(f"{path} line {number} is no JSON object ({error}); delete the line or the file") from error
    return rows


def write(path: Path, rows: Iterable[dict]) -> None:
    """Write rows, aside and renamed."""
    text = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)
    write_aside(path, lambda file: file.write(text.encode()))


def run_cells(
    args: Any, chapter: str, cells: Iterable[dict], measure: Callable[[dict, Path], dict], shown: Callable[[dict], str]
) -> list[dict]:
    """Run a chapter's cells one by one, write each one's row as soon as it is there, and print a line about it.

    With ``--resume`` a cell whose row is there, made by the same sources, is not run again.

    Parameters
    ----------
    args : namespace
        From `cli.chapter`: out, command, resume.
    chapter : str
    cells : list of dict
        Each with a ``config`` of plain values, and whatever else its row should carry.
    measure : callable
        ``measure(config, checkpoint)`` returns the numbers; the checkpoint's path is free for it to use.
    shown : callable
        Turns a row into a line.

    Returns
    -------
    list of dict
        The rows, in the order of the cells.
    """
    file, cells = args.out / "rows.jsonl", list(cells)
    done = {row["key"]: row for row in (read(file) if args.resume else [])}
    rows: list[dict] = []
    for number, cell in enumerate(cells, 1):
        made_by = stamp(args.command, chapter)
        name = key({**cell, "sources": made_by["sources_sha256"]})  # a row of other sources is not this cell's
        checkpoint = args.out / f"{name}.npz"
        if name not in done:
            done[name] = {**cell, "key": name, **measure(cell["config"], checkpoint), "made_by": made_by}
        rows.append(done[name])
        write(file, rows)
        checkpoint.unlink(missing_ok=True)
        print(f"  {number}/{len(cells)}  {shown(rows[-1])}", flush=True)
    return rows


def record(out: Path, chapter: str, files: Iterable[str]) -> None:
    """Copy what a chapter wrote into ``chapters/results/``, under names that start with the chapter's."""
    names = {"rows.jsonl": f"{chapter}.jsonl", f"{chapter}.png": f"{chapter}.png"}
    for file in files:
        target = RESULTS / names.get(file, f"{chapter}-{file}")
        content = (Path(out) / file).read_bytes()
        write_aside(target, lambda handle, content=content: handle.write(content))


@functools.cache
def _commit() -> str:
    try:
        git = ["git", "-C", str(ROOT)]
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "--", "minisparse", "chapters/*.py"], capture_output=True, text=True
        )
        return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def count_code() -> dict[str, int]:
    """Count the lines of the library that are neither blank, comment nor docstring, per folder."""
    import ast

    counts = {}
    for folder in ("minisparse", "minisparse/kernels"):
        total = 0
        for path in sorted((ROOT / folder).glob("*.py")):
            text = path.read_text(encoding="utf-8")
            lines = text.splitlines()
            skipped = {i for i, line in enumerate(lines, 1) if not line.strip() or line.strip().startswith("#")}
            for node in ast.walk(ast.parse(text)):
                if (
                    isinstance(node, ast.Expr)
                    and isinstance(node.value, ast.Constant)
                    and isinstance(node.value.value, str)
                ):
                    skipped |= set(range(node.lineno, node.end_lineno + 1))
            total += len(lines) - len(skipped)
        counts[folder] = total
    return counts


def readme_block() -> str:
    """Return the part of the README that is generated: the table of the first chapter, and how long the code is."""
    rows = read(RESULTS / "dale.jsonl")
    from collections import defaultdict
    from statistics import mean, pstdev

    groups = defaultdict(list)
    for row in rows:
        c = row["config"]
        if row["part"] == "densities":
            groups[c["density"], c["clamp"]].append(row)
    lines = ["| density | gain, predicted | signs | delay (epochs) | final test accuracy |", "|---|---|---|---|---|"]
    for (density, clamp), members in sorted(groups.items(), key=lambda item: (-item[0][0], item[0][1])):
        delays = [row["delay"] for row in members]
        last = [row["accuracy"][-1] for row in members]
        shown = ", ".join("never" if delay is None else str(delay) for delay in delays)
        lines.append(
            f"| {density:g} | {members[0]['predicted_gain']:.2f} | {clamp.replace('_', ' ')} | {shown} | "
            f"{mean(last):.1f} ± {pstdev(last):.1f} % |"
        )
    if rows:
        made, config = rows[0]["made_by"], rows[0]["config"]
        stale = " **STALE: the sources have changed since.**" if any(map(is_stale, rows)) else ""
        lines += [
            "",
            f"{config['nodes']} neurons, {config['dataset']}, {config['epochs']} epochs, one entry per seed; "
            f"`{made['command']}`, {made['backend'].removeprefix('backend: ')}.{stale}",
        ]
    counts = count_code()
    lines += [
        "",
        f"The library is {sum(counts.values()):,} lines of code (no blank lines, comments or docstrings), "
        f"{counts['minisparse/kernels']:,} of them sparse kernels.",
    ]
    return "\n".join(lines)


BEGIN, END = "<!-- generated: python -m minisparse.results --write -->", "<!-- end of generated part -->"


def readme(text: str) -> str:
    """Return the README with its generated part renewed."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{readme_block()}\n{END}{tail}"


def main(argv: list[str] | None = None) -> int:
    """Compare the generated part of the README with the result files, or write it."""
    parser = argparse.ArgumentParser(prog="python -m minisparse.results", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write instead of comparing")
    args = parser.parse_args(argv)
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    if args.write:
        write_aside(path, lambda file: file.write(readme(text).encode()))
    elif readme(text) != text:
        print("README.md differs from the result files; run: python -m minisparse.results --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
