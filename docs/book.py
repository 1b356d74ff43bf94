"""What the book makes at build time: chapters drawn from recorded rows, and the pages that are generated."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import textwrap
from pathlib import Path

import equation_table
import exercise_pages
from PIL import Image

import minisparse
from minisparse import equations
from minisparse.lab import folded, notebook, page, rows, verify
from minisparse.lab.provenance import ROOT

DOCS = ROOT / "docs"
DRAWN = DOCS / "_build" / "drawn"
"""Where the chapters write their figures while the book is built."""
GENERATED = DOCS / "generated"
FIGURES = GENERATED / "figures"


class Order:
    """The order of the chapters: bptt first, then that of the table in chapters/findings.md."""

    def __init__(self, folder: str):
        self.names = ["bptt", *re.findall(r"\(chapters/(\w+)\.py\)", page.section("chapters"))]

    def __call__(self, file: str) -> tuple:
        name = Path(file).stem
        return self.names.index(name) if name in self.names else len(self.names), name


def recorded_flags(gallery_conf: dict, script_vars: dict) -> list[str]:
    """Return a chapter's flags: those that its rows were recorded with, and to take these rows instead of running."""
    name = Path(script_vars["src_file"]).stem
    out = DRAWN / name
    shutil.rmtree(out, ignore_errors=True)
    scraper.seen.clear()
    table, flags = rows.RESULTS / f"{name}.jsonl", []
    if cells := [row for row in rows.read(table) if "key" in row]:
        _, *flags = verify.arguments(cells[0]["made_by"]["command"])
        flags += ["--rows", str(table)]
    return [*flags, "--out", str(out)]


def alt_of(path: Path) -> str:
    """Return the alternative text inside a PNG file that `minisparse.plot.save` wrote."""
    with Image.open(path) as image:
        return " ".join(image.text["Description"].split())


class Scraper:
    """Show the figures that a block of a chapter has saved."""

    def __init__(self):
        self.seen: set[Path] = set()

    def __call__(self, block: tuple, block_vars: dict, gallery_conf: dict) -> str:
        folder, shown = DRAWN / Path(block_vars["src_file"]).stem, []
        new = sorted(set(folder.glob("*.png")) - self.seen, key=lambda path: path.stat().st_mtime_ns)
        for path in new:
            self.seen.add(path)
            target = Path(next(block_vars["image_path_iterator"]))
            shutil.copyfile(path, target)
            place = target.relative_to(gallery_conf["src_dir"]).as_posix()
            shown += [f".. image:: /{place}", f"   :alt: {alt_of(path)}", ""]
        return "\n".join(shown)


scraper = Scraper()


def answers() -> dict[str, tuple[str, str, str]]:
    """Return question, time and answer of each chapter, from the table in chapters/findings.md."""
    found = re.findall(
        r"^\| \[(\w+)\]\([^)]*\) \| (.*?) \| (.*?) \| (.*?) \|$", page.fill(page.section("chapters")), re.MULTILINE
    )
    return {name: (question, time, answer) for name, question, time, answer in found}


def lead(name: str, source: str) -> Path | None:
    """Return the figure that a chapter's page opens with: the recorded one of the first that its text names."""
    found = re.search(rf"out/{name}/(\S+)\.png", source)
    stem = found[1] if found else name
    recorded = rows.RESULTS / (f"{name}.png" if stem == name else f"{name}-{stem}.png")
    drawn = DRAWN / name / f"{stem}.png"
    return next((path for path in (recorded, drawn, *sorted((DRAWN / name).glob("*.png"))) if path.is_file()), None)


def opening(name: str, source: str) -> list[str]:
    """Return the lines that a chapter's page begins with: its finding and its figure."""
    lines = []
    downloads = f"As a :download:`script <{name}.py>` or a :download:`notebook <{name}.ipynb>`"
    if name in answers():
        question, time, answer = answers()[name]
        said = [f"**{question}**", "", f"{answer[0].upper()}{answer[1:]}.", "", f"{downloads}; run time: {time}."]
        lines += [".. admonition:: Finding", "   :class: finding", "", *(f"   {line}".rstrip() for line in said), ""]
    if path := lead(name, source):
        FIGURES.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, FIGURES / f"{name}.png")
        lines += [f".. figure:: /generated/figures/{name}.png", f"   :alt: {alt_of(path)}", ""]
        recorded = rows.read(rows.RESULTS / f"{name}.jsonl")
        if path.parent == rows.RESULTS and recorded:
            lines += [f"   Drawn from recorded rows, made by ``{made_by(recorded[0])}``.", ""]
    return lines


