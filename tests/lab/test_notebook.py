"""Chapters as notebooks: nothing of reStructuredText is left, no path of this machine; and they run."""

import importlib.util
import json
import re
import subprocess
import sys
import tempfile

import pytest

from minisparse import plot
from minisparse.lab import __main__, cli, notebook, provenance

CHAPTERS = sorted((provenance.ROOT / "chapters").glob("*.py"))
SCRIPT = '''r"""
Title
=====

A ``literal``, :math:`x_{i}
y`, a `page <https://a.b/c>`_.
"""

# %%
# Part
# ----
# * one:
#
#   .. math:: a = b
#
#   and on.
#
# .. math::
#
#    a = 1
#
#    b \\\\ c

x = 1
# a comment of the code
y = 2
'''


def test_each_construct_becomes_markdown():
    title, part, code = notebook.parts(SCRIPT)
    assert title == ("markdown", "# Title\n\nA `literal`, $x_{i} y$, a [page](https://a.b/c).")
    aligned = "$$\n\\begin{aligned}\na = 1 \\\\\n\\begin{split}b \\\\ c\\end{split}\n\\end{aligned}\n$$"
    assert part == ("markdown", f"## Part\n* one:\n\n  $$\n  a = b\n  $$\n\n  and on.\n\n{aligned}")
    assert code == ("code", "x = 1\n# a comment of the code\ny = 2")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_markup_is_left_and_the_code_is_the_script_s(path):
    found = list(notebook.parts(path.read_text(encoding="utf-8")))
    text = "\n".join(text for kind, text in found if kind == "markdown")
    assert not re.search(r"^\s*\.\. |:[a-z]+:`|``|^[-=~]{3,}$|/work|/tmp", text, re.MULTILINE)
    assert text.count("$") % 2 == 0
    code = "\n".join(text for kind, text in found if kind == "code")
    kept = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert all(line in kept for line in code.splitlines() if line and not line.startswith("#"))


def test_the_first_cells_open_elsewhere_install_and_hold_the_flags(tmp_path, capsys):
    address = "https://github.com/some/mini.git"
    assert __main__.main(["notebooks", str(tmp_path), "--flags=--smoke", "--repository", address]) == 0
    assert {path.stem for path in tmp_path.iterdir()} == {*(path.stem for path in CHAPTERS), "dale-cupy"}
    cells = json.loads((tmp_path / "dale.ipynb").read_text(encoding="utf-8"))["cells"]
    heading, badges, install, flags, *_ = ("".join(cell["source"]) for cell in cells)
    assert heading.startswith("# Dale")
    assert "(https://colab.research.google.com/github/some/mini/blob/notebooks/dale.ipynb)" in badges
    assert "(https://mybinder.org/v2/gh/some/mini/notebooks?labpath=dale.ipynb)" in badges
    assert f'git clone --quiet --depth 1 {address}\n    %pip install --quiet -e "mini[fast]"\n    %cd mini' in install
    assert 'sys.argv = ["dale.py", "--smoke"]' in flags


def test_the_notebook_for_a_gpu_asks_for_one_and_chooses_it_first(tmp_path):
    notebook.write_notebooks(tmp_path, repository="https://a.b/c/mini")
    made = json.loads((tmp_path / "dale-cupy.ipynb").read_text(encoding="utf-8"))
    assert made["metadata"]["accelerator"] == "GPU"
    _, install, flags, *_ = ("".join(cell["source"]) for cell in made["cells"])  # no badge: this is not GitHub
    assert '-e "mini[cuda12]"' in install
    assert flags.startswith('import os\n\nos.environ["BACKEND"] = "cupy"\n')


def test_in_a_notebook_the_chapter_takes_its_flags_and_leaves_the_process_alone(tmp_path, monkeypatch):
    hook = sys.excepthook
    monkeypatch.setattr(plot, "notebook", lambda: object())
    monkeypatch.setattr(sys, "argv", ["tiny.py", "--smoke", "--out", str(tmp_path)])
    for _ in range(2):  # the cell may run twice
        assert cli.chapter("tiny", "", {"time": "1 s"}, {"time": "1 s"}).smoke
    assert sys.excepthook is hook


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("nbclient"), reason='needs pip install -e ".[docs]"')
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_and_shows_its_figures(path, tmp_path):
    import nbclient
    import nbformat
    from jupyter_client.manager import AsyncKernelManager

    sockets = tempfile.TemporaryDirectory()  # files as sockets: two kernels that start together share no port
    kernel = AsyncKernelManager(transport="ipc", ip=f"{sockets.name}/k")
    written = nbformat.reads(json.dumps(notebook.notebook(path, ["--smoke"])), as_version=4)
    nbformat.validate(written)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(written, km=kernel, timeout=300, resources=where).execute()
    sockets.cleanup()
    outputs = [output for cell in written.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = sum("image/png" in output.get("data", {}) for output in outputs)
    assert shown == len(list(tmp_path.rglob("*.png"))) > 0
    printed = "".join(output.get("text", "") for output in outputs)
    assert str(tmp_path) not in printed
    assert str(provenance.ROOT) not in printed


def test_outside_of_notebooks_nothing_is_shown():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, minisparse as ms; ms.plot.figure(); print('IPython' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"
