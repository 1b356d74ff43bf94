"""Every tagged line of a derivative as an exercise: what it asks, its hints, and its blank in the library's own source.

Nothing of the code is written here a second time: the file that a student fills in is cut from the library by the tags.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import textwrap

from ..equations import TAG, code_line, module_of, tags
from ..errors import InputError
from .texts import ASKS, LESSONS, SHAPES

MARK = re.compile(r"^(?P<code>[^#]*?)\s*# \((?P<tag>[A-Z]\d+)\)")
"""A line that carries a tag, in a student's file."""
YOURS = "your line"
PARAGRAPH = "\n\n"


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a hand-written backward pass.

    Attributes
    ----------
    name : str
        Its tag.
    lesson : str
    asks : str
        What the line computes, in one sentence.
    shape : str
        Of what it computes.
    """

    name: str
    lesson: str
    asks: str
    shape: str

    @property
    def solution(self) -> str:
        """The library's own line."""
        return code_line(self.name)

    @property
    def blank(self) -> str:
        """The line with its right-hand side missing."""
        return blanked(self.solution)

    @property
    def hints(self) -> tuple[str, ...]:
        """From gentle to nearly the line."""
        names = _names(ast.parse(_right_side(self.solution)))
        return (*ASKS[self.name][1:], f"The library's line uses {', '.join(names)}.")


def _names(tree: ast.AST) -> list[str]:
    """Return what an expression uses, with its dots."""
    found, inner = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            found.add(ast.unparse(node))
            inner |= {ast.unparse(node.value)} if isinstance(node, ast.Attribute) else set()
    return sorted(name.removeprefix("self.") for name in found - inner if re.fullmatch(r"[\w.]+", name))


@functools.cache
def lesson_of() -> dict[str, str]:
    """Return the lesson of every line that is an exercise, by tag, in the order of the lessons.

    Examples
    --------
    >>> minisparse.exercises.lines.lesson_of()["R7"]
    'bptt'
    """
    homes = {tag: module_of(tag).removeprefix("minisparse.") for tag in tags() if tag in ASKS}
    modules = [(module, name) for name, lesson in LESSONS.items() for module in lesson.modules]
    return {tag: name for module, name in modules for tag, home in homes.items() if home == module}


def line(tag: str) -> Line:
    """Return the exercise of one tag.

    Raises
    ------
    ValueError
        If the tag is unknown, or its line is no derivative.

    Examples
    --------
    >>> minisparse.exercises.lines.line("R7").blank
    'da[t] = ...'
    """
    if tag not in lesson_of():
        raise InputError(f"no exercise asks for the line {tag}; there are {', '.join(lesson_of())}")
    return Line(tag, lesson_of()[tag], ASKS[tag][0], SHAPES[tag])


def blanked(code: str) -> str:
    """Return a line of code without what it computes.

    Examples
    --------
    >>> minisparse.exercises.lines.blanked("w -= lr * grad"), minisparse.exercises.lines.blanked("return dy @ x.T")
    ('w -= ...', 'return ...')
    """
    return code[: len(code) - len(_right_side(code)) - len(_tail(code))] + "..." + _tail(code)


def _tail(code: str) -> str:
    return ":" if code.startswith("for ") else "," if code.endswith(",") else ""


def _right_side(code: str) -> str:
    """Return the part of a line that the student writes."""
    if code.startswith("for "):
        return code.partition(" in ")[2].removesuffix(":")
    if code.endswith(","):  # an entry of a call: name=lambda h: ...
        return code.partition(": ")[2].removesuffix(",")
    if code.startswith("return "):
        return code.removeprefix("return ")
    node = ast.parse(code).body[0]
    return ast.get_source_segment(code, node.value) if isinstance(node, ast.Assign | ast.AugAssign) else code


@functools.cache
def stub(lesson: str) -> str:
    """Return the file that a student fills in.

    Parameters
    ----------
    lesson : str
        Such as "bptt".

    Returns
    -------
    str
        A Python file: the functions of the library that hold the lesson's lines, with these lines blank.

    Examples
    --------
    >>> "da[t] = ..." in minisparse.exercises.lines.stub("bptt")
    True
    """
    told, mine = LESSONS[lesson], [tag for tag, name in lesson_of().items() if name == lesson]
    calls = "".join(f"\n* {text}" for text in told.calls)
    given = {"teaches": textwrap.fill(told.teaches, 100), "calls": f"\nIn these lines:\n{calls}\n" if calls else ""}
    head = HEAD.format(name=lesson, title=told.title, first=mine[0], **given)
    pieces = []
    for module in told.modules:
        pieces.append(f"# ---- minisparse/{module.replace('.', '/')}.py ----")
        pieces += [_with_blanks(piece, mine) for piece in _pieces(module)]
    return "\n\n\n".join([head, *pieces]) + "\n"


def _pieces(module: str) -> list[str]:
    """Return the source of every function of a module, or statement outside of one, that holds a tagged line."""
    source = inspect.getsource(importlib.import_module(f"minisparse.{module}"))
    found = []
    for node in _statements(ast.parse(source)):
        text = "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])
        if any(TAG.match(row) for row in text.splitlines()):
            found.append(textwrap.dedent(_short(node, source)))
    return found


def _statements(tree: ast.Module) -> list[ast.stmt]:
    return [
        node
        for top in tree.body
        for node in (top.body if isinstance(top, ast.ClassDef) else [top])
        if not isinstance(node, ast.Import | ast.ImportFrom)
    ]


def _short(node: ast.stmt, source: str) -> str:
    """Return a statement's source; of a docstring its first sentence alone."""
    rows = source.splitlines()
    if isinstance(node, ast.FunctionDef) and (told := ast.get_docstring(node)):
        first = node.body[0]
        short = f'{" " * first.col_offset}"""{" ".join(told.partition(PARAGRAPH)[0].split())}"""'
        return "\n".join([*rows[node.lineno - 1 : first.lineno - 1], short, *rows[first.end_lineno : node.end_lineno]])
    return "\n".join(rows[node.lineno - 1 : node.end_lineno])


def _with_blanks(piece: str, mine: list[str]) -> str:
    rows = []
    for row in piece.splitlines():
        match = TAG.match(row)
        if match and match["tag"] in mine:
            asked, indent = line(match["tag"]), row[: len(row) - len(row.lstrip())]
            rows += [f"{indent}# {text}" for text in textwrap.wrap(f"{asked.name}: {asked.asks} {asked.shape}", 96)]
            rows.append(f"{indent}{asked.blank}  # ({asked.name}) {YOURS}")
        else:
            rows.append(row)
    return "\n".join(rows)


HEAD = '''"""{title}.

{teaches}

Write every line that ends in "your line" and run this file:

    python exercises/{name}.py                       marks each line: done, wrong (and which mistake it is), not yet
    python exercises/{name}.py --hint                the next hint for the first line that is open
    python exercises/{name}.py --solution {first}         the library's own line

A line may become several: write them above the line that ends in its mark, ({first}) your line, and leave the
mark there.
Everything else is given: it is the library's own code, and your lines run in it. np is NumPy.
{calls}"""

if __name__ == "__main__":
    from minisparse.exercises import mark_file

    raise SystemExit(mark_file(__file__))  # what is below is read and never run here
'''.rstrip()
