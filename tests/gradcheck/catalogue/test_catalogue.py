"""The catalogue: complete, readable, and what a report says of mistakes that small sizes hide."""

from pathlib import Path

import numpy as np
import pytest

import minisparse as ms
from minisparse import equations
from minisparse.gradcheck import catalogue


def test_the_catalogue_is_complete_and_readable():
    rows = catalogue.catalogue()
    modules = {path.stem for path in Path(catalogue.__file__).parent.glob("*.py")} - {"__init__"}
    assert {row.family for row in rows} == modules
    for field in ("code", "sentence", "story"):
        assert len({getattr(row, field) for row in rows}) >= (len(rows) if field != "story" else 0.8 * len(rows)), field
    for row in rows:
        assert len(row.sentence.split()) <= 25, row.code
        assert row.wrong != row.right, row.code
        assert row.tag in equations.tags()
    with pytest.raises(KeyError):
        catalogue.find("no-such-mistake")


def test_the_report_says_what_small_sizes_cannot_show():
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7), "dense"), 4, "tanh")
    params, rng = model.init(np.random.default_rng(0), dtype=np.float64, w_max=0.5), np.random.default_rng(1)
    seen = {}
    for steps, batch in ((5, 3), (1, 3), (1, 1)):
        report = ms.check(model, params, rng.standard_normal((steps, 2, batch)), np.arange(batch))
        assert report.ok
        seen[steps, batch] = set(report.blind)
        assert str(report).splitlines()[-1].startswith(f"sizes batch {batch}, inputs 2, time {steps}")
    masked = {"sparse-no-mask", "sparse-unmasked-transpose", "sparse-dW-over-density"}
    assert seen[5, 3] <= masked, "a full pattern has no mask"
    assert {"bptt-not-transposed", "bptt-dW-same-step", "bptt-over-time-steps"} <= seen[1, 3]
    assert seen[1, 3] < seen[1, 1]
    assert {"affine-dW-mean", "affine-bias-one-example", "loss-not-divided"} <= seen[1, 1] - seen[1, 3]


def test_causes_that_sizes_cannot_tell_apart_are_listed():
    model = ms.RNN(2, ms.make_weights(ms.full(7, 7), "dense"), 4, "tanh")
    params, rng = model.init(np.random.default_rng(0), dtype=np.float64, w_max=0.5), np.random.default_rng(1)
    wrong = catalogue.find("bptt-truncated").plant(model)
    report = ms.check(wrong, params, rng.standard_normal((4, 2, 3)))
    assert report.codes[0] == "bptt-truncated"
    two = ms.check(catalogue.find("bptt-loop-not-reversed").plant(model), params, rng.standard_normal((2, 2, 3)))
    assert two.ok
    assert "bptt-loop-not-reversed" in two.blind, "with two steps there is one turn of the loop"
    report = ms.check(catalogue.find("bptt-last-step-only").plant(model), params, rng.standard_normal((2, 2, 1)))
    three = ms.check(catalogue.find("bptt-dW-overwritten").plant(model), params, rng.standard_normal((3, 2, 3)))
    assert three.findings[0].code == "bptt-dW-overwritten"
    single = ms.check(catalogue.find("affine-bias-one-example").plant(model), params, rng.standard_normal((5, 2, 1)))
    assert single.ok
    assert report.findings[0].code == "bptt-last-step-only"
