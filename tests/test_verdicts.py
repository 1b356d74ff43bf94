"""Verdicts: what they say of the numbers of several seeds."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.lab import results, verdicts

PERCENT = st.lists(st.floats(0, 100), min_size=2, max_size=6)


@pytest.mark.parametrize(
    ("holds", "full", "status"),
    [
        (None, True, "REPORTED"),
        (False, True, "NOT REPRODUCED"),
        (True, True, "REPRODUCED"),
        (True, False, "REPRODUCED AT REDUCED SIZE"),
    ],
)
def test_a_status_says_whether_it_holds_and_at_whose_size(holds, full, status):
    assert verdicts.status(holds, full) == status
    assert status in results.STATUSES


@given(PERCENT)
def test_a_claim_keeps_the_means_of_its_values_and_no_value_is_none(values):
    row = verdicts.claim(
        "1A", "it", "here", {"a": [*values, None], "b": [], "c": [3.0]}, "REPORTED", note="so", digits=2
    )
    assert row["ours"] == f"a {statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}; b none; c 3.00; so"
    assert row["numbers"] == {"a": statistics.mean(values), "c": 3.0}


@given(PERCENT, st.floats(0, 10))
def test_the_paper_is_near_itself_and_nothing_is_near_no_values(values, sd):
    assert verdicts.near(values, statistics.mean(values), sd)
    assert not verdicts.near([], statistics.mean(values), sd)


@pytest.mark.parametrize("sign", [1, -1])
def test_near_is_within_twice_the_standard_error_of_the_difference_and_one_percent(sign):
    # 88 and 92: squared standard error 8 / 2 = 4; the paper's: 15 ** 2 / 45 = 5; so 2 * 3 + 1 = 7 from 90
    assert verdicts.near([88.0, 92.0], 90 + 6.9 * sign, 15.0, seeds=45)
    assert not verdicts.near([88.0, 92.0], 90 + 7.1 * sign, 15.0, seeds=45)
    # one value has no spread; ten seeds of the paper: 10 ** 2 / 10 = 10; so 2 * 3.162 + 1 = 7.325 from 50
    assert verdicts.near([50.0], 50 + 7.3 * sign, 10.0)
    assert not verdicts.near([50.0], 50 + 7.35 * sign, 10.0)
