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
from minisparse.exercises.exercise import Pass
from minisparse.exercises.judge import guarded
from minisparse.exercises.passes import TASKS, task, text

BY_HAND = {
    "linear": {"y[0, 0]": 5, "dW[0, 1]": 10, "db[0, 0]": 7, "dx[0, 1]": 9},
    "softmax": {"p[0, 0]": "1/4", "dlogits[0, 0]": -3, "dlogits[2, 0]": 2, "dlogits[1, 1]": -1},
    "two_layers": {"y[0, 0]": 5, "dW2[0, 0]": 6, "db1[0, 0]": 12, "db1[1, 0]": -18, "dW1[1, 0]": -36, "dx[1, 0]": -18},
    "masked": {"y[0, 0]": 2, "dW[0, 0]": 13, "dW[0, 1]": 0, "dW[1, 1]": 7, "dx[0, 0]": 11, "dx[1, 0]": -3},
    "dendritic": {"y[0, 0]": 33, "dg[0, 0]": 55, "dv[0, 0]": -48, "dv[0, 1]": 36, "dv[0, 2]": 0, "dx[1, 0]": 600},
    "rnn": {"da[2]": 80, "da[1]": 180, "da[0]": 640, "dW": 172, "db": 900},
    "layer_norm": {"y[0, 0]": -1, "dgamma[0, 0]": -18, "dx[0, 0]": 4, "dx[1, 0]": -4, "dx[2, 0]": 6},
    "conv_pool": {"y[0]": 5, "dK[0]": 17, "dK[1]": 1, "db": 7, "dx[1]": 10, "dx[2]": -1},
    "lstm": {"c[1]": "3/5", "da_o[1]": 160, "db_f": 135, "da_i[0]": 45, "da_g[0]": 81},
    "attention": {"A[1, 0]": "3/4", "y[0, 0]": 20, "dW_v[0, 1]": 18, "dW_k[0, 0]": -36, "dW_k[0, 1]": 36},
}
"""The answers to the pencil exercises, worked out on paper."""
FEW = {"masked"}
"""Tasks whose mistakes are all marked by default."""
SYNONYMS = {
    "attention": {
        ("no-scale-q", "no-scale"), ("no-scale-k", "no-scale"), ("dims-for-root-q", "dims-for-root"),
        ("dims-for-root-k", "dims-for-root"), ("queries-for-keys", "swapped"), ("keys-for-queries", "swapped"),
    }
}  # fmt: skip
"""Pairs of mistakes that spoil a gradient in the same way; either may be named."""
ASKED = {
    ("rnn", "da[2]"): "x", ("rnn", "da[1]"): "x", ("rnn", "da[0]"): "x", ("lstm", "db_f"): "b",
    ("lstm", "da_o[1]"): "x", ("lstm", "da_i[0]"): "x", ("lstm", "da_g[0]"): "x",
}  # fmt: skip
"""Which gradient a question is about, where its key does not tell."""
APART = {
    "linear": (16, 16), "softmax": (36, 42), "two_layers": (39, 45), "masked": (24, 35), "dendritic": (32, 52),
    "rnn": (76, 91), "layer_norm": (61, 67), "conv_pool": (49, 54), "lstm": (69, 155), "attention": (40, 40),
}  # fmt: skip
"""How many pairs of a mistake and a question that it touches have another answer, of how many there are."""
BLIND = {
    "two_layers": {"mean-upper-weights", "mean-lower-weights", "mean-lower-bias", "last-example"},
    "dendritic": {"mean-weights", "whole-layer"},
    "rnn": {"mean-over-batch", "not-transposed"},
    "layer_norm": {"mean-gamma", "mean-of-all"},
    "conv_pool": {"mean-over-batch"},
    "lstm": {"mean-bias", "last-step-b", "forgets-dy", "activity-path-lost", "gate-from-dy", "memory-from-dy"},
}
"""Mistakes that no question tells: a case of one example or unit, and in the LSTM U = 0 and one dy that is not 0."""
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


@functools.cache
def wrong(name):
    """Return the sources of a task's mistakes, compiled, by code."""
    rows = task(name).MISTAKES
    assert len({code for code, *_ in rows}) == len(rows), "a code is there twice"
    return {code: compiled(text.mistaken(read(name), line, new)) for code, _, line, new in rows}


def clashes(found):
    """Return which two mistakes give the same wrong gradient, by the gradients of each; "none" is the right one."""
    same = {key: {} for key in found["none"]}
    for code, grads in found.items():
        for key, value in grads.items():
            number = np.round(value / np.abs(found["none"][key]).max(), 9) + 0.0  # no -0
            same[key].setdefault(number.tobytes(), []).append(code)
    groups = [codes for key in same for codes in same[key].values() if "none" not in codes]
    return {pair for codes in groups for pair in itertools.combinations(codes, 2)}


