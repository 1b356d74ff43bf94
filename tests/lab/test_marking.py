"""Exercises, marked: numbers, runs, and the command line."""

import re
import types

import pytest

from minisparse.lab import __main__, marking, questions
from minisparse.lab.provenance import ROOT

EVERY = [question for name in questions.names() for question in questions.exercises(name)]
IN_PYTHON = [question for question in EVERY if question.run and not question.command]
CHANGED = [question for question in EVERY if question.change]


def named(question):
    return f"{question.chapter}-{question.number}"


def question(what, run="", change=(), chapter="dale"):
    numbers = (questions.Number("x", what, 0.5),)
    return questions.Question(chapter, 1, "?", ("a", "b"), "s", change, run, numbers)


def run_here(question):
    space = {}
    exec(compile(question.run, named(question), "exec"), space)
    return {number.name: float(space[number.name]) for number in question.numbers}


@pytest.mark.parametrize("question", IN_PYTHON, ids=named)
def test_the_numbers_of_pencil_exercises_are_what_python_computes(question):
    """In this process, which has the library loaded; `--run` takes one of its own."""
    found, wanted = run_here(question), questions.expected(question)
    for number in question.numbers:
        assert marking.is_within(found[number.name], wanted[number.name], number.tolerance), number.name


@pytest.mark.parametrize("question", CHANGED, ids=named)
def test_the_lines_to_change_stand_once_in_the_chapter(question, tmp_path):
    script = marking.changed(question, ROOT / "chapters" / f"{question.chapter}.py", tmp_path)
    compile(script.read_text(encoding="utf-8"), str(script), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("question", [question for question in EVERY if question.run], ids=named)
def test_every_run_comes_to_its_numbers(question):
    found, wanted = marking.measured(question), questions.expected(question)
    for number in question.numbers:
        assert marking.is_within(found[number.name], wanted[number.name], number.tolerance), number.name


def test_an_answer_is_marked_without_telling_the_number(capsys):
    assert __main__.main(["exercise", "bptt", "5", "--answer", "512", "0.002"]) == 0
    assert capsys.readouterr().out == "factor: 512 is right\nfactor_half: 0.002 is right\n"
    assert __main__.main(["exercise", "bptt", "5", "--answer", "factor_half=2"]) == 1
    assert capsys.readouterr().out == "factor_half: 2 is not it\n"


def test_negative_numbers_are_answers(capsys):
    assert __main__.main(["exercise", "bptt", "2", "--answer", "-24", "-20", "-6", "-50"]) == 0
    assert capsys.readouterr().out.count("is right") == 4


def test_the_command_line_asks_hints_and_solves(capsys):
    assert __main__.main(["exercise"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(EVERY)
    assert __main__.main(["exercise", "dale"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(questions.exercises("dale"))
    assert __main__.main(["exercise", "dale", "1"]) == 0
    said = capsys.readouterr().out
    assert "[--answer NUMBER NUMBER NUMBER] [--run]" in said
    assert "Run, about" in said
    first = questions.exercises("dale")[0]
    assert first.hints[0] not in said
    assert __main__.main(["exercise", "dale", "1", "--hint"]) == 0
    assert capsys.readouterr().out.strip() == first.hints[0]
    assert __main__.main(["exercise", "dale", "1", "--hint", "2", "--solution"]) == 0
    said = capsys.readouterr().out
    assert all(hint in said for hint in first.hints[:2])
    assert "Numbers: `law`" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no exercises of 'nothing'"),
        (["dale", "9"], "the exercises 1 to 5, got 9"),
        (["dale", "1", "--hint", "7"], "has 3 hints, got --hint 7"),
        (["bptt", "5", "--answer", "1", "2", "3"], "asks for factor, factor_half, got 3 answers"),
        (["bptt", "5", "--answer", "y=3"], "'y' is not asked for"),
        (["bptt", "5", "--answer", "many"], "'many' is no number"),
        (["rewiring", "3", "--answer", "1"], "asks for words"),
        (["rewiring", "3", "--run"], "nothing to run"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(words, said, capsys):
    assert __main__.main(["exercise", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_run_in_python_is_set_against_the_expected_numbers(capsys):
    assert __main__.main(["exercise", "bptt", "5", "--run"]) == 0
    assert capsys.readouterr().out.startswith("factor: 512, expected 512 ± 0: within the tolerance\n")


def test_a_chapter_is_run_as_an_argument_list_and_its_rows_are_read(monkeypatch, tmp_path):
    seen = {}

    def run(words, cwd, env, **settings):
        seen.update(words=words, shell=settings.get("shell", False), path=env["PYTHONPATH"])
        folder = marking.Path(words[words.index("--out") + 1])
        folder.mkdir()
        (folder / "rows.jsonl").write_text('{"part": "6B", "config": {"density": 0.5}, "delay": 3}\n')
        return types.SimpleNamespace(returncode=0, stdout="", stderr="")

    monkeypatch.setattr(marking.subprocess, "run", run)
    asked = question("delay of part=6B; density=0.5", "python chapters/dale.py --density 0.5 --figure 6B")
    assert marking.measured(asked) == {"x": 3}
    assert seen["words"][1:6] == [str(ROOT / "chapters" / "dale.py"), "--density", "0.5", "--figure", "6B"]
    assert seen["path"].startswith(str(ROOT))
    assert not seen["shell"]


def test_what_stands_in_an_exercise_runs_with_limits_and_in_no_other_way(monkeypatch, tmp_path):
    """As a child of `minisparse.exercises` runs it: its Python reads, a changed chapter writes in one folder, too."""
    seen = []

    def run(jobs, seconds, room):
        ((kind, given),) = jobs
        seen.append((kind, given, room))
        if kind == "program":
            return [{"state": "done", "numbers": {"x": 2.5}}]
        folder = marking.Path(given[1][-1])
        folder.mkdir()
        (folder / "rows.jsonl").write_text('{"part": "6B", "config": {}, "delay": 3}')
        return [{"state": "done"}]

    monkeypatch.setattr(marking.child, "run", run)
    monkeypatch.setattr(marking.subprocess, "run", lambda *_, **__: pytest.fail("it has to run with limits"))
    assert marking.measured(question("1", "x = 2.5")) == {"x": 2.5}
    goes = 'print("begin")'
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "dale.py").write_text(f"{goes}\n")
    monkeypatch.setattr(marking, "ROOT", tmp_path)
    asked = question("delay of part=6B", "python chapters/dale.py --figure 6B", ((goes, "pass"),))
    assert marking.measured(asked) == {"x": 3}
    (_, given, room), (kind, (path, flags), wider) = seen
    assert given == ("x = 2.5", ["x"])
    assert (room.writes, room.reads) == ("", (str(ROOT),))
    assert (kind, flags[:2], flags[-4:-1]) == ("script", ["--figure", "6B"], ["--jobs", "1", "--out"])
    assert marking.Path(path).parent == marking.Path(wider.writes) == marking.Path(flags[-1]).parent
    refused = {"state": "wrong", "findings": [{"sentence": "it uses the network; an answer only computes."}]}
    monkeypatch.setattr(marking.child, "run", lambda *_: [refused])
    with pytest.raises(RuntimeError, match="the run failed: it uses the network; an answer only computes"):
        marking.measured(question("1", "x = 2.5"))


@pytest.mark.parametrize("run", ["python setup.py", "python chapters/dale.py --density 1; rm -r x", "python -m this",
                                 "python chapters/dale.py --not-a-flag 1", "python chapters/../x.py"])  # fmt: skip
def test_no_other_command_is_run(run, monkeypatch):
    monkeypatch.setattr(marking.subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be run"))
    with pytest.raises(ValueError, match=r"is no `python chapters/|takes no"):
        marking.measured(question("delay of part=6B", run))


@pytest.mark.parametrize("name", ["../exercises/dale", "/tmp/dale", "dale.md", "outside", ""])
def test_exercises_go_by_plain_names_of_files_in_this_checkout(name, monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "outside.md").write_text("# outside\n\n## 1\n?\n\n### Run\n```python\nx = 1\n```\n")
    (tmp_path / "here" / "outside.md").symlink_to(tmp_path / "outside.md")
    monkeypatch.setattr(questions, "FOLDER", tmp_path / "here")
    monkeypatch.setattr(marking.subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be run"))
    with pytest.raises(ValueError, match="there are no exercises of"):
        questions.exercises(name)
    assert __main__.main(["exercise", name or "''", "1", "--run"]) == 2


def test_numbers_come_from_settings_curves_claims_and_logarithms():
    table = [
        {"part": "a", "config": {"p": 1.0, "rule": "one, two"}, "curve": [1, 2], "delay": None, "loss": 10.0},
        {"part": "a", "config": {"p": 1.0, "rule": "three"}, "curve": [1, 4], "delay": 2, "loss": 1000.0},
        {"part": "claim", "figure": "6B", "claim": "it holds (so)", "numbers": {"A - B": 7.0}},
    ]
    wanted = {
        "curve of part=a; p=1": 3,
        "delay of rule=three": 2,
        "delay of part=a": marking.NEVER,
        "curve of rule=one, two": 2,
        "A - B of figure=6B; claim=it holds*": 7,
        "log10 loss of rule=one, two": 1,
        "4.5": 4.5,
    }
    for what, value in wanted.items():
        assert marking.of_rows([questions.Number("x", what, 0)], table) == {"x": value}
    with pytest.raises(ValueError, match="no row with curve and p=2"):
        marking.of_rows([questions.Number("x", "curve of p=2", 0)], table)


def test_a_change_that_fits_no_longer_is_named(tmp_path):
    script = tmp_path / "dale.py"
    script.write_text("a\nb\nb\nc\n")
    (tmp_path / "copy").mkdir()
    copy = marking.changed(question("1", "python chapters/dale.py", (("c", "d\ne"),)), script, tmp_path / "copy")
    assert copy.read_text() == "a\nb\nb\nd\ne\n"
    for goes in ("b", "x"):
        with pytest.raises(ValueError, match=re.escape(f"does not fit dale.py: '{goes}'")):
            marking.changed(question("1", "python chapters/dale.py", ((goes, "d"),)), script, tmp_path / "copy")
