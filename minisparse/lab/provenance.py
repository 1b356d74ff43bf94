"""What made a row: command, commit, versions, and hashes of the golden numbers and of the chapter's run part."""

from __future__ import annotations

import ast
import functools
import hashlib
import platform
import re
import shlex
import subprocess
import symtable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from ..backend import describe
from ..errors import InputError

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden.json"
CHAPTER = re.compile(r"chapters/(\w+)\.py")
PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "cupy-cuda12x", "cupy-cuda13x")
UNREAD = ("ctx", "kind", "type_comment")
"""Fields of a syntax tree that follow from a node's place, or are text."""


def checkout(what: str) -> None:
    """Refuse what needs the chapters where minisparse is installed without them.

    Parameters
    ----------
    what : str
        What needs it.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not (ROOT / "chapters").is_dir():
        mend = "run it in a clone of the project, after `pip install -e .` there"
        raise InputError(f"{what} needs the chapters, which {ROOT} does not hold; {mend}")


def is_ours(path: Path) -> bool:
    """Whether a file lies in this checkout, also after its links are followed: no other is run or taken for ours.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bool

    Examples
    --------
    >>> provenance = minisparse.lab.provenance
    >>> provenance.is_ours(provenance.ROOT / "setup.cfg"), provenance.is_ours(provenance.ROOT / ".." / "x")
    (True, False)
    """
    return path.is_file() and path.resolve().is_relative_to(ROOT.resolve())


def stamp(command: str, chapter: str = "") -> dict:
    """Say what made a row: command, commit, versions, backend, golden numbers and the chapter's run part.

    Parameters
    ----------
    command : str
    chapter : str
        Name of the chapter's script.

    Returns
    -------
    dict
    """
    versions = {found.name: found.version for found in distributions() if found.name in PACKAGES}
    made = {"command": command, "commit": _commit(), "backend": describe(), "python": platform.python_version()}
    return {**made, "versions": versions, **state(chapter)}


def state(chapter: str) -> dict[str, str]:
    """Return what a chapter's rows depend on: hashes of the golden numbers and of the chapter's run part."""
    golden = GOLDEN.read_bytes() if GOLDEN.is_file() else b""
    file = ROOT / "chapters" / f"{chapter}.py"
    return {"golden": hashlib.sha256(golden).hexdigest()[:12], "run": run_part(file) if file.is_file() else ""}


def words_of(command: str) -> list[str]:
    """Return the words after ``python`` of a recorded command.

    Parameters
    ----------
    command : str

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If there are none.

    Examples
    --------
    >>> minisparse.lab.provenance.words_of("BACKEND=cupy python chapters/gain.py --paper")
    ['chapters/gain.py', '--paper']
    """
    try:
        words = shlex.split(command)
        return words[words.index("python") + 1 :]
    except ValueError as error:
        raise InputError(f"{command!r} is no `python chapters/NAME.py` ({error}); record it again") from error


def is_stale(row: dict) -> bool:
    """Whether golden numbers have changed since a row was made, or the run part of the chapter that made it."""
    found = CHAPTER.search(row["made_by"]["command"])
    now = state(found[1] if found else "")
    return any(row["made_by"].get(name) != value for name, value in now.items())


def run_part(file: Path) -> str:
    """Return a hash of what a chapter's rows depend on: `run_cell`, and every name of the file that it reads.

    It is taken from the syntax tree without docstrings and printing, so lesson, figures and text may change.
    A chapter without cells has a function `run` in its place.

    Parameters
    ----------
    file : Path

    Returns
    -------
    str
        Hexadecimal digits, the same on every supported version of Python.
    """
    return _run_part(file.read_bytes())


@functools.lru_cache(maxsize=64)
def _run_part(source: bytes) -> str:
    bound: dict[str, list[ast.stmt]] = {}
    for statement in ast.parse(source).body:
        for name in _bound_by(statement):
            bound.setdefault(name, []).append(statement)
    wanted, found = [name for name in ("run_cell", "run") if name in bound][:1], set()
    parts = []
    while wanted:
        name = wanted.pop()
        if name in found or name == "args":  # its values stand in each row's config
            continue
        found.add(name)
        for statement in bound.get(name, ()):
            parts.append((statement.lineno, _tree(statement)))
            wanted += _read_by(statement)
    text = "\n".join(tree for _, tree in sorted(set(parts)))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _bound_by(statement: ast.stmt) -> set[str]:
    """Return the names that a statement at the top of a file gives a value."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    table = symtable.symtable(ast.unparse(statement), "statement", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()} - _running(statement)


def _read_by(statement: ast.stmt) -> set[str]:
    """Return the names of the file, not those of a function's own, whose values a statement needs."""
    top = symtable.symtable(ast.unparse(statement), "statement", "exec")
    found = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_referenced()} - _running(statement)
    tables = top.get_children()
    while tables:
        table = tables.pop()
        found |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced() and symbol.is_global()}
        tables += table.get_children()
    return found


def _running(statement: ast.stmt) -> set[str]:
    """Return the variables of comprehensions: since Python 3.12 they are listed with the names around them."""
    targets = [node.target for node in ast.walk(statement) if isinstance(node, ast.comprehension)]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def _tree(node: Any) -> str:
    """Return a syntax tree as text: node types and fields by name, without what holds nothing, position or text.

    `ast.dump` would do, but what it writes of empty fields changes from one version of Python to the next.
    """
    if isinstance(node, list):
        return f"[{','.join(_tree(item) for item in node if not _is_text(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name not in UNREAD]
    return f"{type(node).__name__}({','.join(f'{name}={_tree(value)}' for name, value in fields)})"


def _is_text(statement: Any) -> bool:
    """Whether a statement is a string and nothing else: a docstring, wherever it is; or prints."""
    if not isinstance(statement, ast.Expr):
        return False
    printed = getattr(getattr(statement.value, "func", None), "id", None) == "print"
    return printed or isinstance(getattr(statement.value, "value", None), str)


@functools.cache
def _commit() -> str:
    def said(*words: str) -> str:
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=True).stdout.strip()

    if not (ROOT / ".git").exists():  # git would ask the folders above, which are others' checkouts
        return "unknown"
    try:
        changed = said("status", "--porcelain", "--", "minisparse", "chapters/*.py")
        return said("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
