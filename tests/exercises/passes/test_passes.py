"""Every task of the staircase: its solution is right, its mistakes are told apart, its texts are complete."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from fractions import Fraction

import autograd
import numpy as np
import pytest

import minisparse as ms
from minisparse.exercises.passes import TASKS, task, text

BY_HAND = {
    "linear": {"y[0, 0]": 5, "dW[0, 1]": 7, "db[0, 0]": 3, "dx[0, 1]": -1},
    "softmax": {"p[0, 0]": "1/4", "dlogits[0, 0]": -3, "dlogits[2, 0]": 2, "dlogits[1, 1]": -2},
    "two_layers": {"y[0, 0]": 0, "dW2[0, 0]": 4, "db1[0, 0]": 8, "db1[1, 0]": -12, "dW1[1, 0]": -24, "dx[1, 0]": -4},
    "masked": {"y[0, 0]": 2, "dW[0, 0]": 9, "dW[0, 1]": 0, "dW[1, 1]": 5, "dx[0, 0]": 11, "dx[1, 0]": -3},
    "dendritic": {"y[0, 0]": 11, "dg[0, 0]": 55, "dv[0, 0]": -16, "dv[0, 1]": 12, "dv[0, 2]": 0, "dx[1, 0]": 200},
    "rnn": {"da_1": 5, "da_0": 18, "dW": 4, "db": 23},
    "layer_norm": {"y[0, 0]": -2, "dgamma[0, 0]": -4, "dx[0, 0]": 2, "dx[1, 0]": -2, "dx[2, 0]": 0},
    "conv_pool": {"y[0]": 6, "y[1]": 2, "dK[0]": 15, "dK[1]": -6, "dx[2]": 1, "dx[4]": 0},
    "lstm": {"c_1": "2/5", "c_2": 0, "db_i": 0, "db_f": 15, "db_o": 0, "db_g": 91},
    "attention": {"A[1, 0]": "3/4", "y[0, 0]": 12, "dW_v[0, 1]": 3, "dW_k[0, 0]": -6, "dW_k[0, 1]": 6},
}
"""The answers to the pencil exercises, worked out on paper."""
RUNGS = ("**1. Indices.**", "**2. Perturb.**", "**3. Collect.**", "**4. Matrix form.**", "**5. Code.**")

tasks = pytest.mark.parametrize("name", TASKS)


@functools.cache
def read(name):
    return text.source(task(name))


@functools.cache
def case(name):
    """Return inputs, cache, a random cotangent and the solution's gradients."""
    module = task(name)
    given = module.inputs(np.random.default_rng(0))
    y, cache = module.forward(**given)
    dy = np.random.default_rng(1).standard_normal(np.shape(y))
    return given, cache, dy, module.backward(dy, cache)


def compiled(source):
    """Run a source text, and return its names."""
    names = {}
    exec(compile(source, "task", "exec"), names)
    return names


def support(name, given):
    own = getattr(task(name), "SUPPORT", None)
    return own(given) if own else None


def apart(some, others):
    """Say whether some gradient of one dict differs from that of the other by more than rounding."""
    return any(np.abs(some[key] - others[key]).max() > 1e-9 for key in some)


@tasks
def test_the_solution_is_right(name):
    module, (given, *_) = task(name), case(name)
    report = ms.check_pair(module.forward, module.backward, given, support=support(name, given))
    assert report.ok, str(report)
    assert not any(row.not_judged for row in report.rows), str(report)
    assert {key for key, value in given.items() if value.dtype == float} == {row.tensor for row in report.rows}


@tasks
def test_the_solution_agrees_with_automatic_differentiation(name):
    given, _, dy, grads = case(name)
    forward = compiled(read(name).replace("import numpy as np", "import autograd.numpy as np"))["forward"]
    rest = {key: value for key, value in given.items() if key not in grads}
    other = autograd.grad(lambda some: (dy * forward(**some, **rest)[0]).sum())({key: given[key] for key in grads})
    assert not apart(grads, other)


@tasks
def test_other_right_forms_give_the_same(name):
    _, cache, dy, grads = case(name)
    assert len(task(name).OTHER_FORMS) >= 2
    for body in task(name).OTHER_FORMS:
        other = compiled(text.with_body(read(name), body))["backward"](dy, cache)
        assert {key: value.shape for key, value in other.items()} == {key: grads[key].shape for key in grads}
        assert not apart(grads, other)


