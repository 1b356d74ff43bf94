"""The pages of the exercises: one for each whole pass, one for the lines of the library; hints and solutions are folded."""

from __future__ import annotations

import html
import textwrap

from equation_table import list_table

from minisparse.exercises import get, names, passes
from minisparse.exercises.exercise import Pass
from minisparse.exercises.passes import text


def pages() -> dict[str, str]:
    """Return every page by its name below docs/generated."""
    tasks = {f"exercise_{name}.rst": task(name) for name in passes.TASKS}
    return {**tasks, "exercise_lines.rst": lines(), "exercise_list.txt": listed()}


def listed() -> str:
    """Return a table of all exercises."""
    rows = []
    for name in names():
        exercise = get(name)
        page = (
            f":doc:`{name} </generated/exercise_{name}>`" if isinstance(exercise, Pass) else f":ref:`{name} <{name}>`"
        )
        rows.append((page, exercise.title.rstrip("."), str(exercise.minutes), exercise.teaches))
    return "\n".join(list_table(("name", "exercise", "minutes", "what it teaches"), rows)) + "\n"


def task(name: str) -> str:
    """Return the page of a whole pass."""
    exercise, module = Pass(name), passes.task(name)
    source = text.source(module)
    title, _, told = str(module.__doc__).partition("\n")
    told, _, derivation = told.partition(text.DERIVATION)
    rows = [
        title,
        "=" * len(title),
        told.strip(),
        "",
        f"About {exercise.minutes} minutes. To write it and have it marked:",
    ]
    rows += ["", *code(f"python -m minisparse.exercises start {name}\npython exercises/{name}.py", "bash")]
    rows += [*heading("With a pencil"), *code(textwrap.fill(module.PENCIL_CASE, 88), "text")]
    for key, question, *_ in module.PENCIL:
        rows += ["", f"``{key}``: {question}", "", *folded("hint", *literal(exercise.hints(key)))]
        rows += folded("answer", *literal([exercise.solution(key)]))
    blank = text.blanked(source)
    rows += [*heading("In code"), "The forward pass is given, the backward pass is yours.", ""]
    rows += code(blank[blank.index("def forward") :].strip())
    for number, hint in enumerate(module.HINTS, 1):
        rows += folded(f"hint {number}", *literal([hint]))
    rows += folded("solution", *code(text.solution(source)), "", derivation.strip())
    rows += heading("What goes wrong")
    rows += ["The marker knows these mistakes, among others, by the numbers that they give.", ""]
    rows += [f"* {row[1]}".replace("*", "\\*")[1:] for row in module.MISTAKES]
    return "\n".join([*rows, ""])


def lines() -> str:
    """Return the page of all lines."""
    title = "Lines of the library"
    told = "Each is blank in a file that holds the functions around it; your line runs in its place."
    rows = [title, "=" * len(title), told]
    for name in names():
        exercise = get(name)
        if isinstance(exercise, Pass):
            continue
        rows += ["", f".. _{name}:", *heading(exercise.title), exercise.teaches, ""]
        rows += code(f"python -m minisparse.exercises start {name}\npython exercises/{name}.py", "bash")
        for tag in exercise.parts:
            part = get(tag)
            rows += [
                "",
                f"**{tag}** {part.question.partition(chr(10))[0]}",
                "",
                *code(part.question.partition("\n")[2]),
            ]
            for number, hint in enumerate(part.hints, 1):
                rows += folded(f"hint {number}", *literal([hint]))
            rows += folded("the library's line", *code(part.solution))
    return "\n".join([*rows, ""])


def heading(title: str) -> list[str]:
    return ["", title, "-" * len(title), ""]


def code(source: str, language: str = "python") -> list[str]:
    return [f".. code-block:: {language}", "", textwrap.indent(source, "   "), ""]


def literal(texts: tuple[str, ...] | list[str]) -> list[str]:
    """Return plain text, in which stars and brackets mean themselves."""
    return [".. raw:: html", "", *(f"   <p>{html.escape(each, quote=False)}</p>" for each in texts), ""]


def folded(summary: str, *rows: str) -> list[str]:
    """Return rows that open at a tap."""
    begin = f'<details class="exercise"><summary>{summary}</summary>'
    return ["", ".. raw:: html", "", f"   {begin}", "", *rows, "", ".. raw:: html", "", "   </details>", ""]
