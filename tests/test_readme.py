"""The README: its code runs and prints what it says, its commands and files exist, and it fits on a few screens."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from minisparse import check_pair, equations, testing
from minisparse.lab import page

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
WRITTEN = re.sub(page.BLOCK, "", README)


@pytest.fixture(scope="module")
def printed():
    """Run the code of the README from top to bottom, and return what it printed."""
    names, out = {}, io.StringIO()
    with contextlib.redirect_stdout(out):
        for block in re.findall(r"```python\n(.*?)```", WRITTEN, flags=re.DOTALL):
            exec(compile(block, "README.md", "exec"), names)
    return f"{out.getvalue()}\naccuracy {names['history'][-1]['test_accuracy']}"


def test_the_wrong_layer_is_named_as_printed(printed):
    sentence = re.search(r"It prints `(.*?)`", README)[1]
    assert f"\n{sentence}" in printed
    assert "\nW: " not in printed


def test_the_layer_put_right_passes_with_drawn_sizes_as_the_readme_says():
    names = {}
    wrong = next(block for block in BLOCKS if "da.mean" in block)
    exec(compile(wrong.replace("da.mean", "da.sum").partition("draw =")[0], "README.md", "exec"), names)
    assert "`@given(testing.sizes(3), testing.generators())`" in README

    @settings(max_examples=5)
    @given(testing.sizes(3), testing.generators())
    def test_layer(sizes, rng):
        post, pre, batch = sizes
        shapes = {"W": (post, pre), "b": (post, 1), "x": (pre, batch)}
        inputs = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
        check_pair(names["forward"], names["backward"], inputs).assert_ok()

    test_layer()


def test_the_network_of_the_readme_learns_as_well_as_it_says(printed):
    promised = int(re.search(r"(\d+) % right after ten epochs", README)[1])
    reached = float(re.search(r"^accuracy (.*)$", printed, re.MULTILINE)[1])
    assert abs(reached - promised) < 2


def test_the_backward_pass_is_shown_whole():
    block = next(block for block in BLOCKS if "(R4)" in block)
    shown = re.findall(r"^ *(.*?) +# \((R\d+)\)$", block, re.MULTILINE)
    assert {f"R{number}" for number in range(4, 14)} <= {tag for _, tag in shown}
    assert all(equations.code_line(tag) == code for code, tag in shown)
    places = {equations.module_of(tag) for _, tag in shown}
    assert places == {"minisparse.rnn", "minisparse.recurrent"}
    indented = [line for line in block.splitlines() if line.startswith(" ")]
    assert [re.search(r"R\d+", line)[0] for line in indented] == ["R7"], "R7 alone is the body of the loop"


def test_the_first_indented_block_is_two_commands():
    done = subprocess.run(
        [sys.executable, ".ci/readme_commands.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert first.endswith("chapters/dale.py")
    assert second.endswith("-m pytest")
    assert "#" not in done.stdout


def test_it_is_short_and_leaves_the_words_of_developers_out():
    assert len(README.splitlines()) <= 120
    assert not re.findall(r"STALE|--confirm|--budget|exit code|pytest -m \w", README)


def test_every_file_it_and_its_neighbours_name_exists():
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        links = re.findall(r"\]\(([^)#:]+)\)", text)
        paths = re.findall(r"python ((?:chapters|benchmarks)/\S+\.py)", text)
        for name in [*links, *paths]:
            assert (ROOT / name).is_file(), name


def test_the_map_of_the_house_names_rooms_that_exist():
    rooms = re.search(r"## Map of the house\n(.*?)\n\n", README, re.DOTALL)[1]
    named = {name.rstrip("/") for row in rooms.splitlines()[2:] for name in re.findall(r"`(.*?)`", row.split("|")[1])}
    for name in named:
        room = ROOT / "minisparse" / name
        assert room.is_dir() or room.with_suffix(".py").is_file(), name
    folders = {path.name for path in (ROOT / "minisparse").iterdir() if (path / "__init__.py").is_file()}
    assert folders <= named