def made_by(row: dict) -> str:
    """Return the command that made a row, without flags that change no number."""
    script, *flags = verify.arguments(row["made_by"]["command"])
    return " ".join(["python", script, *(flag for flag in flags if flag != "--yes")])


def verdict_table(name: str) -> list[str]:
    """Return the lines of a chapter's table of verdicts."""
    claims = [row for row in rows.read(rows.RESULTS / f"{name}.jsonl") if row["part"] == "claim"]
    found = [
        tuple(
            re.sub(r"([\\`*|_])", r"\\\1", text)
            for text in (page.mark(row), row["figure"], row["claim"], row["ours"], row["paper"])
        )
        for row in claims
        if row["status"] != "NOT RUN"
    ]
    if not found:
        return []
    said = "✓ reproduced, ✗ not reproduced, · a number without a threshold. Longer runs and what has not been run:"
    heads = ("", "figure", "claim", "what came out", "the paper")
    if not any(row[-1] for row in found):
        heads, found = heads[:-1], [row[:-1] for row in found]
    return [
        *("Verdicts", "--------", "", said, ":doc:`/generated/results`.", ""),
        *equation_table.list_table(heads, found),
        "",
    ]


CELL = re.compile(
    r"^\.\. code-block:: Python\n(?P<code>(?: .*\n|\n)+)"
    r"(?:\.\. rst-class:: sphx-glr-script-out\n\n \.\. code-block:: none\n(?:  .*\n|\n)+)?",
    re.MULTILINE,
)
"""A cell of code, and what it prints, as the gallery writes them."""


def is_set_up(code: str) -> bool:
    """Whether a cell only sets up: it reads the chapter's arguments, or imports."""
    imports = (ast.Import, ast.ImportFrom)
    return "lab.chapter(" in code or all(isinstance(statement, imports) for statement in ast.parse(code).body)


def fold(text: str) -> str:
    """Fold each cell of a page that only sets up, so that the page goes on with the lesson."""

    def folded(cell: re.Match) -> str:
        if not is_set_up(textwrap.dedent(cell["code"])):
            return cell[0]
        begin = '<details class="set-up"><summary>Set-up: imports and arguments</summary>'
        raw = [f".. raw:: html\n\n   {line}\n\n" for line in (begin, "</details>")]
        return f"{raw[0]}{cell[0].rstrip()}\n\n{raw[1]}"

    return CELL.sub(folded, text)


def on_source(app, name: str, source: list[str]) -> None:
    """Complete a page: numbers; for a chapter finding and figure first, the verdicts and the exercises at the end."""
    chapter = re.fullmatch(r"chapters/(\w+)", name)
    if app.env.doc2path(name).suffix == ".md" and not name.startswith("generated/"):
        source[0] = page.fill(folded.guide(source[0]))
        return
    if name == "chapters/index":
        thumbs = re.compile(r":alt: *\n(.*?thumbnail-title\">)(.*?)<", re.DOTALL)
        source[0] = thumbs.sub(lambda found: f":alt: {found[2]}\n{found[1]}{found[2]}<", source[0])
        return
    if not chapter or chapter[1] == "sg_execution_times":
        return
    text = fold(source[0].replace(f"{DRAWN}/", "out/"))
    title = re.search(r"^.+\n={3,}\n", text, re.MULTILINE)
    text = "\n".join([text[: title.end()], *opening(chapter[1], text), text[title.end() :]])
    table, exercises = "\n".join(verdict_table(chapter[1])), text.find("\nExercises\n-----")
    exercises = exercises if exercises >= 0 else text.find("\n.. _sphx_glr_download_")
    text = f"{text[:exercises]}\n\n{table}\n{text[exercises:]}"
    source[0] = folded.insert(text, "Read next\n-----", folded.as_page(chapter[1]))


def on_doctree(app, doctree) -> None:
    """Show each figure with 100 pixels to the inch; one with a width leads to its file, which is larger."""
    from docutils import nodes

    for node in doctree.findall(nodes.image):
        path = Path(app.srcdir) / node["uri"]
        if path.suffix == ".png" and path.parent.name != "thumb" and "width" not in node:
            with Image.open(path) as image:
                dots, _ = image.info.get("dpi", (150, 150))
            node["width"] = f"{round(100 * image.width / dots)}px"


