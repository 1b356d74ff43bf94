"""The pages under docs/ run as they are."""

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_python_runs(page, capsys):
    space = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        exec(compile(block, str(page), "exec"), space)
    for name, thing in list(space.items()):
        if name.startswith("test_"):
            thing()
    assert "DISAGREE" not in capsys.readouterr().out
