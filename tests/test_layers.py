"""The house: which family a module belongs to, what it may import, and which test is its own."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "minisparse"
RANKS = {
    "ground": "errors files archive identity equations backend protocols arguments threads processors",
    "structure": "connectivity patterns groups kernels weights initialise",
    "rules": "activations losses step_losses metrics clip normalise dale optim evolve",
    "networks": "summary leak recurrent rnn sequence wrappers mlp conv patches",
    "learning": "data progress pace train resume checkpoint nonfinite measure",
    "plot": "plot style",
    "gradcheck": "gradcheck",
    "testing": "testing exercises model_file estimators bridges selftest",
    "lab": "lab",
    "face": "__init__ __main__ results",
}
"""Families from the ground up; a module imports its own family and what is below."""
RANK = {room: rank for rank, rooms in enumerate(RANKS.values()) for room in rooms.split()}
SAME_FORM = ("minisparse/kernels/", "minisparse/exercises/passes/", "minisparse/testing/of_")
"""Where modules offer the same functions, each in its own way."""
UNTESTED = {
    "minisparse/__init__.py": "the face: tests/test_face.py",
    "minisparse/__main__.py": "prints versions: tests/test_face.py",
    "minisparse/results.py": "one line, another name of the lab's: tests/test_face.py",
    "minisparse/style.py": "tests/test_plot.py",
    "minisparse/protocols.py": "no code that runs; .ci/typed.py is checked by mypy",
    "minisparse/testing/strategies.py": "they draw what other tests check",
    "minisparse/evolve/site.py": "tests/evolve/test_routine.py",
    "minisparse/kernels/blocks.py": "tests/kernels/test_reference.py",
    "minisparse/kernels/with_cupy.py": "tests/gpu",
    "minisparse/exercises/places.py": "tests/exercises/test_bench.py checks every place",
    "minisparse/gradcheck/sight.py": "tests/test_chapters.py shows the table",
    "minisparse/backend.py": "tests/gpu/test_switch.py, over the double and without a GPU",
    "minisparse/exercises/__main__.py": "tests/exercises/test_command.py",
    "minisparse/exercises/find_mistake.py": "tests/exercises/test_games.py",
    "minisparse/exercises/read_curve.py": "tests/exercises/test_games.py",
    "minisparse/exercises/sequences.py": "tests/exercises/test_bench.py checks every place",
    "minisparse/exercises/small.py": "tests/exercises/test_games.py",
    "minisparse/exercises/texts.py": "tests/exercises/test_lines.py",
    "minisparse/exercises/worker.py": "tests/exercises/test_child.py",
    "minisparse/lab/grid.py": "tests/lab/test_sweep.py",
    "minisparse/lab/__main__.py": "tests/lab/test_verify.py and test_page.py run it",
}
"""Modules whose test has another name, and where it is."""
LONG = {
    "minisparse/exercises/texts.py": "one entry per line of the library",
    "minisparse/kernels/products.py": "vector code, not part of the lesson",
    "minisparse/gradcheck/comparison.py:compare": "what is checked, in order",
    "minisparse/gradcheck/probe.py:__init__": "every way in which a forward pass can be unfit for a check",
    "minisparse/gradcheck/steps.py:check_steps": "its arguments, and two steps in order",
    "minisparse/lab/cli.py:chapter": "one call per flag",
    "minisparse/lab/sweep.py:run": "the life of a sweep, in order",
}
"""Files over 350 lines and functions over 45 lines of code, each with its reason."""


def modules() -> dict[str, ast.Module]:
    found = sorted(PACKAGE.rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in found}


MODULES = modules()


def dotted(path: str) -> str:
    """Return a module's name below the package: "weights.csr"; "" for the face."""
    return path.removeprefix("minisparse/").removesuffix(".py").removesuffix("__init__").rstrip("/").replace("/", ".")


NAMES = {dotted(path): path for path in MODULES}


def room(path: str) -> str:
    return Path(path).relative_to("minisparse").parts[0].removesuffix(".py")


