"""Claims: what they say of the numbers of several seeds, and what has not been run."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minisparse.errors import InputError
from minisparse.lab import claims

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
    assert claims.status(holds, full) == status
    assert status in claims.STATUSES


@given(PERCENT)
def test_a_claim_keeps_the_means_of_its_values_and_no_value_is_none(values):
    row = claims.claim("1A", "it", "here", {"a": [*values, None], "b": [], "c": [3.0]}, "REPORTED", note="so", digits=2)
    assert row["ours"] == f"a {statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}; b none; c 3.00; so"
    assert row["numbers"] == {"a": statistics.mean(values), "c": 3.0}


@given(PERCENT, st.floats(0, 10))
def test_the_paper_is_near_itself_and_nothing_is_near_no_values(values, sd):
    assert claims.near(values, statistics.mean(values), sd)
    assert not claims.near([], statistics.mean(values), sd)


@pytest.mark.parametrize("sign", [1, -1])
def test_near_is_within_twice_the_standard_error_of_the_difference_and_one_percent(sign):
    # 88 and 92: squared standard error 8 / 2 = 4; the paper's: 15 ** 2 / 45 = 5; so 2 * 3 + 1 = 7 from 90
    assert claims.near([88.0, 92.0], 90 + 6.9 * sign, 15.0, seeds=45)
    assert not claims.near([88.0, 92.0], 90 + 7.1 * sign, 15.0, seeds=45)
    # one value has no spread; ten seeds of the paper: 10 ** 2 / 10 = 10; so 2 * 3.162 + 1 = 7.325 from 50
    assert claims.near([50.0], 50 + 7.3 * sign, 10.0)
    assert not claims.near([50.0], 50 + 7.35 * sign, 10.0)


def test_a_single_number_is_kept_for_comparison_and_said_in_the_note():
    row = claims.claim("1A", "it", "here", {"a": 2, "b": (1.0, 2.0)}, "REPORTED", "7", note="so")
    assert (row["ours"], row["numbers"], row["paper"]) == ("b 1.5 ± 0.7; so", {"a": 2, "b": 1.5}, "7")
    with pytest.raises(InputError, match="status 'FINE' is unknown; choose one of REPRODUCED, "):
        claims.claim("1A", "it", "here", {}, "FINE")


PLANNED = claims.not_run("6C", "it holds", "2", "BACKEND=cupy python a.py --paper --sizes 1 2 --record")


@pytest.mark.parametrize(
    ("figure", "command", "status", "answers"),
    [
        ("6C", "python a.py --paper --sizes 1 2 --record", "REPRODUCED", True),
        ("6C", "python a.py --sizes 1 2 --paper --jobs 2 --budget 5 --out there --yes --resume", "REPORTED", True),
        ("6C", "python a.py --paper --sizes 1 2 --budget=5", "REPRODUCED", True),
        ("6D", "python a.py --paper --sizes 1 2 --record", "REPRODUCED", False),
        ("6C", "python a.py --paper --sizes 1 2 --record", "NOT RUN", False),
        ("6C", "python a.py --sizes 1 2", "REPRODUCED", False),
        ("6C", "python b.py --paper --sizes 1 2", "REPRODUCED", False),
        ("6C", "python a.py --paper --sizes 2 1", "REPRODUCED", False),
    ],
)
def test_a_recorded_run_of_the_same_setting_answers_what_was_not_run(figure, command, status, answers):
    recorded = {**claims.claim(figure, "it holds", "here", {}, status), "made_by": {"command": command}}
    assert claims.missing([PLANNED, {**PLANNED}], [recorded]) == ([] if answers else [PLANNED])


def test_a_drawing_has_nothing_to_run_and_stays():
    drawing = claims.not_run("1", "the idea")
    recorded = {**claims.claim("1", "it", "", {}, "REPORTED"), "made_by": {"command": "python a.py"}}
    assert claims.missing([drawing], [recorded]) == [drawing]