@tasks
def test_every_mistake_is_caught_and_differs_from_the_others(name):
    module, (given, cache, dy, grads) = task(name), case(name)
    assert len(module.MISTAKES) >= 4
    found = {"none": grads}
    for code, sentence, line, wrong in module.MISTAKES:
        backward = compiled(text.mistaken(read(name), line, wrong))["backward"]
        report = ms.check_pair(module.forward, backward, given, support=support(name, given), mode="direction")
        assert not report.ok, f"{code} is not caught"
        found[code] = backward(dy, cache)
        assert {key: value.shape for key, value in found[code].items()} == {key: grads[key].shape for key in grads}
        assert len(sentence.split()) <= 25, sentence
        assert sentence.endswith("."), sentence
    assert len(found) == len(module.MISTAKES) + 1, "a code is there twice"
    for one, other in itertools.combinations(found, 2):
        assert apart(found[one], found[other]), f"{one} and {other} give the same gradients"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
@tasks
def test_other_inputs_would_do_as_well(name, seed):
    module, rng = task(name), np.random.default_rng(seed)
    given = module.inputs(rng)
    y, cache = module.forward(**given)
    dy = rng.standard_normal(np.shape(y))
    assert ms.check_pair(module.forward, module.backward, given, support=support(name, given)).ok
    wrong = [compiled(text.mistaken(read(name), line, new))["backward"] for _, _, line, new in module.MISTAKES]
    for one, other in itertools.combinations([module.backward, *wrong], 2):
        assert apart(one(dy, cache), other(dy, cache))


@tasks
def test_sizes_are_small_and_differ_within_every_array(name):
    for key, value in case(name)[0].items():
        sizes = [size for size in value.shape if size > 1 and (name, key) != ("rnn", "W")]  # from units to units
        assert len(sizes) == len(set(sizes)), f"{key} has the shape {value.shape}"
        assert value.size <= 100, f"{key} is large"


@tasks
def test_the_stub_compiles_and_holds_nothing_of_the_solution(name):
    stub, names = text.blanked(read(name)), compiled(text.blanked(read(name)))
    given, _, dy, grads = case(name)
    blank = names["backward"](dy, names["forward"](**given)[1])
    assert list(blank) == list(grads)
    assert set(blank.values()) == {...}
    for line in map(text.code_of, text.solution(read(name)).splitlines()):
        assert "=" not in line or f"{line}\n" not in stub.replace("  #", "\n"), line
    for absent in ("Derivation", "HINTS", "MISTAKES", "OTHER_FORMS", "PENCIL", "pencil", "SOLUTION"):
        assert absent not in stub
    assert ast.get_docstring(ast.parse(stub)).splitlines()[0] == task(name).__doc__.splitlines()[0]


@tasks
def test_pencil_answers_are_simple_and_as_worked_out_on_paper(name):
    answers, questions = task(name).pencil(), dict(task(name).PENCIL)
    assert list(answers) == list(questions)
    assert 2 <= len(answers) <= 6
    for key, value in answers.items():
        simple = Fraction(float(value)).limit_denominator(20)
        assert float(value) == pytest.approx(float(simple), abs=1e-12)
        assert simple == Fraction(BY_HAND[name][key]), key


@tasks
def test_the_texts_are_complete(name):
    module = task(name)
    assert 0 < module.MINUTES <= 90
    assert module.TEACHES[-1].isalnum()
    assert len(module.HINTS) == 3
    for sentence in re.split(r"(?<=[.?!])\s", " ".join([*module.HINTS, *(question for _, question in module.PENCIL)])):
        assert len(sentence.split()) <= 30, sentence
    title, about, *_ = module.__doc__.split("\n\n")
    assert 5 < len(title) < 60
    assert 2 <= len(re.split(r"(?<=[.?!])\s", about)) <= 6
    task_text, _, derivation = module.__doc__.partition(text.DERIVATION)
    assert [derivation.count(rung) for rung in RUNGS] == [1] * 5
    for key in case(name)[0]:
        assert f"``{key}``" in task_text, f"{key} is not explained"


@tasks
def test_every_line_of_the_solution_that_gives_a_result_has_its_shape(name):
    lines = text.solution(read(name)).splitlines()
    wanted = [line for line in lines if re.match(r"\s*d\w*(\[.*\])? (=|\+=) ", line)]
    bare = [line for line in wanted if not re.search(r"  # \([^)]*\)", line)]
    assert not bare


def test_there_are_ten_tasks_and_another_name_is_refused():
    assert len(TASKS) == 10
    with pytest.raises(ms.UserError, match="there is no task 'gru'; the tasks are linear, softmax"):
        task("gru")


def test_a_source_without_marks_and_a_line_that_is_not_there_are_refused():
    with pytest.raises(ms.UserError, match="BEGIN SOLUTION"):
        text.solution("pass\n")
    with pytest.raises(ms.UserError, match="'dW = 1' should be one line"):
        text.mistaken(read("linear"), "dW = 1", "dW = 2")
