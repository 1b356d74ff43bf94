"""What is generated: numbers come from claims and nowhere else, and one screen says what was found."""

import functools
import re

import pytest

from minisparse.lab import claims, page, provenance, rows

ROOT = provenance.ROOT
MADE_BY = {"command": "python chapters/gain.py --record", "commit": "abc", "backend": "backend: numpy"}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Return a function that records claims under a file's name and writes chapters/findings.md, in a new checkout."""
    monkeypatch.setattr(page, "ROOT", tmp_path)
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(page, "is_stale", lambda row: row.get("old", False))
    for name in ("chapters", "results", "minisparse/kernels"):
        (tmp_path / name).mkdir(parents=True)

    def record(words, **files):
        for file, recorded in files.items():
            table = [{"made_by": MADE_BY, **row} for row in recorded]
            rows.write(tmp_path / "results" / f"{file.replace('_', '-')}.jsonl", table)
        (tmp_path / "chapters" / "findings.md").write_text(words, encoding="utf-8")
        return tmp_path

    return record


def grows(figure="6C", status="REPRODUCED", words="it grows", setting="300 neurons, digits"):
    return claims.claim(figure, words, setting, {"p = 1": [1.0, 2.0], "p = 0.1": [3.0]}, status, "5 %")


results_md = functools.cache(page.results_md)


def test_readme_and_results_are_what_the_recorded_rows_say():
    for name, new in (("README.md", page.readme), ("RESULTS.md", lambda old: results_md())):
        found = (ROOT / name).read_text(encoding="utf-8")
        assert new(found) == found, "run: python -m minisparse.lab results --write"


def test_every_figure_has_a_name_and_every_name_a_figure():
    shown = results_md().partition("## Every claim")[0]
    for topic in page.section("figures").splitlines():
        assert f"| {topic.split(': ', 1)[1]} |" in shown, topic
    assert not re.findall(r"^\| (\w{1,8}) \|", shown.replace("| figure |", "").replace("| tables |", ""), re.MULTILINE)


def test_a_text_takes_its_numbers_from_claims(house):
    words = """=== finding
{gain | 6C | p = 1} and {gain | 6C | p = 0.1 | +.2f}: {gain | 6C | ours}. {gain | 5B ~ dense | mark}
{gain | all} claims, {gain | REPRODUCED} hold, {gain | NOT RUN} is open

=== other
"""
    two = [grows("5B", words="sparse: more"), grows("5B", "NOT REPRODUCED", words="dense: more")]
    house(words, gain=[grows(), *two, claims.not_run("6C", "it grows further", "", "python chapters/gain.py --paper")])
    new = page.readme("a\n<!-- generated: finding -->\nold\n<!-- end -->\nb\n")
    said = "1.5 ± 0.7 and +3.00: p = 1 1.5 ± 0.7; p = 0.1 3.0. ✗\n4 claims, 2 hold, 1 is open"
    assert new == f"a\n<!-- generated: finding -->\n{said}\n<!-- end -->\nb\n"
    assert page.readme(new) == new


@pytest.mark.parametrize(
    "asked", ["{gain | 9Z | p = 1}", "{gain | 6C | p = 7}", "{none | 6C | ours}", "{gain | 5B | ours}"]
)
def test_a_number_that_no_claim_has_is_refused(house, asked):
    house(f"=== finding\n{{{asked}}}\n", gain=[grows(), grows("5B"), grows("5B", words="another")])
    with pytest.raises(ValueError, match=r"is asked for, and is no number of exactly one claim"):
        page.readme("<!-- generated: finding -->\n<!-- end -->")


def test_a_part_without_words_is_refused(house):
    house("=== finding\n", gain=[grows()])
    with pytest.raises(ValueError, match=r"findings\.md has no part 'chapters'"):
        page.readme("<!-- generated: chapters -->\n<!-- end -->")


