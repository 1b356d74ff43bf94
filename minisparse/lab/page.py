"""What is generated from recorded results: parts of README.md, and RESULTS.md. Their words are in chapters/findings.md.

A number in those words is ``{FILE | FIGURE | NAME}``: of the claim of that figure, the number of that name. Where a
figure has several claims, words of the claim follow: ``FIGURE ~ WORDS``. A form may follow: ``NAME | +.1f``. Two names
fit every claim: ``mark``, and ``ours``, all that came out. Further: ``{FILE | STATUS}``, how many claims of the file
have that status (``all``: how many it has); ``{FILE | PART K | NAME}``, of the K-th row of a part; ``{open | PAPER}``,
how many statements of a paper have not been run; ``{time | CHAPTER}``, how long a chapter takes; ``{code | TAG}``, a
line of the library; ``{law | FUNCTION NUMBERS}``, what a function of `minisparse.measure.gains` makes of them. A line
``{figures: PAPER}`` is a table of the paper's figures. The bars stand between spaces: braces of TeX are left alone.
"""

from __future__ import annotations

import ast
import collections
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ..equations import code_line
from ..errors import InputError
from ..measure import gains
from .claims import PAPERS, STATUSES, missing
from .provenance import ROOT, is_stale
from .rows import RESULTS, read_once

MARKS = {"NOT REPRODUCED": "✗", "REPORTED": "·", "NOT RUN": "–"}
"""How a status is shown; the others are a tick."""
SIZES = ("digits", "reduced", "paper's size")
AT_PAPER_SIZE = ("equations", "sparse_rnn-4A-mnist-500")
"""Result files in a setting of the paper; so is every file of a command with ``--paper``."""
BACKWARD = ("R4", "R5", "R16", "R6", "R13", "R7", "R8", "R9", "R10", "R11", "R12")
"""The backward pass of the recurrent network, in the order it runs."""
NEVER = 1e6
"""A delay without end, as it is recorded."""
FIGURE = re.compile(r"(Table|Eq|S(?=\d)|\d+|[A-Za-z]\w+) ?([^,]*)")
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def count_code() -> collections.Counter[str]:
    """Count the lines of the library that are neither blank, comment nor docstring.

    Returns
    -------
    Counter
        For the whole package ("minisparse") and for each of its rooms that is a folder ("minisparse/kernels").
    """
    counts: collections.Counter[str] = collections.Counter()
    for path in sorted((ROOT / "minisparse").rglob("*.py")):
        number = len(code_lines(path.read_text(encoding="utf-8")))
        counts["minisparse"] += number
        if (room := path.parent.relative_to(ROOT)).name != "minisparse":
            counts["/".join(room.parts[:2])] += number
    return counts


def code_lines(text: str) -> set[int]:
    """Return the numbers of the lines of a source that are neither blank, comment nor docstring.

    Parameters
    ----------
    text : str

    Returns
    -------
    set of int
        From 1.
    """
    lines = {i for i, line in enumerate(text.splitlines(), 1) if line.strip() and not line.strip().startswith("#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return lines


def readme(text: str) -> str:
    """Return the README with its generated parts made from the present results and code.

    Parameters
    ----------
    text : str
        With parts between ``<!-- generated: NAME -->`` and ``<!-- end -->``.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a part has an unknown name, or names a number that no claim has.
    """

    def renew(match: re.Match) -> str:
        content = _backward() if match[2] == "backward" else fill(section(match[2]))
        return f"{match[1]}{content}\n{match[3]}"

    return BLOCK.sub(renew, text)


def results_md() -> str:
    """Return RESULTS.md: what was found per paper, then every claim of every result file, then what has not been run.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If chapters/findings.md names a number that no claim has.
    """
    text = re.sub(r"^\{figures: (.*)\}$", lambda match: _figures(match[1]), section("results"), flags=re.MULTILINE)
    lines = [fill(text)]
    for file, claims in _recorded().items():
        run = [row for row in claims if row["status"] != "NOT RUN"]
        if run:
            lines += ["", *_claims_of(file, run)]
    left = _not_run()
    if left:
        lines += ["", "## Not run", "", *_table(("figure", "claim", "paper", "needs"), left)]
        lines += _folded(
            "Their commands", [f"* {literal(row['figure'])}: {_code(row['command'])}" for row in left if row["command"]]
        )
    return "\n".join([*lines, ""])


def _claims_of(file: str, claims: list[dict]) -> Iterator[str]:
    """Give the lines about one result file: a row per claim, then the command and the settings, folded."""
    made, paper = claims[0]["made_by"], PAPERS.get(file.partition("-")[0])
    stale = ", stale" if any(map(is_stale, read_once(RESULTS / f"{file}.jsonl"))) else ""
    yield f"### {file}" + (f" ({paper})" if paper else "") + stale
    yield ""
    yield from _table(("mark", "figure", "claim", "ours", "paper"), claims)
    settings = dict.fromkeys(row["setting"] for row in claims)
    where = literal(f"commit {made.get('commit')}, {str(made.get('backend')).removeprefix('backend: ')}")
    command = _code(shown(made["command"]))
    yield from _folded("Command and settings", [f"* {command}, {where}", *(f"* {literal(text)}" for text in settings)])


def shown(command: str) -> str:
    """Return a recorded command as a reader would run it: without the folder that it wrote to.

    Parameters
    ----------
    command : str

    Returns
    -------
    str

    Examples
    --------
    >>> minisparse.lab.page.shown("python chapters/gain.py --out 'a b' --seeds 3 --out=c --record")
    'python chapters/gain.py --seeds 3 --record'
    """
    return re.sub(r" --out(?: |=)(?:'[^']*'|\S+)", "", command)


def _code(command: str) -> str:
    return "`" + literal(command).replace("`", "'") + "`"


def _table(heads: Sequence[str], claims: Iterable[dict]) -> list[str]:
    """Return a table of claims with these entries of each."""
    found = [[literal(mark(row) if head == "mark" else row[head]) for head in heads] for row in claims]
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *found)]


