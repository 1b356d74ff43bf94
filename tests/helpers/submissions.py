"""A class of students: right, wrong, malformed and hostile files of answers."""

import random
import re
import textwrap

from helpers.forms import FORMS

from minisparse.exercises import get, lines, names, passes
from minisparse.exercises.passes import text
from minisparse.gradcheck import catalogue

KINDS = ("right", "wrong", "malformed", "hostile")
HOSTILE = (
    "import os; os.fork()",
    "import os; os._exit(0)",
    "import os; os.system('touch {outside}')",
    "import os; os.kill(os.getppid(), 9)",
    "import os; os.listdir('{outside}')",
    "open('/etc/passwd').read()",
    "open('{outside}/written', 'w').write('x')",
    "np.zeros(10**10)",
    "x = 'a'\nwhile True: x += x",
    "while True: pass",
    "raise SystemExit",
    "print('x' * 10**7)",
    "import socket; socket.create_connection(('127.0.0.1', 80))",
    "import shutil; shutil.rmtree('{outside}')",
    "import subprocess; subprocess.run(['ls'])",
    "import ctypes; ctypes.string_at(0)",
    "import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
)
MALFORMED = (
    lambda stub: "",
    lambda stub: stub[: len(stub) // 2],
    lambda stub: stub.replace("def ", "dfe "),
    lambda stub: "\x00" * 50,
    lambda stub: re.sub(r"# \(\w+\)", "", stub),
    lambda stub: stub * 3,
    lambda stub: "(" * 5000,
    lambda stub: stub.replace("...", "undefined_name"),
    lambda stub: stub.replace("...", "np.ones(3)"),
    lambda stub: stub.replace("...", "'text'"),
    lambda stub: "#" * (2 << 20),
)


def answered(name, answer):
    """The file of a lesson with the answer that a function gives for each tag."""
    rows = []
    for row in get(name).stub.splitlines():
        tag = re.search(r"# \((\w+)\) your line$", row)
        if tag:
            indent = row[: len(row) - len(row.lstrip())]
            first = [indent + part for part in answer(tag[1]).splitlines()]
            rows += [*first[:-1], f"{first[-1]}  # ({tag[1]}) your line"]
        else:
            rows.append(row)
    return "\n".join(rows) + "\n"


def written(name, body):
    """The file of a whole pass with a body of the backward pass and all pencil answers."""
    stub = get(name).stub
    for key, value in passes.task(name).pencil().items():
        stub = stub.replace(f'"{key}": ...', f'"{key}": {float(value)!r}')
    rows = stub.splitlines()
    blanks = [number for number, row in enumerate(rows) if re.match(r"    d\w+ = \.\.\.", row)]
    inner = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return "\n".join([*rows[: blanks[0]], inner, *rows[blanks[-1] + 1 :]]) + "\n"


def submission(kind, name, rng, outside):
    """One student's file."""
    source = None if name in lines.LESSONS else text.source(passes.task(name))
    if kind == "malformed":
        return rng.choice(MALFORMED)(get(name).stub)
    if kind == "hostile":
        rough = rng.choice(HOSTILE).replace("{outside}", str(outside))
        if source is None:
            place = rng.choice(get(name).parts)
            return answered(name, lambda tag: rough if tag == place else lines.line(tag).solution)
        return written(name, f"{rough}\n{text.solution(source)}")
    if source is None:
        wrong = {tag: [row.wrong for row in catalogue.catalogue() if row.tag == tag] for tag in get(name).parts}
        choices = wrong if kind == "wrong" else {tag: [lines.line(tag).solution, *FORMS[tag]] for tag in wrong}
        return answered(name, lambda tag: rng.choice(choices[tag]))
    if kind == "right":
        return written(name, rng.choice([text.solution(source), *passes.task(name).OTHER_FORMS]))
    _, _, line, other = rng.choice(passes.task(name).MISTAKES)
    return written(name, text.solution(text.mistaken(source, line, other)))


def school(folder, count, outside, seed=0, exercises=None):
    """Write a class into a folder, a student in four of each kind."""
    rng = random.Random(seed)
    for number in range(count):
        student = folder / f"{KINDS[number % 4]}-{number:03d}"
        student.mkdir(parents=True)
        name = rng.choice(exercises or names())
        (student / f"{name}.py").write_text(submission(KINDS[number % 4], name, rng, outside))
