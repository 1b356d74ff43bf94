"""A whole pass as a notebook: solutions between marks, tests locked, every solution right."""

import json

import pytest

from minisparse.exercises import passes
from minisparse.exercises.notebook import notebook


@pytest.mark.parametrize("name", passes.TASKS)
def test_what_nbgrader_takes_out_is_the_solution_and_nothing_else_holds_it(name):
    made = notebook(name)
    json.dumps(made)
    code = [cell for cell in made["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        compile(cell["source"], name, "exec")
        told = cell["metadata"]["nbgrader"]
        assert told["solution"] == ("### BEGIN SOLUTION" in cell["source"]) != told["locked"]
    names = [cell["metadata"]["nbgrader"]["grade_id"] for cell in code]
    assert len(set(names)) == len(names)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    line = passes.text.code_of(passes.text.solution(passes.text.source(passes.task(name))).splitlines()[-1])
    assert sum(line in cell["source"] for cell in made["cells"]) == 1
    points = sum(cell["metadata"]["nbgrader"].get("points", 0) for cell in code)
    assert points == len(passes.task(name).PENCIL) + len(passes.text.gradients(passes.text.source(passes.task(name))))
    assert ":math:" not in json.dumps(made)