def literal(text: str) -> str:
    """Return a text of a row as a page shows it: on one line, in one cell of a table, without tags.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> minisparse.lab.page.literal("a | b\\n<!-- end --> p < 1")
    'a \\\\| b &lt;!-- end --> p < 1'
    """
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", re.sub(r"\\*\|", r"\\|", " ".join(text.split())))


def _folded(title: str, lines: list[str]) -> list[str]:
    return ["", f"<details><summary>{title}</summary>", "", *lines, "", "</details>"] if lines else []


def _figures(paper: str) -> str:
    """Return a table of a paper's figures: for each size of the networks, the panels and their marks."""
    topics = dict(line.split(": ", 1) for line in section("figures").splitlines() if line)
    found: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(str)))
    for file, claims in _recorded().items():
        for row in claims:
            if PAPERS.get(file.partition("-")[0]) == paper and row["status"] != "NOT RUN":
                _add(found, row, SIZES.index(_size(file, row)))
    for row in _not_run():
        if row["of"] == paper:
            _add(found, row, 1 if row["command"] and "--paper" not in row["command"] else 2)
    shown = []
    for group in sorted(found, key=lambda name: (not name.isdigit(), name)):
        label = topics.get(f"{paper}, {group}", group)
        shown.append([label, *(_panels(found[group][size]) for size in range(len(SIZES)))])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (["figure", *SIZES], ["---"] * 4, *shown))


def _add(found: dict, row: dict, size: int) -> None:
    named = FIGURE.match(row["figure"])
    if named is None:
        raise InputError(
            f"the figure {shown(row['figure'])[:60]!r} of a claim is named like none, such as 2B or Table 1"
        )
    group, panel = named.groups()
    found[group][size][panel] += mark(row)


def _panels(marks: dict[str, str]) -> str:
    """Show panels with their marks, each kind once; a number without a gate says nothing where a gate does."""
    shown = []
    for panel, all_marks in sorted(marks.items()):
        kinds = "".join(mark for mark in "✓✗–" if mark in all_marks) or "·"
        shown.append(f"{panel} {kinds}".strip())
    return ", ".join(shown)


def _size(file: str, row: dict) -> str:
    if file in AT_PAPER_SIZE or "--paper" in row["made_by"]["command"]:
        return SIZES[2]
    return SIZES[0] if "digits" in row["setting"] else SIZES[1]


def mark(row: dict) -> str:
    """Return how the status of a claim is shown."""
    return MARKS.get(row["status"], "✓")


def _recorded() -> dict[str, list[dict]]:
    found = {path.stem: read_once(path) for path in sorted(RESULTS.glob("*.jsonl"))}
    return {file: [row for row in recorded if row["part"] == "claim"] for file, recorded in found.items()}


