"""What is made of a task's source text: the student's stub, and the source with another body of the backward pass."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from types import ModuleType

from ...errors import InputError

BEGIN, END = "    # BEGIN SOLUTION\n", "    # END SOLUTION\n"
DERIVATION = "\n\nDerivation\n----------\n\n"
"""What stands between the task and its derivation in a docstring."""
KEPT_BACK = {"inputs", "SUPPORT", "pencil"}
"""Functions that a stub does without."""


def source(module: ModuleType) -> str:
    """Return the source text of a task.

    Examples
    --------
    >>> from minisparse.exercises.passes import task, text
    >>> text.source(task("rnn")).splitlines()[0][4:]
    'A recurrent network'
    """
    return Path(module.__file__).read_text(encoding="utf-8")


def solution(source: str) -> str:
    """Return the lines between the two marks, without their indentation.

    Examples
    --------
    >>> from minisparse.exercises.passes import task, text
    >>> print(text.solution(text.source(task("linear"))))
    dW = dy @ x.T  # (post, pre)
    db = dy.sum(axis=1, keepdims=True)  # (post, 1)
    dx = W.T @ dy  # (pre, batch)
    """
    return textwrap.dedent(_parts(source)[1]).rstrip("\n")


def with_body(source: str, body: str) -> str:
    """Return the source with another body between the two marks.

    Examples
    --------
    >>> from minisparse.exercises.passes import task, text
    >>> text.solution(text.with_body(text.source(task("linear")), "dW = 0"))
    'dW = 0'
    """
    before, _, after = _parts(source)
    return before + BEGIN + textwrap.indent(textwrap.dedent(body).strip("\n") + "\n", "    ") + END + after


def mistaken(source: str, line: str | tuple[str, ...], wrong: str | tuple[str, ...]) -> str:
    """Return the source with lines of the solution exchanged; comments do not count as part of a line.

    Parameters
    ----------
    source : str
        Of the module of a task.
    line, wrong : str or tuple of str
        A line and what stands in its place, one line or several; or as many of both, for a slip in several places.

    Raises
    ------
    ValueError
        If a line is not there exactly once.

    Examples
    --------
    >>> from minisparse.exercises.passes import task, text
    >>> wrong = text.mistaken(text.source(task("linear")), "dW = dy @ x.T", "dW = -dy @ x.T")
    >>> text.solution(wrong).splitlines()[0]
    'dW = -dy @ x.T'
    """
    lines = solution(source).splitlines()
    bare = [code_of(text) for text in lines]
    rights, others = ((part,) if isinstance(part, str) else part for part in (line, wrong))
    for right, other in zip(rights, others, strict=True):
        if bare.count(right) != 1:
            raise InputError(f"{right!r} should be one line of the solution, but is there {bare.count(right)} times")
        old = lines[bare.index(right)]
        lines[bare.index(right)] = textwrap.indent(other, old[: len(old) - len(old.lstrip())])
    return with_body(source, "\n".join(lines))


def code_of(line: str) -> str:
    """Return a line without indentation and comment.

    Examples
    --------
    >>> from minisparse.exercises.passes import text
    >>> text.code_of("    dW = dy @ x.T  # (post, pre)")
    'dW = dy @ x.T'
    """
    return line.partition("  # ")[0].strip()


def blanked(source: str) -> str:
    """Return the student's file: the task's text, the forward pass, and the backward pass with a blank per gradient.

    Parameters
    ----------
    source : str
        Of the module of a task.

    Returns
    -------
    str
        Without derivation, hints, mistakes and other forms.

    Examples
    --------
    >>> from minisparse.exercises.passes import task, text
    >>> text.blanked(text.source(task("linear"))).splitlines()[-4:-2]
    ['    dW = ...  # (post, pre): your lines', '    db = ...  # (post, 1): your lines']
    """
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    kept = []
    for node in tree.body:
        text = "".join(lines[node.lineno - 1 : node.end_lineno])
        if node is tree.body[0]:
            kept.append(text.partition(DERIVATION)[0] + '\n"""\n\n')
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            kept.append(text)
        elif isinstance(node, ast.FunctionDef) and node.name not in KEPT_BACK:
            kept.append("\n\n" + (_blank(text, node) if node.name == "backward" else text))
    return "".join(kept)


def gradients(source: str) -> tuple[str, ...]:
    """Return the names under which the backward pass of a task returns its gradients.

    Examples
    --------
    >>> from minisparse.exercises.passes import task, text
    >>> text.gradients(text.source(task("linear")))
    ('W', 'b', 'x')
    """
    backward = next(node for node in ast.parse(source).body if getattr(node, "name", "") == "backward")
    return tuple(ast.literal_eval(key) for key in _returned(backward).keys)


def _returned(backward: ast.FunctionDef) -> ast.Dict:
    return next(node.value for node in backward.body if isinstance(node, ast.Return))


def _blank(text: str, backward: ast.FunctionDef) -> str:
    """Return the backward pass with one blank for each gradient that it returns, and its shape."""
    names = [value.id for value in _returned(backward).values]
    shapes = [re.search(rf"^{name} = .*  # (\([^)]*\))", solution(text), flags=re.MULTILINE)[1] for name in names]
    blanks = (f"{name} = ...  # {shape}: your lines" for name, shape in zip(names, shapes, strict=True))
    return with_body(text, "\n".join(blanks)).replace(BEGIN, "").replace(END, "")


def _parts(source: str) -> tuple[str, str, str]:
    """Return what stands before the solution, the solution, and what follows it, without the marks."""
    before, begin, rest = source.partition(BEGIN)
    body, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError("the source has no lines # BEGIN SOLUTION and # END SOLUTION")
    return before, body, after