def imported(path: str) -> set[tuple[str, str]]:
    """Return (module, name) of every import of this package, inside functions too, but not for type checkers."""
    package = Path(path).parent.relative_to("minisparse").parts
    found = set()
    skipped = {
        id(inner)
        for node in ast.walk(MODULES[path])
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(MODULES[path]):
        if id(node) in skipped or not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if isinstance(node, ast.Import):
            found |= {(a.name.removeprefix("minisparse."), "") for a in node.names if a.name.startswith("minisparse.")}
            continue
        if node.level:
            above = package[: len(package) - node.level + 1]
        elif (node.module or "").partition(".")[0] == "minisparse":
            above, node.module = (), node.module.partition(".")[2]
        else:
            continue
        base = ".".join([*above, *([node.module] if node.module else [])])
        for name in node.names:
            inner = f"{base}.{name.name}" if base else name.name
            found.add((inner, "") if inner in NAMES else (base, name.name))
    return {(module, name) for module, name in found if module in NAMES and NAMES[module] != path}


@pytest.mark.parametrize("path", MODULES)
def test_imports_go_down_and_no_private_name_crosses_a_family(path):
    assert room(path) in RANK, f"{path} belongs to no family: put it into RANKS"
    for module, name in imported(path):
        other = room(NAMES[module])
        if module == "" and room(path) != "__init__":
            assert path in ("minisparse/__main__.py",), f"{path} imports the face"
            continue
        assert RANK[other] <= RANK[room(path)], f"{path} imports {module}, which is above it"
        if other != room(path):
            assert not name.startswith("_"), f"{path} takes the private {name} of {module}"


def test_no_modules_import_each_other_in_a_circle():
    edges = {path: {NAMES[module] for module, _ in imported(path)} for path in MODULES}
    for path in MODULES:  # a package's face is loaded with any of its modules and takes names from all of them
        edges[path] = {other for other in edges[path] if Path(other).name != "__init__.py"}
    done: set[str] = set()

    def visit(path: str, way: tuple[str, ...]) -> None:
        assert path not in way, f"a circle: {' -> '.join([*way, path])}"
        if path not in done:
            for other in edges[path]:
                visit(other, (*way, path))
            done.add(path)

    for path in MODULES:
        visit(path, ())


@pytest.mark.parametrize("path", [path for path in MODULES if Path(path).name != "__init__.py"])
def test_every_module_has_its_test(path):
    own = ROOT / "tests" / Path(path).relative_to("minisparse").with_name(f"test_{Path(path).name}")
    in_one = own.with_name(f"test_{own.parent.name}.py")  # a folder may have one test for all
    assert own.is_file() or in_one.is_file() or path in UNTESTED, f"{path} has no {own.relative_to(ROOT)}"


def test_within_a_family_no_two_public_functions_share_a_name():
    homes: dict[tuple[str, str], list[str]] = {}
    for path, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                homes.setdefault((room(path), node.name), []).append(path)
    twice = {key: paths for key, paths in homes.items() if len({p for p in paths if not p.startswith(SAME_FORM)}) > 1}
    assert not twice


def code_lines(node: ast.AST, lines: list[str]) -> int:
    """Count the lines of a function that are neither blank, comment nor docstring."""
    skipped = {
        number
        for inner in ast.walk(node)
        if isinstance(inner, ast.Expr) and isinstance(getattr(inner.value, "value", None), str)
        for number in range(inner.lineno, inner.end_lineno + 1)
    }
    numbers = range(node.lineno, node.end_lineno + 1)
    return sum(bool(lines[n - 1].strip()) and lines[n - 1].lstrip()[0] != "#" and n not in skipped for n in numbers)


def test_long_files_and_functions_are_listed_with_a_reason():
    found = set()
    for path, tree in MODULES.items():
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        found |= {path} if len(lines) > 350 else set()
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        long = {f"{path}:{node.name}" for node in functions if code_lines(node, lines) > 45}
        found |= {path} if long and path in LONG else long
    assert found == set(LONG)
    assert len(LONG) <= 8


def test_a_public_name_of_the_face_has_one_home():
    import minisparse

    names = list(itertools.chain(*minisparse._HOMES.values()))
    assert len(names) == len(set(names))
    assert not set(names) & set(minisparse._MODULES)