def test_a_papers_figures_are_marked_by_the_size_of_the_networks(house):
    name = claims.PAPERS["gain"]
    large = {**grows("6C", setting="mnist"), "made_by": {**MADE_BY, "command": "python chapters/gain.py --paper"}}
    words = f"=== figures\n{name}, 6: 6: delays\n=== results\n{{figures: {name}}}\n\n{{open | {name}}} open\n"
    small = [grows(), grows("6C", "NOT REPRODUCED", "and"), grows("6D", "REPORTED"), grows("2C", setting="mnist")]
    unrun = claims.not_run("6F", "balanced", "0", "python chapters/gain.py --paper --figure 6F")
    house(words, gain=[*small, large, unrun, claims.not_run("6A", "a drawing")])
    found = page.results_md()
    assert "| figure | digits | reduced | paper's size |" in found
    assert "| 2 |  | C ✓ |  |" in found
    assert "| 6: delays | C ✓✗, D · |  | C ✓, F – |" in found
    assert "\n1 open\n" in found


def test_every_claim_is_a_row_and_commands_are_folded_away(house):
    old = {"part": "cells", "config": {}, "old": True}
    unrun = claims.not_run("6F", "balanced", "0", "python chapters/gain.py --figure 6F")
    gain = [grows(words="a | b"), unrun, claims.not_run("6A", "a drawing")]
    house("=== figures\n=== results\n# Results\n", gain=gain, dale_2=[grows(), old])
    head, folded = re.split(r"<details>", page.results_md(), maxsplit=1)
    assert "### dale-2 (Fruengel & Oberlaender 2025), stale" in head
    assert "| ✓ | 6C | it grows | p = 1 1.5 ± 0.7; p = 0.1 3.0 | 5 % |" in head
    assert "300 neurons, digits" not in head
    assert "### gain (Fruengel & Oberlaender 2025)\n" in folded
    assert "| a \\| b |" in folded
    assert (
        "## Not run\n\n| figure | claim | paper | needs |\n| --- | --- | --- | --- |\n| 6F | balanced | 0 | " in folded
    )
    assert "a drawing" not in folded
    assert "* 6F: `python chapters/gain.py --figure 6F`" in folded


def test_a_claim_cannot_break_the_page_that_it_is_on(house):
    wild = {
        **grows(words="a\n| x | y |\n# head\n<!-- end --> \\| b"),
        "setting": "digits\n\n</details>",
        "needs": "a\nb",
    }
    wild["made_by"] = {**MADE_BY, "command": "python chapters/gain.py `\n# x"}
    house("=== figures\n=== results\n# Results\n{gain | 6C | ours}\n", gain=[wild | {"ours": "1\n<!-- end -->"}])
    found = page.results_md().splitlines()
    assert "| ✓ | 6C | a \\| x \\| y \\| # head &lt;!-- end --> \\| b | 1 &lt;!-- end --> | 5 % |" in found
    assert "1 &lt;!-- end -->" in found
    assert "* digits &lt;/details>" in found
    assert [line for line in found if line.startswith("* `python chapters/gain.py ' # x`, commit")]
    assert [line for line in found if line.startswith("#")] == ["# Results", "### gain (Fruengel & Oberlaender 2025)"]


def test_the_folder_that_a_run_wrote_to_is_not_shown(house):
    written = {"made_by": {**MADE_BY, "command": "python chapters/gain.py --seeds 2 --out /tmp/gain --record"}}
    house("=== figures\n=== results\n# Results\n", gain=[{**grows(), **written}])
    assert "* `python chapters/gain.py --seeds 2 --record`, commit abc" in page.results_md()
    assert "/tmp" not in page.results_md()


def test_lines_of_code_are_counted_once_and_without_words(house):
    root = house("")
    function = 'def f():\n    """Text\n    of two."""\n    return x\n'
    (root / "minisparse" / "a.py").write_text(f'"""Text."""\n\n# a comment\nx = 1\n\n\n{function}')
    (root / "minisparse" / "kernels" / "b.py").write_text("y = 2\nz = 3\n")
    assert page.count_code() == {"minisparse": 5, "minisparse/kernels": 2}
