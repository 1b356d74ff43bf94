"""Every CuPy name and keyword written in the library exists in the real CuPy, read from a recorded file."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import minisparse

SURFACE = json.loads(Path(__file__).with_name("cupy_surface.json").read_text(encoding="utf-8"))
PACKAGE = Path(minisparse.__file__).parent
GIVES_MODULE = ("array_module", "current_module")
JUDGED_METHODS = frozenset(
    ("all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumsum", "max", "mean", "min", "prod")
    + ("repeat", "reshape", "sort", "std", "sum", "take", "var")
)
"""Array methods whose keywords are checked whatever they are called on: their names belong to arrays alone."""
MISSING_METHODS = {name for name in dir(np.ndarray) if not name.startswith("_")} - (
    SURFACE["callables"]["cupy.ndarray"].keys() | set(SURFACE["attributes"]["cupy.ndarray"])
)
HOST_CALLS = ("np", "numpy", "to_numpy")


def problems(source: str) -> list[str]:
    """Return what in a module's source CuPy does not have, a sentence per place."""
    tree = ast.parse(source)
    roots = _roots(tree)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("cupy", "cupyx"):
            for alias in node.names:
                found += [(node.lineno, text) for text in _look_up(node.module, [alias.name], None)]
        if not isinstance(node, (ast.Attribute, ast.Name)) or id(node) in inner:
            continue
        owner, names = _path(node, roots)
        if owner:
            found += [(node.lineno, text) for text in _look_up(owner, names, calls.get(id(node)))]
        elif isinstance(node, ast.Attribute) and not _on_host(node.value):
            found += [(node.lineno, text) for text in _array_method(node.attr, calls.get(id(node)))]
    return [f"line {line}: {text}" for line, text in sorted(set(found))]


def _roots(tree: ast.AST) -> dict[str, str]:
    """Return what stands for a CuPy module or name in this source: spelling -> dotted path."""
    roots = {"xp": "cupy", "cupy": "cupy", "cupyx": "cupyx"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _gives_module(node.value):
            roots |= {ast.unparse(target): "cupy" for target in node.targets}
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("cupy", "cupyx"):
            roots |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return roots


def _gives_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in GIVES_MODULE


def _path(node: ast.AST, roots: dict[str, str]) -> tuple[str | None, list[str]]:
    """Split ``xp.a.b`` into what xp stands for and the names after it."""
    names: list[str] = []
    while True:
        spelling = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        if _gives_module(node) or spelling in roots:
            return roots.get(spelling, "cupy"), names[::-1]
        if not isinstance(node, ast.Attribute):
            return None, []
        names.append(node.attr)
        node = node.value


def _look_up(owner: str, names: list[str], call: ast.Call | None) -> Iterator[str]:
    callables, attributes = SURFACE["callables"], SURFACE["attributes"]
    path = owner
    for name in names:
        parent, path = path, f"{path}.{name}"
        if name.startswith("__") or (parent not in callables and parent not in attributes):
            return
        if name not in callables.get(parent, ()) and name not in attributes.get(parent, ()):
            yield f"{path} does not exist in CuPy {SURFACE['cupy']}"
            return
    home, _, name = path.rpartition(".")
    if call is not None:
        yield from _unknown_keywords(path, callables.get(home, {}).get(name), call)
        if path == "cupy.repeat" and not all(isinstance(a, ast.Constant) for a in _repeats(call)):
            yield "cupy.repeat with an array of repeats waits for the GPU; repeat on the host"


def _repeats(call: ast.Call) -> list[ast.expr]:
    return call.args[1:2] + [keyword.value for keyword in call.keywords if keyword.arg == "repeats"]


def _unknown_keywords(path: str, parameters: str | None, call: ast.Call) -> Iterator[str]:
    known = (parameters or "**anything").split()
    if not any(name.startswith("**") for name in known):
        for keyword in call.keywords:
            if keyword.arg and keyword.arg not in known:
                yield f"{path} has no keyword {keyword.arg!r} in CuPy {SURFACE['cupy']}"


def _array_method(name: str, call: ast.Call | None) -> Iterator[str]:
    if name in MISSING_METHODS or name == "reduceat":
        yield f"a CuPy array has no .{name}"
    if call is not None and name in JUDGED_METHODS:
        yield from _unknown_keywords(f"array.{name}", SURFACE["callables"]["cupy.ndarray"][name], call)


def _on_host(node: ast.AST) -> bool:
    """Whether an expression begins with a call into NumPy, or moves to the host."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in HOST_CALLS


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_library_uses_only_what_cupy_has(path: Path) -> None:
    assert problems(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("xp.insert(a, 0, 1.0)", "cupy.insert does not exist"),
        ("array_module(a).nosuch", "cupy.nosuch does not exist"),
        ("xp.linalg.eig_vals(a)", "cupy.linalg.eig_vals does not exist"),
        ("xp.sum(a, where=m)", "cupy.sum has no keyword 'where'"),
        ("xp.exp(a, where=m)", "cupy.exp has no keyword 'where'"),
        ("xp.max(a, initial=0)", "cupy.max has no keyword 'initial'"),
        ("a[0].max(initial=0)", "array.max has no keyword 'initial'"),
        ("(a * b).sum(where=m)", "array.sum has no keyword 'where'"),
        ("xp.add.reduceat(a, starts)", None),
        ("xp.multiply.at(a, i, b)", "cupy.multiply.at does not exist"),
        ("xp.add.at(a, i, b)", None),
        ("xp.logical_or.reduce(a)", "cupy.logical_or.reduce does not exist"),
        ("a.setflags(write=False)", "no .setflags"),
        ("xp.repeat(a, counts)", "array of repeats"),
        ("xp.repeat(a, 2, axis=0)", None),
        ("module = array_module(a)\nmodule.vecdot_(a, b)", "cupy.vecdot_ does not exist"),
        ("self._xp = array_module(a)\nself._xp.zeros(3, kind='f')", "cupy.zeros has no keyword 'kind'"),
        ("from cupyx.scipy.sparse import csr_array_of_mine", "does not exist"),
        ("from cupyx.scipy.sparse import csr_matrix\ncsr_matrix.nosuch", "csr_matrix.nosuch does not exist"),
        ("cupy.cuda.runtime.getDeviceNumber()", "cupy.cuda.runtime.getDeviceNumber does not exist"),
        ("xp.sum(a, axis=0, keepdims=True)", None),
        ("np.abs(a).max(initial=0)", None),
        ("settings.get('x', default=1)", None),
    ],
)
def test_a_planted_line_is_found_and_a_good_one_is_not(line: str, complaint: str | None) -> None:
    found = problems(line)
    assert len(found) == (complaint is not None)
    assert complaint is None or complaint in found[0]


def test_the_recorded_file_says_what_cupy_ufuncs_take() -> None:
    assert SURFACE["callables"]["cupy"]["exp"] == "*args out dtype casting"
    assert SURFACE["callables"]["cupy.add"].keys() == {"accumulate", "at", "outer", "reduce", "reduceat"}
