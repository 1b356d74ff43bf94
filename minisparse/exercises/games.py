"""The two riddles in a terminal: which line is wrong, and which curve belongs to which number."""

from __future__ import annotations

from ..equations import code_line
from ..errors import InputError
from . import small
from .find_mistake import riddle
from .lines import lesson_of
from .read_curve import LETTERS, TIME, UNITS, curves


def mistake(seed: int, answer: str | None = None, why: int | None = None) -> tuple[str, bool]:
    """Return what is shown of a riddle, or what is said to an answer, and whether that is right.

    Parameters
    ----------
    seed : int
    answer : str, optional
        A tag, such as "R7".
    why : int, optional
        Number of a reason, from 1.
    """
    if answer is not None and answer.upper() not in lesson_of():
        raise InputError(f"{answer} is the tag of no line that can be wrong here; tags are such as R7")
    told = riddle(seed)
    tag, same = told.mistake.tag, f"python -m minisparse.exercises mistake --seed {seed}"
    if answer is None:
        return _posed(told, same), False
    if answer.upper() != tag:
        return (
            f"{answer.upper()} is right: {code_line(answer.upper())}\nLook again at what agrees, and what does not.",
            False,
        )
    right = told.reasons.index(told.mistake.sentence) + 1
    if why is None:
        reasons = [f"  {number}. {sentence}" for number, sentence in enumerate(told.reasons, 1)]
        return "\n".join(
            [f"Yes, the line ({tag}). Why?", *reasons, f"answer: {same} --answer {tag} --why NUMBER"]
        ), False
    if why != right:
        return "Not for this reason. Which tensors agree, and would they if it were so?", False
    said = [f"Yes: {told.mistake.sentence}", f"  wrong: {told.mistake.wrong}", f"  right: {told.mistake.right}"]
    return "\n".join([*said, f"How it comes about: {told.mistake.story}"]), True


def _posed(told, same: str) -> str:
    rows = [
        f"One line of {told.network} is wrong.",
        f"It learns the signs of two sums, {len(told.right)} steps of Adam:",
        f"  loss, right line  {small.drawn(told.right)} {told.right[-1]:.3g}",
        f"  loss, wrong line  {small.drawn(told.wrong)} {told.wrong[-1]:.3g} after {len(told.wrong)} steps",
        "The check of two steps (what came out, for what should have):",
        *(f"  {row}" for row in told.report),
        "Which line is it? Name its tag (the lines: python -m minisparse.exercises start bptt, or feedforward).",
        f"{same} --answer TAG",
    ]
    return "\n".join(rows)


def curve(kind: str, seed: int, answer: str | None = None) -> tuple[str, bool]:
    """Return four curves and four numbers, or what is said to an answer, and whether that is right.

    Parameters
    ----------
    kind : {"gain", "step"}
    seed : int
    answer : str, optional
        The letters of the curves, from the smallest number to the largest, such as "BDAC".
    """
    if answer is not None and sorted(answer.upper()) != sorted(LETTERS):
        raise InputError(f"{answer!r} is no order of {LETTERS}: write each letter once, the smallest number's first")
    told, same = curves(kind, seed), f"python -m minisparse.exercises curve {kind} --seed {seed}"
    order = "".join(sorted(LETTERS, key=lambda letter: told.numbers[LETTERS.index(letter)]))
    if answer is None:
        numbers = ", ".join(f"{number:g}" for number in sorted(told.numbers))
        rows = [
            f"Four dense recurrent networks of {UNITS} neurons, {TIME} time steps, {len(told.losses[0])} steps.",
            f"They differ in the {told.what}.",
            *(f"  {letter}  {small.drawn(loss)}" for letter, loss in zip(LETTERS, told.losses, strict=True)),
            f"The numbers are {numbers}. Which curve has the smallest, which the next?",
            f"Answer with four letters, the smallest number's first: {same} --answer {LETTERS}",
        ]
        return "\n".join(rows), False
    right = sum(given == wanted for given, wanted in zip(answer.upper(), order, strict=True))
    if right < len(LETTERS):
        return (
            f"{right} of {len(LETTERS)} are in their place. Which of them stands still at first, and for how long?",
            False,
        )
    pairs = ", ".join(f"{letter} {number:g}" for letter, number in zip(LETTERS, told.numbers, strict=True))
    return f"Yes: {pairs}. {told.why}", True
