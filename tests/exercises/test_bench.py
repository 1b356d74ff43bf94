"""Every derivative line has its benches; there its own line passes, and every mistake in it is named."""

import pytest

import minisparse as ms
from minisparse import equations
from minisparse.exercises import bench
from minisparse.gradcheck import catalogue

LONG = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 10))]
ROWS = {row.code: row for row in catalogue.catalogue()}
FAMILIES = pytest.mark.parametrize("family", sorted({row.family for row in ROWS.values()}))


def test_every_tag_has_benches_or_a_reason_why_it_has_none():
    assert set(bench.tags()) | set(bench.NO_DERIVATIVE) == set(equations.tags())
    assert not set(bench.tags()) & set(bench.NO_DERIVATIVE)
    with pytest.raises(ms.UserError, match=r"\(O8\) is a schedule"):
        bench.benches("O8")
    with pytest.raises(ms.UserError, match="no bench for a tag 'R99'"):
        bench.benches("R99")


def test_every_derivative_line_has_at_least_two_mistakes():
    counts = {tag: sum(row.tag == tag for row in ROWS.values()) for tag in bench.tags()}
    assert sum(counts.values()) == len(ROWS), "a mistake in a line that has no bench"
    assert {tag: count for tag, count in counts.items() if count < 2} == {}


@pytest.mark.parametrize("seed", LONG)
def test_the_librarys_own_line_passes_on_every_bench(seed):
    seen = {id(place): place for tag in bench.tags() for place in bench.benches(tag, seed)}
    assert len(seen) >= 40
    for place in seen.values():
        report = place.check()
        assert report.ok, (place.name, str(report))


def where(row, seed):
    """The benches of a mistake's line on which it is one."""
    found = [place for place in bench.benches(row.tag, seed) if row.concerns(*place.parts)]
    assert found, row.code
    return found


def names(row, place):
    """Assert that a mistake is named on a bench, alone or with a listed synonym."""
    report = place.check(row.plant)
    assert report.findings, (row.code, place.name)
    first = report.findings[0]
    said = {first.code, *first.evidence.get("alternatives", ())}
    known = {other for pair in catalogue.SYNONYMS for other in pair if row.code in pair}
    assert row.code in said, (row.code, place.name, str(report))
    assert said <= {row.code, *known}, (row.code, place.name)
    tensors = {each.tensor for each in report.rows}
    assert set(row.visible) & tensors <= {finding.tensor for finding in report.findings}, (row.code, place.name)


@FAMILIES
def test_each_mistake_is_named_on_a_bench(family):
    """The benches take turns; all of them are in the next test."""
    for k, row in enumerate(catalogue.catalogue(family)):
        places = where(row, 0)
        names(row, places[k % len(places)])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@FAMILIES
def test_each_mistake_is_named_on_every_bench(family, seed):
    for row in catalogue.catalogue(family):
        for place in where(row, seed):
            names(row, place)


def test_every_synonym_is_one_somewhere():
    for pair, reason in catalogue.SYNONYMS.items():
        assert reason
        one, other = (ROWS[code] for code in pair)
        reports = [place.check(other.plant) for place in bench.benches(other.tag) if one.concerns(*place.parts)]
        assert any(one.code in (f.code, *f.evidence.get("alternatives", ())) for r in reports for f in r.findings[:1])