@tasks
def test_every_mistake_is_wrong_and_no_two_give_the_same_wrong_gradient(name):
    module, (_, cache, dy, grads) = task(name), case(name)
    found = {"none": grads}
    for code, names in wrong(name).items():
        found[code] = names["backward"](dy, cache)
        assert {key: value.shape for key, value in found[code].items()} == {key: grads[key].shape for key in grads}
        assert apart(grads, found[code]), f"{code} changes nothing"
    assert clashes(found) == SYNONYMS.get(name, set())
    for _, sentence, *_ in module.MISTAKES:
        assert len(sentence.split()) <= 25, sentence
        assert re.fullmatch(r"Here [^;]*; .*(should|forward pass).*\.", sentence), sentence


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in TASKS]
)
def test_every_mistake_is_named_in_each_gradient_that_it_spoils(name):
    _, cache, dy, grads = case(name)
    for code, _, line, new in task(name).MISTAKES:
        spoilt = [key for key, value in wrong(name)[code]["backward"](dy, cache).items() if apart({key: value}, grads)]
        told = guarded("pass", name, text.mistaken(read(name), line, new))["parts"]
        said = {part["name"]: {f["code"] for f in part["findings"]} for part in told if part["state"] == "wrong"}
        others = {other for pair in SYNONYMS.get(name, ()) for other in pair if code in pair}
        assert list(said) == spoilt, code
        assert all(codes <= {code, *others} for codes in said.values()), (code, said)
        assert any(code in codes for codes in said.values()), (code, said)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
@tasks
def test_other_inputs_would_do_as_well(name, seed):
    module, rng = task(name), np.random.default_rng(seed)
    given = module.inputs(rng)
    y, cache = module.forward(**given)
    dy = rng.standard_normal(np.shape(y))
    assert ms.check_pair(module.forward, module.backward, given, support=support(name, given)).ok
    found = {code: names["backward"](dy, cache) for code, names in wrong(name).items()}
    assert all(apart(module.backward(dy, cache), other) for other in found.values())
    assert clashes({"none": module.backward(dy, cache), **found}) == SYNONYMS.get(name, set())


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
    answers = task(name).pencil()
    assert list(answers) == [key for key, *_ in task(name).PENCIL]
    assert 2 <= len(answers) <= 6
    for key, value in answers.items():
        simple = Fraction(float(value)).limit_denominator(20)
        assert float(value) == pytest.approx(float(simple), abs=1e-12)
        assert simple == Fraction(BY_HAND[name][key]), key


@tasks
def test_the_hint_of_a_question_ends_in_its_formula_and_leaves_the_arithmetic(name):
    for key, _, hint in task(name).PENCIL:
        formula = re.search(r"= ([-+*/() 0-9]*)\.$", hint)
        assert formula, hint
        assert eval(formula[1]) == pytest.approx(float(task(name).pencil()[key]), abs=1e-12), hint
        assert re.search(r"\d [-+*/]", formula[1]), f"{hint} tells the result"
        assert len(hint.split()) <= 50, hint
        assert Pass(name).hints(key) == (hint,)


def told_apart(name):
    """The mistakes with another answer to a question that they touch, and those with the same; a row per pair."""
    _, cache, dy, grads = case(name)
    right, found = task(name).pencil(), ([], [])
    for code, names in wrong(name).items():
        other, spoilt = names["pencil"](), names["backward"](dy, cache)
        for question in right:
            key = ASKED.get((name, question)) or re.sub(r"^d(\w+?)(\[.*)?$", r"\1", question)
            if key in grads and apart({key: grads[key]}, spoilt):
                same = abs(other[question] - right[question]) <= 1e-3 * max(1, abs(right[question]))
                found[int(same)].append(code)
    return found


@tasks
def test_pencil_numbers_tell_mistakes_apart(name):
    yes, no = told_apart(name)
    assert (len(yes), len(yes) + len(no)) == APART[name], sorted(no)
    assert set(no) - set(yes) == BLIND.get(name, set())


@tasks
def test_the_texts_are_complete(name):
    module = task(name)
    assert 0 < module.MINUTES <= 90
    assert module.TEACHES[-1].isalnum()
    assert len(module.HINTS) == 3
    for sentence in re.split(
        r"(?<=[.?!])\s", " ".join([*module.HINTS, *(question for _, question, _ in module.PENCIL)])
    ):
        assert len(sentence.split()) <= 30, sentence
    title, about, *_ = module.__doc__.split("\n\n")
    assert 5 < len(title) < 60
    assert 2 <= len(re.split(r"(?<=[.?!])\s", about)) <= 6
    task_text, _, derivation = module.__doc__.partition(text.DERIVATION)
    assert not re.search(r"\\|:math:", task_text), "what stands before the derivation is read in a program, too"
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
