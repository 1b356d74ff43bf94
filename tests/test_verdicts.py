"""Verdicts: what they say of the numbers of several seeds."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse import results, verdicts

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
def test_the_paper_is_near_itself_and_far_from_what_is_far(values, sd):
    mean = statistics.mean(values)
    assert verdicts.near(values, mean, sd)
    far = 2 * (sd**2 / 10 + statistics.variance(values) / len(values)) ** 0.5 + 1
    assert verdicts.near(values, mean + 0.99 * far, sd)
    assert not verdicts.near(values, mean + 1.01 * far, sd)
    assert not verdicts.near([], mean, sd)