def modules() -> dict[str, list[str]]:
    """Return the public names of each module that the reference describes."""
    found = {module: list(names) for module, names in minisparse._HOMES.items()}
    for module in ("measure", "gradcheck", "bridges"):
        found[module] = sorted(getattr(minisparse, module).__all__)
    found["plot"] = [name for name in minisparse.plot.__all__ if callable(getattr(minisparse.plot, name))]
    testing = minisparse.testing
    found["testing"] = [name for name in dir(testing) if callable(getattr(testing, name)) and name != "Broken"]
    found["normalise"] = [*found["normalise"], "Scaled"]
    found["evolve"] = sorted(name for name in minisparse.evolve.__all__ if callable(getattr(minisparse.evolve, name)))
    found["protocols"] = ["Normaliser", "Rule", "Hook", "Loss", "Layer", "Model", "Weights", "Bound", "Run"]
    return found


def reference(module: str, names: list[str]) -> str:
    """Return the page of a module: a table of its public names, then each with its docstring."""
    home = getattr(minisparse, module)
    path = f"minisparse.{module}"
    lines = [path, "=" * len(path), "", inspect.cleandoc(home.__doc__), "", f".. currentmodule:: {path}", ""]
    lines += [".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in names), ""]
    for name in names:
        thing = getattr(home, name)
        kind = "class" if inspect.isclass(thing) else "function" if inspect.isfunction(thing) else "data"
        kind = "exception" if kind == "class" and issubclass(thing, Exception) else kind
        lines += [f".. auto{kind}:: {name}"]
        lines += ["   :members:", "   :inherited-members: Exception, object"] if kind == "class" else []
        lines += ["   :no-value:"] if kind == "data" else []
        lines += [""]
    return "\n".join(lines)


def on_docstring(app, what: str, name: str, thing, options, lines: list[str]) -> None:
    """Name the equations that a function's lines are, with a link to where each is derived; |x| is no substitution."""
    lines[:] = [re.sub(r"``.*?``|\|", lambda found: "\\|" if found[0] == "|" else found[0], line) for line in lines]
    if what not in ("function", "method"):
        return
    try:
        source = textwrap.dedent(inspect.getsource(thing)).splitlines()
    except (OSError, TypeError):
        return
    tags = [match["tag"] for line in source if (match := equations.TAG.match(line))]
    if tags:
        links = ", ".join(f"`({tag}) <coverage.html#{tag.lower()}>`__" for tag in tags)
        lines += ["", f"Its equations: {links}.", ""]


def not_ours(app, what: str, name: str, thing, skip: bool, options) -> bool | None:
    """Leave out what a class has from scikit-learn, whose own pages describe it."""
    return True if str(getattr(thing, "__module__", "")).startswith("sklearn.") else None


def generate(app) -> None:
    """Write the generated pages, and the notebooks that the chapters' pages offer."""
    GENERATED.mkdir(exist_ok=True)
    pages = {
        "coverage.rst": equation_table.as_page(),
        "results.md": page.results_md().replace("](chapters/", "](../chapters/"),
    }
    pages |= {f"api_{module}.rst": reference(module, names) for module, names in modules().items()}
    inside = "\n".join(f"   api_{module}" for module in modules())
    pages["api.rst"] = f"Reference\n=========\n\n.. toctree::\n   :maxdepth: 1\n\n{inside}\n"
    cells = [(f":doc:`/chapters/{name}`", q, answer) for name, (q, _, answer) in answers().items()]
    pages["chapters.txt"] = "\n".join(equation_table.list_table(("chapter", "question", "answer"), cells))
    pages |= exercise_pages.pages()
    for name, text in pages.items():
        path = GENERATED / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    notebook.write_notebooks(DOCS / "chapters")


def setup(app) -> dict:
    app.connect("builder-inited", generate, priority=900)  # after the gallery, whose notebooks these replace
    app.connect("source-read", on_source)
    app.connect("doctree-read", on_doctree, priority=900)  # when the address of an image is a path
    app.connect("autodoc-process-docstring", on_docstring, priority=900)
    app.connect("autodoc-skip-member", not_ours)
    return {"parallel_read_safe": True}
