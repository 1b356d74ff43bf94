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


def test_convolution_and_pooling_are_what_their_indices_say():
    rng = np.random.default_rng(0)
    stem, x = ms.ConvPool((2, 4, 5), filters=2, size=2, activation="tanh"), rng.random((4, 10, 3))
    params = {name: rng.standard_normal(value.shape) for name, value in stem.init(rng, dtype=float).items()}
    h, cache = stem.forward(params, x)
    dh = rng.standard_normal(h.shape)
    grads = stem.backward(dh, cache, wrt_x=True)

    pixels, K = x.reshape(4, 2, 5, 3), params["K"].reshape(2, 2, 2, 2)  # (u, channel, v, b) and (f, i, j, channel)
    a = np.zeros((2, 2, 4, 3)) + params["c"][:, :, None, None]  # (f, y, z, b)
    for f, y, z, c, i, j in np.ndindex(2, 2, 4, 2, 2, 2):
        a[f, y, z] += K[f, i, j, c] * pixels[y + i, c, z + j]
    da, of = np.zeros_like(a), dh.reshape(2, 1, 2, 3)
    for f, y, z, b in np.ndindex(2, 1, 2, 3):
        square = a[f, 2 * y : 2 * y + 2, 2 * z : 2 * z + 2, b]
        q = np.unravel_index(square.argmax(), (2, 2))
        da[f, 2 * y + q[0], 2 * z + q[1], b] = (1 - np.tanh(square.max()) ** 2) * of[f, y, z, b]
    dK, dx = np.zeros_like(K), np.zeros_like(pixels)
    for f, y, z, c, i, j in np.ndindex(2, 2, 4, 2, 2, 2):
        dK[f, i, j, c] += da[f, y, z] @ pixels[y + i, c, z + j]
        dx[y + i, c, z + j] += K[f, i, j, c] * da[f, y, z]
    np.testing.assert_allclose(grads["K"], dK.reshape(2, 8), atol=1e-12)
    np.testing.assert_allclose(grads["x"], dx.reshape(x.shape), atol=1e-12)
    np.testing.assert_allclose(grads["c"][:, 0], da.sum(axis=(1, 2, 3)), atol=1e-12)


@pytest.mark.parametrize(
    "rule", [ms.Joint(), ms.LpConstant(2, 1.0), ms.LpVariable(3, 1.0), ms.Dendritic(1.0)], ids=repr
)
def test_raw_weights_and_their_gradient_are_at_a_right_angle_where_the_size_is_a_norm(rule):
    rng = np.random.default_rng(0)
    weights, counts = ms.DenseWeights(ms.full(4, 6)), isinstance(rule, ms.Dendritic)
    v, dw = rng.standard_normal((2, 4, 6))
    scale = np.full((1, 1) if rule.shared else (4, 1), 1.7)
    w, cache = rule.forward(weights, v, scale)
    along = (v * rule.backward(dw, cache)["v"]).sum(axis=1)
    np.testing.assert_allclose(along, (w * dw).sum(axis=1) if counts else 0, atol=1e-12)


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
