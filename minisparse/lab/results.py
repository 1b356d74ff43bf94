"""Rows of results: one JSON object per line, with all it takes to run it again; and what is generated from them.

A row whose ``part`` is "claim" sets one of the paper's statements beside our numbers; RESULTS.md lists them all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import FileError, InputError, UserError
from ..files import write_aside
from ..lab import targets
from .provenance import ROOT, has_changed, is_stale, renew

RESULTS = ROOT / "chapters" / "results"
STATUSES = (
    "REPRODUCED",
    "REPRODUCED AT REDUCED SIZE",
    "REPRODUCED ONLY IN RELEASED-CODE MODE",
    "NOT REPRODUCED",
    "NOT RUN",
    "REPORTED",
)
"""What a claim can come to; REPORTED: numbers without a gate, because the paper gives none."""
PAPERS = {
    **dict.fromkeys(("dale", "gain", "representations", "sparse_rnn"), "Fruengel & Oberlaender 2025"),
    **dict.fromkeys(("dendritic", "equations"), "Bird & Cuntz"),
    "g2gnet": "Konstantaropoulos, Smirnakis & Papadopouli 2025, the abstract",
    "rewiring": "Mocanu et al. 2018, Bellec et al. 2018, Evci et al. 2020, Zhang et al. 2024",
}
"""What a chapter sets its claims beside."""


def key(config: dict) -> str:
    """Return a short hash of a configuration: equal settings, equal key.

    Examples
    --------
    >>> minisparse.lab.results.key({"a": 1, "b": 2}) == minisparse.lab.results.key({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


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
    """Run a chapter's cells, keep ``rows.jsonl`` up to date, and print a line about each.

    With ``--resume`` a cell whose row is there, made by the same sources, is not run again. Runs that work in one
    folder at the same time share the cells in any case.

    Parameters
    ----------
    args : namespace
        From `cli.chapter`: out, command, resume; jobs, scheduler and budget if there are any.
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

    Raises
    ------
    ValueError
        If a run of other cells works in the folder now.
    """
    from ..lab import sweep

    file = args.out / "rows.jsonl"
    cells = list(cells)
    what = key({chapter: [sweep.key(cell) for cell in cells]})
    with sweep.shared(args.out, fresh=not args.resume, what=what):
        return sweep.run(
            cells,
            measure,
            args.out,
            jobs=getattr(args, "jobs", 1),
            scheduler=getattr(args, "scheduler", None),
            command=args.command,
            chapter=chapter,
            done=[row for row in read(file) if "key" in row] if args.resume else [],
            shown=shown,
            keep=lambda rows: write(file, rows),
            minutes=getattr(args, "budget", math.inf),
        )


def claim(figure: str, statement: str, setting: str, ours: str, paper: str, status: str, **numbers: float) -> dict:
    """Return a row that sets a paper's statement beside our numbers.

    Parameters
    ----------
    figure : str
        Of the paper: "6B", "Eq 4", "Table 1".
    statement, setting, ours, paper : str
        What the paper says, what we ran, what came out, and the paper's number ("" if it gives none).
    status : str
        One of `STATUSES`.
    **numbers : float
        What `again.verify` compares.

    Raises
    ------
    ValueError
        If the status is unknown.
    """
    if status not in STATUSES:
        raise InputError(f"status {status!r} is unknown; choose one of {', '.join(STATUSES)}")
    return {
        "part": "claim",
        "figure": figure,
        "claim": statement,
        "setting": setting,
        "ours": ours,
        "paper": paper,
        "status": status,
        "numbers": numbers,
    }


def append(out: Path, rows: Iterable[dict], made_by: dict) -> None:
    """Add rows that no cell has made, claims among them, to a chapter's rows; older ones of their kind go.

    Parameters
    ----------
    out : Path
    rows : list of dict
    made_by : dict
        From `provenance.stamp`, at the start of what made the rows.
    """
    file, made_by = Path(out) / "rows.jsonl", renew(made_by)
    rows = [{**row, "made_by": made_by} for row in rows]
    kinds = {row["part"] for row in rows}
    write(file, [row for row in read(file) if row["part"] not in kinds] + rows)


def record(out: Path, chapter: str, files: Iterable[str]) -> None:
    """Copy what a chapter wrote into ``chapters/results/``, under names that start with the chapter's."""
    names = {"rows.jsonl": f"{chapter}.jsonl", f"{chapter}.png": f"{chapter}.png"}
    for file in files:
        target = RESULTS / names.get(file, f"{chapter}-{file}")
        content = (Path(out) / file).read_bytes()
        write_aside(target, lambda handle, content=content: handle.write(content))


def count_code() -> dict[str, int]:
    """Count the lines of the library that are neither blank, comment nor docstring, per folder."""
    import ast

    counts = {}
    for folder in ("minisparse", "minisparse/kernels"):
        total = 0
        for path in sorted((ROOT / folder).rglob("*.py")):
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
    rows = [row for row in read(RESULTS / "dale.jsonl") if "config" in row]
    from collections import defaultdict

    from .verdicts import spread

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
            f"{spread(last)} % |"
        )
    if rows:
        made, config = rows[0]["made_by"], rows[0]["config"]
        stale = " **STALE: the sources have changed since.**" if any(map(is_stale, rows)) else ""
        confirmed = _confirmed(rows)
        lines += [
            "",
            f"{config['nodes']} neurons, {config['dataset']}, {config['epochs']} epochs, one entry per seed; "
            f"`{made['command']}`, {made['backend'].removeprefix('backend: ')}{confirmed}.{stale}",
        ]
    counts = count_code()
    lines += [
        "",
        f"The library is {sum(counts.values()):,} lines of code (no blank lines, comments or docstrings), "
        f"{counts['minisparse/kernels']:,} of them sparse kernels.",
    ]
    return "\n".join(lines)


def _confirmed(rows: list[dict]) -> str:
    """Say on what grounds rows of other sources than the present ones do not read STALE."""
    since = [row for row in rows if has_changed(row["made_by"])]
    if not since or any(map(is_stale, since)):
        return ""
    found = since[0]["confirmed"]
    ran = f"{len(found['cells'])} of {found['of']} cells run again at commit {found['commit']} agree"
    return f"; sources changed since: {ran}"


BEGIN, END = "<!-- generated: python -m minisparse.results --write -->", "<!-- end of generated part -->"


def readme(text: str) -> str:
    """Return the README with its generated part renewed."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{readme_block()}\n{END}{tail}"


def results_md() -> str:
    """Return RESULTS.md: every claim of every result file, and whether the sources have changed since."""
    lines = [
        "# Results",
        "",
        "Generated by `python -m minisparse.results --write` from the files in `chapters/results/`; each heading below",
        "is such a file, with the paper that it sets its claims beside. `python -m minisparse.results --verify FILE`",
        "(or `FILE:FIGURE`) runs its command again and compares; with `--confirm FILE` only a few cells run again.",
        "",
        "A claim is REPRODUCED if its gate holds, which its chapter states where it judges, else NOT REPRODUCED; AT",
        "REDUCED SIZE: in a setting smaller than the paper's; REPORTED: a number without a gate. ± is the standard",
        "deviation over the seeds.",
        "",
    ]
    recorded: list[dict] = []
    for path in sorted(RESULTS.glob("*.jsonl")):
        rows = read(path)
        claims = [row for row in rows if row["part"] == "claim"]
        if not claims:
            continue
        stale = ", STALE" if any(map(is_stale, rows)) else ""  # a claim sums up the file's rows
        made, paper = claims[0]["made_by"], PAPERS.get(path.stem.partition("-")[0])
        made_with = f"commit {made['commit']}, {made['backend'].removeprefix('backend: ')}"
        lines += [
            f"## {path.stem} ({paper})" if paper else f"## {path.stem}",
            "",
            f"`{made['command']}`, {made_with}{_confirmed(rows)}",
            "",
            "| figure | claim | our setting | ours | paper | status |",
            "|---|---|---|---|---|---|",
        ]
        for row in claims:
            cells = (row["figure"], row["claim"], row["setting"], row["ours"], row["paper"] or "no number")
            cells += (f"{row['status']}{stale}",)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
        recorded += claims
    wanted = targets.missing(read(ROOT / "chapters" / "targets.jsonl"), recorded)
    if wanted:
        lines += [
            "## Not run yet",
            "",
            "What the papers show beyond the tables above, each with its command; BACKEND=cupy needs a GPU. One that",
            "its budget has stopped goes on when it is given again; what it records takes the place of its row here.",
            "",
            *targets.table(wanted),
            "",
        ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Compare what is generated with the result files, write it, or run results again."""
    parser = argparse.ArgumentParser(prog="python -m minisparse.results", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write README.md's generated part and RESULTS.md")
    parser.add_argument("--verify", metavar="FILE[:FIGURE]", nargs="+", help="run the command of a result file again")
    what = "run a few cells of a stale result file again; if they agree, mark its rows as confirmed"
    parser.add_argument("--confirm", metavar="FILE", nargs="+", help=what)
    parser.add_argument("--cells", metavar="N", type=int, default=2, help="cells that --confirm runs (default: 2)")
    parser.add_argument("--claims-anew", action="store_true", help="--confirm compares no claims, but makes them anew")
    args = parser.parse_args(argv)
    if args.verify or args.confirm:
        from ..lab import again

        try:
            return again.report(args.verify or (), args.confirm or (), args.cells, args.claims_anew)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    wrong = []
    for path, text in ((ROOT / "README.md", readme), (ROOT / "RESULTS.md", lambda old: results_md())):
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        new = text(old)
        if args.write:
            write_aside(path, lambda file, new=new: file.write(new.encode()))
        elif new != old:
            wrong.append(path.name)
    if wrong:
        print(
            f"{', '.join(wrong)} differ from the result files; run: python -m minisparse.results --write",
            file=sys.stderr,
        )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
