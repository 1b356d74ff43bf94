"""The first lesson: every number that it prints is computed here again, in exact fractions and without the library."""

import contextlib
import io
import re
import runpy
import sys
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest

import minisparse as ms

ROOT = Path(__file__).parent.parent
X = (2, -2, -1)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """Run the chapter once, without its figures; returns what it prints, its names, and the figures it asked for."""
    out, printed, asked = tmp_path_factory.mktemp("bptt"), io.StringIO(), {}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", ["bptt.py", "--out", str(out)])
        patch.setattr(sys, "excepthook", sys.excepthook)
        patch.setattr(ms.plot, "unrolled", lambda path, *args, **words: asked.update({path.name: (args, words)}))
        patch.setattr(ms.plot, "save", lambda figure, path, alt: asked.update({path.name: (figure, alt)}))
        names = runpy.run_path(str(ROOT / "chapters" / "bptt.py"))
    return printed.getvalue(), names, asked


def numbers(text):
    return [float(number) for number in re.findall(r"(?<![\w^])[-+]?\d+\.?\d*(?:e[-+]?\d+)?", text)]


def line(printed, start):
    """The numbers of the one line that begins so, after its beginning."""
    (found,) = (line for line in printed.splitlines() if line.strip().startswith(start))
    return numbers(found.strip().removeprefix(start))


def neuron(w=(2, 2, 2), x=X):
    """Exact drives and activities of the one neuron."""
    a, h = [], [F(0)]
    for t in range(3):
        a.append(3 * x[t] + w[t] * h[t] - 1)
        h.append(max(a[t], F(0)))
    return a, h


def loss(*w):
    return (neuron(w)[1][3] - 4) ** 2 / 2


def test_the_forward_table(lesson):
    a, h = neuron()
    for t in range(3):
        found = line(lesson[0], f"{t}  {X[t]:4d}  ")
        assert found == [3 * X[t], 2 * h[t], -1, a[t], h[t + 1]]
    assert line(lesson[0], "the loss is (h_3 - 4)^2 / 2 = ") == [2, 4, 2, loss(2, 2, 2)]


def test_the_slope_and_the_shares_of_the_three_copies(lesson):
    more, less, e = loss(*[F("2.001")] * 3), loss(*[F("1.999")] * 3), F(1, 1000)
    assert line(lesson[0], "W = 2.001: L =") == pytest.approx([float(more), 1.999, float(less)], abs=1e-6)
    assert line(lesson[0], "(1.974075") == [2.026074, 0.002, pytest.approx(float((more - less) / (2 * e)), abs=1e-3)]
    for t, share in enumerate((0, -20, -6)):
        moved = [2 + e * (k == t) for k in range(3)]
        back = [2 - e * (k == t) for k in range(3)]
        quotient = float((loss(*moved) - loss(*back)) / (2 * e))
        found = line(lesson[0], f"W({t}) alone")
        assert found[:3] == pytest.approx([float(a) for a in neuron(moved)[0]], abs=1e-3)
        assert found[-2:] == [share, pytest.approx(quotient, abs=1e-3)]
        assert quotient == pytest.approx(share, abs=1e-9)
    assert line(lesson[0], "all three")[3:] == [-26, -26]
    assert line(lesson[0], "all three")[:3] == pytest.approx([float(a) for a in neuron([2 + e] * 3)[0]], abs=1e-3)


def test_the_recursion_is_what_pushes_do(lesson):
    for t, value in ((2, -2), (1, -4), (0, -8)):
        assert line(lesson[0], f"da_{t} =")[-2:] == [value, value]
    assert line(lesson[0], "dW = da_0 h_0 + da_1 h_1 + da_2 h_2 =") == [-8, 0, -4, 5, -2, 3, -26]
    better = 2 - F("0.005") * -26
    assert line(lesson[0], "a step against the slope: W =") == [
        2, 0.005, -26, float(better), 2, pytest.approx(float(loss(*[better] * 3)), abs=5e-4)
    ]  # fmt: skip
    falls = float(loss(2, 2, 2) - loss(*[better] * 3))
    assert line(lesson[0], "L falls by") == [pytest.approx(falls, abs=5e-3), -26, pytest.approx(26 * 0.13)]


def test_a_shut_gate_stops_what_comes_from_later(lesson):
    a, h = neuron(x=(2, -4, 1))
    assert line(lesson[0], "x = (2, -4, 1): a =")[:3] == a
    assert line(lesson[0], "x = (2, -4, 1): a =")[-6:] == [*h[1:], 1, 0, 1]
    assert line(lesson[0], "da = (") == [0, 0, -2, 0, 0, -2]
    assert line(lesson[0], "dW = 0, quotient") == [0]


def test_softmax_readout_and_the_other_slopes(lesson):
    for c, (count, dz) in enumerate(zip((1, 2, 5), (-7, 2, 5), strict=True)):
        found = line(lesson[0], f"{c}    {count}  {count}/")
        assert found == [8, dz, 8, dz / 8, dz / 8]
    expected = {
        "dW_out = dz_c h_3 =": [-1.75, 0.5, 1.25],
        "db_out = dz_c =": [-0.875, 0.25, 0.625],
        "dh_3   = sum of W_out_c dz_c =": [-2],
        "dW     = sum of da_t h_t =": [-8 * 0 - 4 * 5 - 2 * 3],
        "dW_in  = sum of da_t x_t =": [-8 * 2 + 4 * 2 + 2 * 1],
        "db     = sum of da_t =": [-8 - 4 - 2],
        "dx_t   = W_in da_t =": [-24, -12, -6],
    }
    for start, values in expected.items():
        assert line(lesson[0], start) == pytest.approx([*values, *values], abs=1e-3), start


