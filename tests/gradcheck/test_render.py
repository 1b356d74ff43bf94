"""A report as a table for a notebook, and as a program that runs the check again."""

import subprocess
import sys

import numpy as np
from helpers.pairs import affine, affine_backward, affine_inputs

import minisparse as ms


def doubled(dy, cache):
    grads = affine_backward(dy, cache)
    grads["W"][1, 2] *= 2
    return grads


def test_a_notebook_shows_wrong_entries_in_colour():
    shown = ms.check_pair(affine, doubled, affine_inputs())._repr_html_()
    assert shown.count("<tr") == shown.count("</tr>") + affine_inputs()["W"].shape[0]
    assert "#f4c7b8" in shown
    assert "GRADIENTS DISAGREE" in shown
    right = ms.check_pair(affine, affine_backward, affine_inputs())._repr_html_()
    assert "#f4c7b8" not in right
    assert "gradients agree" in right


def test_names_from_outside_are_no_markup():
    report = ms.check_pair(lambda **x: (x["<b>"] * 2, None), lambda dy, _: {"<b>": dy}, {"<b>": np.ones(2)})
    assert "<b>" not in report._repr_html_()


def test_a_program_runs_the_check_again(tmp_path):
    given = {"x": np.array([0.1, 1 / 3])}
    (tmp_path / "mine.py").write_text(
        "def forward(x):\n    return x * x, x\n\ndef backward(dy, x):\n    return {'x': dy * x}\n"
    )
    script = (
        "import numpy as np, mine, minisparse\n"
        "print(minisparse.check_pair(mine.forward, mine.backward, {'x': np.array([0.1, 1 / 3])}, seed=4).reproduce())"
    )

    def run(code):
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)

    program = run(script).stdout
    assert "from mine import forward as forward" in program
    assert "seed=4" in program
    again = run(program)
    assert again.stderr == ""
    first = ms.check_pair(lambda x: (x * x, x), lambda dy, x: {"x": dy * x}, given, seed=4)
    assert again.stdout.strip() == str(first)
    assert "# put forward here" in first.reproduce()
