"""The two riddles: each has an answer, and a wrong one is not taken."""

import pytest

from minisparse.exercises import games
from minisparse.exercises.find_mistake import riddle
from minisparse.exercises.read_curve import KINDS, LETTERS, curves


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 60))])
def test_the_line_then_the_reason_solve_a_riddle(seed):
    told = riddle(seed)
    shown, right = games.mistake(seed)
    assert not right
    assert told.mistake.tag not in shown
    assert told.mistake.sentence not in shown
    assert "wrong line" in shown
    assert max(map(len, shown.splitlines())) <= 140
    assert any(" for " in row for row in told.report), "nothing to be seen"
    number = told.reasons.index(told.mistake.sentence) + 1
    assert len(set(told.reasons)) == 4
    other = "R5" if told.mistake.tag != "R5" else "R4"
    assert games.mistake(seed, other)[0].startswith(f"{other} is right: ")
    assert "Why?" in games.mistake(seed, told.mistake.tag.lower())[0]
    assert games.mistake(seed, told.mistake.tag, number % 4 + 1) == (
        "Not for this reason. Which tensors agree, and would they if it were so?", False,
    )  # fmt: skip
    said, right = games.mistake(seed, told.mistake.tag, number)
    assert right
    assert told.mistake.wrong in said
    assert told.mistake.right in said


@pytest.mark.parametrize(
    "kind", ["gain", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "gain")]
)
def test_curves_are_told_by_their_numbers(kind):
    told = curves(kind, 0)
    order = "".join(sorted(LETTERS, key=lambda letter: told.numbers[LETTERS.index(letter)]))
    shown, right = games.curve(kind, 0)
    assert not right
    assert all(f"  {letter}  " in shown for letter in LETTERS)
    assert games.curve(kind, 0, order[::-1])[0].startswith("0 of 4 are in their place")
    said, right = games.curve(kind, 0, order.lower())
    assert right
    assert f"{order[0]} {min(told.numbers):g}" in said
    assert all(loss[0] > 0 for loss in told.losses)
