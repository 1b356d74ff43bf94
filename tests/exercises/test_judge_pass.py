"""A whole pass is judged part by part, and each wrong part is named."""

import pytest

from minisparse.exercises import passes
from minisparse.exercises.judge import guarded
from minisparse.exercises.passes import text


def filled(name, body, number=str):
    """A student's file of a whole pass, as text."""
    module = passes.task(name)
    numbers = "\n".join(f"pencil[{key!r}] = {number(value)}" for key, value in module.pencil().items())
    return f"{text.with_body(text.source(module), body)}\npencil = {{}}\n{numbers}\n"


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ("linear", "masked") else pytest.mark.slow) for name in passes.TASKS],
)
def test_a_solved_pass_is_done_and_each_mistake_is_named(name):
    module = passes.task(name)
    body = text.solution(text.source(module))
    told = guarded("pass", name, filled(name, body))
    assert {part["state"] for part in told["parts"]} == {"done"}
    for code, _, line, other in module.MISTAKES[:2]:
        wrong = text.mistaken(text.source(module), line, other)
        parts = guarded("pass", name, wrong)["parts"]
        assert code in {finding["code"] for part in parts for finding in part["findings"]}, code
        assert {part["state"] for part in parts[: len(module.PENCIL)]} == {"new"}


def test_what_is_wrong_with_a_whole_file_is_one_sentence():
    body = text.solution(text.source(passes.task("linear")))
    for answer, sentence in (
        ("def forward(", "Python cannot read it"),
        ("x = 1", "the file has no function forward."),
        (filled("linear", body).replace("W @ x + b", "W @ x"), "forward does not compute what it did"),
        (filled("linear", "raise ZeroDivisionError"), "it raises ZeroDivisionError"),
        (filled("linear", body).replace("return {", "return [] or {").replace(' "x": dx}', "}"), ""),
    ):
        told = guarded("pass", "linear", answer)
        sentences = [f["sentence"] for part in told.get("parts", [told]) for f in part["findings"]]
        assert any(sentence in each for each in sentences) or not sentence, answer
    told = guarded("pass", "linear", filled("linear", body, lambda value: str(value + 1)))
    assert [part["state"] for part in told["parts"]] == ["wrong"] * 4 + ["done"] * 3
    told = guarded("pass", "linear", filled("linear", body).replace("dW = dy @ x.T", "raise NotImplementedError"))
    assert [part["state"] for part in told["parts"]] == ["done"] * 4 + ["new"] * 3
