"""Marks as text, HTML and data."""

from minisparse.exercises.report import Part, Report


def test_a_report_shows_each_part_and_what_is_wrong_once():
    wrong = {"state": "wrong", "findings": [{"code": "syntax", "tensor": "", "sentence": "Python <cannot> read it."}]}
    parts = [Part.read(name, "the gradient", wrong) for name in ("W", "b")]
    report = Report("linear", (*parts, Part("x", "the gradient", "done", printed="a\nb")))
    assert str(report).count("cannot") == 1
    assert "1 of 3 done" in str(report)
    assert "it prints: a b" in str(report)
    assert report._repr_html_().count("&lt;cannot&gt;") == 2
    assert (report.ok, report.score, len(report.findings)) == (False, (1, 3), 2)
    assert report["x"].sentence == ""
    assert report["W"].sentence.endswith("[syntax]")
    assert str(Report("R7", (parts[0],))).splitlines()[0] == "  W  the gradient  wrong"
