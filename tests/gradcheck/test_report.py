"""A report is data and text."""

from helpers.pairs import affine, affine_backward, affine_inputs

import minisparse as ms


def test_a_report_is_data_and_text():
    report = ms.check_pair(affine, affine_backward, affine_inputs())
    assert report.to_dict()["ok"] is True
    assert [row["tensor"] for row in report.to_dict()["rows"]] == ["W", "x", "b"]
    assert "gradients agree" in str(report)
