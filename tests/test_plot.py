"""Figures carry their alternative text, and are told apart without colour."""

import itertools

import numpy as np
import pytest

import minisparse as ms


def test_a_saved_figure_holds_its_text(tmp_path):
    figure, axes = ms.plot.figure()
    axes.plot([0, 1], [0, 1], **ms.plot.LINES[0])
    ms.plot.save(figure, tmp_path / "a.png", alt="One rises with the other.")
    content = (tmp_path / "a.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert b"One rises with the other." in content
    vector = (tmp_path / "a.svg").read_text()
    assert "One rises with the other." in vector
    assert "<dc:date>" not in vector


def test_a_figure_without_text_is_refused_and_nothing_is_written(tmp_path):
    figure, _ = ms.plot.figure()
    with pytest.raises(ms.errors.InputError, match="alternative text"):
        ms.plot.save(figure, tmp_path / "a.png", alt=" ")
    assert not list(tmp_path.iterdir())


def test_every_line_differs_in_dash_and_marker():
    assert len({str(line["linestyle"]) for line in ms.plot.LINES}) == len(ms.plot.LINES)
    assert len({line["marker"] for line in ms.plot.LINES}) == len(ms.plot.LINES)


def test_every_density_has_a_line_of_its_own_and_dense_is_red_orange():
    lines = ms.plot.DENSITIES.values()
    for part in ("color", "linestyle", "marker"):
        assert len({str(line[part]) for line in lines}) == len(lines)
    assert [ms.plot.of_density(p)["color"] for p in (1.0, 0.1, 0.12)] == ["#D55E00", "#0072B2", "#0072B2"]


def test_names_of_lines_that_end_together_are_not_written_over_one_another():
    figure, axes = ms.plot.figure()
    for k in range(6):
        axes.plot([0, 1], [0, 0.5 + k / 1000], label=f"line {k}")
    axes.plot([0, 1], [1, 1])
    ms.plot.name_lines(axes)
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert [text.get_text() for text in axes.texts] == [f"line {k}" for k in range(6)]
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))


def test_the_unrolled_network_shows_one_path_and_leaves_out_what_else_runs_backward(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(ms.plot, "save", lambda figure, path, alt: drawn.update({path.name: (figure, alt)}))
    ms.plot.unrolled(tmp_path / "all.png")
    ms.plot.unrolled(
        tmp_path / "path.png", ["h3>h2", "h2>h1"], title="Back", alt="The way back.", values={"h1": "-4"},
        names={"h3>h2": "again"},
    )  # fmt: skip
    (whole, _), (path, alt) = drawn["all.png"], drawn["path.png"]
    arrows, shown = ([text for text in drawn.axes[0].texts if hasattr(text, "arrow_patch")] for drawn in (whole, path))
    assert len(arrows) == 13, "seven ahead; none back to h_0"
    assert len(shown) == 9, "two of the six back"
    words = [text.get_text() for text in path.axes[0].texts]
    assert {"again", r"$W^\top da_1$", "-4"} <= set(words)
    assert not {"$W$", "$W_{in}$", "$W_{out}$"} & set(words)
    assert alt == "The way back."
    assert min(text.get_size() for text in path.axes[0].texts if text.get_text()) >= 11


def test_connectivity_draws_each_synapse_where_it_is():
    mask = np.array([[1, 0, 0], [0, 1, 1]])
    axes = ms.plot.connectivity(mask).get_axes()[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), mask)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("presynaptic neuron", "postsynaptic neuron")
    assert axes.get_title(loc="left") == "Each of 2 neurons has 1.5 of 3 inputs, on average"


@pytest.mark.parametrize("storage", ["dense", "csr"])
def test_connectivity_tells_excitatory_from_inhibitory_weights(storage):
    matrix, weights = np.array([[2.0, 0.0], [-1.0, 3.0]]), ms.make_weights(ms.full(2, 2), storage)
    figure = ms.plot.connectivity(weights, weights.pack(matrix), title="Two neurons.")
    np.testing.assert_array_equal(figure.get_axes()[0].images[0].get_array(), np.sign(matrix))
    assert [text.get_text() for text in figure.get_axes()[0].texts] == ["excitatory", "inhibitory"]
    with pytest.raises(ms.UserError, match="w must be packed weights"):
        ms.plot.connectivity(weights, "W_rec")


def test_connectivity_of_a_large_layer_is_its_density_in_blocks():
    image = ms.plot.connectivity(ms.full(1001, 900)).get_axes()[0].images[0].get_array()
    assert image.shape == (334, 300)
    np.testing.assert_allclose(image, 1)