def _not_run() -> list[dict]:
    """Return the claims that nobody has run, each with the paper it is of; a drawing has nothing that could be run."""
    recorded = _recorded()
    wanted = [
        {"command": "", "needs": "", **row, "of": PAPERS.get(file.partition("-")[0])}
        for file, claims in recorded.items()
        for row in claims
        if row["status"] == "NOT RUN" and (row["paper"] or row.get("command"))
    ]
    return missing(wanted, [row for claims in recorded.values() for row in claims])


def fill(text: str) -> str:
    """Put recorded numbers, and lines of code, where a text asks for them.

    Parameters
    ----------
    text : str
        With parts in braces, as said above.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the text asks for a number that no claim has, or that several have.

    Examples
    --------
    >>> minisparse.lab.page.fill("a step changes it by {law | gain_step 0.001 0.1 10000}; {code | R1}")
    'a step changes it by 1; h[0] = 0'
    """
    recorded = _recorded()

    def value(match: re.Match) -> str:
        file, figure, name, form, *_ = (*(part.strip() for part in match[1].split("|")), "", "")
        if file == "time":
            return _time(figure)
        if file == "code":
            return code_line(figure)
        if file == "law":
            function, *numbers = figure.split()
            return format(getattr(gains, function)(*map(float, numbers)), name or ".3g")
        if file == "open":
            return str(sum(row["of"] == figure for row in _not_run()))
        if figure in STATUSES or figure == "all":
            return str(sum(row["status"] == figure or figure == "all" for row in recorded.get(file, ())))
        first, _, words = figure.partition(" ~ ")
        claims = [row for row in recorded.get(file, ()) if row["figure"] == first and words in row["claim"]]
        claims = [row for row in claims if row["status"] != "NOT RUN"] or claims
        part, _, place = figure.rpartition(" ")
        if not claims and place.isdigit() and file in recorded:
            rows = [row for row in read_once(RESULTS / f"{file}.jsonl") if row["part"] == part]
            if int(place) <= len(rows) and isinstance(rows[int(place) - 1][name], (int, float, str)):
                return format(rows[int(place) - 1][name], form)
        if len(claims) != 1 or name not in {"mark", "ours", *claims[0]["numbers"]}:
            raise InputError(f"{match[0]} is asked for, and is no number of exactly one claim")
        own = {"mark": mark(claims[0]), "ours": literal(claims[0]["ours"])}
        return own[name] if name in own else _number(claims[0], name, form)

    return re.sub(r"\{([^{}|]+ \| [^{}]+)\}", value, text)


def _number(row: dict, name: str, form: str) -> str:
    """Return a number of a claim: in a given form, or as it is shown there, with its standard deviation."""
    if row["numbers"][name] == NEVER:
        return "never"
    if form:
        return format(row["numbers"][name], form)
    shown = [part.removeprefix(f"{name} ") for part in row["ours"].split("; ") if part.startswith(f"{name} ")]
    return shown[0] if len(shown) == 1 else format(row["numbers"][name], ".1f")


def _time(chapter: str) -> str:
    """Return how long a chapter says that it takes."""
    source = (ROOT / "chapters" / f"{chapter}.py").read_text(encoding="utf-8")
    return re.findall(r'"time": "([^"]*)"', source)[0]


def section(name: str) -> str:
    """Return a part of chapters/findings.md: what follows a line ``=== NAME``."""
    text = (ROOT / "chapters" / "findings.md").read_text(encoding="utf-8")
    found = re.search(rf"^=== {name}\n(.*?)(?=^=== |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    if not found:
        raise InputError(f"chapters/findings.md has no part {name!r}; add it after a line `=== {name}`")
    return found[1].strip()


def _backward() -> str:
    """Return the lines of the backward pass, with their tags; the body of the loop is indented."""
    counts = count_code()
    beside = sum(counts[f"minisparse/{room}"] for room in ("gradcheck", "testing", "exercises", "lab"))
    said = (
        f"The library is {counts['minisparse'] - beside:,} lines of code (no blanks, comments, docstrings), "
        f"{counts['minisparse/kernels']:,} of them sparse kernels; checker, laws, exercises and lab are "
        f"{beside:,} more."
    )
    lines, inside = ["```python"], False
    for tag in BACKWARD:
        code = code_line(tag)
        lines.append(f"{'    ' * inside + code:<60}  # ({tag})")
        inside = code.endswith(":")
    return "\n".join([*lines, "```", said])
