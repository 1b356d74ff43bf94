"""The pages and the slides: every number that they ask for is recorded, and the sums on them are right."""

import importlib.util
import re
import shutil

import numpy as np
import pytest

import minisparse as ms
from minisparse.lab import page
from minisparse.lab.provenance import ROOT

DOCS = sorted((ROOT / "docs").rglob("*.md"))
LECTURES = ROOT / "docs" / "lectures"


def test_every_number_that_a_page_asks_for_is_recorded():
    filled = page.fill("\n".join(path.read_text(encoding="utf-8") for path in DOCS))
    assert not re.search(r"\{[\w-]+ \| ", filled)


def test_a_speakers_note_stands_on_every_slide():
    for path in LECTURES.glob("lecture-*.md"):
        slides = re.split(r"^#{1,2} ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
        assert all("{revealjs-notes}" in slide for slide in slides), path.name


def test_the_pictures_of_the_pages_exist():
    for path in DOCS:
        for picture in re.findall(r"!\[[^\]]{20,}\]\(([^)]*)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / picture).is_file(), f"{path.name}: {picture}"
        assert "![](" not in path.read_text(encoding="utf-8"), f"{path.name}: a picture without alternative text"


def test_the_neuron_of_the_pencil_has_the_slope_3_and_the_copies_0_2_and_1():
    def forward(w):
        h = [0.0]
        for copy, x in zip(np.broadcast_to(w, 3), (1, -1, 1), strict=True):
            h.append(max(copy * h[-1] + x, 0.0))
        return h

    assert forward(2.0) == [0, 1, 1, 3]
    slopes = [(forward(2 + 1e-6 * move)[3] - forward(2 - 1e-6 * move)[3]) / 2e-6 for move in (1, *np.eye(3))]
    np.testing.assert_allclose(slopes, [3, 0, 2, 1], atol=1e-6)


def test_numbers_of_the_exam():
    assert ms.predicted_gain(2000, 1, 0.002, 0.2) == pytest.approx(1.2)
    assert ms.gain_step(0.001, 1, 4000) == pytest.approx(4)
    assert ms.gain_step(0.0001, 1, 4000) == pytest.approx(ms.gain_step(0.001, 0.1, 4000))
    assert ms.measure.dendritic_step(10, 100) == pytest.approx(1 / 100)


def test_neurons_for_the_same_parameters_on_cifar10():
    d, n_in, n, n_out = 1 / 8 + 7 / 8 * 0.15, 3072, 512, 10
    weights = d * (n_in * n + 2 * n * n) + n_out * n
    h = max(np.roots([2, n_in + n_out, -weights]).real)
    assert (int(h), round(n / h, 1)) == (159, 3.2)
    assert (round(d, 3), round(0.15 / d, 3)) == (0.256, 0.585)


@pytest.mark.slow
def test_slides_and_handouts_build_and_fit(tmp_path):
    pytest.importorskip("sphinx_revealjs")
    spec = importlib.util.spec_from_file_location("lectures_build", LECTURES / "build.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.build(tmp_path) == []
    for name in made.LECTURES:
        html = (tmp_path / "slides" / f"lecture-{name}.html").read_text(encoding="utf-8")
        assert not re.search(r'(src|href)="https?://', html)
    if not shutil.which("chromium"):
        pytest.skip("no chromium: nothing was measured")
