"""Figures carry their alternative text, and are told apart without colour."""

import pytest

import minisparse as ms


def test_a_saved_figure_holds_its_text(tmp_path):
    figure, axes = ms.plot.figure()
    axes.plot([0, 1], [0, 1], **ms.plot.LINES[0])
    ms.plot.save(figure, tmp_path / "a.png", alt="One rises with the other.")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert b"One rises with the other." in content


def test_a_figure_without_text_is_refused_and_nothing_is_written(tmp_path):
    figure, _ = ms.plot.figure()
    with pytest.raises(ms.errors.InputError, match="alternative text"):
        ms.plot.save(figure, tmp_path / "a.png", alt=" ")
    assert not list(tmp_path.iterdir())


def test_every_line_differs_in_dash_and_marker():
    assert len({str(line["linestyle"]) for line in ms.plot.LINES}) == len(ms.plot.LINES)
    assert len({line["marker"] for line in ms.plot.LINES}) == len(ms.plot.LINES)
