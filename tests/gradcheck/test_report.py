"""A report is data and text."""

import numpy as np
import pytest
from helpers.pairs import affine, affine_backward, affine_inputs

import minisparse as ms
from minisparse.gradcheck.report import Finding, GradientReport


def test_a_report_is_data_and_text():
    report = ms.check_pair(affine, affine_backward, affine_inputs())
    assert report.to_dict()["ok"] is True
    assert [row["tensor"] for row in report.to_dict()["rows"]] == ["W", "x", "b"]
    assert "gradients agree" in str(report)


def test_nothing_is_explained_before_it_is_read():
    asked = []

    def explain():
        asked.append(1)
        return [Finding("sign", "x", "the gradient has the wrong sign")], ["what was not seen"]

    report = GradientReport([], [Finding("mismatch", "x", "differs")], explain=explain)
    assert not report.ok
    with pytest.raises(AssertionError) as caught:
        report.assert_ok()
    assert not asked
    assert "wrong sign" in str(caught.value)
    assert report.codes == ("sign",)
    assert report.blind == ("what was not seen",)
    assert len(asked) == 1


def test_a_report_is_of_the_numbers_at_the_check_not_of_those_when_it_is_read():
    rng = np.random.default_rng(0)
    model = ms.RNN(2, ms.make_weights(ms.bernoulli(7, 7, 0.5, rng)), 4, "tanh")
    params, x = model.init(rng, dtype=float, w_max=0.5), rng.standard_normal((5, 2, 3))
    wrong = ms.gradcheck.catalogue.find("bptt-no-slope").plant(model)
    report = ms.check(wrong, params, x)
    for value in params.values():
        value[...] = 0
    assert report.codes[0] == "bptt-no-slope"