def two_neurons(label):
    """Gradients of the two neurons, by sums over indices."""
    W, w_in, b, w_out = [[2, 0], [-1, 3]], [3, -2], [-1, 2], [[1, 0], [-2, -1], [-1, 2]]
    h = [[0, 0]]
    for t in range(3):
        h.append([max(0, w_in[i] * X[t] + sum(W[i][j] * h[t][j] for j in (0, 1)) + b[i]) for i in (0, 1)])
    dz = [F(p, 8) - (c == label) for c, p in enumerate((1, 2, 5))]
    da, dh = [None] * 3, [sum(w_out[c][j] * dz[c] for c in range(3)) for j in (0, 1)]
    for t in (2, 1, 0):
        da[t] = [dh[j] * (h[t + 1][j] > 0) for j in (0, 1)]
        dh = [sum(W[i][j] * da[t][i] for i in (0, 1)) for j in (0, 1)]
    dW = [[sum(da[t][i] * h[t][j] for t in range(3)) * (W[i][j] != 0) for j in (0, 1)] for i in (0, 1)]
    return {
        "W_out": [[dz[c] * h[3][j] for j in (0, 1)] for c in range(3)], "b_out": [[value] for value in dz], "da": da,
        "W_in": [[sum(da[t][i] * X[t] for t in range(3))] for i in (0, 1)], "W_rec": dW,
        "b_in": [[sum(da[t][i] for t in range(3))] for i in (0, 1)],
        "x": [[sum(w_in[i] * da[t][i] for i in (0, 1))] for t in range(3)],
    }  # fmt: skip


def test_the_table_of_the_two_neurons(lesson):
    for row in (
        [0, 5, 1, 5, -13, -2, 0, 0, 0],
        [1, 3, 1, 3, -5, 1, 1, 1, 3],
        [2, 2, 1, 2, -2, 4, 1, 4, 1],
    ):
        assert [numbers(text) for text in lesson[0].splitlines()].count(row) == 1
    assert two_neurons(0)["da"] == [[-13, 0], [-5, 3], [-2, 1]]
    assert "dW, to neuron 0: from neuron 0 -31, from neuron 1 no synapse" in lesson[0]
    assert "dW, to neuron 1: from neuron 0 18, from neuron 1 1" in lesson[0]
    assert line(lesson[0], "dW_out, to each class:") == [-1.75, -3.5, 0.5, 1, 1.25, 2.5]
    assert line(lesson[0], "dW_in: ") == [-14, -7, -20, 4, -0.875, 0.25, 0.625, -39, -21, -8]


def test_the_library_finds_the_numbers_of_the_pencil(lesson):
    printed, names, _ = lesson
    expected = two_neurons(0)
    expected |= {"dh": [[value] for value in expected["da"][2]], "last da": expected["da"][2]}  # both gates are open
    for name, values in names["LISTENERS"].items():
        assert np.array_equal(np.array(values, float), np.array(expected[name], float)), name
    for name, tag in names["LINES"].items():
        start = f"({tag}) {ms.code_line(tag)} -> "
        assert line(printed, start) == pytest.approx(np.ravel(np.array(expected[name], float))), name
    assert "one neuron: pencil and library agree in every number; two: agree" in printed
    by_quotients = line(printed, "two neurons: dW by difference quotients")
    assert by_quotients == pytest.approx([*np.ravel(np.array(expected["W_rec"], float)), 19])
    mean = (np.array(expected["W_rec"], float) + np.array(two_neurons(1)["W_rec"], float)) / 2
    assert line(printed, "batch of two: dW =") == mean.ravel().tolist()
    assert two_neurons(1)["da"] == [[-6, 0], [0, 6], [1, 2]]
    assert "judged: W_rec 3/3, W_in 2/2, b_in 2/2, W_out 6/6, b_out 3/3, x 3/3\n" in printed
    (worst,) = line(printed.replace("; gradients agree", ""), "largest difference:")
    assert worst < 1e-9
    assert "of the slope; gradients agree" in printed


def test_the_lesson_fits_on_a_screen_and_every_rung_has_its_picture(lesson):
    printed, names, asked = lesson
    assert len(printed.splitlines()) <= 80
    assert [row for row in printed.splitlines() if len(row) > 100] == []
    for rung in ("bptt", "forward", "copy-1", "backward", "readout", "inputs", "bias", "dx"):
        (highlight,), words = asked[f"{rung}.png"]
        assert highlight
        assert words["alt"]
        assert words["title"]
    for curve in ("loss", "two"):
        figure, alt = asked[f"{curve}.png"]
        assert alt
        assert figure.axes[0].get_title()
    assert {row["name"] for row in names["rows"]} == {"dW_out", "db_out", "dh_3", "dW", "dW_in", "db", "dx_t"}
    for row in names["rows"]:
        assert row["by_hand"] == pytest.approx(row["quotient"], abs=1e-3), row["name"]
